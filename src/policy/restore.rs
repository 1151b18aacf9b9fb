//! Puts the caller's own values back into an answer that names them by pseudonym.
//!
//! Stands behind the screen: what it puts back was judged on its way in and is
//! not judged again. It holds back only text that can still become one of the
//! known names, so the cut of the answer changes nothing.

use std::sync::Arc;

use super::pseudonym::Originals;
use super::screen::append;
use super::{Segment, Step};

/// Restores one choice.
#[derive(Debug)]
pub struct Restorer {
    originals: Arc<Originals>,
    /// The beginning of what may become a pseudonym.
    held: String,
    /// Where `held` begins in the answer.
    held_at: usize,
    restored: u32,
}

impl Restorer {
    pub fn new(originals: Arc<Originals>) -> Self {
        Self { originals, held: String::new(), held_at: 0, restored: 0 }
    }

    /// Restores what the screen released; `last` when nothing will follow.
    #[must_use]
    pub fn restore(&mut self, step: Step, last: bool) -> Step {
        let mut out = Step { released: Vec::new(), stopped: step.stopped };
        for segment in step.released {
            if segment.masked {
                self.settle(&mut out, true);
                out.released.push(segment);
            } else {
                if self.held.is_empty() {
                    self.held_at = segment.source.start;
                }
                self.held.push_str(&segment.text);
                self.settle(&mut out, false);
            }
        }
        if last || out.stopped.is_some() {
            self.settle(&mut out, true);
        }
        out
    }

    /// Characters that wait for the rest of a name.
    pub fn held_chars(&self) -> usize {
        self.held.chars().count()
    }

    /// Values put back so far.
    pub fn restored(&self) -> u32 {
        self.restored
    }

    /// Releases all that is decided, or everything.
    fn settle(&mut self, out: &mut Step, last: bool) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_str();
        while let Some(at) = rest.find('[') {
            let (before, name) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.release(before, out);
            if let Some((found, value)) = self.originals.at(name) {
                let source = self.held_at..self.held_at + found.len();
                self.held_at = source.end;
                self.restored = self.restored.saturating_add(1);
                out.released.push(Segment { text: value.to_owned(), source, masked: true });
                rest = name.get(found.len()..).unwrap_or_default();
            } else if !last && self.originals.may_begin(name) {
                self.held = name.to_owned();
                return;
            } else {
                self.release("[", out);
                rest = name.get(1..).unwrap_or_default();
            }
        }
        self.release(rest, out);
    }

    fn release(&mut self, text: &str, out: &mut Step) {
        if text.is_empty() {
            return;
        }
        let source = self.held_at..self.held_at + text.len();
        self.held_at = source.end;
        append(out, text.to_owned(), source);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Entity;
    use crate::policy::pseudonym::Pseudonyms;

    fn restorer() -> Restorer {
        let mut names = Pseudonyms::new(std::iter::empty());
        for number in 0..12 {
            names.name("[EMAIL]", Entity::Email, &format!("user{number}@example.com"));
        }
        names.name("[CARD]", Entity::Card, "4111 1111 1111 1111");
        Restorer::new(Arc::new(names.into_originals()))
    }

    fn run<'t>(pieces: impl Iterator<Item = &'t str>) -> (String, u32, usize) {
        let mut restorer = restorer();
        let (mut out, mut at, mut held) = (String::new(), 0, 0);
        let mut covered = 0;
        for piece in pieces.map(Some).chain([None]) {
            let mut step = Step::default();
            if let Some(piece) = piece {
                let source = at..at + piece.len();
                at = source.end;
                step.released.push(Segment { text: piece.to_owned(), source, masked: false });
            }
            for segment in restorer.restore(step, piece.is_none()).released {
                assert_eq!(segment.source.start, covered);
                covered = segment.source.end;
                out.push_str(&segment.text);
            }
            held = held.max(restorer.held_chars());
        }
        assert_eq!(covered, at);
        (out, restorer.restored(), held)
    }

    #[test]
    fn names_become_values_and_everything_else_stays() {
        let text = "Write to [EMAIL_1], not [EMAIL_12] or [EMAIL_13]; [[CARD_1]] [card_1] [EMAIL_";
        let (out, restored, _) = run([text].into_iter());
        assert_eq!(
            out,
            "Write to user0@example.com, not user11@example.com or [EMAIL_13]; [4111 1111 1111 1111] [card_1] [EMAIL_"
        );
        assert_eq!(restored, 3);
    }

    #[test]
    fn a_mask_in_between_ends_a_name() {
        let mut restorer = restorer();
        let text = |text: &str, source, masked| Segment { text: text.to_owned(), source, masked };
        let released =
            vec![text("[EMAIL_", 0..7, false), text("1]", 7..9, true), text("]", 9..10, false)];
        let step = restorer.restore(Step { released: released.clone(), stopped: None }, true);
        assert_eq!(step.released, released);
    }

    proptest! {
        #[test]
        fn every_cut_restores_the_same(
            parts in proptest::collection::vec(
                proptest::sample::select(&["[EMAIL_1]", "[EMAIL_11]", "[", "[EMAIL_", "1]", "[CARD_1]", "é ", "x", "]", "_2]"][..]),
                0..20,
            ),
            size in 1usize..7,
        ) {
            let text = parts.concat();
            let whole = run([text.as_str()].into_iter());
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
            let cut = run(pieces.iter().map(String::as_str));
            prop_assert_eq!(&cut.0, &whole.0);
            prop_assert_eq!(cut.1, whole.1);
            // No more waits than the longest name.
            prop_assert!(cut.2 < "[EMAIL_12]".len());
        }
    }
}
