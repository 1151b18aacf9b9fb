//! What the compiler refuses, and how it says so.

use portcullis::domain::Category;
use portcullis::policy::{PolicyError, compile_text};

use super::sample::policy;

fn refused(text: &str) -> PolicyError {
    compile_text("my.yaml", text).map(|compiled| compiled.engine.digest()).unwrap_err()
}

fn rules(rules: &str) -> String {
    policy(&[], &format!("rules:\n{rules}"))
}

#[test]
fn every_mistake_is_reported_in_one_run() {
    let text = rules(
        r"
  - { id: a/b, categry: weapons, category: weapons, phrases: [x] }
  - { id: a/b, category: weapns, phrases: [y] }
  - id: a/c
    category: weapons
    directions: [inward]
    score: 1.5
    level: 7
    phrases: ['INVISIBLE']
    patterns: ['(open', 'a(?!b)', 'x.*y', 'k{1,9999}']
  - { id: builtin/x, category: weapons, phrases: [z] }
  - { id: A B, category: weapons }
",
    )
    .replace("INVISIBLE", "\u{200b}")
    .replace("detect_level: 2", "detect_level: 9")
    .replace("  spam:", "  spem:")
    .replace("weapons: { severity: high", "weapons: { severity: medium");
    let error = refused(&text);
    for (code, snippet) in [
        ("unknown_key", "did you mean `category`?"),
        ("duplicate_id", "two rules are called `a/b`"),
        ("unknown_category", "did you mean `weapons`?"),
        ("unknown_category", "did you mean `spam`?"),
        ("missing_category", "no decision about a category of the acceptable-use policy: spam"),
        ("severity_lowered", "`weapons` may not be less than `high`"),
        ("unknown_name", "unknown direction `inward`"),
        ("out_of_range", "the score must be above 0 and at most 1"),
        ("out_of_range", "`level` must be 1 to 3"),
        ("out_of_range", "`detect_level` must be 1 to 3"),
        ("unreachable", "this phrase can never be found"),
        ("bad_pattern", "unclosed group"),
        ("bad_pattern", "look-around"),
        ("unbounded_pattern", "this pattern matches text without a bound"),
        ("unbounded_pattern", "this pattern matches text of up to 9999 characters"),
        ("bad_id", "are reserved"),
        ("bad_id", "`A B` cannot be the id of a rule"),
        ("empty_rule", "this rule looks for nothing"),
    ] {
        assert!(error.report.contains(&format!("policy::{code}")), "{code}\n{}", error.report);
        assert!(error.report.contains(snippet), "{snippet}\n{}", error.report);
    }
    assert_eq!(error.report.matches("[my.yaml:").count(), error.count, "{}", error.report);
}

#[test]
fn a_bad_pattern_is_shown_where_it_is_bad() {
    let error = refused(&rules("  - { id: a, category: spam, patterns: ['fine (broken'] }\n"));
    let line = error.report.lines().find(|line| line.contains('┬')).unwrap();
    let shown = error.report.lines().find(|line| line.contains("(broken")).unwrap();
    let caret = line.chars().position(|c| c == '┬').unwrap();
    assert_eq!(shown.chars().nth(caret), Some('('));
}

#[test]
fn syntax_errors_name_file_and_line() {
    for text in
        ["policy: [", "policy: a\npolicy: b\n", "- a\n", "", "rules: 7", "\u{0}", "a: &a [*a, *a]"]
    {
        let error = refused(text);
        assert!(error.count >= 1 && !error.report.is_empty(), "{text:?}");
    }
    assert!(refused("policy: a\nrefusal: b\nrules: {}\n").report.contains("my.yaml:3"));
}

#[test]
fn child_exploitation_cannot_be_softened() {
    let block = "child_exploitation: { severity: critical, input: { action: block, threshold: 0.5 }, output: { action: block, threshold: 0.5 }, store_text: false }";
    assert!(policy(&[], "").contains(block));
    for (from, to, reason) in [
        ("input: { action: block", "input: { action: flag", "the input action must be `block`"),
        (
            "output: { action: block",
            "output: { action: redact",
            "the output action must be `block`",
        ),
        (
            "threshold: 0.5 }, out",
            "threshold: 0.6 }, out",
            "the input threshold must be at most 0.5",
        ),
        ("store_text: false", "store_text: true", "`store_text` must not be true"),
    ] {
        let error = refused(&policy(&[], "").replace(block, &block.replacen(from, to, 1)));
        assert!(error.count == 1 && error.report.contains(reason), "{}", error.report);
    }
}

#[test]
fn rules_that_cannot_matter_are_reported() {
    let weapons = |rules: &str| compile_text("my.yaml", &self::rules(rules));
    // The second rule finds nothing that the first would not have blocked.
    let error = weapons(
        "  - { id: a, category: weapons, phrases: [pipe bomb] }\n  - { id: b, category: weapons, phrases: [big pipe bomb] }\n",
    )
    .unwrap_err();
    assert!(error.report.contains("rule `b` can never change a decision"), "{}", error.report);
    for (a, b) in [
        // Alone too weak to act.
        ("score: 0.4, phrases: [pipe bomb]", "phrases: [big pipe bomb]"),
        // Not found inside a longer word.
        ("phrases: [pipe bomb]", "phrases: [pipe bombs]"),
        // Does not see what the other sees.
        ("directions: [input], phrases: [pipe bomb]", "phrases: [big pipe bomb]"),
        ("roles: [user], phrases: [pipe bomb]", "phrases: [big pipe bomb]"),
        ("unless: ['toy pipe bomb'], phrases: [pipe bomb]", "phrases: [big pipe bomb]"),
        ("level: 2, phrases: [pipe bomb]", "phrases: [big pipe bomb]"),
    ] {
        let text = format!(
            "  - {{ id: a, category: weapons, {a} }}\n  - {{ id: b, category: weapons, {b} }}\n"
        );
        let compiled = weapons(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.warnings, "");
    }
    let compiled =
        weapons("  - { id: a, category: weapons, level: 3, phrases: [x, X] }\n").unwrap();
    assert_eq!(compiled.warnings_count, 2);
    assert!(compiled.warnings.contains("its level is above `detect_level`"));
    assert!(compiled.warnings.contains("stands in the rule twice"));
}

#[test]
fn an_input_rule_may_be_unbounded() {
    let text =
        rules("  - { id: a, category: spam, directions: [input], patterns: ['buy.*now'] }\n");
    let engine = compile_text("my.yaml", &text).unwrap().engine;
    let long = format!("buy {} now, buy now", "x ".repeat(20_000));
    let verdict =
        portcullis::policy::cases::judge(&engine, portcullis::domain::Stage::Input, &long);
    assert_eq!(verdict.decisive(), Some(Category::Spam));
    assert_eq!(verdict.findings[0].span, 0..long.len());
}

#[test]
fn keys_about_reading_and_weighing_are_checked() {
    let text = policy(
        &[],
        "conversation: { decay: 1.5, window_turns: 0, joined: true }
system_prompt: { canary: true, overlap_words: 2 }
rules:
  - { id: a/a, category: spam, phrases: [x], views: plain }
  - { id: a/b, category: spam, phrases: [y], views: [base46] }
  - { id: a/c, category: spam, phrases: [z], views: [base64] }
  - { id: a/d, category: spam, phrases: [u], views: [], directions: [input] }
  - { id: a/e, category: spam, phrases: [v], sample: 2 }
  - { id: a/f, category: child_exploitation, phrases: [w], sample: 0.5 }
limits: { views_depth: 99, views_bytes_max: 0 }
",
    );
    let error = refused(&text);
    for snippet in [
        "the decay must be above 0 and at most 1",
        "`window_turns` must be 1 to 10000",
        "unknown key `joined`",
        "`overlap_words` must be 4 to 32",
        "`plain` is no set of views",
        "did you mean `base64`?",
        "this rule can find nothing in an answer",
        "no view is left for this rule",
        "the sample must be above 0 and at most 1",
        "a rule of `child_exploitation` acts in every exchange",
        "`views_depth` must be 0 to 8",
        "`views_bytes_max` must be 1 to",
    ] {
        assert!(error.report.contains(snippet), "{snippet}\n{}", error.report);
    }
}

#[test]
fn a_rule_that_does_not_always_act_shadows_nothing() {
    for key in ["sample: 0.5", "views: [canonical]"] {
        let text = rules(&format!(
            "  - {{ id: a, category: weapons, phrases: [pipe bomb], {key} }}\n  - {{ id: b, category: weapons, phrases: [big pipe bomb] }}\n"
        ));
        let compiled = compile_text("my.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.warnings, "");
    }
}
