//! Rules that can never change a decision.
//!
//! A rule above the detect level does not run. A phrase that contains another
//! rule's phrase never decides anything when that rule alone already makes the
//! category act: found whenever the longer one is, on the same texts.

use std::collections::BTreeMap;
use std::ops::Range;

use super::header::Header;
use super::rules::RuleRead;
use crate::detect::Phrase;
use crate::detect::lexicon::{Lexicon, Use, is_whole};
use crate::domain::{Action, Category, Stage};
use crate::policy::problem::{Problem, Problems};
use crate::policy::spec::{CategorySpec, RuleSpec};

pub(super) fn check(
    rules: &[RuleRead],
    categories: &BTreeMap<Category, CategorySpec>,
    header: &Header,
    problems: &mut Problems,
) {
    for rule in rules.iter().filter(|rule| rule.spec.level > header.detect_level) {
        problems.push(
            Problem::new(
                "policy::unreachable",
                rule.level_at.clone(),
                format!("rule `{}` does not run: its level is above `detect_level`", rule.spec.id),
            )
            .help(format!(
                "`detect_level` is {}; raise it to see what the rule would find",
                header.detect_level
            ))
            .warning(),
        );
    }
    let phrases: Vec<(usize, Phrase)> = rules
        .iter()
        .enumerate()
        .flat_map(|(number, rule)| {
            let whole_words = rule.spec.whole_words;
            rule.spec
                .phrases
                .iter()
                .map(move |text| (number, Phrase { text: text.clone(), whole_words }))
        })
        .collect();
    let Ok(lexicon) = Lexicon::new(&phrases, &[]) else { return };
    for (number, rule) in rules.iter().enumerate() {
        let shadowed: Vec<(usize, usize)> = rule
            .spec
            .phrases
            .iter()
            .enumerate()
            .filter_map(|(index, phrase)| {
                let by = shadowing(phrase, number, rules, &lexicon, |other, own| {
                    decides(other, own, categories, header)
                })?;
                Some((index, by))
            })
            .collect();
        let all = shadowed.len() == rule.spec.phrases.len()
            && rule.spec.patterns.is_empty()
            && rule.spec.pii.is_none();
        report(rule, rules, &shadowed, all && !shadowed.is_empty(), problems);
    }
}

fn report(
    rule: &RuleRead,
    rules: &[RuleRead],
    shadowed: &[(usize, usize)],
    whole_rule: bool,
    problems: &mut Problems,
) {
    if whole_rule {
        let by = shadowed.first().and_then(|(_, by)| rules.get(*by));
        let mut problem = Problem::new(
            "policy::unreachable",
            rule.at.clone(),
            format!("rule `{}` can never change a decision", rule.spec.id),
        )
        .label("each of its phrases contains a phrase that decides alone")
        .help("remove the rule, or the shorter phrases");
        if let Some(by) = by {
            problem = problem.also(by.at.clone(), "for one, of this rule");
        }
        problems.push(problem);
        return;
    }
    for (index, by) in shadowed {
        let (Some(at), Some(by)) = (rule.phrases_at.get(*index), rules.get(*by)) else { continue };
        problems.push(
            Problem::new(
                "policy::unreachable",
                at.clone(),
                "this phrase can never change a decision",
            )
            .label(format!("contains a phrase of rule `{}`, which decides alone", by.spec.id))
            .warning(),
        );
    }
}

/// The number of another rule that is found wherever `phrase` is.
fn shadowing(
    phrase: &str,
    number: usize,
    rules: &[RuleRead],
    lexicon: &Lexicon,
    decides: impl Fn(&RuleSpec, &RuleSpec) -> bool,
) -> Option<usize> {
    let own = rules.get(number)?;
    let mut by = None;
    lexicon.scan(phrase, 0..phrase.len(), |found, span| {
        let Use::Phrase { rule, whole_words } = *found else { return };
        if rule == number || by.is_some() {
            return;
        }
        let Some(other) = rules.get(rule) else { return };
        let surely_whole = !whole_words
            || is_whole(phrase, &span) && (own.spec.whole_words || inner(phrase, &span));
        // Of two equal rules the first is kept.
        let same = span.len() == phrase.len();
        if surely_whole && decides(&other.spec, &own.spec) && !(same && rule > number) {
            by = Some(rule);
        }
    });
    by
}

fn inner(phrase: &str, span: &Range<usize>) -> bool {
    span.start > 0 && span.end < phrase.len()
}

/// Whether a finding of `other` alone makes the category act wherever `own` is judged.
fn decides(
    other: &RuleSpec,
    own: &RuleSpec,
    categories: &BTreeMap<Category, CategorySpec>,
    header: &Header,
) -> bool {
    let roles_cover = match (&other.roles, &own.roles) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(other), Some(own)) => own.iter().all(|role| other.contains(role)),
    };
    let acts = |stage: &Stage| {
        categories.get(&own.category).map(|spec| spec.decision(*stage)).is_some_and(|decision| {
            other.directions.contains(stage)
                && other.score >= decision.threshold
                && decision.action != Action::Redact
        })
    };
    other.category == own.category
        && roles_cover
        && other.level <= own.level
        && other.level <= header.block_level
        && other.unless.is_empty()
        && own.directions.iter().all(acts)
}
