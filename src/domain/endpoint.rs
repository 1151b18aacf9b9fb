//! The API endpoints on which text is judged.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    ChatCompletions,
    Completions,
    Moderations,
}

impl Endpoint {
    pub const ALL: &'static [Self] = &[Self::ChatCompletions, Self::Completions, Self::Moderations];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Moderations => "moderations",
        }
    }
}
