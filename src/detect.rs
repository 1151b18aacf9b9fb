//! Detectors: what finds evidence in a text.
//!
//! A [`Detector`] is a compiled rule set of one stage: one pass finds all
//! literals ([`lexicon`]), and regular expressions run only around the
//! literals that announce them ([`pattern`], [`atoms`], [`runs`]). It reads a
//! [`Canonical`] view piece by piece and reports every match that starts in
//! the part it was told to decide, so a text and any cutting of it give the
//! same matches; each position is read once ([`pass`]). It knows rules by their
//! number; what they mean is `policy`'s.

pub mod atoms;
pub mod condition;
mod frequency;
pub mod language;
pub mod lexicon;
pub mod near;
pub mod noise;
mod pass;
pub mod pattern;
pub mod pii;
mod runs;
pub mod script;
pub mod shape;
mod sieve;
pub mod similar;
mod window;

use std::collections::HashMap;
use std::ops::Range;

use crate::domain::Entity;
use crate::text::Canonical;
use lexicon::{Lexicon, Part, Use};
pub use lexicon::{LexiconError, Phrase};
pub use pass::Pass;
use pass::{Around, Waiting};
pub use pattern::{Candidate, Check, Pattern, PatternError};
use window::Window;
pub use window::back_by_chars;

/// What one rule looks for. Its number is its place in the detector's list.
#[derive(Debug, Default)]
pub struct Rule {
    pub phrases: Vec<Phrase>,
    pub patterns: Vec<Pattern>,
    /// A match inside a match of one of these does not count. Bounded.
    pub unless: Vec<Pattern>,
}

/// A match: the rule's number and the canonical bytes, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub rule: usize,
    pub span: Range<usize>,
    /// Set by patterns that describe an entity.
    pub entity: Option<Entity>,
}

/// The rules of one stage. Immutable; share it.
#[derive(Debug)]
pub struct Detector {
    lexicon: Lexicon,
    /// The patterns of all rules, with the number of their rule.
    patterns: Vec<(usize, Pattern)>,
    /// Patterns that the same literals announce.
    groups: Vec<Vec<usize>>,
    /// Patterns that nothing announces.
    always: Vec<usize>,
    unless: Vec<Vec<Pattern>>,
    /// Of everything that has a bound.
    reach_chars: usize,
    unbounded: bool,
    context_chars: usize,
}

/// A character to the left and one to the right decide a word boundary.
const LOOK_CHARS: usize = 1;
const CHAR_BYTES_MAX: usize = 4;

impl Detector {
    /// # Errors
    /// When the literals of all rules together are too long.
    pub fn new(rules: Vec<Rule>) -> Result<Self, LexiconError> {
        let mut patterns = Vec::new();
        let mut unless = Vec::new();
        let mut phrases = Vec::new();
        let mut longest = 1;
        let mut context_chars = LOOK_CHARS;
        for (number, rule) in rules.into_iter().enumerate() {
            for except in &rule.unless {
                let chars = except.chars_max().unwrap_or_default();
                context_chars = context_chars.max(chars + LOOK_CHARS);
                longest = longest.max(chars);
            }
            for phrase in rule.phrases {
                longest = longest.max(phrase.chars());
                phrases.push((number, phrase));
            }
            for pattern in rule.patterns {
                longest = longest.max(pattern.chars_max().unwrap_or_default());
                context_chars = context_chars.max(pattern.context_chars() + LOOK_CHARS);
                patterns.push((number, pattern));
            }
            unless.push(rule.unless);
        }
        let mut by_atoms: HashMap<&[Vec<u8>], usize> = HashMap::new();
        let mut atoms: Vec<&[Vec<u8>]> = Vec::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut always = Vec::new();
        for (index, (_, pattern)) in patterns.iter().enumerate() {
            let Some(anchor) = pattern.anchor() else {
                always.push(index);
                continue;
            };
            let group = *by_atoms.entry(&anchor.atoms).or_insert_with(|| {
                atoms.push(&anchor.atoms);
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups.get_mut(group).into_iter().for_each(|group| group.push(index));
        }
        let lexicon = Lexicon::new(&phrases, &atoms)?;
        let unbounded = patterns.iter().any(|(_, pattern)| pattern.chars_max().is_none());
        let reach_chars = longest + LOOK_CHARS;
        Ok(Self {
            lexicon,
            patterns,
            groups,
            always,
            unless,
            reach_chars,
            unbounded,
            context_chars,
        })
    }

    /// Characters from its start on which a match can depend; `None` when a
    /// pattern has no bound and only whole texts can be judged.
    pub fn reach_chars(&self) -> Option<usize> {
        (!self.unbounded).then_some(self.reach_chars)
    }

    /// Characters before its start on which a match can depend.
    pub fn context_chars(&self) -> usize {
        self.context_chars
    }

    /// The state of a pass over a new text.
    pub fn pass(&self) -> Pass {
        Pass::default()
    }

    /// Appends the matches that start in `decide` (absolute canonical offsets
    /// on character boundaries), in no order. The view must hold
    /// `context_chars` before it, and `reach_chars` after each start in it or
    /// else the end of the text. A pass decides a text from front to back,
    /// each part once.
    pub fn scan(
        &self,
        view: &Canonical,
        decide: Range<usize>,
        pass: &mut Pass,
        out: &mut Vec<Hit>,
    ) {
        let base = view.start();
        let text = view.text();
        let from = decide.start.saturating_sub(base).min(text.len());
        let until = decide.end.saturating_sub(base).min(text.len());
        let window = Window { text, from, until, base };
        self.read(&window, pass, out);
        self.announce(&window, pass);
        if pass.due < decide.end {
            self.settle(&window, pass, out);
        }
        for &pattern in &self.always {
            self.run_always(pattern, &window, pass, out);
        }
    }

    /// Finds the literals as far ahead as a match that starts in the window can reach.
    fn read(&self, window: &Window<'_>, pass: &mut Pass, out: &mut Vec<Hit>) {
        let reach_bytes = (self.reach_chars + LOOK_CHARS).saturating_mul(CHAR_BYTES_MAX);
        let until = window.until.saturating_add(reach_bytes).min(window.text.len());
        let part = Part { text: window.text, base: window.base, from: window.from, until };
        let Pass { progress, around, phrases, due, .. } = pass;
        self.lexicon.advance(part, progress, |usage, span| match *usage {
            Use::Phrase { rule, whole_words } => {
                let followed = span.start < window.until || span.end < window.text.len();
                if whole_words && followed && !lexicon::is_whole(window.text, &span) {
                    return;
                }
                if span.start < window.until {
                    if !self.excepted(rule, &span, window) {
                        out.push(window.hit(rule, span, None));
                    }
                    return;
                }
                let span = window.base + span.start..window.base + span.end;
                *due = span.start.min(*due);
                phrases.push(Waiting { rule, whole_words, span });
            }
            Use::Anchor { group } => Around::note(around, group, span.start),
        });
    }
}
