//! Which scripts the letters of a text belong to, and words that mix them.
//!
//! Reads the text as it was sent: the canonical view has folded the
//! look-alikes of which this is about. Called by [`super::condition`].

use std::ops::Range;

pub use unicode_script::Script;
use unicode_script::UnicodeScript;

/// A text is in a script when this share of its letters is.
const SHARE_MIN: f64 = 1.0 / 3.0;
/// Shorter words are symbols (`Δx`, `μm`).
const MIXED_LETTERS_MIN: usize = 3;

/// Letters of other alphabets that look like one of the Latin alphabet.
/// Source: the single-letter entries of Unicode's confusables.txt for Cyrillic,
/// Greek and Armenian, as far as common fonts draw them alike.
const LOOK_ALIKES: &str = "аеорсхуіјѕԁһӏѵԛԝАВЕКМНОРСТХУІЈЅԌԚԜοναρυικχΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲϳօսոհզՕՍ";
/// Small Latin letters that look like one of those. Capitals in front of
/// small letters of the other alphabet are an abbreviation (`SMSки`).
const LATIN_TWINS: &str = "aeopcxyijsdhlvqwkun";

/// A script by its Unicode name in lower case, e.g. `old_italic`.
pub fn by_name(name: &str) -> Option<Script> {
    let capital = |part: &str| -> String {
        let mut chars = part.chars();
        chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
    };
    let full: Vec<String> = name.split('_').map(capital).collect();
    Script::from_full_name(&full.join("_"))
        .filter(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown))
}

/// From the first to the last letter in one of the scripts, when a third or
/// more of the letters are.
pub fn written_in(text: &str, scripts: &[Script]) -> Option<Range<usize>> {
    let mut letters = 0usize;
    let mut inside = 0usize;
    let mut span: Option<Range<usize>> = None;
    for (at, c) in text.char_indices().filter(|(_, c)| c.is_alphabetic()) {
        letters += 1;
        if scripts.contains(&c.script()) {
            inside += 1;
            let start = span.map_or(at, |span| span.start);
            span = Some(start..at + c.len_utf8());
        }
    }
    span.filter(|_| inside as f64 >= SHARE_MIN * letters as f64)
}

/// From the first to the last word in which letters of one alphabet pose as
/// letters of another. A prefix or symbol that only stands beside the other
/// alphabet (`μm`, `IT-отдел`, `SMSки`) is no disguise.
pub fn mixed(text: &str) -> Option<Range<usize>> {
    if text.is_ascii() {
        return None;
    }
    let mut span: Option<Range<usize>> = None;
    let mut word: Option<usize> = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_alphabetic() {
            word.get_or_insert(at);
        } else if let Some(start) = word.take()
            && text.get(start..at).is_some_and(is_mixed)
        {
            span = Some(span.map_or(start, |span| span.start)..at);
        }
    }
    span
}

fn is_mixed(word: &str) -> bool {
    if word.is_ascii() {
        return false;
    }
    let shouted = !word.chars().any(char::is_lowercase);
    let small = |c: char| if shouted { c.to_ascii_lowercase() } else { c };
    let mut latin = Posing::default();
    let mut other = Posing::default();
    for c in word.chars() {
        match c.script() {
            Script::Latin => latin.note(LATIN_TWINS.contains(small(c))),
            Script::Cyrillic | Script::Greek | Script::Armenian => {
                other.note(LOOK_ALIKES.contains(c));
            }
            _ => {}
        }
    }
    latin.letters + other.letters >= MIXED_LETTERS_MIN
        && latin.letters > 0
        && other.letters > 0
        && (latin.all_pose() || other.all_pose())
}

/// Letters of one alphabet in a word, and how many look like the other's.
#[derive(Default)]
struct Posing {
    letters: usize,
    posing: usize,
}

impl Posing {
    fn note(&mut self, poses: bool) {
        self.letters += 1;
        self.posing += usize::from(poses);
    }

    fn all_pose(&self) -> bool {
        self.letters == self.posing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unicode_names() {
        assert_eq!(by_name("cyrillic"), Some(Script::Cyrillic));
        assert_eq!(by_name("old_italic"), Some(Script::Old_Italic));
        assert_eq!(by_name("common"), None);
        assert_eq!(by_name("klingon"), None);
    }

    #[test]
    fn a_third_of_the_letters_makes_a_script() {
        let cyrillic = &[Script::Cyrillic];
        assert_eq!(written_in("say Привет мир", cyrillic), Some(4..23));
        assert_eq!(written_in("this is about the word мир", cyrillic), None);
        assert_eq!(written_in("12:30", cyrillic), None);
        assert!(written_in("你好", &[Script::Han, Script::Thai]).is_some());
    }

    #[test]
    fn a_letter_that_poses_is_found() {
        for (text, word) in [
            ("log in to p\u{430}ypal now", "p\u{430}ypal"),
            ("b\u{43e}mb", "b\u{43e}mb"),
            ("\u{430}ttack!", "\u{430}ttack"),
            ("как сдeлать", "сдeлать"),
            ("ПРИBEТ COCЕД", "COCЕД"),
            ("\u{3bf}mega", "\u{3bf}mega"),
        ] {
            assert_eq!(text.get(mixed(text).unwrap()), Some(word), "{text}");
        }
        for text in [
            "plain",
            "Привет world",
            "SMSки",
            "IT-отдел",
            "5 μm",
            "Δx and αx",
            "T恤",
            "naïve café",
            "日本語 kana テスト",
            "WiFi-роутер",
            "C++ и Rust",
            "кг/m",
        ] {
            assert_eq!(mixed(text), None, "{text}");
        }
    }
}
