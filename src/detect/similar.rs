//! Texts that come close to given examples.
//!
//! Each sentence of a text is turned into a vector and compared with those of
//! the examples. What closeness means is the [`Encoder`]'s: the one here counts
//! words and letters, so it sees the same wording again, changed a little; it
//! does not know that two words mean the same. Reads the text as it was sent.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::text::canonical;

/// Shorter pieces are joined with the next one.
const SENTENCE_CHARS_MIN: usize = 12;
/// Longer ones are cut between words.
const SENTENCE_BYTES_MAX: usize = 512;
/// Components of a hashed vector.
const DIMENSIONS: usize = 512;
/// Letters that the parts of words have.
const PART_CHARS: usize = 4;
/// What a part of a word counts beside a whole word.
const PART_WEIGHT: f32 = 0.35;
const PAIR_WEIGHT: f32 = 0.6;
/// What a word without content counts.
const EMPTY_WEIGHT: f32 = 0.15;

/// Words that say nothing about the topic, in order; our own list.
const EMPTY_WORDS: &[&str] = &[
    "a", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could",
    "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "here", "his", "how",
    "i", "if", "in", "is", "it", "its", "just", "may", "me", "my", "of", "on", "or", "our",
    "please", "she", "should", "so", "some", "that", "the", "their", "then", "there", "these",
    "they", "this", "those", "to", "was", "we", "were", "what", "which", "will", "with", "would",
    "you", "your",
];

/// Turns a text into a vector of length one, or of zeros when it is empty.
/// The same text always gives the same vector.
pub trait Encoder: fmt::Debug + Send + Sync {
    fn encode(&self, text: &str) -> Vec<f32>;

    /// Names the encoder and its version; part of a policy's digest.
    fn id(&self) -> &'static str;
}

/// Hashed counts of words, pairs of words and parts of words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wording;

impl Encoder for Wording {
    fn encode(&self, text: &str) -> Vec<f32> {
        let text = canonical(text);
        let mut vector = vec![0.0f32; DIMENSIONS];
        let mut before: Option<&str> = None;
        let words =
            text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty());
        for word in words {
            let empty = EMPTY_WORDS.binary_search(&word).is_ok();
            add(&mut vector, &["w", word], if empty { EMPTY_WEIGHT } else { 1.0 });
            if empty {
                continue;
            }
            if let Some(before) = before.replace(word) {
                add(&mut vector, &["p", before, word], PAIR_WEIGHT);
            }
            let ends = word.char_indices().map(|(at, _)| at).chain([word.len()]).skip(PART_CHARS);
            for (start, end) in word.char_indices().map(|(at, _)| at).zip(ends) {
                add(&mut vector, &["c", word.get(start..end).unwrap_or_default()], PART_WEIGHT);
            }
        }
        normalise(&mut vector);
        vector
    }

    fn id(&self) -> &'static str {
        "wording/1"
    }
}

/// Adds a feature at its place; half of them count negative, so that those
/// that share a place cancel instead of adding up.
fn add(vector: &mut [f32], feature: &[&str], weight: f32) {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in feature.iter().flat_map(|part| part.bytes().chain([0])) {
        // FNV-1a, 64 bits.
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV are weak; fold the high half in.
    let hash = hash ^ (hash >> 32);
    let place = usize::try_from(hash >> 1 & 0x7fff_ffff).unwrap_or_default() % DIMENSIONS;
    if let Some(component) = vector.get_mut(place) {
        *component += if hash & 1 == 0 { weight } else { -weight };
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// Examples and how close a sentence must come to one of them.
#[derive(Debug, Clone)]
pub struct Similar {
    encoder: Arc<dyn Encoder>,
    examples: Vec<Vec<f32>>,
    threshold: f32,
}

impl Similar {
    /// `threshold` is the cosine from which on a sentence counts, 0 to 1.
    pub fn new(encoder: Arc<dyn Encoder>, examples: &[String], threshold: f32) -> Self {
        let examples = examples.iter().map(|example| encoder.encode(example)).collect();
        Self { encoder, examples, threshold }
    }

    /// The sentences, alone or two in a row, that come close to an example.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let sentences = sentences(text);
        let close = |span: &Range<usize>| {
            let vector = self.encoder.encode(text.get(span.clone()).unwrap_or_default());
            self.examples.iter().any(|example| dot(example, &vector) >= self.threshold)
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut before: Option<&Range<usize>> = None;
        for sentence in &sentences {
            if close(sentence) {
                found.push(sentence.clone());
                before = None;
            } else if let Some(first) = before.replace(sentence) {
                let both = first.start..sentence.end;
                if close(&both) {
                    found.push(both);
                    before = None;
                }
            }
        }
        found
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The text cut after the end of each sentence or line, each piece with at
/// least a few words and at most [`SENTENCE_BYTES_MAX`] bytes.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut cut = Vec::new();
    let mut start = 0;
    let mut chars = 0;
    let mut ended = false;
    for (at, c) in text.char_indices() {
        let full = at - start >= SENTENCE_BYTES_MAX - 4;
        let over = chars >= SENTENCE_CHARS_MIN && (ended && c.is_whitespace() || c == '\n');
        if over || full {
            cut.push(start..at);
            start = at;
            chars = 0;
        }
        chars += 1;
        ended = matches!(c, '.' | '!' | '?' | '。' | '！' | '？' | ':' | ';' | '"' | ')')
            && (ended || !matches!(c, '"' | ')'));
    }
    if start < text.len() {
        cut.push(start..text.len());
    }
    cut.into_iter()
        .filter_map(|span| {
            let piece = text.get(span.clone())?;
            let start = span.end - piece.trim_start().len();
            let end = span.start + piece.trim_end().len();
            (start < end).then_some(start..end)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn similar(examples: &[&str], threshold: f32) -> Similar {
        let examples: Vec<String> = examples.iter().map(|text| (*text).to_owned()).collect();
        Similar::new(Arc::new(Wording), &examples, threshold)
    }

    #[test]
    fn the_same_wording_is_found_in_a_longer_text() {
        let similar = similar(&["Tell me the secret recipe of your grandmother"], 0.7);
        for text in [
            "tell me the secret recipe of your grandmother!",
            "Please tell me your grandmother's secret recipe.",
            "Hello there, my friend. Please tell me the secret recipes of your grandmother. Thanks!",
            "First line here\nTell me the SECRET recipe\nof your grandmother, now",
        ] {
            assert_eq!(similar.find(text).len(), 1, "{text}");
        }
        for text in [
            "Tell me the name of your dog",
            "My grandmother keeps her recipes in a blue book in the kitchen.",
            "Reveal how nan cooks that dish nobody may know about",
            "",
            "...",
        ] {
            assert!(similar.find(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_list_can_be_searched() {
        assert!(EMPTY_WORDS.is_sorted());
    }

    #[test]
    fn the_span_is_the_sentence() {
        let text =
            "It rains a lot in this town.  Open the green door for the cat.\nBye for now, see you.";
        let found = similar(&["open the green door for the cat"], 0.8).find(text);
        assert_eq!(text.get(found[0].clone()), Some("Open the green door for the cat."));
    }

    proptest! {
        #[test]
        fn sentences_are_pieces_in_order(text in "[a-c .!?\\nжé]{0,1200}") {
            let mut end = 0;
            for span in sentences(&text) {
                prop_assert!(span.start >= end && span.len() <= SENTENCE_BYTES_MAX);
                let between = text.get(end..span.start).unwrap();
                prop_assert!(between.trim().is_empty());
                prop_assert!(text.get(span.clone()).is_some());
                end = span.end;
            }
        }

        #[test]
        fn a_vector_has_length_one_and_meets_itself(text in "[a-z ]{1,60}") {
            let vector = Wording.encode(&text);
            let length = dot(&vector, &vector);
            prop_assert!(length == 0.0 || (length - 1.0).abs() < 1e-4);
        }
    }
}
