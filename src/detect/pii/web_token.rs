//! JSON Web Tokens (RFC 7519) in their compact form.
//!
//! The case of the letters is gone, so the header cannot be decoded; it can be
//! tested whether some case makes it JSON with an `alg`, which a header needs.
//! A token may be longer than a match; the rest is taken in parts that lead
//! back to its head, and masks that touch become one.

use super::Recogniser;
use super::around::whole;
use crate::detect::{Candidate, Check};

/// The longest token of which every part is found.
const TOKEN_BYTES_MAX: usize = 4 << 10;
/// `alg"` in Base64 at each of the three positions in a group, in lower case.
const ALG: [&str; 3] = ["ywxni", "hbgci", "fszyi"];

const fn part(pattern: &'static str, check: Check) -> Recogniser {
    Recogniser::new(pattern, check).looking_back(TOKEN_BYTES_MAX)
}

pub(super) const RECOGNISERS: &[Recogniser] = &[
    part(r"\beyj[a-z0-9_-]{12,160}\.[a-z0-9_-]{8,240}(?:\.[a-z0-9_-]{0,90})?", is_head),
    // Two lengths, so that no end of a token falls through both.
    part(r"[a-z0-9_.-]{16,240}", is_continued).in_whole_runs(),
    part(r"[a-z0-9_.-]{16,223}", is_continued).in_whole_runs(),
];

fn is_head(candidate: &Candidate<'_>) -> Option<usize> {
    let header = candidate.matched().split('.').next()?;
    whole(candidate, is_header(header))
}

fn is_continued(candidate: &Candidate<'_>) -> Option<usize> {
    let before = candidate.before();
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !before.ends_with(in_token) {
        return None;
    }
    let token = before.get(before.rfind("eyj")?..)?;
    // The payload begins so as well: look at what stands before it.
    let start = before.rfind(|c: char| !in_token(c)).map_or(0, |at| at + 1);
    let first = before.get(start..).unwrap_or(token);
    let header = first.split('.').next().unwrap_or_default();
    whole(candidate, first.contains('.') && is_header(header))
}

/// Whether some case of the letters makes this JSON that names an algorithm.
fn is_header(header: &str) -> bool {
    header.starts_with("eyj")
        && ALG.iter().any(|alg| header.contains(alg))
        && header.as_bytes().chunks(4).all(is_text)
}

/// The six bits of a character (RFC 4648, section 5).
fn value(byte: u8) -> Option<usize> {
    Some(usize::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

/// Whether some case of up to four letters decodes to printable characters.
fn is_text(group: &[u8]) -> bool {
    let [first, rest @ ..] = group else { return true };
    (0..16u32).any(|cases| {
        let mut values = std::iter::once(first).chain(rest).enumerate().map(|(place, byte)| {
            let byte = if cases & (1 << place) == 0 { *byte } else { byte.to_ascii_uppercase() };
            value(byte)
        });
        let bits = values
            .try_fold((0usize, 0u32), |(bits, count), value| Some((bits << 6 | value?, count + 6)));
        let Some((bits, count)) = bits else { return false };
        (1..=count / 8).all(|byte| {
            let value = bits >> (count - byte * 8) & 0xff;
            (0x20..0x7f).contains(&value)
        })
    })
}
