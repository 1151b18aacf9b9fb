//! What the policy says about a text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Category, Finding, Unjudged};

/// Which side of the model a text stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Input,
    Output,
}

impl Stage {
    pub const ALL: &'static [Self] = &[Self::Input, Self::Output];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What is done about a text, from mildest to strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Allow,
    /// Passes, and is recorded.
    Flag,
    /// The matched spans are masked, the rest passes.
    Redact,
    /// A prepared answer takes the place of the model's; an ordinary reply (`stop`).
    Replace,
    /// A refusal takes the place of the answer (`content_filter`).
    Block,
}

impl Action {
    pub const ALL: &'static [Self] =
        &[Self::Allow, Self::Flag, Self::Redact, Self::Replace, Self::Block];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Replace => "replace",
            Self::Block => "block",
        }
    }

    /// True when the text must not reach the other side.
    pub const fn stops(self) -> bool {
        matches!(self, Self::Replace | Self::Block)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A category's combined evidence and what the policy does about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryScore {
    pub category: Category,
    /// 0..=1.
    pub score: f32,
    pub action: Action,
}

/// The policy's judgement of one stage of one exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub stage: Stage,
    /// The strictest action of all categories.
    pub action: Action,
    /// Categories with any evidence, the decisive one first.
    pub categories: Vec<CategoryScore>,
    /// In the order of place and span.
    pub findings: Vec<Finding>,
    /// What nobody looked at. The policy decides what that means; `action` reflects it.
    pub unjudged: Vec<Unjudged>,
}

impl Verdict {
    /// A verdict without any evidence.
    pub const fn clean(stage: Stage) -> Self {
        Self {
            stage,
            action: Action::Allow,
            categories: Vec::new(),
            findings: Vec::new(),
            unjudged: Vec::new(),
        }
    }

    /// The category that decided, when one did.
    pub fn decisive(&self) -> Option<Category> {
        self.categories
            .first()
            .filter(|first| first.action == self.action && self.action != Action::Allow)
            .map(|first| first.category)
    }
}
