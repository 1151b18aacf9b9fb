//! Clause by clause: what enforces it here, or that nothing does.
//!
//! Rules and cases are counted from the policy; what a clause needs beside the
//! text (limits, notices, the operator) is a fact of the product and stands in
//! a table below. Called by `cli`; the README's table is its output.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Engine;
use super::cases::{Cases, RuleCase};
use crate::domain::{Action, Category, Severity, Stage};

/// One clause, and what there is for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Of the acceptable-use policy; `null` for what guards the guardrail.
    pub clause: Option<&'static str>,
    pub category: Category,
    pub title: &'static str,
    pub severity: Severity,
    pub input: Action,
    pub output: Action,
    /// Rules that count towards actions.
    pub acting: usize,
    /// Rules that only flag.
    pub recording: usize,
    /// Rules above the detect level.
    pub idle: usize,
    pub must_match: usize,
    pub must_pass: usize,
    /// A trained classifier that judges this clause.
    pub classifier: Option<&'static str>,
    /// A guard model that judges this clause.
    pub guard: Option<&'static str>,
    /// What the product does, or leaves to its operator, beside the text.
    pub product: Option<&'static str>,
    pub enforced_by: EnforcedBy,
}

/// What makes a clause real, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnforcedBy {
    /// Rules stop or mask what they see.
    Rules,
    /// Rules see it, and the policy only records it.
    RecordedOnly,
    /// Nothing looks at the text; the product has a control.
    ProductControl,
    None,
}

impl EnforcedBy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::RecordedOnly => "recorded",
            Self::ProductControl => "product",
            Self::None => "none",
        }
    }
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    pub policy: String,
    pub version: String,
    pub rows: Vec<Row>,
}

impl Coverage {
    pub fn of(engine: &Engine, cases: &[Cases], rule_cases: &[RuleCase]) -> Self {
        let (_, rules) = engine.rule_counts();
        let counted = count(cases, rule_cases);
        let rows = Category::ALL
            .iter()
            .map(|category| {
                let (input, _) = engine.decision_for(*category, Stage::Input);
                let (output, _) = engine.decision_for(*category, Stage::Output);
                let rules = rules.get(category).cloned().unwrap_or_default();
                let (must_match, must_pass) = counted.get(category).copied().unwrap_or_default();
                let mut row = Row {
                    clause: category.clause(),
                    category: *category,
                    title: category.title(),
                    severity: category.severity(),
                    input,
                    output,
                    acting: rules.acting,
                    recording: rules.recording,
                    idle: rules.idle,
                    must_match,
                    must_pass,
                    classifier: None,
                    guard: None,
                    product: product(*category).map(|(note, _)| note),
                    enforced_by: EnforcedBy::None,
                };
                row.enforced_by = row.enforced(engine);
                row
            })
            .collect();
        Self { policy: engine.name().to_owned(), version: engine.version().to_owned(), rows }
    }

    /// Rows with fewer than `cases_min` cases on either side; clauses that text cannot show are left out.
    pub fn lacking_cases(&self, cases_min: usize) -> Vec<&Row> {
        let few = |row: &&Row| row.must_match < cases_min || row.must_pass < cases_min;
        self.rows.iter().filter(|row| shows_in_text(row.category)).filter(few).collect()
    }

    /// Share of the clauses that rules or a product control enforce, 0 to 1.
    pub fn enforced_share(&self) -> f64 {
        let clauses = self.rows.iter().filter(|row| row.clause.is_some());
        let enforced =
            |row: &&Row| matches!(row.enforced_by, EnforcedBy::Rules | EnforcedBy::ProductControl);
        let (all, real) = (clauses.clone().count(), clauses.filter(enforced).count());
        if all == 0 { 0.0 } else { real as f64 / all as f64 }
    }
}

impl Row {
    /// Rules that run or would run.
    pub const fn rules(&self) -> usize {
        self.acting + self.recording + self.idle
    }

    fn enforced(&self, engine: &Engine) -> EnforcedBy {
        // An action counts where a rule looks: an answer that nobody looks at is not blocked.
        let sides = [(Stage::Input, self.input), (Stage::Output, self.output)];
        let acts = sides
            .iter()
            .any(|(stage, action)| *action > Action::Flag && engine.judges(self.category, *stage));
        if self.acting > 0 && acts {
            EnforcedBy::Rules
        } else if self.acting + self.recording > 0 {
            EnforcedBy::RecordedOnly
        } else if product(self.category).is_some_and(|(_, control)| control) {
            EnforcedBy::ProductControl
        } else {
            EnforcedBy::None
        }
    }

    /// What stands beside rules and cases, for the last column of the table.
    pub fn besides(&self) -> String {
        let mut notes: Vec<&str> = Vec::new();
        if self.acting > 0 && self.enforced_by == EnforcedBy::RecordedOnly {
            notes.push("recorded, not stopped");
        }
        if self.input == Action::Replace {
            notes.push("answered with a text of its own");
        }
        if self.output == Action::Redact {
            notes.push("masked in answers");
        }
        notes.extend(self.product);
        if self.enforced_by == EnforcedBy::None {
            notes.push("none");
        }
        notes.join("; ")
    }
}

/// Cases on both sides, per category.
fn count(cases: &[Cases], rule_cases: &[RuleCase]) -> BTreeMap<Category, (usize, usize)> {
    let mut counted: BTreeMap<Category, (usize, usize)> = BTreeMap::new();
    for group in cases.iter().flat_map(|file| &file.cases) {
        let (must_match, must_pass) = counted.entry(group.category).or_default();
        *must_match += group.must_match.len();
        *must_pass += group.must_pass.len();
    }
    for case in rule_cases {
        let (must_match, must_pass) = counted.entry(case.category).or_default();
        *(if case.must_match { must_match } else { must_pass }) += 1;
    }
    counted
}

/// Whether a clause can be broken, or kept, by words.
pub fn shows_in_text(category: Category) -> bool {
    category != Category::Disclosure
}

/// What the product does for a clause beside judging text, or leaves to its
/// operator; true when that alone serves the clause.
const fn product(category: Category) -> Option<(&'static str, bool)> {
    match category {
        Category::ChildExploitation => {
            Some(("text is never stored; reporting duties are the operator's", false))
        }
        Category::MinorsIllegalMaterial => Some(("age gating is the operator's", false)),
        Category::CriticalInfrastructure => {
            Some(("which systems the model may touch is the operator's", false))
        }
        Category::Spam => Some(("limits per API key", false)),
        Category::ClaimsHuman => Some(("notice in every response header", true)),
        Category::Disclosure => {
            Some(("no rule on words: system card, notice header, reporting channels", true))
        }
        _ => None,
    }
}
