//! The shapes of an answer in both endpoints, as one body or as chunks.
//!
//! The endpoints share everything but the shape; [`Envelope`] is where they
//! differ. It only shapes: what may be said is `answer`'s and `sse`'s concern.

use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::offsets::Offsets;
use super::wire::chat::{
    ChatChoice, ChatChunk, ChatChunkChoice, ChatCompletion, ChatDelta, ChatLogprobs, ChatMessage,
};
use super::wire::completions::{Completion, CompletionChoice, CompletionLogprobs};
use super::wire::portcullis::Extension;
use super::wire::{Parsed, Usage, finish_reason};
use crate::domain::{Endpoint, FinishReason, TokenLogprob};
use crate::pipeline::Notice;

/// What the request says about the form of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub endpoint: Endpoint,
    pub choices: u32,
    pub usage_wanted: bool,
    pub logprobs: bool,
    pub stripped: Vec<String>,
}

impl Form {
    pub(crate) fn of(endpoint: Endpoint, parsed: &Parsed) -> Self {
        Self {
            endpoint,
            choices: parsed.request.choices,
            usage_wanted: parsed.usage_wanted,
            logprobs: parsed.request.logprobs.is_some(),
            stripped: parsed.stripped.clone(),
        }
    }
}

/// The fields that all bodies and chunks of one answer share.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub form: Form,
    id: String,
    created: i64,
    model: String,
}

/// Text of one choice, with the tokens that are complete with it.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub text: String,
    pub tokens: Vec<TokenLogprob>,
}

/// What one chunk says.
#[derive(Debug)]
pub(crate) enum ChunkOf<'c> {
    Role,
    /// With what the choice's earlier pieces left behind.
    Piece(Piece, &'c mut Offsets),
    End(FinishReason),
}

impl Envelope {
    pub(crate) fn new(form: Form, notice: &Notice) -> Self {
        let prefix = match form.endpoint {
            Endpoint::ChatCompletions => "chatcmpl-",
            Endpoint::Completions => "cmpl-",
            Endpoint::Moderations => "modr-",
        };
        Self {
            form,
            id: format!("{prefix}{}", notice.decision),
            created: time::OffsetDateTime::now_utc().unix_timestamp(),
            model: notice.model.to_string(),
        }
    }

    /// One chunk as JSON; `None` where the shape has nothing to say.
    pub(crate) fn chunk(
        &self,
        index: u32,
        of: ChunkOf<'_>,
        portcullis: Option<Extension>,
    ) -> Option<String> {
        match self.form.endpoint {
            Endpoint::ChatCompletions => {
                json(&self.chat_chunk(vec![self.chat_choice(index, of)], None, portcullis))
            }
            _ => {
                let choice = self.text_choice(index, of)?;
                json(&self.text_chunk(vec![choice], None, portcullis))
            }
        }
    }

    /// The chunk after the last choice, with the token counts.
    pub(crate) fn usage_chunk(&self, usage: Usage) -> Option<String> {
        match self.form.endpoint {
            Endpoint::ChatCompletions => json(&self.chat_chunk(Vec::new(), Some(usage), None)),
            _ => json(&self.text_chunk(Vec::new(), Some(usage), None)),
        }
    }

    /// The complete answer.
    pub(crate) fn whole(
        self,
        choices: Vec<Choice>,
        usage: Option<Usage>,
        portcullis: Extension,
        response: &mut HttpResponseBuilder,
    ) -> HttpResponse {
        let logprobs = self.form.logprobs;
        let choices = (0u32..).zip(choices);
        match self.form.endpoint {
            Endpoint::ChatCompletions => response.json(ChatCompletion {
                id: self.id,
                object: "chat.completion",
                created: self.created,
                model: self.model,
                choices: choices.map(|(index, choice)| choice.chat(index, logprobs)).collect(),
                usage,
                portcullis,
            }),
            _ => response.json(Completion {
                id: self.id,
                object: "text_completion",
                created: self.created,
                model: self.model,
                choices: choices.map(|(index, choice)| choice.text(index, logprobs)).collect(),
                usage: usage.map(Some),
                portcullis: Some(portcullis),
            }),
        }
    }

    /// Chunks say `usage: null` once usage was asked for; the last one says it.
    fn usage_field(&self, usage: Option<Usage>) -> Option<Option<Usage>> {
        self.form.usage_wanted.then_some(usage)
    }

    fn chat_chunk(
        &self,
        choices: Vec<ChatChunkChoice>,
        usage: Option<Usage>,
        portcullis: Option<Extension>,
    ) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: self.usage_field(usage),
            portcullis,
        }
    }

    fn chat_choice(&self, index: u32, of: ChunkOf<'_>) -> ChatChunkChoice {
        let mut choice = ChatChunkChoice {
            index,
            delta: ChatDelta::default(),
            logprobs: None,
            finish_reason: None,
        };
        match of {
            ChunkOf::Role => {
                choice.delta = ChatDelta { role: Some("assistant"), content: Some(String::new()) };
            }
            ChunkOf::Piece(piece, _) => {
                choice.logprobs = self.form.logprobs.then(|| ChatLogprobs::new(piece.tokens));
                choice.delta.content = Some(piece.text);
            }
            ChunkOf::End(reason) => choice.finish_reason = Some(finish_reason(reason)),
        }
        choice
    }

    fn text_chunk(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<Usage>,
        portcullis: Option<Extension>,
    ) -> Completion {
        Completion {
            id: self.id.clone(),
            object: "text_completion",
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: self.usage_field(usage),
            portcullis,
        }
    }

    fn text_choice(&self, index: u32, of: ChunkOf<'_>) -> Option<CompletionChoice> {
        let mut choice =
            CompletionChoice { text: String::new(), index, logprobs: None, finish_reason: None };
        match of {
            ChunkOf::Role => return None,
            ChunkOf::Piece(piece, offsets) => {
                if self.form.logprobs {
                    let mut logprobs = CompletionLogprobs::default();
                    logprobs.append(&piece.text, piece.tokens, offsets);
                    choice.logprobs = Some(logprobs);
                }
                choice.text = piece.text;
            }
            ChunkOf::End(reason) => choice.finish_reason = Some(finish_reason(reason)),
        }
        Some(choice)
    }
}

/// A choice while it is collected.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pieces: Vec<Piece>,
    pub ended: Option<FinishReason>,
}

impl Choice {
    pub(crate) fn push(&mut self, text: String, tokens: Vec<TokenLogprob>) {
        self.pieces.push(Piece { text, tokens });
    }

    fn reason(&self) -> &'static str {
        finish_reason(self.ended.unwrap_or(FinishReason::Stop))
    }

    fn chat(self, index: u32, logprobs: bool) -> ChatChoice {
        let finish_reason = self.reason();
        let mut content = String::new();
        let mut tokens = Vec::new();
        for mut piece in self.pieces {
            content.push_str(&piece.text);
            tokens.append(&mut piece.tokens);
        }
        ChatChoice {
            index,
            message: ChatMessage { role: "assistant", content, refusal: None },
            logprobs: logprobs.then(|| ChatLogprobs::new(tokens)),
            finish_reason,
        }
    }

    fn text(self, index: u32, logprobs: bool) -> CompletionChoice {
        let finish_reason = Some(self.reason());
        let mut text = String::new();
        let mut lists = CompletionLogprobs::default();
        let mut offsets = Offsets::default();
        for piece in self.pieces {
            text.push_str(&piece.text);
            if logprobs {
                lists.append(&piece.text, piece.tokens, &mut offsets);
            }
        }
        CompletionChoice { text, index, logprobs: logprobs.then_some(lists), finish_reason }
    }
}

fn json<T: Serialize>(value: &T) -> Option<String> {
    // Our own types have text keys and finite numbers: this cannot fail.
    serde_json::to_string(value).ok()
}
