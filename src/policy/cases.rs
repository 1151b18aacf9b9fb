//! The examples that a policy carries: texts that must be found, texts that
//! must pass.
//!
//! One runner serves `portcullis policy test` and the project's own tests, so
//! a policy author sees what the build sees. It uses the engine exactly as the
//! pipeline does.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::problem::handler;
use super::store::read;
use super::{Engine, Judged, PolicyError};
use crate::domain::{Action, Category, Place, Role, Stage, Verdict};

/// The cases of the policy that is part of the program.
const SHIPPED: &str = include_str!("../../policies/llama2-aup/cases.yaml");
/// What a policy directory calls its cases.
pub const FILE_NAME: &str = "cases.yaml";

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub cases: Vec<Group>,
}

/// Texts about one category at one stage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub category: Category,
    pub stage: Stage,
    /// The action that each of `must_match` leads to, when it matters.
    #[serde(default)]
    pub action: Option<Action>,
    /// On each, the category's score reaches its threshold.
    #[serde(default)]
    pub must_match: Vec<String>,
    /// On each, no category stops or masks anything.
    #[serde(default)]
    pub must_pass: Vec<String>,
}

/// What came out of running them.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    pub matched: usize,
    pub passed: usize,
    pub failures: Vec<Failure>,
}

/// A text that was judged otherwise than its author wanted.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub category: Category,
    pub stage: Stage,
    pub text: String,
    pub expected: String,
    pub action: Action,
    /// The rules that matched, with their categories.
    pub rules: Vec<String>,
}

impl Cases {
    /// # Errors
    /// The first mistake of the file, rendered.
    pub fn parse(file: &str, source: &str) -> Result<Self, PolicyError> {
        serde_saphyr::from_str(source).map_err(|error| {
            let report = serde_saphyr::miette::to_miette_report(&error, source, file);
            let mut text = String::new();
            let _ = handler().render_report(&mut text, report.as_ref());
            PolicyError { count: 1, report: text }
        })
    }

    /// # Errors
    /// When the file cannot be read, or as for [`Cases::parse`].
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let source = read(path).map_err(|reason| PolicyError {
            count: 1,
            report: format!("cannot read cases `{}`: {reason}\n", path.display()),
        })?;
        Self::parse(&path.display().to_string(), &source)
    }

    /// The cases of the shipped policy.
    ///
    /// # Errors
    /// As for [`Cases::parse`].
    pub fn shipped() -> Result<Self, PolicyError> {
        Self::parse("policies/llama2-aup/cases.yaml (shipped)", SHIPPED)
    }

    /// Judges every text.
    pub fn run(&self, engine: &Engine) -> Outcome {
        let mut outcome = Outcome::default();
        for group in &self.cases {
            for text in &group.must_match {
                outcome.matched += 1;
                outcome.failures.extend(group.check_match(engine, text));
            }
            for text in &group.must_pass {
                outcome.passed += 1;
                outcome.failures.extend(group.check_pass(engine, text));
            }
        }
        outcome
    }
}

impl Group {
    fn check_match(&self, engine: &Engine, text: &str) -> Option<Failure> {
        let verdict = judge(engine, self.stage, text);
        if !engine.reaches_threshold(&verdict, self.category) {
            return Some(self.failure(text, format!("`{}` acts", self.category), &verdict));
        }
        let action = verdict
            .categories
            .iter()
            .find(|score| score.category == self.category)
            .map_or(Action::Allow, |score| score.action);
        let expected = self.action.filter(|expected| *expected != action)?;
        Some(self.failure(
            text,
            format!("`{}` leads to `{expected}`, not `{action}`", self.category),
            &verdict,
        ))
    }

    fn check_pass(&self, engine: &Engine, text: &str) -> Option<Failure> {
        let verdict = judge(engine, self.stage, text);
        let passes = matches!(verdict.action, Action::Allow | Action::Flag);
        (!passes).then(|| self.failure(text, "passes".to_owned(), &verdict))
    }

    fn failure(&self, text: &str, expected: String, verdict: &Verdict) -> Failure {
        let mut rules: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| format!("{} ({}, {})", finding.rule, finding.category, finding.score))
            .collect();
        rules.sort_unstable();
        rules.dedup();
        Failure {
            category: self.category,
            stage: self.stage,
            text: text.to_owned(),
            expected,
            action: verdict.action,
            rules,
        }
    }
}

/// One text alone, as a user's message or as an answer.
pub fn judge(engine: &Engine, stage: Stage, text: &str) -> Verdict {
    let (place, role) = match stage {
        Stage::Input => (Place::Input { index: 0 }, Role::User),
        Stage::Output => (Place::Choice { index: 0 }, Role::Assistant),
    };
    engine.judge(stage, &[Judged { place, role, text }])
}
