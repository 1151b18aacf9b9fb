//! A policy with every default filled in and every name resolved.
//!
//! This is what the digest covers and what the engine is built from; it knows
//! no YAML and no places in files.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use time::Date;

use super::kinds::{Kinds, LanguageSpec};
use crate::domain::{Action, Category, Digest, Entity, Role, Severity, Stage, View};

#[derive(Debug, Clone, Serialize)]
pub(super) struct Spec {
    pub(super) policy: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) description: Option<String>,
    /// Rules up to this level produce findings.
    pub(super) detect_level: u8,
    /// Rules up to this level count towards actions.
    pub(super) block_level: u8,
    pub(super) unjudged: UnjudgedMeans,
    pub(super) limits: LimitsSpec,
    pub(super) conversation: ConversationSpec,
    pub(super) system_prompt: SystemPromptSpec,
    pub(super) disclosure_header: Arc<str>,
    pub(super) disclosure_first_turn: Option<Arc<str>>,
    pub(super) system_text: Option<String>,
    pub(super) refusal: Refusal,
    pub(super) categories: BTreeMap<Category, CategorySpec>,
    pub(super) rules: Vec<RuleSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<LanguageSpec>,
    /// Those in force.
    pub(super) exceptions: Vec<Exception>,
    pub(super) redaction: RedactionSpec,
}

/// How what is masked in a prompt is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct RedactionSpec {
    pub(super) style: RedactionStyle,
    /// Pseudonyms in the answer become the caller's own values again.
    pub(super) restore: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RedactionStyle {
    #[default]
    Mask,
    Pseudonym,
}

/// What text means that nobody looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnjudgedMeans {
    Block,
    Flag,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct LimitsSpec {
    /// Bytes of one text that are judged.
    pub(super) judged_bytes_max: usize,
    /// Findings that one verdict carries.
    pub(super) findings_max: usize,
    /// Decodings inside one another that are looked into; 0: no other reading than the plain one.
    pub(super) views_depth: usize,
    /// Bytes of all readings of one text besides the plain one.
    pub(super) views_bytes_max: usize,
    /// Bytes of all texts of a request that are judged.
    pub(super) request_bytes_max: usize,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            judged_bytes_max: 1 << 20,
            findings_max: 256,
            views_depth: 3,
            views_bytes_max: 8 << 20,
            request_bytes_max: 4 << 20,
        }
    }
}

/// How turns of a conversation count together.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ConversationSpec {
    /// What remains of a score with each later turn of the user.
    pub(super) decay: f32,
    /// Older turns count alone only.
    pub(super) window_turns: u32,
    /// Whether the turns of one speaker are also read as one text.
    pub(super) join: bool,
}

impl Default for ConversationSpec {
    fn default() -> Self {
        Self { decay: 0.9, window_turns: 20, join: true }
    }
}

/// What is done so that an answer does not tell the system text.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct SystemPromptSpec {
    pub(super) canary: bool,
    /// Consecutive words of the system text that are a finding in an answer.
    pub(super) overlap_words: Option<usize>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Refusal {
    pub(super) text: Arc<str>,
    /// An error response instead of an ordinary answer.
    pub(super) as_error: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CategorySpec {
    pub(super) severity: Severity,
    pub(super) input: Decision,
    pub(super) output: Decision,
    pub(super) refusal: Refusal,
    pub(super) store_text: bool,
}

impl CategorySpec {
    pub(super) fn decision(&self, stage: Stage) -> Decision {
        match stage {
            Stage::Input => self.input,
            Stage::Output => self.output,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Decision {
    pub(super) action: Action,
    /// The category's score from which on the action applies.
    pub(super) threshold: f32,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct RuleSpec {
    pub(super) id: Arc<str>,
    pub(super) category: Category,
    pub(super) directions: Vec<Stage>,
    /// `None`: every role.
    pub(super) roles: Option<Vec<Role>>,
    pub(super) level: u8,
    pub(super) score: f32,
    /// In canonical form.
    pub(super) phrases: Vec<String>,
    pub(super) patterns: Vec<String>,
    pub(super) whole_words: bool,
    pub(super) unless: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pii: Option<PiiSpec>,
    /// `None`: the entity's own mask, or the general one.
    pub(super) redact_as: Option<Arc<str>>,
    /// The readings in which it counts; `None`: all.
    pub(super) views: Option<Vec<View>>,
    /// The share of exchanges in which it acts; `None`: all.
    pub(super) sample: Option<f32>,
    #[serde(flatten, skip_serializing_if = "Kinds::is_empty")]
    pub(super) kinds: Kinds,
}

/// An exception in force: findings in its scope are recorded and do not act.
#[derive(Debug, Clone, Serialize)]
pub struct Exception {
    pub id: Arc<str>,
    /// Who answers for it.
    pub author: Arc<str>,
    pub reason: Arc<str>,
    /// The last day on which it holds, UTC.
    #[serde(serialize_with = "day")]
    pub expires: Date,
    /// Ids of rules, or `prefix/*`.
    pub rules: Vec<String>,
    pub categories: Vec<Category>,
    pub directions: Vec<Stage>,
    /// `None`: every role.
    pub roles: Option<Vec<Role>>,
    /// When not empty, only findings inside a match of one of these patterns.
    pub matching: Vec<String>,
}

/// As it is written: year, month, day.
fn day<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

/// Kinds of personal data that a rule looks for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PiiSpec {
    pub(super) kinds: Vec<Entity>,
    /// The version of what finds them: another one may find something else.
    pub(super) recognisers: u32,
}

impl Spec {
    /// SHA-256 over the JSON of the whole, keys sorted.
    pub(super) fn digest(&self) -> Result<Digest, serde_json::Error> {
        let value = serde_json::to_value(self)?;
        Ok(Digest::of(&serde_json::to_vec(&value)?))
    }
}
