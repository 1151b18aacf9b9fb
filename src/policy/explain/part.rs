//! Which phrase or pattern of a rule a finding is.
//!
//! A finding names its rule only, because that is all that service needs. Here
//! the rule's parts are tried one by one on the reading in which it matched.

use std::collections::HashMap;

use serde::Serialize;

use crate::detect::{Pattern, near};
use crate::domain::{Finding, View};
use crate::policy::Engine;
use crate::policy::compile::BUILTIN;
use crate::policy::kinds::{NearSpec, NodeSpec};
use crate::policy::spec::RuleSpec;
use crate::text::{Canonical, Views};

/// Matches of one part that are compared with the finding.
const TRIES_MAX: usize = 256;

/// What of a rule matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub kind: PartKind,
    /// The phrase, the pattern, or the name of what it is.
    pub text: String,
    /// The text as the view reads it, where the part matched; empty when that is not known.
    pub read: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    Phrase,
    Pattern,
    /// Personal data or a secret.
    Entity,
    /// Words that stand close together.
    Near,
    /// Sentences that the text comes close to.
    Similar,
    /// What holds of the whole text.
    Condition,
    /// A rule of the program.
    Builtin,
    /// Another key of the rule.
    Other,
}

/// Looks up parts; patterns are compiled once per rule.
pub(super) struct Parts<'e> {
    engine: &'e Engine,
    canonical: &'e Canonical,
    derived: &'e Views,
    looks: HashMap<String, Looks>,
}

impl<'e> Parts<'e> {
    pub(super) fn new(engine: &'e Engine, canonical: &'e Canonical, derived: &'e Views) -> Self {
        Self { engine, canonical, derived, looks: HashMap::new() }
    }

    pub(super) fn of(&mut self, finding: &Finding) -> Part {
        let id = &*finding.rule.0;
        if id.starts_with(BUILTIN) {
            return part(PartKind::Builtin, id, "");
        }
        let engine = self.engine;
        let (canonical, derived) = (self.canonical, self.derived);
        let rule = engine.spec().rules.iter().find(|rule| *rule.id == *id);
        let Some(rule) = rule else { return part(PartKind::Other, id, "") };
        let readings: Vec<&Canonical> = match finding.view {
            View::Canonical => vec![canonical],
            kind => {
                let of_kind = derived.list.iter().filter(|reading| reading.kind() == kind);
                of_kind.map(|reading| reading.view()).collect()
            }
        };
        let looks = self.looks.entry(id.to_owned()).or_insert_with(|| Looks::of(rule));
        for view in &readings {
            for phrase in &looks.phrases {
                if let Some(read) = phrase_at(view, phrase, finding) {
                    return part(PartKind::Phrase, phrase, read);
                }
            }
            for (kind, text, pattern) in &looks.patterns {
                if let Some(read) = pattern_at(view, pattern, finding) {
                    return part(*kind, text, read);
                }
            }
        }
        match finding.entity {
            Some(entity) => part(PartKind::Entity, entity.slug(), ""),
            None if looks.similar => part(PartKind::Similar, "similar_to", ""),
            None if !rule.kinds.when.is_empty() => part(PartKind::Condition, "when", ""),
            None => part(PartKind::Other, "another key of the rule", ""),
        }
    }
}

/// All that a rule looks for, the leaves of its `match:` included.
#[derive(Default)]
struct Looks {
    phrases: Vec<String>,
    patterns: Vec<(PartKind, String, Pattern)>,
    similar: bool,
}

impl Looks {
    fn of(rule: &RuleSpec) -> Self {
        let mut looks = Self { similar: rule.kinds.similar_to.is_some(), ..Self::default() };
        looks.add(&rule.phrases, &rule.patterns, rule.kinds.near.as_ref());
        if let Some(node) = &rule.kinds.matching {
            looks.add_node(node);
        }
        looks
    }

    fn add_node(&mut self, node: &NodeSpec) {
        match node {
            NodeSpec::Look(look) => {
                self.similar |= look.similar_to.is_some();
                self.add(&look.phrases, &look.patterns, look.near.as_ref());
            }
            NodeSpec::Any(parts) | NodeSpec::All { parts, .. } => {
                parts.iter().for_each(|part| self.add_node(part));
            }
            // What must not occur is never what was found.
            NodeSpec::Not(_) => {}
        }
    }

    fn add(&mut self, phrases: &[String], patterns: &[String], words: Option<&NearSpec>) {
        self.phrases.extend_from_slice(phrases);
        let parsed =
            |text: &String| Some((PartKind::Pattern, text.clone(), Pattern::parse(text).ok()?));
        self.patterns.extend(patterns.iter().filter_map(parsed));
        let Some(words) = words else { return };
        let groups: Vec<String> = words.words.iter().map(|group| group.join("|")).collect();
        let label = format!("{} within {} words", groups.join(" … "), words.within);
        let compiled = near::patterns(&words.words, words.within, words.ordered);
        let compiled = compiled.unwrap_or_default().into_iter();
        self.patterns.extend(compiled.map(|pattern| (PartKind::Near, label.clone(), pattern)));
    }
}

fn part(kind: PartKind, text: &str, read: &str) -> Part {
    Part { kind, text: text.to_owned(), read: read.to_owned() }
}

/// The reading at which the phrase is what was found.
fn phrase_at<'v>(view: &'v Canonical, phrase: &str, finding: &Finding) -> Option<&'v str> {
    let text = view.text();
    text.match_indices(phrase)
        .take(TRIES_MAX)
        .find(|(at, _)| view.original(*at..at + phrase.len()) == finding.span)
        .map(|(_, read)| read)
}

fn pattern_at<'v>(view: &'v Canonical, pattern: &Pattern, finding: &Finding) -> Option<&'v str> {
    let text = view.text();
    let mut at = view.canonical_at(finding.span.start).min(text.len());
    if finding.view != View::Canonical {
        at = 0;
    }
    for _ in 0..TRIES_MAX {
        let span = pattern.find_at(text, at)?;
        let found = view.original(span.clone());
        if found == finding.span {
            return text.get(span);
        }
        if finding.view == View::Canonical && found.start > finding.span.start {
            return None;
        }
        at = text.ceil_char_boundary(span.start + 1);
    }
    None
}
