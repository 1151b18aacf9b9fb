//! Text in characters that nobody sees: Unicode tags, bits in zero-width
//! characters, bytes in variation selectors; and text that is only displayed
//! in another order.
//!
//! Reads the text as sent, because every other view has dropped these
//! characters. Sources: the Unicode standard, chapter 23.9 (tags); the
//! schemes are those of the tools in use (one bit or two per zero-width
//! character; byte n as variation selector n + 1). Called by [`super`] for
//! texts that are not ASCII.

use std::ops::Range;

use super::map::Map;
use super::parts::{Form, Parts};
use super::plausible::{is_text, text_of};
use super::tidy::is_tag;
use crate::domain::View;

/// Fewer hidden bytes than this are the traces of ordinary typesetting.
const BYTES_MIN: usize = 3;
/// Different invisible characters that one scheme uses.
const SYMBOLS_MAX: usize = 4;
const WAVING_FLAG: char = '\u{1f3f4}';

/// A hidden text, where it came from, and how it was hidden.
pub(crate) type Found = (String, Map, View);

/// Everything that is hidden in `text`, apart from [`overridden`].
pub(crate) fn hidden(text: &str) -> Vec<Found> {
    let found = [tags(text), selectors(text)];
    found.into_iter().flatten().chain(zero_width(text)).collect()
}

/// The text in tag characters; flags of regions are spelled in them as well.
fn tags(text: &str) -> Option<Found> {
    let mut out = String::new();
    let mut map = Map::default();
    let mut before = ' ';
    let mut flag = false;
    for (at, c) in text.char_indices() {
        if is_tag(c) {
            flag = flag || before == WAVING_FLAG;
            let shadow = u8::try_from(u32::from(c) - 0xe0000).unwrap_or_default();
            if !flag && matches!(shadow, b' '..=b'~') {
                out.push(char::from(shadow));
                map.replace(1, &(at..at + c.len_utf8()));
            }
        } else {
            flag = false;
        }
        before = c;
    }
    (!out.is_empty()).then_some((out, map, View::Tags))
}

/// Whether [`tags`] are in the text at all.
pub(super) fn has_tags(text: &str) -> bool {
    text.chars().any(is_tag)
}

/// Bytes in variation selectors.
fn selectors(text: &str) -> Option<Found> {
    let mut bytes = Vec::new();
    let mut hull: Option<Range<usize>> = None;
    let mut chars = text.char_indices().peekable();
    let mut follows = false;
    while let Some((at, c)) = chars.next() {
        let byte = selector(c);
        let next = chars.peek().is_some_and(|(_, next)| selector(*next).is_some());
        // One alone chooses the look of the emoji before it.
        let alone = !follows && !next && matches!(c, '\u{fe0e}' | '\u{fe0f}');
        follows = byte.is_some();
        if let Some(byte) = byte.filter(|_| !alone) {
            bytes.push(byte);
            hull = Some(hull.map_or(at, |hull| hull.start)..at + c.len_utf8());
        }
    }
    let text = Some(bytes).filter(|bytes| bytes.len() >= BYTES_MIN).and_then(|b| text_of(&b))?;
    Some(whole(text, &hull?))
}

fn selector(c: char) -> Option<u8> {
    let code = u32::from(c);
    match c {
        '\u{fe00}'..='\u{fe0f}' => u8::try_from(code - 0xfe00).ok(),
        '\u{e0100}'..='\u{e01ef}' => u8::try_from(code - 0xe0100 + 16).ok(),
        _ => None,
    }
}

fn whole(text: String, hull: &Range<usize>) -> Found {
    let mut map = Map::default();
    map.replace(text.len(), hull);
    (text, map, View::Steganography)
}

/// Bits in zero-width characters: two of them are the digits, a third one may
/// separate groups; or four are digits of two bits each.
fn zero_width(text: &str) -> Vec<Found> {
    let mut symbols: Vec<(char, usize)> = Vec::new();
    let mut hull: Option<Range<usize>> = None;
    let mut message = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is_zero_width(*c)) {
        match symbols.iter_mut().find(|(known, _)| *known == c) {
            Some((_, count)) => *count += 1,
            None => symbols.push((c, 1)),
        }
        message.push(c);
        hull = Some(hull.map_or(at, |hull| hull.start)..at + c.len_utf8());
    }
    let Some(hull) = hull else { return Vec::new() };
    if message.len() < BYTES_MIN * 4 || symbols.len() > SYMBOLS_MAX + 1 || symbols.len() < 2 {
        return Vec::new();
    }
    symbols.sort_by_key(|(c, count)| (std::cmp::Reverse(*count), *c));
    let mut found: Vec<String> = Vec::new();
    for (digits, width) in [(2, 1u32), (SYMBOLS_MAX, 2)] {
        let mut used: Vec<char> = symbols.iter().take(digits).map(|(c, _)| *c).collect();
        used.sort_unstable();
        for reversed in [false, true] {
            if reversed {
                used.reverse();
            }
            let value = |c: &char| used.iter().position(|known| known == c);
            let values: Vec<u32> =
                message.iter().filter_map(value).filter_map(|v| u32::try_from(v).ok()).collect();
            for bits in [8, 7, 16] {
                let per = usize::try_from(bits / width).unwrap_or(1);
                found.extend(grouped(&values, per, width, bits).filter(|text| is_text(text)));
            }
        }
    }
    found.dedup();
    found.into_iter().map(|text| whole(text, &hull)).collect()
}

fn grouped(values: &[u32], per: usize, width: u32, bits: u32) -> Option<String> {
    if !bits.is_multiple_of(width) || values.len() < per * 2 {
        return None;
    }
    let codes = values
        .chunks_exact(per)
        .map(|group| group.iter().fold(0u32, |code, value| (code << width) | value));
    if bits == 16 {
        let units = codes.map(|code| u16::try_from(code).unwrap_or(u16::MAX));
        return char::decode_utf16(units).collect::<Result<_, _>>().ok();
    }
    let bytes: Vec<u8> = codes.map(|code| u8::try_from(code).unwrap_or(u8::MAX)).collect();
    text_of(&bytes)
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}' | '\u{202c}' | '\u{202d}'
        | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}' | '\u{ad}' | '\u{34f}')
}

/// Text after U+202E is displayed from its end to its start.
pub(crate) fn overridden(text: &str, parts: &mut Parts) {
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
        match c {
            '\u{202e}' => {
                start.get_or_insert(at);
            }
            '\u{202c}' | '\n' => {
                let Some(from) = start.take() else { continue };
                let shown = text.get(from..at).unwrap_or_default();
                let read: String = shown.chars().rev().filter(|c| *c != '\u{202e}').collect();
                parts.push(from..at, View::Reversed, Form::Whole, &read);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a poem";

    fn texts(text: &str) -> Vec<String> {
        hidden(text).into_iter().map(|(text, ..)| text).collect()
    }

    #[test]
    fn tags_are_read_but_flags_are_not() {
        let tags: String =
            SECRET.bytes().filter_map(|b| char::from_u32(0xe0000 + u32::from(b))).collect();
        assert_eq!(texts(&format!("look{tags}")), [SECRET]);
        assert_eq!(texts("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}"), [""; 0]);
    }

    #[test]
    fn variation_selectors_are_bytes() {
        let bytes: String =
            SECRET.bytes().filter_map(|b| char::from_u32(0xe0100 + u32::from(b) - 16)).collect();
        assert_eq!(texts(&format!("😀{bytes} hello ❤\u{fe0f}")), [SECRET]);
    }

    #[test]
    fn zero_width_bits_are_read_in_each_scheme() {
        for (zero, one) in [('\u{200b}', '\u{200c}'), ('\u{200d}', '\u{200c}')] {
            let bits: String = SECRET
                .bytes()
                .flat_map(|b| (0..8).rev().map(move |i| if b >> i & 1 == 0 { zero } else { one }))
                .collect();
            assert_eq!(texts(&format!("he{bits}llo")), [SECRET]);
        }
        let digits = ['\u{200c}', '\u{200d}', '\u{202c}', '\u{feff}'];
        let quads: String = SECRET
            .encode_utf16()
            .flat_map(|u| (0..8).rev().map(move |i| digits[usize::from(u >> (2 * i) & 3)]))
            .collect();
        assert_eq!(texts(&format!("hello{quads}")), [SECRET]);
    }

    #[test]
    fn overridden_text_is_read_as_shown() {
        let mut parts = Parts::default();
        let text = "say \u{202e}meop a\u{202c} now";
        overridden(text, &mut parts);
        assert_eq!(parts.splice(text).0, "say a poem\u{202c} now");
    }
}
