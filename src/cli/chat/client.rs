//! The gateway as `chat` sees it: OpenAI's API, streamed, with the `portcullis` object.
//!
//! Messages of errors are what the gateway says; they are for the person at the
//! terminal. A refusal is an answer, also where the policy wants it sent as an error.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, future, stream};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sse_stream::{Sse, SseByteStream};

use super::Turn;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest silence; the gateway sends comments while a model thinks.
const SILENCE_MAX: Duration = Duration::from_secs(120);
const ANSWER_BYTES_MAX: usize = 8 << 20;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ChatError(String);

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
    pub(super) model: String,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
}

/// An answer on its way.
pub(super) struct Answer {
    events: Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>>>>,
    /// Some text has been shown.
    begun: bool,
    /// The policy's words, when they came as an error; the end follows.
    refusal: Option<String>,
    over: bool,
    end: End,
}

#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    End(End),
}

/// How an answer ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct End {
    pub finish_reason: Option<String>,
    pub decision: Option<Decision>,
}

/// The part of the `portcullis` object that is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Decision {
    pub decision: String,
    #[serde(default)]
    pub outcome: String,
    pub stage: Option<String>,
    #[serde(default)]
    pub categories: Vec<String>,
}

/// The code of an error that stands for a refusal (`refusal_style: error`).
const REFUSED: &str = "content_filter";

/// The name under which a gateway offers its `default_model`.
const DEFAULT_MODEL: &str = "default";

impl End {
    /// The policy's words stand in the model's place, or cut it short.
    pub(super) fn is_refused(&self) -> bool {
        let replaced = |decision: &Decision| decision.outcome == "policy_replace";
        self.finish_reason.as_deref() == Some(REFUSED)
            || self.decision.as_ref().is_some_and(replaced)
    }
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [&'a Turn],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    portcullis: Option<Decision>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<String>,
}

impl Client {
    pub(super) fn new(
        base: Url,
        key: Option<SecretString>,
        max_tokens: Option<u32>,
        temperature: Option<f32>,
    ) -> Result<Self, ChatError> {
        let mut http =
            reqwest::Client::builder().connect_timeout(CONNECT_WAIT).read_timeout(SILENCE_MAX);
        if is_loopback(&base) {
            // A proxy for the outside must not see what is said on this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ChatError(chain(&error)))?;
        // An empty variable counts as not set, as everywhere.
        let key = key.filter(|key| !key.expose_secret().is_empty());
        Ok(Self { http, base, key, model: String::new(), max_tokens, temperature })
    }

    pub(super) async fn default_model(&self) -> Result<String, ChatError> {
        let response = self.send(self.http.get(self.address("models"))).await?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(failed(status, &response.json().await.unwrap_or_default()));
        }
        let list: Value = response.json().await.map_err(|error| ChatError(chain(&error)))?;
        let names = list.pointer("/data").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(|model| model.get("id")?.as_str());
        let chosen = names.clone().find(|name| *name == DEFAULT_MODEL).or(names.into_iter().next());
        chosen.map(str::to_owned).ok_or_else(|| ChatError("the gateway lists no model".to_owned()))
    }

    pub(super) async fn ask(&self, turns: &[&Turn]) -> Result<Answer, ChatError> {
        let body = Request {
            model: &self.model,
            messages: turns,
            stream: true,
            max_tokens: self.max_tokens,
            temperature: self.temperature,
        };
        let request = self.http.post(self.address("chat/completions")).json(&body);
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Answer::of(SseByteStream::new(bounded(response))));
        }
        let body: Value = response.json().await.unwrap_or_default();
        let error = body.get("error").unwrap_or(&Value::Null);
        if !is_refusal(error) {
            return Err(failed(status, &body));
        }
        let mut answer = Answer::of(stream::empty());
        let decision = body.get("portcullis").and_then(|told| Decision::deserialize(told).ok());
        answer.refuse(error, decision);
        Ok(answer)
    }

    /// The address may be given with or without `/v1`.
    fn address(&self, path: &str) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        format!("{base}/v1/{path}")
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ChatError> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        };
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> ChatError {
        if error.is_connect() {
            let help = "is the gateway running? start it with `portcullis`, or give its --url";
            ChatError(format!("cannot reach {}: {help}", self.base))
        } else {
            ChatError(chain(error))
        }
    }
}

impl Answer {
    fn of(events: impl Stream<Item = Result<Sse, sse_stream::Error>> + 'static) -> Self {
        let (events, end) = (Box::pin(events), End::default());
        Self { events, begun: false, refusal: None, over: false, end }
    }

    /// What the policy says instead of an answer, or of the rest of one.
    fn refuse(&mut self, error: &Value, decision: Option<Decision>) {
        let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
        // As in a refusal that comes as text, a blank line parts it from what was said before.
        let gap = if self.begun { "\n\n" } else { "" };
        self.refusal = Some(format!("{gap}{said}"));
        self.end = End { finish_reason: Some(REFUSED.to_owned()), decision };
        self.over = true;
    }

    /// The next piece of text; `End` comes once, last.
    pub(super) async fn next(&mut self) -> Result<Part, ChatError> {
        loop {
            if let Some(text) = self.refusal.take() {
                return Ok(Part::Text(text));
            }
            if self.over {
                return Ok(Part::End(std::mem::take(&mut self.end)));
            }
            let Some(event) = self.events.next().await else {
                return Err(ChatError("the answer broke off".to_owned()));
            };
            let event = event.map_err(|error| ChatError(chain(&error)))?;
            let Some(data) = event.data else { continue };
            if data == "[DONE]" {
                return Ok(Part::End(std::mem::take(&mut self.end)));
            }
            if let Some(text) = self.take(&data)? {
                self.begun = true;
                return Ok(Part::Text(text));
            }
        }
    }

    fn take(&mut self, data: &str) -> Result<Option<String>, ChatError> {
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|_| ChatError("the server sent something else than chunks".to_owned()))?;
        match chunk.error {
            Some(error) if is_refusal(&error) => {
                self.refuse(&error, chunk.portcullis);
                return Ok(None);
            }
            Some(error) => return Err(ChatError(in_words(&error))),
            None => {}
        }
        if chunk.portcullis.is_some() {
            self.end.decision = chunk.portcullis;
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(None) };
        if choice.finish_reason.is_some() {
            self.end.finish_reason = choice.finish_reason;
        }
        Ok(choice.delta.content.filter(|text| !text.is_empty()))
    }
}

fn bounded(response: Response) -> impl Stream<Item = Result<Bytes, reqwest::Error>> {
    let mut left = ANSWER_BYTES_MAX;
    response.bytes_stream().take_while(move |bytes| {
        let length = bytes.as_ref().map_or(0, Bytes::len);
        let fits = length <= left;
        left = left.saturating_sub(length);
        future::ready(fits)
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

fn is_refusal(error: &Value) -> bool {
    error.get("code").and_then(Value::as_str) == Some(REFUSED)
}

fn failed(status: StatusCode, body: &Value) -> ChatError {
    ChatError(match body.get("error") {
        Some(error) => format!("{} ({status})", in_words(error)),
        None => format!("the server answered {status}"),
    })
}

fn in_words(error: &Value) -> String {
    let field = |name| error.get(name).and_then(Value::as_str);
    match (field("message"), field("code")) {
        (Some(message), Some(code)) => format!("{message} [{code}]"),
        (Some(message), None) => message.to_owned(),
        (None, _) => "the gateway reports an error without a message".to_owned(),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
