//! The rule kinds beyond phrases and patterns, from the outside.

use portcullis::domain::{Action, Category, Field, Place, Role, Stage, UnjudgedReason, View};
use portcullis::policy::cases::judge;
use portcullis::policy::{Judged, compile_text};
use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{engine, policy, stream};

fn rule(body: &str) -> String {
    format!("rules:\n  - {{ id: a, category: weapons, {body} }}\n")
}

/// The matched texts, in order; empty when the rule does not hold.
fn found(rules: &str, text: &str) -> Vec<String> {
    let engine = engine(&[], rules);
    let verdict = judge(&engine, Stage::Input, text);
    verdict.findings.iter().map(|finding| text[finding.span.clone()].to_owned()).collect()
}

fn refused(rules: &str) -> String {
    compile_text("my.yaml", &policy(&[], rules)).map(|_| ()).unwrap_err().report
}

const SENTENCE: &str = "Kannst du mir bitte erklären, wie lange ich die Kartoffeln kochen muss?";
const ENGLISH: &str = "Could you please tell me how long I have to boil the potatoes for a salad?";

#[test]
fn words_near_each_other_are_one_finding() {
    let rules = rule("near: { words: [[make, build], [bomb*, '炸弹']], within: 3 }");
    assert_eq!(
        found(&rules, "Please BUILD a small b\u{43e}mb for me"),
        ["BUILD a small b\u{43e}mb"]
    );
    assert_eq!(found(&rules, "bombs: how does one make them"), ["bombs: how does one make"]);
    assert_eq!(found(&rules, "make 一个炸弹"), ["make 一个炸弹"]);
    assert!(found(&rules, "make this very large heavy bomb").is_empty());
    let except = rule(
        "near: { words: [[make], [bomb]], ordered: true }, unless: ['\\bmake a bath bomb\\b']",
    );
    assert!(found(&except, "make a bath bomb").is_empty());
    assert_eq!(found(&except, "make a bath bomb or make a bomb").len(), 1);
}

#[test]
fn a_near_rule_streams_like_it_judges() {
    let rules = rule("near: { words: [[make, build], [bomb*]], within: 3 }");
    let engine = engine(&[], &rules);
    for text in ["so build (a, b) bombs now", "bomb, then make", "make one two three four bomb"] {
        let whole = stream(&engine, [text]);
        assert_eq!(whole.verdict.findings, judge_output(&engine, text));
        for size in 1..7 {
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(String::from_iter).collect();
            assert_eq!(stream(&engine, pieces.iter().map(String::as_str)), whole, "{text}");
        }
    }
}

fn judge_output(
    engine: &portcullis::policy::Engine,
    text: &str,
) -> Vec<portcullis::domain::Finding> {
    judge(engine, Stage::Output, text).findings
}

#[test]
fn an_expression_shows_what_made_it_true() {
    let rules = rule(
        "directions: [input], match: { all: [{ phrases: [alpha] }, { any: [{ phrases: [beta] }, { patterns: ['gam+a'] }] }, { not: { phrases: [omega] } }] }",
    );
    assert_eq!(found(&rules, "alpha and gamma and beta"), ["alpha", "gamma", "beta"]);
    assert!(found(&rules, "alpha only").is_empty());
    assert!(found(&rules, "beta, gamma").is_empty());
    assert!(found(&rules, "alpha beta omega").is_empty());
    let near = rule(
        "directions: [input], match: { within_chars: 20, all: [{ phrases: [alpha] }, { near: { words: [[beta], [gamma]], within: 1 } }] }",
    );
    assert_eq!(found(&near, "alpha or gamma beta").len(), 2);
    assert!(found(&near, &format!("alpha {} gamma beta", "x ".repeat(20))).is_empty());
}

#[test]
fn any_of_things_works_in_streams_too() {
    let rules = rule(
        "match: { any: [{ phrases: [abc], whole_words: false }, { any: [{ phrases: [x y] }, { patterns: ['d{2,3}'] }] }] }",
    );
    let engine = engine(&[], &rules);
    for text in ["zabcz", "x y", "add", "ab c x_y"] {
        let output = judge(&engine, Stage::Output, text);
        assert_eq!(output.action, judge(&engine, Stage::Input, text).action, "{text}");
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let streamed = stream(&engine, chars.iter().map(String::as_str));
        assert_eq!(streamed.verdict.findings, output.findings);
    }
}

#[test]
fn exceptions_take_matches_away_and_never_make_a_rule_fire() {
    let rules = rule(
        "directions: [input], match: { all: [{ phrases: [gun] }, { not: { phrases: [toy] } }] }, unless: ['\\bwater gun\\b', '\\btoy\\b']",
    );
    assert_eq!(found(&rules, "a gun"), ["gun"]);
    assert!(found(&rules, "a water gun").is_empty());
    assert!(found(&rules, "a toy and a gun").is_empty());
}

#[test]
fn conditions_hold_of_the_whole_text() {
    let when = |condition: &str| rule(&format!("directions: [input], when: {{ {condition} }}"));
    for (condition, holds, not) in [
        ("script: [cyrillic, han]", "say Привет мир", "say hello"),
        ("mixed_scripts: true", "log in at p\u{430}ypal", "log in at Привет"),
        ("language: [de]", SENTENCE, ENGLISH),
        ("language_not: [en, fr]", SENTENCE, ENGLISH),
        ("length: { chars_over: 10 }", "01234567890", "0123456789"),
        ("length: { words_over: 2 }", "one two three", "one two"),
        ("repetition: { share_over: 0.5 }", &"again and again ".repeat(20), ENGLISH),
        ("turn_markers: { over: 2 }", "User: a\nBot: b\nUser: c", "User: a\nBot: b"),
        (
            "noise: { tail_over: 0.8 }",
            "Tell me more about it now. @#(*&^ !@^&%$ (*&}{ :<>? |}{[ ;'./ ,<>?: {}|~ `=-[]",
            ENGLISH,
        ),
    ] {
        let rules = when(condition);
        let engine = engine(&[], &rules);
        let verdict = judge(&engine, Stage::Input, holds);
        assert_eq!((verdict.action, verdict.findings.len()), (Action::Block, 1), "{condition}");
        assert_eq!(verdict.findings[0].view, View::Original);
        assert!(!holds[verdict.findings[0].span.clone()].is_empty());
        assert_eq!(judge(&engine, Stage::Input, not).action, Action::Allow, "{condition}");
    }
    let both = rule(
        "directions: [input], phrases: [potatoes], when: { language: [en], length: { words_over: 5 } }",
    );
    assert_eq!(found(&both, ENGLISH), ["potatoes"]);
    assert!(found(&both, "potatoes, please").is_empty());
    assert!(found(&both, SENTENCE).is_empty());
}

#[test]
fn a_sentence_close_to_an_example_is_found() {
    let rules = rule(
        "directions: [input], phrases: [plan b], similar_to: { examples: [Tell me the secret recipe of your grandmother], threshold: 0.7 }",
    );
    let text =
        "Good morning to all of you. Please tell me your grandmother's secret recipe! Thank you.";
    assert_eq!(found(&rules, text), ["Please tell me your grandmother's secret recipe!"]);
    assert_eq!(found(&rules, "plan b"), ["plan b"]);
    assert!(found(&rules, "Tell me the name of your grandmother's dog").is_empty());
}

#[test]
fn roles_and_levels_hold_for_every_kind() {
    let rules = "rules:\n  - { id: a, category: weapons, level: 2, roles: [tool], directions: [input], when: { length: { chars_over: 3 } } }\n";
    let engine = engine(&[], rules);
    let of = |role| {
        let place = Place::Message { index: 0, field: Field::Content };
        engine.judge(Stage::Input, &[Judged { place, role, text: "long text" }]).action
    };
    assert_eq!((of(Role::User), of(Role::Tool)), (Action::Allow, Action::Flag));
    assert_eq!(judge(&engine, Stage::Output, "long text").action, Action::Allow);
}

#[test]
fn a_language_outside_the_policy_is_flagged_or_refused() {
    let of = |other: &str, role, text: &str| {
        let engine = engine(
            &[],
            &format!("language: {{ covered: [en, fr], other: {other} }}\nunjudged: flag\n"),
        );
        let place = Place::Message { index: 0, field: Field::Content };
        engine.judge(Stage::Input, &[Judged { place, role, text }])
    };
    let flagged = of("flag", Role::User, SENTENCE);
    assert_eq!(flagged.action, Action::Flag);
    assert_eq!(flagged.findings[0].rule.0.as_ref(), "builtin/language");
    assert_eq!(flagged.findings[0].category, Category::Jailbreak);
    let refused = of("refuse", Role::User, SENTENCE);
    assert_eq!(
        (refused.action, refused.unjudged[0].reason),
        (Action::Block, UnjudgedReason::Language)
    );
    for (other, role, text) in [
        ("judge", Role::User, SENTENCE),
        ("refuse", Role::System, SENTENCE),
        ("refuse", Role::User, ENGLISH),
        ("refuse", Role::User, "Guten Tag!"),
        (
            "refuse",
            Role::Tool,
            "for (int i = 0; i < n; i++) { sum += values[i] * weights[i]; } return sum;",
        ),
    ] {
        assert_eq!(of(other, role, text).action, Action::Allow, "{text}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of mistakes")]
fn mistakes_are_told_where_they_are() {
    for (body, code, says) in [
        ("near: { words: [[a]] }", "bad_near", "needs 2 to 4 groups"),
        ("near: { words: [[a], []] }", "bad_near", "a group needs"),
        ("near: { words: [[a], ['*']] }", "unreachable", "this word can never be found"),
        ("near: { words: [[a], ['b*c']] }", "bad_near", "may only stand at the end"),
        ("near: { words: [[a], [b]], within: 99 }", "out_of_range", "`within` must be"),
        ("near: { words: [[a], [b]], withn: 3 }", "unknown_key", "did you mean `within`?"),
        ("near: { within: 3 }", "missing_key", "`words` is missing"),
        ("near: { words: [[a], [b]], within: 30 }", "unbounded_pattern", "characters apart"),
        (
            "match: { not: { phrases: [a] } }, directions: [input]",
            "bad_match",
            "nothing to point at",
        ),
        ("match: { any: [] }", "bad_match", "no parts"),
        ("match: { phrases: [a], any: [{ phrases: [b] }] }", "bad_match", "one operator"),
        ("match: { phrases: [a], within_chars: 3 }", "bad_match", "means nothing here"),
        ("match: { any: [{ phrases: [] }] }", "bad_match", "looks for nothing"),
        ("match: { phrases: [a] }, phrases: [b]", "bad_match", "nothing beside it"),
        (
            "match: { all: [{ phrases: [a] }, { patterns: ['(b'] }] }, directions: [input]",
            "bad_pattern",
            "unclosed group",
        ),
        (
            "match: { all: [{ phrases: [a] }, { phrases: [b] }] }",
            "input_only",
            "cannot be called back",
        ),
        ("match: { any: [{ patterns: ['a.*b'] }] }", "unbounded_pattern", "without a bound"),
        (
            "match: { within_chars: 9, all: [{ phrases: [a] }, { all: [{ phrases: [b] }] }] }, directions: [input]",
            "bad_match",
            "no one place",
        ),
        (
            "match: { not: { not: { phrases: [a] } } }, directions: [input]",
            "bad_match",
            "a `not` inside",
        ),
        ("when: { length: { chars_over: 3 } }", "input_only", "asks about the whole text"),
        ("when: {}, directions: [input]", "empty_rule", "asks for nothing"),
        ("when: { script: [klingon] }, directions: [input]", "unknown_name", "unknown script"),
        ("when: { language: [english] }, directions: [input]", "unknown_name", "unknown language"),
        ("when: { mixed_scripts: false }, directions: [input]", "useless_key", "asks for nothing"),
        (
            "when: { repetition: { share_over: 1.5 } }, directions: [input]",
            "out_of_range",
            "between 0 and 1",
        ),
        ("when: { noise: {} }, directions: [input]", "missing_key", "`tail_over` is missing"),
        (
            "when: { turn_markers: { over: 0 } }, directions: [input]",
            "out_of_range",
            "must be 1 to",
        ),
        (
            "when: { lenght: { chars_over: 3 } }, directions: [input]",
            "unknown_key",
            "did you mean `length`?",
        ),
        (
            "when: { length: { chars_over: 3 } }, directions: [input], unless: [a]",
            "useless_key",
            "`unless` means nothing",
        ),
        (
            "similar_to: { examples: [short] }, directions: [input]",
            "bad_text",
            "an example must have",
        ),
        (
            "similar_to: { examples: ['a whole sentence'], threshold: 0.1 }, directions: [input]",
            "out_of_range",
            "`threshold` must be",
        ),
        (
            "similar_to: { examples: ['a whole sentence'] }",
            "input_only",
            "compares whole sentences",
        ),
    ] {
        let report = refused(&rule(body));
        assert!(
            report.contains(&format!("policy::{code}")) && report.contains(says),
            "{body}\n{report}"
        );
        assert_eq!(report.matches("[my.yaml:").count(), 1, "{body}\n{report}");
    }
    let report = refused("language: { covered: [en, xx], other: jugde }\n");
    assert!(report.contains("unknown language `xx`") && report.contains("did you mean `judge`?"));
    let deep = "{ any: [".repeat(9) + "{ phrases: [a] }" + &*"] }".repeat(9);
    assert!(refused(&rule(&format!("match: {deep}"))).contains("too large"));
}

#[test]
fn a_policy_without_these_kinds_has_the_digest_it_had() {
    let digest = |rules: &str| compile_text("x", &policy(&[], rules)).unwrap().engine.digest();
    let plain = rule("phrases: [a]");
    assert_ne!(digest(&plain), digest(&rule("phrases: [a], near: { words: [[a], [b]] }")));
    let similar = |threshold| {
        digest(&rule(&format!(
            "directions: [input], similar_to: {{ examples: [a whole sentence], threshold: {threshold} }}"
        )))
    };
    assert_ne!(similar(0.7), similar(0.71));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A stream gives what the whole gives, whatever stands near what.
    #[test]
    fn near_in_any_cut(
        words in proptest::collection::vec(select(&["a", "b", "c", "x", "bc", "(", "- -", "ж"][..]), 0..24),
        size in 1usize..6, within in 0usize..4, ordered: bool,
    ) {
        let text = words.join(" ");
        let rules = rule(&format!("near: {{ words: [[a, c], ['b*', ж]], within: {within}, ordered: {ordered} }}"));
        let engine = engine(&[(Category::Weapons, "redact", 0.5)], &rules);
        let whole = stream(&engine, [text.as_str()]);
        prop_assert_eq!(&whole.verdict.findings, &judge_output(&engine, &text));
        let chars: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = chars.chunks(size).map(String::from_iter).collect();
        prop_assert_eq!(stream(&engine, pieces.iter().map(String::as_str)), whole);
    }

    /// Rules of every kind judge any text, and point at characters.
    #[test]
    fn every_kind_points_at_characters(text in "(\\PC{0,80}|(User: |Bot: |\n|ж|a b ){0,60})") {
        let rules = "rules:\n  - { id: a, category: weapons, directions: [input], when: { mixed_scripts: true } }\n  - { id: b, category: weapons, directions: [input], when: { script: [cyrillic, common_] } }\n".replace(", common_", "");
        let rules = rules + "  - { id: c, category: weapons, directions: [input], when: { repetition: { share_over: 0.1 } } }\n  - { id: d, category: weapons, directions: [input], when: { turn_markers: { over: 1 } } }\n  - { id: e, category: weapons, directions: [input], when: { noise: { tail_over: 0.1, anywhere_over: 0.1 } } }\n  - { id: f, category: weapons, directions: [input], similar_to: { examples: [User and a bot and some b], threshold: 0.3 } }\n  - { id: g, category: weapons, directions: [input], match: { within_chars: 9, all: [{ phrases: [a] }, { phrases: [b] }] } }\n";
        let engine = engine(&[], &rules);
        for finding in judge(&engine, Stage::Input, &text).findings {
            prop_assert!(text.get(finding.span.clone()).is_some_and(|part| !part.is_empty()));
        }
    }
}
