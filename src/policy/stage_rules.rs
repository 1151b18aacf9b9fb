//! The rules of one stage, ready to run.
//!
//! Between the specification and the two judges ([`super::Engine`] for whole
//! texts, [`super::Screen`] for streams): both take their matches here, so
//! both see the same ones.

use std::ops::Range;
use std::sync::Arc;

use super::compile::{BUILTIN, MASK};
use super::evidence::Weight;
use super::kinds::{LanguageSpec, OtherLanguage};
use super::spec::Spec;
use super::whole::{Looks, WholeRules};
use crate::detect::{self, Detector, Hit, LexiconError, Pass};
use crate::domain::{Category, Entity, Finding, Place, Role, RuleId, Stage, View};
use crate::text::Canonical;

/// Canonical bytes decided at a time, so that a flood of findings stops early.
const BLOCK_BYTES: usize = 4 << 10;
/// The markers' own weight: worth recording, and a hint beside others.
const MARKER_SCORE: f32 = 0.4;
const LANGUAGE_SCORE: f32 = 0.3;

/// The rules of one stage; a rule's number is its place in both parts.
#[derive(Debug)]
pub(super) struct StageRules {
    detector: Detector,
    pub(super) rules: Vec<StageRule>,
    /// The number of the built-in rule, where the stage has it.
    pub(super) marker: Option<usize>,
    /// Rules that hold of whole texts; input only.
    pub(super) whole: WholeRules,
}

#[derive(Debug)]
pub(super) struct StageRule {
    pub(super) id: RuleId,
    pub(super) level: u8,
    pub(super) weight: Weight,
    pub(super) mask: Arc<str>,
    pub(super) roles: Option<Vec<Role>>,
}

impl StageRules {
    /// `looks` stand in the order of the specification's rules.
    pub(super) fn build(stage: Stage, spec: &Spec, looks: &[Looks]) -> Result<Self, LexiconError> {
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
                mask: rule.redact_as.clone(),
                roles: rule.roles.clone(),
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
        let whole = WholeRules::build(wholes, language, &mut looks_for);
        Ok(Self { detector: Detector::new(looks_for)?, rules, marker, whole })
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

/// By start, end and rule; each match once.
pub(super) fn sort(hits: &mut Vec<Hit>) {
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.rule));
    hits.dedup();
}

/// The rule that reports control markers of the chat form.
fn marker_rule() -> StageRule {
    StageRule {
        id: RuleId(format!("{BUILTIN}control-marker").into()),
        level: 1,
        weight: Weight { category: Category::PromptInjection, score: MARKER_SCORE, enforced: true },
        mask: MASK.into(),
        roles: None,
    }
}

/// The rule that reports a language which the policy does not cover. A change
/// of language is a known way around a guard and none to act on by itself, so
/// it is recorded and never enforced.
fn language_rule() -> StageRule {
    StageRule {
        id: RuleId(format!("{BUILTIN}language").into()),
        level: 1,
        weight: Weight { category: Category::Jailbreak, score: LANGUAGE_SCORE, enforced: false },
        mask: MASK.into(),
        roles: None,
    }
}

/// The end of the next block to decide, on a character boundary.
pub(super) fn block_end(view: &Canonical, from: usize, until: usize) -> usize {
    let end = from.saturating_add(BLOCK_BYTES).min(until);
    let relative = end.saturating_sub(view.start());
    let floor = view.text().floor_char_boundary(relative) + view.start();
    if floor > from { floor } else { until }
}

impl StageRule {
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
        }
    }
}
