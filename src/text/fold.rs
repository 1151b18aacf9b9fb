//! The canonical form of one character, whatever stands around it.
//!
//! Because no neighbour matters, the view of a prefix is a prefix of the view:
//! text can be judged while it arrives. The price is that forms which only a
//! neighbour explains (composed Hangul, digits used as letters) stay as they
//! are; other views deal with them. Used by [`super::Canonical`] and by the
//! policy compiler, which folds rules the same way.

use std::sync::OnceLock;

use decancer::Translation;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// What a character becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folded {
    /// Nothing to see: invisible, control, or a mark on the letter before.
    Dropped,
    /// White space, or a character that looks like it.
    Space,
    One(char),
    Many(String),
}

/// Look-alikes may lead to one another; no chain in the tables is longer.
const ROUNDS_MAX: usize = 4;

/// The first two planes are remembered, a page at a time and on first use;
/// the tables behind them take about a microsecond per character.
const PAGES: usize = 0x200;
const PAGE_CHARS: u32 = 0x100;
static REMEMBERED: [OnceLock<Box<[Folded]>>; PAGES] = [const { OnceLock::new() }; PAGES];

/// Folds one character. Idempotent: folding the result changes nothing.
pub fn fold(c: char) -> Folded {
    with_folded(c, Folded::clone)
}

/// Folds one character without a copy.
pub(super) fn with_folded<R>(c: char, then: impl FnOnce(&Folded) -> R) -> R {
    let (page, place) = (u32::from(c) / PAGE_CHARS, u32::from(c) % PAGE_CHARS);
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let remembered = REMEMBERED.get(index(page)).and_then(|cell| {
        let page = cell.get_or_init(|| {
            (0..PAGE_CHARS)
                .map(|place| {
                    char::from_u32(page * PAGE_CHARS + place).map_or(Folded::Dropped, compute)
                })
                .collect()
        });
        page.get(index(place))
    });
    match remembered {
        Some(folded) => then(folded),
        None => then(&compute(c)),
    }
}

fn compute(c: char) -> Folded {
    if c.is_ascii() { ascii(c) } else { other(c) }
}

fn ascii(c: char) -> Folded {
    match c {
        ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' => Folded::Space,
        '`' => Folded::One('\''),
        c if c.is_ascii_control() => Folded::Dropped,
        c => Folded::One(c.to_ascii_lowercase()),
    }
}

fn other(c: char) -> Folded {
    match c {
        // Tag characters shadow ASCII and smuggle whole sentences unseen.
        '\u{e0020}'..='\u{e007e}' => {
            return u8::try_from(u32::from(c) - 0xe0000)
                .map_or(Folded::Dropped, |byte| ascii(char::from(byte)));
        }
        // Regional indicators: letters in a box.
        '\u{1f1e6}'..='\u{1f1ff}' => return shifted(c, 0x1f1e6),
        '\u{1f130}'..='\u{1f149}' => return shifted(c, 0x1f130),
        '\u{1f150}'..='\u{1f169}' => return shifted(c, 0x1f150),
        '\u{1f170}'..='\u{1f189}' => return shifted(c, 0x1f170),
        _ => {}
    }
    if looks_blank(c) {
        return Folded::Space;
    }
    if is_dropped(c) {
        return Folded::Dropped;
    }
    if let Some(plain) = punctuation(c) {
        return Folded::One(plain);
    }
    let mut text = String::from(c);
    for _ in 0..ROUNDS_MAX {
        let next: String = text.chars().fold(String::new(), |mut out, c| {
            once(c, &mut out);
            out
        });
        if next == text {
            break;
        }
        text = next;
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Folded::Dropped,
        (Some(one), None) => Folded::One(one),
        _ => Folded::Many(text),
    }
}

/// One round: compatibility form, marks away, look-alike, lower case.
fn once(c: char, out: &mut String) {
    decompose(c, |c| {
        if is_dropped(c) {
            return;
        }
        if let Some(plain) = punctuation(c) {
            out.push(plain);
            return;
        }
        match c {
            'ß' | 'ẞ' => out.push_str("ss"),
            _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            _ => match decancer::cure_char!(c) {
                // The tables also drop marks that carry meaning in their script.
                Translation::None if c.is_alphabetic() => out.push(c),
                Translation::None => {}
                Translation::Character(cured) => lower(cured, out),
                Translation::String(cured) => cured.chars().for_each(|c| lower(c, out)),
            },
        }
    });
}

/// Compatibility decomposition, except of spacing accents: those decompose
/// into a space and a mark, and a space would split the word they stand in.
fn decompose(c: char, mut emit: impl FnMut(char)) {
    let mut starts_blank = None;
    decompose_compatible(c, |part| {
        starts_blank.get_or_insert(part == ' ');
    });
    if starts_blank == Some(true) { emit(c) } else { decompose_compatible(c, emit) }
}

/// Full case folding, as far as one character goes.
fn lower(c: char, out: &mut String) {
    out.extend(
        c.to_lowercase()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .filter(|c| !is_dropped(*c)),
    );
}

fn shifted(c: char, first: u32) -> Folded {
    u8::try_from(u32::from(c) - first)
        .map_or(Folded::Dropped, |letter| Folded::One(char::from(b'a'.saturating_add(letter))))
}

/// White space, and letters and symbols without ink but with width.
fn looks_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{2800}' | '\u{1d159}')
}

/// Characters without ink and without width, and marks on other characters.
///
/// Default_Ignorable_Code_Point and General_Category Cc of Unicode 16, the
/// blocks of combining diacritics, and marks above, below or within letters.
pub(super) fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{640}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        // Combining diacritics and their supplements.
        | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
        || matches!(canonical_combining_class(c), 1 | 10..=36 | 200..=240)
}

/// Quotation marks, dashes and brackets that stand for an ASCII one.
fn punctuation(c: char) -> Option<char> {
    Some(match c {
        '`' | '´' | '‘' | '’' | '‚' | '‛' | 'ʹ' | 'ʻ' | 'ʼ' | 'ʽ' | 'ˈ' | '′' | '‵' | '‹' | '›'
        | '＇' | '｀' => '\'',
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '‶' | '〝' | '〞' | '〟' | 'ʺ' | '＂' => {
            '"'
        }
        '‐'..='―' | '⁃' | '−' | '﹘' | '﹣' | '－' | '➖' | '⸺' | '⸻' => '-',
        '⟨' | '\u{2329}' | '\u{3008}' | '⧼' | '❮' | '❰' | '˂' | 'ᐸ' => '<',
        '⟩' | '\u{232a}' | '\u{3009}' | '⧽' | '❯' | '❱' | '˃' | 'ᐳ' => '>',
        '【' | '〔' | '〖' | '⟦' | '⁅' => '[',
        '】' | '〕' | '〗' | '⟧' | '⁆' => ']',
        '⁄' | '∕' | '╱' | '⧸' => '/',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    fn folded(text: &str) -> String {
        crate::text::canonical(text)
    }

    #[test]
    fn the_many_ways_to_write_a_word_become_one() {
        for written in [
            "ｎａïｖｅ",
            "N\u{430}\u{456}v\u{435}",
            "𝔫𝔞𝔦𝔳𝔢",
            "ⓝⓐⓘⓥⓔ",
            "🄽🄰🄸🅅🄴",
            "🅽🅰🅸🆅🅴",
            "🇳🇦🇮🇻🇪",
            "n\u{200b}a\u{ad}i\u{fe0f}v\u{2066}e",
            "nai\u{308}ve",
            "\u{e006e}\u{e0061}\u{e0069}\u{e0076}\u{e0065}",
            "ＮＡÏＶＥ",
            "n\u{0}aive",
        ] {
            assert_eq!(folded(written), "naive", "{written:?}");
        }
    }

    #[test]
    fn white_space_quotes_and_dashes_have_one_form() {
        assert_eq!(folded("a \u{3000}\t\n\u{2800}b"), "a b");
        assert_eq!(folded("don’t “say” – this"), "don't \"say\" - this");
        assert_eq!(folded("Straße ﬁne ẞ"), "strasse fine ss");
    }

    #[test]
    fn scripts_without_look_alikes_stay_readable() {
        for text in ["한국어".to_owned(), "नमस्ते".to_owned(), "日本語".to_owned()]
        {
            assert!(!folded(&text).is_empty());
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in '\0'..=char::MAX {
            let once = folded(&c.to_string());
            assert_eq!(folded(&once), once, "U+{:04X}", u32::from(c));
        }
    }
}
