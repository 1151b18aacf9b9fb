//! Phrases that live in files of their own, one a line.
//!
//! `phrases_from` becomes phrases with places in the list, so that nothing
//! after this knows about lists. A list lies in the policy's folder or below:
//! a policy that was copied takes its lists along. Used by `chain`.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::{Chain, Files, beside};
use crate::policy::document::{Document, RuleWritten, Spanned, place};
use crate::policy::problem::{Problem, Problems};

/// All lists of one policy together.
const LISTS_BYTES_MAX: u64 = 64 << 20;
const LIST_PHRASES_MAX: usize = 1_000_000;
const LISTS_MAX: usize = 256;
/// Begins a line that is no phrase.
const COMMENT: char = '#';

/// The lists read so far.
pub(super) struct Lists<'f> {
    files: &'f dyn Files,
    known: HashMap<PathBuf, Option<Vec<Spanned<String>>>>,
    bytes_left: u64,
    phrases_left: usize,
}

impl<'f> Lists<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            known: HashMap::new(),
            bytes_left: LISTS_BYTES_MAX,
            phrases_left: LIST_PHRASES_MAX,
        }
    }

    /// Puts the phrases of each list beside those that the rule writes out.
    pub(super) fn resolve(
        &mut self,
        document: &mut Document,
        path: Option<&Path>,
        paths: &mut Vec<PathBuf>,
        chain: &mut Chain,
    ) {
        let rules = document.rules.iter_mut().flatten().map(|rule| &mut rule.value);
        let changes = document.change.iter_mut().flat_map(|change| &mut change.value.0);
        for rule in rules.chain(changes.map(|(_, rule)| rule)) {
            self.rule(rule, path, paths, chain);
        }
    }

    fn rule(
        &mut self,
        rule: &mut RuleWritten,
        path: Option<&Path>,
        paths: &mut Vec<PathBuf>,
        chain: &mut Chain,
    ) {
        let Some(from) = rule.phrases_from.take() else { return };
        let phrases = rule.phrases.get_or_insert_default();
        if !stays_inside(&from.value) {
            chain.problems.push(
                Problem::new(
                    "policy::list",
                    place(&from.referenced),
                    format!("`{}` is not a path inside the policy's folder", from.value),
                )
                .help("e.g. `phrases_from: lists/names.txt`, relative to this file, without `..`"),
            );
            return;
        }
        let file = beside(path, &from.value);
        if !self.known.contains_key(&file) {
            paths.push(file.clone());
            let read = self.read(&file, &from, chain);
            self.known.insert(file.clone(), read);
        }
        if let Some(Some(listed)) = self.known.get(&file) {
            phrases.extend(listed.iter().cloned());
        }
    }

    fn read(
        &mut self,
        file: &Path,
        from: &Spanned<String>,
        chain: &mut Chain,
    ) -> Option<Vec<Spanned<String>>> {
        let at = place(&from.referenced);
        if self.known.len() >= LISTS_MAX {
            let message = format!("more than {LISTS_MAX} lists");
            chain.problems.push(Problem::new("policy::list", at, message));
            return None;
        }
        let text = match self.files.read(file, self.bytes_left) {
            Ok(text) => text,
            Err(reason) => {
                chain.problems.push(
                    Problem::new(
                        "policy::list",
                        at,
                        format!("cannot read `{}`: {reason}", file.display()),
                    )
                    .help(format!("all lists together may have {LISTS_BYTES_MAX} bytes")),
                );
                return None;
            }
        };
        self.bytes_left = self.bytes_left.saturating_sub(text.len() as u64);
        let base = chain.sources.add(&file.display().to_string(), text.as_str());
        let mut phrases = lines(&text, base);
        if phrases.is_empty() {
            let message = format!("`{}` has no phrase", file.display());
            chain.problems.push(Problem::new("policy::list", at.clone(), message));
        }
        self.cut(&mut phrases, &mut chain.problems);
        Some(phrases)
    }

    fn cut(&mut self, phrases: &mut Vec<Spanned<String>>, problems: &mut Problems) {
        if let Some(first) = phrases.get(self.phrases_left) {
            problems.push(
                Problem::new(
                    "policy::list",
                    place(&first.referenced),
                    format!("more than {LIST_PHRASES_MAX} phrases in the lists of one policy"),
                )
                .label("the first that is too many"),
            );
            phrases.truncate(self.phrases_left);
        }
        self.phrases_left -= phrases.len().min(self.phrases_left);
    }
}

/// The phrases of a list, with their places.
fn lines(text: &str, base: usize) -> Vec<Spanned<String>> {
    let mut phrases = Vec::new();
    let mut start = base;
    for line in text.split_inclusive('\n') {
        // Some editors begin a file with a byte-order mark.
        let phrase = line.trim_start_matches('\u{feff}').trim();
        if !phrase.is_empty() && !phrase.starts_with(COMMENT) {
            let at = start + line.find(phrase).unwrap_or_default();
            phrases.push(Spanned::new(phrase.to_owned(), at..at + phrase.len()));
        }
        start += line.len();
    }
    phrases
}

/// Said of the path as written: where links lead is the operator's affair.
fn stays_inside(written: &str) -> bool {
    let mut parts = Path::new(written).components().peekable();
    parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_phrase_a_line() {
        let text = "\u{feff}# names\n one two \r\n\n  # more\nthree # is part of it";
        let phrases = lines(text, 10);
        let told: Vec<&str> = phrases.iter().map(|phrase| phrase.value.as_str()).collect();
        assert_eq!(told, ["one two", "three # is part of it"]);
        for phrase in &phrases {
            let at = place(&phrase.referenced);
            assert_eq!(&text[at.start - 10..at.end - 10], phrase.value);
        }
    }

    #[test]
    fn a_list_stays_in_the_folder() {
        for (path, inside) in [
            ("a.txt", true),
            ("lists/a.txt", true),
            ("./a.txt", true),
            ("../a.txt", false),
            ("lists/../../a.txt", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(stays_inside(path), inside, "{path}");
        }
    }
}
