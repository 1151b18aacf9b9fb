//! An answer is screened the same however it is cut, and as if it were whole.

use std::ops::Range;

use portcullis::domain::{Action, Category};
use portcullis::text::{Folded, fold};
use proptest::prelude::*;
use proptest::sample::select;

use super::sample::{Streamed, engine, stream};

#[test]
fn ordinary_text_flows_and_a_violation_ends_the_answer_before_it_begins() {
    let rules = "rules: [{ id: a, category: drugs, phrases: [cook it up] }]\n";
    let engine = engine(&[(Category::Drugs, "replace", 0.5)], rules);
    let mut screen = engine.screen(0);
    let step = screen.push("First you take it and c");
    assert_eq!(step.released[0].text, "First you tak");
    assert_eq!(screen.held_chars(), 10);
    assert!(screen.would_find(23, "ook it up"));
    assert!(!screen.would_find(23, "ook it"));
    let step = screen.push("ook ");
    assert_eq!((step.released[0].text.as_str(), step.stopped), ("e it", None));
    let step = screen.push("it up, then");
    assert_eq!(step.released[0].text, " and ");
    assert_eq!(step.stopped, Some(Action::Replace));
    assert_eq!(screen.push("more"), Default::default());
    assert_eq!(screen.finish(), Default::default());
    assert_eq!(screen.held_chars(), 0);
    let verdict = screen.verdict();
    assert_eq!((verdict.action, verdict.decisive()), (Action::Replace, Some(Category::Drugs)));
}

#[test]
fn overlapping_spans_share_one_mask() {
    let rules = "rules: [{ id: a, category: privacy, redact_as: '<A>', phrases: [a b] }, { id: b, category: privacy, redact_as: '<B>', phrases: [b c] }]\n";
    let engine = engine(&[(Category::Privacy, "redact", 0.5)], rules);
    let Streamed { text, stopped, .. } =
        stream(&engine, ["x a ", "b ", "\u{200b}c\u{301} y a  b, b c"]);
    assert_eq!((text.as_str(), stopped), ("x <A> y <A>, <B>", None));
}

#[test]
fn what_is_invisible_after_a_character_of_several_letters_is_part_of_the_match() {
    // The sign reads as `ab`; the match ends inside it, and what follows it unseen belongs to it.
    let rules = "rules: [{ id: a, category: privacy, patterns: ['c[^a]{1,3}a'] }]\n";
    let engine = engine(&[(Category::Privacy, "redact", 0.5)], rules);
    let text = "cbbc\u{1f18e}\u{200b} d";
    let chars: Vec<String> = text.chars().map(String::from).collect();
    let whole = stream(&engine, [text]);
    assert_eq!(stream(&engine, chars.iter().map(String::as_str)), whole);
    assert_eq!(whole.text, "[REDACTED] d");
}

#[test]
fn an_unjudged_rest_is_cut_off_or_flagged() {
    let limits = |unjudged| format!("unjudged: {unjudged}\nlimits: {{ judged_bytes_max: 10 }}\n");
    let blocked = stream(&engine(&[], &limits("block")), ["0123456", "789", "ab", "c"]);
    assert_eq!((blocked.text.as_str(), blocked.stopped), ("0123456789", Some(Action::Block)));
    let flagged = stream(&engine(&[], &limits("flag")), ["0123456", "789", "ab", "c"]);
    assert_eq!((flagged.text.as_str(), flagged.stopped), ("0123456789abc", None));
    assert_eq!(flagged.verdict.unjudged[0].span, 10..13);
    assert_eq!(flagged.verdict.action, Action::Flag);
}

#[test]
fn a_long_answer_is_not_kept() {
    let engine = engine(&[], "rules: [{ id: a, category: drugs, phrases: [cook it up] }]\n");
    let mut screen = engine.screen(0);
    let mut sent = 0;
    for _ in 0..200_000 {
        sent +=
            screen.push("tok ").released.iter().map(|segment| segment.text.len()).sum::<usize>();
        assert!(screen.held_chars() < 16);
    }
    assert!(sent > 799_980);
    assert!(!format!("{screen:?}").contains(&"tok ".repeat(2_000)));
}

/// The rules that random policies choose from: pattern, longest exception.
const PHRASES: &[&str] = &["ab", "b c", "cab", "a", "ba-b", "c c c"];
const PATTERNS: &[&str] =
    &[r"\ba.{0,4}c\b", "b{2,3}", r"(ab|abc) ?c", r"c[^a]{1,3}a", r"a\b", "a$", "^b", "c ?[abc] ?c"];
const UNLESS: &[&str] = &[r"c.{0,2}ab?", r"\bab a", "a ?b c", "c ?b ?c"];
const CATEGORIES: &[Category] =
    &[Category::Drugs, Category::Weapons, Category::Privacy, Category::Spam];
const ACTIONS: &[&str] = &["block", "replace", "redact", "redact", "flag", "allow"];

#[derive(Debug, Clone)]
struct RuleSample {
    category: usize,
    score: f32,
    level: u8,
    phrase: Option<&'static str>,
    pattern: Option<&'static str>,
    whole_words: bool,
    unless: Option<&'static str>,
}

fn rule() -> impl Strategy<Value = RuleSample> {
    (
        0..CATEGORIES.len(),
        select(&[0.25f32, 0.5, 0.75, 1.0][..]),
        select(&[1u8, 1, 1, 2][..]),
        proptest::option::of(select(PHRASES)),
        proptest::option::of(select(PATTERNS)),
        any::<bool>(),
        proptest::option::weighted(0.3, select(UNLESS)),
    )
        .prop_filter("looks for nothing", |rule| rule.3.is_some() || rule.4.is_some())
        .prop_map(|(category, score, level, phrase, pattern, whole_words, unless)| {
            RuleSample { category, score, level, phrase, pattern, whole_words, unless }
        })
}

/// The decisions and rules as a policy file says them.
fn written(
    actions: &[(&'static str, f32)],
    rules: &[RuleSample],
) -> (Vec<(Category, &'static str, f32)>, String) {
    let decisions = CATEGORIES
        .iter()
        .zip(actions)
        .map(|(category, (action, from))| (*category, *action, *from))
        .collect();
    let mut text = String::from("rules:\n");
    for (number, rule) in rules.iter().enumerate() {
        let list = |text: Option<&str>| text.map_or("[]".to_owned(), |text| format!("['{text}']"));
        text.push_str(&format!(
            "  - {{ id: r{number}, category: {}, score: {}, level: {}, whole_words: {}, phrases: {}, patterns: [qqq{}], unless: {}, redact_as: '<{number}>' }}\n",
            CATEGORIES[rule.category],
            rule.score,
            rule.level,
            rule.whole_words,
            list(rule.phrase),
            // One that never matches: a rule of phrases alone might be refused as unreachable.
            rule.pattern.map_or(String::new(), |text| format!(", '{text}'")),
            list(rule.unless),
        ));
    }
    (decisions, text)
}

/// The canonical view, and where in the text each byte of it comes from.
fn view_of(text: &str) -> (String, Vec<usize>) {
    let mut view = String::new();
    let mut starts: Vec<usize> = Vec::new();
    for (at, c) in text.char_indices() {
        let folded = match fold(c) {
            Folded::Dropped => String::new(),
            Folded::Space if view.ends_with(' ') => String::new(),
            Folded::Space => " ".to_owned(),
            Folded::One(one) => one.to_string(),
            Folded::Many(many) => many,
        };
        starts.extend(std::iter::repeat_n(at, folded.len()));
        view.push_str(&folded);
    }
    (view, starts)
}

fn spans_of(rule: &RuleSample, view: &str) -> Vec<Range<usize>> {
    let edge = |c: Option<char>| rule.whole_words && c.is_some_and(char::is_alphanumeric);
    let whole = |span: &Range<usize>| {
        !edge(view[..span.start].chars().next_back()) && !edge(view[span.end..].chars().next())
    };
    let excepted = |span: &Range<usize>| {
        let Some(unless) = rule.unless else { return false };
        let unless = regex::Regex::new(unless).unwrap();
        (0..=span.start).filter(|at| view.is_char_boundary(*at)).any(|at| {
            unless
                .find_at(view, at)
                .is_some_and(|found| found.start() == at && found.end() >= span.end)
        })
    };
    let mut spans: Vec<Range<usize>> = Vec::new();
    if let Some(phrase) = rule.phrase {
        let starts = (0..view.len())
            .filter(|at| view.is_char_boundary(*at) && view[*at..].starts_with(phrase));
        spans.extend(starts.map(|at| at..at + phrase.len()).filter(whole));
        spans.retain(|span| !excepted(span));
    }
    if let Some(pattern) = rule.pattern {
        let pattern = regex::Regex::new(pattern).unwrap();
        let mut at = 0;
        while let Some(span) = pattern.find_at(view, at).map(|found| found.range()) {
            if excepted(&span) {
                at = view.ceil_char_boundary(span.start + 1);
            } else {
                at = span.end;
                spans.push(span);
            }
        }
    }
    spans
}

/// The plainest possible reading of the rules, on the whole text.
fn expected(
    text: &str,
    actions: &[(&'static str, f32)],
    rules: &[RuleSample],
) -> (String, Option<&'static str>) {
    let (view, starts) = view_of(text);
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        found.extend(spans_of(rule, &view).into_iter().map(|span| (span.start, span.end, number)));
    }
    found.sort_unstable();
    found.dedup();

    let mut matched = vec![false; rules.len()];
    let mut out = String::new();
    let mut done = 0;
    let mut last_mask = usize::MAX;
    for (start, end, number) in found {
        let last = starts[end - 1];
        let stop = starts.iter().find(|start| **start > last).copied().unwrap_or(text.len());
        let span = starts[start]..stop;
        matched[number] = true;
        let rule = &rules[number];
        let (action, threshold) = actions[rule.category];
        if rule.level > 1 || score(rule.category, rules, &matched) + 1e-6 < f64::from(threshold) {
            continue;
        }
        match action {
            "block" | "replace" => {
                out.push_str(text.get(done..span.start).unwrap_or_default());
                return (out, Some(action));
            }
            "redact" => {
                // Spans that touch share a mask when it is the same.
                let joins = span.start < done || span.start == done && last_mask == number;
                if !joins {
                    last_mask = number;
                    out.push_str(&text[done..span.start]);
                    out.push_str(&format!("<{number}>"));
                }
                done = done.max(span.end);
            }
            _ => {}
        }
    }
    (out + &text[done..], None)
}

/// `1 - Π(1 - score)` over the matched rules that count.
fn score(category: usize, rules: &[RuleSample], matched: &[bool]) -> f64 {
    let doubt: f64 = rules
        .iter()
        .zip(matched)
        .filter(|(rule, matched)| **matched && rule.category == category && rule.level == 1)
        .map(|(rule, _)| 1.0 - f64::from(rule.score))
        .product();
    1.0 - doubt
}

fn answer() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "a", "b", "c", "a", "b", "c", " ", " ", "-", "ab", "B", "\u{200b}", "а", "ｃ", "\n ",
        "b\u{301}", "é", "🆎", "Ⓑ", "x",
    ];
    proptest::collection::vec(select(PARTS), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_cut_gives_what_the_whole_text_gives(
        actions in proptest::collection::vec((select(ACTIONS), select(&[0.25f32, 0.5, 0.8][..])), CATEGORIES.len()),
        rules in proptest::collection::vec(rule(), 1..6),
        text in answer(),
        cuts in proptest::collection::vec(0usize..60, 0..12),
    ) {
        let (decisions, written) = written(&actions, &rules);
        let engine = engine(&decisions, &written);
        let whole = stream(&engine, [text.as_str()]);

        let (expected, stopped) = expected(&text, &actions, &rules);
        prop_assert_eq!(&whole.text, &expected);
        prop_assert_eq!(whole.stopped.map(Action::name), stopped);

        let chars: Vec<String> = text.chars().map(String::from).collect();
        prop_assert_eq!(&stream(&engine, chars.iter().map(String::as_str)), &whole);

        let mut ends: Vec<usize> = cuts.into_iter().filter(|at| text.is_char_boundary(*at) && *at <= text.len()).collect();
        ends.extend([0, text.len()]);
        ends.sort_unstable();
        let pieces: Vec<&str> = ends.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&stream(&engine, pieces), &whole);
    }
}
