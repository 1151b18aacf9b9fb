//! Judges one answer while it is written and holds back what is undecided.
//!
//! A character is decided when every match that could start at it would
//! already be visible: as many characters have followed as the longest output
//! rule can match, and one more for its word boundary. Matches are taken in
//! the order of their start, exactly as on the whole text, so the cut of the
//! answer into pieces changes nothing. Pure; the pipeline drives it.

use std::ops::Range;
use std::sync::Arc;

use super::engine::Engine;
use super::evidence::Evidence;
use super::judging::sort;
use super::occasion::Occasion;
use super::stage_rules::block_end;
use super::watched::{Watched, grow};
use super::{Segment, Step};
use crate::detect::{Hit, Pass, back_by_chars};
use crate::domain::{
    Action, Category, Finding, Place, Role, Stage, Unjudged, UnjudgedReason, Verdict, View,
};
use crate::text::Canonical;

/// Text that was decided is forgotten in chunks, not on every piece.
const FORGET_BYTES_MIN: usize = 1 << 10;
/// Of one match, for categories whose text the policy stores.
const STORED_BYTES_MAX: usize = 1 << 10;

/// Judges one answer while it is written and holds back what is undecided.
///
/// INVARIANT: what `push` and `finish` release, concatenated, does not depend on how the answer was cut.
#[derive(Debug)]
pub struct Screen {
    engine: Arc<Engine>,
    occasion: Arc<Occasion>,
    choice: u32,
    phase: Phase,
    view: Canonical,
    /// The end of the answer; what is decided and out of reach is forgotten.
    original: String,
    original_start: usize,
    /// Canonical: all matches that start before it were taken.
    decided: usize,
    /// Original: all text before it was released or masked.
    released: usize,
    /// A masked span that later matches may still extend.
    mask: Option<Mask>,
    pass: Pass,
    evidence: Evidence,
    findings: Vec<Finding>,
    unjudged: Vec<Unjudged>,
    stored: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Judging,
    /// Beyond a limit, under a policy that only flags that.
    Unjudged,
    Over,
}

#[derive(Debug)]
struct Mask {
    span: Range<usize>,
    text: Arc<str>,
}

impl Screen {
    pub(super) fn new(engine: Arc<Engine>, occasion: Arc<Occasion>, choice: u32) -> Self {
        let watched = Watched::new(&engine, Stage::Output, &occasion);
        Self {
            choice,
            phase: Phase::Judging,
            view: Canonical::default(),
            original: String::new(),
            original_start: 0,
            decided: 0,
            released: 0,
            mask: None,
            pass: watched.rules().detector().pass(),
            evidence: watched.evidence(),
            findings: Vec::new(),
            unjudged: Vec::new(),
            stored: Vec::new(),
            engine,
            occasion,
        }
    }

    /// Takes the next piece and releases what is decided by now.
    pub fn push(&mut self, piece: &str) -> Step {
        let mut step = Step::default();
        match self.phase {
            Phase::Over => {}
            Phase::Unjudged => self.pass_unjudged(piece, &mut step),
            Phase::Judging => {
                self.forget();
                let room =
                    self.engine.limits().judged_bytes_max.saturating_sub(self.view.original_end());
                let (head, tail) = split(piece, room);
                self.view.push(head);
                self.original.push_str(head);
                if tail.is_empty() {
                    self.decide(self.horizon(), &mut step);
                } else {
                    self.decide(self.view.end(), &mut step);
                    let end = self.view.original_end();
                    self.give_up(end, UnjudgedReason::TooLong, &mut step);
                    self.pass_unjudged(tail, &mut step);
                }
            }
        }
        step
    }

    /// Ends the answer: with nothing left to come, every match is final.
    pub fn finish(&mut self) -> Step {
        let mut step = Step::default();
        if self.phase == Phase::Judging {
            self.decide(self.view.end(), &mut step);
            self.settle_mask(usize::MAX, &mut step);
        }
        self.phase = Phase::Over;
        step
    }

    /// The category that stopped the answer, if one did.
    pub fn decisive(&self) -> Option<Category> {
        let engine = &self.engine;
        let scores = self.evidence.scores(|category, stage| engine.decision(category, stage));
        scores.first().filter(|first| first.action.stops()).map(|first| first.category)
    }

    /// Characters that wait for a verdict.
    pub fn held_chars(&self) -> usize {
        let from = self.released.saturating_sub(self.original_start);
        match self.phase {
            Phase::Judging => self.original.get(from..).unwrap_or_default().chars().count(),
            Phase::Unjudged | Phase::Over => 0,
        }
    }

    /// True when `alternative` right after the original byte offset `at` would complete a finding that stops or masks.
    ///
    /// Errs on the side of true: also when the text before `at` is forgotten,
    /// and whatever the category's score is so far.
    pub fn would_find(&self, at: usize, alternative: &str) -> bool {
        let end = self.view.original_end();
        if self.phase == Phase::Over || at < self.original_start || at > end {
            return self.phase != Phase::Unjudged;
        }
        let watched = self.watched();
        let detector = watched.rules().detector();
        let text = self.view.text();
        let seam = self.view.canonical_at(at).saturating_sub(self.view.start());
        let before = back_by_chars(text, seam, self.reach() + detector.context_chars());
        let mut probe = Canonical::of(text.get(before..seam).unwrap_or_default());
        let seam = probe.end();
        probe.push(alternative);
        let mut hits = Vec::new();
        watched.hits(&probe, 0..probe.end(), &mut detector.pass(), &mut hits);
        hits.iter().filter(|hit| hit.span.end > seam).any(|hit| {
            watched.rule(hit.rule).is_some_and(|rule| {
                let weight = watched.weight(rule);
                let action = self.engine.decision(weight.category, Stage::Output).action;
                weight.enforced && (action.stops() || action == Action::Redact)
            })
        })
    }

    /// The matched original text, for categories whose text the policy stores.
    pub fn stored(&self) -> Vec<String> {
        self.stored.clone()
    }

    pub fn verdict(mut self) -> Verdict {
        sort(&mut self.findings);
        self.engine.verdict(Stage::Output, &self.evidence, self.findings, self.unjudged)
    }

    fn watched(&self) -> Watched<'_> {
        Watched::new(&self.engine, Stage::Output, &self.occasion)
    }

    /// Characters from its start on that a match can depend on.
    fn reach(&self) -> usize {
        self.rules_reach().max(self.watched().leak_reach_chars())
    }

    /// Characters that must follow a start (itself included) to decide it by the policy's rules.
    fn rules_reach(&self) -> usize {
        // The compiler refuses output rules without a bound.
        self.engine.rules(Stage::Output).detector().reach_chars().unwrap_or(usize::MAX)
    }

    /// The canonical offset before which every match is visible.
    fn horizon(&self) -> usize {
        let text = self.view.text();
        let back = back_by_chars(text, self.settled(), self.rules_reach().saturating_sub(1));
        let pending = self.watched().leak_pending(&self.view);
        (self.view.start() + back).min(pending).max(self.decided)
    }

    /// The part of the view's text whose end says where a match in it ends in the original. One
    /// character may give several, and what is dropped after it is still its own: the last one
    /// counts by its first character only.
    fn settled(&self) -> usize {
        let text = self.view.text();
        let last = self.view.original_start(self.view.end().saturating_sub(1));
        let start = self.view.canonical_at(last).saturating_sub(self.view.start());
        let first = text.get(start..).and_then(|rest| rest.chars().next());
        first.map_or(text.len(), |first| start + first.len_utf8())
    }

    /// Takes all matches that start before `until` and releases the text before it.
    fn decide(&mut self, until: usize, step: &mut Step) {
        let mut hits = Vec::new();
        while self.decided < until && self.phase == Phase::Judging {
            let end = block_end(&self.view, self.decided, until);
            Watched::new(&self.engine, Stage::Output, &self.occasion).hits(
                &self.view,
                self.decided..end,
                &mut self.pass,
                &mut hits,
            );
            for hit in &hits {
                self.take(hit, step);
                if self.phase != Phase::Judging {
                    return;
                }
            }
            self.decided = end;
        }
        if self.phase == Phase::Judging {
            self.settle(self.view.original_start(until), step);
        }
    }

    fn take(&mut self, hit: &Hit, step: &mut Step) {
        let span = self.view.original(hit.span.clone());
        let (engine, occasion) = (Arc::clone(&self.engine), Arc::clone(&self.occasion));
        let watched = Watched::new(&engine, Stage::Output, &occasion);
        let Some(rule) = watched.rule(hit.rule) else { return };
        let exception = watched.rules().exception(&self.view, hit, Role::Assistant);
        let weight = watched.weight(rule).unless(exception.is_some());
        let place = Place::Choice { index: self.choice };
        if !grow(&mut self.findings, rule, place, &span) {
            if self.findings.len() >= engine.limits().findings_max {
                self.give_up(span.start, UnjudgedReason::TooManyFindings, step);
                let rest = self.slice(self.released..self.view.original_end()).to_owned();
                self.pass_unjudged(&rest, step);
                return;
            }
            self.evidence.add(hit.rule, weight);
            if engine.stores_text(weight.category) {
                let text = self.slice(span.clone());
                self.stored.push(split(text, STORED_BYTES_MAX).0.to_owned());
            }
            let finding = watched.finding(rule, place, span.clone(), View::Canonical, hit.entity);
            self.findings.push(Finding { exception, ..finding });
        }
        if !weight.enforced {
            return;
        }
        let decision = engine.decision(weight.category, Stage::Output);
        let action = self.evidence.action(weight.category, decision);
        if action.stops() {
            self.stop(span.start, action, step);
        } else if action == Action::Redact {
            self.mask(span, rule.mask(hit.entity), step);
        }
    }

    /// Ends the answer before the original offset `at`.
    fn stop(&mut self, at: usize, action: Action, step: &mut Step) {
        self.settle_mask(usize::MAX, step);
        self.release(at, step);
        step.stopped = Some(action);
        self.phase = Phase::Over;
    }

    fn mask(&mut self, span: Range<usize>, text: Arc<str>, step: &mut Step) {
        let joins = |open: &Mask| {
            span.start < open.span.end || span.start == open.span.end && text == open.text
        };
        if let Some(open) = self.mask.as_mut().filter(|open| joins(open)) {
            open.span.end = open.span.end.max(span.end);
            return;
        }
        self.settle_mask(usize::MAX, step);
        self.release(span.start, step);
        self.mask = Some(Mask { span, text });
    }

    /// Releases everything before the original offset `until`, masks included.
    fn settle(&mut self, until: usize, step: &mut Step) {
        self.settle_mask(until, step);
        if self.mask.is_none() {
            self.release(until, step);
        }
    }

    /// Releases the open mask when nothing at `until` or later can extend it.
    fn settle_mask(&mut self, until: usize, step: &mut Step) {
        if let Some(mask) = self.mask.take_if(|mask| mask.span.end < until) {
            self.released = mask.span.end;
            step.released.push(Segment {
                text: mask.text.to_string(),
                source: mask.span,
                masked: true,
            });
        }
    }

    fn release(&mut self, until: usize, step: &mut Step) {
        if until <= self.released {
            return;
        }
        let text = self.slice(self.released..until).to_owned();
        let source = self.released..until;
        self.released = until;
        append(step, text, source);
    }

    /// Nobody looks at the answer from the original offset `at` on.
    fn give_up(&mut self, at: usize, reason: UnjudgedReason, step: &mut Step) {
        if self.phase != Phase::Judging {
            return;
        }
        let span = at..self.view.original_end();
        self.unjudged.push(Unjudged { place: Place::Choice { index: self.choice }, span, reason });
        let action = self.engine.unjudged_action();
        if action.stops() {
            self.stop(at, action, step);
        } else {
            self.settle_mask(usize::MAX, step);
            self.release(at, step);
            self.phase = Phase::Unjudged;
        }
    }

    /// Lets text through that the policy only wants flagged.
    fn pass_unjudged(&mut self, piece: &str, step: &mut Step) {
        if let Some(last) = self.unjudged.last_mut() {
            last.span.end = last.span.end.max(self.released + piece.len());
        }
        if self.phase != Phase::Unjudged || piece.is_empty() {
            return;
        }
        let source = self.released..self.released + piece.len();
        self.released = source.end;
        append(step, piece.to_owned(), source);
    }

    fn slice(&self, span: Range<usize>) -> &str {
        let start = span.start.saturating_sub(self.original_start);
        let end = span.end.saturating_sub(self.original_start);
        self.original.get(start..end).unwrap_or_default()
    }

    /// Forgets what no later match and no question about alternatives needs.
    /// Called before a piece is taken in, so that what the last one released
    /// can still be asked about.
    fn forget(&mut self) {
        let rules = self.engine.rules(Stage::Output);
        let look_back = self.reach().saturating_add(rules.detector().context_chars());
        let text = self.view.text();
        let decided = self.decided.saturating_sub(self.view.start());
        // Counting back costs more than remembering a little longer.
        if decided < FORGET_BYTES_MIN.saturating_add(look_back.saturating_mul(4)) {
            return;
        }
        let keep = back_by_chars(text, decided, look_back);
        let keep = self.view.start() + keep;
        let original = self.view.original_start(keep).min(self.released);
        let bytes = original.saturating_sub(self.original_start);
        if self.original.is_char_boundary(bytes) {
            self.view.forget_before(keep);
            self.original.drain(..bytes);
            self.original_start = original;
        }
    }
}

/// Appends text to the last segment when it continues it.
pub(super) fn append(step: &mut Step, text: String, source: Range<usize>) {
    match step.released.last_mut() {
        Some(last) if !last.masked && last.source.end == source.start => {
            last.text.push_str(&text);
            last.source.end = source.end;
        }
        _ => step.released.push(Segment { text, source, masked: false }),
    }
}

fn split(text: &str, bytes_max: usize) -> (&str, &str) {
    text.split_at_checked(text.floor_char_boundary(bytes_max)).unwrap_or((text, ""))
}
