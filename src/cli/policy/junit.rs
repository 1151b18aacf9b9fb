//! The results of cases as JUnit XML, one suite per file and category.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::print::shorten;
use crate::domain::Category;
use crate::policy::Engine;
use crate::policy::cases::{Outcome, Tested};

/// Columns of a case's text in its name.
const NAME_COLUMNS: usize = 60;

/// # Errors
/// When the XML cannot be made.
pub(super) fn report(engine: &Engine, outcome: &Outcome) -> anyhow::Result<String> {
    let mut suites: BTreeMap<(&str, Category), Vec<&Tested>> = BTreeMap::new();
    for tested in &outcome.tested {
        suites.entry((&*tested.file, tested.category)).or_default().push(tested);
    }
    let mut report = Report::new(format!("{} {}", engine.name(), engine.version()));
    for ((file, category), list) in suites {
        let mut suite = TestSuite::new(format!("{file} {category}"));
        suite.add_test_cases(list.into_iter().map(test_case));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn test_case(tested: &Tested) -> TestCase {
    let status = match (&tested.result, tested.skipped) {
        (_, Some(why)) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(why);
            skipped
        }
        (Ok(()), None) => TestCaseStatus::success(),
        (Err(failure), None) => {
            let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
            failed.set_message(format!("expected: {}", failure.expected));
            failed.set_type("case");
            failed.set_description(format!(
                "text: {}\nexpected: {}\nverdict: {}\nrules: {}",
                failure.text,
                failure.expected,
                failure.action,
                failure.rules.join("; ")
            ));
            failed
        }
    };
    let wants = if tested.must_match { "must match" } else { "must pass" };
    let text = shorten(&tested.text, NAME_COLUMNS);
    let name = format!("line {}, {} {wants}: {text}", tested.line, tested.stage.name());
    let mut case = TestCase::new(name, status);
    case.set_classname(tested.category.slug());
    case
}
