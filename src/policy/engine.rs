//! A compiled policy: immutable, pure, shared by every exchange.
//!
//! It judges whole texts; [`Screen`] judges a text that is still being
//! written, by the same steps ([`StageRules::hits`], [`Evidence`]). Nothing
//! here sees YAML, and nothing here reads a clock or a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::compile::MASK;
use super::evidence::Evidence;
use super::expression::Match;
use super::screen::Screen;
use super::spec::{Decision, Spec, UnjudgedMeans};
use super::stage_rules::{StageRules, block_end, sort};
use super::whole::{Gathered, Looks, OtherTongue};
use super::{Disclosure, Judged, Reply, ReplyStyle};
use crate::detect::{Hit, LexiconError};
use crate::domain::{
    Action, Category, CategoryScore, Digest, Finding, Place, RuleId, Stage, Unjudged,
    UnjudgedReason, Verdict, View,
};
use crate::text::{Canonical, markers};

/// A compiled policy. Pure: no I/O, no clock. Share it by `Arc`.
#[derive(Debug)]
pub struct Engine {
    spec: Spec,
    digest: Digest,
    disclosure: Disclosure,
    input: StageRules,
    output: StageRules,
    masks: HashMap<Arc<str>, Arc<str>>,
}

/// Why a specification cannot become an engine.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum BuildError {
    Lexicon(#[from] LexiconError),
    Digest(#[from] serde_json::Error),
}

impl Engine {
    /// `looks` stand in the order of the specification's rules.
    pub(super) fn build(spec: Spec, looks: Vec<Looks>) -> Result<Self, BuildError> {
        let digest = spec.digest()?;
        let disclosure = Disclosure {
            header: spec.disclosure_header.clone(),
            first_turn: spec.disclosure_first_turn.clone(),
        };
        let masks =
            spec.rules.iter().map(|rule| (rule.id.clone(), rule.redact_as.clone())).collect();
        let input = StageRules::build(Stage::Input, &spec, &looks)?;
        let output = StageRules::build(Stage::Output, &spec, &looks)?;
        Ok(Self { spec, digest, disclosure, input, output, masks })
    }

    pub fn name(&self) -> &str {
        &self.spec.policy
    }

    pub fn version(&self) -> &str {
        &self.spec.version
    }

    /// SHA-256 over the canonical form of everything that was compiled.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Rules that run, both stages together.
    pub fn rules_len(&self) -> usize {
        self.spec.rules.iter().filter(|rule| rule.level <= self.spec.detect_level).count()
    }

    /// Judges all texts of one stage together.
    pub fn judge(&self, stage: Stage, texts: &[Judged<'_>]) -> Verdict {
        let rules = self.rules(stage);
        let mut judging = Judging {
            engine: self,
            rules,
            evidence: Evidence::new(stage, rules.rules.len()),
            findings: Vec::new(),
            unjudged: Vec::new(),
        };
        for text in texts {
            judging.text(text);
        }
        let Judging { evidence, mut findings, unjudged, .. } = judging;
        findings.sort_by(|a, b| {
            let key = |finding: &Finding| (finding.place, finding.span.start, finding.span.end);
            key(a).cmp(&key(b)).then_with(|| a.rule.cmp(&b.rule))
        });
        self.verdict(stage, &evidence, findings, unjudged)
    }

    pub(super) fn verdict(
        &self,
        stage: Stage,
        evidence: &Evidence,
        findings: Vec<Finding>,
        unjudged: Vec<Unjudged>,
    ) -> Verdict {
        let categories = evidence.scores(|category, stage| self.decision(category, stage));
        let acted = categories.iter().map(|score| score.action).max().unwrap_or(Action::Allow);
        // A language that the policy refuses is refused, whatever else may pass unjudged.
        let refused = unjudged.iter().any(|part| part.reason == UnjudgedReason::Language);
        let unseen = if refused { Action::Block } else { self.unjudged_action() };
        let action = if unjudged.is_empty() { acted } else { acted.max(unseen) };
        Verdict { stage, action, categories, findings, unjudged }
    }

    /// What text means that nobody looked at.
    pub(super) fn unjudged_action(&self) -> Action {
        match self.spec.unjudged {
            UnjudgedMeans::Block => Action::Block,
            UnjudgedMeans::Flag => Action::Flag,
        }
    }

    /// The text with the spans of `verdict` in `place` masked, where their categories say redact.
    pub fn redact<'t>(&self, text: &'t str, place: Place, verdict: &Verdict) -> Cow<'t, str> {
        let redacts = |category: Category| {
            let found = |score: &&CategoryScore| score.category == category;
            verdict
                .categories
                .iter()
                .find(found)
                .is_some_and(|score| score.action == Action::Redact)
        };
        let mut spans: Vec<(Range<usize>, &str)> = verdict
            .findings
            .iter()
            .filter(|finding| finding.place == place && finding.level <= self.spec.block_level)
            .filter(|finding| redacts(finding.category))
            .map(|finding| (finding.span.clone(), self.mask(&finding.rule)))
            .collect();
        // Past the limit nobody knows what there is to mask.
        if verdict.categories.iter().any(|score| score.action == Action::Redact) {
            let uncounted = verdict.unjudged.iter().filter(|unjudged| {
                unjudged.place == place && unjudged.reason == UnjudgedReason::TooManyFindings
            });
            spans.extend(uncounted.map(|unjudged| (unjudged.span.clone(), MASK)));
        }
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        spans.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (span, mask) in spans {
            if span.start >= done {
                // A span that does not fit the text belongs to another text: show nothing of it.
                let Some(before) = text.get(done..span.start) else {
                    return Cow::Owned(MASK.to_owned());
                };
                out.push_str(before);
                out.push_str(mask);
            }
            done = done.max(span.end);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }

    fn mask(&self, rule: &RuleId) -> &str {
        self.masks.get(&rule.0).map_or(MASK, |mask| mask)
    }

    /// Control markers of the chat form made harmless, to a fixed point.
    pub fn neutralise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        markers::neutralise(text)
    }

    /// The incremental judge of one choice.
    pub fn screen(self: &Arc<Self>, choice: u32) -> Screen {
        Screen::new(Arc::clone(self), choice)
    }

    pub fn reply(&self, category: Option<Category>) -> Reply {
        let refusal = category
            .and_then(|category| self.spec.categories.get(&category))
            .map_or(&self.spec.refusal, |spec| &spec.refusal);
        let style = if refusal.as_error { ReplyStyle::Error } else { ReplyStyle::Message };
        Reply { text: refusal.text.clone(), style }
    }

    /// Whether matched text of this category may stand in the log.
    pub fn stores_text(&self, category: Category) -> bool {
        category != Category::ChildExploitation
            && self.spec.categories.get(&category).is_some_and(|spec| spec.store_text)
    }

    pub fn disclosure(&self) -> &Disclosure {
        &self.disclosure
    }

    /// Text that the policy puts before the caller's system text.
    pub fn system_text(&self) -> Option<&str> {
        self.spec.system_text.as_deref()
    }

    /// Action and threshold per category and stage, for reports and the system card.
    pub fn decision_for(&self, category: Category, stage: Stage) -> (Action, f32) {
        let decision = self.decision(category, stage);
        (decision.action, decision.threshold)
    }

    /// A category that the policy does not name is blocked; the compiler lets none through.
    pub(super) fn decision(&self, category: Category, stage: Stage) -> Decision {
        self.spec
            .categories
            .get(&category)
            .map_or(Decision { action: Action::Block, threshold: 0.0 }, |spec| spec.decision(stage))
    }

    /// Whether the evidence of a category reaches its threshold, whatever the action then is.
    pub(super) fn reaches_threshold(&self, verdict: &Verdict, category: Category) -> bool {
        let rules = &self.rules(verdict.stage).rules;
        let mut evidence = Evidence::new(verdict.stage, rules.len());
        for (number, rule) in rules.iter().enumerate() {
            if verdict.findings.iter().any(|finding| finding.rule == rule.id) {
                evidence.add(number, rule.weight);
            }
        }
        evidence.reaches(category, self.decision(category, verdict.stage).threshold)
    }

    pub(super) fn rules(&self, stage: Stage) -> &StageRules {
        match stage {
            Stage::Input => &self.input,
            Stage::Output => &self.output,
        }
    }

    pub(super) fn judged_bytes_max(&self) -> usize {
        self.spec.limits.judged_bytes_max
    }

    pub(super) fn findings_max(&self) -> usize {
        self.spec.limits.findings_max
    }
}

/// One call of [`Engine::judge`] at work.
struct Judging<'e> {
    engine: &'e Engine,
    rules: &'e StageRules,
    evidence: Evidence,
    findings: Vec<Finding>,
    unjudged: Vec<Unjudged>,
}

impl Judging<'_> {
    fn text(&mut self, judged: &Judged<'_>) {
        let limit = judged.text.floor_char_boundary(self.engine.judged_bytes_max());
        let (head, tail) = judged.text.split_at_checked(limit).unwrap_or((judged.text, ""));
        let view = Canonical::of(head);
        let markers = self.rules.marker.map(|rule| (rule, markers::find(view.text())));
        let mut pass = self.rules.detector().pass();
        let mut hits = Vec::new();
        let mut gathered = self.rules.whole.gather();
        let mut from = 0;
        while from < view.end() {
            let until = block_end(&view, from, view.end());
            self.rules.hits(&view, from..until, &mut pass, &mut hits);
            if let Some((rule, spans)) = &markers {
                let here = spans.iter().filter(|span| (from..until).contains(&span.start));
                hits.extend(here.map(|span| Hit { rule: *rule, span: span.clone(), entity: None }));
                sort(&mut hits);
            }
            for hit in &hits {
                if self.rules.whole.is_leaf(hit.rule) {
                    let span = view.original(hit.span.clone());
                    let found = Match { span, view: View::Canonical, entity: hit.entity };
                    self.rules.whole.keep(&mut gathered, hit.rule, found);
                    continue;
                }
                let Some(rule) = self.rules.rules.get(hit.rule) else { continue };
                if rule.roles.as_ref().is_some_and(|roles| !roles.contains(&judged.role)) {
                    continue;
                }
                let span = view.original(hit.span.clone());
                if self.findings.len() >= self.engine.findings_max() {
                    self.give_up(
                        judged.place,
                        span.start..judged.text.len(),
                        UnjudgedReason::TooManyFindings,
                    );
                    return;
                }
                self.evidence.add(hit.rule, rule.weight);
                self.findings.push(rule.finding(judged.place, span, hit.entity));
            }
            from = until;
        }
        if !self.whole(judged, head, &gathered) {
            return;
        }
        if !tail.is_empty() {
            self.give_up(judged.place, limit..judged.text.len(), UnjudgedReason::TooLong);
        }
    }

    /// What holds of the text as a whole; false when there are too many findings.
    fn whole(&mut self, judged: &Judged<'_>, text: &str, gathered: &Gathered) -> bool {
        let rules = self.rules;
        let judges = |number: usize| {
            let roles = rules.rules.get(number).and_then(|rule| rule.roles.as_ref());
            roles.is_none_or(|roles| roles.contains(&judged.role))
        };
        let mut found = rules.whole.find(text, gathered, judges);
        match rules.whole.tongue(judged.role, text) {
            Some(OtherTongue::Flag(number, span)) => {
                found.push((number, Match { span, view: View::Original, entity: None }));
            }
            Some(OtherTongue::Refuse(_)) => {
                self.give_up(judged.place, 0..judged.text.len(), UnjudgedReason::Language);
            }
            None => {}
        }
        for (number, Match { span, view, entity }) in found {
            let Some(rule) = rules.rules.get(number) else { continue };
            if self.findings.len() >= self.engine.findings_max() {
                let rest = span.start..judged.text.len();
                self.give_up(judged.place, rest, UnjudgedReason::TooManyFindings);
                return false;
            }
            self.evidence.add(number, rule.weight);
            self.findings.push(Finding { view, ..rule.finding(judged.place, span, entity) });
        }
        true
    }

    fn give_up(&mut self, place: Place, span: Range<usize>, reason: UnjudgedReason) {
        self.unjudged.push(Unjudged { place, span, reason });
    }
}
