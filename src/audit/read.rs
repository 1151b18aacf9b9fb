//! Reads records for people: the last ones, those that follow, or all of them.
//!
//! Shows what the files hold and vouches for nothing; that is `verify`'s work.
//! Called by `cli`.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::audit::segment::{self, Line, Segment};

/// What is kept in memory at most; older records give way.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Behind the last record that was read.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    place: Option<(Segment, u64)>,
}

/// The last `count` records of the log in `directory`, oldest first, as they stand in the file,
/// and the place behind them.
///
/// # Errors
/// The files cannot be read.
pub fn last(directory: &Path, count: usize) -> Result<(Vec<String>, Follower), AuditError> {
    let segments = segment::list(directory).map_err(unreadable(directory))?;
    let mut kept = Kept { lines: VecDeque::new(), bytes: 0, count_max: count };
    let mut place = None;
    for segment in segments.into_iter().rev() {
        let mut earlier = Kept { lines: VecDeque::new(), bytes: 0, count_max: count };
        let end =
            read_from(&segment, 0, |line| earlier.push(line)).map_err(unreadable(directory))?;
        place.get_or_insert((segment, end));
        for line in kept.lines {
            earlier.push(line);
        }
        kept = earlier;
        if kept.lines.len() >= count || kept.bytes >= KEPT_BYTES_MAX {
            break;
        }
    }
    Ok((kept.lines.into(), Follower { directory: directory.to_owned(), place }))
}

/// Hands every record of the log in `directory` to `take`, oldest first, as it stands in the file.
/// One record is in memory at a time.
///
/// # Errors
/// The files cannot be read.
pub fn each(directory: &Path, mut take: impl FnMut(String)) -> Result<(), AuditError> {
    for segment in segment::list(directory).map_err(unreadable(directory))? {
        read_from(&segment, 0, &mut take).map_err(unreadable(directory))?;
    }
    Ok(())
}

impl Follower {
    /// The records that have come since, as far as they are whole; none when there are no new ones.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn more(&mut self) -> Result<Vec<String>, AuditError> {
        let segments = segment::list(&self.directory).map_err(unreadable(&self.directory))?;
        let mut lines = Vec::new();
        for segment in segments {
            let start = match &self.place {
                Some((seen, end)) if *seen == segment => *end,
                Some((seen, _)) if *seen > segment => continue,
                _ => 0,
            };
            let end = read_from(&segment, start, |line| lines.push(line))
                .map_err(unreadable(&self.directory))?;
            self.place = Some((segment, end));
        }
        Ok(lines)
    }
}

struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    count_max: usize,
}

impl Kept {
    fn push(&mut self, line: String) {
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(line);
        while self.lines.len() > self.count_max || self.bytes > KEPT_BYTES_MAX {
            self.bytes =
                self.bytes.saturating_sub(self.lines.pop_front().map_or(0, |line| line.len()));
        }
    }
}

/// Gives the whole lines from byte `start` on to `take`; returns the byte behind the last of them.
fn read_from(segment: &Segment, start: u64, mut take: impl FnMut(String)) -> io::Result<u64> {
    let mut lines = segment.lines_from(start)?;
    loop {
        match lines.next()? {
            Line::Whole(line) => take(String::from_utf8_lossy(line).into_owned()),
            Line::TooLong => {}
            Line::Torn { .. } | Line::End => return Ok(lines.whole_end()),
        }
    }
}

fn unreadable(directory: &Path) -> impl FnOnce(io::Error) -> AuditError {
    AuditError::io(format!("cannot read the audit log in `{}`", directory.display()))
}
