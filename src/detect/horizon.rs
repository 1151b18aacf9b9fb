//! How far a growing text is out of reach of what may still come.
//!
//! Keeps count, so that a piece costs its own length and not that of the
//! text that is held back. Called by the policy's screen.

use crate::text::Canonical;

/// The offset in a growing view that a number of characters follow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Horizon {
    /// Absolute, like all offsets of a view.
    at: usize,
    /// Characters from `at` to `seen`.
    ahead_chars: usize,
    seen: usize,
}

impl Horizon {
    /// The last offset that at least `chars` characters follow, or the beginning;
    /// `chars` is the same in all calls. The view must not forget what is after it.
    pub fn behind(&mut self, view: &Canonical, chars: usize) -> usize {
        let text = view.text();
        let new = text.get(self.seen.saturating_sub(view.start())..).unwrap_or_default();
        self.ahead_chars += new.chars().count();
        self.seen = view.end();
        let rest = text.get(self.at.saturating_sub(view.start())..).unwrap_or_default();
        let passed = self.ahead_chars.saturating_sub(chars);
        if passed > 0 {
            let bytes: usize = rest.chars().take(passed).map(char::len_utf8).sum();
            self.at += bytes;
            self.ahead_chars -= passed;
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::back_by_chars;

    proptest! {
        #[test]
        fn it_agrees_with_counting_back(
            pieces in proptest::collection::vec("[aé🎉 ]{0,9}", 0..9),
            chars in 0usize..12,
        ) {
            let mut view = Canonical::default();
            let mut horizon = Horizon::default();
            for piece in &pieces {
                view.push(piece);
                let at = horizon.behind(&view, chars);
                let text = view.text();
                prop_assert_eq!(at - view.start(), back_by_chars(text, text.len(), chars));
                view.forget_before(at.saturating_sub(3));
            }
        }
    }
}
