//! A compiled policy: immutable, pure, shared by every exchange.
//!
//! It judges whole texts ([`super::judging`]); [`Screen`] judges a text that is
//! still being written, by the same steps ([`super::watched`], [`Evidence`]).
//! Nothing here sees YAML, and nothing here reads a clock or a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use time::Date;

use super::cache::Cache;
use super::evidence::{self, Evidence};
use super::leak::{Canary, Leak};
use super::occasion::Occasion;
use super::overlap::Overlap;
use super::screen::Screen;
use super::spec::{
    ConversationSpec, Decision, Exception, LimitsSpec, RedactionSpec, Spec, UnjudgedMeans,
};
use super::stage_rules::StageRules;
use super::whole::Looks;
use super::{Disclosure, Judged, Reply, ReplyStyle, judging};
use crate::detect::{LexiconError, Pattern};
use crate::domain::{Action, Category, Digest, Finding, Stage, Unjudged, UnjudgedReason, Verdict};
use crate::text::markers;

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
    /// `looks` stand in the order of the specification's rules, `matching` in
    /// that of its exceptions.
    pub(super) fn build(
        spec: Spec,
        looks: Vec<Looks>,
        matching: &[Vec<Pattern>],
    ) -> Result<Self, BuildError> {
        let digest = spec.digest()?;
        let disclosure = Disclosure {
            header: spec.disclosure_header.clone(),
            first_turn: spec.disclosure_first_turn.clone(),
        };
        let masks = (0..)
            .zip(&spec.rules)
            .map(|(number, rule)| (rule.id.clone(), (number, rule.redact_as.clone())))
            .collect();
        let input = StageRules::build(Stage::Input, &spec, &looks, matching)?;
        let output = StageRules::build(Stage::Output, &spec, &looks, matching)?;
        Ok(Self { spec, digest, disclosure, input, output, masks })
    }

    /// Everything that was compiled.
    pub(super) fn spec(&self) -> &Spec {
        &self.spec
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

    /// The exceptions in force when it was compiled.
    pub fn exceptions(&self) -> &[Exception] {
        &self.spec.exceptions
    }

    /// This policy without the exceptions whose last day is before `today`;
    /// `None` when they all still hold.
    pub(super) fn without_expired(&self, today: Date) -> Option<Self> {
        let mut spec = self.spec.clone();
        spec.exceptions.retain(|exception| exception.expires >= today);
        if spec.exceptions.len() == self.spec.exceptions.len() {
            return None;
        }
        let kept: Vec<Arc<str>> =
            spec.exceptions.iter().map(|exception| Arc::clone(&exception.id)).collect();
        let (mut input, mut output) = (self.input.clone(), self.output.clone());
        input.keep_exceptions(&kept);
        output.keep_exceptions(&kept);
        let digest = spec.digest().ok()?;
        let (disclosure, masks) = (self.disclosure.clone(), self.masks.clone());
        Some(Self { spec, digest, disclosure, input, output, masks })
    }

    /// Judges all texts of one stage together; every rule acts.
    ///
    /// Texts of messages stand in the order of the conversation.
    pub fn judge(&self, stage: Stage, texts: &[Judged<'_>]) -> Verdict {
        self.judge_on(&Occasion::default(), None, stage, texts)
    }

    /// As [`Engine::judge`], for one exchange. A cache saves work and changes nothing.
    pub fn judge_on(
        &self,
        occasion: &Occasion,
        cache: Option<&Cache>,
        stage: Stage,
        texts: &[Judged<'_>],
    ) -> Verdict {
        judging::judge(self, stage, texts, occasion, cache)
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

    /// Whether a finding counts towards actions.
    pub(super) fn acts(&self, finding: &Finding) -> bool {
        finding.level <= self.spec.block_level
            && !finding.sampled_out
            && finding.exception.is_none()
    }

    /// Control markers of the chat form made harmless, to a fixed point.
    pub fn neutralise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        markers::neutralise(text)
    }

    /// The incremental judge of one choice; every rule acts.
    pub fn screen(self: &Arc<Self>, choice: u32) -> Screen {
        self.screen_on(&Arc::default(), choice)
    }

    /// As [`Engine::screen`], for one exchange.
    pub fn screen_on(self: &Arc<Self>, occasion: &Arc<Occasion>, choice: u32) -> Screen {
        Screen::new(Arc::clone(self), Arc::clone(occasion), choice)
    }

    /// Whether the gateway plants a canary in the system text.
    pub fn plants_canary(&self) -> bool {
        self.spec.system_prompt.canary
    }

    /// What an answer must not give away of the system text that the model was given, or `None`
    /// when the policy does not mind or the text is too short to tell.
    pub fn leak(&self, system_text: &str, canary: Option<Canary>) -> Option<Leak> {
        let words = self.spec.system_prompt.overlap_words;
        let overlap = words.and_then(|words| Overlap::of(system_text, words));
        Leak::new(canary.filter(|_| self.plants_canary()), overlap)
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
        let threshold = self.decision(category, verdict.stage).threshold;
        let scored = verdict.categories.iter().find(|score| score.category == category);
        let enforced = |finding: &Finding| finding.category == category && self.acts(finding);
        scored.is_some_and(|scored| evidence::reaches(f64::from(scored.score), threshold))
            && verdict.findings.iter().any(enforced)
    }

    pub(super) fn rules(&self, stage: Stage) -> &StageRules {
        match stage {
            Stage::Input => &self.input,
            Stage::Output => &self.output,
        }
    }

    pub(super) fn limits(&self) -> &LimitsSpec {
        &self.spec.limits
    }

    pub(super) fn redaction_spec(&self) -> RedactionSpec {
        self.spec.redaction
    }

    /// By rule: its place in the specification, and its own mask.
    pub(super) fn masks(&self) -> &HashMap<Arc<str>, (usize, Option<Arc<str>>)> {
        &self.masks
    }

    pub(super) fn conversation(&self) -> ConversationSpec {
        self.spec.conversation
    }
}
