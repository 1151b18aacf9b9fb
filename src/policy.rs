//! YAML in, an immutable engine out. SKELETON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Action, Category, Digest, Place, Role, Stage, Verdict};

/// A compiled policy. Pure: no I/O, no clock. Share it by `Arc`.
#[derive(Debug)]
pub struct Engine {}

/// A text to judge.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub place: Place,
    pub role: Role,
    pub text: &'a str,
}

/// What is said in place of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub text: Arc<str>,
    pub style: ReplyStyle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// 200 with the text as the assistant's message.
    Message,
    /// 400 with code `content_filter`.
    Error,
}

/// What the policy says about telling people that this is an AI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The value of the response header `x-portcullis-notice`.
    pub header: Arc<str>,
    /// Put before the first answer of a conversation, when set.
    pub first_turn: Option<Arc<str>>,
}

impl Engine {
    pub fn name(&self) -> &str {
        todo!()
    }

    pub fn version(&self) -> &str {
        todo!()
    }

    /// SHA-256 over the canonical form of everything that was compiled.
    pub fn digest(&self) -> Digest {
        todo!()
    }

    /// Judges all texts of one stage together.
    pub fn judge(&self, _stage: Stage, _texts: &[Judged<'_>]) -> Verdict {
        todo!()
    }

    /// The text with the spans of `verdict` in `place` masked, where their categories say redact.
    pub fn redact<'t>(&self, _text: &'t str, _place: Place, _verdict: &Verdict) -> Cow<'t, str> {
        todo!()
    }

    /// Control markers of the chat form made harmless, to a fixed point.
    pub fn neutralise<'t>(&self, _text: &'t str) -> Cow<'t, str> {
        todo!()
    }

    /// The incremental judge of one choice.
    pub fn screen(self: &Arc<Self>, _choice: u32) -> Screen {
        todo!()
    }

    pub fn reply(&self, _category: Option<Category>) -> Reply {
        todo!()
    }

    /// Whether matched text of this category may stand in the log.
    pub fn stores_text(&self, _category: Category) -> bool {
        todo!()
    }

    pub fn disclosure(&self) -> &Disclosure {
        todo!()
    }

    /// Text that the policy puts before the caller's system text.
    pub fn system_text(&self) -> Option<&str> {
        todo!()
    }

    /// Action and threshold per category and stage, for reports and the system card.
    pub fn decision_for(&self, _category: Category, _stage: Stage) -> (Action, f32) {
        todo!()
    }
}

/// Judges one answer while it is written and holds back what is undecided.
///
/// INVARIANT: what `push` and `finish` release, concatenated, does not depend on how the answer was cut.
#[derive(Debug)]
pub struct Screen {}

/// What may go out now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    pub released: Vec<Segment>,
    /// Set once: the answer ends here, with this action (`Block` or `Replace`).
    pub stopped: Option<Action>,
}

/// A piece of released text and the bytes of the original answer that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub source: Range<usize>,
    /// True when the text is a mask, not the model's words.
    pub masked: bool,
}

impl Screen {
    pub fn push(&mut self, _piece: &str) -> Step {
        todo!()
    }

    pub fn finish(&mut self) -> Step {
        todo!()
    }

    /// Characters that wait for a verdict.
    pub fn held_chars(&self) -> usize {
        todo!()
    }

    /// True when `alternative` right after the original byte offset `at` would complete a finding that stops or masks.
    pub fn would_find(&self, _at: usize, _alternative: &str) -> bool {
        todo!()
    }

    /// The category that stopped the answer, if one did.
    pub fn decisive(&self) -> Option<Category> {
        todo!()
    }

    /// The matched original text, for categories whose text the policy stores.
    pub fn stored(&self) -> Vec<String> {
        todo!()
    }

    pub fn verdict(self) -> Verdict {
        todo!()
    }
}

/// All problems of a policy file, rendered with file, line, snippet and help.
#[derive(Debug, thiserror::Error)]
#[error("{report}")]
pub struct PolicyError {
    pub count: usize,
    pub report: String,
}

/// The policies in force, by name; swapped atomically on reload.
#[derive(Debug)]
pub struct Store {}

/// What a reload did to one policy.
#[derive(Debug)]
pub enum Reload {
    Unchanged,
    Changed { before: Digest, engine: Arc<Engine> },
    Rejected(PolicyError),
}

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The policy that is part of the program.
    Shipped,
    File(PathBuf),
}

impl Store {
    /// The name of the policy that judges callers without one of their own.
    pub const DEFAULT: &'static str = "default";

    /// Loads all; `sources` must contain [`Store::DEFAULT`].
    pub fn load(_sources: BTreeMap<String, Source>) -> Result<Self, PolicyError> {
        todo!()
    }

    /// The engine for a caller's policy name; `None` when no such policy is configured.
    pub fn engine(&self, _name: Option<&str>) -> Option<Arc<Engine>> {
        todo!()
    }

    pub fn all(&self) -> Vec<(String, Arc<Engine>)> {
        todo!()
    }

    /// Reads every file again; keeps the old policy where the new one is broken.
    pub fn reload(&self) -> Vec<(String, Reload)> {
        todo!()
    }

    /// The files to watch.
    pub fn files(&self) -> Vec<PathBuf> {
        todo!()
    }
}

/// Loads and compiles one policy.
pub fn load(_source: &Source) -> Result<Engine, PolicyError> {
    let _: Option<&Path> = None;
    todo!()
}
