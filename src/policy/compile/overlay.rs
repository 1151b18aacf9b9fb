//! One policy out of several that are written over one another.
//!
//! From the last base up, each layer's keys take the place of those below it,
//! mapping by mapping; rules are changed by id, disabled or added. What a base
//! has locked may only become stricter ([`super::locks`]); its floors are
//! checked on the result ([`super::floor`]). Called by the compiler, before
//! anything is resolved.

use std::ops::Range;

use super::fragments::Fragments;
use super::locks::Locks;
use super::missing;
use super::selector::Selector;
use crate::policy::chain::Layer;
use crate::policy::document::{
    Document, ExceptionWritten, FloorWritten, Named, Part, RuleWritten, Spanned, Written, place,
};
use crate::policy::problem::{Problem, Problems};
use crate::policy::sources::Sources;

/// Changes, and as many disabled names, that one policy may list.
const ENTRIES_MAX: usize = 1000;

/// What the layers come to.
#[derive(Debug, Default)]
pub(super) struct Overlaid {
    pub(super) document: Document,
    /// Those of all layers, with the number of theirs: 0 is the policy itself.
    pub(super) exceptions: Vec<(usize, Spanned<ExceptionWritten>)>,
    pub(super) floors: Vec<(usize, Spanned<FloorWritten>)>,
    pub(super) locks: Locks,
}

pub(super) fn merge(
    layers: Vec<Layer>,
    sources: &Sources,
    fragments: &mut Fragments,
    problems: &mut Problems,
) -> Overlaid {
    let mut overlaid = Overlaid::default();
    let lowest = layers.len().saturating_sub(1);
    if let Some(top) = layers.first().filter(|_| lowest > 0) {
        named(&top.document, problems);
    }
    for (number, layer) in layers.into_iter().enumerate().rev() {
        let mut document = layer.document;
        let mut rules = overlaid.document.rules.take().unwrap_or_default();
        if number == lowest {
            without_a_base(&document, problems);
        } else {
            let mut changing = Changing {
                rules: &mut rules,
                locks: &overlaid.locks,
                sources,
                fragments,
                problems,
            };
            changing.change(document.change.take());
            changing.disable(document.disable.take());
        }
        rules.extend(document.rules.take().unwrap_or_default());
        let exceptions = document.exceptions.take().unwrap_or_default();
        overlaid.exceptions.extend(exceptions.into_iter().map(|exception| (number, exception)));
        let floor = document.floor.take();
        // They were read file by file; a name may mean something else in each.
        document.fragments = None;
        overlaid.document = document.over(std::mem::take(&mut overlaid.document));
        overlaid.locks.add(number, &rules, &overlaid.document, floor.as_ref(), problems);
        overlaid.document.rules = Some(rules);
        overlaid.floors.extend(floor.map(|floor| (number, floor)));
    }
    overlaid
}

/// Two policies of one name could not be told apart in the audit log.
fn named(document: &Document, problems: &mut Problems) {
    if document.policy.is_none() {
        let at = document.extends.as_ref().map_or(0..0, |extends| place(&extends.referenced));
        let help = "a policy that is written over another needs a name of its own";
        problems.push(missing("policy", at, help));
    }
}

fn without_a_base(document: &Document, problems: &mut Problems) {
    // A base that could not be read was reported already.
    if document.extends.is_some() {
        return;
    }
    let mut useless = |at: Range<usize>, key: &str| {
        problems.push(
            Problem::new("policy::useless_key", at, format!("`{key}` needs a policy to be about"))
                .help("say which one: `extends: ../other-policy` or `extends: shipped`"),
        );
    };
    if let Some(change) = &document.change {
        useless(place(&change.referenced), "change");
    }
    if let Some(first) = document.disable.as_ref().and_then(|list| list.first()) {
        useless(place(&first.referenced), "disable");
    }
}

/// One layer at work on the rules of those below it.
struct Changing<'a> {
    rules: &'a mut Vec<Spanned<RuleWritten>>,
    locks: &'a Locks,
    sources: &'a Sources,
    fragments: &'a mut Fragments,
    problems: &'a mut Problems,
}

impl Changing<'_> {
    fn change(&mut self, change: Option<Spanned<Named<RuleWritten>>>) {
        for (name, mut change) in self.bounded(change.map(|change| change.value.0)) {
            self.problems.unknown_keys(&change);
            change.forget_unknown();
            if let Some(id) = change.id.take() {
                self.problems.push(
                    Problem::new(
                        "policy::useless_key",
                        place(&id.referenced),
                        "a rule keeps its id",
                    )
                    .help("disable the rule and write one of your own"),
                );
            }
            let selector = self.selector(&name);
            for rule in self.rules.iter_mut().filter(|rule| selects(&selector, rule)) {
                self.locks.check_change(
                    rule,
                    (&name, &change),
                    self.sources,
                    self.fragments,
                    self.problems,
                );
                let below = std::mem::take(&mut rule.value);
                rule.value = change.clone().over(below);
            }
        }
    }

    fn disable(&mut self, disable: Option<Vec<Spanned<String>>>) {
        for name in self.bounded(disable) {
            let selector = self.selector(&name);
            for rule in self.rules.iter().filter(|rule| selects(&selector, rule)) {
                self.locks.check_disable(rule, &name, self.problems);
            }
            self.rules.retain(|rule| !selects(&selector, rule));
        }
    }

    fn bounded<T>(&mut self, entries: Option<Vec<T>>) -> impl Iterator<Item = T> + use<T> {
        let entries = entries.unwrap_or_default();
        if entries.len() > ENTRIES_MAX {
            let message = format!("more than {ENTRIES_MAX} entries in `change` or `disable`");
            let help = "name several rules at once, `prefix/*`, or write a policy of your own";
            self.problems.push(Problem::new("policy::too_many_rules", 0..0, message).help(help));
        }
        entries.into_iter().take(ENTRIES_MAX)
    }

    fn selector(&mut self, name: &Spanned<String>) -> Selector {
        Selector::require(name, ids(self.rules), self.problems)
    }
}

/// The ids of those rules that have one.
pub(super) fn ids(rules: &[Spanned<RuleWritten>]) -> impl Iterator<Item = &str> + Clone {
    rules.iter().filter_map(|rule| rule.value.id.as_ref()).map(|id| id.value.as_str())
}

pub(super) fn selects(selector: &Selector, rule: &Spanned<RuleWritten>) -> bool {
    rule.value.id.as_ref().is_some_and(|id| selector.selects(&id.value))
}
