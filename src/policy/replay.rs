//! A policy over many texts at once: what it would do, and how often it is right.
//!
//! Fed record by record (see [`super::corpus`]); memory grows with the number of
//! data sets, categories and rules, never with the number of texts. Knows no
//! clock: throughput is the caller's. What a policy would have decided on
//! recorded findings is [`recorded`]'s. Called by `cli`.

pub mod recorded;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Engine;
use super::cases::judge;
use super::corpus::Record;
use super::diff::compare::{Judgement, stops};
use crate::domain::{Action, Category, RuleId};

/// Rules have levels 1 to this.
const LEVELS: [u8; 3] = [1, 2, 3];

/// What a policy does with one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub judgement: Judgement,
    /// Whether it would stop with `block_level` 1, 2 and 3.
    pub stops_at: [bool; LEVELS.len()],
    /// The rules that matched, each once, and whether they count towards actions.
    pub rules: Vec<(RuleId, bool)>,
    pub unjudged: bool,
}

impl Observed {
    pub fn of(engine: &Engine, record: &Record) -> Self {
        let verdict = judge(engine, record.role.stage(), &record.text);
        let (_, block_level) = engine.levels();
        let mut rules: Vec<(RuleId, bool)> = verdict
            .findings
            .iter()
            .map(|finding| (finding.rule.clone(), finding.level <= block_level))
            .collect();
        rules.sort_unstable();
        rules.dedup();
        let at = |level| stops(engine.reweigh(&verdict, Some(level)).action);
        Self {
            judgement: Judgement::from(&verdict),
            stops_at: LEVELS.map(at),
            rules,
            unjudged: !verdict.unjudged.is_empty(),
        }
    }
}

/// All texts so far.
#[derive(Debug, Default, Serialize)]
pub struct Replay {
    pub texts: u64,
    /// Bytes of the texts.
    pub bytes: u64,
    pub data_sets: BTreeMap<String, DataSet>,
    pub all: DataSet,
    pub categories: BTreeMap<Category, CategoryTally>,
    pub levels: BTreeMap<u8, Rates>,
    pub rules: BTreeMap<RuleId, RuleTally>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataSet {
    pub texts: u64,
    pub actions: BTreeMap<Action, u64>,
    /// Texts of which a part was not judged.
    pub unjudged: u64,
    #[serde(flatten)]
    pub rates: Rates,
}

/// How many of which label were stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Texts with label 1.
    pub harmful: u64,
    pub harmful_stopped: u64,
    /// Texts with label 0.
    pub harmless: u64,
    pub harmless_stopped: u64,
}

/// One category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CategoryTally {
    /// Texts with label 1 that name this category.
    pub labelled: u64,
    /// Of these, stopped by whatever category.
    pub stopped: u64,
    /// Of these, stopped by this category.
    pub stopped_by_it: u64,
    /// Texts with label 0 that this category stopped.
    pub false_positives: u64,
}

/// One rule; texts, not matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RuleTally {
    /// False: the rule is above the block level and only flags.
    pub acts: bool,
    pub harmful: u64,
    pub harmless: u64,
    pub unlabelled: u64,
}

impl Rates {
    fn add(&mut self, label: Option<u8>, stopped: bool) {
        let (count, stopped_count) = match label {
            Some(0) => (&mut self.harmless, &mut self.harmless_stopped),
            Some(_) => (&mut self.harmful, &mut self.harmful_stopped),
            None => return,
        };
        *count += 1;
        *stopped_count += u64::from(stopped);
    }

    /// Share of the harmful texts that were stopped.
    pub fn recall(&self) -> Option<f64> {
        share(self.harmful_stopped, self.harmful)
    }

    /// Share of the harmless texts that were stopped.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.harmless_stopped, self.harmless)
    }
}

/// `None` of nothing.
pub fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl DataSet {
    fn add(&mut self, record: &Record, observed: &Observed) {
        self.texts += 1;
        *self.actions.entry(observed.judgement.action).or_default() += 1;
        self.unjudged += u64::from(observed.unjudged);
        self.rates.add(record.label, observed.judgement.stopped());
    }
}

impl Replay {
    pub fn take(&mut self, data_set: &str, record: &Record, observed: &Observed) {
        self.texts += 1;
        self.bytes += record.text.len() as u64;
        self.all.add(record, observed);
        self.data_sets.entry(data_set.to_owned()).or_default().add(record, observed);
        for (level, stopped) in LEVELS.iter().zip(observed.stops_at) {
            self.levels.entry(*level).or_default().add(record.label, stopped);
        }
        let stopping = &observed.judgement.stopping;
        match record.label {
            Some(0) => {
                for category in stopping {
                    self.categories.entry(*category).or_default().false_positives += 1;
                }
            }
            Some(_) => {
                for category in &record.categories {
                    let tally = self.categories.entry(*category).or_default();
                    tally.labelled += 1;
                    tally.stopped += u64::from(observed.judgement.stopped());
                    tally.stopped_by_it += u64::from(stopping.contains(category));
                }
            }
            None => {}
        }
        for (rule, acts) in &observed.rules {
            let tally = self.rules.entry(rule.clone()).or_default();
            tally.acts = *acts;
            let count = match record.label {
                Some(0) => &mut tally.harmless,
                Some(_) => &mut tally.harmful,
                None => &mut tally.unlabelled,
            };
            *count += 1;
        }
    }

    /// The rules that match most texts with label 0, those that act first among equals.
    pub fn top_rules(&self, count: usize) -> Vec<(&RuleId, &RuleTally)> {
        let mut rules: Vec<_> = self.rules.iter().filter(|(_, tally)| tally.harmless > 0).collect();
        rules.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.harmless, tally.acts)));
        rules.truncate(count);
        rules
    }
}
