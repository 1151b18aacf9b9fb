//! Whether a finding falls under an exception that is in force.
//!
//! Between the specification and the two judges, like [`super::stage_rules`]:
//! what an exception covers depends on the rule, the role and the text around
//! the match, so a text that is streamed and one that is whole agree. Reads no
//! clock: an engine holds those that were in force when it was compiled.

use std::ops::Range;
use std::sync::Arc;

use super::compile::Selector;
use super::spec::{Exception, Spec};
use crate::detect::{Hit, Pattern, back_by_chars};
use crate::domain::{Category, Role, Stage};
use crate::text::Canonical;

/// The exceptions of one stage.
#[derive(Debug, Clone, Default)]
pub(super) struct Exceptions {
    list: Vec<Scoped>,
    /// By the number of the rule: which of them may cover a finding of it.
    by_rule: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Scoped {
    id: Arc<str>,
    roles: Option<Vec<Role>>,
    /// Empty: wherever the finding lies.
    matching: Vec<Pattern>,
}

impl Exceptions {
    /// `matching` stands in the order of the specification's exceptions;
    /// `rules` are the ids and categories of the stage's rules.
    pub(super) fn build<'r>(
        stage: Stage,
        spec: &Spec,
        matching: &[Vec<Pattern>],
        rules: impl Iterator<Item = (&'r str, Category)>,
    ) -> Self {
        let of_stage = spec.exceptions.iter().zip(matching);
        let of_stage: Vec<(&Exception, &Vec<Pattern>)> =
            of_stage.filter(|(exception, _)| exception.directions.contains(&stage)).collect();
        let by_rule = rules.map(|(id, category)| {
            let covering = of_stage.iter().enumerate();
            covering
                .filter(|(_, (exception, _))| covers(exception, id, category))
                .map(|(number, _)| number)
                .collect()
        });
        let by_rule = by_rule.collect();
        let list = of_stage.into_iter().map(|(exception, matching)| Scoped {
            id: Arc::clone(&exception.id),
            // Who wrote a text is asked of prompts only.
            roles: exception.roles.clone().filter(|_| stage == Stage::Input),
            matching: matching.clone(),
        });
        Self { list: list.collect(), by_rule }
    }

    /// Lets go of all but those with one of these ids.
    pub(super) fn keep(&mut self, ids: &[Arc<str>]) {
        let list = &self.list;
        for covering in &mut self.by_rule {
            covering.retain(|at| list.get(*at).is_some_and(|kept| ids.contains(&kept.id)));
        }
    }

    /// All `matching`: as far as they reach, so far must text be held back.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.list.iter().flat_map(|exception| &exception.matching)
    }

    /// The exception under which a match falls, the first one that covers it.
    /// The view must hold what the detector asks for around it.
    pub(super) fn covering(&self, view: &Canonical, hit: &Hit, role: Role) -> Option<Arc<str>> {
        let candidates = self.by_rule.get(hit.rule)?.iter().filter_map(|at| self.list.get(*at));
        let start = view.start();
        let span = hit.span.start.saturating_sub(start)..hit.span.end.saturating_sub(start);
        candidates
            .filter(|exception| exception.roles.as_ref().is_none_or(|roles| roles.contains(&role)))
            .find(|exception| {
                exception.matching.is_empty()
                    || lies_inside(&exception.matching, view.text(), &span)
            })
            .map(|exception| Arc::clone(&exception.id))
    }
}

/// The compiler refuses exceptions for `child_exploitation`; here they are not even looked at.
fn covers(exception: &Exception, id: &str, category: Category) -> bool {
    let named = |name: &String| Selector::of(name).selects(id);
    category != Category::ChildExploitation
        && (exception.categories.contains(&category) || exception.rules.iter().any(named))
}

/// Whether a span lies inside a match of one of the patterns. Tried from every
/// start, so that the answer depends on the text alone.
fn lies_inside(patterns: &[Pattern], text: &str, span: &Range<usize>) -> bool {
    patterns.iter().any(|pattern| {
        let mut at = back_by_chars(text, span.start, pattern.chars_max().unwrap_or_default());
        while let Some(found) = pattern.find_at(text, at).filter(|found| found.start <= span.start)
        {
            if found.end >= span.end {
                return true;
            }
            let next = text.get(found.start..).and_then(|rest| rest.chars().next());
            at = found.start + next.map_or(1, char::len_utf8);
        }
        false
    })
}
