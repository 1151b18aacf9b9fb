//! The rules of one stage together with what one exchange adds to them.
//!
//! Both judges look through this: [`super::judging`] at whole texts,
//! [`super::Screen`] at streams. It gives the leak's rules numbers behind the
//! stage's, and says what a rule weighs in this exchange.

use std::ops::Range;

use super::engine::Engine;
use super::evidence::{Evidence, Weight};
use super::leak::Leak;
use super::occasion::Occasion;
use super::stage_rules::{StageRule, StageRules, sort};
use crate::detect::{Hit, Pass};
use crate::domain::{Entity, Finding, Place, Stage, View};
use crate::text::Canonical;

#[derive(Debug, Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) stage: Stage,
    rules: &'a StageRules,
    occasion: &'a Occasion,
}

impl<'a> Watched<'a> {
    pub(super) fn new(engine: &'a Engine, stage: Stage, occasion: &'a Occasion) -> Self {
        Self { stage, rules: engine.rules(stage), occasion }
    }

    pub(super) fn rules(&self) -> &'a StageRules {
        self.rules
    }

    /// Answers alone are searched for what the system text says.
    fn leak(&self) -> Option<&'a Leak> {
        self.occasion.leak.as_deref().filter(|_| self.stage == Stage::Output)
    }

    pub(super) fn evidence(&self) -> Evidence {
        Evidence::new(self.stage, self.rules.rules.len() + Leak::RULES)
    }

    pub(super) fn rule(&self, number: usize) -> Option<&'a StageRule> {
        let own = self.rules.rules.len();
        self.rules.rules.get(number).or_else(|| self.leak()?.rule(number.checked_sub(own)?))
    }

    /// What a rule weighs in this exchange.
    pub(super) fn weight(&self, rule: &StageRule) -> Weight {
        Weight { enforced: rule.weight.enforced && !self.sampled_out(rule), ..rule.weight }
    }

    fn sampled_out(&self, rule: &StageRule) -> bool {
        match (rule.sample, self.occasion.sample) {
            (Some(share), Some(key)) => !key.draws(&rule.id, share),
            _ => false,
        }
    }

    pub(super) fn finding(
        &self,
        rule: &StageRule,
        place: Place,
        span: Range<usize>,
        view: View,
        entity: Option<Entity>,
    ) -> Finding {
        let sampled_out = self.sampled_out(rule);
        Finding { view, sampled_out, ..rule.finding(place, span, entity) }
    }

    /// The matches that start in `decide`, in order of start, end and rule, each once.
    pub(super) fn hits(
        &self,
        view: &Canonical,
        decide: Range<usize>,
        pass: &mut Pass,
        hits: &mut Vec<Hit>,
    ) {
        self.rules.hits(view, decide.clone(), pass, hits);
        if let Some(leak) = self.leak() {
            leak.scan(view, decide, self.rules.rules.len(), hits);
            sort(hits);
        }
    }

    /// Characters from its start on that a match of this exchange's own rules can depend on.
    pub(super) fn leak_reach_chars(&self) -> usize {
        self.leak().map_or(0, Leak::reach_chars)
    }

    /// The canonical offset before which no match of this exchange's own rules is undecided.
    pub(super) fn leak_pending(&self, view: &Canonical) -> usize {
        self.leak().map_or(view.end(), |leak| leak.pending(view))
    }
}

/// Extends the finding that a match of a growing rule goes on with; false when there is none.
pub(super) fn grow(
    findings: &mut [Finding],
    rule: &StageRule,
    place: Place,
    span: &Range<usize>,
) -> bool {
    let mut earlier = findings.iter_mut().rev();
    let last = earlier.find(|finding| finding.place == place && finding.rule == rule.id);
    match last.filter(|last| rule.grows && span.start <= last.span.end) {
        Some(last) => {
            last.span.end = last.span.end.max(span.end);
            true
        }
        None => false,
    }
}
