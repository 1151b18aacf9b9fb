//! The Americas. Called through the table by `national`.

use super::Needs::{Nothing, Word};
use super::Scheme;
use super::europe::date_with_offsets;
use crate::detect::pii::digits::{digits, luhn, number, weighted};

pub(super) const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "US social security number",
        forms: &[("999-99-9999", Nothing), ("999 99 9999", Word), ("999999999", Word)],
        words: &["ssn*", "social security*", "social sec*", "itin", "taxpayer*", "tax id*"],
        valid: ssn,
    },
    Scheme {
        name: "CA social insurance number",
        forms: &[("999-999-999", Word), ("999 999 999", Word), ("999999999", Word)],
        words: &["sin", "social insurance*", "assurance sociale", "nas"],
        valid: |text| {
            digits(text).is_some_and(|all| luhn(&all) && !matches!(all.first(), Some(0 | 8)))
        },
    },
    Scheme { name: "MX CURP", forms: &[("aaaa999999aaaaaa*9", Nothing)], words: &[], valid: curp },
    Scheme {
        name: "BR CPF",
        forms: &[("999.999.999-99", Nothing), ("99999999999", Word)],
        words: &["cpf*", "cadastro de pessoas*"],
        valid: cpf,
    },
    Scheme {
        name: "CL RUT",
        forms: &[("99.999.999-*", Nothing), ("9.999.999-*", Nothing), ("99999999-*", Word)],
        words: &["rut", "run", "rol unico*"],
        valid: rut,
    },
    Scheme {
        name: "AR CUIL",
        forms: &[("99-99999999-9", Nothing)],
        words: &[],
        valid: |text| {
            let Some(all) = digits(text) else { return false };
            let sum = weighted(&all, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
            // Persons; companies have others.
            matches!(number(text, 0, 2), Some(20 | 23 | 24 | 27)) && sum.is_multiple_of(11)
        },
    },
];

/// Social Security Administration: areas and groups that are not given out; and
/// the taxpayer numbers of the IRS, which begin with 9.
fn ssn(text: &str) -> bool {
    let (Some(area), Some(group), Some(serial)) =
        (number(text, 0, 3), number(text, 3, 2), number(text, 5, 4))
    else {
        return false;
    };
    let taxpayer = area >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
    let security = area != 0 && area != 666 && area < 900 && group != 0;
    (taxpayer || security) && serial != 0
}

/// Values as in base 36, but with one more letter after N.
fn curp(text: &str) -> bool {
    let sum: Option<u32> = text.chars().take(17).enumerate().try_fold(0, |sum, (place, c)| {
        let value = c.to_digit(36)?;
        let value = if c > 'n' { value + 1 } else { value };
        Some(sum + value * u32::try_from(18 - place).ok()?)
    });
    let date = text.get(4..).is_some_and(|rest| date_with_offsets(rest, &[0], &[0]));
    let sex = text.chars().nth(10).is_some_and(|c| "hmx".contains(c));
    let check = text.chars().next_back().and_then(|c| c.to_digit(10));
    date && sex && sum.zip(check).is_some_and(|(sum, check)| (10 - sum % 10) % 10 == check)
}

fn cpf(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let check = |weights: &[u32]| weighted(&all, weights) * 10 % 11 % 10;
    let varied = all.iter().any(|digit| Some(digit) != all.first());
    varied
        && all.get(9) == Some(&check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]))
        && all.get(10) == Some(&check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]))
}

fn rut(text: &str) -> bool {
    let Some((body, check)) = text.split_at_checked(text.len().saturating_sub(1)) else {
        return false;
    };
    let Some(mut all) = digits(body) else { return false };
    all.reverse();
    let rest = (11 - weighted(&all, &[2, 3, 4, 5, 6, 7, 2, 3]) % 11) % 11;
    let varied = all.iter().any(|digit| Some(digit) != all.first());
    varied && if rest == 10 { check == "k" } else { check.parse() == Ok(rest) }
}
