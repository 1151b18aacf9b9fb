//! Detectors: what finds evidence in a text.
//!
//! A [`Detector`] is a compiled rule set of one stage: literals in one
//! Aho-Corasick automaton ([`lexicon`]), regular expressions that run only
//! where the literals they need occur ([`pattern`], [`atoms`]). It reads a
//! [`Canonical`] view piece by piece and reports every match that starts in
//! the part it was told to decide, so a text and any cutting of it give the
//! same matches. It knows rules by their number; what they mean is `policy`'s.

pub mod atoms;
pub mod lexicon;
pub mod pattern;
pub mod pii;

use std::ops::Range;

use crate::domain::Entity;
use crate::text::Canonical;
use lexicon::{Lexicon, Use};
pub use lexicon::{LexiconError, Phrase};
use pattern::forward_by_char;
pub use pattern::{Candidate, Check, Pattern, PatternError};

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
    unless: Vec<Vec<Pattern>>,
    /// Patterns that the lexicon does not announce.
    always: Vec<usize>,
    /// Of everything that has a bound.
    reach_chars: usize,
    unbounded: bool,
    context_chars: usize,
}

/// Where a pass over one text stands. One per text; its buffers are reused.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Per pattern: matches start no earlier (those that count are disjoint).
    next: Vec<usize>,
    /// Per pattern: which of its clauses the lexicon saw, as bits.
    seen: Vec<u16>,
    touched: Vec<usize>,
}

/// A character to the left and one to the right decide a word boundary.
const LOOK_CHARS: usize = 1;

impl Detector {
    /// # Errors
    /// When the literals of all rules together exceed the automaton's limits.
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
        // The literals of a pattern without a bound may lie anywhere after its
        // start; looking for them would mean to read to the end every time.
        let announced = |pattern: &Pattern| match pattern.chars_max() {
            Some(_) => pattern.clauses().to_vec(),
            None => Vec::new(),
        };
        let clauses: Vec<_> = patterns.iter().map(|(_, pattern)| announced(pattern)).collect();
        let lexicon = Lexicon::new(&phrases, &clauses)?;
        let always = (0..patterns.len()).filter(|i| lexicon.clauses_of(*i) == 0).collect();
        let unbounded = patterns.iter().any(|(_, pattern)| pattern.chars_max().is_none());
        let reach_chars = longest + LOOK_CHARS;
        Ok(Self { lexicon, patterns, unless, always, reach_chars, unbounded, context_chars })
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
        let count = self.patterns.len();
        Pass { next: vec![0; count], seen: vec![0; count], touched: Vec::new() }
    }

    /// Appends the matches that start in `decide` (absolute canonical offsets
    /// on character boundaries), in no order. The view must hold
    /// `context_chars` before it, and `reach_chars` after each start in it or
    /// else the end of the text.
    pub fn scan(
        &self,
        view: &Canonical,
        decide: Range<usize>,
        pass: &mut Pass,
        out: &mut Vec<Hit>,
    ) {
        let base = view.start();
        let from = decide.start.saturating_sub(base);
        let until = decide.end.saturating_sub(base);
        let window =
            Window { text: view.text(), from, until, stop: self.stop(view.text(), until), base };
        self.scan_literals(&window, pass, out);
        for &pattern in &self.always {
            self.scan_pattern(pattern, &window, pass, out);
        }
        while let Some(pattern) = pass.touched.pop() {
            let seen = pass.seen.get_mut(pattern).map(std::mem::take).unwrap_or_default();
            if seen == self.lexicon.clauses_of(pattern) {
                self.scan_pattern(pattern, &window, pass, out);
            }
        }
    }

    /// How far a match with a bound that starts before `until` can look.
    fn stop(&self, text: &str, until: usize) -> usize {
        text.get(until..)
            .and_then(|rest| rest.char_indices().nth(self.reach_chars + LOOK_CHARS))
            .map_or(text.len(), |(offset, _)| until + offset)
    }

    fn scan_literals(&self, window: &Window<'_>, pass: &mut Pass, out: &mut Vec<Hit>) {
        self.lexicon.scan(window.text, window.from..window.stop, |found, span| match *found {
            Use::Phrase { rule, whole_words } => {
                if span.start < window.until
                    && (!whole_words || lexicon::is_whole(window.text, &span))
                    && !self.excepted(rule, &span, window)
                {
                    out.push(window.hit(rule, span, None));
                }
            }
            Use::Atom { pattern, clause } => {
                if let Some(seen) = pass.seen.get_mut(pattern) {
                    if *seen == 0 {
                        pass.touched.push(pattern);
                    }
                    *seen |= clause;
                }
            }
        });
    }

    fn scan_pattern(&self, index: usize, window: &Window<'_>, pass: &mut Pass, out: &mut Vec<Hit>) {
        let Some((rule, pattern)) = self.patterns.get(index) else { return };
        let Some(next) = pass.next.get_mut(index) else { return };
        let bounded = pattern.chars_max().is_some();
        let text =
            if bounded { window.text.get(..window.stop) } else { None }.unwrap_or(window.text);
        let mut at = next.saturating_sub(window.base).max(window.from);
        while at < window.until {
            let Some(span) = pattern.find_at(text, at) else {
                if !bounded {
                    *next = usize::MAX;
                }
                return;
            };
            if span.start >= window.until {
                if !bounded {
                    *next = window.base + span.start;
                }
                return;
            }
            // An excepted match takes no text: another may begin inside it and reach out of it.
            at = match pattern.accepted(text, &span) {
                None => pattern.after_refused(text, &span),
                Some(span) if self.excepted(*rule, &span, window) => {
                    forward_by_char(text, span.start)
                }
                Some(span) => {
                    out.push(window.hit(*rule, span.clone(), pattern.entity()));
                    span.end
                }
            };
            *next = window.base + at;
        }
    }

    /// Whether a match lies inside a match of one of its rule's exceptions.
    /// Tried from every start, so that the answer depends on the text alone.
    fn excepted(&self, rule: usize, span: &Range<usize>, window: &Window<'_>) -> bool {
        let Some(unless) = self.unless.get(rule) else { return false };
        unless.iter().any(|except| {
            let before = except.chars_max().unwrap_or_default();
            let mut at = back_by_chars(window.text, span.start, before);
            while let Some(found) = except.find_at(window.text, at) {
                if found.start > span.start {
                    return false;
                }
                if found.end >= span.end {
                    return true;
                }
                at = forward_by_char(window.text, found.start);
            }
            false
        })
    }
}

/// The part of a text that one scan looks at; offsets into `text`.
struct Window<'t> {
    text: &'t str,
    from: usize,
    /// Matches that start here or later are not decided yet.
    until: usize,
    stop: usize,
    base: usize,
}

impl Window<'_> {
    fn hit(&self, rule: usize, span: Range<usize>, entity: Option<Entity>) -> Hit {
        Hit { rule, span: self.base + span.start..self.base + span.end, entity }
    }
}

/// The offset `chars` characters before `at`, or the beginning.
pub fn back_by_chars(text: &str, at: usize, chars: usize) -> usize {
    if chars == 0 {
        return at;
    }
    text.get(..at)
        .and_then(|head| head.char_indices().rev().nth(chars - 1))
        .map_or(0, |(offset, _)| offset)
}
