//! One case as written: a text, or a mapping that says more about it.
//!
//! ```yaml
//! - How do I pick the lock of my neighbour?
//! - { text: "…", rule: other-crime/burglary, span: "pick the lock" }
//! - messages: [{ role: user, text: "…" }, { role: assistant, text: "…" }, { role: user, text: "…" }]
//! ```
//!
//! Read by [`super::Cases`]; run by [`super::Suite`].

use std::fmt;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::domain::{Action, Role, View};

/// Messages of one conversation in a case.
const MESSAGES_MAX: usize = 200;

/// A text with what is expected of it beyond its group.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where it stands in its file, from 1.
    pub line: usize,
    pub said: Said,
    pub expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Conversation(Vec<Spoken>),
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    pub role: Role,
    pub text: String,
}

/// What one case says beyond its group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    pub rules: Vec<String>,
    pub span: Option<Expanse>,
    pub action: Option<Action>,
    pub role: Option<Role>,
    pub views: Vec<View>,
}

/// What of the text is matched: its words, or its bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub enum Expanse {
    Words(String),
    Bytes { start: usize, end: usize },
}

impl Expanse {
    /// Whether a match of `bytes` in `text` is what is meant.
    pub(super) fn is(&self, text: &str, bytes: &Range<usize>) -> bool {
        match self {
            Self::Words(words) => text.get(bytes.clone()) == Some(words.as_str()),
            Self::Bytes { start, end } => (*start..*end) == *bytes,
        }
    }
}

impl fmt::Display for Expanse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => write!(f, "`{words}`"),
            Self::Bytes { start, end } => write!(f, "bytes {start}..{end}"),
        }
    }
}

impl Case {
    /// The words, for people: a conversation has a line per message.
    pub fn text(&self) -> String {
        self.said.text()
    }
}

impl Said {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Conversation(messages) => {
                let line =
                    |message: &Spoken| format!("{}: {}", role_name(message.role), message.text);
                messages.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// The name of a role in policies and cases.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// A case before it is checked.
enum Written {
    Plain(String),
    More(Box<Fields>),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    text: Option<String>,
    messages: Option<Vec<Spoken>>,
    rule: Option<String>,
    #[serde(default)]
    rules: Vec<String>,
    span: Option<Expanse>,
    action: Option<Action>,
    role: Option<Role>,
    #[serde(default)]
    views: Vec<View>,
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Written>::deserialize(deserializer)?;
        let (said, expected) = match value {
            Written::Plain(text) => (Said::Text(text), Expected::default()),
            Written::More(fields) => fields.check().map_err(D::Error::custom)?,
        };
        let line = usize::try_from(referenced.line()).unwrap_or_default();
        Ok(Self { line, said, expected })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text (in quotes, if it looks like a number), or a mapping with `text` or `messages`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Fields::deserialize(MapAccessDeserializer::new(map))
                    .map(|fields| Written::More(Box::new(fields)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Fields {
    fn check(self) -> Result<(Said, Expected), String> {
        let said = match (self.text, self.messages) {
            (Some(text), None) => Said::Text(text),
            (None, Some(messages)) => {
                if self.role.is_some() {
                    return Err("each of `messages` has its own `role`".to_owned());
                }
                conversation(messages)?
            }
            (Some(_), Some(_)) => return Err("write `text` or `messages`, not both".to_owned()),
            (None, None) => return Err("write `text` or `messages`".to_owned()),
        };
        let rules = self.rules.into_iter().chain(self.rule).collect();
        let (span, action, role, views) = (self.span, self.action, self.role, self.views);
        Ok((said, Expected { rules, span, action, role, views }))
    }
}

/// The turns as the model reads them, which is how they must be written.
fn conversation(messages: Vec<Spoken>) -> Result<Said, String> {
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        return Err(format!("`messages` must have 1 to {MESSAGES_MAX} entries"));
    }
    let is_system = |role: Role| matches!(role, Role::System | Role::Developer);
    for (before, after) in messages.iter().zip(messages.iter().skip(1)) {
        if before.role == after.role {
            return Err(
                "write neighbours of one role as one message: the model reads them so".to_owned()
            );
        }
        if is_system(after.role) {
            return Err("the system text stands in front: the model reads it there".to_owned());
        }
    }
    Ok(Said::Conversation(messages))
}
