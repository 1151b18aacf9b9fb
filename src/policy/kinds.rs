//! What the rule kinds beyond phrases and patterns resolve to.
//!
//! Part of the specification, so part of the digest; a rule that uses none of
//! them leaves no trace in it. Knows no YAML and no detector.

use serde::Serialize;

use super::spec::PiiSpec;
use crate::detect::condition::Condition;

/// The kinds that one rule uses.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Kinds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) near: Option<NearSpec>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub(super) matching: Option<NodeSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) when: Vec<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) similar_to: Option<SimilarSpec>,
}

impl Kinds {
    pub(super) fn is_empty(&self) -> bool {
        self.near.is_none()
            && self.matching.is_none()
            && self.when.is_empty()
            && self.similar_to.is_none()
    }
}

/// Words in canonical form that stand close together.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NearSpec {
    pub(super) words: Vec<Vec<String>>,
    pub(super) within: usize,
    pub(super) ordered: bool,
}

/// A node of a `match:`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeSpec {
    Look(LookSpec),
    Any(Vec<Self>),
    All { parts: Vec<Self>, within_chars: Option<usize> },
    Not(Box<Self>),
}

/// What a leaf of a `match:` looks for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LookSpec {
    pub(super) phrases: Vec<String>,
    pub(super) patterns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pii: Option<PiiSpec>,
    pub(super) whole_words: bool,
    pub(super) near: Option<NearSpec>,
    pub(super) similar_to: Option<SimilarSpec>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct SimilarSpec {
    pub(super) examples: Vec<String>,
    pub(super) threshold: f32,
    /// The encoder's name and version: another one finds other texts.
    pub(super) encoder: &'static str,
}

/// The languages that a policy covers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LanguageSpec {
    pub(super) covered: Vec<&'static str>,
    pub(super) other: OtherLanguage,
    /// Letters that a text must have to be sure of its language.
    pub(super) min_chars: usize,
}

/// What happens to a text in another language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OtherLanguage {
    Judge,
    Flag,
    Refuse,
}
