//! The output stage: reads what the model writes, judges it as it comes, and
//! releases what no rule can stop any more.
//!
//! One loop for streamed and collected answers. It ends when every choice is
//! over, when the policy stops the last one, when the back end fails, or when
//! nobody reads; each way seals the exchange with its own outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::answer::{FailedWhy, Released};
use super::choice::{Choice, Outgoing};
use super::exchange::{Exchange, outcome_of};
use crate::audit::StoredText;
use crate::domain::{Action, FinishReason, GenerationEvent, Outcome, Place, TokenLogprob};
use crate::inference::{InferenceError, InferenceErrorKind, TokenStream};
use crate::policy::{Originals, ReplyStyle, Restorer};

/// Pieces of an answer that are judged as one when they are there at once.
const PIECES_MAX: usize = 64;

/// The choices of an answer, each with its screen.
pub(super) fn choices(
    exchange: &Exchange<'_>,
    count: u32,
    originals: Option<Arc<Originals>>,
) -> Vec<Choice> {
    let restorer = || originals.clone().map(Restorer::new);
    (0..count).map(|index| Choice::new(exchange.screen(index), restorer())).collect()
}

/// Releases an answer and seals its exchange.
pub(super) async fn release(
    exchange: Exchange<'_>,
    tokens: TokenStream,
    choices: Vec<Choice>,
    first_turn: Option<String>,
    events: mpsc::Sender<Released>,
) {
    let mut output = Output::new(exchange, choices, first_turn, events);
    let deadline = output.exchange.pipeline.config.exchange();
    let end = match tokio::time::timeout(deadline, output.pump(tokens)).await {
        Ok(end) => end,
        Err(_) => End::Expired,
    };
    output.seal(end).await;
}

/// How the answer ended.
enum End {
    /// Every choice is over.
    Done,
    Failed(InferenceError),
    /// The client went away.
    Abandoned,
    /// The client did not read, or the exchange took too long.
    Expired,
    Stopping,
}

struct Output<'p> {
    exchange: Exchange<'p>,
    choices: Vec<Choice>,
    first_turn: Option<String>,
    events: mpsc::Sender<Released>,
    /// The strictest action that stopped a choice.
    stopped: Option<Action>,
    /// The refusal, when the policy wants an error instead of a text.
    refusal_error: Option<Arc<str>>,
    judging: Duration,
    prompt_tokens: Option<u32>,
    /// Pieces that the back end sent: the tokens generated so far, or slightly fewer.
    pieces: u32,
}

impl<'p> Output<'p> {
    fn new(
        exchange: Exchange<'p>,
        choices: Vec<Choice>,
        first_turn: Option<String>,
        events: mpsc::Sender<Released>,
    ) -> Self {
        Self {
            exchange,
            choices,
            first_turn,
            events,
            stopped: None,
            refusal_error: None,
            judging: Duration::ZERO,
            prompt_tokens: None,
            pieces: 0,
        }
    }

    async fn pump(&mut self, mut tokens: TokenStream) -> End {
        let stop = self.exchange.pipeline.stop.clone();
        loop {
            let event = tokio::select! {
                biased;
                () = self.events.closed() => return End::Abandoned,
                () = stop.cancelled() => return End::Stopping,
                event = tokens.next() => event,
            };
            let handled = match event {
                Some(Ok(event)) => self.handle_all(event, &mut tokens).await,
                Some(Err(error)) => return End::Failed(error),
                None if self.all_finished() => return End::Done,
                None => return End::Failed(cut_short()),
            };
            if let Err(end) = handled {
                return end;
            }
            // Once the policy stopped every choice, or wants an error instead of the whole answer,
            // nothing more is worth computing.
            if self.refusal_error.is_some() || self.stopped.is_some() && self.all_finished() {
                return End::Done;
            }
        }
    }

    /// Handles `event` and what is ready behind it. Text that came in several pieces is judged as
    /// one: the cut changes nothing but the cost.
    async fn handle_all(
        &mut self,
        mut event: GenerationEvent,
        tokens: &mut TokenStream,
    ) -> Result<(), End> {
        for _ in 0..PIECES_MAX {
            let next = match tokens.next().now_or_never() {
                Some(Some(Ok(next))) => next,
                Some(Some(Err(error))) => {
                    self.handle(event).await?;
                    return Err(End::Failed(error));
                }
                Some(None) | None => break,
            };
            match append(&mut event, next) {
                None => self.pieces = self.pieces.saturating_add(1),
                Some(next) => self.handle(std::mem::replace(&mut event, next)).await?,
            }
        }
        self.handle(event).await
    }

    async fn handle(&mut self, event: GenerationEvent) -> Result<(), End> {
        match event {
            GenerationEvent::Started { prompt_tokens, turns_dropped, model_digest } => {
                self.prompt_tokens = prompt_tokens;
                self.exchange.generation_started(turns_dropped, model_digest);
                Ok(())
            }
            GenerationEvent::Delta { choice, text, tokens } => {
                self.delta(choice, &text, tokens).await
            }
            GenerationEvent::Finished { choice, reason } => self.finished(choice, reason).await,
            GenerationEvent::Usage(usage) => {
                self.exchange.used(usage);
                Ok(())
            }
        }
    }

    async fn delta(
        &mut self,
        index: u32,
        text: &str,
        tokens: Vec<TokenLogprob>,
    ) -> Result<(), End> {
        self.pieces = self.pieces.saturating_add(1);
        let outgoing = self.judge(index, |choice| choice.push(text, tokens))?;
        self.send(index, outgoing, None).await
    }

    async fn finished(&mut self, index: u32, reason: FinishReason) -> Result<(), End> {
        let outgoing = self.judge(index, Choice::finish)?;
        self.send(index, outgoing, Some(reason)).await
    }

    /// Runs one step of a choice's screen; a finished choice takes nothing more.
    fn judge(
        &mut self,
        index: u32,
        step: impl FnOnce(&mut Choice) -> Outgoing,
    ) -> Result<Outgoing, End> {
        let Some(choice) = self.choices.get_mut(index as usize) else {
            return Err(End::Failed(unknown_choice()));
        };
        if choice.finished {
            return Ok(Outgoing::default());
        }
        let begun = Instant::now();
        let outgoing = step(choice);
        self.judging += begun.elapsed();
        if let Some(held) = choice.held_back() {
            self.exchange.pipeline.metrics.held_back(held.chars, held.held_for);
        }
        Ok(outgoing)
    }

    async fn send(
        &mut self,
        index: u32,
        outgoing: Outgoing,
        reason: Option<FinishReason>,
    ) -> Result<(), End> {
        let Some(choice) = self.choices.get_mut(index as usize) else { return Ok(()) };
        if choice.finished {
            return Ok(());
        }
        let begun = choice.begun;
        let ending = match outgoing.stopped {
            Some(Action::Replace) => Some(FinishReason::Stop),
            Some(_) => Some(FinishReason::ContentFilter),
            None => reason,
        };
        choice.finished = ending.is_some();
        let mut text = outgoing.text;
        if let Some(action) = outgoing.stopped {
            self.stopped = self.stopped.max(Some(action));
            self.refuse(index, action, begun, &mut text);
        }
        if !text.is_empty() {
            if index == 0
                && let Some(notice) = self.first_turn.take()
            {
                text.insert_str(0, &notice);
            }
            self.exchange.first_text();
            self.emit(Released::Text { choice: index, text, logprobs: outgoing.logprobs }).await?;
        }
        match ending {
            Some(reason) => self.emit(Released::Finished { choice: index, reason }).await,
            None => Ok(()),
        }
    }

    /// The policy's words in place of the rest of a stopped answer.
    fn refuse(&mut self, index: u32, action: Action, begun: bool, text: &mut String) {
        let decisive = self.choices.get(index as usize).and_then(Choice::decisive);
        let reply = self.exchange.engine.reply(decisive);
        if action == Action::Block && reply.style == ReplyStyle::Error {
            self.refusal_error.get_or_insert(reply.text);
            return;
        }
        if begun {
            text.push_str("\n\n");
        }
        text.push_str(&reply.text);
    }

    /// Waits for the reader; the back end waits meanwhile.
    async fn emit(&self, event: Released) -> Result<(), End> {
        let wait = self.exchange.pipeline.config.reader_wait();
        tokio::select! {
            biased;
            sent = self.events.send_timeout(event, wait) => match sent {
                Ok(()) => Ok(()),
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(End::Expired),
                Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::Abandoned),
            },
            () = self.exchange.pipeline.stop.cancelled() => Err(End::Stopping),
        }
    }

    fn all_finished(&self) -> bool {
        self.choices.iter().all(|choice| choice.finished)
    }

    async fn seal(mut self, end: End) {
        for (index, choice) in (0u32..).zip(std::mem::take(&mut self.choices)) {
            let held_chars_max = choice.held_chars_max();
            self.exchange.restored(choice.restored());
            let (stored, verdict) = choice.into_verdict();
            let place = Place::Choice { index };
            let stored = stored.into_iter().map(|text| StoredText { place, text }).collect();
            self.exchange.output_judged(verdict, stored, held_chars_max);
        }
        self.exchange.output_took(self.judging);
        if let Some(prompt_tokens) = self.prompt_tokens {
            // A generation that was cut off never told what it used.
            self.exchange.used_at_least(prompt_tokens, self.pieces);
        }
        let (outcome, error) = match end {
            End::Done => (self.outcome(), None),
            End::Failed(error) => {
                self.exchange.tell_of(&error);
                (outcome_of(&error), Some(FailedWhy::Inference(error)))
            }
            End::Abandoned => return self.exchange.interrupt().await,
            End::Expired => (Outcome::Interrupted, Some(FailedWhy::Expired)),
            End::Stopping => (Outcome::Interrupted, Some(FailedWhy::Stopping)),
        };
        let wait = self.exchange.pipeline.config.reader_wait();
        if let Some(sealed) = self.exchange.complete(outcome, error, self.refusal_error).await {
            // A reader that is gone by now has its record all the same.
            let _ = self.events.send_timeout(Released::Sealed(Box::new(sealed)), wait).await;
        }
    }

    const fn outcome(&self) -> Outcome {
        match self.stopped {
            Some(Action::Replace) => Outcome::PolicyReplace,
            Some(_) => Outcome::PolicyBlock,
            None => Outcome::Completed,
        }
    }
}

/// Puts `next` at the end of `event` when both are plain text of one choice; else gives it back.
/// Text with log-probabilities stays as it came: they leave with the piece that they belong to.
fn append(event: &mut GenerationEvent, next: GenerationEvent) -> Option<GenerationEvent> {
    match (event, next) {
        (
            GenerationEvent::Delta { choice, text, tokens },
            GenerationEvent::Delta { choice: of, text: more, tokens: none },
        ) if *choice == of && tokens.is_empty() && none.is_empty() => {
            text.push_str(&more);
            None
        }
        (_, next) => Some(next),
    }
}

fn cut_short() -> InferenceError {
    InferenceError::new(
        InferenceErrorKind::Failed,
        "the model's answer ended before it was complete",
    )
}

fn unknown_choice() -> InferenceError {
    let kind = InferenceErrorKind::UnsupportedPayload;
    InferenceError::new(kind, "the model answered with a choice that was not asked for")
}
