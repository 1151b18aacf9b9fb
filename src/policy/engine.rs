//! A compiled policy: immutable, pure, shared by every exchange.
//!
//! It judges whole texts; [`Screen`] judges a text that is still being
//! written, by the same steps ([`StageRules::hits`], [`Evidence`]). Nothing
//! here sees YAML, and nothing here reads a clock or a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::evidence::Evidence;
use super::screen::Screen;
use super::spec::{Decision, RedactionSpec, Spec, UnjudgedMeans};
use super::stage_rules::{StageRules, block_end, sort};
use super::{Disclosure, Judged, Reply, ReplyStyle};
use crate::detect::{self, Hit, LexiconError};
use crate::domain::{
    Action, Category, Digest, Finding, Place, Stage, Unjudged, UnjudgedReason, Verdict,
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
    /// The place of each rule in the specification, and its own mask.
    masks: HashMap<Arc<str>, (usize, Option<Arc<str>>)>,
}

/// Why a specification cannot become an engine.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum BuildError {
    Lexicon(#[from] LexiconError),
    Digest(#[from] serde_json::Error),
}

impl Engine {
    /// `detectors` stand in the order of the specification's rules.
    pub(super) fn build(spec: Spec, detectors: Vec<detect::Rule>) -> Result<Self, BuildError> {
        let digest = spec.digest()?;
        let disclosure = Disclosure {
            header: spec.disclosure_header.clone(),
            first_turn: spec.disclosure_first_turn.clone(),
        };
        let masks = (0..)
            .zip(&spec.rules)
            .map(|(number, rule)| (rule.id.clone(), (number, rule.redact_as.clone())))
            .collect();
        let input = StageRules::build(Stage::Input, &spec, &detectors)?;
        let output = StageRules::build(Stage::Output, &spec, &detectors)?;
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
            key(a).cmp(&key(b)).then_with(|| (&a.rule, a.entity).cmp(&(&b.rule, b.entity)))
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
        let action = if unjudged.is_empty() { acted } else { acted.max(self.unjudged_action()) };
        Verdict { stage, action, categories, findings, unjudged }
    }

    /// What text means that nobody looked at.
    pub(super) fn unjudged_action(&self) -> Action {
        match self.spec.unjudged {
            UnjudgedMeans::Block => Action::Block,
            UnjudgedMeans::Flag => Action::Flag,
        }
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

    /// Rules up to this level count towards actions.
    pub(super) fn block_level(&self) -> u8 {
        self.spec.block_level
    }

    pub(super) fn redaction_spec(&self) -> RedactionSpec {
        self.spec.redaction
    }

    /// By rule: its place in the specification, and its own mask.
    pub(super) fn masks(&self) -> &HashMap<Arc<str>, (usize, Option<Arc<str>>)> {
        &self.masks
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
        if !tail.is_empty() {
            self.give_up(judged.place, limit..judged.text.len(), UnjudgedReason::TooLong);
        }
    }

    fn give_up(&mut self, place: Place, span: Range<usize>, reason: UnjudgedReason) {
        self.unjudged.push(Unjudged { place, span, reason });
    }
}
