//! Phrases that live in files of their own.

use std::fmt::Write;
use std::time::Instant;

use portcullis::domain::{Action, Stage};
use portcullis::policy::cases::judge;
use portcullis::policy::{Source, check as check_source};

use super::sample::{check, folder, policy, refused};

fn with_list(path: &str) -> String {
    policy(
        &[],
        &format!("rules: [{{ id: a, category: spam, phrases: [alpha], phrases_from: {path} }}]\n"),
    )
}

#[test]
fn phrases_come_from_a_list_and_count_in_the_digest() {
    let engine = |list: &str| {
        check(&[("top.yaml", &with_list("lists/a.txt")), ("lists/a.txt", list)]).unwrap().engine
    };
    let one = engine("# greek\n\nBeta Gamma\n  delta  \r\n");
    for (text, action) in [
        ("alpha", Action::Block),
        ("the beta  gamma", Action::Block),
        ("delta", Action::Block),
        ("greek", Action::Allow),
    ] {
        assert_eq!(judge(&one, Stage::Input, text).action, action, "{text}");
    }
    assert_eq!(one.digest(), engine("beta gamma\n# another remark\ndelta").digest());
    assert_ne!(one.digest(), engine("beta gamma\ndelta\nepsilon").digest());
}

#[test]
fn a_list_of_a_base_lies_beside_the_base() {
    let files = [
        ("top.yaml", "policy: top\nextends: sub/base.yaml\n"),
        ("sub/base.yaml", &with_list("a.txt")),
        ("sub/a.txt", "beta\n"),
        ("a.txt", "not this\n"),
    ];
    let engine = check(&files).unwrap().engine;
    assert_eq!(judge(&engine, Stage::Input, "beta").action, Action::Block);
    assert_eq!(judge(&engine, Stage::Input, "not this").action, Action::Allow);
}

#[test]
fn mistakes_are_shown_in_the_list() {
    let long = "x".repeat(300);
    let list = format!("fine\n\n{long}\nFINE\n");
    let error = refused(&[("top.yaml", &with_list("a.txt")), ("a.txt", &list)]);
    assert!(error.count == 1 && error.report.contains("[a.txt:3:1]"), "{}", error.report);
    assert!(error.report.contains("[a.txt:4:1]"), "{}", error.report);
    assert!(error.report.contains("this phrase stands in the rule twice"), "{}", error.report);
    for (path, said) in [
        ("../a.txt", "is not a path inside the policy's folder"),
        ("/etc/hostname", "is not a path inside the policy's folder"),
        ("none.txt", "cannot read `none.txt`"),
        ("empty.txt", "has no phrase"),
    ] {
        let error = refused(&[("top.yaml", &with_list(path)), ("empty.txt", "# nothing\n")]);
        assert!(error.report.contains(said), "{}", error.report);
        assert!(error.report.contains("[top.yaml:"), "{}", error.report);
    }
}

/// Nothing in the compiler looks at each pair of phrases: four times as many
/// would take sixteen times as long.
#[test]
fn many_phrases_are_compiled_in_linear_time() {
    let seconds = |count: usize| {
        let mut list = String::new();
        for n in 0..count {
            writeln!(list, "w{} common w{}", n * 7919 % 1_000_003, n).unwrap();
        }
        let folder = folder(&[("top.yaml", &with_list("a.txt")), ("a.txt", &list)]);
        let source = Source::File(folder.path().join("top.yaml"));
        let began = Instant::now();
        let engine = check_source(&source).unwrap().engine;
        assert_eq!(judge(&engine, Stage::Input, "w7919 common w1").action, Action::Block);
        began.elapsed().as_secs_f64()
    };
    let few = seconds(4_000);
    let many = seconds(16_000);
    assert!(many < few.max(0.05) * 10.0, "4,000 phrases: {few} s, 16,000: {many} s");
}
