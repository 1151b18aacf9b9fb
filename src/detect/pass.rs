//! Where the reading of one text stands.
//!
//! Literals are found as soon as the text that has them is there; what they
//! mean is decided when the start of the match is. Between the two they wait
//! here. Called by [`super::Detector`].

use std::ops::Range;

use super::lexicon::Progress;

/// Announcements of one group that are as close together as this are one.
const CLOSE_BYTES: usize = 16;
/// Announcements among which a close one is looked for.
const RECENT_MAX: usize = 4;

/// Where a pass over one text stands. One per text; its buffers are reused.
/// All offsets but those of `around` count from the beginning of the text.
#[derive(Debug, Clone)]
pub struct Pass {
    pub(super) progress: Progress,
    /// Found by the scan under way, not yet turned into runs.
    pub(super) around: Vec<Around>,
    pub(super) phrases: Vec<Waiting>,
    /// By pattern and start.
    pub(super) runs: Vec<Run>,
    /// Per pattern, when one ran: matches start no earlier.
    pub(super) next: Vec<usize>,
    /// INVARIANT: nothing that waits can begin before.
    pub(super) due: usize,
}

/// A phrase that stands in the text and starts in the part not yet decided.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub rule: usize,
    pub whole_words: bool,
    pub span: Range<usize>,
}

/// Literals of one group, from the first to the last; offsets into the window.
#[derive(Debug, Clone)]
pub struct Around {
    pub group: usize,
    pub first: usize,
    pub last: usize,
}

/// A pattern that may match with a start in `from..=to`.
#[derive(Debug, Clone)]
pub struct Run {
    pub pattern: usize,
    pub from: usize,
    pub to: usize,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            progress: Progress::default(),
            around: Vec::new(),
            phrases: Vec::new(),
            runs: Vec::new(),
            next: Vec::new(),
            due: usize::MAX,
        }
    }
}

impl Around {
    pub fn note(all: &mut Vec<Self>, group: usize, at: usize) {
        let close = all.iter_mut().rev().take(RECENT_MAX).find(|around| {
            around.group == group
                && at + CLOSE_BYTES >= around.first
                && at <= around.last + CLOSE_BYTES
        });
        match close {
            Some(around) => {
                around.first = around.first.min(at);
                around.last = around.last.max(at);
            }
            None => all.push(Self { group, first: at, last: at }),
        }
    }
}

impl Pass {
    /// Sorts the runs and joins those that overlap.
    pub(super) fn join_runs(&mut self) {
        self.runs.sort_unstable_by_key(|run| (run.pattern, run.from, run.to));
        self.runs.dedup_by(|later, run| {
            let joined = later.pattern == run.pattern && later.from <= run.to;
            if joined {
                run.to = run.to.max(later.to);
            }
            joined
        });
    }
}
