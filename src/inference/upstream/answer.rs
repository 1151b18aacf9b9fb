//! Puts the pieces of a server's answer together, choice by choice, and turns
//! them into events. Knows no bytes and no time; `pump` feeds it.

use super::aligner::{Aligned, Aligner, OutOfStep};
use super::counts::Counts;
use super::failure::{cut_short, unsupported};
use super::reply::{Piece, Reply};
use crate::domain::{GenerationEvent, TokenLogprob};
use crate::inference::{InferenceError, InferenceErrorKind};

#[derive(Debug)]
pub(super) struct Answer {
    choices: Vec<Choice>,
    logprobs: bool,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Choice {
    aligner: Aligner,
    finished: bool,
}

impl Answer {
    pub(super) fn new(choices: u32, logprobs: bool) -> Self {
        let choices = (0..choices).map(|_| Choice::default()).collect();
        Self { choices, logprobs, counts: Counts::default() }
    }

    /// The events that one reply brings.
    pub(super) fn take(&mut self, reply: Reply) -> Result<Vec<GenerationEvent>, InferenceError> {
        let mut events = Vec::new();
        for piece in reply.pieces {
            self.piece(piece, &mut events)?;
        }
        if let Some(usage) = reply.usage {
            let finished = self.choices.iter().filter(|choice| choice.finished).count();
            self.counts.report(usage, finished);
        }
        Ok(events)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.choices.iter().all(|choice| choice.finished)
    }

    /// The stream is over; its last event, if the server counted tokens.
    pub(super) fn end(&self) -> Result<Option<GenerationEvent>, InferenceError> {
        if !self.is_finished() {
            return Err(cut_short());
        }
        Ok(self.counts.total(self.choices.len()).map(GenerationEvent::Usage))
    }

    fn piece(
        &mut self,
        piece: Piece,
        events: &mut Vec<GenerationEvent>,
    ) -> Result<(), InferenceError> {
        let Piece { choice: index, text, tokens, finished } = piece;
        let choice = usize::try_from(index).ok().and_then(|index| self.choices.get_mut(index));
        let Some(choice) = choice else {
            return Err(unsupported(
                "the model server answered with a choice that was not asked for",
            ));
        };
        if choice.finished {
            // Some servers repeat the end; none may go on after it.
            return if text.is_empty() { Ok(()) } else { Err(after_the_end()) };
        }
        events.extend(delta(index, choice.text(text, tokens, self.logprobs)?));
        if let Some(reason) = finished {
            choice.finished = true;
            events.extend(delta(index, choice.rest(self.logprobs)?));
            events.push(GenerationEvent::Finished { choice: index, reason });
        }
        Ok(())
    }
}

impl Choice {
    fn text(
        &mut self,
        text: String,
        tokens: Vec<TokenLogprob>,
        logprobs: bool,
    ) -> Result<Aligned, InferenceError> {
        if !logprobs {
            return Ok((text, Vec::new()));
        }
        self.aligner.push(&text, tokens).map_err(no_logprobs)
    }

    fn rest(&mut self, logprobs: bool) -> Result<Aligned, InferenceError> {
        if !logprobs {
            return Ok(Aligned::default());
        }
        self.aligner.finish().map_err(no_logprobs)
    }
}

fn delta(choice: u32, (text, tokens): Aligned) -> Option<GenerationEvent> {
    (!text.is_empty()).then_some(GenerationEvent::Delta { choice, text, tokens })
}

fn no_logprobs(_: OutOfStep) -> InferenceError {
    let kind = InferenceErrorKind::Unsupported { field: "logprobs" };
    InferenceError::new(kind, "the model server does not report usable log-probabilities")
}

fn after_the_end() -> InferenceError {
    unsupported("the model server went on after the end of a choice")
}
