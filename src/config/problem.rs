//! Problems of a configuration, collected so that the operator sees all at once.

use std::fmt::{self, Write as _};

use super::origin::Origin;

/// Names that differ by more than this are not suggested (Damerau-Levenshtein distance).
const SUGGESTION_DISTANCE_MAX: usize = 3;

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted; empty for a problem of a whole file.
    pub key: String,
    pub origin: Origin,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.as_str()) {
            (Origin::Default, "") => {}
            (Origin::Default, key) => write!(f, "{key}: ")?,
            (origin, "") => write!(f, "{origin}: ")?,
            (origin, key) => write!(f, "{origin}: {key}: ")?,
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {count} {noun}")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    part_unread: bool,
}

impl Problems {
    /// A part of a file could not be read: what seems to be missing may stand there.
    pub(super) const fn part_unread(&mut self) {
        self.part_unread = true;
    }

    pub(super) const fn is_part_unread(&self) -> bool {
        self.part_unread
    }

    /// Forgets those of other settings than `parts`, top-level keys, and keeps those of whole
    /// files.
    pub(super) fn keep_only(&mut self, parts: &[&str]) {
        let part = |problem: &Problem| problem.key.split('.').next().map(str::to_owned);
        self.found.retain(|problem| {
            part(problem).is_none_or(|part| part.is_empty() || parts.contains(&part.as_str()))
        });
    }

    pub(super) fn add(
        &mut self,
        path: &[String],
        origin: Origin,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Problem { key: path.join("."), origin, message: message.into(), help };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// In the order of layers and, within a file, of lines.
    pub(super) fn into_result(mut self) -> Result<(), ConfigError> {
        self.found.sort_by(|a, b| a.origin.cmp(&b.origin));
        if self.found.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.found }) }
    }
}

/// `did you mean ...?`, or the whole list when nothing is near and the list is short.
pub(super) fn suggest(written: &str, known: &[&str]) -> Option<String> {
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .min()
        .filter(|(distance, _)| *distance <= SUGGESTION_DISTANCE_MAX);
    if let Some((_, name)) = nearest {
        return Some(format!("did you mean `{name}`?"));
    }
    let mut list = String::new();
    for (index, name) in known.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(list, "{separator}`{name}`");
    }
    (!list.is_empty()).then(|| format!("known here: {list}"))
}
