//! Policies written over others: what holds then, and which floors stand.

use portcullis::domain::{Action, Category, Stage};
use portcullis::policy::cases::judge;
use portcullis::policy::compile_text;
use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{check, policy, refused};

const RULES: &str = r#"
rules:
  - { id: weapons/low, category: weapons, score: 0.3, phrases: [gunpowder] }
  - { id: weapons/high, category: weapons, patterns: ['\bbuild a gun\b'], unless: ['\bbuild a gun safe\b'] }
  - { id: weapons/shadow, category: weapons, level: 2, phrases: [rifle] }
  - { id: spam/offer, category: spam, phrases: [special offer] }
  - { id: drugs/prompt, category: drugs, directions: [input], roles: [user], phrases: [cooking] }
  - { id: child/one, category: child_exploitation, score: 0.9, phrases: [placeholder one] }
"#;

fn base() -> String {
    policy(&[], RULES)
}

fn over(rest: &str) -> String {
    format!("policy: top\nextends: base.yaml\n{rest}")
}

#[test]
fn an_overlay_sets_changes_disables_and_adds() {
    let top = over(
        "version: '7'\nrefusal: Sorry.\ncategories: { spam: { input: { action: flag } } }\n\
         change: { weapons/*: { score: 0.4 }, weapons/high: { score: 1, unless: [] } }\n\
         disable: [drugs/prompt]\n\
         rules: [{ id: top/own, category: spam, phrases: [buy now] }]\n",
    );
    let engine = check(&[("top.yaml", &top), ("base.yaml", &base())]).unwrap().engine;
    assert_eq!((engine.name(), engine.version()), ("top", "7"));
    assert_eq!(&*engine.reply(None).text, "Sorry.");
    // The action is the overlay's, the threshold still the base's.
    assert_eq!(engine.decision_for(Category::Spam, Stage::Input), (Action::Flag, 0.5));
    assert_eq!(engine.decision_for(Category::Spam, Stage::Output), (Action::Block, 0.5));
    let input = |text: &str| judge(&engine, Stage::Input, text);
    assert_eq!(input("gunpowder").findings[0].score, 0.4);
    assert_eq!(input("build a gun safe").action, Action::Block);
    assert_eq!(input("cooking").action, Action::Allow);
    assert_eq!(input("buy now").action, Action::Flag);
    assert_eq!(judge(&engine, Stage::Output, "buy now").action, Action::Block);
}

#[test]
fn an_overlay_that_says_nothing_is_the_base_by_another_name() {
    let same = |top: &str, base: &str| {
        let compiled = check(&[("top.yaml", top), ("base.yaml", base)]).unwrap();
        compiled.engine.digest()
    };
    let named = base().replace("policy: sample", "policy: top");
    let alone = compile_text("x", &named).unwrap().engine.digest();
    assert_eq!(same(&over(""), &base()), alone);
    // In three layers as in two.
    let between = "policy: between\nextends: ../base.yaml\n";
    let files = [
        ("top.yaml", "policy: top\nextends: sub\n"),
        ("sub/policy.yaml", between),
        ("base.yaml", &base()),
    ];
    assert_eq!(check(&files).unwrap().engine.digest(), alone);
    assert_ne!(same(&over("detect_level: 3"), &base()), alone);
}

#[test]
fn the_shipped_policy_can_be_written_over_without_files() {
    let text = "policy: mine\nextends: shipped\ndisable: [spam/topics]\n";
    let compiled = compile_text("mine.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(compiled.engine.name(), "mine");
    let error = compile_text("mine.yaml", "policy: mine\nextends: other.yaml\n").unwrap_err();
    assert!(error.report.contains("was not read from a file"), "{}", error.report);
}

#[test]
fn each_mistake_is_shown_in_its_own_file() {
    let base = base().replace("score: 0.3", "score: 3");
    let error = refused(&[
        (
            "top.yaml",
            &over(
                "detect_levl: 1\nchange: { weapons/hihg: { levl: 1 }, spam/offer: { id: x } }\ndisable: [nothing/*]\nrules: [{ id: spam/offer, category: spam, phrases: [x] }]\n",
            ),
        ),
        ("base.yaml", &base),
    ]);
    for (place, what) in [
        ("[top.yaml:3:", "unknown key `detect_levl`"),
        ("[top.yaml:4:", "did you mean `weapons/high`?"),
        ("[top.yaml:4:", "unknown key `levl`"),
        ("[top.yaml:4:", "a rule keeps its id"),
        ("[top.yaml:5:", "no rule is called `nothing/*`"),
        ("[base.yaml:", "the score must be above 0"),
        ("[top.yaml:6:", "two rules are called `spam/offer`"),
        ("[base.yaml:", "first here"),
    ] {
        assert!(error.report.contains(what) && error.report.contains(place), "{}", error.report);
    }
    let syntax = refused(&[("top.yaml", &over("")), ("base.yaml", "policy: [\n")]);
    assert!(syntax.report.contains("base.yaml:1"), "{}", syntax.report);
}

#[test]
fn what_cannot_be_followed_is_said() {
    let top = "policy: top\nextends: a.yaml\n";
    let error = refused(&[("top.yaml", top)]);
    assert!(error.report.contains("cannot read `a.yaml`") && error.report.contains("[top.yaml:2:"));
    let error = refused(&[
        ("top.yaml", top),
        ("a.yaml", "policy: a\nextends: ./sub/../b.yaml\n"),
        ("b.yaml", "policy: b\nextends: a.yaml\n"),
        ("sub/x", ""),
    ]);
    assert!(error.report.contains("a policy cannot be written over itself"), "{}", error.report);
    assert!(error.report.contains("a.yaml -> b.yaml -> a.yaml"), "{}", error.report);
    let chain: Vec<(String, String)> = (0..12)
        .map(|n| (format!("{n}.yaml"), format!("policy: p{n}\nextends: {}.yaml\n", n + 1)))
        .collect();
    let mut files: Vec<(&str, &str)> =
        chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("top.yaml", "policy: top\nextends: 0.yaml\n"));
    assert!(refused(&files).report.contains("more than 8 policies"));
    let error =
        refused(&[("top.yaml", &policy(&[], "disable: [x]\nchange: { y: { level: 1 } }\n"))]);
    assert!(error.count == 2 && error.report.contains("needs a policy to be about"));
    let error = refused(&[("top.yaml", "extends: base.yaml\n"), ("base.yaml", &base())]);
    assert!(error.report.contains("a name of its own"), "{}", error.report);
}

/// A base with every kind of floor.
fn floored() -> String {
    let floor = "floor:\n  detect_level: 2\n  block_level: 1\n  unjudged: block\n  categories:\n    \
                 spam: { input: { action: redact, threshold: 0.6 } }\n    \
                 privacy: { output: { action: block } }\n  rules: [weapons/*, drugs/prompt]\n";
    let rules = RULES.replace("id: spam/offer,", "id: spam/offer, locked: true,");
    policy(&[], &format!("{floor}{rules}"))
}

#[test]
fn an_overlay_may_be_stricter_than_the_floor_or_just_there() {
    for top in [
        "categories: { spam: { input: { action: redact, threshold: 0.6 }, output: { action: allow } } }\n",
        "categories: { spam: { input: { action: block, threshold: 0.1 } } }\ndetect_level: 3\nblock_level: 2\n",
        "change: { weapons/low: { score: 0.9, level: 1, phrases: [gunpowder, gelatin], redact_as: X } }\n",
        "change: { weapons/high: { unless: [], patterns: ['\\bbuild a gun\\b', 'x{3}'] } }\n",
        "change: { drugs/prompt: { directions: [input, output], roles: [user, tool] } }\n",
        "change: { child/one: { score: 1.0, locked: true } }\n",
        "unjudged: block\ndisable: []\n",
    ] {
        let result = check(&[("top.yaml", &over(top)), ("base.yaml", &floored())]);
        assert!(result.is_ok(), "{top}\n{}", result.unwrap_err());
    }
}

#[test]
fn an_overlay_weaker_than_the_floor_is_refused_with_both_lines() {
    for (top, said) in [
        ("detect_level: 1\n", "`detect_level` is below the floor of 2"),
        ("unjudged: flag\n", "unjudged text must stay blocked"),
        (
            "categories: { spam: { input: { action: flag } } }\n",
            "the input action `flag` of `spam` is weaker than the floor, `redact`",
        ),
        (
            "categories: { spam: { input: { threshold: 0.7 } } }\n",
            "the input threshold 0.7 of `spam` is above the floor's, 0.6",
        ),
        (
            "categories: { privacy: { output: { action: replace } } }\n",
            "the output action `replace` of `privacy` is weaker",
        ),
        ("disable: [weapons/low]\n", "`weapons/low` is locked and cannot be disabled"),
        ("disable: [spam/*]\n", "`spam/offer` is locked and cannot be disabled"),
        ("change: { weapons/high: { score: 0.9 } }\n", "its score may not fall below 1"),
        ("change: { weapons/*: { level: 2 } }\n", "its level may not rise above 1"),
        ("change: { weapons/high: { patterns: ['x{3}'] } }\n", "it must keep all its patterns"),
        ("change: { weapons/low: { phrases: [powder] } }\n", "it must still find `gunpowder`"),
        (
            "change: { weapons/low: { directions: [input] } }\n",
            "its directions must still have `output`",
        ),
        ("change: { drugs/prompt: { roles: [tool] } }\n", "its roles must still have `user`"),
        ("change: { weapons/low: { roles: [user] } }\n", "its roles must still have `system`"),
        ("change: { weapons/low: { unless: ['x{3}'] } }\n", "it may not get new exceptions"),
        ("change: { spam/offer: { locked: false } }\n", "it stays so"),
        ("change: { weapons/low: { category: spam } }\n", "a change of `category` cannot be shown"),
        ("change: { weapons/low: { whole_words: true } }\n", ""),
        (
            "exceptions: [{ id: e, author: a, reason: r, expires: 2999-01-01, rules: [weapons/low] }]\n",
            "the rule `weapons/low` is locked and knows no exceptions",
        ),
        (
            "exceptions: [{ id: e, author: a, reason: r, expires: 2999-01-01, categories: [spam] }]\n",
            "`spam` has a floor for the input and knows no exceptions",
        ),
    ] {
        let files = [("top.yaml", over(top)), ("base.yaml", floored())];
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        if said.is_empty() {
            assert!(check(&files).is_ok(), "{top}");
            continue;
        }
        let error = refused(&files);
        assert!(error.report.contains(said), "{top}\n{}", error.report);
        assert!(error.report.contains("policy::floor"), "{}", error.report);
        assert!(error.report.contains("[top.yaml:3:"), "{}", error.report);
        assert!(error.report.contains("[base.yaml:"), "{}", error.report);
    }
}

/// The words of a pattern stay, and what a name in it stands for does not.
#[test]
fn a_fragment_of_the_same_name_does_not_soften_a_locked_rule() {
    let rules = "fragments: { what: 'a gun' }\nrules: [{ id: weapons/a, category: weapons, locked: true, patterns: ['build {{what}}'] }]\n";
    let top = over(
        "fragments: { what: 'a gun safe' }\nchange: { weapons/a: { patterns: ['build {{what}}'] } }\n",
    );
    let error = refused(&[("top.yaml", &top), ("base.yaml", &policy(&[], rules))]);
    assert!(error.report.contains("it must keep all its patterns"), "{}", error.report);
}

#[test]
fn a_floor_binds_through_layers_that_know_nothing_of_it() {
    let between = "policy: between\nextends: base.yaml\n";
    let top = "policy: top\nextends: between.yaml\ndisable: [weapons/low]\n";
    let files = [("top.yaml", top), ("between.yaml", between), ("base.yaml", &floored())];
    assert!(refused(&files).report.contains("`weapons/low` is locked"));
    // A layer in between may raise it.
    let between = "policy: between\nextends: base.yaml\nfloor: { categories: { drugs: { input: { threshold: 0.5 } } } }\n";
    let top = "policy: top\nextends: between.yaml\ncategories: { drugs: { input: { threshold: 0.8 } } }\n";
    let error = refused(&[("top.yaml", top), ("between.yaml", between), ("base.yaml", &floored())]);
    assert!(error.report.contains("[between.yaml:3:"), "{}", error.report);
}

#[test]
fn a_locked_rule_keeps_acting_when_the_levels_fall() {
    let rules = "block_level: 2\nrules: [{ id: weapons/two, category: weapons, level: 2, locked: true, phrases: [rifle] }]\n";
    let base = policy(&[], rules).replacen("block_level: 1\n", "", 1);
    let files = |top: &str| refused(&[("top.yaml", &over(top)), ("base.yaml", &base)]).report;
    assert!(files("block_level: 1\n").contains("`weapons/two` no longer acts"));
    assert!(files("block_level: 1\ndetect_level: 1\n").contains("`weapons/two` no longer runs"));
}

/// Every way round the floor that the program itself sets.
#[test]
fn child_exploitation_cannot_be_softened_by_an_overlay() {
    let exception = |scope: &str| {
        format!("exceptions: [{{ id: e, author: a, reason: r, expires: 2026-12-24, {scope} }}]\n")
    };
    for (top, said) in [
        (
            "categories: { child_exploitation: { input: { action: flag } } }\n".to_owned(),
            "the input action must be `block`",
        ),
        (
            "categories: { child_exploitation: { output: { threshold: 0.9 } } }\n".to_owned(),
            "the output threshold must be at most 0.5",
        ),
        (
            "categories: { child_exploitation: { store_text: true } }\n".to_owned(),
            "`store_text` must not be true",
        ),
        ("disable: [child/one]\n".to_owned(), "`child/one` is locked and cannot be disabled"),
        ("disable: [child/*]\n".to_owned(), "`child/one` is locked and cannot be disabled"),
        ("change: { child/one: { score: 0.1 } }\n".to_owned(), "its score may not fall below 0.9"),
        ("change: { child/*: { level: 2 } }\n".to_owned(), "its level may not rise above 1"),
        ("change: { child/one: { category: spam } }\n".to_owned(), "a change of `category`"),
        ("change: { child/one: { roles: [tool] } }\n".to_owned(), "its roles must still have"),
        ("change: { child/one: { unless: ['x{3}'] } }\n".to_owned(), "may not get new exceptions"),
        (exception("categories: [child_exploitation]"), "`child_exploitation` knows no exceptions"),
        (exception("rules: [child/one]"), "`child/one` is a rule of `child_exploitation`"),
        (exception("rules: [child/*]"), "`child/one` is a rule of `child_exploitation`"),
    ] {
        let error = refused(&[("top.yaml", &over(&top)), ("base.yaml", &base())]);
        assert!(error.report.contains(said), "{top}\n{}", error.report);
        assert!(error.report.contains("[top.yaml:3:"), "{}", error.report);
    }
    // In shadow it would only flag, in whichever file.
    let shadow =
        "rules: [{ id: child/two, category: child_exploitation, level: 2, phrases: [x y] }]\n";
    assert!(refused(&[("top.yaml", &policy(&[], shadow))]).report.contains("would only flag"));
    let error = refused(&[("top.yaml", &over(shadow)), ("base.yaml", &base())]);
    assert!(error.report.contains("rule `child/two` would only flag"), "{}", error.report);
    // Its exception is refused in the policy itself as well.
    let own = exception("rules: [child/one]") + RULES;
    assert!(refused(&[("top.yaml", &policy(&[], &own))]).report.contains("is a rule of `child"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A base accepts an overlay exactly when each decision, level and locked
    /// rule of the result is as strict as its floor.
    #[test]
    fn an_accepted_overlay_is_nowhere_below_the_floor(
        floor in (select(Action::ALL), 1u32..=10),
        own in (select(Action::ALL), 1u32..=10),
        levels in (1u8..=3, 1u8..=3),
        score in 1u32..=10,
    ) {
        let (detect, block) = (levels.0.max(levels.1), levels.1);
        let base = policy(&[(Category::Spam, floor.0.name(), 0.1)], &format!(
            "floor:\n  detect_level: 2\n  block_level: 2\n  categories: {{ spam: {{ input: {{ action: {}, threshold: 0.{} }} }} }}\n\
             rules: [{{ id: r, category: spam, locked: true, score: 0.5, phrases: [x y] }}]\n",
            floor.0.name(), floor.1.min(9)));
        let base = base.replacen("block_level: 1\n", "block_level: 2\n", 1);
        let top = over(&format!(
            "detect_level: {detect}\nblock_level: {block}\n\
             categories: {{ spam: {{ input: {{ action: {}, threshold: 0.{} }} }} }}\nchange: {{ r: {{ score: 0.{} }} }}\n",
            own.0.name(), own.1.min(9), score.min(9)));
        let strict = own.0 >= floor.0 && own.1.min(9) <= floor.1.min(9)
            && detect >= 2 && block >= 2 && score.min(9) >= 5;
        match check(&[("top.yaml", &top), ("base.yaml", &base)]) {
            Ok(compiled) => {
                prop_assert!(strict, "{top}");
                let (action, threshold) = compiled.engine.decision_for(Category::Spam, Stage::Input);
                prop_assert!(action >= floor.0 && threshold <= 0.1 * floor.1.min(9) as f32 + 1e-6);
            }
            Err(error) => prop_assert!(!strict, "{top}\n{}", error.report),
        }
    }
}
