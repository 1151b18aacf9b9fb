//! A YAML file as a tree whose keys know their lines.
//!
//! Only `sources` uses it. Types are checked later, over all layers together.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value with the line of its key (in a list: of the value itself).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub line: u64,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Counted from 1.
    pub line: Option<u64>,
    /// With line, column and snippet.
    pub message: String,
}

/// Parses a document; an empty one is an empty map.
///
/// # Errors
/// Says where it is no YAML.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    serde_saphyr::from_str::<Value>(text).map_err(|error| SyntaxError {
        line: error.location().map(|location| location.line()),
        message: shown(&error.to_string()),
    })
}

/// The parser's message without what its reader knows already: that it is an error, and a stand-in
/// for the file's name. Its snippet is indented.
fn shown(message: &str) -> String {
    let lines = message.strip_prefix("error: ").unwrap_or(message).lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("--> <input>"));
    lines.collect::<Vec<_>>().join("\n    ")
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(Node { line: item.referenced.line(), value: item.value });
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value::<Value>()?;
            map.push((key.value, Node { line: key.referenced.line(), value }));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_items_know_their_lines() {
        let text = "# comment\nlisten: a\naudit:\n  size: 5\nurls:\n  - x\n  - y\n";
        let Value::Map(root) = parse(text).unwrap() else { panic!("a map") };
        let lines: Vec<_> = root.iter().map(|(key, node)| (key.as_str(), node.line)).collect();
        assert_eq!(lines, [("listen", 2), ("audit", 3), ("urls", 5)]);
        let Value::List(urls) = &root[2].1.value else { panic!("a list") };
        assert_eq!(urls.iter().map(|item| item.line).collect::<Vec<_>>(), [6, 7]);
    }

    #[test]
    fn duplicate_keys_and_broken_syntax_are_errors_with_a_place() {
        for text in ["listen: a\nlisten: b\n", "listen: [1\n", "a: b: c\n"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error.line, Some(1..=2)), "{error:?}");
            assert!(error.message.starts_with("line ") && error.message.contains('|'), "{error:?}");
            assert!(!error.message.contains("<input>"), "{error:?}");
        }
    }
}
