//! What goes over the wire: requests as the gateway understands them, answers
//! as OpenAI's clients expect them. Knows no HTTP and no policy; called by the
//! routes and by the SSE writer.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod error;
pub(crate) mod models;
pub(crate) mod moderations;
pub(crate) mod portcullis;
pub(crate) mod sampling;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ApiConfig;
use crate::api::invalid::{Invalid, code};
use crate::domain::{FinishReason, GenerationRequest, Prompt};

/// A body that was understood completely.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The request's `model`; not yet looked up.
    pub model: String,
    pub request: GenerationRequest,
    /// The field that limits the answer's length, as this request names it.
    pub limit_field: &'static str,
    pub streamed: bool,
    /// A last chunk with token counts was asked for.
    pub usage_wanted: bool,
    pub stripped: Vec<String>,
}

/// Token counts, as OpenAI names them.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub total_tokens: u32,
}

impl From<crate::domain::Usage> for Usage {
    fn from(usage: crate::domain::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        }
    }
}

/// OpenAI's name for why a choice ended.
pub(crate) const fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// Bytes of everything in a request that will be judged.
pub(crate) fn text_bytes(request: &GenerationRequest) -> usize {
    let prompt: usize = match &request.prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Chat(messages) => messages
            .iter()
            .map(|message| message.text.len() + message.name.as_ref().map_or(0, String::len))
            .sum(),
    };
    prompt + request.stop.iter().map(String::len).sum::<usize>()
}

/// Refuses more text than the operator lets one request have.
fn bound_text(bytes: usize, param: &str, config: &ApiConfig) -> Result<(), Invalid> {
    let bytes_max = config.text_bytes_max;
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("the request's text is too long: {bytes} bytes of at most {bytes_max}");
    Err(Invalid::new(code::TOO_LONG, param, message))
}

/// Reads a checked body into its type.
///
/// The table and the types are written to agree, so that this cannot fail;
/// should they ever differ, the request is refused.
fn typed<'v, T: serde::Deserialize<'v>>(body: &'v serde_json::Value) -> Result<T, Invalid> {
    T::deserialize(body).map_err(|_| {
        Invalid::body(code::TYPE, "the request body does not have the published form".to_owned())
    })
}

#[cfg(test)]
mod tests;
