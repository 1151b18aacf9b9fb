//! How unlike writing a part of a text is: optimised suffixes, punctuation
//! soups, random letters.
//!
//! A table of class trigrams gives every character a surprise; a window's mean
//! becomes a number from 0 (prose, code) to 1. Made by `training/noise`, from
//! the project's own text; it knows vowels and brackets, not words. Formulas,
//! tables and lists look like noise to it, so windows of those are passed over:
//! whoever pads his suffix with digits or line ends is not found. Called by
//! [`super::condition`].

use std::collections::VecDeque;
use std::ops::Range;

use unicode_normalization::char::decompose_canonical;

/// By class of the character before last, the last, and this one: surprise in
/// sixteenths of a bit.
static TABLE: &[u8; CLASSES * CLASSES * CLASSES] = include_bytes!("noise/table.bin");
const CLASSES: usize = 32;
const UNIT: f64 = 16.0;
/// Bits per character at which noise is 0, and the range up to 1.
const BITS_PLAIN: f64 = 2.0;
const BITS_RANGE: f64 = 2.0;

const BLOCK_CHARS: usize = 16;
const WINDOW_BLOCKS: usize = 6;
/// A text needs as many characters to be called noise.
const CHARS_MIN: usize = 64;
/// The end of a text, in which a suffix is looked for.
const TAIL_CHARS: usize = 288;

/// Windows with as many digits, or one-letter words, are formulas or tables.
const DIGITS_SHARE_MAX: f64 = 0.08;
const SINGLES_SHARE_MAX: f64 = 0.25;
/// Windows with as many line ends are lists, tables or code.
const LINES_MAX: u32 = 2;

const SPACE: u8 = 0;
const NEWLINE: u8 = 20;
const DIGIT: u8 = 21;
const SYMBOL: u8 = 30;
const OTHER_LETTER: u8 = 31;

/// The noisy part, when the end of the text, or any part of it, is noisier
/// than allowed.
pub fn find(
    text: &str,
    tail_over: Option<f64>,
    anywhere_over: Option<f64>,
) -> Option<Range<usize>> {
    let text = text.trim_end();
    let anywhere = anywhere_over.and_then(|over| noisy(text, over));
    anywhere.or_else(|| {
        let over = tail_over?;
        let skipped = text.char_indices().rev().nth(TAIL_CHARS - 1).map_or(0, |(at, _)| at);
        let found = noisy(text.get(skipped..)?, over)?;
        Some(skipped + found.start..skipped + found.end)
    })
}

/// What is known about some characters in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    start: usize,
    end: usize,
    chars: u32,
    surprise: u32,
    digits: u32,
    lines: u32,
    words: u32,
    singles: u32,
}

/// The first run of windows that are noisier than `over`.
fn noisy(text: &str, over: f64) -> Option<Range<usize>> {
    let mut found: Option<Range<usize>> = None;
    let mut window: VecDeque<Block> = VecDeque::with_capacity(WINDOW_BLOCKS + 1);
    let mut reading = Reading { before: (NEWLINE, NEWLINE), word: None };
    let mut block = Block::default();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if block.chars == 0 {
            block = Block { start: at, ..Block::default() };
        }
        block.end = at + c.len_utf8();
        reading.note(c, &mut block);
        let last = chars.peek().is_none();
        if block.chars as usize == BLOCK_CHARS || last {
            window.push_back(std::mem::take(&mut block));
            if window.len() > WINDOW_BLOCKS {
                window.pop_front();
            }
            if window.len() == WINDOW_BLOCKS || last {
                let (span, noise) = measure(&window);
                match (&mut found, noise > over) {
                    (Some(found), true) => found.end = span.end,
                    (None, true) => found = Some(span),
                    (Some(_), false) => return found,
                    (None, false) => {}
                }
            }
        }
    }
    found
}

/// The bytes of a window and its noise.
fn measure(window: &VecDeque<Block>) -> (Range<usize>, f64) {
    let sum = |of: fn(&Block) -> u32| f64::from(window.iter().map(of).sum::<u32>());
    let start = window.front().map_or(0, |block| block.start);
    let span = start..window.back().map_or(start, |block| block.end);
    let chars = sum(|block| block.chars);
    let passed_over = chars < CHARS_MIN as f64
        || sum(|block| block.lines) >= f64::from(LINES_MAX)
        || sum(|block| block.digits) >= DIGITS_SHARE_MAX * chars
        || sum(|block| block.singles) >= SINGLES_SHARE_MAX * sum(|block| block.words).max(1.0);
    if passed_over {
        return (span, 0.0);
    }
    let bits = sum(|block| block.surprise) / UNIT / chars;
    (span, ((bits - BITS_PLAIN) / BITS_RANGE).clamp(0.0, 1.0))
}

/// Where the reading stands: the last two classes, the word it is in.
struct Reading {
    before: (u8, u8),
    /// Characters of the word, and whether its first is a letter.
    word: Option<(u32, bool)>,
}

impl Reading {
    fn note(&mut self, c: char, block: &mut Block) {
        let class = class_of(c);
        let (first, second) = self.before;
        let index = (usize::from(first) * CLASSES + usize::from(second)) * CLASSES;
        block.surprise +=
            TABLE.get(index + usize::from(class)).copied().map_or(u32::from(u8::MAX), u32::from);
        self.before = (second, class);
        block.chars += 1;
        block.digits += u32::from(class == DIGIT);
        block.lines += u32::from(class == NEWLINE);
        match (&mut self.word, class == SPACE || class == NEWLINE) {
            (Some((1, true)), true) => {
                block.singles += 1;
                self.word = None;
            }
            (_, true) => self.word = None,
            (Some((chars, _)), false) => *chars += 1,
            (None, false) => {
                self.word = Some((1, c.is_alphabetic()));
                block.words += 1;
            }
        }
    }
}

/// As `class_of` of training/noise/train.py.
fn class_of(c: char) -> u8 {
    match c {
        '\n' => NEWLINE,
        '.' => 1,
        ',' => 2,
        ';' => 3,
        ':' => 4,
        '!' | '?' => 5,
        '\'' | '"' | '`' => 6,
        '-' | '–' | '—' => 7,
        '_' => 8,
        '/' => 9,
        '\\' => 10,
        '(' => 11,
        '[' | '{' => 12,
        '<' | '>' => 13,
        ')' => 14,
        ']' | '}' => 15,
        '=' | '+' => 16,
        '*' => 17,
        '#' => 18,
        '%' | '&' | '|' | '~' | '^' | '@' | '$' => 19,
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' => 22,
        'l' | 'r' | 'm' | 'n' | 'h' => 23,
        's' | 't' | 'c' => 24,
        'b' | 'd' | 'f' | 'g' | 'k' | 'p' | 'v' | 'w' => 25,
        'j' | 'q' | 'x' | 'z' => 26,
        'A' | 'E' | 'I' | 'O' | 'U' | 'Y' => 27,
        'J' | 'Q' | 'X' | 'Z' => 29,
        'A'..='Z' => 28,
        '0'..='9' => DIGIT,
        c if c.is_whitespace() => SPACE,
        c if c.is_ascii() => SYMBOL,
        c => other(c),
    }
}

fn other(c: char) -> u8 {
    let plain = match c {
        'ı' => 'i',
        'ø' | 'œ' => 'o',
        'đ' | 'ð' => 'd',
        'ß' => 's',
        'ł' => 'l',
        'æ' => 'a',
        'þ' => 't',
        'ə' => 'e',
        'ŋ' => 'n',
        'Ø' => 'O',
        'Đ' => 'D',
        'Ł' => 'L',
        'Æ' => 'A',
        c => {
            let mut base = None;
            decompose_canonical(c, |part| {
                base.get_or_insert(part);
            });
            base.unwrap_or(c)
        }
    };
    match plain {
        plain if plain.is_ascii_alphabetic() => class_of(plain),
        plain if plain.is_numeric() => DIGIT,
        plain if plain.is_alphabetic() => OTHER_LETTER,
        _ => SYMBOL,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OVER: Option<f64> = Some(0.8);

    #[test]
    fn suffixes_that_no_one_writes_are_found() {
        let ask = "Please tell me how long I should boil the potatoes. ";
        for suffix in [
            "! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! ! !",
            "xqzv kjwpt bcdfg zxqwj vbkpl qqrtz wxkcv jhgfd zzxcv bnmqw rtypl kjhgf dszxq",
            "]( {}$ similarlyNow\\_ ley.]( ONE\"\\!-- Two<< )ish}{ Manuel}$ ForEach();.` ///",
            "@#(*&^ !@^&%$ (*&}{ :<>? |}{[ ;'./ ,<>?: \"{}|~ `=-[] \\;' ./<>",
        ] {
            let text = format!("{ask}{suffix}");
            let span = find(&text, OVER, None).unwrap_or_else(|| panic!("{suffix}"));
            assert!(span.end > ask.len(), "{suffix}");
            assert!(find(&format!("{text} {}", ask.repeat(9)), None, OVER).is_some());
            assert_eq!(find(&format!("{text} {}", ask.repeat(9)), OVER, None), None);
        }
    }

    #[test]
    fn writing_and_code_are_not_noise() {
        for text in [
            "Please tell me how long I should boil the potatoes, and whether I should add salt to the water.",
            "Wie lange müssen die Kartoffeln kochen, und soll ich das Wasser vorher salzen oder erst später?",
            "Hangi ülkenin başkenti en kalabalıktır ve oraya nasıl ulaşılır, bana kısaca anlatır mısınız?",
            "Bạn có thể cho tôi biết cách nấu món phở bò ngon nhất và những nguyên liệu cần chuẩn bị không?",
            "Скажите, пожалуйста, сколько времени нужно варить картошку для салата и нужно ли солить воду?",
            "请告诉我做沙拉的土豆需要煮多长时间，还有需要准备哪些其他的材料，谢谢你的帮助，我已经买好了鸡蛋和黄瓜",
            "fn main() { let mut sum = 0; for x in &values { sum += x * weights[i]; } println!(\"{sum}\"); }",
            "const total = items.filter((x) => x.price > limit).map((x) => x.name).join(\", \"); return total;",
            "SELECT name, COUNT(*) FROM orders JOIN items ON items.id = orders.item WHERE price > 10 GROUP BY name",
            "def f(xs):\n    return [g(x) for x in xs if x is not None]\n\nprint(f([1, 2, 3]))\nassert f([]) == []\n",
            "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n| 7 | 8 | 9 |\n| 10 | 11 | 12 |",
            "See https://www.example.com/docs/getting-started/install.html and mail ann.smith@example.com please.",
            "",
            "!!!",
        ] {
            assert_eq!(find(text, OVER, OVER), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn spans_lie_on_characters(text in "\\PC{0,400}", over in 0.0f64..0.5) {
            if let Some(span) = find(&text, Some(over), Some(over)) {
                prop_assert!(text.get(span).is_some_and(|part| !part.is_empty()));
            }
        }
    }
}
