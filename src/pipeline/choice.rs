//! One choice on its way out: its text through the policy's screen, and the
//! log-probabilities that may leave with it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::domain::{Action, Category, TokenLogprob, Verdict};
use crate::policy::{Restorer, Screen, Segment, Step};

/// Text that may go out, with the tokens that it fully covers.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub text: String,
    pub logprobs: Vec<TokenLogprob>,
    pub stopped: Option<Action>,
}

/// The tokens of one piece, and the bytes of the answer that they make up.
#[derive(Debug)]
struct Tokens {
    span: Range<usize>,
    tokens: Vec<TokenLogprob>,
}

#[derive(Debug)]
pub(super) struct Choice {
    screen: Screen,
    /// Puts back what the caller's pseudonyms stand for.
    restorer: Option<Restorer>,
    /// Bytes of the model's answer so far.
    seen: usize,
    /// Released something already.
    pub begun: bool,
    pub finished: bool,
    /// Tokens that completed no character yet; they go with the next text.
    unplaced: Vec<TokenLogprob>,
    waiting: VecDeque<Tokens>,
    held_since: Option<Instant>,
    held_chars_max: u64,
}

/// What the hold-back cost, reported when it let go.
pub(super) struct HeldBack {
    pub chars: u64,
    pub held_for: Duration,
}

impl Choice {
    pub(super) const fn new(screen: Screen, restorer: Option<Restorer>) -> Self {
        Self {
            screen,
            restorer,
            seen: 0,
            begun: false,
            finished: false,
            unplaced: Vec::new(),
            waiting: VecDeque::new(),
            held_since: None,
            held_chars_max: 0,
        }
    }

    /// Takes a piece of the answer and returns what may go out.
    pub(super) fn push(&mut self, text: &str, tokens: Vec<TokenLogprob>) -> Outgoing {
        self.unplaced.extend(tokens);
        if text.is_empty() {
            return Outgoing::default();
        }
        let span = self.seen..self.seen + text.len();
        self.seen = span.end;
        if !self.unplaced.is_empty() {
            let tokens = self.without_forbidden_alternatives(span.start);
            self.waiting.push_back(Tokens { span, tokens });
        }
        let step = self.screen.push(text);
        self.outgoing(step, false)
    }

    /// The model's answer is over: everything can be decided.
    pub(super) fn finish(&mut self) -> Outgoing {
        let step = self.screen.finish();
        self.outgoing(step, true)
    }

    /// Reports a hold that has just ended.
    pub(super) fn held_back(&mut self) -> Option<HeldBack> {
        let names = self.restorer.as_ref().map_or(0, Restorer::held_chars);
        let held = (self.screen.held_chars() + names) as u64;
        self.held_chars_max = self.held_chars_max.max(held);
        if held > 0 {
            self.held_since.get_or_insert_with(Instant::now);
            return None;
        }
        let since = self.held_since.take()?;
        Some(HeldBack { chars: self.held_chars_max, held_for: since.elapsed() })
    }

    pub(super) const fn held_chars_max(&self) -> u64 {
        self.held_chars_max
    }

    /// Values that were put back.
    pub(super) fn restored(&self) -> u32 {
        self.restorer.as_ref().map_or(0, Restorer::restored)
    }

    /// The category that stopped this choice, if one did.
    pub(super) fn decisive(&self) -> Option<Category> {
        self.screen.decisive()
    }

    /// Texts that the policy wants kept, and the verdict.
    pub(super) fn into_verdict(self) -> (Vec<String>, Verdict) {
        (self.screen.stored(), self.screen.verdict())
    }

    fn outgoing(&mut self, step: Step, last: bool) -> Outgoing {
        let step = match &mut self.restorer {
            Some(restorer) => restorer.restore(step, last),
            None => step,
        };
        let mut out = Outgoing { stopped: step.stopped, ..Outgoing::default() };
        for segment in step.released {
            self.release_tokens(&segment, &mut out.logprobs);
            out.text.push_str(&segment.text);
        }
        self.begun |= !out.text.is_empty();
        out
    }

    /// The tokens of a piece that begins at `start`, before the screen takes it in: an alternative
    /// that would complete a finding where it stands is not told.
    fn without_forbidden_alternatives(&mut self, start: usize) -> Vec<TokenLogprob> {
        let mut tokens = std::mem::take(&mut self.unplaced);
        let mut before = String::new();
        for token in &mut tokens {
            token
                .top
                .retain(|other| !self.screen.would_find(start, &format!("{before}{}", other.text)));
            before.push_str(&token.token.text);
        }
        tokens
    }

    /// Lets tokens go with the text that they make up. A token that touches a
    /// mask, or that is not released as a whole yet, stays behind.
    fn release_tokens(&mut self, segment: &Segment, out: &mut Vec<TokenLogprob>) {
        if segment.masked {
            self.waiting.retain(|tokens| {
                tokens.span.end <= segment.source.start || tokens.span.start >= segment.source.end
            });
            return;
        }
        while let Some(front) = self.waiting.front() {
            if front.span.end > segment.source.end {
                return;
            }
            let Some(mut front) = self.waiting.pop_front() else { return };
            out.append(&mut front.tokens);
        }
    }
}
