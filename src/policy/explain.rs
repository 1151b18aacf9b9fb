//! Why a text is judged as it is: what matched, where, in which reading, and
//! how the score came about.
//!
//! The verdict is the engine's; this module only looks up what led to it, so an
//! explanation can never differ from what happens in service. Why a rule did
//! *not* match is [`rule`]'s. Called by `cli`.

mod part;
pub mod rule;

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::Engine;
use super::cases::judge_as;
use crate::domain::{
    Action, Category, Digest, Entity, Finding, Role, Stage, UnjudgedReason, Verdict, View,
};
use crate::text::{Canonical, Views, ViewsMax, views};
use part::Parts;
pub use part::{Part, PartKind};

/// Decodings inside one another that are shown.
const VIEWS_DEPTH_MAX: usize = 3;
/// Of all readings together.
const VIEWS_BYTES_MAX: usize = 1 << 20;

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub policy: Arc<str>,
    pub version: Arc<str>,
    pub digest: Digest,
    pub stage: Stage,
    pub role: Role,
    pub action: Action,
    pub categories: Vec<Sum>,
    pub findings: Vec<Found>,
    pub unjudged: Vec<Gap>,
    /// Other readings of the text than the canonical one.
    pub readings: Vec<Reading>,
}

/// How the score of one category came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sum {
    pub category: Category,
    pub score: f32,
    /// What happens.
    pub action: Action,
    pub threshold: f32,
    /// What the policy says happens from the threshold on.
    pub from_threshold: Action,
    /// Rules that count, in the order of the text.
    pub acting: Vec<Evidence>,
    /// Rules that matched and are above the block level.
    pub recorded: Vec<Evidence>,
    /// The sum in one line.
    pub steps: String,
}

/// One rule's part in a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    pub rule: Arc<str>,
    pub score: f32,
    pub level: u8,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    pub rule: Arc<str>,
    pub category: Category,
    pub level: u8,
    pub score: f32,
    /// Its level is above the block level: it only flags.
    pub shadow: bool,
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The text there.
    pub matched: String,
    pub view: View,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    /// What of the rule it was.
    pub part: Part,
}

/// Text that nobody looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub span: Range<usize>,
    pub reason: UnjudgedReason,
}

/// The text as another view reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    pub view: View,
    pub text: String,
}

/// Judges a text and says why. `role` is who wrote a prompt.
pub fn explain(engine: &Engine, stage: Stage, role: Option<Role>, text: &str) -> Explanation {
    let verdict = judge_as(engine, stage, role, text);
    let canonical = Canonical::of(text);
    let derived = match stage {
        Stage::Input => readings(text, &canonical),
        // Answers are judged while they are written, in the canonical view only.
        Stage::Output => Views::default(),
    };
    let mut parts = Parts::new(engine, &canonical, &derived);
    let (_, block_level) = engine.levels();
    let findings = verdict
        .findings
        .iter()
        .map(|finding| Found {
            rule: Arc::clone(&finding.rule.0),
            category: finding.category,
            level: finding.level,
            score: finding.score,
            shadow: finding.level > block_level,
            span: finding.span.clone(),
            matched: text.get(finding.span.clone()).unwrap_or_default().to_owned(),
            view: finding.view,
            entity: finding.entity,
            part: parts.of(finding),
        })
        .collect();
    let unjudged = &verdict.unjudged;
    Explanation {
        policy: engine.name().into(),
        version: engine.version().into(),
        digest: engine.digest(),
        stage,
        role: match stage {
            Stage::Input => role.unwrap_or(Role::User),
            Stage::Output => Role::Assistant,
        },
        action: verdict.action,
        categories: sums(engine, &verdict, block_level),
        findings,
        unjudged: unjudged
            .iter()
            .map(|gap| Gap { span: gap.span.clone(), reason: gap.reason })
            .collect(),
        readings: derived
            .list
            .iter()
            .map(|reading| Reading { view: reading.kind(), text: reading.view().text().to_owned() })
            .collect(),
    }
}

fn readings(text: &str, canonical: &Canonical) -> Views {
    views(text, canonical, ViewsMax { depth: VIEWS_DEPTH_MAX, bytes: VIEWS_BYTES_MAX })
}

fn sums(engine: &Engine, verdict: &Verdict, block_level: u8) -> Vec<Sum> {
    verdict
        .categories
        .iter()
        .map(|score| {
            let (from_threshold, threshold) = engine.decision_for(score.category, verdict.stage);
            let mut sum = Sum {
                category: score.category,
                score: score.score,
                action: score.action,
                threshold,
                from_threshold,
                acting: evidence(&verdict.findings, score.category, |level| level <= block_level),
                recorded: evidence(&verdict.findings, score.category, |level| level > block_level),
                steps: String::new(),
            };
            sum.steps = sum.tell();
            sum
        })
        .collect()
}

/// The distinct rules of a category in the order in which they first match.
fn evidence(
    findings: &[Finding],
    category: Category,
    counts: impl Fn(u8) -> bool,
) -> Vec<Evidence> {
    let mut list: Vec<Evidence> = Vec::new();
    for finding in findings {
        let new = list.iter().all(|known| known.rule != finding.rule.0);
        if finding.category == category && counts(finding.level) && new {
            list.push(Evidence {
                rule: Arc::clone(&finding.rule.0),
                score: finding.score,
                level: finding.level,
            });
        }
    }
    list
}

impl Sum {
    /// `0.60 from a, 0.40 from b: 1 - (1 - 0.60)(1 - 0.40) = 0.76 >= 0.50 -> block`.
    fn tell(&self) -> String {
        let counted = if self.acting.is_empty() { &self.recorded } else { &self.acting };
        let each: Vec<String> =
            counted.iter().map(|one| format!("{:.2} from {}", one.score, one.rule)).collect();
        let mut steps = each.join(", ");
        if counted.len() > 1 {
            let factors: String =
                counted.iter().map(|one| format!("(1 - {:.2})", one.score)).collect();
            steps.push_str(&format!(": 1 - {factors} = {:.2}", self.score));
        }
        if self.acting.is_empty() {
            steps
                .push_str(&format!("; above the block level, so only recorded -> {}", self.action));
        } else if self.from_threshold == Action::Allow {
            steps.push_str("; the policy allows this category -> allow");
        } else if self.action == self.from_threshold && self.from_threshold > Action::Flag {
            steps.push_str(&format!(" >= {:.2} -> {}", self.threshold, self.action));
        } else if self.from_threshold == Action::Flag {
            steps.push_str("; the policy flags this category -> flag");
        } else {
            steps.push_str(&format!(" < {:.2} -> {}", self.threshold, self.action));
        }
        steps
    }
}
