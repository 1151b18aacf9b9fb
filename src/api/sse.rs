//! The one writer of server-sent events.
//!
//! Chunks go out as the pipeline releases text. The final chunk of every
//! choice, which says how it ended, waits for the [`Sealed`] decision: a stream
//! that ends well is a stream whose record is in the log. One that does not
//! ends with an error event and without `[DONE]`, which SDKs raise.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures::Stream;
use tokio::time::timeout;

use super::answer::{begin, decided, of_refused, reason_of, undecided};
use super::envelope::{ChunkOf, Envelope, Form, Piece};
use super::error::{ApiError, Decided, Plain};
use super::offsets::Offsets;
use super::wire::Usage;
use crate::domain::{FinishReason, Outcome, TokenLogprob};
use crate::pipeline::{Notice, Refused, Released, ReleasedStream};

/// How long a stream may be silent before a comment keeps it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the status line waits for the first event: a failure by then is a
/// proper error response instead of an error event.
const FIRST_EVENT_WAIT: Duration = Duration::from_secs(1);
const COMMENT: &[u8] = b": keep-alive\n\n";
const DONE: &str = "[DONE]";

/// Answers with a stream of the released text.
pub(crate) async fn stream(
    mut stream: ReleasedStream,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let first = match timeout(FIRST_EVENT_WAIT, stream.next()).await {
        Ok(None) => {
            let decided = undecided(&stream.notice, Outcome::GuardUnavailable, &form);
            return Err(ApiError::broken(Plain::Cut, decided));
        }
        Ok(Some(Released::Sealed(sealed))) if sealed.is_error() => {
            decided(*sealed, &form)?;
            None
        }
        Ok(event) => event,
        Err(_) => None,
    };
    let mut response = begin(&stream.notice, None, &form);
    let frames = Frames::new(form, stream.notice.clone());
    let live = Live { stream, frames, first, keep_alive: KEEP_ALIVE, over: false };
    Ok(head(&mut response).streaming(events(live)))
}

/// Answers with the policy's text as a stream.
pub(crate) fn refused(refused: Refused, form: Form) -> Result<HttpResponse, ApiError> {
    let outcome = refused.outcome;
    let (decided, text) = of_refused(refused, &form)?;
    let mut response = begin(&decided.notice, Some(outcome), &form);
    let mut frames = Frames::new(form, decided.notice.clone());
    let mut events = String::new();
    for index in 0..frames.envelope.form.choices {
        frames.text(index, text.to_string(), Vec::new(), &mut events);
    }
    frames.end(&decided, outcome, Some(Usage::default()), &mut events);
    Ok(head(&mut response).body(events))
}

fn head(response: &mut actix_web::HttpResponseBuilder) -> &mut actix_web::HttpResponseBuilder {
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // Keeps a compressing layer from collecting what should flow.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
}

/// A stream in progress. Dropping it interrupts the exchange.
struct Live {
    stream: ReleasedStream,
    frames: Frames,
    first: Option<Released>,
    keep_alive: Duration,
    over: bool,
}

fn events(live: Live) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(live, |mut live| async move {
        let bytes = live.next().await?;
        Some((Ok(bytes), live))
    })
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let event = match self.first.take() {
                Some(event) => Ok(Some(event)),
                None => timeout(self.keep_alive, self.stream.next()).await,
            };
            let Ok(event) = event else { return Some(Bytes::from_static(COMMENT)) };
            let mut events = String::new();
            self.over = self.frames.write(event, &mut events);
            if !events.is_empty() {
                return Some(events.into());
            }
        }
        None
    }
}

/// Turns released events into server-sent ones.
#[derive(Debug)]
struct Frames {
    envelope: Envelope,
    notice: Notice,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Clone, Default)]
struct ChoiceState {
    begun: bool,
    offsets: Offsets,
    ended: Option<FinishReason>,
}

impl Frames {
    fn new(form: Form, notice: Notice) -> Self {
        let choices = (0..form.choices).map(|_| ChoiceState::default()).collect();
        Self { envelope: Envelope::new(form, &notice), notice, choices }
    }

    /// Appends what `event` says to `events`; true when the stream is over.
    fn write(&mut self, event: Option<Released>, events: &mut String) -> bool {
        match event {
            Some(Released::Text { choice, text, logprobs })
                if (choice as usize) < self.choices.len() =>
            {
                self.text(choice, text, logprobs, events);
                false
            }
            Some(Released::Finished { choice, reason })
                if (choice as usize) < self.choices.len() =>
            {
                self.begin(choice, events);
                if let Some(state) = self.choices.get_mut(choice as usize) {
                    state.ended = Some(reason);
                }
                false
            }
            Some(Released::Sealed(sealed)) => {
                let (outcome, usage) = (sealed.outcome, sealed.usage.map(Usage::from));
                match decided(*sealed, &self.envelope.form) {
                    Ok(decided) => self.end(&decided, outcome, usage, events),
                    Err(error) => broken(&error, events),
                }
                true
            }
            // No decision, or one about a choice that nobody asked for.
            Some(_) | None => {
                let outcome = Outcome::GuardUnavailable;
                let decided = undecided(&self.notice, outcome, &self.envelope.form);
                broken(&ApiError::broken(Plain::Cut, decided), events);
                true
            }
        }
    }

    /// The role comes before a choice's first word, once.
    fn begin(&mut self, index: u32, events: &mut String) {
        let Some(state) = self.choices.get_mut(index as usize) else { return };
        if !std::mem::replace(&mut state.begun, true) {
            event(self.envelope.chunk(index, ChunkOf::Role, None), events);
        }
    }

    fn text(&mut self, index: u32, text: String, tokens: Vec<TokenLogprob>, events: &mut String) {
        if text.is_empty() && tokens.is_empty() {
            return;
        }
        self.begin(index, events);
        let Some(state) = self.choices.get_mut(index as usize) else { return };
        let piece = ChunkOf::Piece(Piece { text, tokens }, &mut state.offsets);
        event(self.envelope.chunk(index, piece, None), events);
    }

    /// How every choice ended, the token counts if wanted, and the end mark.
    fn end(
        &mut self,
        decided: &Decided,
        outcome: Outcome,
        usage: Option<Usage>,
        events: &mut String,
    ) {
        let last = self.envelope.form.choices.saturating_sub(1);
        for index in 0..=last {
            self.begin(index, events);
            let ended = self.choices.get(index as usize).and_then(|state| state.ended);
            let reason = ended.unwrap_or(reason_of(outcome));
            let portcullis = (index == last).then(|| decided.extension.clone());
            event(self.envelope.chunk(index, ChunkOf::End(reason), portcullis), events);
        }
        // Counts that nobody knows are left out: zeros would read as a measurement.
        if let Some(usage) = usage.filter(|_| self.envelope.form.usage_wanted) {
            event(self.envelope.usage_chunk(usage), events);
        }
        event(Some(DONE.to_owned()), events);
    }
}

fn broken(error: &ApiError, events: &mut String) {
    event(serde_json::to_string(&error.body()).ok(), events);
}

/// Writes one event. JSON has no raw line feeds, so one line is enough.
fn event(data: Option<String>, events: &mut String) {
    if let Some(data) = data {
        events.push_str("data: ");
        events.push_str(&data);
        events.push_str("\n\n");
    }
}

#[cfg(test)]
mod tests;
