//! What a compiled policy consists of, for tools that show and compare it.
//!
//! A view of the specification, so that it has every key of every rule without
//! knowing them one by one. Called by [`super::diff`], [`super::coverage`] and
//! `cli`; the engine does not use it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::domain::{Category, Stage};

/// How many rules a policy has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCounts {
    pub total: usize,
    /// Up to the block level: they count towards actions.
    pub acting: usize,
    /// Up to the detect level, but above the block level: they only flag.
    pub recording: usize,
    /// Above the detect level: they do not run.
    pub idle: usize,
    pub levels: BTreeMap<u8, usize>,
}

/// The part that [`RuleCounts::add`] needs to know of a rule.
struct Levels {
    detect: u8,
    block: u8,
}

impl RuleCounts {
    fn add(&mut self, level: u8, levels: &Levels) {
        self.total += 1;
        *self.levels.entry(level).or_default() += 1;
        if level > levels.detect {
            self.idle += 1;
        } else if level > levels.block {
            self.recording += 1;
        } else {
            self.acting += 1;
        }
    }
}

impl Engine {
    /// The rules of the policy, counted: all of them, and per category.
    pub fn rule_counts(&self) -> (RuleCounts, BTreeMap<Category, RuleCounts>) {
        let spec = self.spec();
        let levels = Levels { detect: spec.detect_level, block: spec.block_level };
        let mut all = RuleCounts::default();
        let mut by_category: BTreeMap<Category, RuleCounts> = BTreeMap::new();
        for rule in &spec.rules {
            all.add(rule.level, &levels);
            by_category.entry(rule.category).or_default().add(rule.level, &levels);
        }
        (all, by_category)
    }

    /// Up to which level rules run, and up to which they act.
    pub fn levels(&self) -> (u8, u8) {
        (self.spec().detect_level, self.spec().block_level)
    }

    /// The ids of all rules in their order, those that do not run included.
    pub fn rule_ids(&self) -> Vec<Arc<str>> {
        self.spec().rules.iter().map(|rule| Arc::clone(&rule.id)).collect()
    }

    /// A rule's category and level.
    pub fn rule(&self, id: &str) -> Option<(Category, u8)> {
        let rule = self.spec().rules.iter().find(|rule| *rule.id == *id)?;
        Some((rule.category, rule.level))
    }

    /// The stages in which a category's rules run, at any level up to the detect level.
    pub fn judges(&self, category: Category, stage: Stage) -> bool {
        self.rules(stage).rules.iter().any(|rule| rule.weight.category == category)
    }

    /// Everything that was compiled, as the digest covers it.
    pub(super) fn outline(&self) -> Value {
        // Text, numbers and lists cannot fail to become JSON.
        serde_json::to_value(self.spec()).unwrap_or(Value::Null)
    }
}
