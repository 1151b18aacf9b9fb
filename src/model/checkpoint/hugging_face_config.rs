//! The `config.json` of a Hugging Face directory.
//!
//! candle's own structure for it ignores the keys that say that a checkpoint
//! is something else than Llama 2, and the newer place of the RoPE settings;
//! here they are read, and what is not computed is refused.

use serde::Deserialize;

use crate::model::config::{Config, RopeLayout};
use crate::model::error::ModelError;

#[derive(Debug, Deserialize)]
pub(super) struct HuggingFaceConfig {
    model_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    vocab_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: f32,
    rope_theta: Option<f32>,
    rope_scaling: Option<Rope>,
    /// The place of both since version 5 of the library.
    rope_parameters: Option<Rope>,
    max_position_embeddings: usize,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
    quantization_config: Option<serde_json::Value>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
}

#[derive(Debug, Deserialize)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f32>,
    rope_theta: Option<f32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl HuggingFaceConfig {
    pub(super) fn bos(&self) -> Option<u32> {
        self.bos_token_id
    }

    pub(super) fn eos(&self) -> Vec<u32> {
        match &self.eos_token_id {
            None => Vec::new(),
            Some(OneOrMany::One(id)) => vec![*id],
            Some(OneOrMany::Many(ids)) => ids.clone(),
        }
    }

    pub(super) fn config(&self) -> Result<Config, ModelError> {
        self.refuse_what_is_not_computed()?;
        let rope = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let theta = self.rope_theta.or_else(|| rope.and_then(|rope| rope.rope_theta));
        Config {
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            vocabulary: self.vocab_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head: self.head_dim.unwrap_or_else(|| {
                self.hidden_size.checked_div(self.num_attention_heads).unwrap_or_default()
            }),
            rms_eps: self.rms_norm_eps,
            rope_theta: theta.unwrap_or(10_000.0),
            rope_scale: rope_scale(rope)?,
            rope_layout: RopeLayout::Halves,
            context_tokens: self.max_position_embeddings,
            tied: self.tie_word_embeddings,
        }
        .check()
    }

    fn refuse_what_is_not_computed(&self) -> Result<(), ModelError> {
        let refuse = |what: &str| Err(ModelError::checkpoint(format!("`config.json`: {what}")));
        if self.model_type != "llama" {
            return refuse(&format!(
                "`model_type` is `{}`; only `llama` is supported",
                self.model_type
            ));
        }
        if self.hidden_act.as_deref().is_some_and(|name| name != "silu") {
            return refuse("`hidden_act` must be `silu`");
        }
        if self.attention_bias || self.mlp_bias {
            return refuse("biases are not part of Llama 2");
        }
        if self.quantization_config.is_some() {
            return refuse(
                "quantised safetensors are not supported; use the original weights or a GGUF file",
            );
        }
        Ok(())
    }
}

fn rope_scale(rope: Option<&Rope>) -> Result<f32, ModelError> {
    let Some(rope) = rope else { return Ok(1.0) };
    match rope.rope_type.as_deref() {
        None | Some("default") => Ok(1.0),
        Some("linear") => rope.factor.ok_or_else(|| {
            ModelError::checkpoint("`config.json`: the linear RoPE scaling has no `factor`")
        }),
        Some(other) => Err(ModelError::checkpoint(format!(
            "`config.json`: the RoPE scaling `{other}` is not supported; `linear` and none are"
        ))),
    }
}
