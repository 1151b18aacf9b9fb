//! A reading is its source with some parts put another way.
//!
//! Finders (one per encoding or spelling) list [`Parts`]; [`Parts::splice`]
//! puts them in place and keeps as much of the surroundings as a rule can
//! need. So a sentence with one word in base64 reads as a sentence, and a long
//! document with one such word costs little. Called by [`super`].

use std::ops::Range;

use super::map::Map;
use crate::domain::View;

/// Text on either side of a part that a reading keeps. Rules reach over a
/// sentence or two.
const CONTEXT_BYTES: usize = 224;
/// A cut is moved to the next blank, if one is this near, so that no word
/// begins or ends where none does in the text.
const BLANK_BYTES_MAX: usize = 64;
/// Stands where text was left out; not a word and not white space.
const GAP: &str = " ~~~ ";

/// What a finder found, in any order until [`Parts::settle`].
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The new texts, one after another.
    out: String,
    list: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Bytes of the source.
    pub(crate) span: Range<usize>,
    out: Range<usize>,
    form: Form,
    pub(crate) kind: View,
}

/// How a part's new text relates to its old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a whole.
    Whole,
    /// Byte by byte; both have the same length and are ASCII.
    Aligned,
    /// The old text from its end to its start; ASCII.
    Turned,
}

impl Parts {
    pub(crate) fn push(&mut self, span: Range<usize>, kind: View, form: Form, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.list.push(Part { span, out: start..self.out.len(), form, kind });
    }

    /// A part that stands for one character or for nothing.
    pub(crate) fn push_char(&mut self, span: Range<usize>, kind: View, c: Option<char>) {
        let mut buffer = [0; 4];
        self.push(span, kind, Form::Whole, c.map_or("", |c| c.encode_utf8(&mut buffer)));
    }

    pub(crate) fn append(&mut self, other: &Self) {
        for part in &other.list {
            let text = other.out.get(part.out.clone()).unwrap_or_default();
            self.push(part.span.clone(), part.kind, part.form, text);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn list(&self) -> &[Part] {
        &self.list
    }

    /// What a part says instead of its source.
    #[cfg_attr(not(test), expect(dead_code, reason = "the decoders' own tests read parts alone"))]
    pub(crate) fn text(&self, part: &Part) -> &str {
        self.out.get(part.out.clone()).unwrap_or_default()
    }

    /// Brings the parts into order; of two that overlap the earlier, then the
    /// longer one stays.
    pub(crate) fn settle(&mut self) {
        self.list.sort_by_key(|part| (part.span.start, std::cmp::Reverse(part.span.end)));
        let mut done = 0;
        self.list.retain(|part| {
            let keep = part.span.start >= done && !part.span.is_empty();
            if keep {
                done = part.span.end;
            }
            keep
        });
    }

    /// The encoding of all parts, if it is one.
    pub(crate) fn kind(&self) -> Option<View> {
        let first = self.list.first()?.kind;
        Some(if self.list.iter().all(|part| part.kind == first) { first } else { View::Nested })
    }

    /// `source` with the settled parts in place, and where it came from.
    pub(crate) fn splice(&self, source: &str) -> (String, Map) {
        let mut text = String::new();
        let mut map = Map::default();
        // Source bytes before this are dealt with; and text after a part is kept up to here.
        let mut done = 0;
        let mut keep = 0;
        for part in &self.list {
            let from = cut_before(source, part.span.start.saturating_sub(CONTEXT_BYTES));
            if from > keep {
                copy(source, done..keep, &mut text, &mut map);
                text.push_str(GAP);
                map.replace(GAP.len(), &(keep..from));
                done = from;
            }
            copy(source, done..part.span.start, &mut text, &mut map);
            let new = self.out.get(part.out.clone()).unwrap_or_default();
            text.push_str(new);
            match part.form {
                Form::Aligned if new.len() == part.span.len() => {
                    map.copy(new.len(), part.span.start);
                }
                Form::Turned if new.len() == part.span.len() => map.turn(&part.span),
                _ => map.replace(new.len(), &part.span),
            }
            done = part.span.end;
            keep = cut_after(source, part.span.end.saturating_add(CONTEXT_BYTES));
        }
        copy(source, done..keep.max(done), &mut text, &mut map);
        (text, map)
    }
}

fn copy(source: &str, span: Range<usize>, text: &mut String, map: &mut Map) {
    let kept = source.get(span.clone()).unwrap_or_default();
    text.push_str(kept);
    map.copy(kept.len(), span.start);
}

/// A place at or soon after `at` where a word begins.
fn cut_before(source: &str, at: usize) -> usize {
    if at == 0 {
        return 0;
    }
    let near = source.as_bytes().get(at..).unwrap_or_default().iter().take(BLANK_BYTES_MAX);
    let blank = near.clone().position(u8::is_ascii_whitespace);
    blank.map_or_else(|| source.floor_char_boundary(at), |blank| at + blank)
}

/// A place at or soon before `at` where a word ends.
fn cut_after(source: &str, at: usize) -> usize {
    if at >= source.len() {
        return source.len();
    }
    let near = source.as_bytes().get(at.saturating_sub(BLANK_BYTES_MAX)..at).unwrap_or_default();
    let blank = near.iter().rev().position(u8::is_ascii_whitespace);
    blank.map_or_else(|| source.floor_char_boundary(at), |blank| at - blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_in_place_and_far_text_is_left_out() {
        let source = format!("first QQ {} QQ last", "word ".repeat(200));
        let second = source.rfind("QQ").unwrap();
        let mut parts = Parts::default();
        parts.push(second..second + 2, View::Hex, Form::Whole, "four");
        parts.push(6..8, View::Hex, Form::Whole, "two");
        parts.settle();
        let (text, map) = parts.splice(&source);
        assert!(text.starts_with("first two word "), "{text}");
        assert!(text.ends_with(" word  four last"), "{text}");
        assert!(text.contains(GAP) && text.len() < 600);
        let at = text.find("four").unwrap();
        assert_eq!(map.source(at..at + 2), second..second + 2);
        let at = text.find("last").unwrap();
        assert_eq!(&source[map.source(at..at + 4)], "last");
        assert_eq!(parts.kind(), Some(View::Hex));
    }

    #[test]
    fn of_overlapping_parts_one_stays() {
        let mut parts = Parts::default();
        parts.push(2..4, View::Hex, Form::Whole, "b");
        parts.push(0..3, View::Base64, Form::Whole, "a");
        parts.push(3..9, View::Base32, Form::Whole, "c");
        parts.settle();
        let spans: Vec<_> = parts.list().iter().map(|part| part.span.clone()).collect();
        assert_eq!(spans, [0..3, 3..9]);
        assert_eq!(parts.kind(), Some(View::Nested));
    }
}
