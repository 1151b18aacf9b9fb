//! The shape of a Llama 2 network, whichever kind of file describes it.
//!
//! Knows nothing of files; `checkpoint` fills it in, `llama` computes by it.

use super::error::ModelError;

/// Greatest values that are taken for real; far above any Llama 2 checkpoint.
const DIMENSION_MAX: usize = 1 << 18;
const LAYERS_MAX: usize = 1 << 10;
const VOCABULARY_MAX: usize = 1 << 20;
const CONTEXT_TOKENS_MAX: usize = 1 << 20;
const HEAD_DIMENSION_MAX: usize = 1 << 10;

/// How the two numbers that one rotation turns lie in a head's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RopeLayout {
    /// First half against second half, as Hugging Face stores the projections.
    Halves,
    /// Neighbours, as Meta and GGUF store them.
    Interleaved,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    /// Width of the residual stream.
    pub(super) hidden: usize,
    /// Width of the feed-forward layer.
    pub(super) intermediate: usize,
    pub(super) vocabulary: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    /// Key and value heads; fewer than `heads` under grouped-query attention.
    pub(super) kv_heads: usize,
    /// Width of one head.
    pub(super) head: usize,
    pub(super) rms_eps: f32,
    pub(super) rope_theta: f32,
    /// Positions are divided by this (linear scaling); 1 is off.
    pub(super) rope_scale: f32,
    pub(super) rope_layout: RopeLayout,
    pub(super) context_tokens: usize,
    /// The output projection is the embedding.
    pub(super) tied: bool,
}

impl Config {
    /// Refuses what cannot be a Llama, before anything is allocated by it.
    pub(super) fn check(self) -> Result<Self, ModelError> {
        let within = |name: &str, value: usize, max: usize| {
            if value == 0 || value > max {
                return Err(ModelError::checkpoint(format!(
                    "the checkpoint says that its {name} is {value}; expected 1 to {max}"
                )));
            }
            Ok(())
        };
        within("hidden size", self.hidden, DIMENSION_MAX)?;
        within("feed-forward size", self.intermediate, DIMENSION_MAX)?;
        within("vocabulary size", self.vocabulary, VOCABULARY_MAX)?;
        within("number of layers", self.layers, LAYERS_MAX)?;
        within("number of attention heads", self.heads, DIMENSION_MAX)?;
        within("number of key and value heads", self.kv_heads, self.heads)?;
        within("head size", self.head, HEAD_DIMENSION_MAX)?;
        within("context length", self.context_tokens, CONTEXT_TOKENS_MAX)?;
        let refuse = |what: String| Err(ModelError::checkpoint(what));
        if !self.heads.is_multiple_of(self.kv_heads) {
            return refuse(format!(
                "{} attention heads cannot share {} key and value heads evenly",
                self.heads, self.kv_heads
            ));
        }
        if !self.head.is_multiple_of(2) {
            return refuse(format!("the head size {} is odd, so it cannot be rotated", self.head));
        }
        for (name, value) in [
            ("RMS epsilon", self.rms_eps),
            ("RoPE base", self.rope_theta),
            ("RoPE scaling factor", self.rope_scale),
        ] {
            if !value.is_finite() || value <= 0.0 {
                return refuse(format!(
                    "the checkpoint's {name} is {value}; expected a positive number"
                ));
            }
        }
        Ok(self)
    }

    /// For people: each dimension with its name.
    pub(super) fn described(&self) -> Vec<(&'static str, String)> {
        vec![
            ("hidden", self.hidden.to_string()),
            ("feed_forward", self.intermediate.to_string()),
            ("vocabulary", self.vocabulary.to_string()),
            ("layers", self.layers.to_string()),
            ("attention_heads", self.heads.to_string()),
            ("key_value_heads", self.kv_heads.to_string()),
            ("head", self.head.to_string()),
            ("context_tokens", self.context_tokens.to_string()),
            ("rms_epsilon", self.rms_eps.to_string()),
            ("rope_theta", self.rope_theta.to_string()),
            ("rope_scale", self.rope_scale.to_string()),
            ("tied_embeddings", self.tied.to_string()),
        ]
    }

    /// Query heads per key and value head.
    pub(super) const fn group(&self) -> usize {
        // INVARIANT: `check` made sure that `kv_heads` is not zero.
        match self.heads.checked_div(self.kv_heads) {
            Some(group) => group,
            None => 0,
        }
    }
}
