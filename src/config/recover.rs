//! What can still be read of a file that is no YAML as a whole.
//!
//! One slip of the pen must not hide the other mistakes: the file is cut where
//! a new setting begins, and each part is read on its own. Only `sources` uses
//! it, for files that do not parse.

use super::yaml::{self, Node, SyntaxError, Value};

/// Settings at the top of a file that are read one by one; there are far fewer.
const PARTS_MAX: usize = 256;

/// The parts that parse, and what is wrong with the others.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub entries: Vec<(String, Node)>,
    /// Never empty.
    pub errors: Vec<SyntaxError>,
}

/// Reads `text`, of which `whole` says why it does not parse, part by part.
pub(super) fn recover(text: &str, whole: SyntaxError) -> Recovered {
    let mut recovered = Recovered::default();
    let parts = parts(text);
    if parts.len() <= PARTS_MAX {
        for part in parts {
            recovered.take(&part);
        }
    }
    // Parts refer to each other by aliases only; what they then miss is no mistake of theirs.
    recovered.errors.retain(|error| !error.message.contains("alias"));
    if recovered.errors.is_empty() {
        recovered.errors.push(whole);
    }
    recovered
}

/// Some lines of a file, in their places.
struct Part<'t> {
    /// Counted from 1.
    line: u64,
    lines: Vec<&'t str>,
}

impl Recovered {
    fn take(&mut self, part: &Part<'_>) {
        match part.parse() {
            Ok(Value::Map(entries)) => {
                for (key, node) in entries {
                    if self.entries.iter().any(|(known, _)| *known == key) {
                        self.fail(node.line, format!("the setting `{key}` is written twice"));
                    } else {
                        self.entries.push((key, node));
                    }
                }
            }
            Ok(Value::Null) => {}
            Ok(_) => self.fail(part.line, "this is no setting: write `key: value`".to_owned()),
            Err(error) => self.errors.push(error),
        }
    }

    fn fail(&mut self, line: u64, message: String) {
        self.errors.push(SyntaxError { line: Some(line), message });
    }
}

impl Part<'_> {
    fn parse(&self) -> Result<Value, SyntaxError> {
        // Empty lines in front keep the numbers of lines right, in messages too.
        let before = usize::try_from(self.line).unwrap_or(1).saturating_sub(1);
        yaml::parse(&format!("{}{}\n", "\n".repeat(before), self.lines.join("\n")))
    }
}

/// Cuts before each line that begins a setting.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("---") || text.starts_with("...") {
            continue;
        }
        match parts.last_mut() {
            Some(part) if !begins(text) => part.lines.push(text),
            _ => parts.push(Part { line, lines: vec![text] }),
        }
    }
    parts
}

/// Indented lines, comments, items of a list and closing brackets belong to what stands before.
fn begins(line: &str) -> bool {
    line.chars().next().is_some_and(|first| !first.is_whitespace() && !"#-]}".contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovered(text: &str) -> Recovered {
        recover(text, yaml::parse(text).unwrap_err())
    }

    #[test]
    fn the_sound_settings_of_a_broken_file_are_read_in_their_lines() {
        let text = concat!(
            "# comment\n",
            "listen: [1\n",
            "workers: 2\n",
            "upstream:\n- http://a\n- http://b\n",
            "audit:\n  queue_records_max: 7\n bad: indent\n",
            "log:\n  level: info\n",
            "just words\n",
            "workers: 3\n",
        );
        let recovered = recovered(text);
        let keys: Vec<_> =
            recovered.entries.iter().map(|(key, node)| (key.as_str(), node.line)).collect();
        assert_eq!(keys, [("workers", 3), ("upstream", 4), ("log", 10)]);
        let lines: Vec<_> = recovered.errors.iter().filter_map(|error| error.line).collect();
        assert_eq!(lines.len(), 4, "{:?}", recovered.errors);
        assert!((2..=3).contains(&lines[0]) && (7..=9).contains(&lines[1]), "{lines:?}");
        assert_eq!(lines[2..], [12, 13]);
    }

    #[test]
    fn a_file_of_which_nothing_can_be_said_says_why_as_a_whole() {
        let many = "a: 1\n".repeat(PARTS_MAX + 1);
        for text in [many.as_str(), "\u{0}", "a: &x 1\nb: *x\nc: *y\n"] {
            let recovered = recovered(text);
            assert_eq!(recovered.errors.len(), 1, "{:?}", recovered.errors);
        }
    }
}
