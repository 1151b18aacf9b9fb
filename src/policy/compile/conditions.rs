//! What becomes of a rule that uses any kind beyond phrases and patterns, and
//! `similar_to:`.
//!
//! A rule that only asks that something occurs stays a plain one, whatever it
//! is made of, and works in streams. One that depends on the whole text is for
//! the input only; the reason is told to whoever writes it otherwise.

use std::ops::Range;
use std::sync::Arc;

use super::rules::{OUTPUT_MATCH_CHARS_MAX, Reading};
use super::when::{conditions, some};
use super::{matching, missing, near, share};
use crate::detect::condition::Condition;
use crate::detect::similar::{Encoder, Similar, Wording};
use crate::detect::{self, Pattern};
use crate::domain::Stage;
use crate::policy::document::{RuleWritten, SimilarWritten, Spanned, place};
use crate::policy::expression::Tree;
use crate::policy::kinds::{Kinds, SimilarSpec};
use crate::policy::problem::{Problem, Problems};
use crate::policy::whole::{Leaf, Looks, Whole};

const EXAMPLES_MAX: usize = 256;
const EXAMPLE_CHARS: Range<usize> = 12..401;
/// Below, anything resembles anything.
const SIMILAR_THRESHOLD_MIN: f64 = 0.3;
const SIMILAR_THRESHOLD: f32 = 0.75;

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
