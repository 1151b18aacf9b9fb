//! Runs of words that an answer shares with a system text.
//!
//! Words are compared in canonical form; what stands between them (blanks,
//! punctuation, markup) may differ. Every run of a fixed number of words is a
//! match of its own, found by a hash of its words and then compared word by
//! word. Called by [`super::leak`]; knows no rules.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::detect::back_by_chars;
use crate::text::canonical;

/// Characters between two words that still belong to one run.
const GAP_CHARS_MAX: usize = 6;
/// A run may be this long, gaps included; longer ones are not looked for.
const RUN_CHARS_MAX: usize = 2048;
/// Of a system text; what follows is not looked for.
const WORDS_MAX: usize = 50_000;

/// The words of a system text and where each run of them begins.
pub(super) struct Overlap {
    words: Vec<Box<str>>,
    run_words: usize,
    /// By the hash of a whole run: where it begins in `words`.
    runs: HashMap<u64, Vec<usize>>,
    /// By the hash of one word: where it stands in `words`.
    places: HashMap<u64, Vec<usize>>,
    reach_chars: usize,
}

impl Overlap {
    /// `None` when the text has fewer words than a run.
    pub(super) fn of(system_text: &str, run_words: usize) -> Option<Self> {
        let text = canonical(system_text);
        let words: Vec<Box<str>> =
            words(&text, 0).take(WORDS_MAX).map(|word| Box::from(word.text)).collect();
        let hashes: Vec<u64> = words.iter().map(|word| hash_of(word)).collect();
        let mut runs: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut longest = 0;
        let gaps = run_words.saturating_sub(1) * GAP_CHARS_MAX;
        for (at, (run, hashes)) in
            words.windows(run_words).zip(hashes.windows(run_words)).enumerate()
        {
            let chars = run.iter().map(|word| word.chars().count()).sum::<usize>();
            if chars + gaps <= RUN_CHARS_MAX {
                longest = longest.max(chars);
                runs.entry(hash_of_run(hashes)).or_default().push(at);
            }
        }
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, hash) in hashes.iter().enumerate() {
            places.entry(*hash).or_default().push(at);
        }
        // One more character says that the last word is over.
        let reach_chars = longest + gaps + 1;
        (!runs.is_empty()).then_some(Self { words, run_words, runs, places, reach_chars })
    }

    pub(super) fn reach_chars(&self) -> usize {
        self.reach_chars
    }

    /// Calls `found` for each run that starts in `part` of `text`.
    pub(super) fn scan(&self, text: &str, part: Range<usize>, mut found: impl FnMut(Range<usize>)) {
        let mut window: Vec<Word<'_>> = Vec::new();
        let mut hashes: Vec<u64> = Vec::new();
        let mut next = words(text, part.start);
        let mut first = 0;
        loop {
            while window.len() < first + self.run_words {
                let Some(word) = next.next() else { return };
                if window.is_empty() && word.at >= part.end {
                    return;
                }
                let apart = window.last().is_some_and(|last| !last.goes_on(&word, text));
                if apart {
                    // No run begins at the words so far.
                    first = window.len();
                }
                hashes.push(hash_of(word.text));
                window.push(word);
            }
            let Some(run) = window.get(first..) else { return };
            let Some(begin) = run.first().filter(|word| word.at < part.end) else { return };
            if self.is_run(run, hashes.get(first..).unwrap_or_default()) {
                found(begin.at..run.last().map_or(begin.at, |word| word.at + word.text.len()));
            }
            first += 1;
        }
    }

    fn is_run(&self, run: &[Word<'_>], hashes: &[u64]) -> bool {
        let Some(places) = self.runs.get(&hash_of_run(hashes)) else { return false };
        places.iter().any(|at| {
            let own = self.words.get(*at..).unwrap_or_default();
            own.iter().zip(run).all(|(own, word)| **own == *word.text)
        })
    }

    /// The offset before which no run can have begun that is not complete: the start of the last
    /// word if it may go on, or of the words before it that stand side by side in the system text.
    pub(super) fn pending(&self, text: &str) -> usize {
        let from = back_by_chars(text, text.len(), self.reach_chars);
        let tail: Vec<Word<'_>> = words(text, from).collect();
        let Some((last, before)) = tail.split_last() else { return text.len() };
        let over = last.at + last.text.len() < text.len() || last.text.chars().all(stands_alone);
        let (done, partial) = if over { (tail.as_slice(), None) } else { (before, Some(last)) };
        let pending = partial.map_or(text.len(), |word| word.at);
        let Some(newest) = done.last() else { return pending };
        let rest = text.get(newest.at + newest.text.len()..pending).unwrap_or_default();
        if rest.chars().count() > GAP_CHARS_MAX {
            return pending;
        }
        let mut longest = 0;
        for place in self.places.get(&hash_of(newest.text)).into_iter().flatten() {
            let goes_on = self.words.get(place + 1).is_some_and(|following| {
                partial.is_none_or(|partial| following.starts_with(partial.text))
            });
            if goes_on {
                longest = longest.max(self.common(done, *place, text));
            }
        }
        done.len().checked_sub(longest).and_then(|first| done.get(first)).map_or(pending, |w| w.at)
    }

    /// How many of the last words of `done` stand before and at `place`, less than a run.
    fn common(&self, done: &[Word<'_>], place: usize, text: &str) -> usize {
        let own = self.words.get(..=place).unwrap_or_default();
        let mut later: Option<&Word<'_>> = None;
        done.iter()
            .rev()
            .zip(own.iter().rev())
            .take(self.run_words - 1)
            .take_while(|(word, own)| {
                let joined = later.is_none_or(|later| word.goes_on(later, text));
                later = Some(word);
                joined && ***own == *word.text
            })
            .count()
    }
}

/// A word of a canonical text.
struct Word<'t> {
    at: usize,
    text: &'t str,
}

impl Word<'_> {
    /// Whether `next` follows closely enough.
    fn goes_on(&self, next: &Word<'_>, text: &str) -> bool {
        let gap = text.get(self.at + self.text.len()..next.at).unwrap_or_default();
        gap.chars().take(GAP_CHARS_MAX + 1).count() <= GAP_CHARS_MAX
    }
}

/// The words that begin at or after `from`.
fn words(text: &str, from: usize) -> impl Iterator<Item = Word<'_>> {
    let before = text.get(..from).and_then(|head| head.chars().next_back());
    let first = text.get(from..).and_then(|rest| rest.chars().next());
    // In the middle of a word: it began earlier.
    let inside = before.is_some_and(is_word_part) && first.is_some_and(is_word_part);
    let mut at = if inside { word_end(text, from) } else { from };
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        at += rest.find(char::is_alphanumeric)?;
        let start = at;
        let first = text.get(start..)?.chars().next()?;
        at = if stands_alone(first) { start + first.len_utf8() } else { word_end(text, start) };
        Some(Word { at: start, text: text.get(start..at)? })
    })
}

fn word_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.find(|c| !is_word_part(c)).map_or(text.len(), |end| from + end)
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() && !stands_alone(c)
}

/// Scripts that put no blanks between words: each character counts as one. Thai, Lao, Myanmar,
/// Khmer, and the CJK blocks without Hangul (Unicode's block names).
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x9fff
        | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

fn hash_of(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

fn hash_of_run(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| {
        // An odd multiplier (2^64 divided by the golden ratio) mixes the order in.
        (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(overlap: &Overlap, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        overlap.scan(text, 0..text.len(), |span| found.push(span));
        found
    }

    #[test]
    fn a_run_is_found_whatever_stands_between_its_words() {
        let overlap = Overlap::of("You are Ada. Never mention the price list, please!", 4).unwrap();
        let text = "well: never, mention *the* price";
        assert_eq!(spans(&overlap, text), vec![6..text.len(); 1]);
        for other in [
            "never mention the prices",
            "ever mention the price",
            "never mention the",
            "never ....... mention the price",
            "never mention a the price",
        ] {
            assert!(spans(&overlap, other).is_empty(), "{other}");
        }
        assert!(Overlap::of("only three words", 4).is_none());
        let han = Overlap::of("不要提到价格表", 4).unwrap();
        assert_eq!(spans(&han, "请不要提到吧"), vec![3..15; 1]);
    }

    /// The plainest reading: every `run` words of the text, looked up in the system text.
    fn naive(system: &str, text: &str, run: usize) -> Vec<Range<usize>> {
        let own: Vec<&str> = system.split_whitespace().collect();
        let spoken: Vec<Word<'_>> = words(text, 0).collect();
        spoken
            .windows(run)
            .filter(|window| {
                own.windows(run).any(|own| own.iter().zip(*window).all(|(a, b)| *a == b.text))
            })
            .map(|window| window[0].at..window[run - 1].at + window[run - 1].text.len())
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_found_does_not_depend_on_the_cut(
            system in "([ab]{1,2} ){4,12}", text in "[ab]{1,2}([ .][ab]{1,2}){0,20}", run in 4usize..6,
        ) {
            let Some(overlap) = Overlap::of(&system, run) else { return Ok(()) };
            let whole = spans(&overlap, &text);
            prop_assert_eq!(&whole, &naive(&system, &text, run));
            let mut found = Vec::new();
            let mut decided = 0;
            for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
                let seen = &text[..end];
                let until = if end == text.len() { end } else { overlap.pending(seen) };
                if until > decided {
                    overlap.scan(seen, decided..until, |span| found.push(span));
                    decided = until;
                }
            }
            prop_assert_eq!(found, whole);
        }
    }
}
