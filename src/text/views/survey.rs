//! One cheap pass over a text that says which finders could have work.
//!
//! Two neighbouring bytes choose an entry of a table; its low byte says how
//! unlike prose the pair is, its other bits name what the pair suggests. Plain
//! prose raises nothing, and then nothing else runs. The pass may raise a
//! signal without need, never the other way round: what a finder accepts must
//! raise its signal. Called by [`super`] for each text that it searches.

use std::ops::Range;

use super::language::{CLASSES, Cost, PROSE_COST, class, pair_cost};

/// What a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals {
    flags: u32,
    /// One more than the words of one letter in a row, all values in one.
    alone: u32,
    strange: i32,
}

/// Letters may be one cost above prose and still be prose; see [`strangeness`].
const SLACK: Cost = 4;
/// `ay`, which pig Latin has in every word.
const PIG_LATIN_STRANGE: Cost = 16;
/// A stretch that gathers this much strangeness is worth a closer look. A power
/// of two.
const STRANGE_MIN: i32 = 32;
/// What is looked at on either side of such a stretch.
const AROUND_BYTES: usize = 24;
/// Longer words may be cut.
const WORD_BYTES_MAX: usize = 40;
/// One more than the words of one letter in a row that may be a longer word,
/// spaced out. A power of two.
const ALONE_MIN: u32 = 4;

// Kinds of bytes: 0 other, 1 to 26 small letters, 27 to 52 capitals, and:
const LETTER_U: usize = 21;
const DIGIT: usize = 53;
const BLANK: usize = 54;
const DOT: usize = 55;
const SENTENCE: usize = 56;
const DASH: usize = 57;
const MARK: usize = 58;
const LEET: usize = 59;
const APOSTROPHE: usize = 60;
const ESCAPE: usize = 61;
const LESS: usize = 62;
const WIDE: usize = 63;
const KINDS: usize = 64;

// Bits that a pair sets. Two that stand side by side form a chain: the first
// in one pair and the second in the next raise the second.
const WORD_MARK: u32 = 1 << 8;
const MARK_LETTER: u32 = 1 << 9;
const SAME: u32 = 3 << 10;
const STRETCHED: u32 = 1 << 11;
const GAP_LETTER: u32 = 1 << 12;
const LETTER_GAP: u32 = 1 << 13;
const DIGIT_BLANK: u32 = 1 << 14;
const BLANK_DIGIT: u32 = 1 << 15;
const DOT_BLANK: u32 = 1 << 16;
const BLANK_DOT: u32 = 1 << 17;
const MIXED: u32 = 1 << 18;
const CAPITALS: u32 = 3 << 19;
const CAPITAL_RUN: u32 = 1 << 20;
const DIGITS: u32 = 3 << 21;
const DIGIT_RUN: u32 = 1 << 22;
const LEET_LETTER: u32 = 1 << 23;
const ESCAPED: u32 = 1 << 24;
const NON_ASCII: u32 = 1 << 25;
const ANGLED: u32 = 1 << 26;
const MARKED: u32 = 1 << 27;
const PLUSSED: u32 = 1 << 28;
const WORD_WORD: u32 = 1 << 29;
const LETTER_MARK: u32 = 1 << 30;
const MARK_WORD: u32 = 1 << 31;
const CHAINED: u32 =
    MARK_LETTER | MARK_WORD | STRETCHED | BLANK_DIGIT | BLANK_DOT | CAPITAL_RUN | DIGIT_RUN;
const SINGLE: u32 = MIXED | LEET_LETTER | ESCAPED | NON_ASCII | ANGLED | MARKED | PLUSSED;

impl Signals {
    /// Nothing but the canonical view is worth reading.
    pub(super) fn is_plain(self) -> bool {
        self.flags == 0 && self.alone < ALONE_MIN && !self.strange()
    }

    fn any(self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    pub(super) fn non_ascii(self) -> bool {
        self.any(NON_ASCII)
    }

    /// Percent signs, ampersands, backslashes, equals signs, `U+`.
    pub(super) fn escapes(self) -> bool {
        self.any(ESCAPED | PLUSSED)
    }

    /// Tokens that are no words: letters and digits mixed, or odd capitals.
    pub(super) fn tokens(self) -> bool {
        self.any(MIXED)
    }

    pub(super) fn capitals(self) -> bool {
        self.any(CAPITAL_RUN | MIXED)
    }

    pub(super) fn numbers(self) -> bool {
        self.any(BLANK_DIGIT | DIGIT_RUN | MIXED)
    }

    pub(super) fn morse(self) -> bool {
        self.any(BLANK_DOT | NON_ASCII)
    }

    /// Separators inside words, spaced letters, stretched letters, HTML tags.
    pub(super) fn squeezable(self) -> bool {
        self.any(MARK_LETTER | MARK_WORD | STRETCHED | ANGLED | MARKED | NON_ASCII)
            || self.alone >= ALONE_MIN
    }

    pub(super) fn leet(self) -> bool {
        self.any(LEET_LETTER | PLUSSED)
    }

    /// A stretch of letters that do not read like prose.
    pub(super) fn strange(self) -> bool {
        self.strange >= STRANGE_MIN
    }
}

/// Looks at every byte once.
pub(super) fn survey(text: &str) -> Signals {
    let mut pass = Pass::default();
    for byte in text.bytes() {
        pass.step(kind_of(byte));
    }
    pass.step(BLANK);
    let flags = (pass.singles & SINGLE) | (pass.chained & CHAINED);
    Signals { flags, alone: pass.alone_seen, strange: pass.sum_seen }
}

/// The state of [`survey`]. What matters about `alone` and `sum` is whether they
/// reached a power of two, so all their values are put together bit by bit.
#[derive(Debug, Default)]
struct Pass {
    before: usize,
    previous: u32,
    singles: u32,
    chained: u32,
    alone: u32,
    alone_seen: u32,
    sum: i32,
    sum_seen: i32,
}

impl Pass {
    #[inline(always)]
    fn step(&mut self, kind: usize) {
        let entry = entry_of(self.before, kind);
        let chain = (self.previous << 1) & entry;
        self.singles |= entry;
        self.chained |= chain;
        let longer = self.alone.wrapping_add((chain / LETTER_GAP) & 1);
        self.alone = if entry & WORD_WORD == 0 { longer } else { 1 };
        self.alone_seen |= self.alone;
        // The low byte is signed.
        let [low, ..] = entry.to_le_bytes();
        let sum = self.sum.wrapping_add(i32::from(low.cast_signed()));
        self.sum = sum.max(0);
        self.sum_seen |= self.sum;
        self.previous = entry;
        self.before = kind;
    }
}

/// The stretches that do not read like prose, from blank to blank, in order
/// and disjoint, with a word or two on either side.
pub(super) fn strange(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut spans: Vec<Range<usize>> = Vec::new();
    let (mut sum, mut start, mut peak, mut peak_at) = (0i32, 0usize, 0i32, 0usize);
    let mut before = BLANK;
    for (at, kind) in bytes.iter().map(|byte| kind_of(*byte)).chain([BLANK]).enumerate() {
        let [low, ..] = entry_of(before, kind).to_le_bytes();
        let step = i32::from(low.cast_signed());
        // A stretch ends where it has lost what makes one.
        let ends = sum + step <= 0 || peak - sum > STRANGE_MIN || at == bytes.len();
        sum = (sum + step).max(0);
        if sum > peak {
            (peak, peak_at) = (sum, at);
        }
        if ends {
            if peak >= STRANGE_MIN {
                add_stretch(bytes, start..peak_at, &mut spans);
                sum = 0;
            }
            if sum == 0 {
                (start, peak, peak_at) = (at, 0, at);
            }
        }
        before = kind;
    }
    spans
}

fn add_stretch(bytes: &[u8], span: Range<usize>, spans: &mut Vec<Range<usize>>) {
    let wide = span.start.saturating_sub(AROUND_BYTES)..(span.end + AROUND_BYTES).min(bytes.len());
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let start = (0..=wide.start)
        .rev()
        .take(WORD_BYTES_MAX)
        .find(|at| !at.checked_sub(1).is_some_and(letter));
    let end = (wide.end..=bytes.len()).take(WORD_BYTES_MAX).find(|at| !letter(*at));
    let (start, end) = (start.unwrap_or(wide.start), end.unwrap_or(wide.end));
    match spans.last_mut() {
        Some(last) if start <= last.end => last.end = last.end.max(end),
        _ => spans.push(start..end),
    }
}

#[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
fn kind_of(byte: u8) -> usize {
    usize::from(KIND_OF[usize::from(byte)])
}

#[expect(clippy::indexing_slicing, reason = "masked to the size of the table")]
fn entry_of(before: usize, kind: usize) -> u32 {
    ENTRY_OF[((before * KINDS) | kind) % (KINDS * KINDS)]
}

static KIND_OF: [u8; 256] = kinds();
static ENTRY_OF: [u32; KINDS * KINDS] = entries();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled; the index stays below 256")]
const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let value = byte as u8;
        #[expect(clippy::cast_possible_truncation, reason = "below 64")]
        let kind = kind(value) as u8;
        kinds[byte] = kind;
        byte += 1;
    }
    kinds
}

const fn kind(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => class(byte),
        b'A'..=b'Z' => class(byte) + 26,
        b'0'..=b'9' => DIGIT,
        b' ' | b'\t' | b'\n' | b'\r' => BLANK,
        b'.' => DOT,
        b',' | b';' | b':' | b'?' | b'"' | b'(' | b')' => SENTENCE,
        b'\'' => APOSTROPHE,
        b'-' => DASH,
        b'_' | b'*' | b'~' | b'/' | b'|' => MARK,
        b'@' | b'$' | b'!' | b'+' => LEET,
        b'%' | b'&' | b'\\' | b'=' => ESCAPE,
        b'<' => LESS,
        128.. => WIDE,
        _ => 0,
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled; stays below the size")]
const fn entries() -> [u32; KINDS * KINDS] {
    let mut entries = [0; KINDS * KINDS];
    let mut at = 0;
    while at < KINDS * KINDS {
        entries[at] = entry(at / KINDS, at % KINDS);
        at += 1;
    }
    entries
}

const fn entry(before: usize, next: usize) -> u32 {
    let (small_before, small_next) = (is_small(before), is_small(next));
    let (letter_before, letter_next) = (is_letter(before), is_letter(next));
    let (word_before, word_next) = (letter_before || before == DIGIT, letter_next || next == DIGIT);
    let mut bits = strangeness(before, next);
    bits |= when(word_before && is_mark(next), WORD_MARK);
    bits |= when(is_mark(before) && letter_next, MARK_LETTER);
    bits |= when(letter_before && is_mark(next), LETTER_MARK);
    bits |= when(is_mark(before) && word_next, MARK_WORD);
    bits |= when(word_before && word_next, WORD_WORD);
    bits |= when(letter_before && letter_next && letter(before) == letter(next), SAME);
    bits |= when(!word_before && word_next, GAP_LETTER);
    bits |= when(word_before && !word_next, LETTER_GAP);
    bits |= when(before == DIGIT && !word_next, DIGIT_BLANK);
    bits |= when(!word_before && next == DIGIT, BLANK_DIGIT);
    bits |= when((before == DOT || before == DASH || before == MARK) && next == BLANK, DOT_BLANK);
    bits |= when(before == BLANK && (next == DOT || next == DASH || next == MARK), BLANK_DOT);
    bits |= when(small_before && letter_next && !small_next, MIXED);
    bits |= when((before == DIGIT && letter_next) || (letter_before && next == DIGIT), MIXED);
    bits |= when(letter_before && !small_before && letter_next && !small_next, CAPITALS);
    bits |= when(before == DIGIT && next == DIGIT, DIGITS);
    bits |= when((before == DIGIT || before == LEET) && letter_next, LEET_LETTER);
    bits |= when(next == ESCAPE, ESCAPED);
    bits |= when(next == WIDE, NON_ASCII);
    bits |= when(next == LESS, ANGLED);
    bits |= when(is_mark(before) && (next == MARK || next == DASH), MARKED);
    bits |= when(before == MARK && (is_mark(next) || next == BLANK), MARKED);
    bits | when(letter(before) == letter(LETTER_U) && next == LEET, PLUSSED)
}

const fn when(holds: bool, bits: u32) -> u32 {
    if holds { bits } else { 0 }
}

const fn is_small(kind: usize) -> bool {
    kind >= 1 && kind <= 26
}

const fn is_letter(kind: usize) -> bool {
    kind >= 1 && kind <= 52
}

/// Anything with ink that is part of no word; not the apostrophe's kind.
const fn is_mark(kind: usize) -> bool {
    matches!(kind, 0 | DOT | SENTENCE | DASH | MARK | LEET | ESCAPE | LESS | WIDE)
}

/// The class of a kind, for the table of letter pairs.
const fn letter(kind: usize) -> usize {
    if kind > 26 && kind <= 52 {
        kind - 26
    } else if kind < CLASSES {
        kind
    } else {
        0
    }
}

/// How far a pair speaks against prose, as the low byte of an entry: by itself
/// (a cipher), because the same pair turned round would speak for it, or as the
/// ending of pig Latin.
const fn strangeness(before: usize, next: usize) -> u32 {
    let (before, next) = (letter(before), letter(next));
    if before == 0 && next == 0 {
        return 0;
    }
    let cost = pair_cost(before, next);
    let alone = cost - PROSE_COST - SLACK;
    let turned = (cost - pair_cost(next, before)) / 2 - 1;
    let mut worse = if alone > turned { alone } else { turned };
    if before == class(b'a') && next == class(b'y') && worse < PIG_LATIN_STRANGE {
        worse = PIG_LATIN_STRANGE;
    }
    u32::from_le_bytes([worse.to_le_bytes()[0], 0, 0, 0])
}
