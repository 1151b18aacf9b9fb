//! Private keys in PEM (RFC 7468, also of OpenSSH and OpenPGP).
//!
//! A key is longer than a match may be, so it is taken in parts: its head with
//! the first lines, further lines that lead back to a head, and its foot. Masks
//! that touch become one.

use super::Recogniser;
use super::around::whole;
use crate::detect::Candidate;

/// The longest key whose lines are all found: RSA with 4,096 bits takes 3,300.
const KEY_BYTES_MAX: usize = 4 << 10;
const HEAD_END: &str = "private key";
const FOOT: &str = "-----end ";

const fn part(pattern: &'static str, check: crate::detect::Check) -> Recogniser {
    Recogniser::new(pattern, check).looking_back(KEY_BYTES_MAX)
}

pub(super) const RECOGNISERS: &[Recogniser] = &[
    part(
        r"-----begin [a-z0-9 ]{0,20}private key(?: block)?-----(?:(?: |\\n|\\r){0,4}(?:proc-type: 4,encrypted|dek-info: [a-z0-9-]{4,16},[0-9a-f]{8,32}|version: [a-z0-9 .()]{1,24})){0,2}(?:(?: |\\n|\\r){0,4}[a-z0-9+/=]{16,80}){1,3}",
        |candidate| whole(candidate, true),
    ),
    part(r" ?[a-z0-9+/=\\]{16,160}", is_line).in_whole_runs(),
    part(r" ?[a-z0-9+/=\\]{16,151}", is_line).in_whole_runs(),
    part(
        r"(?: |\\n)?[a-z0-9+/=]{0,80}(?: |\\n|\\r){0,4}-----end [a-z0-9 ]{0,20}private key(?: block)?-----",
        |candidate| whole(candidate, true),
    ),
];

/// A line counts when nothing but lines stands between it and a head.
fn is_line(candidate: &Candidate<'_>) -> Option<usize> {
    let before = candidate.before();
    // Most lines follow prose: that is seen at once.
    let last = before.trim_end_matches(' ').rsplit(' ').next().unwrap_or_default();
    if last.len() < 16 && !last.ends_with("-----") {
        return None;
    }
    let head = before.rfind(HEAD_END)?;
    let between = before.get(head..)?;
    let lines = between.split_once("-----").map(|(_, lines)| lines)?;
    let unbroken = !lines.contains(FOOT)
        && lines
            .split(' ')
            .filter(|line| !line.is_empty())
            .all(|line| line.len() >= 16 || line.ends_with(':') || line.contains(','));
    whole(candidate, unbroken)
}
