//! YAML in, an immutable engine out.
//!
//! A policy is written (`document`), compiled (`compile`, which reports
//! every mistake at once) into an [`Engine`], and put in force by the
//! [`Store`]. The engine judges whole texts; a [`Screen`] judges one that is
//! still being written. No HTTP, no model, no log: the pipeline acts on the
//! verdicts, `cli` checks and tests policies.

mod compile;
mod document;
mod engine;
mod evidence;
mod problem;
mod pseudonym;
mod redact;
mod restore;
mod screen;
mod spec;
mod stage_rules;
mod store;

pub mod cases;
pub mod watch;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::{Action, Digest, Place, Role};

pub use compile::Compiled;
pub use engine::Engine;
pub use pseudonym::Originals;
pub use redact::Redaction;
pub use restore::Restorer;
pub use screen::Screen;
pub use store::Store;

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
    /// True when the text is a mask or a restored value, not the model's words.
    pub masked: bool,
}

/// All problems of a policy file, rendered with file, line, snippet and help.
#[derive(Debug, thiserror::Error)]
#[error("{report}")]
pub struct PolicyError {
    pub count: usize,
    pub report: String,
}

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

/// Loads and compiles one policy.
///
/// # Errors
/// Every problem of the file, rendered for the person who wrote it.
pub fn load(source: &Source) -> Result<Engine, PolicyError> {
    check(source).map(|compiled| compiled.engine)
}

/// Like [`load`], with the warnings.
///
/// # Errors
/// As for [`load`].
pub fn check(source: &Source) -> Result<Compiled, PolicyError> {
    store::compile_source(source)
}

/// Compiles the text of a policy; `file` is its name in messages.
///
/// # Errors
/// As for [`load`].
pub fn compile_text(file: &str, text: &str) -> Result<Compiled, PolicyError> {
    compile::compile(file, text)
}
