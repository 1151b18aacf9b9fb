//! What comes out of an exchange: the types that the HTTP edge can write, and
//! nothing else. Their fields are filled by this module's siblings only.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::audit::Receipt;
use crate::domain::{
    Category, DecisionId, Digest, FinishReason, Outcome, Stage, TokenLogprob, Usage, Verdict,
};
use crate::inference::InferenceError;
use crate::policy::Reply;

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
    /// Absent when there was no policy to name.
    pub notice: Option<Notice>,
    pub outcome: Outcome,
    pub error: FailedWhy,
}

#[derive(Debug)]
pub enum FailedWhy {
    Inference(InferenceError),
    /// The log cannot be written: fail closed.
    AuditUnavailable,
    /// The caller's policy is not configured, or nothing could be judged.
    GuardUnavailable,
    /// The exchange took longer than allowed, or its client did not read.
    Expired,
    /// The gateway is going down.
    Stopping,
}

impl Failed {
    pub(super) const fn stopping() -> Self {
        Self { notice: None, outcome: Outcome::Interrupted, error: FailedWhy::Stopping }
    }

    pub(super) const fn guard_unavailable(error: FailedWhy) -> Self {
        Self { notice: None, outcome: Outcome::GuardUnavailable, error }
    }
}

/// What the caller is told about the decision: headers and the `portcullis` object.
#[derive(Debug, Clone)]
pub struct Notice {
    pub decision: DecisionId,
    pub policy: Arc<str>,
    pub policy_version: Arc<str>,
    pub policy_digest: Digest,
    /// Categories that acted. Never rules, never text.
    pub categories: Vec<Category>,
    /// The stage that stopped the exchange, or the first that found something.
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
    /// The next event; `Sealed` is the last. `None` before `Sealed` means that the
    /// decision could not be recorded: the answer must not end as a good one.
    pub async fn next(&mut self) -> Option<Released> {
        self.events.recv().await
    }
}

/// The only text that the edge can write.
#[derive(Debug)]
pub enum Released {
    Text {
        choice: u32,
        text: String,
        logprobs: Vec<TokenLogprob>,
    },
    /// This choice is over.
    Finished {
        choice: u32,
        reason: FinishReason,
    },
    /// Last. The decision is in the log.
    Sealed(Box<Sealed>),
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
    /// The refusal, when the policy stopped the answer and wants an error for it.
    pub refusal_error: Option<Arc<str>>,
    pub turns_dropped: u32,
}

impl Sealed {
    /// Whether the caller gets an error instead of the rest of the answer.
    pub const fn is_error(&self) -> bool {
        self.error.is_some() || self.refusal_error.is_some()
    }
}

/// The answer of `/v1/moderations`.
#[derive(Debug)]
pub struct Moderated {
    pub notice: Notice,
    /// One verdict per input, in order.
    pub verdicts: Vec<Verdict>,
    pub receipt: Receipt,
}
