//! Why the log could not be written or read.
//!
//! Messages carry paths, places and the operating system's words, never an entry.

use std::error::Error;
use std::fmt::{Display, Write};
use std::io;

use crate::audit::segment::Segment;

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AuditError {
    pub(crate) message: String,
    #[source]
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl AuditError {
    pub(super) const fn new(message: String) -> Self {
        Self { message, source: None }
    }

    pub(super) fn io(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { message: context.into(), source: Some(error.into()) }
    }

    pub(super) fn unwritable(why: &str) -> Self {
        Self::new(format!("the audit log cannot be written: {why}"))
    }

    pub(super) fn broken(segment: &Segment, line: u64, why: &(impl Display + ?Sized)) -> Self {
        Self::new(format!(
            "the audit log is damaged: `{}`, line {line}: {why}. See `portcullis audit verify`; to begin a new log, \
             move this one away",
            segment.name()
        ))
    }

    pub(super) fn broken_end(segment: &Segment, why: &(impl Display + ?Sized)) -> Self {
        Self::new(format!(
            "the audit log is damaged: the end of `{}`: {why}. See `portcullis audit verify`; to begin a new log, \
             move this one away",
            segment.name()
        ))
    }

    /// The message with its causes, on one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}
