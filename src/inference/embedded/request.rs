//! One request on the model's thread: prefill, then all its choices in turn.
//!
//! The prompt is computed once, in chunks, and the sequence is copied for each
//! further choice. Everything it says goes into a bounded channel; it is not
//! stepped while there is no room, and ends when nobody listens.

use std::mem;

use tokio::sync::mpsc;

use super::choice::{Choice, Start, Stepped};
use super::queue::{Admitted, Lease, Run};
use crate::domain::{GenerationEvent, Sampling, Usage};
use crate::inference::{InferenceError, InferenceErrorKind};
use crate::model::{Model, ModelError, RenderedPrompt, Sampler, Sequence};

/// Tokens of a prompt computed between two rounds of the other requests.
pub(super) const PREFILL_TOKENS_MAX: usize = 128;
/// The most events that one step can bring: a delta, its end, and the usage.
pub(super) const STEP_EVENTS_MAX: usize = 3;

pub(super) type Events = mpsc::Sender<Result<GenerationEvent, InferenceError>>;

/// A rendered request.
#[derive(Debug)]
pub(super) struct Job {
    pub prompt: RenderedPrompt,
    pub sampling: Sampling,
    pub choices: u32,
    /// Per choice; prompt and answer together fit the context.
    pub tokens_max: u32,
    pub stop: Vec<String>,
    pub logprobs: Option<u8>,
    pub events: Events,
}

impl Job {
    pub(super) const fn choices(&self) -> usize {
        self.choices as usize
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Ends it before it began.
    pub(super) fn refuse(self) {
        let _ = self.events.try_send(Err(stopping()));
    }
}

/// A request that has slots.
#[derive(Debug)]
pub(super) struct Request {
    job: Job,
    phase: Phase,
    usage: Usage,
    run: Option<Run>,
}

#[derive(Debug)]
enum Phase {
    /// The sequence is made with the first chunk.
    Prefill {
        sequence: Option<Sequence>,
        done: usize,
        leases: Vec<Lease>,
    },
    Decode {
        choices: Vec<Choice>,
    },
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Moved,
    /// Could not go on: its reader is slow, or another prompt is being computed.
    Waited,
    Over,
}

impl Request {
    pub(super) fn new(admitted: Admitted) -> Self {
        let Admitted { job, leases, run } = admitted;
        let prompt_tokens = u32::try_from(job.prompt.ids.len()).unwrap_or(u32::MAX);
        Self {
            job,
            phase: Phase::Prefill { sequence: None, done: 0, leases },
            usage: Usage { prompt_tokens, completion_tokens: 0 },
            run: Some(run),
        }
    }

    pub(super) const fn is_prefilling(&self) -> bool {
        matches!(self.phase, Phase::Prefill { .. })
    }

    pub(super) const fn events(&self) -> &Events {
        &self.job.events
    }

    /// One token for each choice, or one chunk of the prompt if `may_prefill`.
    pub(super) fn turn(&mut self, model: &Model, may_prefill: bool) -> Result<Turn, ModelError> {
        if self.job.is_abandoned() {
            return Ok(Turn::Over);
        }
        match self.phase {
            Phase::Prefill { .. } if !may_prefill => Ok(Turn::Waited),
            Phase::Prefill { .. } => self.prefill(model),
            Phase::Decode { .. } => self.decode(model),
        }
    }

    fn prefill(&mut self, model: &Model) -> Result<Turn, ModelError> {
        let Phase::Prefill { sequence, done, .. } = &mut self.phase else {
            return Ok(Turn::Waited);
        };
        let sequence = match sequence {
            Some(sequence) => sequence,
            None => sequence.insert(empty_sequence(model, &self.job)?),
        };
        let rest = self.job.prompt.ids.get(*done..).unwrap_or_default();
        let (chunk, after) = rest.split_at(rest.len().min(PREFILL_TOKENS_MAX));
        let logits = model.forward(sequence, chunk)?;
        *done += chunk.len();
        if !after.is_empty() {
            return Ok(Turn::Moved);
        }
        let decode = Phase::Decode { choices: Vec::new() };
        if let Phase::Prefill { sequence: Some(sequence), leases, .. } =
            mem::replace(&mut self.phase, decode)
        {
            let choices = start_choices(model, &self.job, sequence, &logits, leases)?;
            self.phase = Phase::Decode { choices };
        }
        self.send(GenerationEvent::Started {
            prompt_tokens: u32::try_from(self.job.prompt.ids.len()).ok(),
            turns_dropped: self.job.prompt.turns_dropped,
            model_digest: Some(model.card().digest),
        });
        Ok(Turn::Moved)
    }

    fn decode(&mut self, model: &Model) -> Result<Turn, ModelError> {
        let Phase::Decode { choices } = &mut self.phase else { return Ok(Turn::Waited) };
        let mut turn = Turn::Waited;
        for mut choice in mem::take(choices) {
            if self.job.events.capacity() < STEP_EVENTS_MAX {
                self.keep(choice);
                continue;
            }
            turn = Turn::Moved;
            let Stepped { delta, finished } = choice.step(model)?;
            if let Some(delta) = delta {
                self.send(delta);
            }
            match finished {
                None => self.keep(choice),
                Some(reason) => {
                    self.usage.completion_tokens += choice.tokens();
                    let choice_index = choice.index();
                    drop(choice);
                    self.send(GenerationEvent::Finished { choice: choice_index, reason });
                }
            }
        }
        if matches!(&self.phase, Phase::Decode { choices } if choices.is_empty()) {
            self.release();
            self.send(GenerationEvent::Usage(self.usage));
            return Ok(Turn::Over);
        }
        Ok(turn)
    }

    /// Frees the slots. Done before the reader is told of the end, so that its next request
    /// finds them free.
    fn release(&mut self) {
        self.phase = Phase::Decode { choices: Vec::new() };
        self.run = None;
    }

    /// Ends it; the details are for the log.
    pub(super) fn fail(&mut self, error: InferenceError) {
        self.release();
        let _ = self.job.events.try_send(Err(error));
    }

    fn keep(&mut self, choice: Choice) {
        if let Phase::Decode { choices } = &mut self.phase {
            choices.push(choice);
        }
    }

    /// There is room: a turn begins only with `STEP_EVENTS_MAX` places free. A reader that
    /// went away is noticed at the next turn.
    fn send(&self, event: GenerationEvent) {
        let _ = self.job.events.try_send(Ok(event));
    }
}

fn empty_sequence(model: &Model, job: &Job) -> Result<Sequence, ModelError> {
    let capacity = job.prompt.ids.len().saturating_add(job.tokens_max as usize);
    model.sequence(capacity.min(model.card().context_tokens))
}

/// The last choice takes the prompt's sequence, the others copies of it.
fn start_choices(
    model: &Model,
    job: &Job,
    prompt: Sequence,
    logits: &[f32],
    leases: Vec<Lease>,
) -> Result<Vec<Choice>, ModelError> {
    let copies: Result<Vec<_>, _> = leases.iter().skip(1).map(|_| prompt.fork()).collect();
    let sequences = copies?.into_iter().chain([prompt]);
    let start = |((index, slot), sequence)| {
        Choice::new(Start {
            index,
            sequence,
            logits: logits.to_vec(),
            sampler: Sampler::new(&job.sampling, index, job.logprobs),
            decoder: model.decoder_after(&job.prompt),
            stop: job.stop.clone(),
            tokens_max: job.tokens_max,
            slot,
        })
    };
    Ok((0..).zip(leases).zip(sequences).map(start).collect())
}

/// Told to requests that shutdown cuts off.
pub(super) fn stopping() -> InferenceError {
    InferenceError::new(InferenceErrorKind::Unavailable, "the model is shutting down")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) type Received = mpsc::Receiver<Result<GenerationEvent, InferenceError>>;

    pub(crate) fn job(choices: u32) -> (Job, Received) {
        let (events, received) = mpsc::channel(8);
        let job = Job {
            prompt: RenderedPrompt { ids: vec![1], turns_dropped: 0, continues: false },
            sampling: Sampling::default(),
            choices,
            tokens_max: 1,
            stop: Vec::new(),
            logprobs: None,
            events,
        };
        (job, received)
    }
}
