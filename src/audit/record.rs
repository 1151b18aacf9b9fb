//! What a record says, and how it becomes bytes. The envelope (sequence, time,
//! hash of the record before) is the chain's. Scores are kept to 4 decimals.
//!
//! Knows no file. Made by `pipeline`, `policy`'s watcher and `app`; encoded by
//! [`Ledger::append`](crate::audit::Ledger::append).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::segment::RECORD_BYTES_MAX;
use crate::audit::{AuditError, canonical, shorten};
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
        /// The exceptions in force in them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exceptions: Vec<LoadedException>,
    },
    Stopped {
        version: String,
    },
    Decision(Box<DecisionRecord>),
    /// Another version of a policy is in force.
    PolicyChanged {
        policy: LoadedPolicy,
        before: Digest,
        /// The exceptions in force in it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exceptions: Vec<LoadedException>,
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

/// An exception of a policy: findings under it are recorded and do not act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedException {
    /// The policy's name.
    pub policy: String,
    /// As findings name it.
    pub id: String,
    /// Who answers for it.
    pub author: String,
    /// The last day on which it holds, UTC.
    pub expires: String,
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
    /// The input verdict first, then one per choice; of moderations one per input.
    pub verdicts: Vec<Verdict>,
    /// Only what the policy says to keep.
    pub stored: Vec<StoredText>,
    /// Whole old turns left out to fit the context.
    pub turns_dropped: u32,
    /// Names of request fields that were stripped.
    pub stripped_fields: Vec<String>,
    /// Pseudonyms in the answer that became the caller's own values again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restored: u32,
    pub usage: Option<Usage>,
    pub timings: Timings,
    pub held: Held,
    /// What the record would have been too large with. The ledger fills it in.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
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

/// How many items of a record's lists gave way to its size, all verdicts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub findings: usize,
    pub categories: usize,
    pub unjudged: usize,
    pub stored: usize,
    pub stripped_fields: usize,
}

const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl LeftOut {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// More than the fields around an entry ever take, newline included.
pub(super) const ENVELOPE_BYTES_MAX: usize = 512;
const ENTRY_BYTES_MAX: usize = RECORD_BYTES_MAX - ENVELOPE_BYTES_MAX;

/// The canonical bytes of `entry`. A decision gives way in its details, as
/// `shorten` has it, when it would be too large.
///
/// # Errors
/// When it is too large nevertheless.
pub(super) fn encode(mut entry: Entry) -> Result<Vec<u8>, AuditError> {
    // Before anything is encoded: findings may be many times what a record holds.
    if let Entry::Decision(decision) = &mut entry {
        shorten::evidence(decision);
    }
    let bytes = to_bytes(&entry)?;
    if bytes.len() <= ENTRY_BYTES_MAX {
        return Ok(bytes);
    }
    if let Entry::Decision(decision) = &mut entry {
        shorten::texts(decision);
    }
    let bytes = to_bytes(&entry)?;
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(AuditError::new(format!(
            "the audit record has {} bytes, more than {ENTRY_BYTES_MAX}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

fn to_bytes(entry: &Entry) -> Result<Vec<u8>, AuditError> {
    canonical::to_vec(entry).map_err(|error| AuditError {
        message: "cannot encode the audit record".into(),
        source: Some(error.into()),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{Action, Category, CategoryScore, Finding, RuleId, Stage, View};

    pub(crate) fn decision(stored_chars: usize) -> DecisionRecord {
        let place = Place::Choice { index: 0 };
        let finding = Finding {
            category: Category::Harassment,
            rule: RuleId("harassment.threat".into()),
            level: 1,
            score: 0.9,
            place,
            span: 3..9,
            view: View::Canonical,
            entity: None,
            sampled_out: false,
            exception: None,
        };
        DecisionRecord {
            decision: DecisionId::new(),
            endpoint: Endpoint::ChatCompletions,
            streamed: true,
            caller: "local".into(),
            model: "demo".into(),
            model_digest: None,
            policy: LoadedPolicy { name: "p".into(), version: "1".into(), digest: Digest([1; 32]) },
            outcome: Outcome::PolicyBlock,
            verdicts: vec![Verdict {
                stage: Stage::Output,
                action: Action::Block,
                categories: vec![CategoryScore {
                    category: Category::Harassment,
                    score: 1.0,
                    action: Action::Block,
                }],
                findings: vec![finding],
                unjudged: Vec::new(),
            }],
            stored: vec![StoredText { place, text: "é".repeat(stored_chars) }],
            turns_dropped: 0,
            stripped_fields: Vec::new(),
            restored: 0,
            usage: Some(Usage::default()),
            timings: Timings::default(),
            held: Held::default(),
            left_out: LeftOut::default(),
        }
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let entry = Entry::Decision(Box::new(decision(3)));
        let bytes = encode(entry.clone()).unwrap();
        assert_eq!(serde_json::from_slice::<Entry>(&bytes).unwrap(), entry);
    }

    #[test]
    fn what_is_still_too_large_is_refused() {
        let large = Entry::PolicyRejected { name: "p".repeat(RECORD_BYTES_MAX), errors: 1 };
        assert!(encode(large).unwrap_err().to_string().contains("more than"));
    }
}
