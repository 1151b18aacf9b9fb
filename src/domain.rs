//! The vocabulary that every other module shares.
//!
//! No I/O, no async, no wire formats: what a message, a category, a finding, a
//! verdict and an outcome are, and the proof types that tie them together. A
//! type belongs here when two layers above need the same word for it.

pub mod category;
pub mod endpoint;
pub mod entity;
pub mod finding;
pub mod generation;
pub mod identity;
pub mod message;
pub mod outcome;
pub mod permit;
pub mod verdict;

pub use category::{Category, Severity, UnknownCategory};
pub use endpoint::Endpoint;
pub use entity::{Entity, UnknownEntity};
pub use finding::{Field, Finding, Place, RuleId, Unjudged, UnjudgedReason, View};
pub use generation::{
    Alternative, FinishReason, GenerationEvent, GenerationRequest, Sampling, TokenLogprob, Usage,
};
pub use identity::{Caller, CallerRole, DecisionId, Digest, Limits};
pub use message::{Message, Prompt, Role};
pub use outcome::Outcome;
pub use permit::Permitted;
pub use verdict::{Action, CategoryScore, Stage, Verdict};
