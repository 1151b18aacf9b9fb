//! What stands around a candidate: words that say what it is, and signs that
//! it is a part of something longer. Used by the recognisers.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use crate::detect::Candidate;

/// How far before a candidate a word may stand that says what it is.
pub(super) const NEAR_BYTES_MAX: usize = 64;

/// The whole match counts, if it does.
pub(super) fn whole(candidate: &Candidate<'_>, holds: bool) -> Option<usize> {
    holds.then(|| candidate.matched().len())
}

/// Words that say what a candidate is. One with `*` at its end need only be the
/// beginning of a word. They are looked for in one pass: candidates are many.
#[derive(Debug)]
pub(super) struct Words {
    list: &'static [&'static str],
    /// `None` when there is no automaton for them, which no list brings about.
    automaton: OnceLock<Option<AhoCorasick>>,
}

impl Words {
    pub(super) const fn new(list: &'static [&'static str]) -> Self {
        Self { list, automaton: OnceLock::new() }
    }

    pub(super) fn are_in(&self, text: &str) -> bool {
        let automaton = self.automaton.get_or_init(|| {
            AhoCorasick::new(self.list.iter().map(|word| word.trim_end_matches('*'))).ok()
        });
        automaton.as_ref().is_some_and(|automaton| {
            automaton.find_overlapping_iter(text).any(|found| {
                let word = self.list.get(found.pattern().as_usize());
                let open = word.is_some_and(|word| word.ends_with('*'));
                is_word(text, found.range(), open)
            })
        })
    }

    /// Whether one of them stands shortly before the candidate.
    pub(super) fn name(&self, candidate: &Candidate<'_>) -> bool {
        self.are_in(candidate.before())
    }
}

/// The same for a list that is rarely asked.
pub(super) fn has_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        let stem = word.trim_end_matches('*');
        text.match_indices(stem)
            .any(|(at, _)| is_word(text, at..at + stem.len(), word.ends_with('*')))
    })
}

/// Not a part of a longer word; `open` at its end.
fn is_word(text: &str, span: Range<usize>, open: bool) -> bool {
    let before = text.get(..span.start).unwrap_or_default().chars().next_back();
    let after = text.get(span.end..).unwrap_or_default().chars().next();
    !before.is_some_and(char::is_alphabetic) && (open || !after.is_some_and(char::is_alphabetic))
}

/// Not a part of a longer number, a version, an amount, a path.
pub(super) fn stands_alone(candidate: &Candidate<'_>) -> bool {
    begins_alone(candidate) && !goes_on(candidate.after())
}

/// Whether what stands before a candidate is no part of it.
pub(super) fn begins_alone(candidate: &Candidate<'_>) -> bool {
    let mut before = candidate.before().chars().rev();
    let (last, second) = (before.next(), before.next());
    let joined = match last {
        Some('.' | ',' | ':' | '+') => second.is_some_and(|c| c.is_ascii_digit()),
        Some('-' | '/' | '\\') => second.is_some_and(|c| c.is_alphanumeric() || c == '/'),
        Some('#' | '$' | '€' | '£' | '_' | '@') => true,
        _ => false,
    };
    !joined
}

/// Whether what follows a candidate belongs to it.
pub(super) fn goes_on(after: &str) -> bool {
    let mut after = after.chars();
    let (first, second) = (after.next(), after.next());
    match first {
        Some('.' | ',' | ':') => second.is_some_and(|c| c.is_ascii_digit()),
        Some('-' | '/' | '\\') => second.is_some_and(char::is_alphanumeric),
        Some('%' | '@' | '_') => true,
        Some(c) => c.is_alphanumeric(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_or_by_their_beginning() {
        for (text, word, found) in [
            ("her ssn: ", "ssn", true),
            ("a classn ", "ssn", false),
            ("since ", "sin", false),
            ("telefonnummer ", "telefon*", true),
            ("telefonnummer ", "telefon", false),
            ("sin since sin", "sin", true),
            ("é sin", "sin", true),
        ] {
            assert_eq!(has_word(text, &[word]), found, "{word} in {text}");
            let words = Words::new(Box::leak(Box::new([word])));
            assert_eq!(words.are_in(text), found, "{word} in {text}");
        }
    }
}
