//! Token ids to text while they come, one at a time.
//!
//! A character may be spread over several byte tokens; its bytes wait here
//! until it is whole. Knows nothing of models or stop texts.

use std::fmt;
use std::sync::Arc;

use super::tokenizer::Pieces;
use crate::domain::{Alternative, TokenLogprob};

/// UTF-8 safe: bytes of a character that is not complete wait.
#[derive(Clone)]
pub struct TextDecoder {
    pieces: Arc<Pieces>,
    /// Fewer than four bytes.
    pending: Vec<u8>,
    /// The next piece is the first, and its leading space is SentencePiece's own, not text.
    at_start: bool,
}

impl TextDecoder {
    pub(super) const fn new(pieces: Arc<Pieces>, at_start: bool) -> Self {
        Self { pieces, pending: Vec::new(), at_start }
    }

    /// The text that `id` completes; may be empty.
    pub fn push(&mut self, id: u32) -> String {
        let pieces = Arc::clone(&self.pieces);
        let bytes = self.strip(pieces.bytes(id));
        if !pieces.bytes(id).is_empty() {
            self.at_start = false;
        }
        self.pending.extend_from_slice(bytes);
        self.take_whole()
    }

    /// What is left at the end; an incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        replacements(rest.len())
    }

    /// `logprob` of the token that is pushed next, with the bytes that it adds to the text. Only
    /// the first token of an answer differs: its leading space is not text.
    #[must_use]
    pub fn as_text(&self, mut logprob: TokenLogprob) -> TokenLogprob {
        for token in std::iter::once(&mut logprob.token).chain(&mut logprob.top) {
            let bytes = self.strip(&token.bytes).to_vec();
            if bytes.len() != token.bytes.len() {
                *token = Alternative {
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    bytes,
                    logprob: token.logprob,
                };
            }
        }
        logprob
    }

    fn strip<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        if self.at_start { bytes.strip_prefix(b" ").unwrap_or(bytes) } else { bytes }
    }

    /// Takes all whole characters; bytes that can never be one become U+FFFD.
    fn take_whole(&mut self) -> String {
        let mut text = String::new();
        let mut rest = std::mem::take(&mut self.pending);
        loop {
            match std::str::from_utf8(&rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    return text;
                }
                Err(error) => {
                    let mut tail = rest.split_off(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(&rest));
                    let Some(bad) = error.error_len() else {
                        self.pending = tail;
                        return text;
                    };
                    text.push_str(&replacements(bad));
                    rest = tail.split_off(bad);
                }
            }
        }
    }
}

/// Without the bytes that wait: they are somebody's text.
impl fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextDecoder").field("at_start", &self.at_start).finish_non_exhaustive()
    }
}

/// One for each byte that is no text, as SentencePiece decodes it.
fn replacements(bytes: usize) -> String {
    std::iter::repeat_n(char::REPLACEMENT_CHARACTER, bytes).collect()
}
