//! Check digits and dates, as the standards define them. Pure arithmetic; used
//! by the recognisers of numbers.

/// The digits of `text`, or nothing when something else is in it.
pub(super) fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// Only the letters and digits.
pub(super) fn bare(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The number that stands in `length` characters from `at` on.
pub(super) fn number(text: &str, at: usize, length: usize) -> Option<u32> {
    let part = text.get(at..at + length)?;
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

/// Σ digit × weight.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// ISO/IEC 7812-1, annex B; the last digit checks the others.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = if place % 2 == 1 { digit * 2 } else { *digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of a number of any length.
pub(super) fn mod_97(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + digit) % 97)
}

/// ISO 7064, MOD 11,10; the last digit checks the others.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// J. Verhoeff, Error Detecting Decimal Codes (1969): the dihedral group D5.
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    let times = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const MOVED: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let moved = |digit: u32, rounds: usize| {
        (0..rounds % 8).fold(digit, |digit, _| {
            usize::try_from(digit).ok().and_then(|at| MOVED.get(at)).copied().unwrap_or_default()
        })
    };
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (place, digit)| times(check, moved(*digit, place)));
    check == 0
}

/// Whether there is such a day; years of birth and of papers.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether there is such a day in a year whose century is not told.
pub(super) fn is_short_date(month: u32, day: u32) -> bool {
    is_date(2000, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_numbers_have_right_check_digits() {
        assert!(luhn(&digits("4111111111111111").unwrap()));
        assert!(verhoeff(&digits("234123412346").unwrap()));
        assert!(verhoeff(&digits("2363").unwrap()));
        assert!(mod_11_10(&digits("86095742719").unwrap()));
        assert_eq!(mod_97(&digits("3214282912345698765432161182").unwrap()), 1);
        assert!(is_date(2000, 2, 29) && !is_date(1900, 2, 29) && !is_date(2023, 4, 31));
    }

    proptest! {
        /// Exactly one last digit is right, and then no other single digit may change.
        #[test]
        fn one_wrong_digit_is_noticed(body in "[0-9]{4,17}", at in 0usize..17, by in 1u32..10) {
            for check in [luhn, verhoeff, mod_11_10] as [fn(&[u32]) -> bool; 3] {
                let mut right: Vec<Vec<u32>> = Vec::new();
                for last in 0..10 {
                    let mut all = digits(&body).unwrap();
                    all.push(last);
                    if check(&all) {
                        right.push(all);
                    }
                }
                prop_assert_eq!(right.len(), 1);
                let mut wrong = right.remove(0);
                let at = at % wrong.len();
                wrong[at] = (wrong[at] + by) % 10;
                prop_assert!(!check(&wrong));
            }
        }
    }
}
