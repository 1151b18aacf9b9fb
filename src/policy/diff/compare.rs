//! What a change of policy does to texts: which are stopped now, which pass.
//!
//! Counts per data set, per label and per category, and keeps a bounded number
//! of examples. "Stopped" means blocked, replaced or masked: something happens
//! that a person notices. Fed record by record by `cli`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Action, Category, Verdict};
use crate::policy::Engine;
use crate::policy::cases::judge;
use crate::policy::corpus::Record;

/// What one policy does with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub action: Action,
    /// Categories that stop or mask, in the order of the clauses.
    pub stopping: Vec<Category>,
}

impl Judgement {
    pub fn of(engine: &Engine, record: &Record) -> Self {
        Self::from(&judge(engine, record.role.stage(), &record.text))
    }

    pub fn stopped(&self) -> bool {
        stops(self.action)
    }
}

impl From<&Verdict> for Judgement {
    fn from(verdict: &Verdict) -> Self {
        let mut stopping: Vec<Category> = verdict
            .categories
            .iter()
            .filter(|score| stops(score.action))
            .map(|score| score.category)
            .collect();
        stopping.sort_unstable();
        Self { action: verdict.action, stopping }
    }
}

/// Whether an action is one that a person notices.
pub fn stops(action: Action) -> bool {
    action > Action::Flag
}

/// The texts of a corpus under two policies.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    pub texts: u64,
    /// Texts for which the action is another one.
    pub changed: u64,
    pub data_sets: BTreeMap<String, Sides>,
    pub categories: BTreeMap<Category, Sides>,
    /// Another action and how often, e.g. `flag -> block`.
    pub actions: BTreeMap<String, u64>,
    pub examples: Vec<Example>,
    #[serde(skip)]
    examples_max: usize,
    #[serde(skip)]
    with_text: bool,
}

/// By label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// Label 1.
    pub harmful: Tally,
    /// Label 0.
    pub harmless: Tally,
    pub unlabelled: Tally,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub texts: u64,
    pub stopped_before: u64,
    pub stopped_after: u64,
    pub newly_stopped: u64,
    pub released: u64,
}

/// A text whose action is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub data_set: String,
    pub id: String,
    pub label: Option<u8>,
    pub before: Action,
    pub after: Action,
    pub stopping_before: Vec<Category>,
    pub stopping_after: Vec<Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Sides {
    fn of(&mut self, label: Option<u8>) -> &mut Tally {
        match label {
            Some(0) => &mut self.harmless,
            Some(_) => &mut self.harmful,
            None => &mut self.unlabelled,
        }
    }

    /// True when no text went from one side to the other.
    pub fn is_quiet(&self) -> bool {
        [self.harmful, self.harmless, self.unlabelled]
            .iter()
            .all(|tally| tally.newly_stopped == 0 && tally.released == 0)
    }
}

impl Tally {
    fn add(&mut self, before: bool, after: bool) {
        self.texts += 1;
        self.stopped_before += u64::from(before);
        self.stopped_after += u64::from(after);
        self.newly_stopped += u64::from(after && !before);
        self.released += u64::from(before && !after);
    }
}

impl Comparison {
    /// Keeps up to `examples_max` changed texts by their id, with their words only if asked.
    pub fn new(examples_max: usize, with_text: bool) -> Self {
        Self { examples_max, with_text, ..Self::default() }
    }

    pub fn take(&mut self, data_set: &str, record: &Record, before: &Judgement, after: &Judgement) {
        self.texts += 1;
        let (was, is) = (before.stopped(), after.stopped());
        self.data_sets.entry(data_set.to_owned()).or_default().of(record.label).add(was, is);
        for category in Category::ALL {
            let (was, is) = (before.stopping.contains(category), after.stopping.contains(category));
            if was || is {
                self.categories.entry(*category).or_default().of(record.label).add(was, is);
            }
        }
        if before.action == after.action {
            return;
        }
        self.changed += 1;
        *self.actions.entry(format!("{} -> {}", before.action, after.action)).or_default() += 1;
        if self.examples.len() < self.examples_max {
            self.examples.push(Example {
                data_set: data_set.to_owned(),
                id: record.id.clone(),
                label: record.label,
                before: before.action,
                after: after.action,
                stopping_before: before.stopping.clone(),
                stopping_after: after.stopping.clone(),
                text: self.with_text.then(|| record.text.clone()),
            });
        }
    }
}
