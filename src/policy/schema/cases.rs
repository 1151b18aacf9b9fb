//! The schema of a cases file.
//!
//! `policy::cases` reads the file; its keys are listed here once more, and a
//! test compares the two.

use serde_json::{Map, Value, json};

use super::{ACTIONS, DRAFT, STAGES, names};
use crate::domain::Category;

type Key = (&'static str, &'static str, fn() -> Value);

const GROUP: &[Key] = &[
    ("category", "The category that the texts are about.", category),
    ("stage", "Whether the texts are prompts or answers.", || json!({ "enum": names(STAGES) })),
    (
        "action",
        "What each text of `must_match` leads to, when that matters.",
        || json!({ "enum": names(ACTIONS) }),
    ),
    ("must_match", "Texts on each of which the category reaches its threshold.", texts),
    ("must_pass", "Texts on each of which nothing stops or masks anything.", texts),
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

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
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
