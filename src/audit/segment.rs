//! Segment files: the log is `<first seq, 20 digits>.jsonl` after
//! `<first seq>.jsonl`, so that names sort as records do.
//!
//! Knows bytes and lines, not what a record says. Called by `log`, `recover`,
//! `verify` and `read`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A record with its newline is never longer.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 20;

const EXTENSION: &str = ".jsonl";
const SEQ_DIGITS: usize = 20;
const READ_BYTES: usize = 64 << 10;

/// A segment file, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) first_seq: u64,
    pub(super) path: PathBuf,
}

impl Segment {
    pub(super) fn in_directory(directory: &Path, first_seq: u64) -> Self {
        Self { first_seq, path: directory.join(format!("{first_seq:020}{EXTENSION}")) }
    }

    /// For messages: the name without the directory.
    pub(super) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The last line without its newline; `None` when the file does not end with a whole one.
    pub(super) fn last_line(&self) -> io::Result<Option<Vec<u8>>> {
        let mut file = File::open(&self.path)?;
        let bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(bytes.saturating_sub(RECORD_BYTES_MAX as u64 + 1)))?;
        let mut end = Vec::new();
        file.take(RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut end)?;
        if end.pop() != Some(b'\n') {
            return Ok(None);
        }
        Ok(end.rsplit(|&byte| byte == b'\n').next().map(<[u8]>::to_vec))
    }

    pub(super) fn lines(&self) -> io::Result<Lines> {
        self.lines_from(0)
    }

    /// The lines from byte `start` on, where a line begins.
    pub(super) fn lines_from(&self, start: u64) -> io::Result<Lines> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Lines {
            reader: BufReader::with_capacity(READ_BYTES, file),
            buffer: Vec::new(),
            whole_end: start,
        })
    }
}

/// The segments of a log, oldest first. Other files are not looked at.
pub(super) fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for file in std::fs::read_dir(directory)? {
        let file = file?;
        let first_seq = file.file_name().to_str().and_then(parse_name);
        segments.extend(first_seq.map(|first_seq| Segment { first_seq, path: file.path() }));
    }
    segments.sort();
    Ok(segments)
}

fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    let well_formed =
        digits.len() == SEQ_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| digits.parse().ok()).flatten()
}

/// Makes changes of names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The segment that grows.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) segment: Segment,
    file: File,
    /// Bytes known to be on disk; the file may hold more after a failed append.
    durable_bytes: u64,
}

impl Growing {
    /// A new segment. Its name is durable when this returns.
    pub(super) fn create(directory: &Path, first_seq: u64) -> io::Result<Self> {
        let segment = Segment::in_directory(directory, first_seq);
        let file =
            OpenOptions::new().append(true).create_new(true).mode(0o600).open(&segment.path)?;
        file.sync_all()?;
        sync_directory(directory)?;
        Ok(Self { segment, file, durable_bytes: 0 })
    }

    /// Goes on with `segment`, of which the first `bytes` are good. The rest is
    /// cut off, which is durable when this returns. Also says how much it was.
    pub(super) fn reopen(segment: Segment, bytes: u64) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new().append(true).open(&segment.path)?;
        let excess =
            file.metadata()?.len().checked_sub(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        if excess > 0 {
            file.set_len(bytes)?;
        }
        file.sync_all()?;
        Ok((Self { segment, file, durable_bytes: bytes }, excess))
    }

    /// Writes whole lines; they are on disk, and nothing else is, when this returns.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        let bytes = self.durable_bytes.saturating_add(lines.len() as u64);
        // The lock keeps out whoever asks for it; a log rotator or an editor does not.
        let file = self.file.metadata()?;
        if file.nlink() == 0 || file.len() != bytes {
            return Err(io::Error::other("somebody else removed or changed the segment"));
        }
        self.durable_bytes = bytes;
        Ok(())
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.durable_bytes
    }
}

/// Reads a segment line by line, in bounded memory.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<File>,
    buffer: Vec<u8>,
    whole_end: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without its newline.
    Whole(&'a [u8]),
    /// More than [`RECORD_BYTES_MAX`]; skipped.
    TooLong,
    /// The file ends within a line.
    Torn {
        bytes: u64,
    },
    End,
}

impl Lines {
    pub(super) fn next(&mut self) -> io::Result<Line<'_>> {
        let mut bytes = self.fill(RECORD_BYTES_MAX as u64)?;
        if bytes == 0 {
            return Ok(Line::End);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            self.whole_end = self.whole_end.saturating_add(bytes);
            return Ok(Line::Whole(&self.buffer));
        }
        loop {
            let more = self.fill(READ_BYTES as u64)?;
            if more == 0 {
                return Ok(Line::Torn { bytes });
            }
            bytes = bytes.saturating_add(more);
            if self.buffer.last() == Some(&b'\n') {
                self.whole_end = self.whole_end.saturating_add(bytes);
                return Ok(Line::TooLong);
            }
        }
    }

    /// The byte behind the last line that had an end.
    pub(super) const fn whole_end(&self) -> u64 {
        self.whole_end
    }

    /// At most `bytes_max` bytes of the line into the buffer.
    fn fill(&mut self, bytes_max: u64) -> io::Result<u64> {
        self.buffer.clear();
        let read = (&mut self.reader).take(bytes_max).read_until(b'\n', &mut self.buffer)?;
        Ok(read as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segment_names_are_listed_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["00000000000000000010.jsonl", "00000000000000000000.jsonl", "lock", "10.jsonl"]
        {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        std::fs::write(directory.path().join("00000000000000000000.jsonl.torn-1"), "").unwrap();
        let segments = list(directory.path()).unwrap();
        assert_eq!(segments.iter().map(|segment| segment.first_seq).collect::<Vec<_>>(), [0, 10]);
        assert_eq!(segments[1], Segment::in_directory(directory.path(), 10));
    }

    #[test]
    fn lines_are_bounded_and_a_torn_one_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let segment = Segment::in_directory(directory.path(), 0);
        let long = "x".repeat(RECORD_BYTES_MAX);
        let longest = "y".repeat(RECORD_BYTES_MAX - 1);
        std::fs::write(&segment.path, format!("a\n{long}\n{longest}\n\nb")).unwrap();
        let mut lines = segment.lines().unwrap();
        assert_eq!(lines.next().unwrap(), Line::Whole(b"a"));
        assert_eq!(lines.next().unwrap(), Line::TooLong);
        assert_eq!(lines.next().unwrap(), Line::Whole(longest.as_bytes()));
        assert_eq!(lines.next().unwrap(), Line::Whole(b""));
        let whole_end = lines.whole_end();
        assert_eq!(lines.next().unwrap(), Line::Torn { bytes: 1 });
        assert_eq!(lines.whole_end(), whole_end);
        assert_eq!(std::fs::metadata(&segment.path).unwrap().len(), whole_end + 1);
        assert_eq!(lines.next().unwrap(), Line::End);
    }

    #[test]
    fn a_segment_shorter_than_its_durable_part_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mut growing = Growing::create(directory.path(), 0).unwrap();
        growing.append(b"a\n").unwrap();
        let segment = growing.segment.clone();
        assert!(Growing::reopen(segment.clone(), 3).is_err());
        assert_eq!(Growing::reopen(segment.clone(), 1).unwrap().1, 1);
        assert_eq!(std::fs::read(segment.path).unwrap(), b"a");
    }
}
