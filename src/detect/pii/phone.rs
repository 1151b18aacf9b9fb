//! Telephone numbers: international ones by the numbering plans, national ones
//! by their usual form, everything else by a word that names it.
//!
//! The plans are those of libphonenumber, through the `phonenumber` crate.

use super::Recogniser;
use super::around::{Words, begins_alone, goes_on, has_word, whole};
use super::digits::{bare, is_date, number};
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    Recogniser::new(
        r"(?:\+|\b00) ?[1-9][0-9]{0,2}(?:[ .()/-]{0,3}[0-9]{1,4}){2,7}(?: ?(?:x|ext\.? ?)[0-9]{1,6})?\b",
        is_international,
    ),
    // North America.
    Recogniser::new(
        r"(?:\b1[ .-])?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[.-])[2-9][0-9]{2}[ .-][0-9]{4}(?: ?(?:x|ext\.? ?)[0-9]{1,6})?\b",
        is_north_american,
    ),
    // Great Britain and France.
    Recogniser::new(
        r"\b(?:07[0-9]{3} ?[0-9]{3} ?[0-9]{3}|0(?:20 [378][0-9]{3}|1[0-9]1 [0-9]{3}) [0-9]{4}|0[12][0-9]{3} [0-9]{3} ?[0-9]{3}|0[1-9](?:[ .-][0-9]{2}){4})\b",
        is_trunk,
    ),
    Recogniser::new(
        r"(?:\(|\b)[0-9](?:[ .()/-]{0,2}[0-9]){5,13}(?: ?(?:x|ext\.? ?)[0-9]{1,6})?\b",
        is_named_number,
    ),
];

static WORDS: Words = Words::new(&[
    "phone*",
    "telephon*",
    "telefon*",
    "tel",
    "call",
    "called",
    "calling",
    "mobile*",
    "cell",
    "cellphone*",
    "fax",
    "whatsapp",
    "sms",
    "text me",
    "ring",
    "dial",
    "reach me",
    "reach him",
    "reach her",
    "reach us",
    "contact",
    "hotline",
    "landline",
    "handy*",
    "portable",
    "movil*",
    "celular*",
    "cellulare",
    "gsm",
    "desk",
    "answering at",
    "messages to",
    "messages on",
]);
/// After a number in a list of them.
const WORDS_AFTER: &[&str] = &["office", "mobile", "fax", "cell", "home", "desk", "work"];
/// Numbers of other things that people call about.
static OTHER_WORDS: Words = Words::new(&[
    "order*",
    "invoice*",
    "ticket*",
    "case",
    "reference",
    "ref",
    "tracking",
    "isbn",
    "issn",
    "item",
    "serial",
    "model",
    "account*",
    "card*",
    "port",
    "pid",
    "error",
    "line",
    "version",
    "sku",
    "id",
    "ean",
    "policy",
    "customer number",
    "part",
]);
/// How far a word before counts against a candidate.
const OTHER_BYTES: usize = 24;

/// E.164 has at most 15 digits.
const DIGITS_MAX: usize = 15;

/// A label may hang on: `-office`.
fn ends_here(candidate: &Candidate<'_>) -> bool {
    let after = candidate.after();
    let label = after.trim_start_matches(['-', ' ']);
    WORDS_AFTER.iter().any(|word| label.starts_with(word)) || !goes_on(after)
}

fn stands_alone(candidate: &Candidate<'_>) -> bool {
    begins_alone(candidate) && ends_here(candidate)
}

/// Without the extension.
fn without_extension(matched: &str) -> &str {
    matched.split(['x', 'e']).next().unwrap_or_default().trim_end()
}

fn is_international(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    if !ends_here(candidate) {
        return None;
    }
    let named = || WORDS.name(candidate);
    let main = without_extension(matched);
    let cuts = main.match_indices([' ', '.', '-', '/']).map(|(at, _)| at).filter(|at| *at > 7);
    let mut ends: Vec<usize> = cuts.chain([main.len()]).collect();
    ends.reverse();
    let end = ends.into_iter().find(|end| {
        let number = bare(main.get(..*end).unwrap_or_default().trim_end());
        let number = if main.starts_with('+') { &*number } else { number.trim_start_matches("00") };
        let possible = (8..=DIGITS_MAX).contains(&number.len());
        possible && (in_plan(number) || main.starts_with('+') && named())
    })?;
    Some(if end == main.len() { matched.len() } else { end })
}

/// Whether a numbering plan has such a number; a trunk zero in brackets is left out.
fn in_plan(number: &str) -> bool {
    phonenumber::parse(None, format!("+{number}")).is_ok_and(|number| number.is_valid())
}

fn is_north_american(candidate: &Candidate<'_>) -> Option<usize> {
    let digits = bare(without_extension(candidate.matched()));
    let national = digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits);
    // N11 is a service, not an area.
    let area = national.get(1..3) != Some("11");
    whole(candidate, area && stands_alone(candidate) && !is_other(candidate))
}

fn is_trunk(candidate: &Candidate<'_>) -> Option<usize> {
    whole(candidate, stands_alone(candidate) && !is_other(candidate))
}

/// A number in any form that a word says is one to call.
fn is_named_number(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let named = || WORDS.name(candidate) || has_word(candidate.after(), WORDS_AFTER);
    if !stands_alone(candidate) || !named() || is_other(candidate) {
        return None;
    }
    let main = without_extension(matched);
    let count = bare(main).len();
    let grouped = main.bytes().any(|byte| !byte.is_ascii_digit());
    let long_enough = count >= if grouped { 7 } else { 8 };
    let telephone =
        long_enough && count <= 13 && !looks_like_a_date(main) && !looks_like_an_address(main);
    whole(candidate, telephone)
}

fn is_other(candidate: &Candidate<'_>) -> bool {
    let before = candidate.before();
    let near = before.get(before.floor_char_boundary(before.len().saturating_sub(OTHER_BYTES))..);
    let near = near.unwrap_or_default();
    OTHER_WORDS.are_in(near) && !WORDS.are_in(near)
}

fn looks_like_a_date(text: &str) -> bool {
    let iso = || {
        let date = text.get(..10)?;
        let separated = matches!(
            date.as_bytes(),
            [_, _, _, _, b'-' | b'/' | b'.', _, _, b'-' | b'/' | b'.', _, _]
        );
        Some(separated && is_date(number(date, 0, 4)?, number(date, 5, 2)?, number(date, 8, 2)?))
    };
    let parts: Vec<&str> = text.split(['/', '.', '-', ' ']).collect();
    let common = match *parts.as_slice() {
        [day, month, year, ..] if year.len() == 4 && day.len() <= 2 && month.len() <= 2 => {
            let year = year.parse::<u32>().unwrap_or_default();
            (1900..2100).contains(&year)
        }
        _ => false,
    };
    common || iso().unwrap_or_default()
}

fn looks_like_an_address(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}
