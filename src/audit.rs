//! The log that proves what was decided. SKELETON.

use std::path::Path;

use crate::domain::Digest;

pub mod record;

pub use record::{DecisionRecord, Entry, Held, StoredText, Timings};

/// Appends records. Cheap to clone; one writer thread owns the file.
#[derive(Debug, Clone)]
pub struct Ledger {}

/// Proof that a record is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    seq: u64,
    hash: Digest,
}

impl Receipt {
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

/// What was found and mended at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    pub records: u64,
    /// Bytes of a torn last record that were cut off (kept beside the log).
    pub torn_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// Records that may wait for the writer.
    pub queue_records_max: usize,
    /// A segment is closed at this size.
    pub segment_bytes_max: u64,
    /// How long an append may take, queue included, before it counts as failed.
    pub append_wait_ms_max: u64,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { queue_records_max: 4096, segment_bytes_max: 64 << 20, append_wait_ms_max: 5_000 }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AuditError {
    pub(crate) message: String,
    #[source]
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Ledger {
    /// Opens or creates the log in `directory`, verifies its last segment, mends a torn tail, takes the lock.
    pub fn open(
        _directory: &Path,
        _options: LedgerOptions,
    ) -> Result<(Self, Recovery), AuditError> {
        todo!()
    }

    /// Appends and waits until the record is durable.
    ///
    /// # Errors
    /// The disk failed, the queue stayed full, or the writer is gone: fail closed.
    pub async fn append(&self, _entry: Entry) -> Result<Receipt, AuditError> {
        todo!()
    }

    /// Whether the last write worked and the queue has room.
    pub fn is_writable(&self) -> bool {
        todo!()
    }

    /// Records waiting for the writer.
    pub fn lag(&self) -> usize {
        todo!()
    }

    /// Writes what is queued and stops the writer.
    pub async fn close(self) -> Result<(), AuditError> {
        todo!()
    }
}
