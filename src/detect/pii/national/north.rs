//! The Nordic and Baltic countries. Called through the table by `national`.

use super::Needs::{Nothing, Word};
use super::Scheme;
use super::europe::date_with_offsets;
use crate::detect::pii::digits::{digits, is_short_date, luhn, number, weighted};

pub(super) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "SE personal identity number",
        forms: &[
            ("999999-9999", Nothing),
            ("999999+9999", Nothing),
            ("99999999-9999", Nothing),
            ("9999999999", Word),
            ("999999999999", Word),
        ],
        words: &[
            "personnummer*",
            "personal identity number",
            "personal number",
            "samordningsnummer*",
        ],
        valid: |text| {
            let short = text.get(text.len().saturating_sub(10)..).unwrap_or_default();
            let century = text.len() == 10
                || text.starts_with("18")
                || text.starts_with("19")
                || text.starts_with("20");
            // Coordination numbers have sixty added to the day.
            century
                && date_with_offsets(short, &[0], &[0, 60])
                && digits(short).is_some_and(|all| luhn(&all))
        },
    },
    Scheme {
        name: "FI HETU",
        forms: &[("999999-999*", Nothing), ("999999+999*", Nothing), ("999999a999*", Nothing)],
        words: &[],
        valid: hetu,
    },
    Scheme {
        name: "NO birth number",
        forms: &[("99999999999", Nothing), ("999999 99999", Nothing)],
        words: &[],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let first = weighted(&all, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11;
            let second = weighted(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11;
            // D numbers have forty added to the day, H numbers to the month.
            day_first(text, &[0, 40], &[0, 40]) && first == 0 && second == 0
        },
    },
    Scheme {
        name: "DK CPR number",
        forms: &[("999999-9999", Nothing)],
        words: &[],
        valid: |text| day_first(text, &[0], &[0]) && cpr_sum(text),
    },
    Scheme {
        // Since 2007 numbers are given out that do not meet the sum.
        name: "DK CPR number by its name",
        forms: &[("999999-9999", Word), ("9999999999", Word)],
        words: &["cpr*", "personnummer*"],
        valid: |text| day_first(text, &[0], &[0]),
    },
    Scheme {
        name: "IS kennitala",
        forms: &[("999999-9999", Nothing)],
        words: &[],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[3, 2, 7, 6, 5, 4, 3, 2, 1]);
            day_first(text, &[0], &[0])
                && matches!(all.last(), Some(0 | 8 | 9))
                && sum.is_multiple_of(11)
        },
    },
    Scheme {
        name: "EE and LT personal code",
        forms: &[("99999999999", Word)],
        words: &["isikukood*", "asmens kod*", "personal code", "personal identification code"],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let first = weighted(&all, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
            let second = weighted(&all, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
            let check = if first == 10 { second } else { first };
            matches!(all.first(), Some(1..=8))
                && text.get(1..).is_some_and(|rest| date_with_offsets(rest, &[0], &[0]))
                && all.last() == Some(&check)
        },
    },
];

/// `ddmmyy` at the beginning, where day and month may carry an offset.
fn day_first(text: &str, days: &[u32], months: &[u32]) -> bool {
    let (Some(day), Some(month)) = (number(text, 0, 2), number(text, 2, 2)) else { return false };
    days.iter().any(|later| {
        months.iter().any(|offset| {
            day.checked_sub(*later)
                .zip(month.checked_sub(*offset))
                .is_some_and(|(day, month)| is_short_date(month, day))
        })
    })
}

fn cpr_sum(text: &str) -> bool {
    let sum = digits(text).map(|all| weighted(&all, &[4, 3, 2, 7, 6, 5, 4, 3, 2, 1]));
    sum.is_some_and(|sum| sum.is_multiple_of(11))
}

/// The nine digits modulo 31 choose the last character; the sign between tells
/// the century and is gone when it was a plus or a minus.
fn hetu(text: &str) -> bool {
    const CHECKS: &str = "0123456789abcdefhjklmnprstuvwxy";
    let (Some(date), Some(check)) = (text.get(..6), text.chars().next_back()) else { return false };
    let serial = match text.len() {
        10 => text.get(6..9),
        11 => text.get(7..10).filter(|_| text.get(6..7).is_some_and(|c| "abcdefuvwxy".contains(c))),
        _ => None,
    };
    let Some(value) = serial.and_then(|serial| format!("{date}{serial}").parse::<usize>().ok())
    else {
        return false;
    };
    day_first(text, &[0], &[0]) && CHECKS.chars().nth(value % 31) == Some(check)
}
