//! The way of a request through the gateway, as one readable flow.
//!
//! [`Pipeline::respond`] hands a call to [`Pipeline::run`], which is that flow.
//! It knows no HTTP: `api` gives it an admitted call and writes what comes out.
//! Each exchange is a task of its own, so that a client who goes away cannot
//! take the record of the decision along.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admitted;
use crate::audit::Ledger;
use crate::domain::{Caller, Endpoint, GenerationRequest, Place, Role, Stage};
use crate::inference::{Backend, Registry};
use crate::policy::{Cache, Engine, Judged, Store};
use crate::telemetry::Metrics;

mod answer;
mod choice;
mod exchange;
mod input;
mod output;
mod reload;
mod turns;

pub use answer::{
    Answer, Failed, FailedWhy, Moderated, Notice, Refused, Released, ReleasedStream, Sealed,
};
use exchange::Exchange;
use input::Judgement;
pub(crate) use reload::loaded_exceptions;

/// Events that a slow reader may leave unread before the model waits.
const EVENTS_MAX: usize = 32;

/// Everything that an exchange needs.
#[derive(Debug)]
pub struct Pipeline {
    pub policies: Arc<Store>,
    /// What texts of earlier requests were found to contain; `None`: each is judged anew.
    pub cache: Option<Cache>,
    pub backends: Registry,
    pub ledger: Ledger,
    pub metrics: Arc<Metrics>,
    pub config: Config,
    /// Where exchanges run: a runtime that outlives the HTTP workers.
    pub runtime: Handle,
    /// Running exchanges; shutdown waits for them.
    pub tasks: TaskTracker,
    /// Ends running exchanges when the time to drain is over.
    pub stop: CancellationToken,
}

/// Limits of one exchange.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// How long the gateway waits for a client that does not read.
    pub reader_wait_ms_max: u64,
    /// The longest that one exchange may take.
    pub duration_ms_max: u64,
    /// Texts whose findings are remembered; 0: none.
    pub cache_entries_max: u64,
    /// What they may take together.
    pub cache_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reader_wait_ms_max: 30_000,
            duration_ms_max: 600_000,
            cache_entries_max: 65_536,
            cache_bytes_max: 32 << 20,
        }
    }
}

impl Config {
    const fn reader_wait(&self) -> Duration {
        Duration::from_millis(self.reader_wait_ms_max)
    }

    const fn exchange(&self) -> Duration {
        Duration::from_millis(self.duration_ms_max)
    }
}

/// A request that the edge understood completely.
#[derive(Debug)]
pub struct Call {
    pub endpoint: Endpoint,
    /// Resolved from the request's `model`.
    pub backend: Arc<dyn Backend>,
    pub request: GenerationRequest,
    pub streamed: bool,
    /// Request fields that the operator lets the gateway strip.
    pub stripped_fields: Vec<String>,
}

impl Pipeline {
    /// Judges, generates, judges, records.
    pub async fn respond(self: &Arc<Self>, call: Admitted<Call>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let pipeline = Arc::clone(self);
        self.tasks.spawn_on(async move { pipeline.run(call, answer).await }, &self.runtime);
        // The task always answers; it can only be gone when the runtime is.
        answered.await.unwrap_or_else(|_| Answer::Failed(Failed::stopping()))
    }

    async fn run(&self, call: Admitted<Call>, mut answer: oneshot::Sender<Answer>) {
        // The permit is the caller's concurrency place, held to the end of the exchange.
        let (caller, call, _permit) = call.into_parts();
        let engine = match self.guard_for(&caller) {
            Ok(engine) => engine,
            Err(why) => {
                let _ = answer.send(Answer::Failed(Failed::guard_unavailable(why)));
                return;
            }
        };
        let mut exchange = Exchange::begin(self, &engine, &caller, &call);

        let judged = input::judge(&engine, exchange.occasion(), self.cache.as_ref(), call.request);
        let (permitted, originals) = match judged {
            Judgement::Permitted { verdict, stored, request, leak, originals } => {
                exchange.input_judged(verdict, stored);
                exchange.guard(leak);
                (request, originals)
            }
            Judgement::Stopped { verdict, stored, reply, outcome } => {
                exchange.input_judged(verdict, stored);
                let _ = answer.send(exchange.refuse(reply, outcome).await);
                return;
            }
        };

        let first_turn = input::first_turn_notice(&engine, permitted.get());
        let choices = output::choices(&exchange, permitted.get().choices, originals);
        let tokens = tokio::select! {
            biased;
            tokens = call.backend.generate(permitted) => tokens,
            () = answer.closed() => return exchange.interrupt().await,
            () = self.stop.cancelled() => return exchange.interrupt().await,
        };
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(error) => {
                let _ = answer.send(exchange.fail(error).await);
                return;
            }
        };

        let (released, events) = mpsc::channel(EVENTS_MAX);
        let stream = ReleasedStream { notice: exchange.notice(), events };
        if answer.send(Answer::Released(stream)).is_err() {
            return exchange.interrupt().await;
        }
        output::release(exchange, tokens, choices, first_turn, released).await;
    }

    /// The caller's policy, if it is there and decisions can be recorded.
    fn guard_for(&self, caller: &Caller) -> Result<Arc<Engine>, FailedWhy> {
        if !self.ledger.is_writable() {
            return Err(FailedWhy::AuditUnavailable);
        }
        self.policies.engine(caller.policy.as_deref()).ok_or(FailedWhy::GuardUnavailable)
    }

    /// Judges texts without generating; recorded like every decision.
    ///
    /// # Errors
    /// When nothing could be decided or recorded.
    pub async fn moderate(
        self: &Arc<Self>,
        inputs: Admitted<Vec<String>>,
    ) -> Result<Moderated, Failed> {
        let pipeline = Arc::clone(self);
        let judged = async move { pipeline.judge_only(inputs).await };
        match self.tasks.spawn_on(judged, &self.runtime).await {
            Ok(judged) => judged,
            Err(_) => Err(Failed::stopping()),
        }
    }

    async fn judge_only(&self, inputs: Admitted<Vec<String>>) -> Result<Moderated, Failed> {
        let (caller, inputs, _permit) = inputs.into_parts();
        let engine = self.guard_for(&caller).map_err(Failed::guard_unavailable)?;
        let mut exchange = Exchange::begin_moderation(self, &engine, &caller);
        let verdicts: Vec<_> = (0u32..)
            .zip(&inputs)
            .map(|(index, text)| {
                let place = Place::Input { index };
                let judged = [Judged { place, role: Role::User, text }];
                engine.judge_on(exchange.occasion(), self.cache.as_ref(), Stage::Input, &judged)
            })
            .collect();
        exchange.inputs_judged(&verdicts);
        exchange.moderated(verdicts).await
    }
}
