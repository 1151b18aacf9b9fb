//! What is different between two policies: keys, decisions, rules.
//!
//! Compares what was compiled, not the files: a rule that was moved, or a
//! phrase that was spelled otherwise but folds to the same, is no difference.
//! Works on the specification's JSON, so a new key of the language needs
//! nothing here. What a difference does to texts is [`compare`]'s. Called by
//! `cli`.

pub mod compare;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Engine;

/// The differences between two policies, each list in the order of its names.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct PolicyDiff {
    /// Keys at the top of the policy.
    pub header: Vec<Change>,
    /// Per category, by slug.
    pub categories: Vec<Changed>,
    pub rules_added: Vec<Rule>,
    pub rules_removed: Vec<Rule>,
    pub rules_changed: Vec<Changed>,
}

/// A rule that only one of the policies has.
#[derive(Debug, PartialEq, Serialize)]
pub struct Rule {
    pub id: String,
    pub category: String,
    pub level: u64,
    pub score: f64,
}

/// Something that both have, with what is different in it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Changed {
    pub name: String,
    pub changes: Vec<Change>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Change {
    /// With dots for keys inside keys: `input.threshold`.
    pub key: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
    Value {
        before: Value,
        after: Value,
    },
    /// Of a list, as a set.
    Entries {
        added: Vec<Value>,
        removed: Vec<Value>,
    },
}

/// Keys with a list of their own.
const CATEGORIES: &str = "categories";
const RULES: &str = "rules";

impl PolicyDiff {
    /// What `after` has that `before` has not, and the other way round.
    pub fn between(before: &Engine, after: &Engine) -> Self {
        let (before, after) = (object(before.outline()), object(after.outline()));
        let mut diff = Self::default();
        let header = |from: &Map<String, Value>| -> Map<String, Value> {
            let own =
                |(key, _): &(&String, &Value)| key.as_str() != CATEGORIES && key.as_str() != RULES;
            from.iter().filter(own).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        changes(
            "",
            &Value::Object(header(&before)),
            &Value::Object(header(&after)),
            &mut diff.header,
        );
        let (named, other) = (by_name(&before, CATEGORIES), by_name(&after, CATEGORIES));
        diff.categories = changed(&named, &other);
        for (name, value) in &other {
            if !named.contains_key(name) {
                diff.categories.push(only(name, Value::Null, (*value).clone()));
            }
        }
        for (name, value) in &named {
            if !other.contains_key(name) {
                diff.categories.push(only(name, (*value).clone(), Value::Null));
            }
        }
        let (named, other) = (by_name(&before, RULES), by_name(&after, RULES));
        diff.rules_changed = changed(&named, &other);
        let missing = |from: &BTreeMap<&str, &Value>, than: &BTreeMap<&str, &Value>| -> Vec<Rule> {
            let without = than.iter().filter(|(id, _)| !from.contains_key(*id));
            without.map(|(id, rule)| Rule::of(id, rule)).collect()
        };
        diff.rules_added = missing(&named, &other);
        diff.rules_removed = missing(&other, &named);
        diff
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Rule {
    fn of(id: &str, rule: &Value) -> Self {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id: id.to_owned(),
            category: text("category"),
            level: rule.get("level").and_then(Value::as_u64).unwrap_or_default(),
            score: shortest(rule.get("score").and_then(Value::as_f64).unwrap_or_default()),
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The entries of a mapping, or of a list whose entries have an `id`.
fn by_name<'v>(policy: &'v Map<String, Value>, key: &str) -> BTreeMap<&'v str, &'v Value> {
    match policy.get(key) {
        Some(Value::Object(map)) => {
            map.iter().map(|(name, value)| (name.as_str(), value)).collect()
        }
        Some(Value::Array(list)) => {
            list.iter().filter_map(|value| Some((value.get("id")?.as_str()?, value))).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn changed(before: &BTreeMap<&str, &Value>, after: &BTreeMap<&str, &Value>) -> Vec<Changed> {
    let mut list = Vec::new();
    for (name, old) in before {
        let Some(new) = after.get(name) else { continue };
        let mut found = Vec::new();
        changes("", old, new, &mut found);
        if !found.is_empty() {
            list.push(Changed { name: (*name).to_owned(), changes: found });
        }
    }
    list
}

fn only(name: &str, before: Value, after: Value) -> Changed {
    let what = What::Value { before, after };
    Changed { name: name.to_owned(), changes: vec![Change { key: String::new(), what }] }
}

/// Walks down mappings; compares lists as sets, everything else as it is.
fn changes(key: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let what = match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for name in keys {
                let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                changes(&inner, &of(old), &of(new), found);
            }
            return;
        }
        (Value::Array(old), Value::Array(new)) => {
            let without = |from: &[Value], than: &[Value]| -> Vec<Value> {
                let there: std::collections::HashSet<String> =
                    than.iter().map(Value::to_string).collect();
                from.iter().filter(|value| !there.contains(&value.to_string())).cloned().collect()
            };
            let (added, removed) = (without(new, old), without(old, new));
            if added.is_empty() && removed.is_empty() {
                // Another order, or a repetition.
                What::Value { before: before.clone(), after: after.clone() }
            } else {
                What::Entries { added, removed }
            }
        }
        _ => What::Value { before: tidy(before), after: tidy(after) },
    };
    found.push(Change { key: key.to_owned(), what });
}

/// Scores and thresholds are 32-bit: `0.9`, not `0.8999999761581421`.
fn tidy(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() => Value::from(shortest(number)),
        _ => value.clone(),
    }
}

fn shortest(number: f64) -> f64 {
    (number as f32).to_string().parse().unwrap_or(number)
}
