//! How the rule kinds beyond phrases and patterns are written.
//!
//! Only shapes; `compile::near` and `compile::conditions` say what is allowed.

use super::NamesWritten;
use super::part::{Spanned, written};

type Names = Spanned<Vec<Spanned<String>>>;

written! {
    /// Words that stand close together.
    NearWritten {
        /// Groups of words or phrases (`bomb*` is a beginning); of each group one must occur.
        words: Spanned<Vec<Vec<Spanned<String>>>>,
        /// Words that may stand between neighbours at most.
        within: Spanned<u64>,
        /// Whether the groups must occur in this order; false when absent.
        ordered: bool,
    }

    /// A node of a `match:`: an operator over nodes, or something to look for.
    MatchWritten {
        /// Every one of these must hold.
        all: Spanned<Vec<Spanned<MatchWritten>>>,
        /// One of these must hold.
        any: Spanned<Vec<Spanned<MatchWritten>>>,
        /// This must not hold; beside others in `all`.
        not: Box<Spanned<MatchWritten>>,
        /// With `all`: the matches must lie within this many characters.
        within_chars: Spanned<u64>,
        /// Words as people write them.
        phrases: Vec<Spanned<String>>,
        /// Regular expressions, as in a rule.
        patterns: Vec<Spanned<String>>,
        /// Kinds of personal data and secrets: `all`, or a list.
        pii: Spanned<NamesWritten>,
        /// Phrases match whole words only; true when absent.
        whole_words: bool,
        /// Words that stand close together.
        near: Spanned<NearWritten>,
        /// Sentences that a text may come close to.
        similar_to: Spanned<SimilarWritten>,
    }

    /// What must hold of the whole text.
    WhenWritten {
        /// Scripts in which most letters are written, e.g. `cyrillic`.
        script: Names,
        /// Letters of several scripts within one word.
        mixed_scripts: Spanned<bool>,
        /// Languages, one of which the text is reliably in (ISO 639-1).
        language: Names,
        /// Languages, none of which the text is in.
        language_not: Names,
        /// How long the text is.
        length: Spanned<LengthWritten>,
        /// How much of the text repeats itself.
        repetition: Spanned<RepetitionWritten>,
        /// Lines that pose as turns of a dialogue.
        turn_markers: Spanned<TurnMarkersWritten>,
        /// Text that is no writing, as in adversarial suffixes.
        noise: Spanned<NoiseWritten>,
    }

    /// How long a text is.
    LengthWritten {
        /// More characters than this.
        chars_over: Spanned<u64>,
        /// More words than this.
        words_over: Spanned<u64>,
    }

    /// How much of a text repeats itself.
    RepetitionWritten {
        /// More than this share of its lines or word sequences, 0 to 1.
        share_over: Spanned<f64>,
    }

    /// Lines that pose as turns of a dialogue.
    TurnMarkersWritten {
        /// More of them than this.
        over: Spanned<u64>,
    }

    /// Text that is no writing.
    NoiseWritten {
        /// The end of the text scores higher than this, 0 to 1.
        tail_over: Spanned<f64>,
        /// A stretch anywhere scores higher than this, 0 to 1.
        anywhere_over: Spanned<f64>,
    }

    /// Sentences that a text may come close to.
    SimilarWritten {
        /// The sentences.
        examples: Spanned<Vec<Spanned<String>>>,
        /// The likeness from which on it is a match, above 0 and at most 1.
        threshold: Spanned<f64>,
    }

    /// Which languages the policy covers.
    LanguageWritten {
        /// Languages that the rules are written for (ISO 639-1).
        covered: Names,
        /// What happens to text in another language.
        other: Spanned<String>,
        /// Letters that a text must have for its language to be told.
        min_chars: Spanned<u64>,
    }
}
