//! Policies from the outside: the shipped ones and their cases, what the
//! compiler refuses, and that an answer is screened the same however it is cut.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

#[path = "policies/compile.rs"]
mod compile;
#[path = "policies/disguise.rs"]
mod disguise;
#[path = "policies/engine.rs"]
mod engine;
#[path = "policies/judging.rs"]
mod judging;
#[path = "policies/readings.rs"]
mod readings;
#[path = "policies/sample.rs"]
mod sample;
#[path = "policies/screen.rs"]
mod screen;
#[path = "policies/store.rs"]
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::domain::{Category, Stage};
use portcullis::policy::cases::{self, Cases};
use portcullis::policy::{self, Source};

fn policies() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("policy.yaml").is_file())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_policy_compiles_without_a_warning() {
    for path in policies() {
        let compiled =
            policy::check(&Source::File(path.clone())).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.warnings, "", "{}", path.display());
    }
}

#[test]
fn every_case_holds() {
    for path in policies() {
        let engine = policy::load(&Source::File(path.clone())).unwrap();
        let outcome = Cases::load(&path.join(cases::FILE_NAME)).unwrap().run(&engine);
        assert!(outcome.matched > 0 && outcome.passed > 0);
        assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
    }
}

/// Clauses that only the product around the model can meet.
const WITHOUT_TEXT: &[Category] = &[Category::Disclosure];

#[test]
fn every_clause_that_text_can_show_has_cases_both_ways() {
    let cases = Cases::shipped().unwrap();
    for category in Category::ALL.iter().filter(|category| !WITHOUT_TEXT.contains(category)) {
        let of = |count: fn(&cases::Group) -> usize| -> usize {
            cases.cases.iter().filter(|group| group.category == *category).map(count).sum()
        };
        assert!(of(|group| group.must_match.len()) >= 8, "{category}");
        assert!(of(|group| group.must_pass.len()) >= 8, "{category}");
    }
}

/// The README's table of clauses says what the shipped policy does.
#[test]
fn the_readme_tells_the_status_of_every_clause() {
    let engine = policy::load(&Source::Shipped).unwrap();
    let cases = Cases::shipped().unwrap();
    let readme = include_str!("../README.md");
    for category in Category::ALL {
        let count = |of: fn(&cases::Group) -> usize| -> usize {
            cases.cases.iter().filter(|group| group.category == *category).map(of).sum()
        };
        let (prompt, _) = engine.decision_for(*category, Stage::Input);
        let (answer, _) = engine.decision_for(*category, Stage::Output);
        let begins = format!(
            "| {} | `{category}` | {prompt} | {answer} |",
            category.clause().unwrap_or("–")
        );
        let holds =
            format!("| {} / {} |", count(|g| g.must_match.len()), count(|g| g.must_pass.len()));
        let row = readme.lines().find(|line| line.starts_with(&begins));
        let row = row.unwrap_or_else(|| panic!("the README has no row `{begins}`"));
        assert!(row.contains(&holds), "the row of `{category}` should have `{holds}`");
    }
}

/// The texts of the cases, cut into single characters, end like the whole.
#[test]
fn every_output_case_streams_like_it_is_judged() {
    let engine = Arc::new(policy::load(&Source::Shipped).unwrap());
    let cases = Cases::shipped().unwrap();
    let texts =
        cases.cases.iter().flat_map(|group| group.must_match.iter().chain(&group.must_pass));
    for text in texts {
        let whole = sample::stream(&engine, [text.as_str()]);
        let chars: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(sample::stream(&engine, chars.iter().map(String::as_str)), whole, "{text}");
    }
}
