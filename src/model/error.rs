//! What can go wrong with a model, said so that an operator can act on it.
//!
//! Knows nothing of HTTP or of who asked; `inference` maps the kinds to its
//! own, the command line prints the whole chain. Prompt text never appears in
//! a message; file names, tensor names and metadata keys do.

/// Loading did not work, or a computation failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    kind: Kind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file is missing, damaged, or of a kind that is not supported.
    Checkpoint,
    /// The prompt does not fit the context.
    PromptTooLong { tokens: usize, tokens_max: usize },
    /// A forward pass or a draw went wrong.
    Computation,
}

impl ModelError {
    pub(super) fn checkpoint(message: impl Into<String>) -> Self {
        Self { kind: Kind::Checkpoint, message: message.into(), source: None }
    }

    pub(super) fn computation(message: impl Into<String>) -> Self {
        Self { kind: Kind::Computation, message: message.into(), source: None }
    }

    pub(super) fn prompt_too_long(tokens: usize, tokens_max: usize) -> Self {
        Self {
            kind: Kind::PromptTooLong { tokens, tokens_max },
            message: format!(
                "the prompt has {tokens} tokens, and {tokens_max} fit beside the answer"
            ),
            source: None,
        }
    }

    #[must_use]
    pub(super) fn because(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The prompt's length and the greatest that fits, in tokens, when that is what is wrong.
    pub const fn too_long(&self) -> Option<(usize, usize)> {
        match self.kind {
            Kind::PromptTooLong { tokens, tokens_max } => Some((tokens, tokens_max)),
            Kind::Checkpoint | Kind::Computation => None,
        }
    }

    /// Whether a file, rather than a computation or a prompt, is at fault.
    pub const fn is_checkpoint(&self) -> bool {
        matches!(self.kind, Kind::Checkpoint)
    }
}

impl From<candle_core::Error> for ModelError {
    fn from(source: candle_core::Error) -> Self {
        Self::computation("a tensor operation failed").because(source)
    }
}
