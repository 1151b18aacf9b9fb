//! Evidence: what a detector saw, where, and what nobody looked at.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{Category, Entity};

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
    /// Several turns of one speaker read as one text.
    Joined,
    /// Separators between letters and repeated letters taken out.
    Squeezed,
    /// Digits and symbols read as the letters that they resemble.
    Leetspeak,
    Base64,
    Base32,
    Hex,
    Percent,
    HtmlEntities,
    /// `\u0041`, `\x41`, `U+0041` and the like.
    UnicodeEscapes,
    QuotedPrintable,
    Binary,
    Morse,
    /// Every letter moved along the alphabet by one distance; ROT13 is 13.
    Caesar,
    Reversed,
    PigLatin,
    /// Text in Unicode tag characters.
    Tags,
    /// Bits in zero-width characters or variation selectors.
    Steganography,
    /// One decoding inside another.
    Nested,
}

impl View {
    /// Every reading, in the order of the declaration.
    pub const ALL: &'static [Self] = &[
        Self::Original,
        Self::Canonical,
        Self::Joined,
        Self::Squeezed,
        Self::Leetspeak,
        Self::Base64,
        Self::Base32,
        Self::Hex,
        Self::Percent,
        Self::HtmlEntities,
        Self::UnicodeEscapes,
        Self::QuotedPrintable,
        Self::Binary,
        Self::Morse,
        Self::Caesar,
        Self::Reversed,
        Self::PigLatin,
        Self::Tags,
        Self::Steganography,
        Self::Nested,
    ];

    /// The stable name, e.g. `html_entities`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Canonical => "canonical",
            Self::Joined => "joined",
            Self::Squeezed => "squeezed",
            Self::Leetspeak => "leetspeak",
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::HtmlEntities => "html_entities",
            Self::UnicodeEscapes => "unicode_escapes",
            Self::QuotedPrintable => "quoted_printable",
            Self::Binary => "binary",
            Self::Morse => "morse",
            Self::Caesar => "caesar",
            Self::Reversed => "reversed",
            Self::PigLatin => "pig_latin",
            Self::Tags => "tags",
            Self::Steganography => "steganography",
            Self::Nested => "nested",
        }
    }
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
    /// What kind of personal data or secret was recognised, if the rule looks for such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    /// The rule acts in a share of the exchanges only, and this is none of them: it is recorded
    /// and counts towards no action.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sampled_out: bool,
    /// The exception of the policy that keeps it from acting, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Arc<str>>,
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
    /// Decoding it would have gone beyond the limits of depth or work.
    TooEncoded,
    /// It is in a language that the policy does not cover.
    Language,
}
