//! Digits and symbols that stand for letters: `b0mb`, `k!ll`, `@tt4ck`.
//!
//! Only a word that mixes letters with such characters is read this way, and
//! only if one of them stands before a letter, as in no number with a unit
//! (`10k`, `3rd`) and no name with a number (`mp3`, `covid19`). Some characters
//! stand for several letters, so there are a few readings of the whole text.
//! Called by [`super`]; reads text with its case.

use std::ops::Range;

use super::language::{class, pair_cost};
use super::parts::Parts;
use crate::domain::View;

/// Longer mixtures of letters and digits are keys, hashes and identifiers.
const WORD_CHARS_MAX: usize = 32;
/// Letters after a number that may be its unit.
const UNIT_CHARS_MAX: usize = 3;

/// More digits are a number.
const DIGITS_MAX: usize = 4;

/// Which letter an ambiguous character is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// The first one of [`letters`].
    First,
    /// The second one, where there is one.
    Second,
    /// The one that fits best between its neighbours.
    Likeliest,
}

pub(crate) const READINGS: [Reading; 3] = [Reading::First, Reading::Second, Reading::Likeliest];

/// The letters that a character resembles, the usual one first.
fn letters(c: char) -> &'static str {
    match c {
        '0' => "o",
        '1' | '|' => "il",
        '!' => "il",
        '2' => "z",
        '3' => "e",
        '4' => "a",
        '5' => "s",
        '6' => "gb",
        '7' => "tl",
        '8' => "b",
        '9' => "gq",
        '@' => "a",
        '$' | '§' => "s",
        '+' | '†' => "t",
        '€' => "e",
        '£' => "l",
        '¢' | '©' => "c",
        '¥' => "y",
        'µ' => "u",
        _ => "",
    }
}

fn is_leet(c: char) -> bool {
    !letters(c).is_empty()
}

/// The words of `text` that are to be read, if any is.
pub(crate) fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut sure = false;
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_ascii_alphabetic() || is_leet(c) {
            start.get_or_insert(at);
        } else if let Some(from) = start.take()
            && let Some((word, signal)) = judge(text, from..at, c)
        {
            sure |= signal;
            found.push(word);
        }
    }
    if sure { found } else { Vec::new() }
}

/// A word without the marks around it, and whether it is surely disguised.
fn judge(text: &str, span: Range<usize>, next: char) -> Option<(Range<usize>, bool)> {
    let written = text.get(span.clone())?;
    let kept = written.trim_end_matches(['!', '|', '+']);
    let word = kept.trim_start_matches(['+', '|']);
    let start = span.start + (kept.len() - word.len());
    let range = start..start + word.len();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let chars = word.chars().count();
    if letters == chars || chars > WORD_CHARS_MAX {
        return None;
    }
    if letters == 0 {
        // A few digits are a word only beside words that are disguised.
        return (chars <= DIGITS_MAX).then_some((range, false));
    }
    // The at sign of an address.
    if word.find('@').is_some_and(|at| at > 0) && next == '.' {
        return None;
    }
    let number = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if number > 0 && letters + number == chars && letters <= UNIT_CHARS_MAX {
        return None;
    }
    let mut chars = word.chars().peekable();
    let mut signal = word.ends_with('$');
    while let Some(c) = chars.next() {
        signal |= is_leet(c) && chars.peek().is_some_and(char::is_ascii_alphabetic);
    }
    Some((range, signal))
}

/// The text as `reading` has it, as parts of it to be put another way.
pub(crate) fn read(text: &str, words: &[Range<usize>], reading: Reading) -> Parts {
    let mut parts = Parts::default();
    for word in words {
        let written = text.get(word.clone()).unwrap_or_default();
        let mut before = ' ';
        let mut chars = written.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map_or(' ', |(_, next)| *next);
            let Some(letter) = pick(letters(c), reading, before, next) else {
                before = c;
                continue;
            };
            let start = word.start + at;
            parts.push_char(start..start + c.len_utf8(), View::Leetspeak, Some(letter));
            before = letter;
        }
    }
    parts.settle();
    parts
}

fn pick(letters: &str, reading: Reading, before: char, next: char) -> Option<char> {
    let first = letters.chars().next()?;
    let second = letters.chars().nth(1).unwrap_or(first);
    let letter_class = |c: char| u8::try_from(c).map_or(0, class);
    let next = letter_class(self::letters(next).chars().next().unwrap_or(next));
    let cost = |c: char| {
        pair_cost(letter_class(before), letter_class(c)) + pair_cost(letter_class(c), next)
    };
    Some(match reading {
        Reading::First => first,
        Reading::Second => second,
        Reading::Likeliest if cost(second) < cost(first) => second,
        Reading::Likeliest => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Vec<String> {
        let words = words(text);
        READINGS
            .iter()
            .map(|reading| {
                let parts = read(text, &words, *reading);
                if parts.is_empty() { text.to_owned() } else { parts.splice(text).0 }
            })
            .collect()
    }

    #[test]
    fn symbols_are_read_as_letters() {
        for (written, meant) in [
            ("m4k3 4 p1p3 b0mb", "make a pipe bomb"),
            ("k!ll!", "kill"),
            ("k1ll", "kill"),
            ("1ov3 7h3 fi1m", "the film"),
            ("h4ck @ w3b5i7e", "website"),
            ("wh@t a$$", "ass"),
            ("ski1ls", "skills"),
        ] {
            assert!(read_all(written).iter().any(|text| text.contains(meant)), "{written}");
        }
    }

    #[test]
    fn numbers_units_and_names_stay() {
        for text in
            ["10k, 3rd, 5pm, 2nd and 100mb", "mp3 covid19 gpt4", "a@b.example", "wow! 3 + 4 = 7!"]
        {
            assert!(words(text).is_empty(), "{text}");
        }
    }
}
