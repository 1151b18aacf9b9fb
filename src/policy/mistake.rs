//! One mistake of a policy or cases file, as data.
//!
//! What `problem` renders for people, tools read from here: editors, build
//! servers, `portcullis policy check --json`. Also how files are refused that
//! never became a document. Knows nothing of policies.

use std::path::Path;

use serde::Serialize;

use super::{PolicyError, problem};

/// The code of a file that cannot be read at all.
pub const UNREADABLE: &str = "policy::unreadable";

/// A mistake, or when `warning` an oddity, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    pub file: String,
    /// From 1; 0 when the mistake has no place in the file.
    pub line: usize,
    /// In characters, from 1; 0 like `line`.
    pub column: usize,
    /// Stable, e.g. `policy::unknown_key`.
    pub code: String,
    pub warning: bool,
    pub message: String,
    /// What is said at the place itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl PolicyError {
    /// A single mistake that is told in one sentence.
    pub(super) fn plain(file: &str, code: &str, message: String) -> Self {
        let report = format!("{message}\n");
        let mistake = Mistake {
            file: file.to_owned(),
            line: 0,
            column: 0,
            code: code.to_owned(),
            warning: false,
            message,
            label: None,
            help: None,
        };
        Self { count: 1, report, mistakes: vec![mistake] }
    }

    /// The file cannot be read.
    pub(super) fn unreadable(what: &str, path: &Path, reason: &str) -> Self {
        let file = path.display().to_string();
        Self::plain(&file, UNREADABLE, format!("cannot read {what} `{file}`: {reason}"))
    }

    /// The text is no YAML, or not of the right shape.
    pub(super) fn malformed(file: &str, source: &str, error: &serde_saphyr::Error) -> Self {
        let rendered = serde_saphyr::miette::to_miette_report(error, source, file);
        let mut report = String::new();
        let _ = problem::handler().render_report(&mut report, rendered.as_ref());
        let at = error.location();
        let number = |of: fn(&serde_saphyr::Location) -> u64| {
            at.as_ref().and_then(|at| usize::try_from(of(at)).ok()).unwrap_or_default()
        };
        let mistake = Mistake {
            file: file.to_owned(),
            line: number(|at| at.line()),
            column: number(|at| at.column()),
            code: "policy::malformed".to_owned(),
            warning: false,
            message: rendered.to_string(),
            label: None,
            help: None,
        };
        Self { count: 1, report, mistakes: vec![mistake] }
    }

    /// True when a file could not be read, so that nothing is known about what it says.
    pub fn is_unreadable(&self) -> bool {
        self.mistakes.iter().any(|mistake| mistake.code == UNREADABLE)
    }
}

/// Line and column of a byte offset, both from 1.
pub(super) fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..source.floor_char_boundary(offset)).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = "a\nbéc\n";
        assert_eq!(line_and_column(source, 0), (1, 1));
        assert_eq!(line_and_column(source, 2), (2, 1));
        assert_eq!(line_and_column(source, 5), (2, 3));
        assert_eq!(line_and_column(source, 4), (2, 2), "inside a character: its beginning");
        assert_eq!(line_and_column(source, 99), (3, 1));
    }
}
