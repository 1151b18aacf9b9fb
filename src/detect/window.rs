//! The part of a text that one scan looks at, and steps by characters in it.
//!
//! Called by [`super::Detector`]; knows no rules.

use std::ops::Range;

use super::Hit;
use crate::domain::Entity;

/// What one scan decides; offsets into `text`.
#[derive(Debug)]
pub struct Window<'t> {
    pub text: &'t str,
    pub from: usize,
    /// Matches that start here or later are not decided yet.
    pub until: usize,
    /// The offset of `text` in the whole.
    pub base: usize,
}

impl Window<'_> {
    pub fn hit(&self, rule: usize, span: Range<usize>, entity: Option<Entity>) -> Hit {
        Hit { rule, span: self.base + span.start..self.base + span.end, entity }
    }
}

/// The offset `chars` characters before `at`, or the beginning.
pub fn back_by_chars(text: &str, at: usize, chars: usize) -> usize {
    let Some(head) = text.as_bytes().get(..at) else { return 0 };
    // Plain text, the usual case, has a byte for each.
    if let Some(plain) = head.len().checked_sub(chars).and_then(|from| head.get(from..))
        && plain.is_ascii()
    {
        return at - chars;
    }
    if chars == 0 {
        return at;
    }
    text.get(..at)
        .and_then(|head| head.char_indices().rev().nth(chars - 1))
        .map_or(0, |(offset, _)| offset)
}

/// The offset `chars` characters after `at`, when there are so many.
pub fn forward_by_chars(text: &str, at: usize, chars: usize) -> Option<usize> {
    if let Some(plain) = text.as_bytes().get(at..at.checked_add(chars)?)
        && plain.is_ascii()
    {
        return Some(at + chars);
    }
    let rest = text.get(at..)?;
    let ends = rest.char_indices().map(|(offset, _)| offset).chain([rest.len()]);
    ends.into_iter().nth(chars).map(|offset| at + offset)
}

/// The offset after the character at `at`.
pub fn forward_by_char(text: &str, at: usize) -> usize {
    at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_count_characters(text in "[aé🎉]{0,20}", at in 0usize..20, chars in 0usize..24) {
            let ends: Vec<usize> =
                text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
            let at = at.min(ends.len() - 1);
            prop_assert_eq!(back_by_chars(&text, ends[at], chars), ends[at.saturating_sub(chars)]);
            prop_assert_eq!(forward_by_chars(&text, ends[at], chars), ends.get(at + chars).copied());
        }
    }
}
