//! Reads one answer to its end and passes its events on, within time limits.
//!
//! A reader that goes away ends the HTTP request at once; one that is slow
//! makes the server wait. The last word, an error, always finds a place.

use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::failure::{Failure, timeout};
use super::open::{Form, Opened};
use super::pool::Lease;
use super::reader::{EventReader, not_read, read_bounded};
use super::reply;
use crate::domain::{GenerationEvent, GenerationRequest};
use crate::inference::{InferenceError, InferenceErrorKind};

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";
/// For usage and the end mark, once every choice is complete.
const TRAILER_WAIT: Duration = Duration::from_secs(5);
/// For the end of a body whose last event has come, so that the connection can be used again.
const CLOSING_WAIT: Duration = Duration::from_millis(50);

pub(super) type Events = mpsc::Sender<Result<GenerationEvent, InferenceError>>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub first_token: Duration,
    pub idle: Duration,
    pub total: Duration,
    pub response_bytes_max: usize,
    pub event_bytes_max: usize,
}

pub(super) struct Pump {
    opened: Opened,
    answer: Answer,
    limits: Limits,
    begun: Instant,
    events: Events,
}

/// Why the pump stopped before the end.
enum Stop {
    Abandoned,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What reading and putting together an answer can end with: a body that breaks off is the
/// server's fault.
impl From<InferenceError> for Stop {
    fn from(error: InferenceError) -> Self {
        let server_fault = matches!(error.kind, InferenceErrorKind::Upstream { .. });
        Self::Failed(Failure { server_fault, ..Failure::blameless(error) })
    }
}

impl Pump {
    pub(super) fn new(
        opened: Opened,
        request: &GenerationRequest,
        limits: Limits,
        begun: Instant,
        events: Events,
    ) -> Self {
        let answer = Answer::new(request.choices, request.logprobs.is_some());
        Self { opened, answer, limits, begun, events }
    }

    pub(super) async fn run(self) {
        let Self { opened, answer, limits, begun, events } = self;
        let Ok(last_word) = events.clone().reserve_owned().await else { return };
        let Opened { response, form, lease } = opened;
        let by = begun + limits.total;
        let mut flow = Flow { answer, events, by };
        let flowed = match form {
            Form::EventStream => {
                let reader =
                    EventReader::new(response, limits.response_bytes_max, limits.event_bytes_max);
                flow.stream(reader, limits, begun + limits.first_token).await
            }
            Form::Json => {
                let body = read_bounded(response, limits.response_bytes_max);
                flow.whole(body).await
            }
        };
        if let Err(Stop::Failed(failure)) = flowed {
            fail(failure, &lease, last_word).await;
        }
    }
}

/// An answer under way.
struct Flow {
    answer: Answer,
    events: Events,
    by: Instant,
}

impl Flow {
    async fn stream(
        &mut self,
        mut reader: EventReader,
        limits: Limits,
        first_token_by: Instant,
    ) -> Result<(), Stop> {
        self.started().await?;
        let mut begun = false;
        loop {
            let idle_by = Instant::now() + limits.idle;
            let (by, phase) = if self.answer.is_finished() {
                (Instant::now() + TRAILER_WAIT, "end")
            } else if begun {
                (idle_by, "next token")
            } else {
                (first_token_by, "first token")
            };
            let data = match self.within(by, phase, reader.next()).await {
                // Complete but for the end mark: nothing is missing.
                Ok(Err(_)) | Err(Stop::Failed(_)) if self.answer.is_finished() => None,
                Ok(data) => data?,
                Err(stop) => return Err(stop),
            };
            let Some(data) = data.filter(|data| data.trim() != DONE) else { break };
            let events = self.answer.take(reply::parse(data.as_bytes())?)?;
            begun |= !events.is_empty();
            self.send_all(events).await?;
        }
        let usage = self.answer.end()?;
        self.send_all(usage).await?;
        let _ = tokio::time::timeout(CLOSING_WAIT, reader.next()).await;
        Ok(())
    }

    async fn whole(
        &mut self,
        body: impl Future<Output = Result<Vec<u8>, super::reader::ReadError>>,
    ) -> Result<(), Stop> {
        self.started().await?;
        let body = self.within(self.by, "whole answer", body).await?.map_err(not_read)?;
        let events = self.answer.take(reply::parse(&body)?)?;
        self.send_all(events).await?;
        let usage = self.answer.end()?;
        self.send_all(usage).await
    }

    async fn started(&self) -> Result<(), Stop> {
        self.send_all([GenerationEvent::Started {
            prompt_tokens: None,
            turns_dropped: 0,
            model_digest: None,
        }])
        .await
    }

    /// Waits for `work`, but not past a deadline nor for nobody. A phase that takes too long is
    /// the server's fault; a whole answer may do so because its reader, or its length, does.
    async fn within<T>(
        &self,
        by: Instant,
        phase: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let late = if by <= self.by {
            Failure::fault(timeout(phase))
        } else {
            Failure::blameless(timeout("whole answer"))
        };
        let by = by.min(self.by);
        let gone = std::pin::pin!(self.events.closed());
        let work = std::pin::pin!(timeout_at(by, work));
        match select(gone, work).await {
            Either::Left(_) => Err(Stop::Abandoned),
            Either::Right((Ok(done), _)) => Ok(done),
            Either::Right((Err(_), _)) => Err(late.into()),
        }
    }

    async fn send_all(
        &self,
        events: impl IntoIterator<Item = GenerationEvent>,
    ) -> Result<(), Stop> {
        for event in events {
            let sent = timeout_at(self.by, self.events.send(Ok(event))).await;
            sent.map_err(|_| Failure::blameless(timeout("whole answer")))?
                .map_err(|_| Stop::Abandoned)?;
        }
        Ok(())
    }
}

/// Tells the reader, and the breaker where the server is to blame.
async fn fail(
    Failure { error, server_fault, .. }: Failure,
    lease: &Lease,
    last_word: OwnedPermit<Result<GenerationEvent, InferenceError>>,
) {
    tracing::warn!(kind = ?error.kind, server_fault, "an answer of the model server failed");
    if server_fault {
        lease.failed_later().await;
    }
    last_word.send(Err(error));
}
