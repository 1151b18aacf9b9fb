//! The schema of a cases file.
//!
//! `policy::cases` reads the file; its keys are listed here once more, and a
//! test compares the two.

use serde_json::{Map, Value, json};

use super::{ACTIONS, DRAFT, ROLES, STAGES, names};
use crate::domain::{Category, View};

type Key = (&'static str, &'static str, fn() -> Value);

const GROUP: &[Key] = &[
    ("category", "The category that the texts are about.", category),
    ("stage", "Whether the texts are prompts or answers.", || json!({ "enum": names(STAGES) })),
    (
        "role",
        "Who wrote the texts; a user or the assistant when absent.",
        || json!({ "enum": names(ROLES) }),
    ),
    (
        "action",
        "What each text of `must_match` leads to, when that matters.",
        || json!({ "enum": names(ACTIONS) }),
    ),
    ("rules", "Rules that match each text of `must_match`.", strings),
    ("views", "Each text of `must_match` is found in one of these readings.", || {
        let views: Vec<&str> = View::ALL.iter().map(|view| view.name()).collect();
        json!({ "type": "array", "items": { "enum": views } })
    }),
    ("must_match", "Texts on each of which the category reaches its threshold.", cases_of),
    ("must_pass", "Texts on each of which nothing stops or masks anything.", cases_of),
];

/// The schema of a cases file.
pub fn cases() -> Value {
    json!({
        "$schema": DRAFT,
        "title": "Portcullis cases",
        "description": "Texts that show what a policy does; see docs/POLICY.md.",
        "type": "object",
        "additionalProperties": false,
        "required": ["cases"],
        "properties": {
            "cases": {
                "description": "Groups of texts.",
                "type": "array",
                "items": { "$ref": "#/$defs/group" },
            },
        },
        "$defs": {
            "case": case(),
            "group": {
                "type": "object",
                "additionalProperties": false,
                "required": ["category", "stage"],
                "properties": properties(GROUP),
            },
        },
    })
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    keys.iter()
        .map(|(key, about, shape)| {
            let mut shape = shape();
            super::merge(&mut shape, json!({ "description": about }));
            ((*key).to_owned(), shape)
        })
        .collect()
}

fn category() -> Value {
    json!({ "enum": Category::ALL.iter().map(|category| category.slug()).collect::<Vec<_>>() })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn cases_of() -> Value {
    json!({ "type": "array", "items": { "$ref": "#/$defs/case" } })
}

/// A text, or a mapping that says more about one.
fn case() -> Value {
    let text = json!({ "type": "string" });
    let views: Vec<&str> = View::ALL.iter().map(|view| view.name()).collect();
    let message = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["role", "text"],
        "properties": { "role": { "enum": names(ROLES) }, "text": text },
    });
    let bytes = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["start", "end"],
        "properties": { "start": { "type": "integer" }, "end": { "type": "integer" } },
    });
    json!({ "oneOf": [text, {
        "type": "object",
        "additionalProperties": false,
        "oneOf": [{ "required": ["text"] }, { "required": ["messages"] }],
        "properties": {
            "text": { "type": "string", "description": "The text." },
            "messages": {
                "type": "array", "items": message, "description": "A conversation instead of a text.",
            },
            "rule": { "type": "string", "description": "A rule that matches it." },
            "rules": { "type": "array", "items": text, "description": "Rules that match it." },
            "span": {
                "description": "What of the text is matched: its words, or its bytes.",
                "oneOf": [text, bytes],
            },
            "action": { "enum": names(ACTIONS), "description": "What it leads to." },
            "role": { "enum": names(ROLES), "description": "Who wrote it." },
            "views": { "type": "array", "items": { "enum": views }, "description": "Readings in one of which it is found." },
        },
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cases::Cases;

    /// The reader names the keys that it knows when it meets another.
    #[test]
    fn the_schema_has_the_keys_of_the_reader() {
        let error = Cases::parse("c", "cases: [{ zzz: 1 }]").unwrap_err().report;
        let known: Vec<String> = error
            .split_once("zzz")
            .map_or("", |(_, rest)| rest)
            .split(|c: char| !c.is_ascii_lowercase() && c != '_')
            .map(str::to_owned)
            .collect();
        for (key, ..) in GROUP {
            assert!(known.iter().any(|known| known == key), "{key} is no key: {error}");
        }
        let listed = error.split_once("one of").map_or("", |(_, rest)| rest);
        let listed = listed.lines().next().unwrap_or_default();
        let listed = listed.split(", ").filter(|name| !name.trim().is_empty()).count();
        assert_eq!(listed, GROUP.len(), "{error}");
    }
}
