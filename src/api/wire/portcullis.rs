//! The `portcullis` object: what the gateway adds to OpenAI's bodies.

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::Receipt;
use crate::domain::Outcome;
use crate::pipeline::Notice;

/// The decision, as the caller may know it. Never rules, never text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Extension {
    /// Finds the record in the audit log.
    pub decision: String,
    /// `completed`, `policy_block`, `policy_replace`, …
    pub outcome: &'static str,
    /// `input` or `output`, when a category acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// Categories that acted.
    pub categories: Vec<&'static str>,
    pub policy: Policy,
    /// Where the decision stands in the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Whole old turns that were left out to fit the model's context.
    pub turns_dropped: u32,
    /// Request fields that were left out.
    pub stripped_fields: Vec<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Policy {
    pub name: String,
    pub version: String,
    pub digest: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Audit {
    pub seq: u64,
    pub hash: String,
}

impl Extension {
    pub(crate) fn new(
        notice: &Notice,
        outcome: Outcome,
        receipt: Option<&Receipt>,
        stripped: &[String],
    ) -> Self {
        Self {
            decision: notice.decision.to_string(),
            outcome: outcome.name(),
            stage: notice.stage.map(|stage| stage.name()),
            categories: notice.categories.iter().map(|category| category.slug()).collect(),
            policy: Policy {
                name: notice.policy.to_string(),
                version: notice.policy_version.to_string(),
                digest: notice.policy_digest.to_string(),
            },
            audit: receipt
                .map(|receipt| Audit { seq: receipt.seq(), hash: receipt.hash().to_string() }),
            turns_dropped: 0,
            stripped_fields: stripped.to_vec(),
        }
    }

    pub(crate) const fn with_turns_dropped(mut self, turns: u32) -> Self {
        self.turns_dropped = turns;
        self
    }
}
