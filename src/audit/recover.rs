//! Where a log that is on disk ends, and whether it may be continued.
//!
//! A crash can leave the last line without its end. That tail was never
//! acknowledged, so it is cut off, and kept beside the log for whoever wants to
//! look. Anything else that breaks the chain is not the mark of a crash: the log
//! is not continued, because new records would vouch for a damaged past.
//!
//! Only the last segment is read in full; `verify` reads them all. Called by
//! `log`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::audit::AuditError;
use crate::audit::chain::Head;
use crate::audit::segment::{self, Growing, Line, Segment};

const TORN_FILES_MAX: u32 = 1000;

/// A log that can be continued.
#[derive(Debug)]
pub(super) struct End {
    pub(super) growing: Growing,
    pub(super) head: Head,
    /// Bytes of a torn last line that were cut off.
    pub(super) torn_bytes: u64,
}

/// Finds the end of the log in `directory`, mends a torn tail, begins a log where there is none.
pub(super) fn find_end(directory: &Path) -> Result<End, AuditError> {
    let segments = segment::list(directory).map_err(AuditError::io("cannot list the audit log"))?;
    let mut newest = segments.into_iter().rev();
    let Some(last) = newest.next() else {
        let growing =
            Growing::create(directory, 0).map_err(AuditError::io("cannot begin the audit log"))?;
        return Ok(End { growing, head: Head::genesis(), torn_bytes: 0 });
    };
    let mut head = match newest.next() {
        Some(before) => head_after(&before)?,
        None => Head::genesis(),
    };
    if head.next_seq != last.first_seq {
        return Err(AuditError::broken(&last, 1, "the records before it are missing"));
    }
    let (good_bytes, torn_bytes) = read_chain(&last, &mut head)?;
    if torn_bytes > 0 {
        keep_torn(&last, good_bytes)
            .map_err(AuditError::io("cannot keep the torn end of the audit log"))?;
    }
    let (growing, _) = Growing::reopen(last, good_bytes)
        .map_err(AuditError::io("cannot open the audit log's last segment"))?;
    segment::sync_directory(directory)
        .map_err(AuditError::io("cannot sync the audit log's directory"))?;
    Ok(End { growing, head, torn_bytes })
}

fn head_after(segment: &Segment) -> Result<Head, AuditError> {
    let line = segment.last_line().map_err(AuditError::io("cannot read the audit log"))?;
    match line.as_deref().map(Head::after) {
        Some(Ok(head)) => Ok(head),
        Some(Err(reason)) => Err(AuditError::broken_end(segment, &reason)),
        None => Err(AuditError::broken_end(segment, &"it does not end with a whole record")),
    }
}

/// Follows the chain through `segment`: how many bytes are good, how many are torn.
fn read_chain(segment: &Segment, head: &mut Head) -> Result<(u64, u64), AuditError> {
    let unreadable = AuditError::io("cannot read the audit log's last segment");
    let mut lines = match segment.lines() {
        Ok(lines) => lines,
        Err(error) => return Err(unreadable(error)),
    };
    let mut number: u64 = 0;
    loop {
        number = number.saturating_add(1);
        match lines.next() {
            Ok(Line::End) => return Ok((lines.whole_end(), 0)),
            Ok(Line::Torn { bytes }) => return Ok((lines.whole_end(), bytes)),
            Ok(Line::TooLong) => {
                return Err(AuditError::broken(
                    segment,
                    number,
                    "the line is longer than any record may be",
                ));
            }
            Ok(Line::Whole(line)) => {
                head.follow(line).map_err(|reason| AuditError::broken(segment, number, &reason))?;
            }
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// Copies what follows `good_bytes` to `<segment>.torn-<n>`; durable when it returns
/// (the caller syncs the directory).
fn keep_torn(segment: &Segment, good_bytes: u64) -> io::Result<()> {
    let mut from = File::open(&segment.path)?;
    from.seek(SeekFrom::Start(good_bytes))?;
    for n in 1..=TORN_FILES_MAX {
        let path = segment.path.with_file_name(format!("{}.torn-{n}", segment.name()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut to) => {
                io::copy(&mut from.by_ref(), &mut to)?;
                return to.sync_all();
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are {TORN_FILES_MAX} torn ends already")))
}
