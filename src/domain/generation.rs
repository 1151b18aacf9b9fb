//! What is asked of a model and what comes back, whichever back end runs it.

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Prompt};

/// One generation. Values are within the documented ranges: the edge checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    pub prompt: Prompt,
    pub sampling: Sampling,
    /// How many answers to the same prompt, at least 1.
    pub choices: u32,
    /// Most tokens per choice; `None` means up to the back end's own limit.
    pub tokens_max: Option<u32>,
    /// Texts that end a choice; not part of the answer. At most [`Self::STOPS_MAX`].
    pub stop: Vec<String>,
    /// `Some(k)`: report each token's log-probability and its k best alternatives.
    pub logprobs: Option<u8>,
}

impl GenerationRequest {
    /// Texts that may end a choice; OpenAI's own bound.
    pub const STOPS_MAX: usize = 4;
}

/// How the next token is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 means greedy.
    pub temperature: f64,
    /// Nucleus mass in (0, 1].
    pub top_p: f64,
    /// Keep only the k likeliest tokens.
    pub top_k: Option<u32>,
    pub seed: Option<u64>,
    /// OpenAI's additive penalty for tokens that occurred at all, -2..=2.
    pub presence_penalty: f32,
    /// OpenAI's additive penalty per occurrence, -2..=2.
    pub frequency_penalty: f32,
    /// llama.cpp's multiplicative penalty; 1 is off.
    pub repetition_penalty: f32,
    /// Added to the logits of the given token ids, -100..=100.
    pub logit_bias: Vec<(u32, f32)>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            seed: None,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: Vec::new(),
        }
    }
}

/// What a back end reports while it generates. Each choice sees any number of
/// `Delta`s and then one `Finished`; `Usage` comes once, last.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationEvent {
    /// The prompt was accepted and prefilled (embedded) or sent (upstream).
    Started {
        /// Tokens of the prompt, where the back end counts them itself.
        prompt_tokens: Option<u32>,
        /// Whole old turns dropped so that the prompt fits the context.
        turns_dropped: u32,
        /// What computed the answer, where known.
        model_digest: Option<Digest>,
    },
    Delta {
        choice: u32,
        /// Valid UTF-8, cut anywhere between characters. Concatenated tokens'
        /// bytes equal concatenated text when logprobs are on.
        text: String,
        /// Empty unless logprobs were asked for.
        tokens: Vec<TokenLogprob>,
    },
    Finished {
        choice: u32,
        reason: FinishReason,
    },
    Usage(Usage),
}

/// Why a back end ended a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// End of sequence, or a stop text.
    Stop,
    /// `tokens_max` or the context is used up.
    Length,
    /// An upstream's own filter.
    ContentFilter,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    /// Over all choices.
    pub completion_tokens: u32,
}

/// One generated token with its log-probability (natural logarithm).
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    pub token: Alternative,
    pub top: Vec<Alternative>,
}

/// A token that could stand at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The token's bytes as text; invalid UTF-8 replaced.
    pub text: String,
    pub bytes: Vec<u8>,
    pub logprob: f32,
}
