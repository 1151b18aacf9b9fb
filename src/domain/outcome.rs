//! How an exchange ended. Each outcome is distinct on the wire, in metrics and
//! in the log, so that a failure of the guard never reads as a success.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer went out, possibly redacted or flagged.
    Completed,
    /// The policy refused the prompt or cut the answer.
    PolicyBlock,
    /// A prepared answer took the model's place.
    PolicyReplace,
    /// A stage that blocks could not judge.
    GuardUnavailable,
    GuardTimeout,
    /// The model or its server failed.
    UpstreamError,
    /// No slot was free.
    Overloaded,
    /// The request cannot be served by this model (too long, unsupported field).
    InvalidRequest,
    /// The other side sent something that nobody reviewed.
    UnsupportedPayload,
    /// The client went away, or the gateway was stopped.
    Interrupted,
}

impl Outcome {
    pub const ALL: &'static [Self] = &[
        Self::Completed,
        Self::PolicyBlock,
        Self::PolicyReplace,
        Self::GuardUnavailable,
        Self::GuardTimeout,
        Self::UpstreamError,
        Self::Overloaded,
        Self::InvalidRequest,
        Self::UnsupportedPayload,
        Self::Interrupted,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::PolicyBlock => "policy_block",
            Self::PolicyReplace => "policy_replace",
            Self::GuardUnavailable => "guard_unavailable",
            Self::GuardTimeout => "guard_timeout",
            Self::UpstreamError => "upstream_error",
            Self::Overloaded => "overloaded",
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedPayload => "unsupported_payload",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
