//! The log on disk, as its one writer sees it: commit, rotate, resume.
//!
//! `head` and the growing segment's length always describe what is durable. A
//! failed write or fsync leaves both where they were; what the file holds beyond
//! is not trusted and is cut off before anything else is written. After a failed
//! fsync the kernel may drop the pages and report the next one as a success, so
//! trying again on the same data would prove nothing.
//!
//! Knows no queue and no thread. Called by `writer`.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::audit::chain::Head;
use crate::audit::lock::Lock;
use crate::audit::record;
use crate::audit::recover::{self, End};
use crate::audit::segment::{self, Growing};
use crate::audit::{AuditError, Entry, Receipt, Recovery};

#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    segment_bytes_max: u64,
    // INVARIANT: the chain's end as far as it is durable.
    head: Head,
    // INVARIANT: its length is what is durable.
    growing: Growing,
    /// Bytes cut off since the last commit that worked.
    cut_bytes: u64,
    _lock: Lock,
}

impl Log {
    /// Opens or creates the log, mends a torn tail and records that.
    pub(super) fn open(
        directory: &Path,
        segment_bytes_max: u64,
    ) -> Result<(Self, Recovery), AuditError> {
        create_directory(directory).map_err(AuditError::io(format!(
            "cannot create the audit log's directory `{}`",
            directory.display()
        )))?;
        let lock = Lock::acquire(directory)
            .map_err(AuditError::io(format!(
                "cannot lock the audit log in `{}`",
                directory.display()
            )))?
            .ok_or_else(|| {
                AuditError::new(format!(
                    "another process writes the audit log in `{}`",
                    directory.display()
                ))
            })?;
        let End { growing, head, torn_bytes } = recover::find_end(directory)?;
        let recovery = Recovery { records: head.next_seq, torn_bytes };
        let directory = directory.to_owned();
        let mut log = Self {
            directory,
            segment_bytes_max,
            head,
            growing,
            cut_bytes: torn_bytes,
            _lock: lock,
        };
        if torn_bytes > 0 {
            log.record_cut()?;
        }
        Ok((log, recovery))
    }

    /// Appends `entries` (canonical JSON). Returns the receipts of those that are
    /// durable, in order, and the error that kept the rest from it.
    pub(super) fn commit<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Receipt>, Result<(), AuditError>) {
        let mut receipts = Vec::new();
        let result = self.commit_into(&mut receipts, entries);
        (receipts, result)
    }

    fn commit_into<'a>(
        &mut self,
        receipts: &mut Vec<Receipt>,
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), AuditError> {
        let mut group = Group { head: self.head.clone(), lines: Vec::new(), receipts: Vec::new() };
        for entry in entries {
            let used = self.growing.bytes().saturating_add(group.lines.len() as u64);
            let needed = entry.len().saturating_add(record::ENVELOPE_BYTES_MAX) as u64;
            if used > 0 && used.saturating_add(needed) > self.segment_bytes_max {
                self.flush(&mut group, receipts)?;
                self.rotate()?;
            }
            group.seal(entry);
        }
        self.flush(&mut group, receipts)
    }

    fn flush(&mut self, group: &mut Group, receipts: &mut Vec<Receipt>) -> Result<(), AuditError> {
        if !group.lines.is_empty() {
            self.growing
                .append(&group.lines)
                .map_err(AuditError::io("cannot write the audit log"))?;
            self.head = group.head.clone();
            self.cut_bytes = 0;
            group.lines.clear();
            receipts.append(&mut group.receipts);
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AuditError> {
        self.growing = Growing::create(&self.directory, self.head.next_seq)
            .map_err(AuditError::io("cannot begin a segment of the audit log"))?;
        Ok(())
    }

    /// After a failure: goes back to the durable end, reads the last segment
    /// again, and proves with a record that writing works.
    pub(super) fn resume(&mut self) -> Result<(), AuditError> {
        let (_, cut) = Growing::reopen(self.growing.segment.clone(), self.growing.bytes())
            .map_err(AuditError::io("cannot open the audit log again"))?;
        self.cut_bytes = self.cut_bytes.saturating_add(cut);
        let end = recover::find_end(&self.directory)?;
        if end.head != self.head {
            return Err(AuditError::new(
                "the audit log on disk is not the one that was written".into(),
            ));
        }
        self.growing = end.growing;
        self.record_cut()
    }

    fn record_cut(&mut self) -> Result<(), AuditError> {
        let entry = record::encode(Entry::Recovered { torn_bytes: self.cut_bytes })?;
        self.commit([entry.as_slice()]).1
    }
}

/// Makes the directory, for its owner only. A power failure must not take a new
/// log's directory away, so its name and its parent's are made durable as well.
fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for parent in directory.ancestors().skip(1).take(2) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match segment::sync_directory(parent) {
            // Above the data directory we may enter without being allowed to look.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => result?,
        }
    }
    Ok(())
}

/// Records that go to disk together.
#[derive(Debug)]
struct Group {
    head: Head,
    lines: Vec<u8>,
    receipts: Vec<Receipt>,
}

impl Group {
    fn seal(&mut self, entry: &[u8]) {
        let seq = self.head.next_seq;
        self.head.seal(entry, OffsetDateTime::now_utc(), &mut self.lines);
        self.receipts.push(Receipt { seq, hash: self.head.hash });
    }
}
