//! Addresses of machines: IPv4, IPv6 and MAC.
//!
//! An address that points at no particular machine (private, loopback, a mask)
//! is nobody's data.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Recogniser;
use super::around::{Words, whole};
use crate::detect::Candidate;

pub(super) const IP_ADDRESS: &[Recogniser] = &[
    Recogniser::new(r"\b[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\b", is_v4),
    Recogniser::new(
        r"\b[0-9a-f]{1,4}:(?:[0-9a-f]{0,4}:){1,6}(?:[0-9a-f]{1,4}|:)(?:\.[0-9]{1,3}){0,3}",
        is_v6,
    )
    .in_whole_runs(),
];

pub(super) const MAC_ADDRESS: &[Recogniser] = &[
    Recogniser::new(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", is_mac).in_whole_runs(),
    Recogniser::new(r"\b(?:[0-9a-f]{2}-){5}[0-9a-f]{2}\b", is_mac),
    Recogniser::new(r"\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", is_mac),
];

/// Right before something that only looks like an address.
static VERSION_WORDS: Words = Words::new(&[
    "version*",
    "v",
    "ver",
    "release*",
    "build*",
    "firmware",
    "section*",
    "chapter*",
    "clause*",
    "paragraph*",
    "figure",
    "table",
    "upgrade*",
    "update*",
    "driver",
    "oid",
    "rev",
    "revision",
]);
static MAC_WORDS: Words =
    Words::new(&["mac", "ethernet", "bssid", "hardware address", "wlan", "bluetooth", "hwaddr"]);

fn is_v4(candidate: &Candidate<'_>) -> Option<usize> {
    let before = candidate.before().trim_end_matches([' ', ':', '=', '(']);
    let last = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let version = VERSION_WORDS.are_in(last);
    let address: Ipv4Addr = candidate.matched().parse().ok()?;
    let [first, ..] = address.octets();
    let personal = first != 0
        && first != 255
        && !address.is_loopback()
        && !address.is_private()
        && !address.is_link_local()
        && !address.is_multicast();
    whole(candidate, personal && !version && !is_part(candidate, '.', 10))
}

fn is_v6(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let address: Ipv6Addr = matched.parse().ok()?;
    let groups = matched.split(':').filter(|group| !group.is_empty()).count();
    // Names with `::` in them are code; an address has digits in three groups or more.
    let plausible = groups >= 3 && matched.bytes().any(|byte| byte.is_ascii_digit());
    let [first, ..] = address.segments();
    let personal = !address.is_multicast() && first & 0xffc0 != 0xfe80 && first & 0xfe00 != 0xfc00;
    let goes_on = candidate.after().starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':');
    whole(candidate, plausible && personal && !goes_on && !is_part(candidate, ':', 16))
}

fn is_mac(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let separator = matched.chars().find(|c| !c.is_ascii_hexdigit())?;
    let mut values = matched.chars().filter(char::is_ascii_hexdigit);
    let first = values.next();
    let varied = !values.all(|c| Some(c) == first);
    // Six pairs of digits are many things: dates, combinations, scores.
    let hexadecimal = matched.bytes().any(|byte| byte.is_ascii_alphabetic());
    whole(
        candidate,
        varied && !is_part(candidate, separator, 16) && (hexadecimal || MAC_WORDS.name(candidate)),
    )
}

/// Whether more of the same kind stands before or after.
fn is_part(candidate: &Candidate<'_>, separator: char, radix: u32) -> bool {
    let mut before = candidate.before().chars().rev();
    let mut after = candidate.after().chars();
    let joined = |first: Option<char>, second: Option<char>| {
        first == Some(separator) && second.is_some_and(|c| c.is_digit(radix))
    };
    joined(before.next(), before.next()) || joined(after.next(), after.next())
}
