//! How the bytes of a reading came from the bytes of the text that it was
//! made from.
//!
//! Every byte of a reading belongs to a unit that was copied, replaced or
//! turned round as a whole, so a range always maps to whole characters of the
//! source. Knows nothing of encodings; made by [`super::parts`].

use std::ops::Range;

/// From offsets of a reading to ranges of its source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    /// In order of `at`; together they cover the reading.
    runs: Vec<Run>,
    end: usize,
}

/// Consecutive units of one shape.
#[derive(Debug, Clone, Copy)]
struct Run {
    at: usize,
    /// Where the first unit lies in the source: its start, or its end when the
    /// units run backwards.
    from: usize,
    given: usize,
    taken: usize,
    backward: bool,
}

impl Map {
    /// The next `len` bytes are those at `from`, one for one.
    pub(crate) fn copy(&mut self, len: usize, from: usize) {
        let goes_on = self.runs.last().is_some_and(|run| {
            (run.given, run.taken, run.backward) == (1, 1, false)
                && run.from + (self.end - run.at) == from
        });
        if !goes_on && len > 0 {
            self.runs.push(Run { at: self.end, from, given: 1, taken: 1, backward: false });
        }
        self.end += len;
    }

    /// The next `len` bytes stand for the range as a whole.
    pub(crate) fn replace(&mut self, len: usize, span: &Range<usize>) {
        if len > 0 {
            let (from, taken) = (span.start, span.len());
            self.runs.push(Run { at: self.end, from, given: len, taken, backward: false });
        }
        self.end += len;
    }

    /// The next bytes are those of the range from its end to its start.
    pub(crate) fn turn(&mut self, span: &Range<usize>) {
        if !span.is_empty() {
            let from = span.end;
            self.runs.push(Run { at: self.end, from, given: 1, taken: 1, backward: true });
        }
        self.end += span.len();
    }

    /// The bytes of the source that a range of the reading stands for.
    pub(crate) fn source(&self, range: Range<usize>) -> Range<usize> {
        let first = self.runs.partition_point(|run| run.at <= range.start).saturating_sub(1);
        let last = range.end.max(range.start + 1);
        let mut hull: Option<Range<usize>> = None;
        for (index, run) in self.runs.iter().enumerate().skip(first) {
            if run.at >= last {
                break;
            }
            let end = self.runs.get(index + 1).map_or(self.end, |next| next.at);
            let part = run.source(range.start.max(run.at)..last.min(end));
            hull =
                Some(hull.map_or(part.clone(), |hull| {
                    hull.start.min(part.start)..hull.end.max(part.end)
                }));
        }
        hull.unwrap_or(0..0)
    }
}

impl Run {
    /// The source of a range that lies inside the run.
    fn source(&self, range: Range<usize>) -> Range<usize> {
        let given = self.given.max(1);
        let first = (range.start - self.at) / given;
        let units = (range.end.max(range.start) - self.at).div_ceil(given).max(first + 1);
        if self.backward {
            self.from.saturating_sub(units * self.taken)
                ..self.from.saturating_sub(first * self.taken)
        } else {
            self.from + first * self.taken..self.from + units * self.taken
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lead_back_through_every_kind_of_run() {
        let mut map = Map::default();
        map.copy(3, 0); // abc
        map.replace(4, &(3..11)); // one block
        map.copy(2, 11);
        map.turn(&(13..16)); // three bytes, backwards
        assert_eq!(map.source(0..3), 0..3);
        assert_eq!(map.source(1..2), 1..2);
        assert_eq!(map.source(2..4), 2..11);
        assert_eq!(map.source(4..6), 3..11);
        assert_eq!(map.source(6..8), 3..12);
        assert_eq!(map.source(9..10), 15..16);
        assert_eq!(map.source(11..12), 13..14);
        assert_eq!(map.source(8..12), 12..16);
    }
}
