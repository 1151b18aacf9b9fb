//! All literals of a rule set in one automaton: phrases, which are evidence
//! themselves, and atoms, which say where a pattern is worth running.
//!
//! Matching is overlapping: every occurrence counts, so the result does not
//! depend on what was matched before it. Called by [`super::Detector`].

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// A literal in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    pub text: String,
    /// Must not be part of a longer word.
    pub whole_words: bool,
}

impl Phrase {
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }
}

/// Why an occurrence of a literal matters.
#[derive(Debug, Clone, Copy)]
pub enum Use {
    Phrase {
        rule: usize,
        whole_words: bool,
    },
    /// One clause of a pattern is satisfied; `clause` is its bit.
    Atom {
        pattern: usize,
        clause: u16,
    },
}

/// The literals do not fit into an automaton.
#[derive(Debug, thiserror::Error)]
#[error("the phrases of this policy do not fit into one automaton")]
pub struct LexiconError(#[from] aho_corasick::BuildError);

#[derive(Debug)]
pub struct Lexicon {
    automaton: AhoCorasick,
    /// By the automaton's number of the literal.
    uses: Vec<Vec<Use>>,
    /// Per pattern: the bits of all its clauses; 0 when it has none.
    waits: Vec<u16>,
}

impl Lexicon {
    /// `clauses` has those of each pattern; see [`super::atoms`].
    ///
    /// # Errors
    /// When the literals exceed the automaton's limits.
    pub fn new(
        phrases: &[(usize, Phrase)],
        clauses: &[Vec<Vec<String>>],
    ) -> Result<Self, LexiconError> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut literals: Vec<String> = Vec::new();
        let mut uses: Vec<Vec<Use>> = Vec::new();
        let mut add = |literal: &str, usage: Use| {
            let number = *numbers.entry(literal.to_owned()).or_insert_with(|| {
                literals.push(literal.to_owned());
                uses.push(Vec::new());
                literals.len() - 1
            });
            if let Some(list) = uses.get_mut(number) {
                list.push(usage);
            }
        };
        for (rule, phrase) in phrases {
            add(&phrase.text, Use::Phrase { rule: *rule, whole_words: phrase.whole_words });
        }
        let mut waits = Vec::new();
        for (index, clauses) in clauses.iter().enumerate() {
            let mut all = 0;
            for (number, clause) in clauses.iter().enumerate() {
                let bit = 1u16 << number;
                all |= bit;
                for atom in clause {
                    add(atom, Use::Atom { pattern: index, clause: bit });
                }
            }
            waits.push(all);
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&literals)?;
        Ok(Self { automaton, uses, waits })
    }

    /// The bits of the clauses that a pattern waits for; 0 means that it
    /// cannot be announced.
    pub fn clauses_of(&self, pattern: usize) -> u16 {
        self.waits.get(pattern).copied().unwrap_or_default()
    }

    /// Calls `found` for every literal that lies in `part` of `text`.
    pub fn scan(&self, text: &str, part: Range<usize>, mut found: impl FnMut(&Use, Range<usize>)) {
        if part.start >= part.end || part.end > text.len() {
            return;
        }
        for hit in self.automaton.find_overlapping_iter(Input::new(text).span(part)) {
            for usage in self.uses.get(hit.pattern().as_usize()).into_iter().flatten() {
                found(usage, hit.range());
            }
        }
    }
}

/// Whether a match is not part of a longer word.
///
/// Only an edge of the match that is itself a word character is looked at, and
/// scripts that are written without spaces have no such edges.
pub fn is_whole(text: &str, span: &Range<usize>) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| is_word(c) && !is_unspaced(c));
    let inside = text.get(span.clone()).unwrap_or_default();
    let before = text.get(..span.start).unwrap_or_default().chars().next_back();
    let after = text.get(span.end..).unwrap_or_default().chars().next();
    let joined = edge(inside.chars().next()) && edge(before)
        || edge(inside.chars().next_back()) && edge(after);
    !joined
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Han, kana, Thai, Lao, Burmese, Khmer (by block).
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_a_matter_of_letters() {
        for (text, found, whole) in [
            ("a bomb!", "bomb", true),
            ("bombs", "bomb", false),
            ("a_bomb", "bomb", false),
            ("$5x", "$5", false),
            ("x$5", "$5", true),
            ("制造炸弹的", "炸弹", true),
        ] {
            let start = text.find(found).unwrap();
            assert_eq!(is_whole(text, &(start..start + found.len())), whole, "{text}");
        }
    }
}
