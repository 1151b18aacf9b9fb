//! What a caller says to the model.

use serde::{Deserialize, Serialize};

/// Who speaks. The OpenAI role names; how Llama 2 sees them is the chat
/// template's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

/// One turn of a conversation. Text parts have been joined at the edge, so
/// that what is judged is what the model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub text: String,
    /// The optional participant name; judged like text.
    pub name: Option<String>,
}

impl Message {
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), name: None }
    }
}

/// What a generation starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// `/v1/chat/completions`: rendered through the model's chat form.
    Chat(Vec<Message>),
    /// `/v1/completions`: continued as it stands.
    Text(String),
}
