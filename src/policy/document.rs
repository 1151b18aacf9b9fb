//! A policy as it is written, with the place of everything.
//!
//! Reading is lenient where leniency lets one run report more: every field is
//! optional, unknown keys are collected, names stay text. [`super::compile`]
//! judges all of it together. The doc comment of each key is what editors
//! show for it (`portcullis policy schema`). Nothing else sees these types.

pub(super) mod part;

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

mod kinds;

pub(super) use kinds::*;
use part::written;
pub(super) use part::{Named, Part, Spanned, Written, place};

written! {
    /// A policy: what is forbidden, and what happens then.
    Document {
        /// Its name in logs, reports and headers.
        policy: Spanned<String>,
        /// Its version, as text; quote it.
        version: Spanned<String>,
        /// What it is for.
        description: String,
        /// The policy that this one is written over: a path relative to this file, or `shipped`.
        extends: Spanned<String>,
        /// Rules up to this level (1 to 3) are evaluated.
        detect_level: Spanned<u8>,
        /// Rules up to this level act; those between it and `detect_level` only flag.
        block_level: Spanned<u8>,
        /// What a text that could not be judged means.
        unjudged: Spanned<String>,
        /// How much is judged at most.
        limits: LimitsWritten,
        /// How the turns of a conversation count together.
        conversation: ConversationWritten,
        /// What is done so that an answer does not tell the system text.
        system_prompt: SystemPromptWritten,
        /// How people learn that an AI answers.
        disclosure: DisclosureWritten,
        /// Text that stands before the caller's system text.
        system_text: String,
        /// `message` answers in the model's place, `error` is a 400.
        refusal_style: Spanned<String>,
        /// What a refused caller reads, unless the category says otherwise.
        refusal: Spanned<String>,
        /// What happens about each category; every one must be decided, here or in the base.
        categories: Spanned<Named<CategoryWritten>>,
        /// Parts of patterns by name, written `{{name}}` in them.
        fragments: Spanned<Named<Spanned<String>>>,
        /// What is looked for.
        rules: Vec<Spanned<RuleWritten>>,
        /// Which languages the policy covers, and what happens to others.
        language: Spanned<LanguageWritten>,
        /// How what is masked in a prompt is written.
        redaction: RedactionWritten,
        /// Changes to rules of the base, by their id or `prefix/*`: each key given here takes the place of the rule's.
        change: Spanned<Named<RuleWritten>>,
        /// Rules of the base that do not run: ids or `prefix/*`.
        disable: Vec<Spanned<String>>,
        /// What policies written over this one may not weaken.
        floor: Spanned<FloorWritten>,
        /// Findings that do not act, for a while and for a reason.
        exceptions: Vec<Spanned<ExceptionWritten>>,
    }

    /// How what is masked in a prompt is written.
    RedactionWritten {
        /// `mask` says what kind of thing stood there, `pseudonym` also which one.
        style: Spanned<String>,
        /// Whether pseudonyms in an answer become the caller's own values again.
        restore: Spanned<bool>,
    }

    /// How much is judged at most.
    LimitsWritten {
        /// Bytes of one text that are judged; the rest counts as unjudged.
        judged_bytes_max: Spanned<u64>,
        /// Findings that one verdict carries; more count as unjudged.
        findings_max: Spanned<u64>,
        /// Decodings inside one another that are looked into; 0 looks into none.
        views_depth: Spanned<u64>,
        /// Bytes of all other readings of one text.
        views_bytes_max: Spanned<u64>,
        /// Bytes of all texts of a request that are judged.
        request_bytes_max: Spanned<u64>,
    }

    /// How the turns of a conversation count together.
    ConversationWritten {
        /// What remains of a score with each later turn of the user, above 0 and at most 1.
        decay: Spanned<f64>,
        /// Evidence older than this many turns counts alone only.
        window_turns: Spanned<u64>,
        /// Whether the turns of one speaker are also read as one text; true when absent.
        join: bool,
    }

    /// What is done so that an answer does not tell the system text.
    SystemPromptWritten {
        /// Whether a random mark is planted in it, which no answer may contain.
        canary: bool,
        /// Consecutive words of it that are a finding in an answer.
        overlap_words: Spanned<u64>,
    }

    /// How people learn that an AI answers.
    DisclosureWritten {
        /// The value of the response header `x-portcullis-notice`.
        header: Spanned<String>,
        /// Stands before the first answer of a conversation.
        first_turn: Spanned<String>,
    }

    /// What happens about one category.
    CategoryWritten {
        /// How grave a violation is; never less than in the acceptable-use policy.
        severity: Spanned<String>,
        /// What happens about a prompt.
        input: Spanned<DecisionWritten>,
        /// What happens about an answer.
        output: Spanned<DecisionWritten>,
        /// What a refused caller reads.
        refusal: Spanned<String>,
        /// `message` answers in the model's place, `error` is a 400.
        refusal_style: Spanned<String>,
        /// Whether matched text may stand in the audit log.
        store_text: Spanned<bool>,
    }

    /// What happens from which score on.
    DecisionWritten {
        /// From mildest to strictest: allow, flag, redact, replace, block.
        action: Spanned<String>,
        /// The category's score from which on the action applies; above 0, at most 1.
        threshold: Spanned<f64>,
    }

    /// What is looked for, and what a match is worth.
    RuleWritten {
        /// The rule's name: a-z, 0-9, `/` and `-`.
        id: Spanned<String>,
        /// The category that a match is evidence for.
        category: Spanned<String>,
        /// Whether prompts, answers or both are looked at; both when absent.
        directions: Spanned<Vec<Spanned<String>>>,
        /// Whose parts of the prompt are looked at; everybody's when absent.
        roles: Spanned<Vec<Spanned<String>>>,
        /// 1 (few false positives) to 3 (broad).
        level: Spanned<u8>,
        /// The evidence of a match, above 0 and at most 1; 1 when absent.
        score: Spanned<f64>,
        /// Words as people write them.
        phrases: Vec<Spanned<String>>,
        /// A file with one phrase a line (`#` begins a comment), in the folder of this file or below it.
        phrases_from: Spanned<String>,
        /// Regular expressions without look-around and back-references, on folded lower-case text.
        patterns: Vec<Spanned<String>>,
        /// Kinds of personal data and secrets: `all`, or a list.
        pii: Spanned<NamesWritten>,
        /// Phrases match whole words only; true when absent.
        whole_words: bool,
        /// Patterns; a match inside a match of one of them is no finding.
        unless: Vec<Spanned<String>>,
        /// What a masked match becomes.
        redact_as: Spanned<String>,
        /// The readings of a prompt in which the rule counts: `all`, or a list.
        views: Spanned<NamesWritten>,
        /// The share of exchanges in which the rule acts, above 0 and at most 1; in the others it only flags.
        sample: Spanned<f64>,
        /// Examples that show what this rule sees.
        cases: RuleCasesWritten,
        /// Words that stand close together.
        near: Spanned<NearWritten>,
        /// An expression over things to look for.
        r#match: Spanned<MatchWritten>,
        /// What must hold of the whole text; prompts only.
        when: Spanned<WhenWritten>,
        /// Sentences that a text may come close to; prompts only.
        similar_to: Spanned<SimilarWritten>,
        /// Whether policies written over this one must leave the rule as strict as it is.
        locked: Spanned<bool>,
    }

    /// Examples that show what one rule sees.
    RuleCasesWritten {
        /// Texts in which it matches.
        must_match: Vec<Spanned<String>>,
        /// Texts in which it does not.
        must_pass: Vec<Spanned<String>>,
    }

    /// What policies written over this one may not weaken.
    FloorWritten {
        /// The least `detect_level`.
        detect_level: Spanned<u8>,
        /// The least `block_level`.
        block_level: Spanned<u8>,
        /// `block`: text that was not judged must stay blocked.
        unjudged: Spanned<String>,
        /// The mildest decisions allowed, by category.
        categories: Spanned<Named<FloorCategoryWritten>>,
        /// Rules that must stay as strict as they are: ids or `prefix/*`.
        rules: Vec<Spanned<String>>,
    }

    /// The mildest decisions allowed about one category.
    FloorCategoryWritten {
        /// About prompts: the mildest action, the highest threshold.
        input: Spanned<DecisionWritten>,
        /// About answers: the mildest action, the highest threshold.
        output: Spanned<DecisionWritten>,
    }

    /// Findings that do not act, for a while and for a reason.
    ExceptionWritten {
        /// Its name in findings and in the audit log: a-z, 0-9, `/` and `-`.
        id: Spanned<String>,
        /// Who answers for it.
        author: Spanned<String>,
        /// Why it is needed.
        reason: Spanned<String>,
        /// The last day on which it holds (UTC), e.g. 2027-01-31; at most 366 days ahead.
        expires: Spanned<String>,
        /// The rules whose findings do not act: ids or `prefix/*`.
        rules: Vec<Spanned<String>>,
        /// The categories whose findings do not act.
        categories: Vec<Spanned<String>>,
        /// Whether it holds for prompts, answers or both; both when absent.
        directions: Spanned<Vec<Spanned<String>>>,
        /// Whose parts of the prompt it holds for; everybody's when absent.
        roles: Spanned<Vec<Spanned<String>>>,
        /// Patterns; it holds only for findings inside a match of one of them.
        matching: Vec<Spanned<String>>,
    }
}

/// A list of names, or one word for a set of them.
#[derive(Debug, Clone)]
pub(super) enum NamesWritten {
    Word(String),
    List(Vec<Spanned<String>>),
}

impl Part for NamesWritten {
    fn shift(&mut self, bytes: usize) {
        if let Self::List(names) = self {
            names.shift(bytes);
        }
    }

    fn shape(_: &mut Map<String, Value>) -> Value {
        json!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] })
    }
}

impl<'de> Deserialize<'de> for NamesWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = NamesWritten;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all` or a list of names")
            }

            fn visit_str<E>(self, word: &str) -> Result<NamesWritten, E> {
                Ok(NamesWritten::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NamesWritten, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(NamesWritten::List(names))
            }
        }

        deserializer.deserialize_any(Names)
    }
}
