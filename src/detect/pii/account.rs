//! Payment cards and bank accounts.
//!
//! Cards: issuer ranges and lengths as the networks publish them, with the
//! check digit of ISO/IEC 7812-1. Accounts: ISO 13616, with the national
//! structure that the registry gives.

use super::Recogniser;
use super::around::{Words, begins_alone, goes_on, whole};
use super::digits::{bare, digits, luhn, number};
use crate::detect::Candidate;

pub(super) const CARD: &[Recogniser] = &[
    // As printed, 4-4-4-4 and 4-6-5 and 4-6-4, and without a gap.
    Recogniser::new(
        r"\b(?:[0-9]{4}(?:[ .-]{1,3}[0-9]{4}){3}(?:[ .-]{1,3}[0-9]{1,3})?|3[0-9]{3}[ .-]{1,3}[0-9]{6}[ .-]{1,3}[0-9]{4,5}|[0-9]{12,19})\b",
        is_card,
    ),
    // Digit by digit.
    Recogniser::new(r"\b[0-9](?:[ .-][0-9]){12,18}\b", is_card),
];

pub(super) const IBAN: &[Recogniser] = &[Recogniser::new(
    concat!(
        r"\b(?:no[0-9]{2}(?:[ -]?[a-z0-9]{4}){2}[ -]?[a-z0-9]{3}",
        r"|be[0-9]{2}(?:[ -]?[a-z0-9]{4}){3}",
        r"|(?:dk|fi|fo|gl|nl|sd|fk)[0-9]{2}(?:[ -]?[a-z0-9]{4}){3}[ -]?[a-z0-9]{2}",
        r"|(?:mk|si)[0-9]{2}(?:[ -]?[a-z0-9]{4}){3}[ -]?[a-z0-9]{3}",
        r"|(?:at|ba|ee|kz|lt|lu|xk|mn)[0-9]{2}(?:[ -]?[a-z0-9]{4}){4}",
        r"|(?:ch|hr|li|lv)[0-9]{2}(?:[ -]?[a-z0-9]{4}){4}[ -]?[a-z0-9]",
        r"|(?:bg|bh|cr|de|gb|ge|ie|me|rs|va)[0-9]{2}(?:[ -]?[a-z0-9]{4}){4}[ -]?[a-z0-9]{2}",
        r"|(?:ae|gi|il|iq|tl|om|so)[0-9]{2}(?:[ -]?[a-z0-9]{4}){4}[ -]?[a-z0-9]{3}",
        r"|(?:ad|cz|es|md|pk|ro|sa|se|sk|tn|vg)[0-9]{2}(?:[ -]?[a-z0-9]{4}){5}",
        r"|(?:pt|st|ly)[0-9]{2}(?:[ -]?[a-z0-9]{4}){5}[ -]?[a-z0-9]",
        r"|(?:is|tr)[0-9]{2}(?:[ -]?[a-z0-9]{4}){5}[ -]?[a-z0-9]{2}",
        r"|(?:bi|dj|fr|gr|it|mc|mr|sm)[0-9]{2}(?:[ -]?[a-z0-9]{4}){5}[ -]?[a-z0-9]{3}",
        r"|(?:al|az|by|cy|do|gt|hu|lb|ni|pl|sv)[0-9]{2}(?:[ -]?[a-z0-9]{4}){6}",
        r"|(?:br|eg|ps|qa|ua)[0-9]{2}(?:[ -]?[a-z0-9]{4}){6}[ -]?[a-z0-9]",
        r"|(?:jo|kw|mu)[0-9]{2}(?:[ -]?[a-z0-9]{4}){6}[ -]?[a-z0-9]{2}",
        r"|(?:mt|sc)[0-9]{2}(?:[ -]?[a-z0-9]{4}){6}[ -]?[a-z0-9]{3}",
        r"|lc[0-9]{2}(?:[ -]?[a-z0-9]{4}){7}",
        r"|ru[0-9]{2}(?:[ -]?[a-z0-9]{4}){7}[ -]?[a-z0-9])\b",
    ),
    is_iban,
)];

static CARD_WORDS: Words = Words::new(&[
    "card*",
    "credit*",
    "debit*",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "american express",
    "discover",
    "diners",
    "jcb",
    "unionpay",
    "cc",
    "ccn",
    "pan",
    "karte*",
    "kreditkarte*",
    "carte",
    "tarjeta*",
    "carta",
    "cartao",
]);

/// The longest beginning at a gap that is a card: an expiry date may follow.
fn is_card(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    if !begins_alone(candidate) {
        return None;
    }
    let named = || CARD_WORDS.name(candidate);
    let ends = matched.match_indices([' ', '.', '-']).map(|(at, _)| at);
    let mut ends: Vec<usize> = ends.chain([matched.len()]).collect();
    ends.reverse();
    ends.into_iter().find(|end| {
        let (head, rest) = matched.split_at_checked(*end).unwrap_or((matched, ""));
        if goes_on(if rest.is_empty() { candidate.after() } else { rest }) {
            return false;
        }
        let head = bare(head);
        let gapless = head.len() == matched.len();
        match issued(&head) {
            Some(Issued::Certain) => true,
            // Lengths and ranges that other numbers have as well.
            Some(Issued::Possible) => !gapless || named(),
            None => false,
        }
    })
}

enum Issued {
    Certain,
    Possible,
}

/// Whether an issuer gives out such numbers.
fn issued(card: &str) -> Option<Issued> {
    let all = digits(card)?;
    if !luhn(&all) || all.iter().all(|digit| Some(digit) == all.first()) {
        return None;
    }
    let (two, four) = (number(card, 0, 2)?, number(card, 0, 4)?);
    let six = number(card, 0, 6)?;
    let certain = match card.len() {
        16 => {
            card.starts_with('4')
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || four == 6011
                || (644..=659).contains(&(four / 10))
                || (3528..=3589).contains(&four)
                || two == 62
        }
        15 => two == 34 || two == 37,
        _ => false,
    };
    let possible = match card.len() {
        13 | 19 => card.starts_with('4') || two == 62,
        14 => (300..=305).contains(&(four / 10)) || two == 36 || two == 38 || two == 39,
        15 => four == 2131 || four == 1800,
        // JCB has a part of this range; test numbers use all of it.
        16 => two == 35,
        _ => false,
    };
    // Maestro has 12 to 19 digits.
    let maestro = (12..=19).contains(&card.len())
        && (two == 50 || (56..=58).contains(&two) || (63..=67).contains(&two) || six / 100 == 6304);
    match (certain, possible || maestro) {
        (true, _) => Some(Issued::Certain),
        (false, true) => Some(Issued::Possible),
        (false, false) => None,
    }
}

fn is_iban(candidate: &Candidate<'_>) -> Option<usize> {
    let account = bare(candidate.matched()).to_ascii_uppercase();
    whole(candidate, account.parse::<iban::Iban>().is_ok())
}
