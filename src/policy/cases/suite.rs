//! Runs cases: every file and every rule's own, in parallel, in their order.
//!
//! What a case wants of a verdict is decided here and nowhere else. Called by
//! `cli` and the project's tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::case::{Expected, Said};
use super::{Case, Cases, Group, RuleCase, judge_as};
use crate::domain::{Action, Category, Field, Finding, Place, Role, Stage, Verdict};
use crate::policy::{Engine, Judged};

/// Cases that were collected and can be run.
#[derive(Debug, Default)]
pub struct Suite {
    tests: Vec<Test>,
}

#[derive(Debug)]
struct Test {
    file: Arc<str>,
    line: usize,
    category: Category,
    stage: Stage,
    role: Option<Role>,
    said: Said,
    wants: Wants,
}

#[derive(Debug)]
enum Wants {
    /// The category acts, and what else is expected.
    Match(Expected),
    /// Nothing stops or masks, and these rules do not match.
    Pass(Vec<String>),
    /// The rule matches, or does not.
    Rule { id: Arc<str>, matches: bool },
}

/// What came out of running them.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    pub matched: usize,
    pub passed: usize,
    /// Examples of rules that do not run at this detect level.
    pub skipped: usize,
    pub failures: Vec<Failure>,
    pub categories: BTreeMap<Category, Count>,
    /// Every case in order, for reports.
    #[serde(skip)]
    pub tested: Vec<Tested>,
}

/// Cases of one category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub must_match: usize,
    pub must_pass: usize,
    pub skipped: usize,
    pub failed: usize,
}

/// One case that was run.
#[derive(Debug)]
pub struct Tested {
    pub file: Arc<str>,
    pub line: usize,
    pub category: Category,
    pub stage: Stage,
    pub text: String,
    pub must_match: bool,
    pub result: Result<(), Failure>,
    /// Not run, and why.
    pub skipped: Option<&'static str>,
}

/// A text that was judged otherwise than its author wanted.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    pub file: Arc<str>,
    pub line: usize,
    pub category: Category,
    pub stage: Stage,
    pub text: String,
    pub expected: String,
    pub action: Action,
    /// The rules that matched, with their categories.
    pub rules: Vec<String>,
}

impl Suite {
    pub fn add(&mut self, cases: &Cases) {
        let file: Arc<str> = cases.file.as_str().into();
        for group in &cases.cases {
            for case in &group.must_match {
                let wants = Wants::Match(group.expected(case));
                self.tests.push(group.test(&file, case, wants));
            }
            for case in &group.must_pass {
                let wants = Wants::Pass(case.expected.rules.clone());
                self.tests.push(group.test(&file, case, wants));
            }
        }
    }

    /// The examples in the rules of the policy `file`.
    pub fn add_rules(&mut self, file: &str, cases: &[RuleCase]) {
        let file: Arc<str> = file.into();
        self.tests.extend(cases.iter().map(|case| Test {
            file: Arc::clone(&file),
            line: case.line,
            category: case.category,
            stage: case.stage,
            role: (case.stage == Stage::Input).then_some(case.role),
            said: Said::Text(case.text.clone()),
            wants: Wants::Rule { id: Arc::clone(&case.rule), matches: case.must_match },
        }));
    }

    /// Keeps the cases that have `part` in their text, category, file and line, or expected rules.
    pub fn keep(&mut self, part: &str) {
        let part = part.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&part);
        self.tests.retain(|test| {
            let rules: &[String] = match &test.wants {
                Wants::Match(expected) => &expected.rules,
                Wants::Pass(rules) => rules,
                Wants::Rule { id, .. } if has(id) => return true,
                Wants::Rule { .. } => &[],
            };
            has(test.category.slug())
                || has(&format!("{}:{}", test.file, test.line))
                || has(&test.said.text())
                || rules.iter().any(|rule| has(rule))
        });
    }

    pub fn len(&self) -> usize {
        self.tests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Judges every text on all processors; `done` hears of each, from any thread.
    pub fn run(&self, engine: &Engine, done: impl Fn(&Tested) + Sync) -> Outcome {
        let tested: Vec<Tested> = self
            .tests
            .par_iter()
            .map(|test| {
                let tested = test.run(engine);
                done(&tested);
                tested
            })
            .collect();
        let mut outcome = Outcome::default();
        for test in &tested {
            let count = outcome.categories.entry(test.category).or_default();
            if test.skipped.is_some() {
                count.skipped += 1;
                outcome.skipped += 1;
            } else if test.must_match {
                count.must_match += 1;
                outcome.matched += 1;
            } else {
                count.must_pass += 1;
                outcome.passed += 1;
            }
            if let Err(failure) = &test.result {
                count.failed += 1;
                outcome.failures.push(failure.clone());
            }
        }
        outcome.tested = tested;
        outcome
    }
}

impl Group {
    fn test(&self, file: &Arc<str>, case: &Case, wants: Wants) -> Test {
        Test {
            file: Arc::clone(file),
            line: case.line,
            category: self.category,
            stage: self.stage,
            role: case.expected.role.or(self.role),
            said: case.said.clone(),
            wants,
        }
    }

    /// What the case says, filled in with what its group says.
    fn expected(&self, case: &Case) -> Expected {
        let mut expected = case.expected.clone();
        expected.action = expected.action.or(self.action);
        expected.rules.extend(self.rules.iter().cloned());
        if expected.views.is_empty() {
            expected.views.clone_from(&self.views);
        }
        expected
    }
}

impl Test {
    fn run(&self, engine: &Engine) -> Tested {
        let (must_match, skipped) = match &self.wants {
            Wants::Match(_) => (true, None),
            Wants::Pass(_) => (false, None),
            Wants::Rule { id, matches } => {
                let idle = engine.rules(self.stage).rules.iter().all(|rule| rule.id.0 != *id);
                (*matches, idle.then_some("the rule's level is above `detect_level`"))
            }
        };
        let result = match skipped {
            Some(_) => Ok(()),
            None => self.check(engine),
        };
        Tested {
            file: Arc::clone(&self.file),
            line: self.line,
            category: self.category,
            stage: self.stage,
            text: self.said.text(),
            must_match,
            result,
            skipped,
        }
    }

    fn judge(&self, engine: &Engine) -> Verdict {
        match &self.said {
            Said::Text(text) => judge_as(engine, self.stage, self.role, text),
            Said::Conversation(messages) => {
                let judged: Vec<Judged<'_>> = (0u32..)
                    .zip(messages)
                    .map(|(index, message)| Judged {
                        place: Place::Message { index, field: Field::Content },
                        role: message.role,
                        text: &message.text,
                    })
                    .collect();
                engine.judge(self.stage, &judged)
            }
        }
    }

    fn check(&self, engine: &Engine) -> Result<(), Failure> {
        let verdict = self.judge(engine);
        let missed = match &self.wants {
            Wants::Match(expected) => self.misses(engine, &verdict, expected),
            Wants::Pass(rules) => {
                let acted = !matches!(verdict.action, Action::Allow | Action::Flag);
                let mut missed: Vec<String> =
                    acted.then(|| "passes".to_owned()).into_iter().collect();
                let matching = rules.iter().filter(|rule| found(&verdict, rule));
                missed.extend(matching.map(|rule| format!("`{rule}` does not match")));
                missed
            }
            Wants::Rule { id, matches } if found(&verdict, id) == *matches => Vec::new(),
            Wants::Rule { id, matches: true } => vec![format!("`{id}` matches")],
            Wants::Rule { id, matches: false } => vec![format!("`{id}` does not match")],
        };
        if missed.is_empty() { Ok(()) } else { Err(self.failure(missed.join("; "), &verdict)) }
    }

    /// What was expected and is not so.
    fn misses(&self, engine: &Engine, verdict: &Verdict, expected: &Expected) -> Vec<String> {
        let mut missed = Vec::new();
        if !engine.reaches_threshold(verdict, self.category) {
            missed.push(format!("`{}` acts", self.category));
        } else if let Some(wanted) = expected.action {
            let scores = &verdict.categories;
            let action = scores
                .iter()
                .find(|score| score.category == self.category)
                .map_or(Action::Allow, |score| score.action);
            if action != wanted {
                missed.push(format!("`{}` leads to `{wanted}`, not `{action}`", self.category));
            }
        }
        for rule in expected.rules.iter().filter(|rule| !found(verdict, rule)) {
            missed.push(format!("`{rule}` matches"));
        }
        let of_interest = |finding: &&Finding| match expected.rules.as_slice() {
            [] => finding.category == self.category,
            rules => rules.iter().any(|rule| *rule == *finding.rule.0),
        };
        if let Some(span) = &expected.span {
            let mut findings = verdict.findings.iter().filter(of_interest);
            if !findings.any(|finding| span.is(self.text_at(finding.place), &finding.span)) {
                missed.push(format!("{span} is what is matched"));
            }
        }
        if !expected.views.is_empty() {
            let mut findings = verdict.findings.iter().filter(of_interest);
            if !findings.any(|finding| expected.views.contains(&finding.view)) {
                let names: Vec<&str> = expected.views.iter().map(|view| view.name()).collect();
                missed.push(format!("it is found in the view {}", names.join(" or ")));
            }
        }
        missed
    }

    fn text_at(&self, place: Place) -> &str {
        match (&self.said, place) {
            (Said::Text(text), _) => text,
            (Said::Conversation(messages), Place::Message { index, .. }) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                messages.get(index).map_or("", |message| &message.text)
            }
            (Said::Conversation(_), _) => "",
        }
    }

    fn failure(&self, expected: String, verdict: &Verdict) -> Failure {
        let mut rules: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| {
                let matched = self.text_at(finding.place).get(finding.span.clone());
                let matched = matched.unwrap_or_default();
                format!("{} ({}, {}): {matched}", finding.rule, finding.category, finding.score)
            })
            .collect();
        rules.sort_unstable();
        rules.dedup();
        Failure {
            file: Arc::clone(&self.file),
            line: self.line,
            category: self.category,
            stage: self.stage,
            text: self.said.text(),
            expected,
            action: verdict.action,
            rules,
        }
    }
}

fn found(verdict: &Verdict, rule: &str) -> bool {
    verdict.findings.iter().any(|finding| *finding.rule.0 == *rule)
}
