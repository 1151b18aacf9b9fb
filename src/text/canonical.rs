//! The canonical view: one spelling for every way to write a text, with a map
//! back to the original bytes.
//!
//! It grows at its end and can forget its beginning, so one value serves a
//! whole text and a stream alike. It knows nothing of rules.

use std::ops::Range;

use super::fold::{Folded, with_folded};

/// A text in canonical form. Offsets are absolute: they count from the
/// beginning of the text even after [`Canonical::forget_before`].
#[derive(Debug, Clone, Default)]
pub struct Canonical {
    text: String,
    /// Canonical offset of the first byte of `text`.
    start: usize,
    /// Original bytes taken in so far.
    original_end: usize,
    /// In order; together they cover `text`.
    runs: Vec<Run>,
    /// The last character was white space: more of it adds nothing.
    spaced: bool,
}

/// Consecutive characters that each took `taken` original bytes and gave
/// `given` canonical ones. Prose is a handful of runs.
#[derive(Debug, Clone, Copy)]
struct Run {
    canonical: usize,
    original: usize,
    taken: u8,
    given: u8,
}

impl Canonical {
    /// The view of a whole text.
    pub fn of(text: &str) -> Self {
        let mut view = Self::default();
        view.push(text);
        view
    }

    /// Takes in the next piece. However a text is cut, the view is the same.
    pub fn push(&mut self, piece: &str) {
        self.text.reserve(piece.len());
        let mut rest = piece;
        while !rest.is_empty() {
            let plain = self.plain_prefix(rest);
            let (head, tail) = rest.split_at_checked(plain).unwrap_or((rest, ""));
            if !head.is_empty() {
                self.push_plain(head);
            }
            let mut chars = tail.chars();
            if let Some(c) = chars.next() {
                self.push_char(c);
            }
            rest = chars.as_str();
        }
    }

    /// Bytes of `text` that need no look-up: printable ASCII, single spaces.
    fn plain_prefix(&self, text: &str) -> usize {
        let mut spaced = self.spaced;
        text.bytes()
            .position(|byte| match byte {
                b' ' if !spaced => {
                    spaced = true;
                    false
                }
                b'`' => true,
                b'!'..=b'~' => {
                    spaced = false;
                    false
                }
                _ => true,
            })
            .unwrap_or(text.len())
    }

    fn push_plain(&mut self, head: &str) {
        self.note_run(1, 1);
        let from = self.text.len();
        self.text.push_str(head);
        if let Some(added) = self.text.get_mut(from..) {
            added.make_ascii_lowercase();
        }
        self.original_end += head.len();
        self.spaced = head.ends_with(' ');
    }

    fn push_char(&mut self, c: char) {
        let taken = c.len_utf8();
        with_folded(c, |folded| match folded {
            Folded::Dropped => {}
            Folded::Space if self.spaced => {}
            Folded::Space => {
                self.note_run(taken, 1);
                self.text.push(' ');
                self.spaced = true;
            }
            Folded::One(one) => {
                self.note_run(taken, one.len_utf8());
                self.text.push(*one);
                self.spaced = false;
            }
            Folded::Many(many) => {
                self.note_run(taken, many.len());
                self.text.push_str(many);
                self.spaced = false;
            }
        });
        self.original_end += taken;
    }

    /// Opens a run for the characters to come, unless the last one goes on.
    fn note_run(&mut self, taken: usize, given: usize) {
        let canonical = self.end();
        let original = self.original_end;
        // A character takes at most 4 bytes and gives at most a few dozen.
        let taken = u8::try_from(taken).unwrap_or(u8::MAX);
        let given = u8::try_from(given).unwrap_or(u8::MAX);
        let goes_on = self.runs.last().is_some_and(|run| {
            (run.taken, run.given) == (taken, given) && run.start_of(canonical) == original
        });
        if !goes_on {
            self.runs.push(Run { canonical, original, taken, given });
        }
    }

    /// What is still remembered of the view.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// The canonical offset at which [`Canonical::text`] begins.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The canonical offset of the end.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Original bytes taken in.
    pub fn original_end(&self) -> usize {
        self.original_end
    }

    /// The original bytes that a canonical range stands for. Characters that
    /// were dropped belong to the one before them.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.original_start(range.start);
        start..self.original_stop(range.end).max(start)
    }

    /// Where the original character begins that gave the byte at `at`.
    pub fn original_start(&self, at: usize) -> usize {
        if at >= self.end() {
            return self.original_end;
        }
        self.run_before(self.runs.partition_point(|run| run.canonical <= at))
            .map_or(0, |run| run.start_of(at))
    }

    /// Where the original ends of all that gave the bytes before `at`.
    fn original_stop(&self, at: usize) -> usize {
        let next = self.runs.partition_point(|run| run.canonical < at);
        let Some(run) = self.run_before(next) else { return 0 };
        let chars = run.chars_up_to(at);
        let end = run.canonical + chars * usize::from(run.given);
        match self.runs.get(next) {
            Some(following) if end >= following.canonical => following.original,
            None if end >= self.end() => self.original_end,
            _ => run.original + chars * usize::from(run.taken),
        }
    }

    /// The canonical offset of the first character that begins at or after an
    /// original offset.
    pub fn canonical_at(&self, original: usize) -> usize {
        let next = self.runs.partition_point(|run| run.original < original);
        let limit = self.runs.get(next).map_or(self.end(), |run| run.canonical);
        self.run_before(next).map_or(self.start, |run| {
            let chars = (original - run.original).div_ceil(usize::from(run.taken.max(1)));
            (run.canonical + chars * usize::from(run.given)).min(limit)
        })
    }

    fn run_before(&self, index: usize) -> Option<Run> {
        index.checked_sub(1).and_then(|index| self.runs.get(index)).copied()
    }

    /// Forgets the view before the canonical offset `at`, a character boundary.
    pub fn forget_before(&mut self, at: usize) {
        let at = at.min(self.end());
        let Some(bytes) = at.checked_sub(self.start) else { return };
        if bytes == 0 || !self.text.is_char_boundary(bytes) {
            return;
        }
        self.text.drain(..bytes);
        self.start = at;
        let keep = self.runs.partition_point(|run| run.canonical <= at).saturating_sub(1);
        self.runs.drain(..keep);
    }
}

impl Run {
    /// The original start of the character that gave the byte at `at`.
    fn start_of(&self, at: usize) -> usize {
        let chars = (at - self.canonical) / usize::from(self.given.max(1));
        self.original + chars * usize::from(self.taken)
    }

    /// Characters of the run that gave the bytes before `at`.
    fn chars_up_to(&self, at: usize) -> usize {
        (at - self.canonical).div_ceil(usize::from(self.given.max(1)))
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_finding_covers_the_original_characters_whole() {
        let text = "x ﬁ\u{200b}\u{301}e  y";
        let view = Canonical::of(text);
        assert_eq!(view.text(), "x fie y");
        assert_eq!(&text[view.original(2..3)], "ﬁ\u{200b}\u{301}");
        assert_eq!(&text[view.original(2..5)], "ﬁ\u{200b}\u{301}e");
        assert_eq!(&text[view.original(3..5)], "ﬁ\u{200b}\u{301}e");
        assert_eq!(&text[view.original(4..7)], "e  y");
    }

    fn writing() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("a".to_owned()),
                Just("B c".to_owned()),
                Just("  ".to_owned()),
                Just("\u{200b}".to_owned()),
                Just("e\u{301}".to_owned()),
                Just("ﬁﬂ".to_owned()),
                Just("ѕех".to_owned()),
                Just("\u{e0061}".to_owned()),
                any::<char>().prop_map(String::from),
            ],
            0..20,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn the_view_does_not_depend_on_the_cut(text in writing(), size in 1usize..5) {
            let whole = Canonical::of(&text);
            let mut cut = Canonical::default();
            for piece in text.chars().collect::<Vec<_>>().chunks(size) {
                cut.push(&String::from_iter(piece));
            }
            prop_assert_eq!(cut.text(), whole.text());
            for (at, _) in whole.text().char_indices() {
                prop_assert_eq!(cut.original_start(at), whole.original_start(at));
                prop_assert_eq!(cut.original(0..at), whole.original(0..at));
            }
        }

        #[test]
        fn every_range_maps_to_character_boundaries_and_back(text in writing()) {
            let view = Canonical::of(&text);
            let ends: Vec<usize> =
                view.text().char_indices().map(|(at, _)| at).chain([view.text().len()]).collect();
            for (i, &from) in ends.iter().enumerate() {
                for &to in &ends[i + 1..] {
                    let span = view.original(from..to);
                    prop_assert!(span.start < span.end);
                    let part = text.get(span.clone()).unwrap();
                    prop_assert!(crate::text::canonical(part).contains(&view.text()[from..to]));
                    prop_assert!(view.canonical_at(span.start) <= from);
                    prop_assert!(view.canonical_at(span.end) >= to);
                }
            }
        }

        #[test]
        fn forgetting_changes_no_offset(text in writing(), cut in 0usize..40) {
            let whole = Canonical::of(&text);
            let mut late = whole.clone();
            let at = whole.text().char_indices().map(|(at, _)| at).rfind(|at| *at <= cut);
            late.forget_before(at.unwrap_or(0));
            prop_assert_eq!(late.end(), whole.end());
            for at in late.start()..late.end() {
                prop_assert_eq!(late.original_start(at), whole.original_start(at));
                prop_assert_eq!(late.original(at..late.end()), whole.original(at..late.end()));
            }
        }
    }
}
