//! `POST /v1/completions`: the request, and the shape of its answers, which is
//! the same for a body and for a chunk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chat::finite;
use super::portcullis::Extension;
use super::sampling::{Common, OneOrMany, Own};
use super::{Parsed, Usage, bound_text, text_bytes, typed};
use crate::api::ApiConfig;
use crate::api::fields::{self, Checker};
use crate::api::invalid::{Invalid, code};
use crate::api::json;
use crate::api::offsets::Offsets;
use crate::domain::{Endpoint, Prompt, TokenLogprob};

/// Tokens of an answer when the request names no limit; OpenAI's default.
const TOKENS_DEFAULT: u32 = 16;

#[derive(Debug, Deserialize)]
struct Request {
    prompt: OneOrMany,
    best_of: Option<u32>,
    logprobs: Option<u8>,
}

/// Understands a request body completely, or refuses it.
pub(crate) fn parse(body: &[u8], config: &ApiConfig) -> Result<Parsed, Invalid> {
    let body = json::parse(body)?;
    let table = fields::of(Endpoint::Completions);
    let accepted = Checker::new(config.unknown_fields).body(table, &body)?;
    let request: Request = typed(&body)?;
    let common: Common = typed(&body)?;
    if request.best_of.is_some_and(|best_of| best_of != common.choices()) {
        let message = "`best_of` must equal `n`: every generated answer is returned".to_owned();
        return Err(Invalid::new(code::UNSUPPORTED, "best_of", message));
    }
    let own = Own {
        prompt: Prompt::Text(request.prompt.into_list().concat()),
        logprobs: request.logprobs,
        tokens_default: Some(TOKENS_DEFAULT),
        stripped: accepted.stripped,
    };
    let parsed = common.into_parsed(own, config)?;
    bound_text(text_bytes(&parsed.request), "prompt", config)?;
    Ok(parsed)
}

/// The answer, or a chunk of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Completion {
    pub id: String,
    /// `text_completion`.
    pub object: &'static str,
    /// Unix seconds.
    pub created: i64,
    pub model: String,
    pub choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Usage>)]
    pub usage: Option<Option<Usage>>,
    /// In a stream: on the chunk that ends the last choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portcullis: Option<Extension>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompletionChoice {
    pub text: String,
    pub index: u32,
    pub logprobs: Option<CompletionLogprobs>,
    /// `stop`, `length` or `content_filter`; null until the choice is over.
    pub finish_reason: Option<&'static str>,
}

/// Parallel lists, one entry per token.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CompletionLogprobs {
    pub tokens: Vec<String>,
    /// Natural logarithms.
    pub token_logprobs: Vec<f32>,
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Characters of the answer before the token.
    pub text_offset: Vec<usize>,
}

impl CompletionLogprobs {
    /// Adds the tokens of the piece `text`; `offsets` has seen the pieces before it.
    pub(crate) fn append(&mut self, text: &str, tokens: Vec<TokenLogprob>, offsets: &mut Offsets) {
        offsets.take(text);
        for TokenLogprob { token, top } in tokens {
            self.text_offset.push(offsets.place(&token.bytes));
            self.token_logprobs.push(finite(token.logprob));
            let top = top.into_iter().map(|other| (other.text, finite(other.logprob)));
            self.top_logprobs.push(top.collect());
            self.tokens.push(token.text);
        }
    }
}
