//! All literals of a rule set: phrases, which are evidence themselves, and
//! anchors, which say where a pattern is worth running.
//!
//! Literals are sorted by length into a few [`Sieve`]s; what passes one is
//! compared byte by byte. Matching is overlapping: every occurrence counts,
//! so the result does not depend on what was matched before it. A text may
//! come in pieces: each position is tested once. Called by [`super::Detector`]
//! and, for phrases inside phrases, by the policy compiler.

use std::collections::HashMap;
use std::ops::Range;

use super::sieve::Sieve;

/// Of all literals together.
const LITERAL_BYTES_MAX: usize = 1 << 28;

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
    /// The patterns of this group may match around here.
    Anchor {
        group: usize,
    },
}

/// The literals are too long together.
#[derive(Debug, thiserror::Error)]
#[error("the phrases of this policy have more than {LITERAL_BYTES_MAX} bytes together")]
pub struct LexiconError;

#[derive(Debug)]
pub struct Lexicon {
    /// All literals, one after the other.
    bytes: Box<[u8]>,
    /// Where each begins, and the end.
    starts: Box<[u32]>,
    uses: Box<[Use]>,
    /// Where the uses of each literal begin, and the end.
    use_starts: Box<[u32]>,
    long: Sieve<8, 4, 36>,
    middle: Sieve<4, 2, 18>,
    short: Sieve<3, 1, 11>,
    pairs: Sieve<2, 1, 9>,
    single: Sieve<1, 1, 8>,
}

/// How far a text was tested. Offsets count from the beginning of the text.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Per sieve: the next position.
    next: [usize; SIEVES],
    /// Literals of which the text so far has only the beginning.
    open: Vec<(u32, usize)>,
}

const SIEVES: usize = 5;

/// What of a text there is to scan.
#[derive(Debug, Clone, Copy)]
pub struct Part<'t> {
    /// As much of it as is known and remembered.
    pub text: &'t str,
    /// The offset of `text` in the whole.
    pub base: usize,
    /// In `text`: literals that start earlier do not matter.
    pub from: usize,
    /// In `text`: literals that start here or later can wait.
    pub until: usize,
}

impl Lexicon {
    /// `groups` has the literals that announce each group of patterns.
    ///
    /// # Errors
    /// When the literals are too long together.
    pub fn new(phrases: &[(usize, Phrase)], groups: &[&[Vec<u8>]]) -> Result<Self, LexiconError> {
        let phrases = phrases.iter().map(|(rule, phrase)| {
            let usage = Use::Phrase { rule: *rule, whole_words: phrase.whole_words };
            (phrase.text.as_bytes(), usage)
        });
        let anchors = groups.iter().enumerate().flat_map(|(group, atoms)| {
            atoms.iter().map(move |atom| (atom.as_slice(), Use::Anchor { group }))
        });
        let mut numbers: HashMap<&[u8], usize> = HashMap::new();
        let mut literals: Vec<&[u8]> = Vec::new();
        let mut all: Vec<(usize, Use)> = Vec::new();
        for (literal, usage) in phrases.chain(anchors).filter(|(literal, _)| !literal.is_empty()) {
            let number = *numbers.entry(literal).or_insert_with(|| {
                literals.push(literal);
                literals.len() - 1
            });
            all.push((number, usage));
        }
        if literals.iter().map(|literal| literal.len()).sum::<usize>() > LITERAL_BYTES_MAX {
            return Err(LexiconError);
        }
        all.sort_by_key(|(number, _)| *number);
        let mut use_starts = vec![0; literals.len() + 1];
        for (number, _) in &all {
            if let Some(count) = use_starts.get_mut(number + 1) {
                *count += 1;
            }
        }
        let lengths = literals.iter().map(|literal| u32::try_from(literal.len()).unwrap_or(0));
        let starts = std::iter::once(0).chain(lengths).collect();
        Ok(Self {
            bytes: literals.concat().into(),
            starts: sums(starts),
            uses: all.into_iter().map(|(_, usage)| usage).collect(),
            use_starts: sums(use_starts),
            long: sieve(&literals, Sieve::<8, 4, 36>::LITERAL_BYTES_MIN, usize::MAX),
            middle: sieve(&literals, 5, Sieve::<8, 4, 36>::LITERAL_BYTES_MIN),
            short: sieve(&literals, 3, 5),
            pairs: sieve(&literals, 2, 3),
            single: sieve(&literals, 1, 2),
        })
    }

    /// Calls `found` for every literal that lies in `part` of `text`.
    pub fn scan(&self, text: &str, part: Range<usize>, mut found: impl FnMut(&Use, Range<usize>)) {
        let Some(text) = text.get(..part.end) else { return };
        let part = Part { text, base: 0, from: part.start, until: part.end };
        self.advance(part, &mut Progress::default(), |usage, span| found(usage, span));
    }

    /// Calls `found` for the literals that start in `part`, each once however
    /// the text is cut; some that start later may be among them, and then
    /// are not reported again. Spans are offsets into the part's text.
    pub fn advance(
        &self,
        part: Part<'_>,
        progress: &mut Progress,
        mut found: impl FnMut(&Use, Range<usize>),
    ) {
        let text = part.text.as_bytes();
        let Progress { next, open } = progress;
        let mut check = |literal: u32, start: usize| match self.stands(literal, start, text) {
            Stands::Whole(span) => {
                if start >= part.from {
                    self.uses_of(literal).iter().for_each(|usage| found(usage, span.clone()));
                }
                false
            }
            Stands::Begun => true,
            Stands::Not => false,
        };
        if !open.is_empty() {
            open.retain(|(literal, start)| {
                start.checked_sub(part.base).is_some_and(|start| check(*literal, start))
            });
        }
        let mut candidate = |literal: u32, start: usize| {
            if check(literal, start) {
                open.push((literal, part.base + start));
            }
        };
        let at = |next: usize| next.saturating_sub(part.base).max(part.from);
        let [long, middle, short, pairs, single] = next;
        let until = part.until;
        *long = part.base + self.long.scan(text, at(*long), until, &mut candidate);
        *middle = part.base + self.middle.scan(text, at(*middle), until, &mut candidate);
        *short = part.base + self.short.scan(text, at(*short), until, &mut candidate);
        *pairs = part.base + self.pairs.scan(text, at(*pairs), until, &mut candidate);
        *single = part.base + self.single.scan(text, at(*single), until, &mut candidate);
    }

    fn stands(&self, literal: u32, start: usize, text: &[u8]) -> Stands {
        let literal = self.literal(literal);
        let there = text.get(start..).unwrap_or_default();
        if there.len() < literal.len() {
            return if literal.starts_with(there) { Stands::Begun } else { Stands::Not };
        }
        if there.starts_with(literal) {
            Stands::Whole(start..start + literal.len())
        } else {
            Stands::Not
        }
    }

    fn literal(&self, number: u32) -> &[u8] {
        between(&self.bytes, &self.starts, number)
    }

    fn uses_of(&self, number: u32) -> &[Use] {
        between(&self.uses, &self.use_starts, number)
    }
}

enum Stands {
    Whole(Range<usize>),
    /// The text ends inside it.
    Begun,
    Not,
}

/// A sieve for the literals of `min` to `below` bytes.
fn sieve<const WIDTH: usize, const STRIDE: usize, const BLOCK: usize>(
    literals: &[&[u8]],
    min: usize,
    below: usize,
) -> Sieve<WIDTH, STRIDE, BLOCK> {
    let chosen: Vec<(u32, &[u8])> = (0u32..)
        .zip(literals)
        .filter(|(_, literal)| (min..below).contains(&literal.len()))
        .map(|(number, literal)| (number, *literal))
        .collect();
    Sieve::new(chosen.into_iter())
}

fn sums(mut counts: Vec<u32>) -> Box<[u32]> {
    let mut sum = 0;
    for count in &mut counts {
        sum += *count;
        *count = sum;
    }
    counts.into()
}

/// Element `number` of a list of lists.
fn between<'a, T>(all: &'a [T], starts: &[u32], number: u32) -> &'a [T] {
    let number = number as usize;
    match (starts.get(number), starts.get(number + 1)) {
        (Some(from), Some(to)) => all.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => &[],
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
