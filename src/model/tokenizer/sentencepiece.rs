//! SentencePiece's BPE over a vocabulary with scores, as a GGUF file carries it.
//!
//! Source: Kudo and Richardson, "SentencePiece" (2018), and the behaviour of
//! its BPE encoder: the best-scoring pair of neighbours is merged first, the
//! leftmost of equals; what is no piece is spelled in bytes. The pairs wait in
//! a heap, so that the time is n log n whatever the text. Only ordinary pieces
//! can come out of a merge: control tokens are not in the table.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::fmt;

use super::{Pieces, SPACE, byte_of, text_of};
use crate::model::error::ModelError;
use crate::model::gguf::{Header, Value};

const PIECES_MAX: usize = 1 << 20;
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

pub(super) struct SentencePiece {
    /// Ordinary pieces: id and score.
    pieces: HashMap<Box<str>, (u32, f32)>,
    /// The ids of `<0x00>` to `<0xFF>`, when the vocabulary has them all.
    bytes: Option<Vec<u32>>,
    unknown: u32,
    space_prefix: bool,
    /// No merge is longer.
    piece_bytes_max: usize,
}

/// A run of the text that is one piece so far.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that may become one piece.
#[derive(Debug)]
struct Merge {
    score: f32,
    left: usize,
    right: usize,
    /// Of both together; if it has changed since, the merge is stale.
    bytes: usize,
}

impl fmt::Debug for SentencePiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentencePiece({} pieces)", self.pieces.len())
    }
}

impl SentencePiece {
    /// The encoder, and each token's bytes.
    pub(super) fn of_gguf(header: &Header) -> Result<(Self, Pieces), ModelError> {
        let key = |name: &str| header.metadata.get(&format!("tokenizer.ggml.{name}"));
        match key("model").and_then(Value::as_str) {
            Some("llama") => {}
            other => {
                return Err(ModelError::checkpoint(format!(
                    "its tokenizer is `{}`; only `llama` (SentencePiece) is supported",
                    other.unwrap_or("missing")
                )));
            }
        }
        if key("precompiled_charsmap").is_some()
            || key("remove_extra_whitespaces").and_then(Value::as_bool) == Some(true)
        {
            return Err(ModelError::checkpoint(
                "its tokenizer rewrites text, as Llama 2's does not",
            ));
        }
        let Some(Value::Texts(tokens)) = key("tokens") else {
            return Err(ModelError::checkpoint("`tokenizer.ggml.tokens` is missing"));
        };
        let Some(Value::Floats(scores)) = key("scores") else {
            return Err(ModelError::checkpoint("`tokenizer.ggml.scores` is missing"));
        };
        let Some(Value::Integers(kinds)) = key("token_type") else {
            return Err(ModelError::checkpoint("`tokenizer.ggml.token_type` is missing"));
        };
        let equal = tokens.len() == scores.len() && tokens.len() == kinds.len();
        if !equal || tokens.len() > PIECES_MAX || scores.iter().any(|score| score.is_nan()) {
            return Err(ModelError::checkpoint("its tokens, scores and types do not fit together"));
        }
        let entries = tokens.iter().zip(scores).zip(kinds).map(|((text, &score), &kind)| Entry {
            text,
            score,
            kind,
        });
        let space_prefix = key("add_space_prefix").and_then(Value::as_bool).unwrap_or(true);
        Ok(Self::new(entries, space_prefix))
    }

    fn new<'a>(entries: impl Iterator<Item = Entry<'a>>, space_prefix: bool) -> (Self, Pieces) {
        let mut pieces: HashMap<Box<str>, (u32, f32)> = HashMap::new();
        let mut bytes: [Option<u32>; 256] = [None; 256];
        let mut unknown = 0;
        let mut texts = Vec::new();
        for (id, entry) in (0_u32..).zip(entries) {
            let text = match (entry.kind, byte_of(entry.text)) {
                (BYTE, Some(byte)) => {
                    if let Some(slot) = bytes.get_mut(usize::from(byte)) {
                        *slot = Some(id);
                    }
                    Box::from([byte])
                }
                (NORMAL | USER_DEFINED, _) => {
                    pieces.insert(Box::from(entry.text), (id, entry.score));
                    text_of(entry.text)
                }
                (kind, _) => {
                    if kind == UNKNOWN {
                        unknown = id;
                    }
                    Box::from([])
                }
            };
            texts.push(text);
        }
        let piece_bytes_max = pieces.keys().map(|piece| piece.len()).max().unwrap_or_default();
        let bytes = bytes.into_iter().collect();
        (Self { pieces, bytes, unknown, space_prefix, piece_bytes_max }, Pieces(texts))
    }

    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut escaped = String::with_capacity(text.len() + SPACE.len_utf8());
        if self.space_prefix {
            escaped.push(SPACE);
        }
        escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        let symbols = self.merge(&escaped);
        self.ids(&escaped, &symbols)
    }

    /// The first symbol is never merged away, so the list starts at 0.
    fn merge(&self, text: &str) -> Vec<Symbol> {
        let count = text.chars().count();
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(index, (start, c))| Symbol {
                start,
                end: start + c.len_utf8(),
                previous: index.checked_sub(1),
                next: Some(index + 1).filter(|&next| next < count),
            })
            .collect();
        let mut waiting: BinaryHeap<Merge> = (1..count)
            .filter_map(|right| self.candidate(text, &symbols, right - 1, right))
            .collect();
        while let Some(merge) = waiting.pop() {
            let Some(merged) = apply(&mut symbols, &merge) else { continue };
            let neighbours = [
                merged.previous.map(|previous| (previous, merge.left)),
                merged.next.map(|next| (merge.left, next)),
            ];
            for (left, right) in neighbours.into_iter().flatten() {
                waiting.extend(self.candidate(text, &symbols, left, right));
            }
        }
        symbols
    }

    fn candidate(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
    ) -> Option<Merge> {
        let (start, end) = (symbols.get(left)?.start, symbols.get(right)?.end);
        let bytes = end - start;
        if bytes > self.piece_bytes_max {
            return None;
        }
        let &(_, score) = self.pieces.get(text.get(start..end)?)?;
        Some(Merge { score, left, right, bytes })
    }

    fn ids(&self, text: &str, symbols: &[Symbol]) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut after_unknown = false;
        let mut at = symbols.first();
        while let Some(symbol) = at {
            let piece = text.get(symbol.start..symbol.end).unwrap_or_default();
            let known = self.pieces.get(piece);
            match (known, &self.bytes) {
                (Some(&(id, _)), _) => ids.push(id),
                (None, Some(bytes)) => {
                    ids.extend(piece.bytes().filter_map(|byte| bytes.get(usize::from(byte))));
                }
                // A run of unknown characters is one unknown token.
                (None, None) if after_unknown => {}
                (None, None) => ids.push(self.unknown),
            }
            after_unknown = known.is_none();
            at = symbol.next.and_then(|next| symbols.get(next));
        }
        ids
    }
}

/// One token of the vocabulary as the file describes it.
#[derive(Debug)]
struct Entry<'a> {
    text: &'a str,
    score: f32,
    kind: i64,
}

/// Joins the two symbols, unless one of them has changed since; returns the joined one.
fn apply(symbols: &mut [Symbol], merge: &Merge) -> Option<Symbol> {
    let right = *symbols.get(merge.right)?;
    let left = symbols.get_mut(merge.left)?;
    if left.next != Some(merge.right) || right.end - left.start != merge.bytes {
        return None;
    }
    left.end = right.end;
    left.next = right.next;
    let joined = *left;
    if let Some(next) = right.next.and_then(|next| symbols.get_mut(next)) {
        next.previous = Some(merge.left);
    }
    // No stale merge may find the symbol that is gone.
    if let Some(gone) = symbols.get_mut(merge.right) {
        gone.next = None;
        gone.previous = None;
        gone.start = gone.end;
    }
    Some(joined)
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| Reverse(self.left).cmp(&Reverse(other.left)))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn encoder() -> SentencePiece {
        let mut entries: Vec<(String, f32, i64)> =
            vec![("<unk>".into(), 0.0, UNKNOWN), ("<s>".into(), 0.0, 3), ("</s>".into(), 0.0, 3)];
        entries.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), 0.0, BYTE)));
        for (rank, piece) in ["aa", "aaaa", "\u{2581}a", "ab", "a", "b", "<", ">", "s", "\u{2581}"]
            .into_iter()
            .enumerate()
        {
            entries.push((piece.into(), -(rank as f32), NORMAL));
        }
        let entries =
            entries.iter().map(|(text, score, kind)| Entry { text, score: *score, kind: *kind });
        SentencePiece::new(entries, true).0
    }

    #[test]
    fn control_tokens_in_text_stay_text() {
        let ids = encoder().encode("<s></s><0x41>");
        assert!(ids.iter().all(|&id| id > 2), "{ids:?}");
    }

    #[test]
    fn best_pairs_merge_first_and_unknown_characters_become_bytes() {
        let encoder = encoder();
        let id = |piece: &str| encoder.pieces.get(piece).unwrap().0;
        assert_eq!(encoder.encode("aab"), [id("\u{2581}"), id("aa"), id("b")]);
        assert_eq!(encoder.encode("ab"), [id("\u{2581}a"), id("b")]);
        assert_eq!(encoder.encode("é"), [id("\u{2581}"), 3 + 0xC3, 3 + 0xA9]);
        assert_eq!(encoder.encode(""), [] as [u32; 0]);
    }

    #[test]
    fn a_long_word_takes_no_quadratic_time() {
        let encoder = encoder();
        let started = Instant::now();
        let ids = encoder.encode(&"a".repeat(1 << 18));
        assert!(ids.len() >= 1 << 16);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
}
