//! Rules that policies written over their own may make stricter, never weaker.
//!
//! A base locks rules by `locked: true` or in its floor; those of
//! `child_exploitation` are locked by the program. A change is allowed when
//! each of its keys is known to leave the rule as strict as it is; a key that
//! this file does not know is refused, so that a new kind of rule cannot open
//! a way round. Called by `overlay`, `exceptions` and the compiler.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::fragments::Fragments;
use super::overlay::{ids, selects};
use super::selector::Selector;
use crate::domain::Category;
use crate::policy::document::{Document, FloorWritten, RuleWritten, Spanned, Written, place};
use crate::policy::problem::{Problem, Problems};
use crate::policy::sources::Sources;

/// What absent keys mean.
const SCORE: f64 = 1.0;
const LEVEL: u8 = 1;
const DIRECTIONS: &[&str] = &["input", "output"];
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool"];

const BUILT_IN: &str = "rules of `child_exploitation` may only become stricter";

/// The locked rules, by id.
#[derive(Debug, Default)]
pub(super) struct Locks {
    by_id: HashMap<String, Lock>,
}

#[derive(Debug)]
pub(super) struct Lock {
    /// The lowest layer that locks the rule; it binds those above.
    pub(super) layer: usize,
    /// Where; `None` for the program's own.
    pub(super) at: Option<Range<usize>>,
    /// The rule runs, and acts, in that layer.
    runs: bool,
    acts: bool,
}

impl Locks {
    /// Takes up what one layer locks; `rules` and `document` are as they are with it.
    pub(super) fn add(
        &mut self,
        layer: usize,
        rules: &[Spanned<RuleWritten>],
        document: &Document,
        floor: Option<&Spanned<FloorWritten>>,
        problems: &mut Problems,
    ) {
        let named = floor.and_then(|floor| floor.value.rules.as_deref()).unwrap_or_default();
        let named: Vec<(Selector, Range<usize>)> = named
            .iter()
            .map(|name| (Selector::require(name, ids(rules), problems), place(&name.referenced)))
            .collect();
        let level = |written: &Option<Spanned<u8>>| written.as_ref().map_or(LEVEL, |l| l.value);
        for rule in rules {
            let Some(id) = &rule.value.id else { continue };
            let own = rule.value.locked.as_ref().filter(|locked| locked.value);
            let own = own.map(|locked| place(&locked.referenced));
            let at = own.or_else(|| {
                let by = named.iter().find(|(selector, _)| selects(selector, rule));
                by.map(|(_, at)| at.clone())
            });
            if at.is_none() && !is_built_in(&rule.value) {
                continue;
            }
            let own_level = level(&rule.value.level);
            self.by_id.entry(id.value.clone()).or_insert(Lock {
                layer,
                at,
                runs: own_level <= level(&document.detect_level),
                acts: own_level <= level(&document.block_level),
            });
        }
    }

    /// The lock on a rule that binds `layer`.
    pub(super) fn on(&self, id: &str, layer: usize) -> Option<&Lock> {
        self.by_id.get(id).filter(|lock| lock.layer > layer)
    }

    /// Reports rules that ran or acted where they were locked and no longer do.
    pub(super) fn check_levels(&self, document: &Document, problems: &mut Problems) {
        let level = |written: &Option<Spanned<u8>>| written.as_ref().map_or(LEVEL, |l| l.value);
        let (detect, block) = (level(&document.detect_level), level(&document.block_level));
        for rule in document.rules.iter().flatten() {
            let Some(id) = &rule.value.id else { continue };
            let Some(lock) = self.by_id.get(&id.value) else { continue };
            let own = level(&rule.value.level);
            let (key, what) = if lock.runs && own > detect {
                (&document.detect_level, "no longer runs")
            } else if lock.acts && own > block {
                (&document.block_level, "no longer acts")
            } else {
                continue;
            };
            let at =
                key.as_ref().map_or_else(|| place(&id.referenced), |key| place(&key.referenced));
            let message = format!("at this level the locked rule `{}` {what}", id.value);
            problems.push(lock.explain(Problem::new("policy::floor", at, message)));
        }
    }

    pub(super) fn check_disable(
        &self,
        rule: &Spanned<RuleWritten>,
        name: &Spanned<String>,
        problems: &mut Problems,
    ) {
        let Some((id, lock)) = self.of(rule) else { return };
        let message = format!("the rule `{id}` is locked and cannot be disabled");
        problems.push(lock.explain(Problem::new(
            "policy::floor",
            place(&name.referenced),
            message,
        )));
    }

    /// Reports each key of a change that would make a locked rule weaker, or may.
    pub(super) fn check_change(
        &self,
        rule: &Spanned<RuleWritten>,
        (name, change): (&Spanned<String>, &RuleWritten),
        sources: &Sources,
        fragments: &mut Fragments,
        problems: &mut Problems,
    ) {
        let Some((id, lock)) = self.of(rule) else { return };
        let mut comparing = Comparing { own: &rule.value, change, sources, fragments };
        for key in change.present() {
            if let Some((at, what)) = comparing.weakens(key) {
                let at = at.unwrap_or_else(|| place(&name.referenced));
                let message = format!("the rule `{id}` is locked: {what}");
                problems.push(lock.explain(Problem::new("policy::floor", at, message)));
            }
        }
    }

    fn of<'r>(&self, rule: &'r Spanned<RuleWritten>) -> Option<(&'r str, &Lock)> {
        let id = rule.value.id.as_ref()?.value.as_str();
        Some((id, self.by_id.get(id)?))
    }
}

impl Lock {
    /// Adds where the lock stands.
    pub(super) fn explain(&self, problem: Problem) -> Problem {
        match &self.at {
            Some(at) => problem.also(at.clone(), "locked here"),
            None => problem.help(BUILT_IN),
        }
    }
}

fn is_built_in(rule: &RuleWritten) -> bool {
    let category = rule.category.as_ref().map(|category| category.value.as_str());
    category == Some(Category::ChildExploitation.slug())
}

/// A locked rule and what an overlay would make of it.
struct Comparing<'a> {
    own: &'a RuleWritten,
    change: &'a RuleWritten,
    sources: &'a Sources,
    fragments: &'a mut Fragments,
}

type Weakening = (Option<Range<usize>>, String);

impl Comparing<'_> {
    /// How a key of the change weakens the rule, if it does.
    fn weakens(&mut self, key: &str) -> Option<Weakening> {
        let (own, change) = (self.own, self.change);
        match key {
            "redact_as" => None,
            "score" => {
                let (new, old) =
                    (change.score.as_ref()?, own.score.as_ref().map_or(SCORE, |s| s.value));
                let said = || format!("its score may not fall below {old}");
                (new.value < old).then(|| (Some(place(&new.referenced)), said()))
            }
            "level" => {
                let (new, old) =
                    (change.level.as_ref()?, own.level.as_ref().map_or(LEVEL, |l| l.value));
                let said = || format!("its level may not rise above {old}");
                (new.value > old).then(|| (Some(place(&new.referenced)), said()))
            }
            "directions" => narrower(
                "directions",
                own.directions.as_ref(),
                change.directions.as_ref()?,
                DIRECTIONS,
            ),
            "roles" => narrower("roles", own.roles.as_ref(), change.roles.as_ref()?, ROLES),
            "whole_words" => {
                let weaker = change.whole_words == Some(true) && own.whole_words == Some(false);
                weaker.then(|| (None, "`whole_words` finds less".to_owned()))
            }
            "locked" => {
                let locked = change.locked.as_ref()?;
                (!locked.value).then(|| (Some(place(&locked.referenced)), "it stays so".to_owned()))
            }
            "phrases" => {
                let new: HashSet<&str> = texts(change.phrases.as_deref()).collect();
                let lost = texts(own.phrases.as_deref()).find(|phrase| !new.contains(phrase))?;
                Some((first(change.phrases.as_deref()), format!("it must still find `{lost}`")))
            }
            "patterns" => {
                let new = self.expanded(change.patterns.as_deref());
                let old = self.expanded(own.patterns.as_deref());
                let lost = old.iter().any(|pattern| !new.contains(pattern));
                lost.then(|| {
                    (first(change.patterns.as_deref()), "it must keep all its patterns".to_owned())
                })
            }
            "unless" => {
                let old = self.expanded(own.unless.as_deref());
                let new = self.expanded(change.unless.as_deref());
                let added = new.iter().position(|pattern| !old.contains(pattern))?;
                let at = change.unless.as_ref()?.get(added).map(|added| place(&added.referenced));
                Some((at, "it may not get new exceptions".to_owned()))
            }
            other => {
                Some((None, format!("a change of `{other}` cannot be shown to leave it as strict")))
            }
        }
    }

    /// Patterns with their fragments written out: the same text may mean
    /// something else in another file.
    fn expanded(&mut self, patterns: Option<&[Spanned<String>]>) -> Vec<String> {
        let mut texts = Vec::new();
        for pattern in patterns.unwrap_or_default() {
            let file = self.sources.number(place(&pattern.referenced).start);
            let expanded = self.fragments.expand(&pattern.value, file);
            texts.push(expanded.map_or_else(|_| pattern.value.clone(), |expanded| expanded.text));
        }
        texts
    }
}

fn narrower(
    what: &str,
    own: Option<&Spanned<Vec<Spanned<String>>>>,
    change: &Spanned<Vec<Spanned<String>>>,
    all: &[&'static str],
) -> Option<Weakening> {
    let old: Vec<&str> = match own {
        Some(own) => own.value.iter().map(|name| name.value.as_str()).collect(),
        None => all.to_vec(),
    };
    let has = |name: &str| change.value.iter().any(|kept| kept.value == name);
    let lost = old.into_iter().find(|name| !has(name))?;
    Some((Some(place(&change.referenced)), format!("its {what} must still have `{lost}`")))
}

fn texts(list: Option<&[Spanned<String>]>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().iter().map(|text| text.value.as_str())
}

fn first(list: Option<&[Spanned<String>]>) -> Option<Range<usize>> {
    list.and_then(<[_]>::first).map(|first| place(&first.referenced))
}
