//! The shape of a text: its length, what it repeats, dialogue inside it.
//!
//! Reads the text as it was sent, for the lines. One pass each, bounded
//! memory. Called by [`super::condition`].

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// Words of one text whose repetition is looked at.
const REPEATED_WORDS_MAX: usize = 1 << 16;
/// Words in the sequences that may repeat.
const SEQUENCE_WORDS: usize = 8;
/// Shorter texts repeat nothing worth a finding.
const REPEATED_WORDS_MIN: usize = 4 * SEQUENCE_WORDS;
/// Shorter lines (`}`, `-`) repeat in any text.
const LINE_CHARS_MIN: usize = 12;
const REPEATED_LINES_MIN: usize = 6;
/// An odd number with well mixed bits (2^64 divided by the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
/// A label is short: `Assistant 12`.
const LABEL_CHARS_MAX: usize = 24;

/// Who speaks in a dialogue that is written out for a model.
const SPEAKERS: &[&str] = &[
    "user",
    "human",
    "customer",
    "student",
    "teacher",
    "person",
    "me",
    "you",
    "assistant",
    "ai",
    "bot",
    "chatbot",
    "model",
    "gpt",
    "chatgpt",
    "llama",
    "llm",
    "system",
    "q",
    "a",
    "question",
    "answer",
    "prompt",
    "response",
    "completion",
    "instruction",
    "input",
    "output",
    "request",
    "reply",
    "query",
];

/// What lies beyond the limit.
pub fn longer_than(text: &str, chars: Option<usize>, words: Option<usize>) -> Option<Range<usize>> {
    let by_chars =
        chars.and_then(|limit| text.char_indices().nth(limit).map(|(at, _)| at..text.len()));
    let by_words = words.and_then(|limit| {
        let word = text.split_whitespace().nth(limit)?;
        Some(offset_in(text, word)..text.len())
    });
    by_chars.or(by_words)
}

/// Where a piece of `text` that was cut out of it begins.
fn offset_in(text: &str, piece: &str) -> usize {
    (piece.as_ptr().addr()).saturating_sub(text.as_ptr().addr()).min(text.len())
}

/// From the first to the last repetition, when the share of repeated lines or
/// of repeated sequences of eight words is above `share`.
pub fn repeats(text: &str, share: f64) -> Option<Range<usize>> {
    let lines = text.lines().map(str::trim).filter(|line| line.chars().count() >= LINE_CHARS_MIN);
    let lines = repeated(lines.map(|line| (hash(&line), span_in(text, line, line))));
    let words: Vec<&str> = text.split_whitespace().take(REPEATED_WORDS_MAX).collect();
    let hashes: Vec<u64> = words.iter().map(hash).collect();
    let sequences = words.windows(SEQUENCE_WORDS).zip(hashes.windows(SEQUENCE_WORDS));
    let sequences = sequences.filter_map(|(sequence, hashes)| {
        let mixed =
            hashes.iter().fold(0u64, |all, word| all.rotate_left(7).wrapping_mul(MIX) ^ word);
        Some((mixed, span_in(text, sequence.first()?, sequence.last()?)))
    });
    let sequences = repeated(sequences);
    let above = |found: &Repeated, least: usize| {
        found.of >= least && found.again as f64 > share * found.of as f64
    };
    if above(&sequences, REPEATED_WORDS_MIN - SEQUENCE_WORDS + 1) {
        return sequences.span;
    }
    above(&lines, REPEATED_LINES_MIN).then_some(lines.span).flatten()
}

struct Repeated {
    of: usize,
    again: usize,
    span: Option<Range<usize>>,
}

fn repeated(items: impl Iterator<Item = (u64, Range<usize>)>) -> Repeated {
    let mut seen = HashSet::new();
    let mut found = Repeated { of: 0, again: 0, span: None };
    for (hash, span) in items.take(REPEATED_WORDS_MAX) {
        found.of += 1;
        if !seen.insert(hash) {
            found.again += 1;
            let start = found.span.map_or(span.start, |before| before.start);
            found.span = Some(start..span.end);
        }
    }
    found
}

/// Stable within a run of the program; only equality is asked.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn span_in(text: &str, first: &str, last: &str) -> Range<usize> {
    offset_in(text, first)..offset_in(text, last) + last.len()
}

/// From the first to the last line that opens a turn of a dialogue (`User:`,
/// `### Assistant:`, `Q3:`), when there are more than `over` and at least two
/// speakers. A turn may also open after the end of a sentence.
pub fn dialogue(text: &str, over: usize) -> Option<Range<usize>> {
    // Most texts have too few colons to look any closer.
    memchr::memchr_iter(b':', text.as_bytes()).nth(over)?;
    let mut turns = 0;
    let mut first_speaker: Option<&str> = None;
    let mut speakers = 1;
    let mut span: Option<Range<usize>> = None;
    for colon in memchr::memchr_iter(b':', text.as_bytes()) {
        let Some((at, speaker)) = text.get(..colon).and_then(label) else { continue };
        turns += 1;
        match first_speaker {
            None => first_speaker = Some(speaker),
            Some(first) if first != speaker => speakers = 2,
            Some(_) => {}
        }
        let line_end = memchr::memchr(b'\n', text.as_bytes().get(colon..).unwrap_or_default())
            .map_or(text.len(), |length| colon + length);
        span = Some(span.map_or(at, |span| span.start)..line_end);
    }
    span.filter(|_| turns > over && speakers > 1)
}

/// The speaker whose label ends `head`, and where it begins.
fn label(head: &str) -> Option<(usize, &'static str)> {
    let decoration = |c: char| "*_])>#".contains(c) || c.is_ascii_digit() || c == ' ';
    let name = head.trim_end_matches(decoration);
    let start = name
        .char_indices()
        .rev()
        .take(LABEL_CHARS_MAX)
        .take_while(|(_, c)| c.is_ascii_alphabetic())
        .last()?
        .0;
    let (before, name) = name.split_at_checked(start)?;
    let speaker = SPEAKERS.iter().find(|speaker| name.eq_ignore_ascii_case(speaker))?;
    let opens = before.trim_end_matches(|c: char| " \t*_[(<#>-|".contains(c));
    let is_turn = opens.is_empty()
        || opens.ends_with('\n')
        || before.len() > opens.len() && opens.ends_with(['.', '!', '?', '"', '\'', ')', ';', ',']);
    is_turn.then_some((start, *speaker))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn length_points_at_what_is_too_much() {
        assert_eq!(longer_than("äbc def", Some(3), None), Some(4..8));
        assert_eq!(longer_than("abc", Some(3), None), None);
        assert_eq!(longer_than("one two  three", None, Some(2)), Some(9..14));
        assert_eq!(longer_than("one two", Some(99), Some(2)), None);
    }

    #[test]
    fn repetition_is_a_share() {
        let line = "this very line stands here again\n";
        assert!(repeats(&line.repeat(12), 0.5).is_some());
        assert_eq!(repeats(line, 0.5), None);
        assert!(repeats(&"! ".repeat(80), 0.8).is_some());
        let varied: String = (0..90).map(|n| format!("word{n} ")).collect();
        assert_eq!(repeats(&varied, 0.01), None);
        let tail = format!("{varied}{}", "and so on ".repeat(30));
        let span = repeats(&tail, 0.3).unwrap();
        assert!(span.start > varied.len() && span.end <= tail.len());
        let code = "fn a() {\n}\n".repeat(3) + "let x = 1;\n";
        assert_eq!(repeats(&code, 0.5), None);
    }

    #[test]
    fn a_dialogue_inside_one_text_is_counted() {
        for text in [
            "User: a\nAssistant: b\nUser: c\nAssistant: d",
            "Q1: a\nA1: b\nQ2: c\nA2: d",
            "### Human: a\n### Assistant: b\n\n### Human: c\n### Assistant: d",
            "**User:** a\n**AI:** b\n**User:** c\n**AI:** d",
            "[user]: a [assistant]: b\n<user>: c\n<bot>: d\nuser: e",
            "Human: how? Assistant: so. Human: and? Assistant: thus.",
        ] {
            assert!(dialogue(text, 3).is_some(), "{text}");
            assert_eq!(dialogue(text, 5), None);
        }
        for text in [
            "Input: a\nInput: b\nInput: c\nInput: d",
            "Name: a\nAge: b\nAnswer: c\nNote: d",
            "the user: a, the model: b, my question: c, an answer: d",
            "https://a.example: b\nQ: c\nA: d",
        ] {
            assert_eq!(dialogue(text, 3), None, "{text}");
        }
        let text = "Hi.\nUser: a\nBot: b\nUser: c\nBye";
        assert_eq!(text.get(dialogue(text, 2).unwrap()), Some("User: a\nBot: b\nUser: c"));
    }

    proptest! {
        #[test]
        fn spans_lie_on_characters(text in "[a-c:\\n ä]{0,60}(Q: |A: |user: ){0,6}[a ]{0,200}") {
            for span in [longer_than(&text, Some(3), Some(2)), repeats(&text, 0.1), dialogue(&text, 1)]
                .into_iter().flatten()
            {
                prop_assert!(text.get(span).is_some());
            }
        }
    }
}
