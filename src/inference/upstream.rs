//! Runs prompts on another server that speaks OpenAI's API.
//!
//! The request is built from scratch out of the permitted prompt, so no header
//! or field of a caller can travel along. The answer is parsed strictly: what
//! nobody reviewed ends it. Every request streams; there is one way to read.
//! `app` builds it; nothing else knows that it is HTTP.

mod aligner;
mod answer;
mod counts;
mod failure;
mod open;
mod pool;
mod pump;
mod reader;
mod reply;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use reqwest::Client;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::TaskTracker;

use self::open::Opener;
use self::pool::Pool;
use self::pump::{Limits, Pump};
use super::{
    Backend, InferenceError, InferenceErrorKind, Load, ModelInfo, StartError, TOKENS_DEFAULT_MAX,
    TokenStream, now_unix_seconds,
};
use crate::domain::{GenerationRequest, Permitted, Prompt, Role};

pub use reqwest::Url;

pub use self::pool::BreakerConfig;

/// Events that a slow reader may leave unread; then the server waits.
const EVENTS_MAX: usize = 32;
/// Of one request; OpenAI's limit.
const CHOICES_MAX: u32 = 128;
/// Idle connections kept to each server.
const IDLE_CONNECTIONS_MAX: usize = 64;
const IDLE_CONNECTION_SECONDS_MAX: u64 = 60;
/// For one look at `/models`, and how long its result stands.
const READY_WAIT_MS_MAX: u64 = 2_000;
const READY_CACHE_MS_MAX: u64 = 3_000;

/// Servers that run the same model, and what they may take.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// `http` or `https`, with or without the version: `http://vllm:8000` means
    /// `http://vllm:8000/v1`; a path that names a version (`/v1`, `/v1beta/openai`) stays.
    pub urls: Vec<Url>,
    /// The model name sent to the servers; `None`: the back end's own.
    pub model: Option<String>,
    /// Sent as a bearer token.
    pub api_key: Option<SecretString>,
    /// Sent as `max_tokens`, per choice, for requests that set no limit: the server's own default
    /// may be its whole context, and what is not bounded cannot be charged.
    pub tokens_default_max: u32,
    pub connect_timeout_ms: u64,
    /// Until the first text of an answer; the prompt is computed meanwhile.
    pub first_token_timeout_ms: u64,
    /// Between two events. Keep-alive comments do not count.
    pub idle_timeout_ms: u64,
    /// For a whole answer.
    pub total_timeout_ms_max: u64,
    pub response_bytes_max: usize,
    pub event_bytes_max: usize,
    /// Further servers tried when one cannot begin.
    pub retries_max: u32,
    pub breaker: BreakerConfig,
}

impl UpstreamConfig {
    /// The defaults for these servers.
    pub fn new(urls: Vec<Url>) -> Self {
        Self {
            urls,
            model: None,
            api_key: None,
            tokens_default_max: TOKENS_DEFAULT_MAX,
            connect_timeout_ms: 5_000,
            first_token_timeout_ms: 120_000,
            idle_timeout_ms: 60_000,
            total_timeout_ms_max: 600_000,
            response_bytes_max: 16 << 20,
            event_bytes_max: 1 << 20,
            retries_max: 2,
            breaker: BreakerConfig::default(),
        }
    }
}

/// A model behind one or more servers.
#[derive(Debug)]
pub struct Upstream {
    info: ModelInfo,
    /// The name sent to the servers.
    model: String,
    tokens_default_max: u32,
    opener: Opener,
    limits: Limits,
    /// When `/models` was last asked for, and whether a server answered.
    ready: Mutex<Option<(Instant, bool)>>,
    tasks: TaskTracker,
}

impl Upstream {
    /// Prepares connections; no server is asked yet.
    ///
    /// # Errors
    /// When an address or the key cannot be used.
    pub fn start(name: Arc<str>, config: UpstreamConfig) -> Result<Self, StartError> {
        let pool = Pool::new(&config.urls, &config.breaker)
            .map_err(|reason| StartError::new(&name, reason))?;
        let authorization = match &config.api_key {
            Some(key) => Some(bearer(key).ok_or_else(|| {
                StartError::new(&name, "the API key has characters that no header may have")
            })?),
            None => None,
        };
        let client = client(&config)
            .map_err(|error| StartError::new(&name, "no HTTP client").because(error))?;
        let info = ModelInfo {
            name: Arc::clone(&name),
            kind: "upstream",
            digest: None,
            context_tokens: None,
            created: now_unix_seconds(),
            description: pool.addresses(),
        };
        let limits = Limits {
            first_token: Duration::from_millis(config.first_token_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
            total: Duration::from_millis(config.total_timeout_ms_max),
            response_bytes_max: config.response_bytes_max,
            event_bytes_max: config.event_bytes_max,
        };
        Ok(Self {
            info,
            model: config.model.unwrap_or_else(|| name.to_string()),
            tokens_default_max: config.tokens_default_max,
            opener: Opener { client, pool, authorization, retries_max: config.retries_max },
            limits,
            ready: Mutex::new(None),
            tasks: TaskTracker::new(),
        })
    }

    async fn begin(&self, mut request: GenerationRequest) -> Result<TokenStream, InferenceError> {
        self.check(&request)?;
        request.tokens_max.get_or_insert(self.tokens_default_max);
        let begun = tokio::time::Instant::now();
        let first_token_by = begun + self.limits.first_token.min(self.limits.total);
        let body = request::body(&self.model, &request).map_err(|error| {
            InferenceError::new(InferenceErrorKind::Failed, "the request could not be written")
                .with_source(error)
        })?;
        let path = request::path(&request.prompt);
        let opened = self.opener.open(path, body, first_token_by).await?;
        // One place is set aside for the last word.
        let (events, received) = mpsc::channel(EVENTS_MAX + 1);
        let pump = Pump::new(opened, &request, self.limits, begun, events);
        self.tasks.spawn(pump.run());
        Ok(TokenStream::new(received))
    }

    async fn look(&self) -> bool {
        let wait = Duration::from_millis(READY_WAIT_MS_MAX);
        let looks = self.opener.pool.targets().map(|target| async move {
            let asked = self.opener.get(target, &["models"]).timeout(wait).send().await;
            asked.is_ok_and(|response| failure::is_serving(response.status()))
        });
        join_all(looks).await.into_iter().any(|serving| serving)
    }
}

impl Backend for Upstream {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(
        &self,
        request: Permitted<GenerationRequest>,
    ) -> BoxFuture<'_, Result<TokenStream, InferenceError>> {
        self.begin(request.into_inner()).boxed()
    }

    fn check(&self, request: &GenerationRequest) -> Result<(), InferenceError> {
        let unsupported = |field, message: &str| {
            Err(InferenceError::new(InferenceErrorKind::Unsupported { field }, message))
        };
        // A tool's answer belongs to a tool call, and those are not part of a prompt.
        if let Prompt::Chat(messages) = &request.prompt
            && messages.iter().any(|message| message.role == Role::Tool)
        {
            return unsupported("messages", "this model takes no messages with the role `tool`");
        }
        if !(1..=CHOICES_MAX).contains(&request.choices) {
            return unsupported("n", "`n` must be from 1 to 128");
        }
        Ok(())
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), InferenceError>> {
        async {
            // Held while asking, so that many callers make one request.
            let mut known = self.ready.lock().await;
            let fresh = Duration::from_millis(READY_CACHE_MS_MAX);
            let serving = match *known {
                Some((asked, serving)) if asked.elapsed() < fresh => serving,
                _ => {
                    let serving = self.look().await;
                    *known = Some((Instant::now(), serving));
                    serving
                }
            };
            drop(known);
            if serving { Ok(()) } else { Err(failure::unreachable_server()) }
        }
        .boxed()
    }

    fn tokens_default_max(&self) -> u32 {
        self.tokens_default_max
    }

    fn load(&self) -> Load {
        Load { queued: 0, running: self.opener.pool.outstanding() }
    }
}

/// One client for all servers. Redirects could lead the prompt elsewhere, proxy settings of
/// the environment are not ours, and compressed answers are not asked for.
fn client(config: &UpstreamConfig) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_SECONDS_MAX))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build()
}

fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
