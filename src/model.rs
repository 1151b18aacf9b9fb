//! The only module that names candle: weights, tokenizer, chat form, sampler. SKELETON.

use std::path::Path;

use crate::domain::{Alternative, Digest, Message, Sampling, TokenLogprob};

/// A checkpoint in memory, ready to run. Immutable; share it by `Arc`.
#[derive(Debug)]
pub struct Model {}

/// What a checkpoint says of itself.
#[derive(Debug, Clone)]
pub struct ModelCard {
    pub name: String,
    pub architecture: String,
    /// SHA-256 over the files that were loaded.
    pub digest: Digest,
    pub parameters: u64,
    /// The longest sequence, prompt and answer together, in tokens.
    pub context_tokens: usize,
    pub vocabulary: usize,
    /// e.g. `Q8_0`, `F16`.
    pub quantisation: String,
    pub file_bytes: u64,
}

/// Loading did not work, or a computation failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ModelError(pub(crate) String);

/// A prompt as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPrompt {
    pub ids: Vec<u32>,
    /// Whole old turns left out so that the rest fits.
    pub turns_dropped: u32,
}

impl Model {
    /// Loads a GGUF file or a Hugging Face directory.
    pub fn load(_path: &Path, _context_tokens_max: Option<usize>) -> Result<Self, ModelError> {
        todo!()
    }

    /// Loads a GGUF image that is part of the program.
    pub fn from_gguf_bytes(_bytes: &'static [u8]) -> Result<Self, ModelError> {
        todo!()
    }

    pub fn card(&self) -> &ModelCard {
        todo!()
    }

    /// The chat form of Llama 2, whole old turns dropped until `reserve_tokens` are free for the answer.
    ///
    /// # Errors
    /// When the system text and the last message alone are too long.
    pub fn render_chat(
        &self,
        _messages: &[Message],
        _reserve_tokens: usize,
    ) -> Result<RenderedPrompt, ModelError> {
        todo!()
    }

    /// BOS and the text.
    pub fn render_text(
        &self,
        _text: &str,
        _reserve_tokens: usize,
    ) -> Result<RenderedPrompt, ModelError> {
        todo!()
    }

    /// An empty sequence with its KV cache for `capacity_tokens`.
    pub fn sequence(&self, _capacity_tokens: usize) -> Result<Sequence, ModelError> {
        todo!()
    }

    /// Appends `ids` to the sequence and returns the logits after the last of them (length: vocabulary).
    pub fn forward(&self, _sequence: &mut Sequence, _ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        todo!()
    }

    pub fn is_end_of_sequence(&self, _id: u32) -> bool {
        todo!()
    }

    /// The bytes that a token stands for; empty for control tokens.
    pub fn token_bytes(&self, _id: u32) -> Vec<u8> {
        todo!()
    }

    /// Turns ids into text as they come.
    pub fn text_decoder(&self) -> TextDecoder {
        todo!()
    }
}

/// The state of one running sequence.
#[derive(Debug)]
pub struct Sequence {}

impl Sequence {
    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        todo!()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy for another choice from the same prompt.
    pub fn fork(&self) -> Result<Self, ModelError> {
        todo!()
    }
}

/// UTF-8 safe: bytes of a character that is not complete wait.
#[derive(Debug)]
pub struct TextDecoder {}

impl TextDecoder {
    /// The text that `id` completes; may be empty.
    pub fn push(&mut self, _id: u32) -> String {
        todo!()
    }

    /// What is left at the end; an incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        todo!()
    }
}

/// Draws tokens for one choice.
#[derive(Debug)]
pub struct Sampler {}

/// A drawn token.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub id: u32,
    /// Natural logarithms under the unmodified distribution, when asked for.
    pub logprob: Option<TokenLogprob>,
}

impl Sampler {
    /// `choice` varies the seed between the choices of one request.
    pub fn new(_sampling: &Sampling, _choice: u32, _logprobs: Option<u8>) -> Self {
        todo!()
    }

    pub fn draw(&mut self, _model: &Model, _logits: Vec<f32>) -> Result<Drawn, ModelError> {
        let _: Option<Alternative> = None;
        todo!()
    }
}
