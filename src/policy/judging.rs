//! Whole texts to one verdict: every text is read, the turns are read on, and
//! what was found is weighed together.
//!
//! [`super::reading`] says what a text contains, [`super::conversation`] how
//! turns count together; here are the limits of a request and the order of
//! things. Called by [`super::Engine`].

use std::ops::Range;
use std::sync::Arc;

use super::Judged;
use super::cache::{Cache, Key};
use super::conversation::{self, Chain, Counted};
use super::engine::Engine;
use super::occasion::Occasion;
use super::reading::{self, Found, Reading};
use super::watched::Watched;
use crate::domain::{Finding, Place, Role, Stage, Unjudged, UnjudgedReason, Verdict};

/// What may stand between two turns that are one text: nothing, as when a word was cut, or a blank.
const GLUES: [&str; 2] = [" ", ""];
/// Whose turns are read on.
const JOINED: [Role; 2] = [Role::User, Role::Tool];

/// Judges all texts of one stage together.
pub(super) fn judge(
    engine: &Engine,
    stage: Stage,
    texts: &[Judged<'_>],
    occasion: &Occasion,
    cache: Option<&Cache>,
) -> Verdict {
    let mut judging = Judging {
        engine,
        watched: Watched::new(engine, stage, occasion),
        cache: cache.filter(|_| stage == Stage::Input),
        bytes_left: engine.limits().request_bytes_max,
        counted: Vec::new(),
        findings: Vec::new(),
        unjudged: Vec::new(),
    };
    let heads: Vec<&str> =
        texts.iter().enumerate().map(|(index, text)| judging.text(index, text)).collect();
    if stage == Stage::Input && engine.conversation().join {
        judging.joined(texts, &heads);
    }
    judging.verdict(stage, &conversation::ages(texts))
}

/// One call of [`judge`] at work.
struct Judging<'e> {
    engine: &'e Engine,
    watched: Watched<'e>,
    cache: Option<&'e Cache>,
    /// Of the request, not yet judged.
    bytes_left: usize,
    counted: Vec<Counted>,
    findings: Vec<Finding>,
    unjudged: Vec<Unjudged>,
}

impl Judging<'_> {
    /// Judges one text alone and returns the part of it that the limits allow.
    fn text<'t>(&mut self, index: usize, judged: &Judged<'t>) -> &'t str {
        let Judged { place, role, text } = *judged;
        let limits = self.engine.limits();
        let limit = text.floor_char_boundary(limits.judged_bytes_max.min(self.bytes_left));
        let (head, rest) = text.split_at_checked(limit).unwrap_or((text, ""));
        self.bytes_left -= head.len();
        let watched = self.watched;
        let reading = self.reading(role, head, &[], || reading::read(&watched, limits, role, head));
        for found in &reading.found {
            self.count(index, found);
            if !self.tell(place, found, found.span.clone()) {
                let span = found.span.start..text.len();
                self.give_up(place, span, UnjudgedReason::TooManyFindings);
                return head;
            }
        }
        for (span, reason) in &reading.unjudged {
            self.give_up(place, span.clone(), *reason);
        }
        if !rest.is_empty() {
            self.give_up(place, limit..text.len(), UnjudgedReason::TooLong);
        }
        head
    }

    fn reading(
        &self,
        role: Role,
        text: &str,
        seams: &[Range<usize>],
        read: impl FnOnce() -> Reading,
    ) -> Arc<Reading> {
        let known = self.cache.and_then(|cache| {
            let stage = self.watched.stage;
            Some((cache, Key::of(self.engine.digest(), stage, role, text, seams)?))
        });
        match known {
            Some((cache, key)) => cache.reading(key, read),
            None => Arc::new(read()),
        }
    }

    /// Judges the turns of each speaker as one text, for what goes over a seam.
    fn joined(&mut self, texts: &[Judged<'_>], heads: &[&str]) {
        for role in JOINED {
            for glue in GLUES {
                for chain in conversation::chains(texts, heads, role, glue) {
                    self.chain(texts, role, &chain);
                }
            }
        }
    }

    fn chain(&mut self, texts: &[Judged<'_>], role: Role, chain: &Chain) {
        let watched = self.watched;
        let limits = self.engine.limits();
        let seams = chain.seams();
        let text = chain.text.as_str();
        let reading = self.reading(role, text, &seams, || {
            reading::read_seams(&watched, limits, role, text, &seams)
        });
        for found in &reading.found {
            let parts = chain.parts(&found.span);
            // The evidence is as new as the turn that completed it.
            if let Some(last) = parts.last() {
                self.count(last.turn, found);
            }
            for part in parts {
                let Some(place) = texts.get(part.turn).map(|text| text.place) else { continue };
                if self.knows(place, found, &part.span) {
                    continue;
                }
                if !self.tell(place, found, part.span.clone()) {
                    self.give_up(place, part.span, UnjudgedReason::TooManyFindings);
                    return;
                }
            }
        }
        for (span, reason) in &reading.unjudged {
            for part in chain.parts(span) {
                let Some(place) = texts.get(part.turn).map(|text| text.place) else { continue };
                self.give_up(place, part.span, *reason);
            }
        }
    }

    /// Whether the rule has a finding at this place of a turn already: from the other glue, or from
    /// the turn alone.
    fn knows(&self, place: Place, found: &Found, span: &Range<usize>) -> bool {
        let Some(rule) = self.watched.rule(found.rule) else { return true };
        self.findings.iter().any(|finding| {
            finding.place == place && finding.rule == rule.id && finding.span == *span
        })
    }

    /// Counts a match as evidence that the text `text` completed.
    fn count(&mut self, text: usize, found: &Found) {
        if let Some(rule) = self.watched.rule(found.rule) {
            let weight = self.watched.weight(rule).unless(found.exception.is_some());
            self.counted.push(Counted { text, rule: found.rule, weight });
        }
    }

    /// Puts a match into the verdict; false when that is full.
    fn tell(&mut self, place: Place, found: &Found, span: Range<usize>) -> bool {
        let Some(rule) = self.watched.rule(found.rule) else { return true };
        let room = self.findings.len() < self.engine.limits().findings_max;
        if room {
            let exception = found.exception.clone();
            let finding = self.watched.finding(rule, place, span, found.view, found.entity);
            self.findings.push(Finding { exception, ..finding });
        }
        room
    }

    fn give_up(&mut self, place: Place, span: Range<usize>, reason: UnjudgedReason) {
        self.unjudged.push(Unjudged { place, span, reason });
    }

    fn verdict(self, stage: Stage, ages: &[u32]) -> Verdict {
        let Self { engine, watched, counted, mut findings, unjudged, .. } = self;
        let evidence =
            conversation::weigh(engine.conversation(), ages, counted, watched.evidence());
        sort(&mut findings);
        engine.verdict(stage, &evidence, findings, unjudged)
    }
}

/// The order of a verdict: place, span, rule.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.place, finding.span.start, finding.span.end);
        key(a).cmp(&key(b)).then_with(|| a.rule.cmp(&b.rule))
    });
}
