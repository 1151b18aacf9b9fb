//! Central, southern and eastern Europe, Britain and Ireland. Called through
//! the table by `national`.

use super::Needs::{Nothing, Word};
use super::Scheme;
use crate::detect::pii::digits::{
    digits, is_date, is_short_date, luhn, mod_11_10, mod_97, number, verhoeff, weighted,
};

pub(super) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "GB NHS number",
        forms: &[("999 999 9999", Word), ("999-999-9999", Word), ("9999999999", Word)],
        words: &["nhs*", "patient*", "health number", "health service"],
        valid: nhs,
    },
    Scheme {
        name: "GB national insurance number",
        forms: &[("aa 99 99 99 a", Nothing), ("aa 999999 a", Nothing), ("aa999999a", Word)],
        words: &["national insurance*", "nino", "ni number", "ni no", "insurance number"],
        valid: nino,
    },
    Scheme {
        name: "IE personal public service number",
        forms: &[("9999999a", Word), ("9999999aa", Word)],
        words: &["pps*", "personal public service*"],
        valid: pps,
    },
    Scheme {
        name: "DE tax identification number",
        forms: &[("99 999 999 999", Nothing), ("99999999999", Word)],
        words: &[
            "steuer*",
            "tax id*",
            "tin",
            "idnr",
            "identifikationsnummer",
            "tax number",
            "idno",
        ],
        valid: steuer_id,
    },
    Scheme {
        name: "AT social insurance number",
        forms: &[("9999 999999", Nothing), ("9999999999", Word)],
        words: &[
            "svnr*",
            "sozialversicherung*",
            "versicherungsnummer",
            "sv-nummer",
            "social insurance*",
        ],
        valid: svnr,
    },
    Scheme {
        name: "CH AHV number",
        forms: &[("756.9999.9999.99", Nothing), ("7569999999999", Nothing)],
        words: &[],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            weighted(&all, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
        },
    },
    Scheme {
        name: "FR NIR",
        forms: &[
            ("9 99 99 9* 999 999 99", Nothing),
            ("9 99 99 9* 999 999", Word),
            ("999999*99999999", Nothing),
        ],
        words: &["securite sociale", "nir", "insee", "numero de secu*"],
        valid: nir,
    },
    Scheme {
        name: "IT codice fiscale",
        forms: &[("aaaaaa**a**a***a", Nothing), ("aaa aaa **a** a***a", Nothing)],
        words: &[],
        valid: codice_fiscale,
    },
    Scheme {
        name: "ES DNI and NIE",
        forms: &[
            ("99999999a", Nothing),
            ("99999999-a", Nothing),
            ("99999999 a", Word),
            ("99.999.999-a", Nothing),
            ("a9999999a", Nothing),
            ("a-9999999-a", Nothing),
        ],
        words: &["dni", "nif", "nie", "documento nacional*"],
        valid: dni,
    },
    Scheme {
        name: "PT NIF",
        forms: &[("999999999", Word), ("999 999 999", Word)],
        words: &["nif", "contribuinte", "numero fiscal", "identificacao fiscal"],
        valid: nif,
    },
    Scheme {
        name: "NL BSN",
        forms: &[("999999999", Word), ("9999.99.999", Word), ("999 999 999", Word)],
        words: &["bsn*", "burgerservice*", "sofi*", "citizen service number"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let (head, last) = all.split_at_checked(8).unwrap_or_default();
            let sum = weighted(head, &[9, 8, 7, 6, 5, 4, 3, 2]);
            sum > 0 && last.first().is_some_and(|last| sum % 11 == *last)
        },
    },
    Scheme {
        name: "BE national register number",
        forms: &[
            ("99.99.99-999.99", Nothing),
            ("99999999999", Nothing),
            ("999999-999-99", Nothing),
        ],
        words: &[],
        valid: rijksregister,
    },
    Scheme {
        name: "LU national number",
        forms: &[("9999999999999", Nothing)],
        words: &[],
        valid: |text| {
            let (Some(all), Some(date)) = (digits(text), long_date(text)) else { return false };
            let without = |at: usize| all.get(..at).unwrap_or_default();
            let second: Vec<u32> = all.iter().take(11).chain(all.last()).copied().collect();
            date && luhn(without(12)) && verhoeff(&second)
        },
    },
    Scheme {
        name: "PL PESEL",
        forms: &[("99999999999", Word)],
        words: &["pesel*"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
            // Twenty is added to the month per century, from 1900 on; eighty before.
            date_with_offsets(text, &[0, 20, 40, 60, 80], &[0]) && sum.is_multiple_of(10)
        },
    },
    Scheme {
        name: "CZ and SK birth number",
        forms: &[("999999/9999", Nothing), ("9999999999", Word)],
        words: &["rodne cislo", "rodneho cisla", "rodne c*", "birth number"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let (head, last) = all.split_at_checked(9).unwrap_or_default();
            let rest = head.iter().fold(0, |rest, digit| (rest * 10 + digit) % 11) % 10;
            date_with_offsets(text, &[0, 20, 50, 70], &[0]) && last.first() == Some(&rest)
        },
    },
    Scheme {
        name: "RO CNP",
        forms: &[("9999999999999", Word)],
        words: &["cnp", "cod numeric personal"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
            let check = if sum == 10 { 1 } else { sum };
            text.get(1..).is_some_and(|rest| date_with_offsets(rest, &[0], &[0]))
                && all.first() != Some(&0)
                && all.last() == Some(&check)
        },
    },
    Scheme {
        name: "BG EGN",
        forms: &[("9999999999", Word)],
        words: &["egn", "егн"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let check = weighted(&all, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
            date_with_offsets(text, &[0, 20, 40], &[0]) && all.last() == Some(&check)
        },
    },
    Scheme {
        name: "HR OIB",
        forms: &[("99999999999", Word)],
        words: &["oib", "osobni identifikacijski*"],
        valid: |text| digits(text).is_some_and(|all| mod_11_10(&all)),
    },
    Scheme {
        name: "GR AMKA",
        forms: &[("99999999999", Word)],
        words: &["amka"],
        valid: |text| {
            let day = (number(text, 2, 2), number(text, 0, 2));
            matches!(day, (Some(month), Some(day)) if is_short_date(month, day))
                && digits(text).is_some_and(|all| luhn(&all))
        },
    },
];

fn nhs(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let check = (11 - weighted(&all, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    all.last() == Some(&check)
}

/// Prefixes that are never given out.
fn nino(text: &str) -> bool {
    let mut letters = text.chars();
    let (first, second, last) = (letters.next(), letters.next(), letters.next_back());
    let prefix = text.get(..2).unwrap_or_default();
    !first.is_some_and(|c| "dfiquv".contains(c))
        && !second.is_some_and(|c| "dfiquvo".contains(c))
        && last.is_some_and(|c| ('a'..='d').contains(&c))
        && !["bg", "gb", "kn", "nk", "nt", "tn", "zz"].contains(&prefix)
}

fn pps(text: &str) -> bool {
    let Some(all) = text.get(..7).and_then(digits) else { return false };
    let letter = |at: usize| text.get(at..at + 1).and_then(|c| u32::from_str_radix(c, 36).ok());
    let second = letter(8).map_or(0, |value| (value - 9) % 23);
    let sum = (weighted(&all, &[8, 7, 6, 5, 4, 3, 2]) + second * 9) % 23;
    // W stands for 0.
    letter(7).is_some_and(|value| (value - 9) % 23 == sum && value - 9 <= 23)
}

/// One digit of the first ten occurs two or three times, the others once or never.
fn steuer_id(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let body = all.get(..10).unwrap_or_default();
    let count = |digit: u32| body.iter().filter(|other| **other == digit).count();
    let repeated: Vec<usize> = (0..10).map(count).filter(|count| *count > 1).collect();
    all.first() != Some(&0) && matches!(repeated.as_slice(), [2 | 3]) && mod_11_10(&all)
}

fn svnr(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let sum = weighted(&all, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let day = (number(text, 6, 2), number(text, 4, 2));
    matches!(day, (Some(month), Some(day)) if is_short_date(month, day))
        && all.get(3) == Some(&(sum % 11))
}

/// The key is 97 minus the number modulo 97; Corsica counts as 19 and 18.
fn nir(text: &str) -> bool {
    let text = text.replacen("2a", "19", 1).replacen("2b", "18", 1);
    let Some(all) = digits(&text) else { return false };
    let plausible = matches!(all.first(), Some(1 | 2))
        && number(&text, 3, 2).is_some_and(|month| (1..=12).contains(&month) || month >= 20);
    match all.len() {
        15 => {
            let key = number(&text, 13, 2).unwrap_or_default();
            plausible && all.get(..13).is_some_and(|body| 97 - mod_97(body) == key)
        }
        // Without its key.
        13 => plausible,
        _ => false,
    }
}

fn codice_fiscale(text: &str) -> bool {
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
        6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    let sum: Option<u32> = text.chars().take(15).enumerate().try_fold(0, |sum, (place, c)| {
        let value = c.to_digit(36)?;
        let index = usize::try_from(value).ok()?;
        // Places count from one: the first is odd.
        let odd = ODD.get(index).copied()?;
        let even = if value < 10 { value } else { value - 10 };
        Some(sum + if place % 2 == 0 { odd } else { even })
    });
    // In place of a digit stands a letter when two people would have one code.
    let numeric = [6, 7, 9, 10, 12, 13, 14].into_iter().all(|at| {
        text.chars().nth(at).is_some_and(|c| c.is_ascii_digit() || "lmnpqrstuv".contains(c))
    });
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let month =
        numeric && digits >= 3 && text.chars().nth(8).is_some_and(|c| "abcdehlmprst".contains(c));
    let check = text.chars().nth(15).and_then(|c| c.to_digit(36));
    month && sum.zip(check).is_some_and(|(sum, check)| check >= 10 && sum % 26 == check - 10)
}

fn dni(text: &str) -> bool {
    const LETTERS: &str = "trwagmyfpdxbnjzsqvhlcke";
    let replaced = match text.chars().next() {
        Some('x') => text.replacen('x', "0", 1),
        Some('y') => text.replacen('y', "1", 1),
        Some('z') => text.replacen('z', "2", 1),
        _ => text.to_owned(),
    };
    let (value, letter) = (number(&replaced, 0, 8), replaced.chars().nth(8));
    value.zip(letter).is_some_and(|(value, letter)| {
        usize::try_from(value % 23).is_ok_and(|at| LETTERS.chars().nth(at) == Some(letter))
    })
}

/// Numbers of persons begin with 1, 2 or 3.
fn nif(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let rest = 11 - weighted(&all, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest >= 10 { 0 } else { rest };
    matches!(all.first(), Some(1..=3)) && all.last() == Some(&check)
}

/// The key is 97 minus the number modulo 97, with a 2 before it from 2000 on.
fn rijksregister(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let (body, key) = (all.get(..9).unwrap_or_default(), number(text, 9, 2));
    let with_two: Vec<u32> = std::iter::once(2).chain(body.iter().copied()).collect();
    let holds = |body: &[u32]| key == Some(97 - mod_97(body));
    date_with_offsets(text, &[0, 20, 40], &[0]) && (holds(body) || holds(&with_two))
}

/// `yymmdd` at the beginning, where month and day may carry an offset.
pub(super) fn date_with_offsets(text: &str, months: &[u32], days: &[u32]) -> bool {
    let (Some(month), Some(day)) = (number(text, 2, 2), number(text, 4, 2)) else { return false };
    months.iter().any(|offset| {
        days.iter().any(|later| {
            month
                .checked_sub(*offset)
                .zip(day.checked_sub(*later))
                .is_some_and(|(month, day)| is_short_date(month, day))
        })
    })
}

/// `yyyymmdd` at the beginning, of somebody who may be alive.
pub(super) fn long_date(text: &str) -> Option<bool> {
    let (year, month, day) = (number(text, 0, 4)?, number(text, 4, 2)?, number(text, 6, 2)?);
    Some((1850..2100).contains(&year) && is_date(year, month, day))
}
