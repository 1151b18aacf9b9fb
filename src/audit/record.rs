//! What a record says, and how it becomes bytes. The envelope (sequence, time,
//! hash of the record before) is the chain's. Scores are kept to 4 decimals.
//!
//! Knows no file. Made by `pipeline`, `policy`'s watcher and `app`; encoded by
//! [`Ledger::append`](crate::audit::Ledger::append).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::segment::RECORD_BYTES_MAX;
use crate::audit::{AuditError, canonical};
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

/// More than the fields around an entry ever take, newline included.
pub(super) const ENVELOPE_BYTES_MAX: usize = 512;
const ENTRY_BYTES_MAX: usize = RECORD_BYTES_MAX - ENVELOPE_BYTES_MAX;
/// What remains of a stored text when the record would be too large with all of it.
const STORED_CHARS_KEPT: usize = 256;
const CUT_MARK: &str = " [cut: the record would be too large]";

/// The canonical bytes of `entry`. Stored texts are cut when it would be too
/// large with them.
///
/// # Errors
/// When it is too large without them.
pub(super) fn encode(mut entry: Entry) -> Result<Vec<u8>, AuditError> {
    let bytes = to_bytes(&entry)?;
    if bytes.len() <= ENTRY_BYTES_MAX {
        return Ok(bytes);
    }
    if let Entry::Decision(decision) = &mut entry {
        for stored in &mut decision.stored {
            if let Some((at, _)) = stored.text.char_indices().nth(STORED_CHARS_KEPT) {
                stored.text.truncate(at);
                stored.text.push_str(CUT_MARK);
            }
        }
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
mod tests {
    use super::*;
    use crate::domain::{Action, Category, CategoryScore, Finding, RuleId, Stage, View};

    fn decision(stored_chars: usize) -> DecisionRecord {
        let place = Place::Choice { index: 0 };
        let finding = Finding {
            category: Category::Harassment,
            rule: RuleId("harassment.threat".into()),
            level: 1,
            score: 0.9,
            place,
            span: 3..9,
            view: View::Canonical,
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
            usage: Some(Usage::default()),
            timings: Timings::default(),
            held: Held::default(),
        }
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let entry = Entry::Decision(Box::new(decision(3)));
        let bytes = encode(entry.clone()).unwrap();
        assert_eq!(serde_json::from_slice::<Entry>(&bytes).unwrap(), entry);
    }

    #[test]
    fn stored_text_gives_way_to_the_size_limit() {
        let bytes = encode(Entry::Decision(Box::new(decision(RECORD_BYTES_MAX)))).unwrap();
        let Entry::Decision(read) = serde_json::from_slice(&bytes).unwrap() else {
            panic!("not a decision")
        };
        assert_eq!(read.stored[0].text, "é".repeat(STORED_CHARS_KEPT) + CUT_MARK);
        assert_eq!(read.verdicts[0].findings.len(), 1);
    }

    #[test]
    fn what_is_still_too_large_is_refused() {
        let mut large = decision(0);
        large.stripped_fields = vec!["f".repeat(RECORD_BYTES_MAX)];
        assert!(
            encode(Entry::Decision(Box::new(large))).unwrap_err().to_string().contains("more than")
        );
    }
}
