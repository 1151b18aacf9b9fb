//! What the recognisers of personal data find, kind by kind, and that no way
//! of writing a value hides a byte of it.

use std::ops::Range;
use std::sync::OnceLock;

use portcullis::detect::{Detector, Rule, pii};
use portcullis::domain::Entity;
use portcullis::text::Canonical;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

#[derive(Deserialize)]
struct Group {
    kind: String,
    find: Vec<String>,
    pass: Vec<String>,
}

fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| serde_saphyr::from_str(include_str!("pii_cases.yaml")).unwrap())
}

fn detector(kind: Entity) -> &'static Detector {
    static DETECTORS: OnceLock<Vec<Detector>> = OnceLock::new();
    let all = DETECTORS.get_or_init(|| {
        let of = |kind: &Entity| {
            Detector::new(vec![Rule { patterns: pii::patterns(*kind).to_vec(), ..Rule::default() }])
                .unwrap()
        };
        Entity::ALL.iter().map(of).collect()
    });
    &all[Entity::ALL.iter().position(|known| *known == kind).unwrap()]
}

fn find(kind: Entity, text: &str) -> Vec<Range<usize>> {
    let view = Canonical::of(text);
    let detector = detector(kind);
    let mut hits = Vec::new();
    detector.scan(&view, 0..view.end(), &mut detector.pass(), &mut hits);
    hits.into_iter().map(|hit| view.original(hit.span)).collect()
}

/// The text without the signs, and the marked bytes of it.
fn marked(written: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut spans) = (String::new(), Vec::new());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}").unwrap();
        text.push_str(before);
        spans.push(text.len()..text.len() + inside.len());
        text.push_str(inside);
        rest = after;
    }
    (text + rest, spans)
}

fn is_in(spans: &[Range<usize>], at: usize) -> bool {
    spans.iter().any(|span| span.contains(&at))
}

#[test]
fn every_kind_finds_what_it_must_and_leaves_the_rest() {
    let mut wrong = Vec::new();
    for group in groups() {
        let kind: Entity = group.kind.parse().unwrap();
        assert!(group.find.len() >= 10 && group.pass.len() >= 10, "{kind}");
        for written in &group.find {
            let (text, wanted) = marked(written);
            let found = find(kind, &text);
            let signs = text.char_indices().filter(|(_, c)| c.is_alphanumeric());
            for (at, c) in signs {
                if is_in(&wanted, at) != is_in(&found, at) {
                    wrong.push(format!(
                        "{kind}: {written:?} at {c:?}, found {:?}",
                        found.iter().map(|span| &text[span.clone()]).collect::<Vec<_>>()
                    ));
                    break;
                }
            }
        }
        for text in &group.pass {
            for span in find(kind, text) {
                wrong.push(format!("{kind}: {:?} in {text:?}", &text[span]));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(groups().len(), Entity::ALL.len());
}

/// A value of a kind with the words before it that it may need.
fn value() -> impl Strategy<Value = (Entity, String, String)> {
    let all: Vec<(Entity, String, String)> = groups()
        .iter()
        .flat_map(|group| group.find.iter().map(move |written| (group, written)))
        .filter(|(_, written)| written.matches("{{").count() == 1)
        .map(|(group, written)| {
            let (text, spans) = marked(written);
            let before = text[..spans[0].start].to_owned();
            (group.kind.parse().unwrap(), before, text[spans[0].clone()].to_owned())
        })
        .collect();
    select(all)
}

/// Characters that nobody sees.
const INVISIBLE: &[char] = &['\u{200b}', '\u{ad}', '\u{2060}', '\u{fe0f}', '\u{200d}', '\u{feff}'];

/// A digit or letter in full width.
fn widened(c: char) -> char {
    match c {
        '0'..='9' | 'a'..='z' | 'A'..='Z' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
        c => c,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_letter_or_digit_of_a_value_is_left(
        (kind, before, value) in value(),
        invisible in proptest::collection::vec((any::<prop::sample::Index>(), select(INVISIBLE)), 0..6),
        wide in any::<bool>(),
        lead in "[a-z ,.\u{e9}\u{416}]{0,40}",
        tail in "([,.!?;)]{0,2} [a-z \u{e9}\u{416}]{0,30})?",
    ) {
        let mut disguised: Vec<char> = value.chars().map(|c| if wide { widened(c) } else { c }).collect();
        for (at, c) in &invisible {
            disguised.insert(at.index(disguised.len()) + 1, *c);
        }
        let disguised = String::from_iter(disguised);
        let head = format!("{lead} so {before}");
        let text = format!("{head}{disguised}{tail}");
        let found = find(kind, &text);
        let signs = disguised.char_indices().filter(|(_, c)| c.is_alphanumeric());
        for (at, c) in signs {
            prop_assert!(is_in(&found, head.len() + at), "{kind}: {c:?} of {value:?} is left in {text:?}: {found:?}");
        }
    }

    /// A detector that sees a text piece by piece finds what one finds that sees it whole.
    #[test]
    fn a_cut_of_the_text_changes_nothing(
        values in proptest::collection::vec(value(), 1..4),
        size in 1usize..60,
    ) {
        let kind = values[0].0;
        let text: String = values.iter().map(|(_, before, value)| format!("{before}{value} and ")).collect();
        let whole = find(kind, &text);
        let view = Canonical::of(&text);
        let detector = detector(kind);
        let (mut pass, mut cut) = (detector.pass(), Vec::new());
        let mut at = 0;
        while at < view.end() {
            let end = view.text().ceil_char_boundary((at + size).min(view.end()));
            detector.scan(&view, at..end, &mut pass, &mut cut);
            at = end;
        }
        let mut cut: Vec<_> = cut.into_iter().map(|hit| view.original(hit.span)).collect();
        let mut whole = whole;
        cut.sort_by_key(|span| (span.start, span.end));
        whole.sort_by_key(|span| (span.start, span.end));
        prop_assert_eq!(cut, whole);
    }
}

/// A key and a token longer than one match may be are masked to the end.
#[test]
fn long_secrets_are_found_whole() {
    let line = "QwErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUiOpAsDfGhJkLzXcVbNm12";
    for lines in [1, 5, 26, 50] {
        let body = vec![line; lines].join("\n");
        let text = format!(
            "see -----BEGIN RSA PRIVATE KEY-----\n{body}\nAb3=\n-----END RSA PRIVATE KEY----- ok"
        );
        let found = find(Entity::PrivateKey, &text);
        for (at, _) in
            text[..text.len() - 3].char_indices().skip(4).filter(|(_, c)| c.is_alphanumeric())
        {
            assert!(is_in(&found, at), "{lines} lines: {:?}", &text[at..]);
        }
        assert!(!is_in(&found, text.len() - 2));
    }
    for length in (1..1500).step_by(7) {
        let payload: String = line.chars().cycle().take(length).collect();
        let text = format!(
            "see eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjox{payload}.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c ok"
        );
        let found = find(Entity::Jwt, &text);
        for (at, _) in text[..text.len() - 3].char_indices().skip(4) {
            assert!(is_in(&found, at), "{length}: {:?}", &text[at..]);
        }
    }
}
