//! What a record says. The envelope (sequence, time, hash of the record before)
//! is the ledger's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{DecisionId, Digest, Endpoint, Outcome, Place, Usage, Verdict};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The gateway started. Digests of what it loaded.
    Started {
        version: String,
        config: Digest,
        policies: Vec<LoadedPolicy>,
        models: Vec<LoadedModel>,
    },
    Stopped {
        version: String,
    },
    Decision(Box<DecisionRecord>),
    /// Another version of a policy is in force.
    PolicyChanged {
        policy: LoadedPolicy,
        before: Digest,
    },
    /// A changed policy file was not taken over; the old one stays in force.
    PolicyRejected {
        name: String,
        errors: u32,
    },
    /// A torn tail was cut off at start.
    Recovered {
        torn_bytes: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedPolicy {
    pub name: String,
    pub version: String,
    pub digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModel {
    pub name: String,
    pub digest: Option<Digest>,
}

/// One exchange, judged from end to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    pub decision: DecisionId,
    pub endpoint: Endpoint,
    pub streamed: bool,
    pub caller: Arc<str>,
    /// The back end that ran, or would have run.
    pub model: Arc<str>,
    pub model_digest: Option<Digest>,
    pub policy: LoadedPolicy,
    pub outcome: Outcome,
    /// The input verdict first, then one per choice that produced text.
    pub verdicts: Vec<Verdict>,
    /// Only what the policy says to keep.
    pub stored: Vec<StoredText>,
    /// Whole old turns left out to fit the context.
    pub turns_dropped: u32,
    /// Names of request fields that were stripped.
    pub stripped_fields: Vec<String>,
    pub usage: Option<Usage>,
    pub timings: Timings,
    pub held: Held,
}

/// Matched text, kept because the policy says so for its category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredText {
    pub place: Place,
    pub text: String,
}

/// Microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    pub input_us: u64,
    pub first_token_us: Option<u64>,
    /// Time spent judging output, all choices together.
    pub output_us: u64,
    pub total_us: u64,
}

/// How much the hold-back held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The most characters held at once in any choice.
    pub chars_max: u64,
}
