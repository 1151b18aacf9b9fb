//! Codes that turn bytes into tokens: base64, base32, hexadecimal, binary
//! octets, decimal and octal character codes.
//!
//! A token counts when its bytes are plausible text. Tokens that follow one
//! another (wrapped lines, groups) are read as one as long as that gives text.
//! Sources: RFC 4648 for the alphabets. Called by [`super`] with text in its
//! original case; work is a constant number of passes over it.

use std::ops::Range;

use super::parts::{Form, Parts};
use super::plausible::{is_language, text_of};
use crate::domain::View;

/// Bytes of white space and punctuation between two tokens of one message.
const JOINT_BYTES_MAX: usize = 3;
/// Fewer characters of base64 or base32 than this say nothing.
const TOKEN_BYTES_MIN: usize = 6;
/// A shorter token must look unlike a word.
const WORDLIKE_BYTES_MAX: usize = 16;
/// Bytes that hexadecimal and binary must give.
const BYTES_MIN: usize = 3;
/// Numbers that decimal and octal codes must give.
const NUMBERS_MIN: usize = 5;
/// The first digits of a token that must give text; eight times three, so that
/// they end with a whole byte in base32 and base64.
const PROBE_BYTES: usize = 24;
/// Padding after a token.
const PADDING_MAX: usize = 6;
/// A group of more tokens that gives no text is left alone as a whole.
const VAIN_TOKENS_MAX: usize = 4;
/// Pieces of one token that are tried.
const PIECES_MAX: usize = 16;

/// A run of bytes that `belongs` accepts, at or after `at`.
fn token(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> Option<Range<usize>> {
    let rest = bytes.get(at..)?;
    let start = at + rest.iter().position(|byte| belongs(*byte))?;
    let len = bytes.get(start..)?.iter().take_while(|byte| belongs(**byte)).count();
    Some(start..start + len)
}

/// The next token, if only a short joint lies between `end` and it.
fn follower(
    bytes: &[u8],
    end: usize,
    joint: impl Fn(u8) -> bool,
    belongs: impl Fn(u8) -> bool,
) -> Option<Range<usize>> {
    let near = bytes.get(end..)?.iter().take(JOINT_BYTES_MAX + 1);
    let gap = near.take_while(|byte| joint(**byte)).count();
    let next = token(bytes, end + gap, belongs).filter(|next| next.start == end + gap)?;
    (1..=JOINT_BYTES_MAX).contains(&gap).then_some(next)
}

/// Bits that arrive in digits of `width` bits and leave in bytes.
#[derive(Debug, Clone, Default)]
struct Bits {
    held: u32,
    count: u32,
    bytes: Vec<u8>,
    /// Bytes before this are known to be printable text.
    checked: usize,
}

/// Where [`Bits`] stood, to forget a token that gave no text.
#[derive(Debug, Clone, Copy)]
struct Mark {
    held: u32,
    count: u32,
    len: usize,
    checked: usize,
}

impl Bits {
    fn push(&mut self, digit: u32, width: u32) {
        self.held = (self.held << width | digit) & 0xffff;
        self.count += width;
        if self.count >= 8 {
            self.count -= 8;
            let [byte, ..] = (self.held >> self.count).to_le_bytes();
            self.bytes.push(byte);
        }
    }

    fn mark(&self) -> Mark {
        let Self { held, count, checked, .. } = *self;
        Mark { held, count, len: self.bytes.len(), checked }
    }

    fn back_to(&mut self, mark: Mark) {
        (self.held, self.count, self.checked) = (mark.held, mark.count, mark.checked);
        self.bytes.truncate(mark.len);
    }

    /// Whether the bytes so far can be text or the beginning of one.
    fn goes_on(&mut self) -> bool {
        let new = self.bytes.get(self.checked..).unwrap_or_default();
        let known = match std::str::from_utf8(new) {
            Ok(_) => new.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        let printable = |byte: &u8| !matches!(byte, 1..=8 | 11 | 12 | 14..=31 | 127);
        let holds = new.iter().all(printable);
        self.checked += known;
        holds
    }
}

pub(super) fn base64_digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// Capitals and small letters are not mixed in one token of base32, and words
/// in small letters are words.
fn is_base32(written: &[u8]) -> bool {
    let small = written.iter().any(u8::is_ascii_lowercase);
    let capital = written.iter().any(u8::is_ascii_uppercase);
    let digits = written.iter().filter(|byte| byte.is_ascii_digit()).count();
    written.len() > 1 && !(small && (capital || digits * 16 < written.len()))
}

fn base32_digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a',
        b'2'..=b'7' => byte - b'2' + 26,
        _ => return None,
    }))
}

/// Base64 in both alphabets, padded or not, in one token or many.
pub(crate) fn base64(text: &str, parts: &mut Parts) {
    lettered(text, View::Base64, 6, base64_digit, parts);
}

/// Base32 in capitals or small letters.
pub(crate) fn base32(text: &str, parts: &mut Parts) {
    lettered(text, View::Base32, 5, base32_digit, parts);
}

fn lettered(
    text: &str,
    kind: View,
    width: u32,
    digit: fn(u8) -> Option<u32>,
    parts: &mut Parts,
) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(first) = token(bytes, at, |byte| digit(byte).is_some()) {
        let group = Group::read(bytes, first.clone(), width, digit);
        // What was read in vain is not read again for each of its tokens.
        at = if group.tokens > VAIN_TOKENS_MAX { group.span.end } else { first.end };
        let found = group.text(bytes).map(|text| (group.span, text));
        let found = found.or_else(|| inside(bytes, first.clone(), width, digit));
        if let Some((span, text)) = found {
            at = span.end;
            parts.push(span, kind, Form::Whole, &text);
        } else if kind == View::Base64
            && let Some(text) = disguised(bytes.get(first.clone()).unwrap_or_default())
        {
            parts.push(first, View::Nested, Form::Whole, &text);
        }
    }
}

/// A token and as many of those after it as go on with its text.
#[derive(Debug)]
struct Group {
    bits: Bits,
    span: Range<usize>,
    tokens: usize,
    digits: usize,
}

impl Group {
    fn read(
        bytes: &[u8],
        first: Range<usize>,
        width: u32,
        digit: fn(u8) -> Option<u32>,
    ) -> Self {
        let span = first.start..first.start;
        let mut group = Self { bits: Bits::default(), span, tokens: 0, digits: 0 };
        let mut next = Some(first);
        while let Some(token) = next {
            let mark = group.bits.mark();
            let written = bytes.get(token.clone()).unwrap_or_default();
            if width == 5 && !is_base32(written) {
                break;
            }
            for (index, digit) in written.iter().filter_map(|byte| digit(*byte)).enumerate() {
                group.bits.push(digit, width);
                // Most tokens are words, and show it at once.
                if index == PROBE_BYTES && !group.bits.goes_on() {
                    break;
                }
            }
            if !group.bits.goes_on() {
                group.bits.back_to(mark);
                break;
            }
            group.tokens += 1;
            group.digits += token.len();
            let rest = bytes.get(token.end..).unwrap_or_default();
            let padding = rest.iter().take(PADDING_MAX).take_while(|byte| **byte == b'=').count();
            group.span.end = token.end + padding;
            if padding > 0 {
                break;
            }
            let joint = |byte: u8| byte.is_ascii_whitespace();
            next = follower(bytes, token.end, joint, |byte| digit(byte).is_some());
        }
        group
    }

    fn text(&self, bytes: &[u8]) -> Option<String> {
        let written = bytes.get(self.span.clone())?;
        let word = self.digits < WORDLIKE_BYTES_MAX && is_wordlike(written);
        if self.digits < TOKEN_BYTES_MIN || word { None } else { text_of(&self.bits.bytes) }
    }
}

/// A token of an address or a path holds more than the code: try what stands
/// between the marks that are digits of base64 as well.
fn inside(
    bytes: &[u8],
    whole: Range<usize>,
    width: u32,
    digit: fn(u8) -> Option<u32>,
) -> Option<(Range<usize>, String)> {
    let is_mark = |byte: u8| matches!(byte, b'/' | b'+' | b'-' | b'_');
    let mut at = whole.start;
    for _ in 0..PIECES_MAX {
        let piece = token(bytes.get(..whole.end)?, at, |byte| !is_mark(byte))?;
        at = piece.end;
        // To the end of the token first: the marks may be digits after all.
        for span in [piece.start..whole.end, piece] {
            let written = bytes.get(span.clone())?;
            let probe = written.get(..PROBE_BYTES).unwrap_or(written);
            if span != whole
                && written.len() >= TOKEN_BYTES_MIN
                && exact(probe, width, digit).is_some()
                && !is_wordlike(written)
                && let Some(text) = exact(written, width, digit)
            {
                return Some((span, text));
            }
        }
    }
    None
}

fn exact(written: &[u8], width: u32, digit: fn(u8) -> Option<u32>) -> Option<String> {
    let mut bits = Bits::default();
    for byte in written {
        bits.push(digit(*byte)?, width);
    }
    text_of(&bits.bytes)
}

/// A word as people write it: letters of one case but for the first, no digit.
fn is_wordlike(written: &[u8]) -> bool {
    let digit = written.iter().any(u8::is_ascii_digit);
    let mut pairs = written.windows(2);
    let odd = pairs.any(|pair| {
        matches!(pair, [before, next] if before.is_ascii_lowercase() && next.is_ascii_uppercase())
    });
    let capitals = written.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    !(digit || odd || capitals * 2 > written.len() || written.ends_with(b"="))
}

/// Base64 that was turned round, or moved along the alphabet by thirteen.
fn disguised(written: &[u8]) -> Option<String> {
    if written.len() < WORDLIKE_BYTES_MAX || is_wordlike(written) {
        return None;
    }
    let turned: Vec<u8> = written.iter().rev().copied().collect();
    let moved: Vec<u8> = written.iter().map(|byte| rot13(*byte)).collect();
    [turned, moved].iter().find_map(|candidate| {
        let probe = candidate.get(..PROBE_BYTES).unwrap_or(candidate);
        exact(probe.get(..probe.len() / 4 * 4)?, 6, base64_digit)?;
        exact(candidate, 6, base64_digit)
    })
}

fn rot13(byte: u8) -> u8 {
    let base = if byte.is_ascii_lowercase() { b'a' } else { b'A' };
    if byte.is_ascii_alphabetic() { (byte - base + 13) % 26 + base } else { byte }
}

/// Hexadecimal bytes: `626f6d62`, `62 6f 6d 62`, `0x62, 0x6f`, `62:6f:6d:62`.
pub(crate) fn hexadecimal(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    numbers(bytes, View::Hex, parts, BYTES_MIN, |token, bits| {
        let digits = token.strip_prefix(b"0x").or(token.strip_prefix(b"0X")).unwrap_or(token);
        let digits = digits.strip_prefix(b"x").unwrap_or(digits);
        if digits.is_empty() || digits.len() % 2 == 1 {
            return false;
        }
        digits.iter().all(|byte| {
            let digit = char::from(*byte).to_digit(16);
            digit.inspect(|digit| bits.push(*digit, 4)).is_some()
        })
    });
}

/// Binary octets, in groups of seven or eight or without a gap.
pub(crate) fn binary(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    numbers(bytes, View::Binary, parts, BYTES_MIN, |token, bits| {
        let token = token.strip_prefix(b"0b").unwrap_or(token);
        let size = match token.len() {
            0..7 => return false,
            len if len % 8 == 0 => 8,
            len if len % 7 == 0 => 7,
            _ => return false,
        };
        token.chunks(size).all(|group| {
            if size == 7 {
                bits.push(0, 1);
            }
            group.iter().all(|byte| {
                let digit = char::from(*byte).to_digit(2);
                digit.inspect(|digit| bits.push(*digit, 1)).is_some()
            })
        })
    });
}

/// Character codes in decimal or octal: `98 111 109 98`.
pub(crate) fn codes(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    for radix in [10, 8] {
        numbers(bytes, View::UnicodeEscapes, parts, NUMBERS_MIN, |token, bits| {
            let code = std::str::from_utf8(token).ok().filter(|token| (2..=3).contains(&token.len()));
            let code = code.and_then(|token| u8::from_str_radix(token, radix).ok());
            let code = code.filter(|code| matches!(code, 32..=126));
            code.inspect(|code| bits.bytes.push(*code)).is_some()
        });
    }
}

/// Runs of tokens, each of which `decode` takes; at least `min` bytes of text.
fn numbers(
    bytes: &[u8],
    kind: View,
    parts: &mut Parts,
    min: usize,
    decode: impl Fn(&[u8], &mut Bits) -> bool,
) {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric();
    let joint = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b':' | b'-' | b',' | b';' | b'_' | b'\\');
    let mut next = token(bytes, 0, belongs);
    while let Some(first) = next {
        let mut bits = Bits::default();
        let mut end = first.start;
        let mut current = Some(first.clone());
        while let Some(token) = current {
            let mark = bits.mark();
            let taken = decode(bytes.get(token.clone()).unwrap_or_default(), &mut bits);
            if !taken || !bits.goes_on() {
                bits.back_to(mark);
                break;
            }
            end = token.end;
            current = follower(bytes, end, joint, belongs);
        }
        let decoded = if bits.bytes.len() >= min { text_of(&bits.bytes) } else { None };
        let decoded = decoded.filter(|text| kind != View::UnicodeEscapes || is_language(text));
        if let Some(text) = decoded {
            parts.push(first.start..end, kind, Form::Whole, &text);
        }
        next = token(bytes, end.max(first.end), belongs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, finder: fn(&str, &mut Parts)) -> Vec<(String, String)> {
        let mut parts = Parts::default();
        finder(text, &mut parts);
        parts.settle();
        let told = |part| {
            let part: &super::super::parts::Part = part;
            (text[part.span.clone()].to_owned(), parts.text(part).to_owned())
        };
        parts.list().iter().map(told).collect()
    }

    fn reads(text: &str, finder: fn(&str, &mut Parts), meant: &str) {
        let found = found(text, finder);
        assert!(found.iter().any(|(_, text)| text == meant), "{text:?} gave {found:?}");
    }

    /// RFC 4648, section 10.
    #[test]
    fn the_vectors_of_rfc_4648() {
        for (code, meant) in
            [("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(exact(code.trim_end_matches('=').as_bytes(), 6, base64_digit).unwrap(), meant);
        }
        for (code, meant) in [
            ("MZXW6", "foo"),
            ("MZXW6YQ", "foob"),
            ("MZXW6YTB", "fooba"),
            ("MZXW6YTBOI", "foobar"),
        ] {
            assert_eq!(exact(code.as_bytes(), 5, base32_digit).unwrap(), meant);
        }
        reads("MZXW6YTBOI======", base32, "foobar");
        reads("mzxw6ytboi", base32, "foobar");
        reads("Zm9vYmFy", base64, "foobar");
        reads("666F6F626172", hexadecimal, "foobar");
    }

    #[test]
    fn base64_is_found_in_any_form() {
        let meant = "write a poem about the sea?";
        for written in [
            "d3JpdGUgYSBwb2VtIGFib3V0IHRoZSBzZWE/",
            "d3JpdGUgYSBwb2VtIGFib3V0IHRoZSBzZWE_",
            "decode d3JpdGUgYSBwb2VtIGFib3V0IHRoZSBzZWE/ now",
            "d3JpdGUgYSBw\nb2VtIGFib3V0\nIHRoZSBzZWE/\n",
            "d3Jp dGUg YSBw b2Vt IGFi b3V0 IHRo ZSBz ZWE/",
            "https://example.com/q/d3JpdGUgYSBwb2VtIGFib3V0IHRoZSBzZWE_",
            "data:text/plain;base64,d3JpdGUgYSBwb2VtIGFib3V0IHRoZSBzZWE/",
            "/EWZzBSZoRHI0V3biFGItV2bwBSYgUGdpJ3d",
            "q3WcqTHtLFOjo2IgVTSvo3I0VUEbMFOmMJR/",
        ] {
            reads(written, base64, meant);
        }
        let found = found("see d3JpdGUgYSBwb2Vt please", base64);
        assert_eq!(found, [("d3JpdGUgYSBwb2Vt".to_owned(), "write a poem".to_owned())]);
    }

    #[test]
    fn numbers_are_found_in_any_form() {
        for written in
            ["706f656d", "70 6f 65 6d", "0x70, 0x6f, 0x65, 0x6d", "70:6F:65:6D", "0x706f656d", "x70 x6f x65 x6d", "706f 656d"]
        {
            reads(written, hexadecimal, "poem");
        }
        for written in [
            "01110000 01101111 01100101 01101101",
            "01110000011011110110010101101101",
            "1110000 1101111 1100101 1101101",
            "0b01110000 0b01101111 0b01100101 0b01101101",
        ] {
            reads(written, binary, "poem");
        }
        reads("119 114 105 116 101", codes, "write");
        reads("167,162,151,164,145", codes, "write");
    }

    #[test]
    fn ordinary_tokens_are_no_codes() {
        let text = "The commit 86c0c94f2d1b4a0e9c7755aa13f0be2d19c4f7aa by McDonald, \
            id 550e8400-e29b-41d4-a716-446655440000, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b\
            2b0b822cd15d6c15b0f00a08, getElementById(iPhone), 2026-11-30T12:30:45Z, +1 555 0100, \
            10 20 30 40 50, AKIAIOSFODNN7EXAMPLE, internationalisation and/or well-known ABCDEFGH \
            00:1b:44:11:3a:b7 deadbeef cafebabe 1000000 11111111 00000000";
        for finder in [base64, base32, hexadecimal, binary, codes] {
            assert_eq!(found(text, finder), []);
        }
    }
}
