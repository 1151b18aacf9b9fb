//! The table in words: what error messages and the documentation say of a shape.

use std::fmt;

use super::{Constant, Shape};

impl Shape {
    /// As in "must be …".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text { bytes_max: usize::MAX, empty: true } => "a string".to_owned(),
            Self::Text { bytes_max: usize::MAX, .. } => "a non-empty string".to_owned(),
            Self::Text { bytes_max, empty: true } => {
                format!("a string of at most {bytes_max} bytes")
            }
            Self::Text { bytes_max, .. } => {
                format!("a non-empty string of at most {bytes_max} bytes")
            }
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a 64-bit integer".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Number(range) if range.open => {
                format!("a number above {}, up to {}", range.min, range.max)
            }
            Self::Number(range) => format!("a number from {} to {}", range.min, range.max),
            Self::Only(constants) => {
                let mut words = vec!["null".to_owned()];
                words.extend(constants.iter().map(|constant| format!("`{constant}`")));
                words.join(" or ")
            }
            Self::Object(_) => "an object".to_owned(),
            Self::Opaque { entries_max } => {
                format!("an object of at most {entries_max} entries")
            }
            Self::TokenBias { entries_max } => format!(
                "an object of at most {entries_max} token ids, each with a number from -100 to 100"
            ),
            Self::List { of, items_min, items_max } if items_min == items_max => {
                format!("a list of {items_min}: {}", of.describe())
            }
            Self::List { of, items_min, items_max } => {
                format!("a list of {items_min} to {items_max}, each {}", of.describe())
            }
            Self::Either(alternatives) => {
                let words: Vec<_> = alternatives.iter().map(Self::describe).collect();
                words.join(", or ")
            }
            Self::Variants { tag, of } => {
                let accepted = of.iter().filter(|variant| variant.accepts.is_ok());
                let names: Vec<_> = accepted.map(|variant| format!("`{}`", variant.name)).collect();
                format!("an object with `{tag}` {}", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::False => f.write_str("false"),
            Self::Zero => f.write_str("0"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::EmptyList => f.write_str("[]"),
            Self::ListOf(text) => write!(f, "[\"{text}\"]"),
            Self::Type(name) => write!(f, "{{\"type\": \"{name}\"}}"),
        }
    }
}
