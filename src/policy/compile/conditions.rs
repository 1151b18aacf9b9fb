//! `when:`, `similar_to:` and `language:`, and what becomes of a rule that uses
//! any kind beyond phrases and patterns.
//!
//! A rule that only asks that something occurs stays a plain one, whatever it
//! is made of, and works in streams. One that depends on the whole text is for
//! the input only; the reason is told to whoever writes it otherwise.

use std::ops::Range;
use std::sync::Arc;

use super::rules::{OUTPUT_MATCH_CHARS_MAX, Reading};
use super::{matching, missing, near, share};
use crate::detect::condition::{Condition, ScriptName};
use crate::detect::similar::{Encoder, Similar, Wording};
use crate::detect::{self, Pattern, language, script};
use crate::domain::Stage;
use crate::policy::document::{
    LanguageWritten, LengthWritten, NoiseWritten, RuleWritten, SimilarWritten, Spanned,
    WhenWritten, place,
};
use crate::policy::expression::Tree;
use crate::policy::kinds::{Kinds, LanguageSpec, OtherLanguage, SimilarSpec};
use crate::policy::problem::{Problem, Problems, suggest};
use crate::policy::whole::{Leaf, Looks, Whole};

const EXAMPLES_MAX: usize = 256;
const EXAMPLE_CHARS: Range<usize> = 12..401;
/// Below, anything resembles anything.
const SIMILAR_THRESHOLD_MIN: f64 = 0.3;
const SIMILAR_THRESHOLD: f32 = 0.75;
const LENGTH_MAX: u64 = 16 << 20;
const TURNS_MAX: u64 = 10_000;
const LANGUAGE_CHARS_MAX: u64 = 4096;

/// What a rule looks for beside its phrases and patterns.
#[derive(Debug, Default)]
pub(super) struct KindsRead {
    near: Vec<Pattern>,
    matching: Option<matching::MatchRead>,
    when: Vec<Condition>,
    similar: Option<Similar>,
}

impl KindsRead {
    /// What looks for the rule, given its own phrases and patterns.
    pub(super) fn looks(self, mut own: detect::Rule) -> Looks {
        own.patterns.extend(self.near);
        let whole = |leaves, tree| Looks::Whole(Whole { leaves, tree, when: self.when.clone() });
        if let Some(read) = self.matching {
            if self.when.is_empty()
                && let Some(rule) = read.plain(&own.unless)
            {
                return Looks::Directly(rule);
            }
            let (leaves, tree) = read.whole(&own.unless);
            return whole(leaves, Some(tree));
        }
        let looks = !own.phrases.is_empty() || !own.patterns.is_empty();
        match self.similar {
            None if self.when.is_empty() => Looks::Directly(own),
            None if looks => whole(vec![Leaf::Detector(own)], Some(Tree::Leaf(0))),
            None => whole(Vec::new(), None),
            Some(similar) if looks => {
                let either = Tree::Any(vec![Tree::Leaf(0), Tree::Leaf(1)]);
                whole(vec![Leaf::Detector(own), Leaf::Similar(similar)], Some(either))
            }
            Some(similar) => whole(vec![Leaf::Similar(similar)], Some(Tree::Leaf(0))),
        }
    }
}

/// Whether a rule has a key of these kinds, right or wrong.
pub(super) fn written_kinds(written: &RuleWritten) -> bool {
    written.near.is_some()
        || written.r#match.is_some()
        || written.when.is_some()
        || written.similar_to.is_some()
}

impl Reading<'_> {
    /// Reads all kinds of a rule and checks that they go together.
    pub(super) fn kinds(
        &mut self,
        written: &RuleWritten,
        directions: &[Stage],
        at: &Range<usize>,
    ) -> (Kinds, KindsRead) {
        let bound = (directions != [Stage::Input]).then_some(OUTPUT_MATCH_CHARS_MAX);
        let mut spec = Kinds::default();
        let mut read = KindsRead::default();
        if let Some((near, patterns)) =
            written.near.as_ref().and_then(|near| near::read(near, bound, self))
        {
            spec.near = Some(near);
            read.near = patterns;
        }
        if let Some(when) = &written.when {
            spec.when = conditions(when, self.problems);
            read.when.clone_from(&spec.when);
        }
        if let Some((similar, encoded)) =
            written.similar_to.as_ref().and_then(|similar| similar_to(similar, self.problems))
        {
            spec.similar_to = Some(similar);
            read.similar = Some(encoded);
        }
        if let Some(tree) = &written.r#match {
            self.alone(written, &place(&tree.referenced));
            if let Some((node, leaves)) = matching::read(tree, bound, self) {
                spec.matching = Some(node);
                read.matching = Some(leaves);
            }
        }
        self.input_only(written, &read, directions, at);
        self.useless(written);
        (spec, read)
    }

    /// `match` says everything that a rule looks for.
    fn alone(&mut self, written: &RuleWritten, at: &Range<usize>) {
        let beside = written.phrases.is_some()
            || written.patterns.is_some()
            || written.near.is_some()
            || written.similar_to.is_some()
            || written.whole_words.is_some();
        if beside {
            self.problems.push(
                Problem::new(
                    "policy::bad_match",
                    at.clone(),
                    "a rule with `match` looks for nothing beside it",
                )
                .help("move the other keys into the tree: `match: { any: [{ phrases: […] }, …] }`"),
            );
        }
    }

    fn input_only(
        &mut self,
        written: &RuleWritten,
        read: &KindsRead,
        directions: &[Stage],
        at: &Range<usize>,
    ) {
        if directions == [Stage::Input] {
            return;
        }
        let mut refuse = |at: Range<usize>, key: &str, why: &str| {
            self.problems.push(
                Problem::new(
                    "policy::input_only",
                    at,
                    format!("{key} cannot judge an answer that is still being written"),
                )
                .label(why.to_owned())
                .help("add `directions: [input]`; for answers use phrases, patterns, `near`, or a `match` of `any` only"),
            );
        };
        if let Some(when) = &written.when {
            refuse(place(&when.referenced), "`when`", "asks about the whole text");
        }
        if let Some(similar) = &written.similar_to {
            refuse(place(&similar.referenced), "`similar_to`", "compares whole sentences");
        }
        if read.matching.as_ref().is_some_and(|read| !read.is_plain()) {
            let at = written.r#match.as_ref().map_or(at.clone(), |tree| place(&tree.referenced));
            refuse(
                at,
                "`match` with `all`, `not` or `similar_to`",
                "released text cannot be called back, nor wait for what must not come",
            );
        }
    }

    /// Keys that would do nothing.
    fn useless(&mut self, written: &RuleWritten) {
        let looks = written.phrases.is_some()
            || written.patterns.is_some()
            || written.near.is_some()
            || written.r#match.is_some();
        if let Some(first) = written.unless.as_ref().and_then(|unless| unless.first())
            && !looks
            && written_kinds(written)
        {
            self.problems.push(
                Problem::new(
                    "policy::useless_key",
                    place(&first.referenced),
                    "`unless` means nothing for this rule",
                )
                .help("it excepts matches of phrases, patterns and `near`; say `match: { all: [{ similar_to: … }, { not: … }] }`"),
            );
        }
    }
}

/// The conditions of a `when:`; all must hold.
fn conditions(written: &Spanned<WhenWritten>, problems: &mut Problems) -> Vec<Condition> {
    let before = problems.errors();
    let when = &written.value;
    problems.unknown_keys(when);
    let mut read = Vec::new();
    if let Some(names) = &when.script {
        let scripts: Vec<ScriptName> = names
            .value
            .iter()
            .filter_map(|name| {
                let found = script::by_name(&name.value).map(ScriptName);
                if found.is_none() {
                    problems.push(
                        Problem::new(
                            "policy::unknown_name",
                            place(&name.referenced),
                            format!("unknown script `{}`", name.value),
                        )
                        .help("a Unicode script in lower case: latin, cyrillic, greek, arabic, han, hangul, devanagari, old_italic, …"),
                    );
                }
                found
            })
            .collect();
        some("script", names, problems);
        read.push(Condition::Script(scripts));
    }
    if let Some(mixed) = &when.mixed_scripts {
        if !mixed.value {
            problems.push(
                Problem::new(
                    "policy::useless_key",
                    place(&mixed.referenced),
                    "`mixed_scripts: false` asks for nothing",
                )
                .help("remove the key"),
            );
        }
        read.push(Condition::MixedScripts);
    }
    if let Some(names) = &when.language {
        read.push(Condition::Language(languages(names, problems)));
    }
    if let Some(names) = &when.language_not {
        read.push(Condition::LanguageNot(languages(names, problems)));
    }
    if let Some(length) = &when.length {
        read.push(self::length(length, problems));
    }
    if let Some(repetition) = &when.repetition {
        problems.unknown_keys(&repetition.value);
        let at = place(&repetition.referenced);
        let share_over = required("share_over", repetition.value.share_over.as_ref(), at, problems);
        read.push(Condition::Repetition { share_over });
    }
    if let Some(markers) = &when.turn_markers {
        problems.unknown_keys(&markers.value);
        let over = markers.value.over.as_ref();
        let at = place(&markers.referenced);
        match over {
            Some(over) => read.push(Condition::TurnMarkers {
                over: count("turn_markers.over", over, 1..TURNS_MAX + 1, problems),
            }),
            None => problems.push(missing("over", at, "e.g. `turn_markers: { over: 8 }`")),
        }
    }
    if let Some(noise) = &when.noise {
        read.push(self::noise(noise, problems));
    }
    if read.is_empty() && problems.errors() == before {
        problems.push(
            Problem::new(
                "policy::empty_rule",
                place(&written.referenced),
                "`when` asks for nothing",
            )
            .help(format!(
                "one of: {}",
                <WhenWritten as crate::policy::document::Written>::KEYS.join(", ")
            )),
        );
    }
    read
}

fn some<T>(what: &str, list: &Spanned<Vec<T>>, problems: &mut Problems) {
    if list.value.is_empty() {
        problems.push(Problem::new(
            "policy::empty_rule",
            place(&list.referenced),
            format!("no {what} is named"),
        ));
    }
}

fn languages(names: &Spanned<Vec<Spanned<String>>>, problems: &mut Problems) -> Vec<&'static str> {
    some("language", names, problems);
    let known: Vec<&'static str> = language::names().collect();
    names
        .value
        .iter()
        .filter_map(|name| {
            let found = known.iter().find(|known| **known == name.value).copied();
            if found.is_none() {
                problems.push(
                    Problem::new(
                        "policy::unknown_name",
                        place(&name.referenced),
                        format!("unknown language `{}`", name.value),
                    )
                    .label("no ISO 639-1 code that can be told apart here")
                    .help(suggest(&name.value, &known)),
                );
            }
            found
        })
        .collect()
}

fn length(written: &Spanned<LengthWritten>, problems: &mut Problems) -> Condition {
    let length = &written.value;
    problems.unknown_keys(length);
    if length.chars_over.is_none() && length.words_over.is_none() {
        problems.push(missing(
            "chars_over",
            place(&written.referenced),
            "`length: { chars_over: 8000 }` or `{ words_over: 1500 }`",
        ));
    }
    let mut read = |what: &str, written: Option<&Spanned<u64>>| {
        written.map(|written| count(what, written, 1..LENGTH_MAX + 1, problems))
    };
    Condition::Length {
        chars_over: read("length.chars_over", length.chars_over.as_ref()),
        words_over: read("length.words_over", length.words_over.as_ref()),
    }
}

fn noise(written: &Spanned<NoiseWritten>, problems: &mut Problems) -> Condition {
    let noise = &written.value;
    problems.unknown_keys(noise);
    let at = place(&written.referenced);
    if noise.tail_over.is_none() && noise.anywhere_over.is_none() {
        problems.push(missing("tail_over", at.clone(), "e.g. `noise: { tail_over: 0.8 }`"));
    }
    let mut read = |what: &str, value: &Option<Spanned<f64>>| {
        value.as_ref().map(|value| required(what, Some(value), at.clone(), problems))
    };
    Condition::Noise {
        tail_over: read("tail_over", &noise.tail_over),
        anywhere_over: read("anywhere_over", &noise.anywhere_over),
    }
}

/// A share that must be exceeded: above 0 and below 1.
fn required(
    what: &str,
    written: Option<&Spanned<f64>>,
    at: Range<usize>,
    problems: &mut Problems,
) -> f64 {
    let Some(written) = written else {
        problems.push(missing(what, at, &format!("e.g. `{what}: 0.5`")));
        return 1.0;
    };
    if !(written.value > 0.0 && written.value < 1.0) {
        problems.push(
            Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`{what}` must lie between 0 and 1"),
            )
            .label(written.value.to_string()),
        );
    }
    written.value
}

pub(super) fn count(
    what: &str,
    written: &Spanned<u64>,
    allowed: Range<u64>,
    problems: &mut Problems,
) -> usize {
    if !allowed.contains(&written.value) {
        problems.push(
            Problem::new(
                "policy::out_of_range",
                place(&written.referenced),
                format!("`{what}` must be {} to {}", allowed.start, allowed.end.saturating_sub(1)),
            )
            .label(written.value.to_string()),
        );
    }
    usize::try_from(written.value).unwrap_or(usize::MAX)
}

pub(super) fn similar_to(
    written: &Spanned<SimilarWritten>,
    problems: &mut Problems,
) -> Option<(SimilarSpec, Similar)> {
    let before = problems.errors();
    let similar = &written.value;
    problems.unknown_keys(similar);
    let at = place(&written.referenced);
    let mut examples: Vec<String> = Vec::new();
    match &similar.examples {
        None => problems.push(missing("examples", at, "sentences that a text may come close to")),
        Some(list) => {
            some("example", list, problems);
            if list.value.len() > EXAMPLES_MAX {
                problems.push(Problem::new(
                    "policy::out_of_range",
                    place(&list.referenced),
                    format!("at most {EXAMPLES_MAX} examples"),
                ));
            }
            for example in list.value.iter().take(EXAMPLES_MAX) {
                let text = example.value.trim();
                if !EXAMPLE_CHARS.contains(&text.chars().count()) {
                    problems.push(
                        Problem::new(
                            "policy::bad_text",
                            place(&example.referenced),
                            format!(
                                "an example must have {} to {} characters",
                                EXAMPLE_CHARS.start,
                                EXAMPLE_CHARS.end.saturating_sub(1)
                            ),
                        )
                        .help("texts are compared sentence by sentence: give whole sentences"),
                    );
                }
                examples.push(text.to_owned());
            }
        }
    }
    let threshold = match &similar.threshold {
        None => SIMILAR_THRESHOLD,
        Some(threshold) if threshold.value < SIMILAR_THRESHOLD_MIN => {
            problems.push(
                Problem::new(
                    "policy::out_of_range",
                    place(&threshold.referenced),
                    format!("`threshold` must be {SIMILAR_THRESHOLD_MIN} to 1"),
                )
                .label(threshold.value.to_string())
                .help("below, sentences resemble one another that have little in common"),
            );
            SIMILAR_THRESHOLD
        }
        Some(threshold) => share("threshold", threshold, problems)?,
    };
    if problems.errors() > before {
        return None;
    }
    let encoder = Wording;
    let spec = SimilarSpec { examples: examples.clone(), threshold, encoder: encoder.id() };
    Some((spec, Similar::new(Arc::new(encoder), &examples, threshold)))
}

/// The languages that the policy covers.
pub(super) fn language(
    written: Option<&Spanned<LanguageWritten>>,
    problems: &mut Problems,
) -> Option<LanguageSpec> {
    let written = written?;
    let at = place(&written.referenced);
    problems.unknown_keys(&written.value);
    let covered = match &written.value.covered {
        Some(names) => languages(names, problems),
        None => {
            problems.push(missing("covered", at.clone(), "e.g. `covered: [en, de]`"));
            Vec::new()
        }
    };
    let known = [
        ("judge", OtherLanguage::Judge),
        ("flag", OtherLanguage::Flag),
        ("refuse", OtherLanguage::Refuse),
    ];
    let other = match &written.value.other {
        Some(other) => problems.name("treatment of other languages", other, &known),
        None => {
            problems.push(missing("other", at, "`judge`, `flag` or `refuse`"));
            None
        }
    };
    let min_chars = written.value.min_chars.as_ref().map_or(language::LETTERS_MIN, |written| {
        count("min_chars", written, 20..LANGUAGE_CHARS_MAX + 1, problems)
    });
    Some(LanguageSpec { covered, other: other.unwrap_or(OtherLanguage::Judge), min_chars })
}
