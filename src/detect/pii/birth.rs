//! Dates of birth: a date, after a word that says that it is one.

use super::Recogniser;
use super::around::{Words, goes_on, whole};
use super::digits::is_date;
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    Recogniser::new(
        r"\b(?:[0-9]{1,2} ?[./-] ?[0-9]{1,2} ?[./-] ?(?:[0-9]{4}|[0-9]{2})|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2})\b",
        is_birth_in_digits,
    ),
    Recogniser::new(
        concat!(
            r"\b(?:[0-9]{1,2}(?:st|nd|rd|th|\.)?(?: of| de)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|",
            r"januar|februar|maerz|marz|mai|juni|juli|okt|dez|janvier|fevrier|mars|avril|juin|juillet|aout|",
            r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|",
            r"gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre)[a-z]{0,6}\.?,?(?: de)? [0-9]{4}",
            r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4})\b",
        ),
        is_birth_in_words,
    ),
];

static WORDS: Words = Words::new(&[
    "born",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "d.o.b",
    "geboren",
    "geb",
    "geburtsdatum",
    "geburtstag",
    "ne le",
    "nee le",
    "naissance",
    "nacido",
    "nacida",
    "nacimiento",
    "nato",
    "nata",
    "nascita",
    "nascido",
    "nascida",
    "nascimento",
    "geboortedatum",
    "fodd",
    "urodzon*",
]);

/// Years in which somebody alive can be born.
const YEARS: std::ops::RangeInclusive<u32> = 1890..=2049;

fn is_birth_in_digits(candidate: &Candidate<'_>) -> Option<usize> {
    let parts: Option<Vec<u32>> =
        candidate.matched().split(['.', '/', '-']).map(|part| part.trim().parse().ok()).collect();
    let full = |year: u32| if year < 100 { year + 1900 } else { year };
    let valid = match parts?.as_slice() {
        [year, month, day] if *year > 99 => YEARS.contains(year) && is_date(*year, *month, *day),
        [first, second, year] => {
            let year = full(*year);
            YEARS.contains(&year)
                && (is_date(year, *first, *second) || is_date(year, *second, *first))
        }
        _ => false,
    };
    whole(candidate, valid && !goes_on(candidate.after()) && WORDS.name(candidate))
}

fn is_birth_in_words(candidate: &Candidate<'_>) -> Option<usize> {
    let numbers: Vec<u32> = candidate
        .matched()
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect();
    let valid = match numbers.as_slice() {
        [day, year] => (1..=31).contains(day) && YEARS.contains(year),
        _ => false,
    };
    whole(candidate, valid && WORDS.name(candidate))
}
