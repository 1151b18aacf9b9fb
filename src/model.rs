//! The only module that names candle: weights, tokenizer, chat form, sampler.
//!
//! A [`Model`] is a checkpoint in memory. It turns messages into token ids in
//! the form that Meta defined, runs them through the network, and turns drawn
//! ids back into text. It starts no threads of its own beyond those of one
//! call, keeps no requests and knows no policy: `inference` schedules it, the
//! command line inspects it.
//!
//! ```text
//! checkpoint (gguf | hugging_face) ─▶ config, tokenizer, llama
//! messages ─ chat ─▶ ids ─ llama + cache ─▶ logits ─ sampler ─▶ id ─ decoder ─▶ text
//! ```
//!
//! Activations and the KV cache are F32. F32 weights are copied from the file,
//! F16 and BF16 weights stay in the mapped file and are widened exactly while
//! they are used, ggml blocks are copied and computed by candle's kernels.

use std::fmt;
use std::path::Path;

use tracing::info;

use crate::domain::{Digest, Message};

mod cache;
mod chat;
mod checkpoint;
mod config;
mod decoder;
mod error;
mod gguf;
mod image;
mod llama;
mod matrix;
mod sampler;
mod threads;
mod tokenizer;

pub use cache::Sequence;
pub use chat::RenderedPrompt;
pub use checkpoint::TensorSummary;
pub use decoder::TextDecoder;
pub use error::ModelError;
pub use sampler::{Drawn, Sampler};
pub use threads::configure_threads;
pub use tokenizer::Tokenizer;

use checkpoint::Checkpoint;
use llama::Llama;

/// A checkpoint in memory, ready to run. Immutable; share it by `Arc`.
pub struct Model {
    llama: Llama,
    tokenizer: Tokenizer,
    card: ModelCard,
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone)]
pub struct ModelCard {
    pub name: String,
    pub architecture: String,
    /// SHA-256 over the files that were loaded: of the one file, or of the lines that `sha256sum`
    /// prints for several in the order of their names.
    pub digest: Digest,
    pub parameters: u64,
    /// The longest sequence, prompt and answer together, in tokens.
    pub context_tokens: usize,
    pub vocabulary: usize,
    /// How most of the weights are stored, e.g. `Q8_0`, `F16`.
    pub quantisation: String,
    pub file_bytes: u64,
}

/// What is in a checkpoint, without its weights being read.
#[derive(Debug, Clone)]
pub struct Inspection {
    pub card: ModelCard,
    /// The network's shape, each with its name.
    pub shape: Vec<(&'static str, String)>,
    pub tensors: Vec<TensorSummary>,
}

/// How far loading is: bytes of the weights.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

impl Model {
    /// Loads a GGUF file or a Hugging Face directory.
    ///
    /// `context_tokens_max` shortens the context that the checkpoint allows.
    ///
    /// # Errors
    /// When a file is missing, damaged or of another architecture; the chain of sources says
    /// which tensor or field, and what to do.
    pub fn load(path: &Path, context_tokens_max: Option<usize>) -> Result<Self, ModelError> {
        Self::load_with(path, context_tokens_max, &mut |_| {})
    }

    /// [`Self::load`], telling `progress` after each tensor.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(
        path: &Path,
        context_tokens_max: Option<usize>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ModelError> {
        Self::of(Checkpoint::open(path)?, context_tokens_max, progress)
    }

    /// Loads a GGUF image that is part of the program.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_gguf_bytes(bytes: &'static [u8]) -> Result<Self, ModelError> {
        Self::of(Checkpoint::of_gguf_bytes("built-in", bytes)?, None, &mut |_| {})
    }

    /// What is in the checkpoint at `path`; reads the files once, for the digest.
    ///
    /// # Errors
    /// As [`Self::load`], except for what only the weights themselves show.
    pub fn inspect(path: &Path) -> Result<Inspection, ModelError> {
        let checkpoint = Checkpoint::open(path)?;
        let card = card(&checkpoint, checkpoint.digest(), None);
        Ok(Inspection { card, shape: checkpoint.config.described(), tensors: checkpoint.tensors() })
    }

    fn of(
        checkpoint: Checkpoint,
        context_tokens_max: Option<usize>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ModelError> {
        let total = checkpoint.tensors().iter().map(|tensor| tensor.bytes).sum();
        info!(model = %checkpoint.name, bytes = total, "loading and digesting the model");
        let mut done = 0;
        let (llama, digest) = std::thread::scope(|scope| {
            let digest = scope.spawn(|| checkpoint.digest());
            let llama = checkpoint.assemble(&mut |bytes| {
                done += bytes;
                progress(Progress { done, total });
            });
            let digest = digest
                .join()
                .map_err(|_| ModelError::computation("the digest could not be computed"));
            (llama, digest)
        });
        let card = card(&checkpoint, digest?, context_tokens_max);
        info!(model = %card.name, digest = %card.digest, "the model is loaded");
        Ok(Self { llama: llama?, tokenizer: checkpoint.tokenizer, card })
    }

    pub const fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The chat form of Llama 2, whole old turns dropped until `reserve_tokens` are free for the
    /// answer.
    ///
    /// # Errors
    /// When the system text and the last message alone are too long ([`ModelError::too_long`]).
    pub fn render_chat(
        &self,
        messages: &[Message],
        reserve_tokens: usize,
    ) -> Result<RenderedPrompt, ModelError> {
        chat::render(&self.tokenizer, messages, self.prompt_tokens_max(reserve_tokens))
    }

    /// BOS and the text.
    ///
    /// # Errors
    /// When the text is too long ([`ModelError::too_long`]).
    pub fn render_text(
        &self,
        text: &str,
        reserve_tokens: usize,
    ) -> Result<RenderedPrompt, ModelError> {
        let tokens_max = self.prompt_tokens_max(reserve_tokens);
        let mut ids = vec![self.tokenizer.bos()];
        ids.extend(self.tokenizer.encode(text)?);
        if ids.len() > tokens_max {
            return Err(ModelError::prompt_too_long(ids.len(), tokens_max));
        }
        Ok(RenderedPrompt { ids, turns_dropped: 0, continues: !text.is_empty() })
    }

    fn prompt_tokens_max(&self, reserve_tokens: usize) -> usize {
        self.card.context_tokens.saturating_sub(reserve_tokens)
    }

    pub const fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// An empty sequence with its KV cache for `capacity_tokens`, at most the context. The cache
    /// takes its memory as it fills: `2 * layers * kv_heads * head * 4` bytes for each token.
    ///
    /// # Errors
    /// When `capacity_tokens` is longer than the context.
    pub fn sequence(&self, capacity_tokens: usize) -> Result<Sequence, ModelError> {
        if capacity_tokens > self.card.context_tokens {
            return Err(ModelError::computation(format!(
                "a sequence of {capacity_tokens} tokens is longer than the context of {}",
                self.card.context_tokens
            )));
        }
        Ok(Sequence::new(capacity_tokens))
    }

    /// Appends `ids` to the sequence and returns the logits after the last of them (length:
    /// vocabulary). A long prompt can be given in pieces, the last call's logits count.
    ///
    /// # Errors
    /// When there are no ids, one is not in the vocabulary, or the sequence is full.
    pub fn forward(&self, sequence: &mut Sequence, ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        let mut last = None;
        for ids in self.passes(ids)? {
            last = Some(self.llama.pass(sequence, ids)?);
        }
        let last = last.ok_or_else(|| ModelError::computation("there are no tokens to run"))?;
        let logits = self.llama.logits(&llama::last_row(&last)?)?;
        Ok(logits.flatten_all()?.to_vec1()?)
    }

    /// The logits after each of `ids`, from the start of a sequence.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_all(&self, ids: &[u32]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut sequence = self.sequence(ids.len())?;
        let mut rows = Vec::with_capacity(ids.len());
        for ids in self.passes(ids)? {
            let last = self.llama.pass(&mut sequence, ids)?;
            rows.extend(self.llama.logits(&last)?.to_vec2()?);
        }
        Ok(rows)
    }

    /// The natural log-probability of each of `ids` but the first, given those before it.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn score(&self, ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        let Some((_, given)) = ids.split_last() else { return Ok(Vec::new()) };
        let mut sequence = self.sequence(given.len())?;
        let mut logprobs = Vec::with_capacity(given.len());
        let mut next = ids.iter().skip(1);
        for ids in self.passes(given)? {
            let last = self.llama.pass(&mut sequence, ids)?;
            let rows: Vec<Vec<f32>> =
                candle_nn::ops::log_softmax(&self.llama.logits(&last)?, 1)?.to_vec2()?;
            for (row, &id) in rows.iter().zip(&mut next) {
                let logprob = row.get(id as usize).copied();
                logprobs.push(logprob.ok_or_else(|| unknown_token(id))?);
            }
        }
        Ok(logprobs)
    }

    /// `ids` in pieces of one pass, each known to the network.
    fn passes<'a>(&self, ids: &'a [u32]) -> Result<std::slice::Chunks<'a, u32>, ModelError> {
        let vocabulary = self.llama.embedding.rows();
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(unknown_token(id));
        }
        Ok(ids.chunks(llama::PASS_TOKENS_MAX))
    }

    pub fn is_end_of_sequence(&self, id: u32) -> bool {
        self.tokenizer.is_end(id)
    }

    /// The bytes that a token stands for; empty for control tokens.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.tokenizer.pieces().bytes(id).to_vec()
    }

    /// Turns the ids of an answer in a chat into text as they come. SentencePiece puts a space
    /// before the first word; it is not part of the text.
    pub fn text_decoder(&self) -> TextDecoder {
        TextDecoder::new(self.tokenizer.pieces().clone(), true)
    }

    /// The decoder for what follows `prompt`: where it continues a text, the first space stays.
    pub fn decoder_after(&self, prompt: &RenderedPrompt) -> TextDecoder {
        TextDecoder::new(self.tokenizer.pieces().clone(), !prompt.continues)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("card", &self.card).finish_non_exhaustive()
    }
}

impl Sampler {
    /// Draws the next token from `logits` (length: vocabulary).
    ///
    /// # Errors
    /// When a logit is not finite, which a damaged checkpoint can bring about.
    pub fn draw(&mut self, model: &Model, logits: Vec<f32>) -> Result<Drawn, ModelError> {
        self.draw_from(model.tokenizer.pieces(), logits)
    }
}

fn unknown_token(id: u32) -> ModelError {
    ModelError::computation(format!("the token {id} is not in the vocabulary"))
}

fn card(checkpoint: &Checkpoint, digest: Digest, context_tokens_max: Option<usize>) -> ModelCard {
    let tensors = checkpoint.tensors();
    let bytes_of = |storage: &str| -> u64 {
        tensors.iter().filter(|tensor| tensor.storage == storage).map(|tensor| tensor.bytes).sum()
    };
    let main = tensors.iter().map(|tensor| tensor.storage).max_by_key(|storage| bytes_of(storage));
    let context_tokens = checkpoint.config.context_tokens;
    ModelCard {
        name: checkpoint.name.clone(),
        architecture: "llama".to_owned(),
        digest,
        parameters: tensors
            .iter()
            .map(|tensor| tensor.shape.iter().map(|&length| length as u64).product::<u64>())
            .sum(),
        context_tokens: context_tokens_max.map_or(context_tokens, |max| context_tokens.min(max)),
        vocabulary: checkpoint.config.vocabulary,
        quantisation: main.unwrap_or_default().to_owned(),
        file_bytes: checkpoint.file_bytes(),
    }
}
