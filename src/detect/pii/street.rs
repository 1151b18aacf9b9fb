//! Street addresses: a house number and the name of a street, in the order of
//! the language, or any number and words after a phrase that announces them.

use super::Recogniser;
use super::around::{Words, has_word, whole};
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    // 221b baker street, apt. 4
    Recogniser::new(
        concat!(
            r"\b[0-9]{1,5}[a-z]?(?:[ -][0-9]{1,4})? (?:[nsew]\.? |north |south |east |west )?(?:[a-z\x{80}-\x{10ffff}0-9'.-]{1,20} ){1,3}",
            r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|court|ct|boulevard|blvd|place|pl|square|sq|terrace|crescent|parkway|pkwy|highway|hwy|way|close|row|walk|trail|circle|gardens|grove|mews)\b\.?",
            r"(?:,? (?:apt|apartment|suite|ste|unit|flat|room|floor|#)\.? ?#?[0-9]{1,5}[a-z]?)?",
        ),
        is_english,
    ),
    // hauptstrasse 5, 10115
    Recogniser::new(
        r"\b[a-z\x{80}-\x{10ffff}.-]{2,30}(?:strasse|str\.|weg|gasse|platz|allee|ufer|damm|straat|laan|gracht|plein|gatan|vagen|vej|gade|veien|gata|katu|tie) ?[0-9]{1,4} ?[a-z]?\b",
        is_compound,
    ),
    // 12 rue de la paix; calle mayor 3; via roma, 131
    Recogniser::new(
        concat!(
            r"\b(?:[0-9]{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|place|allee|impasse|chemin|quai|cours)(?: (?:de|du|des|la|le|les|d'|l')){0,2} ?[a-z\x{80}-\x{10ffff}'-]{2,24}(?: [a-z\x{80}-\x{10ffff}'-]{2,24})?",
            r"|(?:calle|avenida|avda\.?|plaza|paseo|carrer|via|viale|piazza|corso|vicolo|rua|praca|travessa|ulica|ul\.|rue)(?: (?:de|del|de la|della|delle|dei|do|da|dos))? (?:[a-z\x{80}-\x{10ffff}.'-]{2,24} ){0,2}[a-z\x{80}-\x{10ffff}.'-]{2,24},? (?:n\.? ?|nr\.? ?|no\.? ?)?[0-9]{1,4}(?: ?[a-z])?)\b",
        ),
        is_romance,
    ),
    Recogniser::new(
        r"\b(?:p\.? ?o\.? ?box|postfach|psc) [0-9]{2,6}(?:, box [0-9]{1,6})?\b",
        |candidate| whole(candidate, true),
    ),
    Recogniser::new(r"\b(?:apt|apartment|suite|ste|flat)\.? ?#?[0-9]{1,5}[a-z]?\b", is_unit),
    // Any words between a number and a unit.
    Recogniser::new(
        r"\b[0-9]{1,6}[a-z]?,? (?:[a-z\x{80}-\x{10ffff}'.-]{1,24} ){1,4}(?:[0-9]{1,6}[a-z]?\.?,? )?(?:apt|apartment|suite|ste|unit|flat)\.? ?#?[0-9]{1,5}[a-z]?\b",
        is_with_unit,
    ),
    // After "lives at": 6750 koskikatu 25
    Recogniser::new(
        r"\b(?:[0-9]{1,6}[a-z]?,? (?:[a-z\x{80}-\x{10ffff}.'-]{2,24} ){0,3}[a-z\x{80}-\x{10ffff}.'-]{2,24}(?: [0-9]{1,5}[a-z]?\b)?|(?:[a-z\x{80}-\x{10ffff}.'-]{2,24} ){1,4}[0-9]{1,5}[a-z]?\b)",
        is_announced,
    ),
];

/// Words that name no street: they show that a number counts something.
const PROSE: &[&str] = &[
    "the",
    "a",
    "an",
    "in",
    "on",
    "at",
    "to",
    "and",
    "or",
    "is",
    "are",
    "was",
    "were",
    "for",
    "with",
    "from",
    "by",
    "this",
    "that",
    "these",
    "my",
    "our",
    "your",
    "his",
    "her",
    "their",
    "its",
    "into",
    "as",
    "it",
    "you",
    "we",
    "they",
    "he",
    "she",
    "people",
    "times",
    "days",
    "day",
    "years",
    "year",
    "months",
    "weeks",
    "hours",
    "hour",
    "minutes",
    "minute",
    "min",
    "seconds",
    "miles",
    "mile",
    "km",
    "meters",
    "metres",
    "cases",
    "percent",
    "am",
    "pm",
    "different",
    "best",
    "more",
    "other",
    "of",
    "per",
    "about",
    "between",
    "every",
    "each",
    "no",
    "not",
    "can",
    "do",
    "ways",
    "steps",
    "step",
    "points",
    "degrees",
    "cars",
    "new",
    "old",
    "inch",
    "feet",
    "million",
    "billion",
    "thousand",
    "first",
    "second",
    "third",
    "last",
    "next",
    "same",
    "dollars",
    "euros",
    "game",
    "games",
    "seasons",
    "season",
    "when",
    "one",
    "if",
    "only",
];
/// Endings that are everyday words as well.
const EVERYDAY: &[&str] = &[
    "way", "court", "place", "drive", "square", "close", "row", "walk", "trail", "circle", "st",
    "ct", "dr", "pl", "sq", "gardens", "grove", "lane", "terrace",
];
const ANNOUNCED: &[&str] = &[
    "lives at",
    "live at",
    "living at",
    "lived at",
    "resides at",
    "reside at",
    "residing at",
    "address is",
    "address:",
    "address :",
    "home address",
    "billing address",
    "shipping address",
    "mailing address",
    "delivery address",
    "street address",
    "located at",
    "deliver to",
    "deliver it to",
    "ship to",
    "ship it to",
    "restaurant is at",
    "house is at",
    "office is at",
    "wohnhaft in",
    "adresse:",
    "adresse ist",
    "habite au",
    "domicilio en",
    "direccion:",
    "residente in",
    "indirizzo:",
];

/// Before "via" in its English sense.
static REACHED: Words = Words::new(&["connected", "access", "send", "sent", "contact"]);

fn is_announced_by(candidate: &Candidate<'_>) -> bool {
    let before = candidate.before();
    ANNOUNCED.iter().any(|phrase| before.contains(phrase))
}

fn is_english(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let words: Vec<&str> = matched
        .split([' ', ','])
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    let prose = words.iter().any(|word| PROSE.contains(word));
    let everyday = words.iter().any(|word| EVERYDAY.contains(word))
        && !words.iter().any(|word| ["street", "avenue", "road", "boulevard"].contains(word));
    let first = words.first().copied().unwrap_or_default();
    // A year or an ordinary small number before an everyday word is no house number.
    let sure = !everyday
        || followed_by_a_place(candidate)
        || is_announced_by(candidate)
        || first.len() >= 3 && !is_year(first);
    whole(candidate, !prose && sure && !is_year_of_something(first, &words))
}

fn is_year(word: &str) -> bool {
    word.len() == 4 && (word.starts_with("19") || word.starts_with("20"))
}

fn is_year_of_something(first: &str, words: &[&str]) -> bool {
    is_year(first) && words.last().is_some_and(|word| EVERYDAY.contains(word))
}

/// A postal code or a unit follows.
fn followed_by_a_place(candidate: &Candidate<'_>) -> bool {
    candidate.after().trim_start_matches([',', ' ']).starts_with(|c: char| c.is_ascii_digit())
        || has_word(candidate.matched(), &["apt", "apartment", "suite", "ste", "unit", "flat"])
}

fn is_compound(candidate: &Candidate<'_>) -> Option<usize> {
    let name = candidate.matched().trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    // "unterwegs 5", "platz 3", "tie 2" name no street.
    let whole_name =
        name.chars().count() >= 8 || name.ends_with("strasse") || name.ends_with("str.");
    whole(candidate, whole_name && !candidate.before().ends_with(['/', '.', '@']))
}

fn is_romance(candidate: &Candidate<'_>) -> Option<usize> {
    let mut words = candidate.matched().split([' ', ',']);
    let english = ["via", "place", "avenue", "boulevard"];
    let first = words.next().unwrap_or_default();
    // "via" and "place" are English words as well.
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let plain = words.iter().any(|word| PROSE.contains(word) && !["a", "do"].contains(word));
    // "vía de 1600": a measure, not a house.
    let measure = words
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|word| ["de", "del", "di", "da", "do", "con", "en"].contains(word));
    whole(candidate, !plain && !measure && (!english.contains(&first) || !REACHED.name(candidate)))
}

fn is_with_unit(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let prose = matched.split([' ', ',']).any(|word| PROSE.contains(&word));
    whole(candidate, !prose)
}

fn is_unit(candidate: &Candidate<'_>) -> Option<usize> {
    let digits = candidate.before().bytes().filter(u8::is_ascii_digit).count();
    whole(candidate, digits >= 2 || is_announced_by(candidate))
}

/// What stands right after the announcement.
fn is_announced(candidate: &Candidate<'_>) -> Option<usize> {
    let before = candidate.before().trim_end_matches([' ', ':', '-', '\'', '"']);
    let announced =
        ANNOUNCED.iter().any(|phrase| before.ends_with(phrase.trim_end_matches([' ', ':'])));
    let matched = candidate.matched();
    if !announced {
        return None;
    }
    // Up to the first word of prose.
    let mut end = 0;
    let mut at = 0;
    for word in matched.split_inclusive(' ') {
        if PROSE.contains(&word.trim_matches([' ', ',', '.'])) {
            break;
        }
        at += word.len();
        end = at - (word.len() - word.trim_end_matches([' ', ',']).len());
        // The end of a sentence, not an abbreviation.
        if word.trim_end().ends_with('.') && word.trim_end().len() > 5 {
            break;
        }
    }
    let number = matched.get(..end)?.bytes().any(|byte| byte.is_ascii_digit());
    let name = matched.get(..end)?.contains(' ');
    (number && name).then_some(end)
}
