//! The fields that chat and text completions share: how many answers, how they
//! are drawn, when they end. Bounds were checked by the table; here are the
//! rules between fields and the operator's own limits.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Parsed;
use crate::api::ApiConfig;
use crate::api::invalid::{Invalid, code};
use crate::domain::{GenerationRequest, Prompt, Sampling};

#[derive(Debug, Deserialize)]
pub(crate) struct Common {
    model: String,
    n: Option<u32>,
    stop: Option<OneOrMany>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    seed: Option<i64>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    repetition_penalty: Option<f32>,
    logit_bias: Option<BTreeMap<String, f32>>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// What an endpoint adds to the common fields.
pub(super) struct Own {
    pub prompt: Prompt,
    pub logprobs: Option<u8>,
    /// Token limit when the request names none.
    pub tokens_default: Option<u32>,
    pub stripped: Vec<String>,
}

impl Common {
    /// How many answers are asked for.
    pub(super) fn choices(&self) -> u32 {
        self.n.unwrap_or(1)
    }

    pub(super) fn into_parsed(self, own: Own, config: &ApiConfig) -> Result<Parsed, Invalid> {
        let choices = self.choices();
        if choices > config.choices_max {
            return Err(above("n", config.choices_max));
        }
        let (limit_field, asked) = self.tokens_max(config)?;
        let tokens_max = asked.or(own.tokens_default);
        let streamed = self.stream.unwrap_or(false);
        if self.stream_options.is_some() && !streamed {
            let message = "`stream_options` is only accepted with `stream: true`".to_owned();
            return Err(Invalid::new(code::VALUE, "stream_options", message));
        }
        let usage_wanted = self.stream_options.as_ref().and_then(|options| options.include_usage);
        let sampling = self.sampling();
        let request = GenerationRequest {
            prompt: own.prompt,
            sampling,
            choices,
            tokens_max,
            stop: self.stop.map(OneOrMany::into_list).unwrap_or_default(),
            logprobs: own.logprobs,
        };
        Ok(Parsed {
            model: self.model,
            request,
            limit_field,
            streamed,
            usage_wanted: usage_wanted.unwrap_or(false),
            stripped: own.stripped,
        })
    }

    /// The limit of the answer's length, and by which of its names it was given.
    fn tokens_max(&self, config: &ApiConfig) -> Result<(&'static str, Option<u32>), Invalid> {
        let (tokens, param) = match (self.max_tokens, self.max_completion_tokens) {
            (Some(older), Some(newer)) if older != newer => {
                let message = "`max_tokens` and `max_completion_tokens` differ; send one of them";
                let param = "max_completion_tokens";
                return Err(Invalid::new(code::VALUE, param, message.to_owned()));
            }
            (_, Some(tokens)) => (tokens, "max_completion_tokens"),
            (Some(tokens), None) => (tokens, "max_tokens"),
            (None, None) => return Ok(("max_tokens", None)),
        };
        if tokens > config.tokens_max {
            return Err(above(param, config.tokens_max));
        }
        Ok((param, Some(tokens)))
    }

    fn sampling(&self) -> Sampling {
        let default = Sampling::default();
        let bias = self.logit_bias.iter().flatten();
        Sampling {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_p: self.top_p.unwrap_or(default.top_p),
            top_k: self.top_k.and_then(|k| u32::try_from(k).ok()).filter(|k| *k > 0),
            // A seed only selects; negative ones are as good as others.
            seed: self.seed.map(i64::cast_unsigned),
            presence_penalty: self.presence_penalty.unwrap_or(default.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(default.frequency_penalty),
            repetition_penalty: self.repetition_penalty.unwrap_or(default.repetition_penalty),
            logit_bias: bias.filter_map(|(id, shift)| Some((id.parse().ok()?, *shift))).collect(),
        }
    }
}

/// A value beyond what the operator allows.
pub(super) fn above(param: &str, max: impl std::fmt::Display) -> Invalid {
    Invalid::new(code::VALUE, param, format!("`{param}` must be at most {max} on this gateway"))
}
