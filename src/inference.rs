//! Runs a permitted prompt on a back end and streams what comes back.
//!
//! Knows nothing of policies or HTTP servers; `pipeline::generate` is its only caller.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::Stream;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::domain::{Digest, GenerationEvent, GenerationRequest, Permitted};

mod anchor;
pub mod embedded;
pub mod scripted;
pub mod upstream;

/// Tokens per choice of an answer to a request that sets no limit, unless configured otherwise.
pub const TOKENS_DEFAULT_MAX: u32 = 1024;

/// Something that continues a prompt.
pub trait Backend: Send + Sync + fmt::Debug {
    fn info(&self) -> &ModelInfo;

    /// Starts a generation. Dropping the stream cancels it within one token.
    ///
    /// # Errors
    /// When it cannot start: no free slot, the prompt is too long, the server is away.
    fn generate(
        &self,
        request: Permitted<GenerationRequest>,
    ) -> BoxFuture<'_, Result<TokenStream, InferenceError>>;

    /// Refuses, before any work, what this back end cannot honour, naming the request field.
    fn check(&self, _request: &GenerationRequest) -> Result<(), InferenceError> {
        Ok(())
    }

    /// Whether a request now would have a chance.
    fn ready(&self) -> BoxFuture<'_, Result<(), InferenceError>>;

    /// Most tokens per choice that a request without a limit can get.
    fn tokens_default_max(&self) -> u32 {
        TOKENS_DEFAULT_MAX
    }

    /// Requests waiting for a slot, and running.
    fn load(&self) -> Load {
        Load::default()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub queued: usize,
    pub running: usize,
}

/// What `/v1/models` and the audit log say of a back end.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// The configured name; what a request's `model` says.
    pub name: Arc<str>,
    /// `embedded` or `upstream`.
    pub kind: &'static str,
    pub digest: Option<Digest>,
    pub context_tokens: Option<usize>,
    /// Unix seconds at which it was loaded.
    pub created: i64,
    /// For people: file name and quantisation, or the server's address without credentials.
    pub description: String,
}

/// The events of one generation, bounded. Dropping it cancels.
#[derive(Debug)]
pub struct TokenStream {
    events: mpsc::Receiver<Result<GenerationEvent, InferenceError>>,
}

impl TokenStream {
    pub const fn new(events: mpsc::Receiver<Result<GenerationEvent, InferenceError>>) -> Self {
        Self { events }
    }
}

impl Stream for TokenStream {
    type Item = Result<GenerationEvent, InferenceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

/// Why no (more) text came. Messages are safe to show to callers.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct InferenceError {
    pub kind: InferenceErrorKind,
    /// For the caller: no addresses, no secrets, no text of the prompt.
    pub message: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceErrorKind {
    /// Every slot and queue place is taken.
    Overloaded { retry_after: Duration },
    /// The counts, where the back end tells them.
    PromptTooLong { tokens: Option<usize>, tokens_max: Option<usize> },
    /// The answer that was asked for has no room in the context, the prompt alone would have.
    AnswerTooLong { tokens: u32 },
    /// The request field that this back end cannot honour.
    Unsupported { field: &'static str },
    /// Cannot be reached, or its circuit breaker is open.
    Unavailable,
    /// A phase took longer than its limit.
    Timeout,
    /// The server answered with something that nobody reviewed.
    UnsupportedPayload,
    /// The server finds this request at fault; its status code. Trying again does not help.
    InvalidRequest { status: u16 },
    /// The server refused the gateway, or failed; its status code.
    Upstream { status: u16 },
    /// The model itself failed.
    Failed,
}

impl InferenceError {
    pub fn new(kind: InferenceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// A back end could not be set up. For the operator: names the setting, never a secret.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the back end `{name}`: {reason}")]
pub struct StartError {
    name: Arc<str>,
    reason: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StartError {
    fn new(name: &Arc<str>, reason: impl Into<String>) -> Self {
        Self { name: Arc::clone(name), reason: reason.into(), source: None }
    }

    fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// The back ends by name, and the names by which callers know them.
#[derive(Debug, Clone)]
pub struct Registry {
    backends: BTreeMap<Arc<str>, Arc<dyn Backend>>,
    aliases: BTreeMap<String, Arc<str>>,
}

impl Registry {
    /// Aliases must point at one of `backends`; the configuration checked it, others are dropped.
    pub fn new(backends: Vec<Arc<dyn Backend>>, aliases: BTreeMap<String, Arc<str>>) -> Self {
        let backends: BTreeMap<_, _> = backends
            .into_iter()
            .map(|backend| (Arc::clone(&backend.info().name), backend))
            .collect();
        let aliases = aliases.into_iter().filter(|(_, name)| backends.contains_key(name)).collect();
        Self { backends, aliases }
    }

    /// The back end that `model`, a name or an alias, stands for.
    pub fn resolve(&self, model: &str) -> Option<&Arc<dyn Backend>> {
        self.backends.get(model).or_else(|| self.backends.get(self.aliases.get(model)?))
    }

    pub fn backends(&self) -> impl Iterator<Item = &Arc<dyn Backend>> {
        self.backends.values()
    }

    /// Alias and the name that it stands for.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.aliases.iter().map(|(alias, name)| (alias.as_str(), name.as_ref()))
    }
}

/// When a back end was set up.
fn now_unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
