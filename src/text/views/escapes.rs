//! Codes that replace single characters: percent, HTML entities, `\u` and its
//! kin, quoted-printable.
//!
//! Each escape becomes a part of its own, so a finding covers exactly the
//! characters that were written. Sources: RFC 3986, RFC 2045, the HTML
//! standard's named references. Called by [`super`].

use std::ops::Range;

use memchr::memchr_iter;

use super::parts::Parts;
use crate::domain::View;

/// `&CounterClockwiseContourIntegral;` is the longest name; ours are short.
const ENTITY_BYTES_MAX: usize = 12;

/// Two escapes of quoted-printable.
const CODED_BYTES_MIN: usize = 6;

/// Bytes that escapes gave, until they are whole characters.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<(u8, Range<usize>)>,
}

impl Pending {
    fn push(&mut self, byte: u8, span: Range<usize>, kind: View, parts: &mut Parts) {
        if self.bytes.last().is_some_and(|(_, last)| last.end != span.start) {
            self.flush(kind, parts);
        }
        self.bytes.push((byte, span));
        let bytes: Vec<u8> = self.bytes.iter().map(|(byte, _)| *byte).collect();
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                if let Some(c) = text.chars().next() {
                    self.put(Some(c), kind, parts);
                }
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.flush(kind, parts),
        }
    }

    /// Bytes that are no UTF-8 are Latin-1.
    fn flush(&mut self, kind: View, parts: &mut Parts) {
        for (byte, span) in std::mem::take(&mut self.bytes) {
            push_char(span, kind, u32::from(byte), parts);
        }
    }

    fn put(&mut self, c: Option<char>, kind: View, parts: &mut Parts) {
        let start = self.bytes.first().map(|(_, span)| span.start);
        let end = self.bytes.last().map(|(_, span)| span.end);
        if let (Some(start), Some(end), Some(c)) = (start, end, c) {
            push_char(start..end, kind, u32::from(c), parts);
        }
        self.bytes.clear();
    }
}

/// Control characters but white space stand for nothing.
fn push_char(span: Range<usize>, kind: View, code: u32, parts: &mut Parts) {
    let c = char::from_u32(code);
    let visible = c.filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'));
    if c.is_some() {
        parts.push_char(span, kind, visible);
    }
}

/// The number in `digits` digits from `at` on, exactly or at most.
fn number(bytes: &[u8], at: usize, radix: u32, digits: Range<usize>) -> Option<(u32, usize)> {
    let near = bytes.get(at..)?.iter().take(digits.end);
    let len = near.take_while(|byte| char::from(**byte).is_digit(radix)).count();
    if len < digits.start {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(at..at + len)?).ok()?;
    Some((u32::from_str_radix(text, radix).ok()?, at + len))
}

/// `%62%6F`, and `%u0062` as old JavaScript wrote it.
pub(crate) fn percent(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let mut pending = Pending::default();
    for at in memchr_iter(b'%', bytes) {
        if let Some((code, end)) = number(bytes, at + 1, 16, 2..2) {
            let [byte, ..] = code.to_le_bytes();
            pending.push(byte, at..end, View::Percent, parts);
        } else if matches!(bytes.get(at + 1), Some(b'u' | b'U'))
            && let Some((code, end)) = number(bytes, at + 2, 16, 4..4)
        {
            push_char(at..end, View::Percent, code, parts);
        }
    }
    pending.flush(View::Percent, parts);
}

/// `=62=6F`, and lines that go on after `=`.
pub(crate) fn quoted_printable(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let mut own = Parts::default();
    let mut pending = Pending::default();
    for at in memchr_iter(b'=', bytes) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let capital = rest.iter().take(2).all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        if let Some((code, end)) = number(bytes, at + 1, 16, 2..2).filter(|_| capital) {
            let [byte, ..] = code.to_le_bytes();
            pending.push(byte, at..end, View::QuotedPrintable, &mut own);
        } else if rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            let len = 1 + rest.iter().take_while(|byte| **byte != b'\n').count() + 1;
            own.push_char(at..at + len, View::QuotedPrintable, None);
        }
    }
    pending.flush(View::QuotedPrintable, &mut own);
    // One alone, or some in arithmetic, are no code: `size=20`, `5+5=10`.
    let list = own.list();
    let coded: usize = list.iter().map(|part| part.span.len()).sum();
    let letter = |part: &super::parts::Part| {
        let written = text.get(part.span.clone()).unwrap_or_default();
        written.contains(|c: char| c.is_ascii_uppercase() || c == '\n')
    };
    let adjacent =
        list.iter().zip(list.iter().skip(1)).any(|(one, next)| one.span.end == next.span.start);
    if coded >= CODED_BYTES_MIN && (adjacent || list.iter().any(letter)) {
        parts.append(&own);
    }
}

/// `\u0062`, `\u{62}`, `\U00000062`, `\x62`, `\142`, `\n`.
pub(crate) fn backslash(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let kind = View::UnicodeEscapes;
    let mut pending = Pending::default();
    let mut high: Option<(u32, usize, usize)> = None;
    for at in memchr_iter(b'\\', bytes) {
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        let braced = bytes.get(at + 2) == Some(&b'{');
        let code = match next {
            b'u' | b'x' if braced => number(bytes, at + 3, 16, 1..6)
                .filter(|(_, end)| bytes.get(*end) == Some(&b'}'))
                .map(|(code, end)| (code, end + 1)),
            b'u' => number(bytes, at + 2, 16, 4..4),
            b'U' => number(bytes, at + 2, 16, 8..8),
            b'0'..=b'3' => number(bytes, at + 1, 8, 3..3),
            b'x' => {
                if let Some((code, end)) = number(bytes, at + 2, 16, 2..2) {
                    let [byte, ..] = code.to_le_bytes();
                    pending.push(byte, at..end, kind, parts);
                }
                continue;
            }
            _ => None,
        };
        let Some((code, end)) = code else { continue };
        match (high.take(), code) {
            (Some((first, start, over)), 0xdc00..=0xdfff) if over == at => {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (code - 0xdc00);
                push_char(start..end, kind, code, parts);
            }
            (_, 0xd800..=0xdbff) => high = Some((code, at, end)),
            _ => push_char(at..end, kind, code, parts),
        }
    }
    pending.flush(kind, parts);
}

/// `U+0062 U+006F`: the blanks between two of them belong to the notation.
pub(crate) fn code_points(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let mut last: Option<usize> = None;
    for at in memchr_iter(b'+', bytes) {
        let start = at.saturating_sub(1);
        if !matches!(bytes.get(start), Some(b'U' | b'u')) || start == at {
            continue;
        }
        let Some((code, end)) = number(bytes, at + 1, 16, 4..6) else { continue };
        let between = last.and_then(|last| bytes.get(last..start)).unwrap_or(b"none");
        if let Some(last) = last
            && between.len() <= 2
            && !between.is_empty()
            && between.iter().all(|byte| matches!(byte, b' ' | b',' | b'\n'))
        {
            parts.push_char(last..start, View::UnicodeEscapes, None);
        }
        push_char(start..end, View::UnicodeEscapes, code, parts);
        last = Some(end);
    }
}

/// `&#98;`, `&#x62;`, `&amp;`.
pub(crate) fn entities(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let kind = View::HtmlEntities;
    for at in memchr_iter(b'&', bytes) {
        let numeric = if bytes.get(at + 1) == Some(&b'#') {
            match bytes.get(at + 2) {
                Some(b'x' | b'X') => number(bytes, at + 3, 16, 1..7),
                _ => number(bytes, at + 2, 10, 1..8),
            }
        } else {
            None
        };
        if let Some((code, end)) = numeric {
            let end = end + usize::from(bytes.get(end) == Some(&b';'));
            push_char(at..end, kind, code, parts);
            continue;
        }
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let near = rest.get(..ENTITY_BYTES_MAX).unwrap_or(rest);
        let Some(len) = near.iter().position(|byte| *byte == b';') else { continue };
        let name = near.get(..len).and_then(|name| std::str::from_utf8(name).ok());
        if let Some(c) = name.and_then(named) {
            push_char(at..at + len + 2, kind, u32::from(c), parts);
        }
    }
}

/// References that occur in text; an accented letter is its letter and an ending.
fn named(name: &str) -> Option<char> {
    if let Some(found) = NAMED.iter().find(|(known, _)| *known == name) {
        return Some(found.1);
    }
    let mut chars = name.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    matches!(
        chars.as_str(),
        "grave"
            | "acute"
            | "circ"
            | "tilde"
            | "uml"
            | "ring"
            | "cedil"
            | "caron"
            | "slash"
            | "opf"
            | "scr"
            | "fr"
            | "macr"
            | "breve"
            | "dot"
            | "ogon"
    )
    .then_some(letter)
}

const NAMED: [(&str, char); 66] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("hairsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("NoBreak", '\u{2060}'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("hyphen", '-'),
    ("dash", '-'),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("vert", '|'),
    ("rcub", '}'),
    ("lsquo", '\''),
    ("rsquo", '\''),
    ("ldquo", '"'),
    ("rdquo", '"'),
    ("laquo", '"'),
    ("raquo", '"'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("minus", '-'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("szlig", 'ß'),
    ("aelig", 'æ'),
    ("oelig", 'œ'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, finder: fn(&str, &mut Parts)) -> String {
        let mut parts = Parts::default();
        finder(text, &mut parts);
        parts.settle();
        parts.splice(text).0
    }

    #[test]
    fn percent_escapes_are_characters() {
        assert_eq!(read("%70%6F%65%6d", percent), "poem");
        assert_eq!(read("a%20po%65m%21", percent), "a poem!");
        assert_eq!(read("%E2%82%AC and %e9", percent), "€ and é");
        assert_eq!(read("%u0070oem%00", percent), "poem");
        assert_eq!(read("50%25 of 3%2", percent), "50% of 3%2");
    }

    #[test]
    fn entities_are_characters() {
        assert_eq!(read("&#112;&#x6F;&#101m &amp; &lt;b&gt;", entities), "poem & <b>");
        assert_eq!(read("p&eacute;o&nbsp;m&shy;", entities), "peo m\u{ad}");
        assert_eq!(read("p&period;o&lowbar;e", entities), "p.o_e");
        assert_eq!(read("&amp;#112;", entities), "&#112;");
    }

    #[test]
    fn backslash_escapes_are_characters() {
        assert_eq!(read(r"\u0070\u{6f}\x65\U0000006d", backslash), "poem");
        assert_eq!(read(r"\160\157\145\155", backslash), "poem");
        assert_eq!(read(r"\ud83d\ude00 \xe2\x82\xac", backslash), "😀 €");
        assert_eq!(read("say U+0070 U+006F U+0065 U+006D now", code_points), "say poem now");
    }

    /// The rules of RFC 2045, section 6.7.
    #[test]
    fn quoted_printable_is_text() {
        assert_eq!(read("p=6Fe=\nm=20now=3D", quoted_printable), "poem now=");
        assert_eq!(read("caf=C3=A9", quoted_printable), "café");
        let mut parts = Parts::default();
        quoted_printable("size=20", &mut parts);
        assert!(parts.is_empty());
    }
}
