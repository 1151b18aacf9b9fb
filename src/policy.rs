//! YAML in, an immutable engine out.
//!
//! A policy is written (`document`), read with all that it names (`chain`),
//! compiled (`compile`, which reports every mistake at once) into an
//! [`Engine`], and put in force by the [`Store`]. The engine judges whole texts; a [`Screen`] judges one that is
//! still being written. No HTTP, no model, no log: the pipeline acts on the
//! verdicts, `cli` checks and tests policies.

mod cache;
mod chain;
mod compile;
mod conversation;
mod document;
mod engine;
mod evidence;
mod exceptions;
mod expression;
mod judging;
mod kinds;
mod leak;
mod mistake;
mod occasion;
mod overlap;
mod problem;
mod pseudonym;
mod reading;
mod redact;
mod restore;
mod screen;
mod sources;
mod spec;
mod stage_rules;
mod store;
mod watched;
mod whole;

pub mod cases;
pub mod corpus;
pub mod coverage;
pub mod diff;
pub mod explain;
pub mod outline;
pub mod replay;
pub mod schema;
pub mod watch;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use time::Date;

use crate::domain::{Action, Digest, Place, Role};

pub use cache::{Cache, CacheCounts};
pub use compile::Compiled;
pub use engine::Engine;
pub use leak::{Canary, Leak};
pub use mistake::Mistake;
pub use occasion::{Occasion, SampleKey};
pub use pseudonym::Originals;
pub use redact::Redaction;
pub use restore::Restorer;
pub use screen::Screen;
pub use spec::Exception;
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
    /// The same, one by one, for tools.
    pub mistakes: Vec<Mistake>,
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
    check_on(source, store::today())
}

/// Compiles the text of a policy as of today; `file` is its name in messages.
/// It can be written over `shipped`, and name no files.
///
/// # Errors
/// As for [`load`].
pub fn compile_text(file: &str, text: &str) -> Result<Compiled, PolicyError> {
    compile_text_on(file, text, store::today())
}

/// Like [`compile_text`], as of the day `today` (UTC).
///
/// # Errors
/// As for [`load`].
pub fn compile_text_on(file: &str, text: &str, today: Date) -> Result<Compiled, PolicyError> {
    let start = chain::Start::Text { name: file, text };
    let chain = chain::read(start, &chain::NoFiles, &mut Vec::new())?;
    compile::compile(chain, today)
}

/// Like [`check`], as of the day `today` (UTC).
///
/// # Errors
/// As for [`load`].
pub fn check_on(source: &Source, today: Date) -> Result<Compiled, PolicyError> {
    store::compile_source(source, today, &mut Vec::new())
}
