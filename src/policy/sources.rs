//! The texts that a policy is read from, laid end to end.
//!
//! A policy may be written over others and take phrases from lists. All places
//! are offsets into the one text that the files make together, so a merged
//! policy still knows the file of each of its values. Reads nothing itself.
//! Filled by `chain`, asked by `problem` and the compiler.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;

/// All files that were read, in that order.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    text: Arc<str>,
    /// Where its text begins among all.
    base: usize,
}

/// A place in the file in which it lies.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) source: NamedSource<Arc<str>>,
    pub(super) at: Range<usize>,
}

impl Sources {
    /// Adds a file and says by how much its own places are moved.
    pub(super) fn add(&mut self, name: &str, text: impl Into<Arc<str>>) -> usize {
        // One byte between files: an end is not the next one's start.
        let base = self.files.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.files.push(File { name: name.to_owned(), text: text.into(), base });
        base
    }

    /// The text that was written at a place.
    pub(super) fn get(&self, place: Range<usize>) -> Option<&str> {
        let file = self.files.get(self.number(place.start))?;
        file.text.get(file.local(&place))
    }

    /// The number of the file in which an offset lies.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.files.partition_point(|file| file.base <= offset).saturating_sub(1)
    }

    pub(super) fn text(&self, number: usize) -> &str {
        self.files.get(number).map_or("", |file| &file.text)
    }

    pub(super) fn locate(&self, place: &Range<usize>) -> Located {
        match self.files.get(self.number(place.start)) {
            Some(file) => Located {
                source: NamedSource::new(&file.name, Arc::clone(&file.text)),
                at: file.local(place),
            },
            None => Located { source: NamedSource::new("", "".into()), at: 0..0 },
        }
    }
}

impl File {
    fn local(&self, place: &Range<usize>) -> Range<usize> {
        let within = |offset: usize| offset.saturating_sub(self.base).min(self.text.len());
        within(place.start)..within(place.end)
    }
}
