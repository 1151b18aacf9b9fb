//! Asia, Africa and Oceania. Called through the table by `national`.

use super::Needs::{Nothing, Word};
use super::Scheme;
use super::europe::{date_with_offsets, long_date};
use crate::detect::pii::digits::{digits, luhn, number, verhoeff, weighted};

pub(super) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "IN Aadhaar",
        forms: &[("9999 9999 9999", Word), ("999999999999", Word), ("9999-9999-9999", Word)],
        words: &["aadhaar*", "aadhar*", "adhaar*", "uidai", "uid"],
        valid: |text| {
            digits(text)
                .is_some_and(|all| verhoeff(&all) && all.first().is_some_and(|first| *first >= 2))
        },
    },
    Scheme {
        name: "IN permanent account number",
        forms: &[("aaaaa9999a", Word)],
        words: &["pan", "pan card", "permanent account*"],
        valid: |text| text.chars().nth(3).is_some_and(|c| "abcfghjlpt".contains(c)),
    },
    Scheme {
        name: "CN resident identity number",
        forms: &[("99999999999999999*", Nothing)],
        words: &[],
        valid: resident,
    },
    Scheme {
        name: "KR resident registration number",
        forms: &[("999999-9999999", Nothing)],
        words: &[],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
            date_with_offsets(text, &[0], &[0]) && all.last() == Some(&((11 - sum) % 10))
        },
    },
    Scheme {
        name: "JP individual number",
        forms: &[("9999 9999 9999", Word), ("999999999999", Word)],
        words: &["my number", "mynumber", "individual number"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            let check = if sum <= 1 { 0 } else { 11 - sum };
            all.last() == Some(&check)
        },
    },
    Scheme { name: "SG NRIC", forms: &[("a9999999a", Nothing)], words: &[], valid: nric },
    Scheme {
        name: "TW identity number",
        forms: &[("a999999999", Word)],
        words: &["national id*", "identity card*", "id card*", "taiwan*"],
        valid: taiwan,
    },
    Scheme {
        name: "TH identity number",
        forms: &[("9-9999-99999-99-9", Nothing), ("9999999999999", Word)],
        words: &["thai*", "national id*", "identity card*", "id card*"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            all.first() != Some(&0) && all.last() == Some(&((11 - sum) % 10))
        },
    },
    Scheme {
        name: "TR identity number",
        forms: &[("99999999999", Word)],
        words: &["kimlik*", "tckn", "t.c.", "tc no", "turkish id*", "national id*"],
        valid: kimlik,
    },
    Scheme {
        name: "IL identity number",
        forms: &[("999999999", Word), ("99999999-9", Word)],
        words: &["teudat zehut", "israeli id*", "mispar zehut"],
        valid: |text| {
            digits(text).is_some_and(|all| luhn(&all) && all.iter().any(|digit| *digit > 0))
        },
    },
    Scheme {
        name: "AE Emirates ID",
        forms: &[("784-9999-9999999-9", Nothing)],
        words: &[],
        valid: |text| digits(text).is_some_and(|all| luhn(&all)),
    },
    Scheme {
        name: "ZA identity number",
        forms: &[("9999999999999", Nothing), ("999999 9999 999", Nothing)],
        words: &[],
        valid: |text| {
            let citizenship = number(text, 10, 1).is_some_and(|value| value <= 1);
            date_with_offsets(text, &[0], &[0])
                && citizenship
                && digits(text).is_some_and(|all| luhn(&all))
        },
    },
    Scheme {
        name: "AU tax file number",
        forms: &[("999 999 999", Word), ("999999999", Word)],
        words: &["tfn", "tax file*"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            weighted(&all, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
                && all.iter().any(|digit| *digit > 0)
        },
    },
    Scheme {
        name: "AU Medicare number",
        forms: &[("9999 99999 9", Word), ("9999999999", Word)],
        words: &["medicare*"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
            matches!(all.first(), Some(2..=6)) && all.get(8) == Some(&sum)
        },
    },
];

/// GB 11643: ISO 7064, MOD 11-2, and a date inside.
fn resident(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let Some(all) = text.get(..17).and_then(digits) else { return false };
    let rest = (12 - weighted(&all, &WEIGHTS) % 11) % 11;
    let check = text.get(17..).unwrap_or_default();
    let date = text.get(6..).and_then(long_date).unwrap_or_default();
    all.first() != Some(&0)
        && date
        && if rest == 10 { check == "x" } else { check.parse() == Ok(rest) }
}

fn nric(text: &str) -> bool {
    let (Some(all), Some(check)) = (text.get(1..8).and_then(digits), text.chars().nth(8)) else {
        return false;
    };
    let sum = weighted(&all, &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, offset) = match text.chars().next() {
        Some('s') => ("jzihgfedcba", 0),
        Some('t') => ("jzihgfedcba", 4),
        Some('f') => ("xwutrqpnmlk", 0),
        Some('g') => ("xwutrqpnmlk", 4),
        _ => return false,
    };
    usize::try_from((sum + offset) % 11).is_ok_and(|at| letters.chars().nth(at) == Some(check))
}

/// The first letter stands for a number of two digits.
fn taiwan(text: &str) -> bool {
    const LETTERS: &str = "abcdefghjklmnpqrstuvxywzio";
    let (Some(first), Some(all)) = (text.chars().next(), text.get(1..).and_then(digits)) else {
        return false;
    };
    let Some(code) = LETTERS.find(first).and_then(|at| u32::try_from(at + 10).ok()) else {
        return false;
    };
    let sum = code / 10 + code % 10 * 9 + weighted(&all, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(all.first(), Some(1 | 2)) && sum.is_multiple_of(10)
}

fn kimlik(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let odd = weighted(&all, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(&all, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let tenth = (odd * 7 + 90 - even) % 10;
    let eleventh = weighted(&all, &[1; 10]) % 10;
    all.first() != Some(&0) && all.get(9) == Some(&tenth) && all.get(10) == Some(&eleventh)
}
