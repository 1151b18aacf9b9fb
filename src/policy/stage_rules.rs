//! The rules of one stage, ready to run.
//!
//! Between the specification and the two judges ([`super::Engine`] for whole
//! texts, [`super::Screen`] for streams): both take their matches here, so
//! both see the same ones.

use std::ops::Range;
use std::sync::Arc;

use super::compile::{BUILTIN, MASK};
use super::evidence::Weight;
use super::exceptions::Exceptions;
use super::kinds::{LanguageSpec, OtherLanguage};
use super::redact::mask;
use super::spec::Spec;
use super::whole::{Looks, WholeRules};
use crate::detect::{self, Detector, Hit, LexiconError, Pass, Pattern};
use crate::domain::{Category, Entity, Finding, Place, Role, RuleId, Stage, View};
use crate::text::Canonical;

/// Canonical bytes decided at a time, so that a flood of findings stops early.
const BLOCK_BYTES: usize = 4 << 10;
/// The markers' own weight: worth recording, and a hint beside others.
const MARKER_SCORE: f32 = 0.4;
const ALL_VIEWS: u32 = u32::MAX;
const LANGUAGE_SCORE: f32 = 0.3;

/// The rules of one stage; a rule's number is its place in both parts.
#[derive(Debug, Clone)]
pub(super) struct StageRules {
    detector: Arc<Detector>,
    pub(super) rules: Vec<StageRule>,
    /// The number of the built-in rule, where the stage has it.
    pub(super) marker: Option<usize>,
    /// Rules that hold of whole texts; input only.
    pub(super) whole: Arc<WholeRules>,
    exceptions: Exceptions,
}

#[derive(Debug, Clone)]
pub(super) struct StageRule {
    pub(super) id: RuleId,
    pub(super) level: u8,
    pub(super) weight: Weight,
    /// As the rule wants it; see [`StageRule::mask`].
    pub(super) redact_as: Option<Arc<str>>,
    pub(super) roles: Option<Vec<Role>>,
    /// The readings in which it counts, as bits.
    views: u32,
    /// The share of exchanges in which it acts; `None`: all.
    pub(super) sample: Option<f32>,
    /// A match that touches the one before it belongs to the same finding.
    pub(super) grows: bool,
}

impl StageRules {
    /// `looks` stand in the order of the specification's rules, `matching` in
    /// that of its exceptions.
    pub(super) fn build(
        stage: Stage,
        spec: &Spec,
        looks: &[Looks],
        matching: &[Vec<Pattern>],
    ) -> Result<Self, LexiconError> {
        let mut rules = Vec::new();
        let mut looks_for = Vec::new();
        let mut wholes = Vec::new();
        for (rule, looks) in spec.rules.iter().zip(looks) {
            if rule.level > spec.detect_level || !rule.directions.contains(&stage) {
                continue;
            }
            rules.push(StageRule {
                id: RuleId(rule.id.clone()),
                level: rule.level,
                weight: Weight {
                    category: rule.category,
                    score: rule.score,
                    enforced: rule.level <= spec.block_level,
                },
                redact_as: rule.redact_as.clone(),
                // Who wrote a text is asked of prompts only.
                roles: rule.roles.clone().filter(|_| stage == Stage::Input),
                views: rule.views.as_deref().map_or(ALL_VIEWS, bits),
                sample: rule.sample,
                grows: false,
            });
            looks_for.push(match looks {
                Looks::Directly(detector) => detect::Rule {
                    phrases: detector.phrases.clone(),
                    patterns: detector.patterns.clone(),
                    unless: detector.unless.clone(),
                },
                Looks::Whole(whole) => {
                    wholes.push((rules.len() - 1, whole));
                    detect::Rule::default()
                }
            });
        }
        let marker = (stage == Stage::Input).then(|| {
            rules.push(marker_rule());
            looks_for.push(detect::Rule::default());
            rules.len() - 1
        });
        let asked = |language: &&LanguageSpec| language.other != OtherLanguage::Judge;
        let language = spec.language.as_ref().filter(asked).filter(|_| stage == Stage::Input);
        let language = language.map(|language| {
            rules.push(language_rule());
            looks_for.push(detect::Rule::default());
            (rules.len() - 1, language.clone())
        });
        let whole = Arc::new(WholeRules::build(wholes, language, &mut looks_for));
        let ids = rules.iter().map(|rule: &StageRule| (&*rule.id.0, rule.weight.category));
        let exceptions = Exceptions::build(stage, spec, matching, ids);
        // No rule of its own: it makes the detector ask for as much text around a match.
        let unless = exceptions.patterns().cloned().collect();
        looks_for.push(detect::Rule { unless, ..detect::Rule::default() });
        let detector = Arc::new(Detector::new(looks_for)?);
        Ok(Self { detector, rules, marker, whole, exceptions })
    }

    /// The exception under which a match of the view falls, if one does.
    pub(super) fn exception(&self, view: &Canonical, hit: &Hit, role: Role) -> Option<Arc<str>> {
        self.exceptions.covering(view, hit, role)
    }

    /// Lets go of all exceptions but those with one of these ids.
    pub(super) fn keep_exceptions(&mut self, ids: &[Arc<str>]) {
        self.exceptions.keep(ids);
    }

    pub(super) fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The matches that start in `decide`, in order of start, end and rule,
    /// each once. Cutting `decide` in two gives the same matches.
    pub(super) fn hits(
        &self,
        view: &Canonical,
        decide: Range<usize>,
        pass: &mut Pass,
        hits: &mut Vec<Hit>,
    ) {
        hits.clear();
        self.detector.scan(view, decide, pass, hits);
        sort(hits);
    }
}

/// By start, end, rule and entity; each match once.
pub(super) fn sort(hits: &mut Vec<Hit>) {
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.rule, hit.entity));
    hits.dedup();
}

/// The rule that reports control markers of the chat form.
fn marker_rule() -> StageRule {
    let weight =
        Weight { category: Category::PromptInjection, score: MARKER_SCORE, enforced: true };
    StageRule::builtin(RuleId(format!("{BUILTIN}control-marker").into()), weight, MASK)
}

const fn bit(view: View) -> u32 {
    1 << view as u32
}

fn bits(views: &[View]) -> u32 {
    views.iter().fold(0, |bits, view| bits | bit(*view))
}

/// The rule that reports a language which the policy does not cover. A change
/// of language is a known way around a guard and none to act on by itself, so
/// it is recorded and never enforced.
fn language_rule() -> StageRule {
    let weight = Weight { category: Category::Jailbreak, score: LANGUAGE_SCORE, enforced: false };
    StageRule::builtin(RuleId(format!("{BUILTIN}language").into()), weight, MASK)
}

/// The end of the next block to decide, on a character boundary.
pub(super) fn block_end(view: &Canonical, from: usize, until: usize) -> usize {
    let end = from.saturating_add(BLOCK_BYTES).min(until);
    let relative = end.saturating_sub(view.start());
    let floor = view.text().floor_char_boundary(relative) + view.start();
    if floor > from { floor } else { until }
}

impl StageRule {
    /// A rule of the program's own.
    pub(super) fn builtin(id: RuleId, weight: Weight, mask: &str) -> Self {
        let redact_as = Some(mask.into());
        let (roles, sample) = (None, None);
        Self { id, level: 1, weight, redact_as, roles, views: ALL_VIEWS, sample, grows: false }
    }

    /// Whether it counts in a text of this role.
    pub(super) fn hears(&self, role: Role) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.contains(&role))
    }

    /// Whether it counts in this reading of a text.
    pub(super) const fn reads(&self, view: View) -> bool {
        self.views & bit(view) != 0
    }

    /// What takes the place of a match.
    pub(super) fn mask(&self, entity: Option<Entity>) -> Arc<str> {
        mask(self.redact_as.as_ref(), entity)
    }

    pub(super) fn finding(
        &self,
        place: Place,
        span: Range<usize>,
        entity: Option<Entity>,
    ) -> Finding {
        Finding {
            category: self.weight.category,
            rule: self.id.clone(),
            level: self.level,
            score: self.weight.score,
            place,
            span,
            view: View::Canonical,
            entity,
            sampled_out: false,
            exception: None,
        }
    }
}
