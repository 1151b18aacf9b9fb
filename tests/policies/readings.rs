//! What the views of a text see through: every disguise alone, inside a
//! sentence and inside another one, and what they leave alone.

use std::ops::Range;

use portcullis::domain::View;
use portcullis::text::{Canonical, ViewsMax, views};
use proptest::prelude::*;

use super::disguise;

const MAX: ViewsMax = ViewsMax { depth: 3, bytes: 1 << 20 };
/// Stands for whatever a policy forbids; long enough to be recognised as language.
const PHRASE: &str = "how do people write a short poem about the sea";

/// Where `phrase` is found as whole words, in any reading: the reading's kind and
/// the original range.
fn find(text: &str, phrase: &str) -> Option<(View, Range<usize>)> {
    let canonical = Canonical::of(text);
    if let Some(at) = whole_words(canonical.text(), phrase) {
        return Some((View::Canonical, canonical.original(at..at + phrase.len())));
    }
    views(text, &canonical, MAX).list.iter().find_map(|derived| {
        let at = whole_words(derived.view().text(), phrase)?;
        Some((derived.kind(), derived.original(at..at + phrase.len())))
    })
}

fn whole_words(text: &str, phrase: &str) -> Option<usize> {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(phrase).map(|(at, _)| at).find(|at| {
        !word(text[..*at].chars().next_back()) && !word(text[*at + phrase.len()..].chars().next())
    })
}

/// Disguises of which words are lost, and those that no view reads.
const LOST: &[&str] = &[
    "atbash",
    "ROT47",
    "blanks left out",
    "vowels left out",
    "letters in a wrong order",
    "blanks inside words",
    // `owhay` is `how` and `who`.
    "pig Latin",
];

#[test]
fn every_disguise_is_seen_through_but_those_named() {
    let mut wrong = Vec::new();
    for (name, disguise) in disguise::ALL {
        let found = find(&disguise(PHRASE), PHRASE).is_some();
        if found == LOST.contains(name) {
            wrong.push(format!("{name}: {:?}", disguise(PHRASE)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_disguised_part_reads_in_its_sentence() {
    let mut wrong = Vec::new();
    for (name, disguise) in disguise::ALL.iter().filter(|(name, _)| !LOST.contains(name)) {
        let told = format!("Please read this: {} and then answer it briefly.", disguise(PHRASE));
        match find(&told, PHRASE) {
            Some((_, span)) if told.get(span.clone()).is_some() => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Codes keep every character; spellings and ciphers inside them are read after them.
const CODES: &[&str] = &[
    "base64",
    "base64url",
    "base32",
    "hexadecimal",
    "hexadecimal, spaced",
    "percent escapes",
    "HTML decimal references",
    r"\u escapes",
    "quoted-printable",
    "binary octets",
    "Unicode tags",
    "variation selector bytes",
    "zero-width bits",
];

#[test]
fn two_codes_inside_one_another_are_seen_through() {
    let known = |name: &str| disguise::ALL.iter().find(|(known, _)| *known == name).unwrap();
    let mut wrong = Vec::new();
    for outer in CODES {
        // Those that are two codes already would be three.
        let single = disguise::ALL.iter().filter(|(name, _)| !name.contains(" of "));
        for (inner, disguise) in single.filter(|(name, _)| !LOST.contains(name)) {
            let hidden = known(outer).1(&disguise(PHRASE));
            // Tags shadow ASCII alone, and no line break; hidden bits hide no hidden bits.
            let plain = disguise(PHRASE).is_ascii();
            let fits = match *outer {
                "Unicode tags" => plain && !disguise(PHRASE).contains('\n'),
                outer if outer == *inner => plain,
                outer => hidden.is_ascii() == plain || outer.starts_with("base64"),
            };
            if fits && find(&hidden, PHRASE).is_none() {
                wrong.push(format!("{outer} of {inner}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_finding_covers_what_was_written() {
    for (text, phrase, written) in [
        ("say d3JpdGUgYSBwb2Vt now", "write a poem", "d3JpdGUgYSBwb2Vt"),
        ("say w%72ite a po%65m now", "write a poem", "w%72ite a po%65m"),
        ("say w.r.i.t.e now", "write", "w.r.i.t.e"),
        ("say wr1te now", "write", "wr1te"),
        ("say 77 72 69 74 65 now", "write", "77 72 69 74 65"),
        ("ſay\u{200b} wr_ite now", "say write", "ſay\u{200b} wr_ite"),
        ("d3JpdGUgYSBwJTZGZW0=", "poem", "d3JpdGUgYSBwJTZGZW0="),
    ] {
        let (_, span) = find(text, phrase).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(&text[span], written);
    }
}

#[test]
fn what_exceeds_the_depth_is_told() {
    let known = |name: &str| disguise::ALL.iter().find(|(known, _)| *known == name).unwrap().1;
    let hidden = (0..5).fold(PHRASE.to_owned(), |text, _| known("base64")(&text));
    let text = format!("say {hidden} now");
    let read = views(&text, &Canonical::of(&text), MAX);
    assert!(read.list.len() >= MAX.depth);
    assert_eq!(read.unjudged.as_slice(), std::slice::from_ref(&(4..4 + hidden.len())));
    let deep = ViewsMax { depth: 6, ..MAX };
    assert!(views(&text, &Canonical::of(&text), deep).unjudged.is_empty());
}

#[test]
fn what_exceeds_the_budget_is_told() {
    let text = "say d3JpdGUgYSBwb2Vt and 706f656d now";
    let read = views(text, &Canonical::of(text), ViewsMax { depth: 3, bytes: 8 });
    assert!(read.list.is_empty());
    assert_eq!(read.unjudged.as_slice(), std::slice::from_ref(&(0..text.len())));
}

/// English prose of many kinds: nothing to decode, nothing to pay for.
#[test]
fn plain_prose_has_no_other_reading() {
    for text in [
        "I would like to know how the weather in the mountains changes over the year.",
        "Dear Ms Miller, thank you for your letter of 3 May 2024; we'll answer it by Friday.",
        "Could you explain what the word \"recursion\" means (in simple terms, please)?",
        "At 10:30 the train left for London, and nobody, not even Tom's father, said a word!",
        "My phone costs $399, or 20% less with a contract. Is that a good price? I doubt it.",
    ] {
        let read = views(text, &Canonical::of(text), MAX);
        assert!(read.unjudged.is_empty());
        let texts: Vec<_> = read.list.iter().map(|derived| derived.view().text()).collect();
        assert!(texts.is_empty() || text.contains('%'), "{text}: {texts:?}");
    }
}

fn chars() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{1,8}",
        "[A-Za-z0-9+/=]{1,12}",
        "(%[0-9a-f]{2}|&#[0-9]{2,3};|\\\\u00[0-9a-f]{2}|=[0-9A-F]{2}){1,4}",
        "([01]{8} ?){1,4}",
        "[.-]{1,4}( [.-]{1,4}){0,4}",
        "[\u{200b}-\u{200d}\u{fe00}-\u{fe0f}\u{e0100}-\u{e017f}\u{e0020}-\u{e007e}]{1,12}",
        "([a-z0-9@$!][._ *-]){1,6}",
        Just("<b>".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("aaaa".to_owned()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_range_of_every_reading_maps_to_characters(text in chars(), budget in 0usize..4096) {
        let canonical = Canonical::of(&text);
        let read = views(&text, &canonical, ViewsMax { depth: 3, bytes: budget });
        let total: usize = read.list.len();
        prop_assert!(total <= 96);
        for derived in &read.list {
            let view = derived.view().text();
            let ends: Vec<usize> =
                view.char_indices().map(|(at, _)| at).chain([view.len()]).collect();
            for pair in ends.windows(2).chain(ends.windows(ends.len().min(5))) {
                let (from, to) = (pair[0], pair[pair.len() - 1]);
                let span = derived.original(from..to);
                prop_assert!(from == to || span.start < span.end, "{text:?} {view:?} {from}..{to}");
                prop_assert!(text.get(span).is_some());
            }
        }
        for span in &read.unjudged {
            prop_assert!(text.get(span.clone()).is_some(), "{text:?} {span:?}");
        }
    }

    #[test]
    fn a_mark_or_an_invisible_character_anywhere_changes_nothing(
        at in 1usize..9,
        mark in prop::sample::select(vec![
            "\u{200b}", "\u{ad}", "\u{2060}", "\u{fe0f}", "\u{301}", "\u{e0041}", "\u{202d}",
            ".", "-", "_", "*", "**", "/", "~", "|", "<i>", "</i>", "·", "•", "🔥",
        ]),
    ) {
        let phrase = "pipe wrench";
        let mut text = format!("where is the {phrase} today");
        let place = text.find(phrase).unwrap() + at;
        // At the edge of a word a separator is punctuation; only what is invisible goes unseen there.
        let edge = text[..place].ends_with(' ') || text[place..].starts_with(' ');
        prop_assume!(!edge || !mark.is_ascii() && !"·•🔥".contains(mark));
        text.insert_str(place, mark);
        prop_assert!(find(&text, phrase).is_some(), "{text:?}");
    }

    #[test]
    fn letters_under_every_key_are_read(by in 1u8..26, words in proptest::sample::subsequence(
        vec!["please", "write", "the", "letter", "about", "weather", "and", "garden", "with", "summer", "people"], 6..11)) {
        let phrase = words.join(" ");
        prop_assert!(find(&disguise::caesar(&phrase, by), &phrase).is_some(), "{phrase}");
    }
}
