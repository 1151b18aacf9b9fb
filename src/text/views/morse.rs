//! Morse code in dots and dashes.
//!
//! Letters are separated by a blank, words by a slash, a bar, a line end or
//! more blanks. Source of the code: ITU-R M.1677-1. Called by [`super`].

use super::parts::{Form, Parts};
use crate::domain::View;

/// Letters that a message must have; an ellipsis and a rule have none.
const LETTERS_MIN: usize = 3;
/// Unknown signs among a message's letters: one in so many.
const UNKNOWN_SHARE: usize = 4;
/// Dots and dashes of one letter.
const SIGN_MAX: usize = 6;

/// Row by row: 1, 2, 3 … signs; within a row as binary numbers with dot 0.
const CODE: [&str; 5] =
    ["et", "ianm", "surwdkgo", "hvf?l?pjbxcyzq??", "54?3???2??+????16=/?????7???8?90"];

/// Messages in Morse code.
pub(crate) fn morse(text: &str, parts: &mut Parts) {
    let mut message = Message::default();
    for (at, c) in text.char_indices().chain([(text.len(), '\0')]) {
        match c {
            '.' | '·' | '•' | '∙' | '⋅' => message.sign(at, c, 0),
            '-' | '–' | '—' | '−' | '_' | '‐' => message.sign(at, c, 1),
            ' ' => message.blank(),
            '/' | '|' | '\n' | '\r' | '\t' => message.word_end(),
            _ => message.finish(parts),
        }
    }
}

#[derive(Debug, Default)]
struct Message {
    text: String,
    start: Option<usize>,
    end: usize,
    /// The letter that is being written: its signs as a number, how many, its start.
    code: usize,
    signs: usize,
    letters: usize,
    unknown: usize,
    dots: bool,
    dashes: bool,
    blanks: usize,
}

impl Message {
    fn sign(&mut self, at: usize, c: char, bit: usize) {
        self.start.get_or_insert(at);
        if self.blanks > 1 {
            self.gap();
        }
        self.blanks = 0;
        self.code = (self.code << 1 | bit) & ((1 << SIGN_MAX) - 1);
        self.signs += 1;
        self.dots |= bit == 0;
        self.dashes |= bit == 1;
        self.end = at + c.len_utf8();
    }

    fn blank(&mut self) {
        self.letter_end();
        self.blanks += 1;
    }

    fn word_end(&mut self) {
        self.letter_end();
        self.gap();
    }

    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    fn letter_end(&mut self) {
        if self.signs == 0 {
            return;
        }
        let row = CODE.get(self.signs - 1).copied().unwrap_or_default();
        match row.as_bytes().get(self.code).filter(|byte| **byte != b'?') {
            Some(byte) => self.text.push(char::from(*byte)),
            None => {
                self.unknown += 1;
                self.text.push('?');
            }
        }
        self.letters += 1;
        (self.code, self.signs) = (0, 0);
    }

    fn finish(&mut self, parts: &mut Parts) {
        self.letter_end();
        let enough = self.letters >= LETTERS_MIN && self.dots && self.dashes;
        if let Some(start) = self.start
            && enough
            && self.unknown * UNKNOWN_SHARE <= self.letters
        {
            parts.push(start..self.end, View::Morse, Form::Whole, self.text.trim_end());
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut parts = Parts::default();
        morse(text, &mut parts);
        parts.list().iter().map(|part| parts.text(part).to_owned()).collect()
    }

    #[test]
    fn messages_are_read() {
        for (written, meant) in [
            (".-- .-. .. - . / .- / .--. --- . --", "write a poem"),
            (".-- .-. .. - .   .-   .--. --- . --", "write a poem"),
            ("·–– ·–· ·· – · | ·– | ·––· ––– · ––", "write a poem"),
            ("decode this: .--. --- . -- please", "poem"),
            (".---- ..--- ...-- ....- ..... -.... --... ---.. ----. -----", "1234567890"),
        ] {
            assert_eq!(read(written), [meant], "{written}");
        }
    }

    #[test]
    fn dots_and_rules_are_no_message() {
        for text in ["wait... what - no", "- one\n- two\n-----\n...", "a -- b . . .", "-. -"] {
            assert_eq!(read(text), Vec::<String>::new(), "{text}");
        }
    }
}
