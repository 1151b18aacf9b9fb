//! Addresses of crypto-currencies.
//!
//! Bech32 addresses have a checksum without case (BIP 173, BIP 350). Those in
//! Base58 have one that needs the case of the letters; they count when they
//! look random and, for chains with common first letters, when a word says so.

use super::Recogniser;
use super::around::{Words, stands_alone, whole};
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    Recogniser::new(r"\b(?:bc|tb|ltc)1[ac-hj-np-z02-9]{11,71}\b", is_segwit),
    Recogniser::new(r"\b0x[0-9a-f]{40}\b", is_ethereum),
    Recogniser::new(r"\b[13][a-z1-9]{25,34}\b", is_bitcoin),
    Recogniser::new(
        r"\b(?:4[0-9ab][a-z1-9]{93}|[tr][a-z1-9]{24,34}|[a-z1-9]{32,44}|d[5-9a-u][a-z1-9]{32})\b",
        is_named_wallet,
    ),
];

const BECH32: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
static WORDS: Words = Words::new(&[
    "wallet*", "monero", "xmr", "tron", "trx", "ripple", "xrp", "solana", "sol", "dogecoin",
    "doge", "litecoin", "ltc", "bitcoin", "btc", "usdt", "crypto*",
]);

/// The checksum constants of Bech32 and Bech32m.
fn is_segwit(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let (prefix, data) = matched.split_at_checked(matched.find('1')?)?;
    let expanded = prefix
        .bytes()
        .map(|byte| u32::from(byte >> 5))
        .chain([0])
        .chain(prefix.bytes().map(|byte| u32::from(byte & 31)));
    let values: Option<Vec<u32>> = data
        .chars()
        .skip(1)
        .map(|c| BECH32.find(c).and_then(|at| u32::try_from(at).ok()))
        .collect();
    let sum = polymod(expanded.chain(values?));
    whole(candidate, sum == 1 || sum == 0x2bc8_30a3)
}

fn polymod(values: impl Iterator<Item = u32>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ value;
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

fn is_ethereum(candidate: &Candidate<'_>) -> Option<usize> {
    let digits = candidate.matched().get(2..)?;
    let varied = digits.chars().any(|c| !digits.starts_with(c));
    whole(candidate, varied && stands_alone(candidate))
}

fn is_bitcoin(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let digits = matched.bytes().filter(u8::is_ascii_digit).count();
    // Sixteen letters are not hexadecimal: a hash has none of them.
    let others = matched.bytes().filter(|byte| (b'g'..=b'z').contains(byte)).count();
    whole(candidate, digits >= 4 && others >= 6 && stands_alone(candidate))
}

fn is_named_wallet(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let digits = matched.bytes().filter(u8::is_ascii_digit).count();
    let others = matched.bytes().filter(|byte| (b'g'..=b'z').contains(byte)).count();
    whole(candidate, digits >= 2 && others >= 4 && WORDS.name(candidate) && stands_alone(candidate))
}
