//! Evidence: what a detector saw, where, and what nobody looked at.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::Category;

/// The identifier of a rule, unique within its policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub Arc<str>);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reading of a text in which a rule matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The bytes as sent.
    Original,
    /// Compatibility forms, case, invisible characters and look-alikes folded.
    Canonical,
}

/// Which text of an exchange is meant. Message fields and choices count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum Place {
    Message {
        index: u32,
        field: Field,
    },
    /// The prompt of `/v1/completions`.
    Prompt,
    /// A stop text of the request.
    StopText {
        index: u32,
    },
    /// An input of `/v1/moderations`.
    Input {
        index: u32,
    },
    Choice {
        index: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Content,
    Name,
}

/// One piece of evidence. Never carries the text itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub category: Category,
    pub rule: RuleId,
    /// The rule's level, 1 (few false positives) to 3.
    pub level: u8,
    /// The rule's own score, 0..=1.
    pub score: f32,
    pub place: Place,
    /// Bytes of the original text, on character boundaries.
    pub span: Range<usize>,
    pub view: View,
}

/// Text that was not judged, and why. Never silently empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unjudged {
    pub place: Place,
    pub span: Range<usize>,
    pub reason: UnjudgedReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnjudgedReason {
    /// More findings than a verdict may carry.
    TooManyFindings,
    /// The text exceeded the byte limit of judging.
    TooLong,
}
