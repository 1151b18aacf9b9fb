//! Words with something between their letters: `b.o.m.b`, `b o m b`,
//! `pi_pe`, `<b>pi</b>pe`, `booomb`.
//!
//! Phrases match whole words, so what becomes of a separator matters. Single
//! letters in a row form one word; between them, a gap that is wider than the
//! narrowest one stays as a blank (`p-i-p-e b-o-m-b`). A mark inside a word is
//! taken out in one reading and becomes a blank in the other (`pipe_bomb`).
//! A letter that is stretched over three or more is read once or twice.
//! Called by [`super`]; reads text with its case.

use std::ops::Range;

use super::parts::Parts;
use crate::domain::View;

/// Single letters in a row that make a word.
const LETTERS_MIN: usize = 3;
/// Characters between two letters of one word.
const GAP_CHARS_MAX: usize = 8;
/// Bytes of an HTML tag or comment that counts as a separator.
const TAG_BYTES_MAX: usize = 64;
/// The same letter this many times in a row is a stretched one.
const STRETCH_MIN: usize = 3;

/// How ambiguous separators and stretched letters are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// A mark inside a word is a blank; otherwise it is nothing.
    marks_are_blanks: bool,
    /// `a` or `i` in front of single letters is a word of its own.
    article_apart: bool,
    stretched: Stretched,
}

#[derive(Debug, Clone, Copy)]
enum Stretched {
    Once,
    Twice,
    /// Vowels once, consonants twice: `kiiillll`.
    Mixed,
}

pub(crate) const READINGS: [Reading; 4] = [
    Reading { marks_are_blanks: false, article_apart: false, stretched: Stretched::Once },
    Reading { marks_are_blanks: true, article_apart: true, stretched: Stretched::Twice },
    Reading { marks_are_blanks: false, article_apart: true, stretched: Stretched::Mixed },
    Reading { marks_are_blanks: true, article_apart: false, stretched: Stretched::Once },
];

/// A run of letters and digits, and the gap before it.
#[derive(Debug)]
struct Word {
    span: Range<usize>,
    single: bool,
    gap: Gap,
    /// Part of an address (`https://…`, `a@b.c`), where marks separate nothing.
    address: bool,
    digits: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Gap {
    chars: usize,
    blank: bool,
    line_end: bool,
    /// Only an apostrophe or a right single quotation mark.
    apostrophe: bool,
    /// A mark that prose does not set between words.
    odd: bool,
    dot: bool,
}

/// What stands between the words of a text.
#[derive(Debug)]
pub(crate) struct Squeezable {
    words: Vec<Word>,
    spaced: Vec<Spaced>,
}

/// Words of one letter each that are words together.
#[derive(Debug)]
struct Spaced {
    /// Indices of the words.
    range: Range<usize>,
    /// Characters of the narrowest gap.
    narrowest: usize,
    /// A gap has no blank.
    marked: bool,
    /// The first one is `a` or `i`.
    article: bool,
}

impl Squeezable {
    pub(crate) fn of(text: &str) -> Self {
        let words = words(text);
        let mut spaced = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let run = words.iter().skip(at).enumerate().take_while(|(index, word)| {
                word.single && !word.address && (*index == 0 || word.gap.chars <= GAP_CHARS_MAX)
            });
            let (len, letters) = run.fold((0, 0), |(len, letters), (_, word)| {
                (len + 1, letters + usize::from(!word.digits))
            });
            if len >= LETTERS_MIN && letters > 0 {
                spaced.push(Spaced::new(text, &words, at..at + len));
            }
            at += len.max(1);
        }
        Self { words, spaced }
    }

    /// The text as `reading` has it, as parts of it to be put another way.
    pub(crate) fn read(&self, text: &str, reading: Reading) -> Parts {
        let mut parts = Parts::default();
        let mut letters = Letters { reading, run: Vec::new(), parts: &mut parts };
        let mut spaced = self.spaced.iter().peekable();
        for (index, word) in self.words.iter().enumerate() {
            while spaced.next_if(|run| run.range.end <= index).is_some() {}
            let run = spaced.peek().filter(|run| run.range.start < index && index < run.range.end);
            let before = index.checked_sub(1).and_then(|before| self.words.get(before));
            let start = before.map_or(0, |before| before.span.end);
            let gap = start..word.span.start;
            let put = match run {
                Some(run) => Some(run.gap(index, word, reading)),
                None => before.and_then(|before| plain_gap(text, before, word, reading)),
            };
            letters.gap(gap, put);
            letters.word(text, word);
        }
        letters.flush();
        parts.settle();
        parts
    }
}

impl Spaced {
    fn new(text: &str, words: &[Word], range: Range<usize>) -> Self {
        let gaps = words.get(range.start + 1..range.end).unwrap_or_default();
        let narrowest = gaps.iter().map(|word| word.gap.chars).min().unwrap_or_default();
        let marked = gaps.iter().any(|word| !word.gap.blank);
        let first = words.get(range.start).and_then(|word| text.get(word.span.clone()));
        let article = first.is_some_and(|word| matches!(word, "a" | "A" | "i" | "I"));
        Self { range, narrowest, marked, article }
    }

    /// Between two of its letters: nothing, or the blank between two words. In
    /// `p-i-p-e b-o-m-b` all gaps are as wide, but one is blank.
    fn gap(&self, index: usize, word: &Word, reading: Reading) -> &'static str {
        let wide = word.gap.chars > self.narrowest || self.marked && word.gap.blank;
        let apart = reading.article_apart && self.article && index == self.range.start + 1;
        if wide || apart { " " } else { "" }
    }
}

/// What a gap between two words of a sentence becomes; `None` leaves it.
fn plain_gap(text: &str, before: &Word, word: &Word, reading: Reading) -> Option<&'static str> {
    let gap = word.gap;
    if gap.apostrophe || gap.chars == 0 && !gap.odd || before.address && word.address {
        return None;
    }
    if gap.blank {
        return (gap.odd && !gap.line_end).then_some(" ");
    }
    // `3.14`, `10-20`, `covid-19`, and `e.g.` are written so by everybody.
    let number = |word: &Word| text.get(word.span.clone()).is_some_and(is_number);
    if number(before) || number(word) || gap.dot && before.single && word.single {
        return None;
    }
    Some(if reading.marks_are_blanks { " " } else { "" })
}

/// Collects the letters of a word over the gaps inside it.
struct Letters<'p> {
    reading: Reading,
    /// The last letter in lower case, and where its repetitions lie.
    run: Vec<(char, Range<usize>)>,
    parts: &'p mut Parts,
}

impl Letters<'_> {
    fn gap(&mut self, span: Range<usize>, put: Option<&str>) {
        if let Some(put) = put {
            self.parts.push(span, View::Squeezed, super::parts::Form::Whole, put);
        }
        if put != Some("") {
            self.flush();
        }
    }

    fn word(&mut self, text: &str, word: &Word) {
        let start = word.span.start;
        let written = text.get(word.span.clone()).unwrap_or_default();
        // `www`, `III`: no letter is stretched where there is no other.
        let first = written.chars().next().unwrap_or_default();
        if !word.single && written.chars().all(|c| c.eq_ignore_ascii_case(&first)) {
            self.flush();
            return;
        }
        for (at, c) in written.char_indices() {
            let small = if c.is_ascii() { c.to_ascii_lowercase() } else { c };
            if self.run.last().is_none_or(|(last, _)| *last != small) {
                self.flush();
            }
            if c.is_alphabetic() {
                self.run.push((small, start + at..start + at + c.len_utf8()));
            } else {
                self.flush();
            }
        }
    }

    /// Takes out what a stretched letter has too much.
    fn flush(&mut self) {
        if self.run.len() >= STRETCH_MIN {
            let vowel =
                self.run.first().is_some_and(|(c, _)| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u'));
            let keep = match self.reading.stretched {
                Stretched::Once => 1,
                Stretched::Twice => 2,
                Stretched::Mixed => 1 + usize::from(!vowel),
            };
            for (_, span) in self.run.iter().skip(keep) {
                self.parts.push_char(span.clone(), View::Squeezed, None);
            }
        }
        self.run.clear();
    }
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut gap = Gap { blank: true, ..Gap::default() };
    let mut address = Address::default();
    let mut skip_to = 0;
    let mut open = false;
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        if c.is_alphanumeric() {
            let end = at + c.len_utf8();
            match words.last_mut().filter(|_| open) {
                Some(word) => {
                    word.span.end = end;
                    word.single = false;
                    word.digits &= c.is_ascii_digit();
                }
                None => words.push(Word {
                    span: at..end,
                    single: true,
                    gap,
                    address: address.at(text, at),
                    digits: c.is_ascii_digit(),
                }),
            }
            open = true;
            continue;
        }
        if open {
            gap = Gap { apostrophe: true, ..Gap::default() };
            open = false;
        }
        if c == '<'
            && let Some(len) = tag(text.get(at..).unwrap_or_default())
        {
            skip_to = at + len;
            gap.odd = true;
            gap.apostrophe = false;
            continue;
        }
        gap.add(c);
    }
    words
}

impl Gap {
    fn add(&mut self, c: char) {
        self.apostrophe &= self.chars == 0 && matches!(c, '\'' | '’');
        self.chars += 1;
        self.blank |= c.is_whitespace();
        self.line_end |= c == '\n';
        self.dot = self.chars == 1 && c == '.';
        self.odd |= match c {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '"' | '(' | ')' | '[' | ']' | '-' | '&'
            | '%' | '$' | '#' | '@' | '{' | '}' | '’' | '“' | '”' | '–' | '—' => false,
            c => !c.is_whitespace(),
        };
    }
}

/// Whether the token around an offset is an address; remembers the last one.
#[derive(Debug, Default)]
struct Address {
    token_end: usize,
    is: bool,
}

impl Address {
    fn at(&mut self, text: &str, at: usize) -> bool {
        if at >= self.token_end {
            let rest = text.get(at..).unwrap_or_default();
            let token = rest.split(char::is_whitespace).next().unwrap_or_default();
            self.token_end = at + token.len();
            self.is = token.contains("://") || token.starts_with("www.") || is_mailbox(token);
        }
        self.is
    }
}

/// `1990`, `19th`, `20k`: a number, perhaps with its unit.
fn is_number(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - unit.len();
    unit.is_empty() || digits >= 2 && unit.len() <= 3
}

/// `name@host.tld`; an at sign among letters alone may be one of them.
fn is_mailbox(token: &str) -> bool {
    token.split_once('@').is_some_and(|(name, host)| name.len() > 1 && host.contains('.'))
}

/// The length of the HTML tag or comment that `rest` begins with.
fn tag(rest: &str) -> Option<usize> {
    let mut bytes = rest.bytes().skip(1);
    let first = bytes.next()?;
    if !(first.is_ascii_alphabetic() || matches!(first, b'/' | b'!')) {
        return None;
    }
    let near = rest.as_bytes().iter().take(TAG_BYTES_MAX);
    near.clone().position(|byte| *byte == b'>').map(|end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let squeezable = Squeezable::of(text);
        READINGS
            .iter()
            .map(|reading| {
                let parts = squeezable.read(text, *reading);
                if parts.is_empty() { text.to_owned() } else { parts.splice(text).0 }
            })
            .collect()
    }

    #[test]
    fn separators_between_letters_are_taken_out() {
        for (written, meant) in [
            ("make a b.o.m.b now", "make a bomb now"),
            ("make a b o m b now", "make a bomb now"),
            ("b-o-m-b", "bomb"),
            ("p-i-p-e b-o-m-b", "pipe bomb"),
            ("p i p e   b o m b", "pipe bomb"),
            ("p.i.p.e..b.o.m.b", "pipe bomb"),
            ("h-o-w- -t-o", "how to"),
            ("pipe_bomb", "pipe bomb"),
            ("pi_pe bo*mb", "pipe bomb"),
            ("**pi**pe __bo__mb", "pipe bomb"),
            ("p<b>ip</b>e bo<!-- x -->mb", "pipe bomb"),
            ("pi/pe", "pipe"),
            ("booooomb", "bomb"),
            ("kiiiilllll", "kill"),
            ("killlll", "kill"),
            ("b💥o💥m💥b", "bomb"),
            ("pipe * bomb", "pipe bomb"),
        ] {
            assert!(read(written).iter().any(|text| text.contains(meant)), "{:?}", read(written));
        }
    }

    #[test]
    fn what_everybody_writes_stays() {
        for text in [
            "it's 3.14, e.g. 10-20 or 1/2.",
            "see https://www.example.com/a_b-c and a.b@example.com",
            "one, two; three (four) - five!",
            "covid-19 at 12:30",
        ] {
            assert!(read(text).iter().all(|read| read == text), "{:?}", read(text));
        }
    }
}
