//! What is wrong with a request body, and where.
//!
//! INVARIANT: nothing here repeats a value that the caller sent; paths name
//! fields, shortened and reduced to harmless characters.

use std::fmt::Write as _;

/// A body that is refused with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Invalid {
    pub code: &'static str,
    /// The field, e.g. `messages[2].content`.
    pub param: Option<String>,
    pub message: String,
}

/// The `code`s of [`Invalid`].
pub(crate) mod code {
    pub(crate) const JSON: &str = "invalid_json";
    pub(crate) const DUPLICATE: &str = "duplicate_field";
    pub(crate) const NUL: &str = "invalid_character";
    pub(crate) const TOO_MANY_VALUES: &str = "too_many_values";
    pub(crate) const MISSING: &str = "missing_required_parameter";
    pub(crate) const TYPE: &str = "invalid_type";
    pub(crate) const VALUE: &str = "invalid_value";
    pub(crate) const TOO_LONG: &str = "string_above_max_length";
    /// A published feature that the gateway cannot honour.
    pub(crate) const UNSUPPORTED: &str = "unsupported_value";
    /// A field that nobody reviewed.
    pub(crate) const UNKNOWN: &str = "unsupported_payload";
}

impl Invalid {
    pub(crate) fn new(code: &'static str, param: &str, message: String) -> Self {
        Self { code, param: Some(param.to_owned()), message }
    }

    /// A body that is wrong as a whole.
    pub(crate) const fn body(code: &'static str, message: String) -> Self {
        Self { code, param: None, message }
    }
}

/// Characters of a field name that are shown.
const NAME_CHARS_MAX: usize = 64;
/// Steps of a path that are shown.
const STEPS_SHOWN_MAX: usize = 16;

/// The way to a value in a JSON document.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug)]
enum Step {
    Known(&'static str),
    /// A name from the request.
    Sent(String),
    Index(usize),
}

impl Path {
    pub(crate) fn enter(&mut self, name: &'static str) {
        self.0.push(Step::Known(name));
    }

    pub(crate) fn enter_sent(&mut self, name: &str) {
        let shown = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '?' };
        self.0.push(Step::Sent(name.chars().take(NAME_CHARS_MAX).map(shown).collect()));
    }

    pub(crate) fn enter_index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }

    /// As in `messages[2].content`; the body itself is the empty text.
    pub(crate) fn show(&self) -> String {
        self.render(true)
    }

    /// Without positions, as in `messages[].content`.
    pub(crate) fn show_general(&self) -> String {
        self.render(false)
    }

    fn render(&self, positions: bool) -> String {
        let mut text = String::new();
        for step in self.0.iter().take(STEPS_SHOWN_MAX) {
            let name = match step {
                Step::Known(name) => name,
                Step::Sent(name) => name.as_str(),
                Step::Index(index) => {
                    let _ = match positions {
                        true => write!(text, "[{index}]"),
                        false => write!(text, "[]"),
                    };
                    continue;
                }
            };
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_fields_and_nothing_else() {
        let mut path = Path::default();
        path.enter("messages");
        path.enter_index(2);
        path.enter_sent("my secret: 1\u{202e}");
        assert_eq!(path.show(), "messages[2].my?secret??1?");
        assert_eq!(path.show_general(), "messages[].my?secret??1?");
        path.leave();
        path.enter_sent(&"x".repeat(1000));
        assert_eq!(path.show().len(), "messages[2].".len() + NAME_CHARS_MAX);
    }
}
