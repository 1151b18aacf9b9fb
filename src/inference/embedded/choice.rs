//! One answer being generated: its sequence, its dice and its text.
//!
//! A step draws one token from the logits at hand, reports what became certain,
//! and runs the model once. Knows nothing of other choices; `request` steps it.

use super::queue::Lease;
use super::stop::{Settled, StopScan};
use crate::domain::{FinishReason, GenerationEvent};
use crate::model::{Model, ModelError, Sampler, Sequence, TextDecoder};

#[derive(Debug)]
pub(super) struct Choice {
    index: u32,
    sequence: Sequence,
    /// Of the place after the sequence's last token.
    logits: Vec<f32>,
    sampler: Sampler,
    decoder: TextDecoder,
    stops: StopScan,
    tokens: u32,
    tokens_max: u32,
    _slot: Lease,
}

/// How a choice starts.
pub(super) struct Start {
    pub index: u32,
    pub sequence: Sequence,
    pub logits: Vec<f32>,
    pub sampler: Sampler,
    pub decoder: TextDecoder,
    pub stop: Vec<String>,
    pub tokens_max: u32,
    pub slot: Lease,
}

/// What a step brought: at most one delta, and the end.
#[derive(Debug, Default)]
pub(super) struct Stepped {
    pub delta: Option<GenerationEvent>,
    pub finished: Option<FinishReason>,
}

impl Choice {
    pub(super) fn new(start: Start) -> Self {
        Self {
            index: start.index,
            sequence: start.sequence,
            logits: start.logits,
            sampler: start.sampler,
            decoder: start.decoder,
            stops: StopScan::new(start.stop),
            tokens: 0,
            tokens_max: start.tokens_max,
            _slot: start.slot,
        }
    }

    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// Tokens generated so far, the end of sequence not counted.
    pub(super) const fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Draws one token.
    pub(super) fn step(&mut self, model: &Model) -> Result<Stepped, ModelError> {
        if self.tokens >= self.tokens_max {
            return Ok(self.finish(FinishReason::Length));
        }
        let drawn = self.sampler.draw(model, std::mem::take(&mut self.logits))?;
        if model.is_end_of_sequence(drawn.id) {
            return Ok(self.finish(FinishReason::Stop));
        }
        self.tokens += 1;
        // Before the token itself is decoded: the first token's space is no text in any alternative.
        let logprob = drawn.logprob.map(|logprob| self.decoder.as_text(logprob));
        let piece = self.decoder.push(drawn.id);
        let settled = self.stops.push(&piece, logprob);
        if settled.stopped {
            return Ok(self.stepped(settled, Some(FinishReason::Stop)));
        }
        if self.tokens >= self.tokens_max {
            let last = self.finish_after(settled);
            return Ok(self.stepped_finished(last, FinishReason::Length));
        }
        self.logits = model.forward(&mut self.sequence, &[drawn.id])?;
        Ok(self.stepped(settled, None))
    }

    fn finish(&mut self, reason: FinishReason) -> Stepped {
        let last = self.finish_after(Settled::default());
        self.stepped_finished(last, reason)
    }

    /// What is still held joins what `before` let go.
    fn finish_after(&mut self, mut before: Settled) -> Settled {
        let last = self.stops.finish(&self.decoder.finish());
        before.text.push_str(&last.text);
        before.tokens.extend(last.tokens);
        before.stopped = last.stopped;
        before
    }

    /// A stop text can be complete only in the decoder's last characters.
    fn stepped_finished(&self, last: Settled, reason: FinishReason) -> Stepped {
        let reason = if last.stopped { FinishReason::Stop } else { reason };
        self.stepped(last, Some(reason))
    }

    fn stepped(&self, settled: Settled, finished: Option<FinishReason>) -> Stepped {
        let Settled { text, tokens, .. } = settled;
        let choice = self.index;
        let delta = (!text.is_empty()).then_some(GenerationEvent::Delta { choice, text, tokens });
        Stepped { delta, finished }
    }
}
