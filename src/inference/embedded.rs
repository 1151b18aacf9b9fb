//! Runs a model in this process.
//!
//! The model has its own thread; HTTP workers only put requests into a bounded
//! queue and read bounded streams. Dropping a stream frees its slots within one
//! token. Which text may be asked or said is not known here.

mod choice;
mod queue;
mod request;
mod scheduler;
mod stop;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use self::queue::{NoPlace, Queue};
use self::request::{Job, stopping};
use super::{
    Backend, InferenceError, InferenceErrorKind, Load, ModelInfo, StartError, TOKENS_DEFAULT_MAX,
    TokenStream, now_unix_seconds,
};
use crate::domain::{GenerationRequest, Permitted, Prompt};
use crate::model::{Model, ModelError, RenderedPrompt};

/// Events that a slow reader may leave unread; then its request waits.
const EVENTS_MAX: usize = 32;
/// Of a context kept free for an answer without a limit; older turns make way.
const ANSWER_SHARE: usize = 4;

/// How a model is run.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Choices that generate at the same time; each has its own KV cache.
    pub slots: usize,
    /// Requests that wait for slots; more are turned away.
    pub queue_requests_max: usize,
    /// Prompt and answer together; `None`: as long as the model allows.
    pub context_tokens: Option<usize>,
    /// Per choice, for requests that set no limit.
    pub tokens_default_max: u32,
    /// Threads for what rayon computes; `None`: one per core, shared with other models. candle's
    /// own threads are set for the whole process by `model::configure_threads`.
    pub threads: Option<usize>,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            queue_requests_max: 64,
            context_tokens: None,
            tokens_default_max: TOKENS_DEFAULT_MAX,
            threads: None,
        }
    }
}

/// A model on its own thread. Dropping it ends what runs and joins the thread.
#[derive(Debug)]
pub struct Embedded {
    info: ModelInfo,
    model: Arc<Model>,
    queue: Arc<Queue>,
    context_tokens: usize,
    tokens_default_max: u32,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts the model's thread.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        name: Arc<str>,
        model: Arc<Model>,
        config: EmbeddedConfig,
    ) -> Result<Self, StartError> {
        let card = model.card();
        let longest = card.context_tokens;
        let context_tokens = config.context_tokens.map_or(longest, |tokens| tokens.min(longest));
        let info = ModelInfo {
            name: Arc::clone(&name),
            kind: "embedded",
            digest: Some(card.digest),
            context_tokens: Some(context_tokens),
            created: now_unix_seconds(),
            description: format!("{} ({}, {})", card.name, card.architecture, card.quantisation),
        };
        let queue = Queue::new(config.slots, config.queue_requests_max);
        let thread = spawn(&name, Arc::clone(&model), Arc::clone(&queue), config.threads)?;
        let tokens_default_max = config.tokens_default_max;
        let thread = Some(thread);
        Ok(Self { info, model, queue, context_tokens, tokens_default_max, thread })
    }

    async fn enqueue(&self, request: GenerationRequest) -> Result<TokenStream, InferenceError> {
        self.check(&request)?;
        let place = self.queue.reserve().map_err(no_place)?;
        let prompt = self.render(request.prompt, request.tokens_max).await?;
        let room = self.context_tokens.saturating_sub(prompt.ids.len());
        let tokens_wanted = request.tokens_max.unwrap_or(self.tokens_default_max);
        let (events, received) = mpsc::channel(EVENTS_MAX);
        place.submit(Job {
            prompt,
            sampling: request.sampling,
            choices: request.choices,
            tokens_max: tokens_wanted.min(u32::try_from(room).unwrap_or(u32::MAX)),
            stop: request.stop,
            logprobs: request.logprobs,
            events,
        });
        Ok(TokenStream::new(received))
    }

    /// Tokenizes away from the HTTP workers; long prompts take milliseconds.
    ///
    /// An answer of `tokens_asked` is kept room for in full: old turns make way, and what cannot
    /// fit beside the rest of the prompt is refused. Without it, a share of the context has to do.
    async fn render(
        &self,
        prompt: Prompt,
        tokens_asked: Option<u32>,
    ) -> Result<RenderedPrompt, InferenceError> {
        let share = (self.context_tokens / ANSWER_SHARE).min(self.tokens_default_max as usize);
        let answer = tokens_asked.map_or(share, |tokens| tokens as usize).max(1);
        // The model reckons with its own context, which may be longer than ours.
        let unused = self.model.card().context_tokens.saturating_sub(self.context_tokens);
        let reserve = answer.saturating_add(unused);
        let model = Arc::clone(&self.model);
        let rendered = tokio::task::spawn_blocking(move || match prompt {
            Prompt::Chat(messages) => model.render_chat(&messages, reserve),
            Prompt::Text(text) => model.render_text(&text, reserve),
        });
        match rendered.await {
            Ok(rendered) => rendered.map_err(|error| self.not_rendered(error, tokens_asked)),
            Err(source) => Err(InferenceError::new(
                InferenceErrorKind::Failed,
                "the prompt could not be turned into tokens",
            )
            .with_source(source)),
        }
    }

    fn not_rendered(&self, error: ModelError, tokens_asked: Option<u32>) -> InferenceError {
        match (error.too_long(), tokens_asked) {
            (Some((prompt, _)), Some(tokens)) if prompt < self.context_tokens => {
                let context = self.context_tokens;
                let message = format!(
                    "the prompt has {prompt} tokens, and an answer of {tokens} was asked for; \
                     together they have at most {context}"
                );
                InferenceError::new(InferenceErrorKind::AnswerTooLong { tokens }, message)
            }
            (Some((tokens, tokens_max)), _) => InferenceError::new(
                InferenceErrorKind::PromptTooLong {
                    tokens: Some(tokens),
                    tokens_max: Some(tokens_max),
                },
                error.to_string(),
            ),
            (None, _) => InferenceError::new(
                InferenceErrorKind::Failed,
                "the prompt could not be turned into tokens",
            )
            .with_source(error),
        }
    }
}

impl Backend for Embedded {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(
        &self,
        request: Permitted<GenerationRequest>,
    ) -> BoxFuture<'_, Result<TokenStream, InferenceError>> {
        self.enqueue(request.into_inner()).boxed()
    }

    fn check(&self, request: &GenerationRequest) -> Result<(), InferenceError> {
        let slots = self.queue.slots();
        if request.choices == 0 || request.choices as usize > slots {
            return Err(unsupported("n", format!("`n` must be from 1 to {slots} for this model")));
        }
        let stops_max = GenerationRequest::STOPS_MAX;
        if request.stop.len() > stops_max || request.stop.iter().any(String::is_empty) {
            let message = format!("`stop` takes up to {stops_max} texts, none of them empty");
            return Err(unsupported("stop", message));
        }
        let vocabulary = self.model.card().vocabulary;
        if request.sampling.logit_bias.iter().any(|&(id, _)| id as usize >= vocabulary) {
            let message = format!("`logit_bias` takes token ids below {vocabulary} for this model");
            return Err(unsupported("logit_bias", message));
        }
        match request.tokens_max {
            Some(0) => Err(unsupported("max_tokens", "`max_tokens` must be at least 1")),
            Some(tokens) if tokens as usize > self.context_tokens => {
                let context = self.context_tokens;
                let message = format!(
                    "an answer of {tokens} tokens was asked for, but prompt and answer together \
                     have at most {context}"
                );
                Err(InferenceError::new(InferenceErrorKind::AnswerTooLong { tokens }, message))
            }
            _ => Ok(()),
        }
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), InferenceError>> {
        let alive = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        let ready = if alive { Ok(()) } else { Err(thread_gone()) };
        futures::future::ready(ready).boxed()
    }

    fn tokens_default_max(&self) -> u32 {
        self.tokens_default_max.min(u32::try_from(self.context_tokens).unwrap_or(u32::MAX))
    }

    fn load(&self) -> Load {
        self.queue.load()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(backend = %self.info.name, "the model's thread had panicked");
        }
    }
}

/// Closes the queue when the thread ends, however it ends.
struct CloseOnExit(Arc<Queue>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn spawn(
    name: &Arc<str>,
    model: Arc<Model>,
    queue: Arc<Queue>,
    threads: Option<usize>,
) -> Result<JoinHandle<()>, StartError> {
    let pool = match threads {
        None => None,
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("model-compute-{index}"))
                .build();
            Some(pool.map_err(|error| no_threads(name).because(error))?)
        }
    };
    let work = move || {
        let _close = CloseOnExit(Arc::clone(&queue));
        match pool {
            None => scheduler::run(&model, &queue),
            Some(pool) => pool.install(|| scheduler::run(&model, &queue)),
        }
    };
    let thread = std::thread::Builder::new().name("model".to_owned()).spawn(work);
    thread.map_err(|error| no_threads(name).because(error))
}

fn no_threads(name: &Arc<str>) -> StartError {
    StartError::new(name, "the system gave no thread for the model")
}

fn no_place(no_place: NoPlace) -> InferenceError {
    match no_place {
        NoPlace::Full { retry_after } => InferenceError::new(
            InferenceErrorKind::Overloaded { retry_after },
            "the model is busy and its queue is full; try again later",
        ),
        NoPlace::Closed => stopping(),
    }
}

fn unsupported(field: &'static str, message: impl Into<String>) -> InferenceError {
    InferenceError::new(InferenceErrorKind::Unsupported { field }, message)
}

fn thread_gone() -> InferenceError {
    InferenceError::new(InferenceErrorKind::Unavailable, "the model has stopped")
}
