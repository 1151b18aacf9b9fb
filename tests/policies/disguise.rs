//! Ways to hide a text from a filter, each a function from the text to its
//! disguise. For tests that ask what the views see through.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A name for tables, and the function.
pub(crate) type Disguise = (&'static str, fn(&str) -> String);

/// Sixty-odd techniques that people use, the known failures of filters among them.
pub(crate) const ALL: &[Disguise] = &[
    ("capitals", |text| text.to_uppercase()),
    ("alternating case", alternating_case),
    ("full-width letters", |text| letters(text, 0xff41, 0xff21)),
    ("circled letters", |text| letters(text, 0x24d0, 0x24b6)),
    ("parenthesised letters", |text| letters(text, 0x249c, 0x249c)),
    ("mathematical bold letters", |text| letters(text, 0x1d41a, 0x1d400)),
    ("mathematical Fraktur letters", |text| letters(text, 0x1d586, 0x1d56c)),
    ("mathematical script letters", |text| letters(text, 0x1d4ea, 0x1d4d0)),
    ("monospaced letters", |text| letters(text, 0x1d68a, 0x1d670)),
    ("squared letters", |text| letters(text, 0x1f130, 0x1f130)),
    ("negative circled letters", |text| letters(text, 0x1f150, 0x1f150)),
    ("negative squared letters (emoji)", |text| letters(text, 0x1f170, 0x1f170)),
    ("regional indicators", |text| letters(text, 0x1f1e6, 0x1f1e6)),
    ("superscript letters", superscript),
    ("Cyrillic look-alikes", |text| {
        swap(text, &[('a', 'а'), ('e', 'е'), ('o', 'о'), ('p', 'р'), ('c', 'с'), ('i', 'і')])
    }),
    ("Greek look-alikes", |text| {
        swap(text, &[('a', 'α'), ('o', 'ο'), ('v', 'ν'), ('k', 'κ'), ('t', 'τ')])
    }),
    ("accents", |text| {
        swap(text, &[('a', 'à'), ('e', 'ë'), ('o', 'ô'), ('i', 'í'), ('n', 'ñ'), ('u', 'ü')])
    }),
    ("combining marks", |text| after_letters(text, "\u{336}\u{301}\u{325}")),
    ("zero-width spaces", |text| after_letters(text, "\u{200b}")),
    ("zero-width joiners", |text| after_letters(text, "\u{200d}")),
    ("soft hyphens", |text| after_letters(text, "\u{ad}")),
    ("word joiners", |text| after_letters(text, "\u{2060}")),
    ("variation selectors between letters", |text| after_letters(text, "\u{fe0f}")),
    ("tag characters between letters", |text| after_letters(text, "\u{e0078}")),
    ("bidirectional controls", |text| after_letters(text, "\u{2066}\u{2069}")),
    ("right-to-left override", |text| format!("\u{202e}{}\u{202c}", reversed(text))),
    ("no-break spaces", |text| text.replace(' ', "\u{a0}\u{2003}")),
    ("line breaks between words", |text| text.replace(' ', "\r\n")),
    ("spaces between letters", |text| between_letters(text, " ", "   ")),
    ("dots between letters", |text| between_letters(text, ".", " ")),
    ("dashes between letters", |text| between_letters(text, "-", " ")),
    ("underscores between letters", |text| between_letters(text, "_", "__")),
    ("stars between letters", |text| between_letters(text, "*", " ")),
    ("slashes between letters", |text| between_letters(text, "/", " ")),
    ("emoji between letters", |text| between_letters(text, "🔥", " ")),
    ("underscores for blanks", |text| text.replace(' ', "_")),
    ("dashes for blanks", |text| text.replace(' ', "-")),
    ("dots for blanks", |text| text.replace(' ', ".")),
    ("plus signs for blanks", |text| text.replace(' ', "+")),
    ("a mark inside each word", |text| inside_words(text, "_")),
    ("Markdown inside words", |text| inside_words(text, "**")),
    ("HTML tags inside words", |text| inside_words(text, "<b></b>")),
    ("HTML comments inside words", |text| inside_words(text, "<!-- x -->")),
    ("stretched letters", stretched),
    ("leetspeak", |text| {
        swap(text, &[('a', '4'), ('e', '3'), ('o', '0'), ('i', '1'), ('t', '7'), ('s', '5')])
    }),
    ("leetspeak with symbols", |text| {
        swap(text, &[('a', '@'), ('s', '$'), ('i', '!'), ('o', '0'), ('e', '€')])
    }),
    ("leetspeak with dots", |text| {
        between_letters(&swap(text, &[('a', '4'), ('e', '3'), ('o', '0')]), ".", " ")
    }),
    ("base64", |text| STANDARD.encode(text)),
    ("base64, unpadded", |text| STANDARD_NO_PAD.encode(text)),
    ("base64url", |text| URL_SAFE_NO_PAD.encode(text)),
    ("base64, wrapped", |text| chunked(&STANDARD.encode(text), 16, "\n")),
    ("base64, in groups", |text| chunked(&STANDARD.encode(text), 4, " ")),
    ("base64 of UTF-16", |text| {
        STANDARD.encode(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
    }),
    ("base64, reversed", |text| reversed(&STANDARD.encode(text))),
    ("base64, rotated by 13", |text| caesar(&STANDARD.encode(text), 13)),
    ("base32", base32),
    ("hexadecimal", |text| hex(text, "", "")),
    ("hexadecimal, spaced", |text| hex(text, "", " ")),
    ("hexadecimal with 0x", |text| hex(text, "0x", ", ")),
    (r"\x escapes", |text| hex(text, r"\x", "")),
    ("percent escapes", |text| hex(text, "%", "")),
    ("percent escapes, twice", |text| hex(text, "%25", "")),
    ("percent escapes of some letters", |text| {
        swap_text(text, &[("a", "%61"), ("e", "%65"), ("o", "%6F"), (" ", "%20")])
    }),
    ("HTML decimal references", |text| each(text, |c| format!("&#{};", u32::from(c)))),
    ("HTML hexadecimal references", |text| each(text, |c| format!("&#x{:x}", u32::from(c)) + ";")),
    ("HTML blanks", |text| text.replace(' ', "&nbsp;")),
    (r"\u escapes", |text| each(text, |c| format!("\\u{:04x}", u32::from(c)))),
    (r"\u{} escapes", |text| each(text, |c| format!("\\u{{{:x}}}", u32::from(c)))),
    ("code points", |text| each(text, |c| format!("U+{:04X} ", u32::from(c)))),
    ("quoted-printable", |text| hex(text, "=", "").to_uppercase()),
    ("binary octets", |text| binary(text, " ")),
    ("binary octets, unspaced", |text| binary(text, "")),
    ("decimal codes", |text| each(text, |c| format!("{} ", u32::from(c)))),
    ("octal codes", |text| each(text, |c| format!("{:03o} ", u32::from(c)))),
    (r"octal escapes", |text| each(text, |c| format!("\\{:03o}", u32::from(c)))),
    ("Morse code", morse),
    ("ROT13", |text| caesar(text, 13)),
    ("Caesar by 3", |text| caesar(text, 3)),
    ("Caesar by 22", |text| caesar(text, 22)),
    ("reversed text", reversed),
    ("reversed words", |text| words(text, reversed)),
    ("reversed ROT13", |text| reversed(&caesar(text, 13))),
    ("pig Latin", |text| words(text, pig_latin)),
    ("Unicode tags", |text| {
        each(text, |c| char::from_u32(0xe0000 + u32::from(c)).unwrap_or(c).to_string())
    }),
    ("zero-width bits", zero_width_bits),
    ("variation selector bytes", |text| {
        format!("😀{}", text.bytes().map(selector).collect::<String>())
    }),
    ("base64 of base64", |text| STANDARD.encode(STANDARD.encode(text))),
    ("base64 of hexadecimal of base64", |text| {
        STANDARD.encode(hex(&STANDARD.encode(text), "", ""))
    }),
    ("base64 of ROT13", |text| STANDARD.encode(caesar(text, 13))),
    ("base64 of leetspeak", |text| {
        STANDARD.encode(swap(text, &[('a', '4'), ('e', '3'), ('o', '0')]))
    }),
    ("hexadecimal of Morse code", |text| hex(&morse(text), "", "")),
    // Out of reach of text views, and said so in the documentation.
    ("atbash", atbash),
    ("ROT47", rot47),
    ("blanks left out", |text| text.replace(' ', "")),
    ("vowels left out", |text| text.replace(['a', 'e', 'i', 'o', 'u'], "")),
    ("letters in a wrong order", scrambled),
    ("blanks inside words", |text| inside_words(text, " ")),
];

pub(crate) fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

pub(crate) fn caesar(text: &str, by: u8) -> String {
    let turn = |c: char, first: u8| char::from((c as u8 - first + by) % 26 + first);
    let moved = |c: char| match c {
        'a'..='z' => turn(c, b'a'),
        'A'..='Z' => turn(c, b'A'),
        _ => c,
    };
    text.chars().map(moved).collect()
}

fn each(text: &str, code: impl Fn(char) -> String) -> String {
    text.chars().map(code).collect()
}

fn words(text: &str, disguise: impl Fn(&str) -> String) -> String {
    text.split(' ').map(disguise).collect::<Vec<_>>().join(" ")
}

fn alternating_case(text: &str) -> String {
    let turn = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c };
    text.chars().enumerate().map(turn).collect()
}

/// Letters of another alphabet in the order of ours.
fn letters(text: &str, small: u32, capital: u32) -> String {
    let turn = |c: char| match c {
        'a'..='z' => char::from_u32(u32::from(c) - u32::from('a') + small).unwrap(),
        'A'..='Z' => char::from_u32(u32::from(c) - u32::from('A') + capital).unwrap(),
        _ => c,
    };
    text.chars().map(turn).collect()
}

fn superscript(text: &str) -> String {
    let from = "abcdefghijklmnoprstuvwxyz";
    let to = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ";
    let pairs: Vec<_> = from.chars().zip(to.chars()).collect();
    swap(text, &pairs)
}

fn swap(text: &str, pairs: &[(char, char)]) -> String {
    let turn = |c| pairs.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
    text.chars().map(turn).collect()
}

fn swap_text(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn after_letters(text: &str, mark: &str) -> String {
    each(text, |c| if c.is_alphabetic() { format!("{c}{mark}") } else { c.to_string() })
}

fn between_letters(text: &str, mark: &str, blank: &str) -> String {
    let spaced = |word: &str| word.chars().map(String::from).collect::<Vec<_>>().join(mark);
    text.split(' ').map(spaced).collect::<Vec<_>>().join(blank)
}

fn inside_words(text: &str, mark: &str) -> String {
    words(text, |word| {
        let middle = word.char_indices().nth(word.chars().count() / 2).map_or(0, |(at, _)| at);
        if middle == 0 {
            word.to_owned()
        } else {
            [&word[..middle], mark, &word[middle..]].concat()
        }
    })
}

/// The first vowel of each word, held.
fn stretched(text: &str) -> String {
    words(text, |word| match word.find(['a', 'e', 'i', 'o', 'u']) {
        Some(at) if word.len() > 1 => {
            [&word[..at], &word[at..=at].repeat(5), &word[at + 1..]].concat()
        }
        _ => word.to_owned(),
    })
}

fn chunked(text: &str, size: usize, joint: &str) -> String {
    let chunks = text.as_bytes().chunks(size).map(|chunk| std::str::from_utf8(chunk).unwrap());
    chunks.collect::<Vec<_>>().join(joint)
}

fn hex(text: &str, prefix: &str, joint: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("{prefix}{byte:02x}"));
    bytes.collect::<Vec<_>>().join(joint)
}

fn binary(text: &str, joint: &str) -> String {
    text.bytes().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().join(joint)
}

fn base32(text: &str) -> String {
    let bits: Vec<u8> = text.bytes().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let digit = |bits: &[u8]| {
        let value = (0..5).fold(0, |value, at| value << 1 | bits.get(at).copied().unwrap_or(0));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)])
    };
    let mut out: String = bits.chunks(5).map(digit).collect();
    while !out.len().is_multiple_of(8) {
        out.push('=');
    }
    out
}

fn morse(text: &str) -> String {
    const CODE: [&str; 26] = [
        ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--",
        "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--",
        "--..",
    ];
    let letter = |c: char| CODE[usize::from(c.to_ascii_lowercase() as u8 - b'a')].to_owned();
    let word = |word: &str| {
        let letters = word.chars().filter(char::is_ascii_alphabetic).map(letter);
        letters.collect::<Vec<_>>().join(" ")
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" / ")
}

fn pig_latin(word: &str) -> String {
    let head = word.find(['a', 'e', 'i', 'o', 'u', 'y']).unwrap_or(0);
    let ending = if head == 0 { "way" } else { "ay" };
    format!("{}{}{ending}", &word[head..], &word[..head])
}

fn zero_width_bits(text: &str) -> String {
    let mut out = String::from("hi");
    for byte in text.bytes() {
        for at in (0..8).rev() {
            out.push(if byte >> at & 1 == 0 { '\u{200b}' } else { '\u{200c}' });
        }
    }
    out + " there"
}

fn selector(byte: u8) -> char {
    let code = if byte < 16 { 0xfe00 + u32::from(byte) } else { 0xe0100 + u32::from(byte) - 16 };
    char::from_u32(code).unwrap()
}

fn atbash(text: &str) -> String {
    let turn =
        |c: char| if c.is_ascii_lowercase() { char::from(b'z' - (c as u8 - b'a')) } else { c };
    text.chars().map(turn).collect()
}

fn rot47(text: &str) -> String {
    let turn =
        |c: char| if c.is_ascii_graphic() { char::from((c as u8 - 33 + 47) % 94 + 33) } else { c };
    text.chars().map(turn).collect()
}

/// The inner letters of each word turned round.
fn scrambled(text: &str) -> String {
    words(text, |word| {
        if word.len() < 5 {
            return word.to_owned();
        }
        let mut out = String::from(&word[..1]);
        let _ = write!(out, "{}{}", reversed(&word[1..word.len() - 1]), &word[word.len() - 1..]);
        out
    })
}
