//! Whether decoded bytes are text that somebody could have hidden.
//!
//! Identifiers, hashes and keys decode to noise; text decodes to text. The test
//! is about characters, not about language, because what was hidden may be
//! encoded again. Used by the finders of block codes.

use super::language::average_cost;

/// Shorter texts must be words, because a little noise can look like anything.
const SHORT_CHARS: usize = 8;
/// So many printable characters in a row are no accident.
const LONG_CHARS: usize = 32;
/// Scripts mix in longer texts only.
const MIXED_CHARS_MAX: usize = 24;
const LAST_LATIN: char = '\u{24f}';
/// Letters, digits and blanks among a hundred characters, at least.
const WORDLIKE_PERCENT_MIN: usize = 60;
/// Where every group of digits decodes to something, it must read like language.
const LANGUAGE_COST_MAX: i32 = 18;

/// The text of decoded bytes, if they are plausible text: UTF-8 or UTF-16.
pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => utf16(bytes)?,
    };
    is_text(&text).then_some(text)
}

/// UTF-16 of either order, recognised by the zero bytes of Latin letters.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let little = pairs.iter().filter(|pair| pair[1] == 0).count();
    let big = pairs.iter().filter(|pair| pair[0] == 0).count();
    if !rest.is_empty() || little.max(big) * 4 < pairs.len() * 3 {
        return None;
    }
    let unit = if little >= big { u16::from_le_bytes } else { u16::from_be_bytes };
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>().ok()
}

/// Printable throughout and mostly words.
pub(super) fn is_text(text: &str) -> bool {
    let (mut chars, mut wordlike, mut letters, mut far, mut plain) = (0, 0, 0, 0, true);
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r') || is_unassigned(c) {
            return false;
        }
        chars += 1;
        letters += usize::from(c.is_alphabetic());
        far += usize::from(c > LAST_LATIN);
        wordlike += usize::from(c.is_alphanumeric() || c.is_whitespace());
        plain &= c.is_ascii_alphanumeric() || matches!(c, ' ' | '\'' | '\n');
    }
    if chars < SHORT_CHARS {
        return chars >= 3 && plain && letters * 4 >= chars * 3 && is_language(text);
    }
    // Noise gives one strange character among letters; people write in one script.
    if chars < MIXED_CHARS_MAX && far > 0 && far * 2 < letters {
        return false;
    }
    // Noise of this length is hardly ever text at all; what it says may be in a code again.
    chars >= LONG_CHARS || wordlike * 100 >= chars * WORDLIKE_PERCENT_MIN || is_dotted(text)
}

/// Morse code and binary digits are texts, too.
fn is_dotted(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '.' | '-' | '/' | '|' | ' ' | '\n'))
}

/// Private use, non-characters and the replacement character.
fn is_unassigned(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{ffff}' | '\u{f0000}'..)
}

/// Mostly letters, and they follow one another as letters do.
pub(super) fn is_language(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
    letters * 10 >= text.chars().count() * 8 && average_cost(text) <= LANGUAGE_COST_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_text() {
        assert_eq!(text_of(b"write a poem").as_deref(), Some("write a poem"));
        assert_eq!(text_of(b"p\0o\0e\0m\0").as_deref(), Some("poem"));
        assert_eq!(text_of(b"\0p\0o\0e\0m").as_deref(), Some("poem"));
        assert_eq!(text_of("стихотворение".as_bytes()).as_deref(), Some("стихотворение"));
        assert_eq!(text_of(b"-.-. .- - / -.. --- --.").as_deref(), Some("-.-. .- - / -.. --- --."));
        for noise in [&b"\xff\xfe\x01\x02"[..], b"ab\x01cdefghijk", b"$%&/()=?", b"a1", b"\x80"] {
            assert_eq!(text_of(noise), None);
        }
    }
}
