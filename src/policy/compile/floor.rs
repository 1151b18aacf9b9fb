//! The floors that bases declare, checked on what the overlays came to.
//!
//! Every layer's floor binds the whole: actions are ordered allow < flag <
//! redact < replace < block, thresholds may only fall, levels only rise. What
//! no floor names may be weakened. Called by the compiler when header and
//! categories are resolved; locked rules are the business of `locks`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::categories::{self, ACTIONS, category};
use super::header::{self, Header, UNJUDGED};
use super::rules::RuleRead;
use super::share;
use crate::domain::{Action, Category, Stage};
use crate::policy::document::{
    DecisionWritten, Document, FloorCategoryWritten, FloorWritten, Spanned, place,
};
use crate::policy::problem::{Problem, Problems};
use crate::policy::spec::{CategorySpec, Decision, UnjudgedMeans};

/// The floors of all layers, as far as exceptions have to know them.
#[derive(Debug, Default)]
pub(super) struct Floors {
    decisions: Vec<FlooredDecision>,
}

#[derive(Debug)]
struct FlooredDecision {
    layer: usize,
    category: Category,
    stage: Stage,
    at: Range<usize>,
}

impl Floors {
    /// Where a layer below `layer` sets a floor for a category.
    pub(super) fn under(
        &self,
        category: Category,
        stage: Stage,
        layer: usize,
    ) -> Option<Range<usize>> {
        self.decisions
            .iter()
            .find(|floor| (floor.category, floor.stage) == (category, stage) && floor.layer > layer)
            .map(|floor| floor.at.clone())
    }
}

/// What the policy came to.
#[derive(Clone, Copy)]
pub(super) struct Reached<'a> {
    pub(super) document: &'a Document,
    pub(super) header: &'a Header,
    pub(super) categories: &'a BTreeMap<Category, CategorySpec>,
}

pub(super) fn check(
    floors: &[(usize, Spanned<FloorWritten>)],
    reached: Reached<'_>,
    problems: &mut Problems,
) -> Floors {
    let mut known = Floors::default();
    for (layer, floor) in floors {
        let floor = &floor.value;
        problems.unknown_keys(floor);
        levels(floor, reached, problems);
        unjudged(floor, reached, problems);
        for (slug, written) in floor.categories.iter().flat_map(|named| &named.value.0) {
            problems.unknown_keys(written);
            let Some(category) = category(slug, problems) else { continue };
            for stage in Stage::ALL {
                let Some(floor) = of_stage(written, *stage) else { continue };
                decision(category, *stage, floor, reached, problems);
                let at = place(&floor.referenced);
                known.decisions.push(FlooredDecision {
                    layer: *layer,
                    category,
                    stage: *stage,
                    at,
                });
            }
        }
    }
    known
}

/// Reports rules of `child_exploitation` that would block alone if their level
/// let them act: nothing of it runs in shadow.
pub(super) fn check_shadow(rules: &[RuleRead], reached: Reached<'_>, problems: &mut Problems) {
    let category = Category::ChildExploitation;
    let Some(spec) = reached.categories.get(&category) else { return };
    for RuleRead { spec: rule, level_at, .. } in rules {
        let decides = |stage: &Stage| rule.score >= spec.decision(*stage).threshold;
        let shadowed = rule.category == category && rule.level > reached.header.block_level;
        if shadowed && rule.directions.iter().any(decides) {
            let message = format!("rule `{}` would only flag", rule.id);
            problems.push(
                Problem::new("policy::floor", level_at.clone(), message)
                    .label(format!("above `block_level`, {}", reached.header.block_level))
                    .help("a rule of `child_exploitation` that decides alone must act"),
            );
        }
    }
}

fn of_stage(written: &FloorCategoryWritten, stage: Stage) -> Option<&Spanned<DecisionWritten>> {
    match stage {
        Stage::Input => written.input.as_ref(),
        Stage::Output => written.output.as_ref(),
    }
}

fn levels(floor: &FloorWritten, reached: Reached<'_>, problems: &mut Problems) {
    let Reached { document, header, .. } = reached;
    for (key, floor, written, value) in [
        ("detect_level", &floor.detect_level, &document.detect_level, header.detect_level),
        ("block_level", &floor.block_level, &document.block_level, header.block_level),
    ] {
        let Some(floor) = floor else { continue };
        header::level(key, floor, problems);
        if value < floor.value {
            let at = written.as_ref().map(|written| place(&written.referenced));
            let message = format!("`{key}` is below the floor of {}", floor.value);
            problems.push(below(at, &place(&floor.referenced), message));
        }
    }
}

fn unjudged(floor: &FloorWritten, reached: Reached<'_>, problems: &mut Problems) {
    let Some(floor) = &floor.unjudged else { return };
    let Some(least) = problems.name("meaning of unjudged text", floor, UNJUDGED) else { return };
    if (least, reached.header.unjudged) == (UnjudgedMeans::Block, UnjudgedMeans::Flag) {
        let written = reached.document.unjudged.as_ref();
        let at = written.map(|written| place(&written.referenced));
        let message = "unjudged text must stay blocked";
        problems.push(below(at, &place(&floor.referenced), message.to_owned()));
    }
}

fn decision(
    category: Category,
    stage: Stage,
    floor: &Spanned<DecisionWritten>,
    reached: Reached<'_>,
    problems: &mut Problems,
) {
    problems.unknown_keys(&floor.value);
    let Some(Decision { action, threshold }) =
        reached.categories.get(&category).map(|spec| spec.decision(stage))
    else {
        return;
    };
    let named = reached.document.categories.iter().flat_map(|categories| &categories.value.0);
    let written = named
        .filter(|(slug, _)| slug.value == category.slug())
        .find_map(|(_, written)| categories::of_stage(written, stage));
    if let Some(floor) = &floor.value.action
        && let Some(mildest) = problems.name::<Action>("action", floor, ACTIONS)
        && action < mildest
    {
        let at = written.and_then(|written| written.value.action.as_ref());
        let message = format!(
            "the {} action `{action}` of `{category}` is weaker than the floor, `{mildest}`",
            stage.name()
        );
        let at = at.map(|action| place(&action.referenced));
        problems.push(below(at, &place(&floor.referenced), message));
    }
    if let Some(floor) = &floor.value.threshold
        && let Some(highest) = share("threshold", floor, problems)
        && threshold > highest
    {
        let at = written.and_then(|written| written.value.threshold.as_ref());
        let message = format!(
            "the {} threshold {threshold} of `{category}` is above the floor's, {highest}",
            stage.name()
        );
        let at = at.map(|threshold| place(&threshold.referenced));
        problems.push(below(at, &place(&floor.referenced), message));
    }
}

/// A value below its floor. One that nobody wrote is shown at the floor alone.
fn below(at: Option<Range<usize>>, floor: &Range<usize>, message: String) -> Problem {
    let help = "a policy may be stricter than the floor of its base, never weaker";
    match at {
        Some(at) => Problem::new("policy::floor", at, message)
            .label("weakened here")
            .also(floor.clone(), "the floor"),
        None => Problem::new("policy::floor", floor.clone(), message).label("the floor"),
    }
    .help(help)
}
