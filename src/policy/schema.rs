//! The JSON Schema of policies and of cases, for editors and for other tools.
//!
//! It is made from the declarations in `document`: their keys, types and doc
//! comments. What a type does not say (names out of a fixed set, ranges) is
//! added in [`refine`], from the tables that the compiler itself uses. A test
//! fails when a key has no description, and when the committed files differ.
//! Printed by `portcullis policy schema`.

mod cases;

use serde_json::{Map, Value, json};

use super::compile::categories::{ACTIONS, SEVERITIES};
use super::compile::header::{LEVEL_MAX, STYLES, UNJUDGED};
use super::compile::rules::{ROLES, STAGES};
use super::document::part::Field;
use super::document::{Document, Part, Written};
use crate::domain::{Category, Entity, View};

pub use cases::cases;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Ids of rules and exceptions; the compiler says how long they may be.
const ID: &str = "^[a-z0-9/-]+$";
const DAY: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
/// What the end of a type's name in `document` says, and a schema's need not.
const SUFFIX: &str = "Written";

/// The schema of a policy file.
pub fn policy() -> Value {
    let mut defs = Map::new();
    let root = Document::shape(&mut defs);
    let mut schema = json!({
        "$schema": DRAFT,
        "title": "Portcullis policy",
        "description": "What a gateway lets in and out; see docs/POLICY.md.",
        "$defs": defs,
        // A policy that is written over another may leave everything to it.
        "if": { "required": ["extends"] },
        "then": { "required": ["policy"] },
        "else": { "required": ["policy", "version", "disclosure", "refusal", "categories"] },
    });
    merge(&mut schema, root);
    schema
}

/// The definition of a mapping goes into `defs`, once; the result refers to it.
pub(super) fn mapping<W: Written>(defs: &mut Map<String, Value>) -> Value {
    let name = W::NAME.strip_suffix(SUFFIX).unwrap_or(W::NAME).to_lowercase();
    let reference = json!({ "$ref": format!("#/$defs/{name}") });
    if defs.contains_key(&name) {
        return reference;
    }
    // Keeps its place while its own keys are described, which may lead back to it.
    defs.insert(name.clone(), Value::Null);
    let mut properties = Map::new();
    for Field { key, about, shape } in W::FIELDS {
        let mut property = shape(defs);
        refine(W::NAME, key, &mut property);
        let about: Vec<&str> = about.iter().map(|line| line.trim()).collect();
        merge(&mut property, json!({ "description": about.join(" ") }));
        properties.insert((*key).to_owned(), property);
    }
    let mut definition =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if let Some(required) = required(W::NAME) {
        merge(&mut definition, json!({ "required": required }));
    }
    defs.insert(name, definition);
    reference
}

/// Keys without which a mapping means nothing, wherever it stands.
fn required(mapping: &str) -> Option<&'static [&'static str]> {
    match mapping {
        "ExceptionWritten" => Some(&["id", "author", "reason", "expires"]),
        _ => None,
    }
}

/// Adds to the schema of a key what its type does not say. The place to extend
/// for a key whose values are names out of a fixed set, or have a range.
fn refine(mapping: &str, key: &str, shape: &mut Value) {
    let categories = || Category::ALL.iter().map(|category| category.slug()).collect::<Vec<_>>();
    let more = match (mapping, key) {
        (_, "unjudged") => json!({ "enum": names(UNJUDGED) }),
        (_, "refusal_style") => json!({ "enum": names(STYLES) }),
        (_, "severity") => json!({ "enum": names(SEVERITIES) }),
        (_, "action") => json!({ "enum": names(ACTIONS) }),
        (_, "category") => json!({ "enum": categories() }),
        ("ExceptionWritten", "categories") => json!({ "items": { "enum": categories() } }),
        (_, "categories") => json!({ "propertyNames": { "enum": categories() } }),
        (_, "directions") => json!({ "items": { "enum": names(STAGES) }, "minItems": 1 }),
        (_, "roles") => json!({ "items": { "enum": names(ROLES) }, "minItems": 1 }),
        (_, "score" | "threshold") => json!({ "exclusiveMinimum": 0, "maximum": 1 }),
        (_, "level" | "detect_level" | "block_level") => {
            json!({ "minimum": 1, "maximum": LEVEL_MAX })
        }
        (_, "pii") => one_or_many(Entity::ALL.iter().map(|kind| kind.slug()).collect()),
        (_, "views") => one_or_many(View::ALL.iter().map(|view| view.name()).collect()),
        ("LanguageWritten", "other") => json!({ "enum": ["judge", "flag", "refuse"] }),
        ("RedactionWritten", "style") => json!({ "enum": ["mask", "pseudonym"] }),
        (_, "sample" | "decay") => json!({ "exclusiveMinimum": 0, "maximum": 1 }),
        (_, "id") => json!({ "pattern": ID }),
        (_, "expires") => json!({ "format": "date", "pattern": DAY }),
        ("Document", "rules") => json!({ "items": { "required": ["id", "category"] } }),
        _ => return,
    };
    merge(shape, more);
}

/// One name, or `all` for every one, or a list of them.
fn one_or_many(known: Vec<&'static str>) -> Value {
    let mut words = known.clone();
    words.push("all");
    json!({ "anyOf": [
        { "enum": words },
        { "type": "array", "items": { "enum": known }, "minItems": 1 },
    ] })
}

fn names<T>(known: &[(&'static str, T)]) -> Vec<&'static str> {
    known.iter().map(|(name, _)| *name).collect()
}

/// Puts the keys of `more` into `into`, mapping by mapping.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key without a doc comment would have none in editors either.
    #[test]
    fn every_key_says_what_it_is_for() {
        let schema = policy();
        let mut missing = Vec::new();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            for (key, property) in definition["properties"].as_object().unwrap() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(format!("{name}.{key}"));
                }
            }
        }
        assert!(missing.is_empty(), "without a doc comment in policy/document.rs: {missing:?}");
    }
}
