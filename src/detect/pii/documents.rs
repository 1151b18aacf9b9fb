//! Passports and driving licences: numbers without a common form, after a word
//! that names them, and the machine-readable line of a passport, which has
//! check digits (ICAO Doc 9303, part 3).

use super::Recogniser;
use super::around::{Words, begins_alone, goes_on, stands_alone, whole};
use crate::detect::Candidate;

pub(super) const PASSPORT: &[Recogniser] = &[
    Recogniser::new(r"\b[a-z]{0,3}[0-9][a-z0-9]{5,9}\b", is_passport),
    Recogniser::new(r"\b[cfghjklmnprtvwxyz][a-z0-9]{7}[0-9]\b", is_passport),
    Recogniser::new(
        r"\b[a-z0-9<]{9}[0-9][a-z<]{3}[0-9]{7}[mfx<][0-9]{7}[a-z0-9<]{14}[0-9<][0-9]\b",
        is_machine_readable,
    ),
];

pub(super) const DRIVING_LICENCE: &[Recogniser] = &[
    Recogniser::new(r"\b[a-z]{0,5}[0-9][a-z0-9]{0,18}(?:[ -][a-z0-9]{1,10}){0,3}\b", is_licence),
    // Great Britain, with the date of birth inside.
    Recogniser::new(
        r"\b[a-z9]{5}[0-9](?:0[1-9]|1[0-2]|5[1-9]|6[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9][a-z9]{2}[a-z0-9]{3}\b",
        is_british,
    ),
];

static PASSPORT_WORDS: Words = Words::new(&[
    "passport*",
    "reisepass*",
    "passnummer",
    "passeport*",
    "pasaporte*",
    "passaporto*",
    "passaporte*",
    "paspoort*",
    "paszport*",
]);
static LICENCE_WORDS: Words = Words::new(&[
    "driver's licen*",
    "drivers licen*",
    "driver licen*",
    "driving licen*",
    "driver's permit",
    "licence number",
    "license number",
    "licence no",
    "license no",
    "dl number",
    "dl no",
    "dl",
    "fuhrerschein*",
    "fuehrerschein*",
    "permis de conduire",
    "carnet de conducir",
    "patente di guida",
    "rijbewijs*",
    "korkort*",
    "prawo jazdy",
    "carta de conducao",
]);
const SHORT_PROSE: &[&str] = &[
    "is", "no", "nr", "num", "in", "on", "at", "of", "for", "by", "to", "the", "a", "and", "or",
    "was", "are", "has", "my", "id", "ist", "est", "es", "it", "if", "as", "an", "you", "can",
    "not", "i",
];
/// A number of fewer digits is a word with a number in it.
const DIGITS_MIN: usize = 4;

fn digits_in(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

fn is_passport(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let named = PASSPORT_WORDS.name(candidate);
    let numeric = digits_in(matched) >= 5 || digits_in(matched) >= DIGITS_MIN && matched.len() == 9;
    whole(candidate, named && numeric && matched.len() <= 10 && !goes_on(candidate.after()))
}

/// Composite check digits of the second line of a passport.
fn is_machine_readable(candidate: &Candidate<'_>) -> Option<usize> {
    let line = candidate.matched();
    let checked = |from: usize, to: usize, at: usize| {
        let sum: Option<u32> = line
            .get(from..to)?
            .chars()
            .zip([7, 3, 1].into_iter().cycle())
            .try_fold(0, |sum, (c, weight)| {
                let value = if c == '<' { 0 } else { c.to_digit(36)? };
                Some(sum + value * weight)
            });
        Some(sum? % 10 == line.get(at..=at)?.parse::<u32>().ok()?)
    };
    let holds = checked(0, 9, 9)? && checked(13, 19, 19)? && checked(21, 27, 27)?;
    whole(candidate, holds)
}

/// The longest beginning at a gap that ends in a part with a digit.
fn is_licence(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    if !LICENCE_WORDS.name(candidate) || !begins_alone(candidate) {
        return None;
    }
    let mut end = 0;
    let mut at = 0;
    for part in matched.split_inclusive([' ', '-']) {
        let word = part.trim_end_matches([' ', '-']);
        // A word without digits is prose, unless it is a short group of letters.
        if digits_in(word) == 0 && (word.len() > 3 || SHORT_PROSE.contains(&word)) {
            break;
        }
        if digits_in(word) > 0 {
            end = at + word.len();
        }
        at += part.len();
    }
    let number = matched.get(..end)?;
    (digits_in(number) >= DIGITS_MIN && number.len() >= 5).then_some(end)
}

fn is_british(candidate: &Candidate<'_>) -> Option<usize> {
    let surname = candidate.matched().get(..5).unwrap_or_default();
    let letters = surname.trim_end_matches('9');
    whole(candidate, letters.len() >= 2 && !letters.contains('9') && stands_alone(candidate))
}
