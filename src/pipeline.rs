//! The way of a request through the gateway, as one readable flow.
//!
//! [`Pipeline::respond`] is that flow. It knows no HTTP: `api` gives it an
//! admitted call and writes what it releases. SKELETON.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::admission::Admitted;
use crate::audit::{Ledger, Receipt};
use crate::domain::{
    Category, DecisionId, Endpoint, FinishReason, GenerationRequest, Outcome, Stage, TokenLogprob, Usage, Verdict,
};
use crate::inference::{Backend, InferenceError, Registry};
use crate::policy::{Reply, ReplyStyle, Store};
use crate::telemetry::Metrics;

/// Everything that an exchange needs. Cheap to share by `Arc`.
#[derive(Debug)]
pub struct Pipeline {
    pub policies: Arc<Store>,
    pub backends: Registry,
    pub ledger: Ledger,
    pub metrics: Arc<Metrics>,
    /// Running exchanges; shutdown waits for them.
    pub tasks: TaskTracker,
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

/// The answer to a call.
#[derive(Debug)]
pub enum Answer {
    /// The prompt was refused, or answered with a prepared text.
    Refused(Refused),
    /// Text follows. The input passed; nothing has been sent yet.
    Released(ReleasedStream),
    /// Nothing could be decided or generated.
    Failed(Failed),
}

/// What a stopped prompt is answered with.
#[derive(Debug)]
pub struct Refused {
    pub notice: Notice,
    pub reply: Reply,
    /// `PolicyBlock` (`content_filter`) or `PolicyReplace` (`stop`).
    pub outcome: Outcome,
    pub receipt: Receipt,
}

/// A failure that the edge turns into an error body.
#[derive(Debug)]
pub struct Failed {
    pub notice: Notice,
    pub outcome: Outcome,
    pub error: FailedWhy,
}

#[derive(Debug)]
pub enum FailedWhy {
    Inference(InferenceError),
    /// The log cannot be written: fail closed.
    AuditUnavailable,
    /// The caller's policy is not configured, or judging failed.
    GuardUnavailable,
}

/// What the caller is told about the decision: headers and the `portcullis` object.
#[derive(Debug, Clone)]
pub struct Notice {
    pub decision: DecisionId,
    pub policy: Arc<str>,
    pub policy_version: Arc<str>,
    /// Slugs of categories that acted, with the stage. Never rules, never text.
    pub categories: Vec<Category>,
    pub stage: Option<Stage>,
    /// Disclosure header of the policy.
    pub ai_notice: Arc<str>,
    /// The back end's name.
    pub model: Arc<str>,
}

/// The released part of an answer, bounded. Dropping it interrupts the exchange.
#[derive(Debug)]
pub struct ReleasedStream {
    pub notice: Notice,
    pub(crate) events: mpsc::Receiver<Released>,
}

impl ReleasedStream {
    /// The next event; `Sealed` is the last. `None` before `Sealed` means that the gateway failed inside.
    pub async fn next(&mut self) -> Option<Released> {
        self.events.recv().await
    }
}

/// The only text that the edge can write.
#[derive(Debug)]
pub enum Released {
    Text { choice: u32, text: String, logprobs: Vec<TokenLogprob> },
    /// This choice is over.
    Finished { choice: u32, reason: FinishReason },
    /// Last. The decision is in the log.
    Sealed(Sealed),
}

#[derive(Debug)]
pub struct Sealed {
    pub receipt: Receipt,
    pub outcome: Outcome,
    pub usage: Option<Usage>,
    /// As in the stream's notice, completed by what the output stage found.
    pub notice: Notice,
    /// Why the answer is not complete, when it is not.
    pub error: Option<FailedWhy>,
    pub turns_dropped: u32,
}

/// The answer of `/v1/moderations`.
#[derive(Debug)]
pub struct Moderated {
    pub notice: Notice,
    /// One verdict per input, in order.
    pub verdicts: Vec<Verdict>,
    pub receipt: Receipt,
}

impl Pipeline {
    /// Judges, generates, judges, records.
    pub async fn respond(&self, _call: Admitted<Call>) -> Answer {
        let _ = ReplyStyle::Message;
        todo!()
    }

    /// Judges texts without generating; recorded like every decision.
    pub async fn moderate(&self, _inputs: Admitted<Vec<String>>) -> Result<Moderated, Failed> {
        todo!()
    }
}
