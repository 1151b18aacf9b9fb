//! How the rule kinds beyond phrases and patterns are written.
//!
//! Only shapes; `compile::near` and `compile::conditions` say what is allowed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Spanned, Written};

type Names = Spanned<Vec<Spanned<String>>>;

written! {
    /// Words that stand close together.
    NearWritten {
        words: Spanned<Vec<Vec<Spanned<String>>>>,
        within: Spanned<u64>,
        ordered: bool,
    }

    /// A node of a `match:`: an operator over nodes, or something to look for.
    MatchWritten {
        all: Spanned<Vec<Spanned<MatchWritten>>>,
        any: Spanned<Vec<Spanned<MatchWritten>>>,
        not: Box<Spanned<MatchWritten>>,
        within_chars: Spanned<u64>,
        phrases: Vec<Spanned<String>>,
        patterns: Vec<Spanned<String>>,
        whole_words: bool,
        near: Spanned<NearWritten>,
        similar_to: Spanned<SimilarWritten>,
    }

    /// What must hold of the whole text.
    WhenWritten {
        script: Names,
        mixed_scripts: Spanned<bool>,
        language: Names,
        language_not: Names,
        length: Spanned<LengthWritten>,
        repetition: Spanned<RepetitionWritten>,
        turn_markers: Spanned<TurnMarkersWritten>,
        noise: Spanned<NoiseWritten>,
    }

    LengthWritten {
        chars_over: Spanned<u64>,
        words_over: Spanned<u64>,
    }

    RepetitionWritten {
        share_over: Spanned<f64>,
    }

    TurnMarkersWritten {
        over: Spanned<u64>,
    }

    NoiseWritten {
        tail_over: Spanned<f64>,
        anywhere_over: Spanned<f64>,
    }

    /// Sentences that a text may come close to.
    SimilarWritten {
        examples: Spanned<Vec<Spanned<String>>>,
        threshold: Spanned<f64>,
    }

    /// Which languages the policy covers.
    LanguageWritten {
        covered: Names,
        other: Spanned<String>,
        min_chars: Spanned<u64>,
    }
}
