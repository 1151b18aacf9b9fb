//! `POST /v1/chat/completions`: the request, and the shapes of its answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::portcullis::Extension;
use super::sampling::{Common, Own, above};
use super::{Parsed, Usage, bound_text, text_bytes, typed};
use crate::api::ApiConfig;
use crate::api::fields::{self, Checker};
use crate::api::invalid::{Invalid, code};
use crate::api::json;
use crate::domain::{Endpoint, Message, Prompt, Role, TokenLogprob};

#[derive(Debug, Deserialize)]
struct Request {
    messages: Vec<WireMessage>,
    logprobs: Option<bool>,
    top_logprobs: Option<u8>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: WireRole,
    content: Option<Content>,
    refusal: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireRole {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// A text or refusal part: exactly one of the fields is there.
#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

/// Understands a request body completely, or refuses it.
pub(crate) fn parse(body: &[u8], config: &ApiConfig) -> Result<Parsed, Invalid> {
    let body = json::parse(body)?;
    let table = fields::of(Endpoint::ChatCompletions);
    let accepted = Checker::new(config.unknown_fields).body(table, &body)?;
    let request: Request = typed(&body)?;
    let logprobs = logprobs(&request)?;
    if request.messages.len() > config.messages_max {
        return Err(above_messages(config.messages_max));
    }
    let messages = (0..).zip(request.messages).map(|(index, message)| message.read(index));
    let own = Own {
        prompt: Prompt::Chat(messages.collect::<Result<_, _>>()?),
        logprobs,
        tokens_default: None,
        stripped: accepted.stripped,
    };
    let parsed = typed::<Common>(&body)?.into_parsed(own, config)?;
    bound_text(text_bytes(&parsed.request), "messages", config)?;
    Ok(parsed)
}

fn above_messages(messages_max: usize) -> Invalid {
    let mut invalid = above("messages", messages_max);
    invalid.message = format!("`messages` must have at most {messages_max} items on this gateway");
    invalid
}

fn logprobs(request: &Request) -> Result<Option<u8>, Invalid> {
    match (request.logprobs.unwrap_or(false), request.top_logprobs) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = "`top_logprobs` is only accepted with `logprobs: true`".to_owned();
            Err(Invalid::new(code::VALUE, "top_logprobs", message))
        }
    }
}

impl WireMessage {
    /// Joins all texts of the message, so that what is judged is what the model reads.
    fn read(self, index: usize) -> Result<Message, Invalid> {
        let mut texts = match self.content {
            None => Vec::new(),
            Some(Content::Text(text)) => vec![text],
            Some(Content::Parts(parts)) => {
                parts.into_iter().flat_map(|part| [part.text, part.refusal]).flatten().collect()
            }
        };
        texts.extend(self.refusal);
        if texts.is_empty() {
            let param = format!("messages[{index}].content");
            let message = format!("`{param}` is missing");
            return Err(Invalid::new(code::MISSING, &param, message));
        }
        Ok(Message { role: self.role.into(), text: texts.join("\n"), name: self.name })
    }
}

impl From<WireRole> for Role {
    fn from(role: WireRole) -> Self {
        match role {
            WireRole::System => Self::System,
            WireRole::Developer => Self::Developer,
            WireRole::User => Self::User,
            WireRole::Assistant => Self::Assistant,
            // The older name of a tool's result.
            WireRole::Tool | WireRole::Function => Self::Tool,
        }
    }
}

/// The answer as one body.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatCompletion {
    pub id: String,
    /// `chat.completion`.
    pub object: &'static str,
    /// Unix seconds.
    pub created: i64,
    pub model: String,
    pub choices: Vec<ChatChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    pub portcullis: Extension,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatChoice {
    pub index: u32,
    pub message: ChatMessage,
    pub logprobs: Option<ChatLogprobs>,
    /// `stop`, `length` or `content_filter`.
    pub finish_reason: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatMessage {
    /// `assistant`.
    pub role: &'static str,
    pub content: String,
    /// Always null: a refusal is the content, with `finish_reason` `content_filter`.
    pub refusal: Option<String>,
}

/// A piece of a streamed answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatChunk {
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: &'static str,
    /// Unix seconds.
    pub created: i64,
    pub model: String,
    pub choices: Vec<ChatChunkChoice>,
    /// Null but for the last chunk; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Usage>)]
    pub usage: Option<Option<Usage>>,
    /// On the chunk that ends the last choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portcullis: Option<Extension>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatChunkChoice {
    pub index: u32,
    pub delta: ChatDelta,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ChatDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatLogprobs {
    pub content: Vec<ChatTokenLogprob>,
    /// Always null.
    pub refusal: Option<Vec<ChatTokenLogprob>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatTokenLogprob {
    #[serde(flatten)]
    pub token: ChatAlternative,
    pub top_logprobs: Vec<ChatAlternative>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatAlternative {
    pub token: String,
    /// Natural logarithm.
    pub logprob: f32,
    /// UTF-8 bytes of the token, which may be part of a character only.
    pub bytes: Vec<u8>,
}

impl ChatLogprobs {
    pub(crate) fn new(tokens: Vec<TokenLogprob>) -> Self {
        let content = tokens
            .into_iter()
            .map(|token| ChatTokenLogprob {
                token: token.token.into(),
                top_logprobs: token.top.into_iter().map(Into::into).collect(),
            })
            .collect();
        Self { content, refusal: None }
    }
}

impl From<crate::domain::Alternative> for ChatAlternative {
    fn from(token: crate::domain::Alternative) -> Self {
        Self { token: token.text, logprob: finite(token.logprob), bytes: token.bytes }
    }
}

/// JSON has no infinities; OpenAI writes -9999 for a probability of zero.
pub(super) const fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}
