//! What stands around a candidate: words that say what it is, and signs that
//! it is a part of something longer. Used by the recognisers.

use crate::detect::Candidate;

/// How far before a candidate a word may stand that says what it is.
pub(super) const NEAR_BYTES_MAX: usize = 64;

/// The whole match counts, if it does.
pub(super) fn whole(candidate: &Candidate<'_>, holds: bool) -> Option<usize> {
    holds.then(|| candidate.matched().len())
}

/// Whether one of `words` stands in `text`; one with `*` at its end need only
/// be the beginning of a word.
pub(super) fn has_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        let (stem, open) = word.strip_suffix('*').map_or((*word, false), |stem| (stem, true));
        text.match_indices(stem).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default().chars().next_back();
            let after = text.get(at + stem.len()..).unwrap_or_default().chars().next();
            !before.is_some_and(char::is_alphabetic)
                && (open || !after.is_some_and(char::is_alphabetic))
        })
    })
}

/// Whether one of `words` stands shortly before the candidate.
pub(super) fn is_named(candidate: &Candidate<'_>, words: &[&str]) -> bool {
    has_word(candidate.before(), words)
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
        assert!(has_word("her ssn: ", &["ssn"]));
        assert!(!has_word("a classn ", &["ssn"]));
        assert!(!has_word("since ", &["sin"]));
        assert!(has_word("telefonnummer ", &["telefon*"]));
        assert!(!has_word("telefonnummer ", &["telefon"]));
        assert!(has_word("sin since sin", &["sin"]));
    }
}
