//! Why one rule matches a text, or what of it would be needed.
//!
//! Tries every phrase and pattern of the rule on the canonical view, without
//! the rule's exceptions, and says which exception took a match away. For
//! phrases that are not there the nearest words of the text are named; for
//! patterns the literals that they cannot do without.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use serde::Serialize;
use serde_json::Value;

use crate::detect::{Pattern, lexicon};
use crate::domain::{Category, Role, Stage};
use crate::policy::cases::judge_as;
use crate::policy::problem::suggest;
use crate::policy::{Engine, spec::RuleSpec};
use crate::text::Canonical;

/// Phrases whose nearest words are looked for.
const PHRASES_NEAR_MAX: usize = 500;
/// Words of the text that are compared with a phrase.
const WORDS_NEAR_MAX: usize = 2_000;
/// Below this likeness nothing is near.
const LIKENESS_MIN: f64 = 0.6;
/// Matches of one part that are tried against the exceptions.
const TRIES_MAX: usize = 256;

/// What a rule sees in a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleTold {
    pub id: Arc<str>,
    pub category: Category,
    pub level: u8,
    pub score: f32,
    /// The engine has a finding of it.
    pub matches: bool,
    /// Why it cannot match here, whatever the text says.
    pub barred: Vec<String>,
    pub phrases: Vec<Tried>,
    pub patterns: Vec<Tried>,
    /// Keys of the rule that look at the text otherwise, as compiled.
    pub other: serde_json::Map<String, Value>,
}

/// One phrase or pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    pub text: String,
    #[serde(flatten)]
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    Found {
        read: String,
    },
    /// A match that lies inside a match of an exception.
    Excepted {
        read: String,
        by: String,
    },
    /// A phrase that stands there only as a part of a longer word.
    InsideWord {
        read: String,
    },
    /// A phrase that is not there; `nearest` words and their likeness, 0 to 1.
    Near {
        nearest: String,
        likeness: f64,
    },
    /// A pattern of which the text has none of these literals.
    Lacks {
        any_of: Vec<String>,
    },
    /// A pattern that does not match although the literals that it needs are there.
    Apart,
    Missing,
}

/// A rule of the policy, or the ids that are like what was asked for.
///
/// # Errors
/// The policy has no such rule; the text says what it may have meant.
pub fn explain_rule(
    engine: &Engine,
    stage: Stage,
    role: Option<Role>,
    text: &str,
    id: &str,
) -> Result<RuleTold, String> {
    let rules = &engine.spec().rules;
    let Some(rule) = rules.iter().find(|rule| *rule.id == *id) else {
        let ids: Vec<&str> = rules.iter().map(|rule| &*rule.id).collect();
        let near = suggest(id, &ids);
        let help = if near.starts_with("one of") {
            "`policy check --rules` lists them"
        } else {
            near.as_str()
        };
        return Err(format!("policy `{}` has no rule `{id}`: {help}", engine.name()));
    };
    let verdict = judge_as(engine, stage, role, text);
    let view = Canonical::of(text);
    let except: Vec<(&String, Pattern)> = rule
        .unless
        .iter()
        .filter_map(|unless| Some((unless, Pattern::parse(unless).ok()?)))
        .collect();
    Ok(RuleTold {
        id: Arc::clone(&rule.id),
        category: rule.category,
        level: rule.level,
        score: rule.score,
        matches: verdict.findings.iter().any(|finding| *finding.rule.0 == *id),
        barred: barred(engine, rule, stage, role),
        phrases: phrases(rule, view.text(), &except),
        patterns: rule.patterns.iter().map(|text| pattern(text, view.text(), &except)).collect(),
        other: other(rule),
    })
}

fn barred(engine: &Engine, rule: &RuleSpec, stage: Stage, role: Option<Role>) -> Vec<String> {
    let (detect, block) = engine.levels();
    let mut why = Vec::new();
    if rule.level > detect {
        why.push(format!(
            "its level {} is above the policy's detect level {detect}: it does not run",
            rule.level
        ));
    } else if rule.level > block {
        why.push(format!(
            "its level {} is above the policy's block level {block}: it only flags",
            rule.level
        ));
    }
    if !rule.directions.contains(&stage) {
        why.push(format!("it does not look at the {}", stage.name()));
    }
    let role = role.unwrap_or(Role::User);
    if stage == Stage::Input && rule.roles.as_ref().is_some_and(|roles| !roles.contains(&role)) {
        why.push(format!(
            "it does not look at what the role `{}` says",
            crate::policy::cases::role_name(role)
        ));
    }
    why
}

fn phrases(rule: &RuleSpec, text: &str, except: &[(&String, Pattern)]) -> Vec<Tried> {
    let words: Vec<Range<usize>> = words(text);
    rule.phrases
        .iter()
        .enumerate()
        .map(|(number, phrase)| {
            let spans = text.match_indices(phrase.as_str()).take(TRIES_MAX);
            let spans = spans.map(|(at, read)| at..at + read.len()).collect::<Vec<_>>();
            let (whole, inside): (Vec<_>, Vec<_>) = spans
                .into_iter()
                .partition(|span| !rule.whole_words || lexicon::is_whole(text, span));
            let state = judged(text, &whole, except).unwrap_or_else(|| match inside.first() {
                Some(span) => State::InsideWord { read: around_word(text, span) },
                None if number < PHRASES_NEAR_MAX => nearest(text, &words, phrase),
                None => State::Missing,
            });
            Tried { text: phrase.clone(), state }
        })
        .collect()
}

fn pattern(written: &str, text: &str, except: &[(&String, Pattern)]) -> Tried {
    let state = match Pattern::parse(written) {
        Ok(pattern) => {
            let spans = matches(&pattern, text);
            judged(text, &spans, except).unwrap_or_else(|| {
                let lacks = |atom: &Vec<u8>| memmem::find(text.as_bytes(), atom).is_none();
                let anchor = pattern.anchor().filter(|anchor| anchor.atoms.iter().all(lacks));
                let told = |atom: &Vec<u8>| String::from_utf8_lossy(atom).into_owned();
                anchor.map_or(State::Apart, |anchor| State::Lacks {
                    any_of: anchor.atoms.iter().map(told).collect(),
                })
            })
        }
        Err(_) => State::Missing,
    };
    Tried { text: written.to_owned(), state }
}

/// All matches, those that begin inside another one included.
fn matches(pattern: &Pattern, text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(span) = pattern.find_at(text, at) {
        at = text.ceil_char_boundary(span.start + 1);
        spans.extend(pattern.accepted(text, &span));
        if spans.len() == TRIES_MAX {
            break;
        }
    }
    spans
}

/// The first span that no exception covers, or the first one and what covers it.
fn judged(text: &str, spans: &[Range<usize>], except: &[(&String, Pattern)]) -> Option<State> {
    let read = |span: &Range<usize>| text.get(span.clone()).unwrap_or_default().to_owned();
    let mut excepted = None;
    for span in spans {
        match except.iter().find(|(_, unless)| covers(unless, text, span)) {
            None => return Some(State::Found { read: read(span) }),
            Some((written, _)) => {
                excepted.get_or_insert_with(|| State::Excepted {
                    read: read(span),
                    by: (*written).clone(),
                });
            }
        }
    }
    excepted
}

/// Whether the span lies inside a match of the exception.
fn covers(unless: &Pattern, text: &str, span: &Range<usize>) -> bool {
    let chars = unless.chars_max().unwrap_or_default();
    let mut at = crate::detect::back_by_chars(text, span.start, chars);
    while let Some(found) = unless.find_at(text, at) {
        if found.start > span.start {
            return false;
        }
        if found.end >= span.end {
            return true;
        }
        at = text.ceil_char_boundary(found.start + 1);
    }
    false
}

fn words(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                found.push(start..at);
                from = None;
                if found.len() == WORDS_NEAR_MAX {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// The words of the text that are most like the phrase, as many as it has.
fn nearest(text: &str, words: &[Range<usize>], phrase: &str) -> State {
    // One word more or less: people run words together, and pull them apart.
    let length = phrase.split_whitespace().count().max(1);
    let mut best: Option<(f64, &str)> = None;
    for window in (length.max(2) - 1..=length + 1).flat_map(|length| words.windows(length)) {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
        let Some(there) = text.get(first.start..last.end) else { continue };
        let likeness = strsim::normalized_damerau_levenshtein(there, phrase);
        if best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, there));
        }
    }
    match best {
        Some((likeness, there)) if likeness >= LIKENESS_MIN => {
            State::Near { nearest: there.to_owned(), likeness }
        }
        _ => State::Missing,
    }
}

/// The span with the rest of the word in which it stands.
fn around_word(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();
    let start = before.trim_end_matches(char::is_alphanumeric).len();
    let end = text.len() - after.trim_start_matches(char::is_alphanumeric).len();
    text.get(start..end).unwrap_or_default().to_owned()
}

/// Keys that this module tells in its own way, or that say nothing about the text.
const TOLD: &[&str] =
    &["id", "category", "level", "score", "phrases", "patterns", "redact_as", "whole_words"];

fn other(rule: &RuleSpec) -> serde_json::Map<String, Value> {
    let Ok(Value::Object(map)) = serde_json::to_value(rule) else { return serde_json::Map::new() };
    map.into_iter()
        .filter(|(key, value)| {
            let empty = value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty);
            !empty && !TOLD.contains(&key.as_str())
        })
        .collect()
}
