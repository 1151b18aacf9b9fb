//! The log that proves what was decided.
//!
//! ```text
//! append ─▶ record::encode ─▶ queue ─▶ writer ─▶ log.commit ─▶ segment file, fdatasync ─▶ Receipt
//!           canonical JSON    bounded  one thread   chain
//! ```
//!
//! Many callers wait on one fsync (group commit), so that a record per request
//! is affordable. When a record cannot be made durable in time the append fails,
//! and so must whatever it was to prove.
//!
//! Knows no HTTP, no policy and no text but what a record carries. Called by
//! `pipeline` and `app` (append), `cli` (verify, read), `api` (readiness).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::domain::Digest;

mod canonical;
mod chain;
mod error;
mod lock;
mod log;
pub mod read;
pub mod record;
mod recover;
mod segment;
mod shorten;
pub mod verify;
mod writer;

pub use error::AuditError;
pub use record::{DecisionRecord, Entry, Held, LeftOut, StoredText, Timings};
pub use verify::{VerifyReport, verify};

use writer::{Job, Message, State, Writer};

/// The log's place below the data directory.
const DIRECTORY: &str = "audit";
/// Encoded records that may wait for the writer, all together.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Where the log lies: `<data-dir>/audit`.
pub fn directory_in(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY)
}

/// Appends records. Cheap to clone; one writer thread owns the file.
#[derive(Debug, Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Message>,
    queue_bytes: Arc<Semaphore>,
    state: Arc<State>,
    append_wait: Duration,
}

/// Proof that a record is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    seq: u64,
    hash: Digest,
}

impl Receipt {
    /// The record's place in the log, from 0.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The record's hash. Whoever keeps it elsewhere can later show that the log up to here is the same.
    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

/// What was found and mended at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records in the log, from the first one ever.
    pub records: u64,
    /// Bytes of a torn last record that were cut off (kept beside the log).
    pub torn_bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
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

impl Ledger {
    /// Opens or creates the log in `directory`, verifies its last segment, mends a torn tail
    /// (and records that), takes the lock. Blocks on the disk.
    ///
    /// # Errors
    /// The directory cannot be written, another process writes the log, or its end is damaged in a way
    /// that no crash explains.
    pub fn open(directory: &Path, options: LedgerOptions) -> Result<(Self, Recovery), AuditError> {
        let (log, recovery) = log::Log::open(directory, options.segment_bytes_max)?;
        let (sender, queue) =
            mpsc::channel(options.queue_records_max.clamp(1, Semaphore::MAX_PERMITS));
        let state = Arc::new(State::new());
        let writer = Writer { log, queue, state: Arc::clone(&state) };
        std::thread::Builder::new()
            .name("audit-writer".into())
            .spawn(move || writer.run())
            .map_err(AuditError::io("cannot start the audit log's writer"))?;
        let ledger = Self {
            queue: sender,
            queue_bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            state,
            append_wait: Duration::from_millis(options.append_wait_ms_max),
        };
        Ok((ledger, recovery))
    }

    /// Appends and waits until the record is durable. A caller that stops waiting does not take the
    /// record back: it may or may not be in the log.
    ///
    /// # Errors
    /// The disk failed, the queue stayed full, or the writer is gone: fail closed.
    pub async fn append(&self, entry: Entry) -> Result<Receipt, AuditError> {
        self.check()?;
        let entry = record::encode(entry)?;
        match tokio::time::timeout(self.append_wait, self.enqueue(entry)).await {
            Ok(result) => result,
            Err(_) => Err(AuditError::new(format!(
                "the audit record was not durable after {} ms",
                self.append_wait.as_millis()
            ))),
        }
    }

    async fn enqueue(&self, entry: Vec<u8>) -> Result<Receipt, AuditError> {
        let waiting = self.state.wait();
        let bytes = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.queue_bytes)
            .acquire_many_owned(bytes)
            .await
            .map_err(|_| self.refusal())?;
        let (reply, receipt) = oneshot::channel();
        let job = Job { entry, waiting, bytes, reply };
        self.queue.send(Message::Append(job)).await.map_err(|_| self.refusal())?;
        receipt.await.map_err(|_| self.refusal())
    }

    /// Whether the last write worked, none hangs, and the queue has room.
    pub fn is_writable(&self) -> bool {
        self.check().is_ok()
            && self.queue.capacity() > 0
            && self.queue_bytes.available_permits() > 0
            && self.state.commit_running() < self.append_wait
    }

    /// Records that are not durable yet, the ones being written included.
    pub fn lag(&self) -> usize {
        self.state.waiting()
    }

    /// Writes what is queued and stops the writer, for all clones. The lock is free afterwards.
    ///
    /// # Errors
    /// The log could not be written at the end, or did not come to its end in time.
    pub async fn close(self) -> Result<(), AuditError> {
        let closing = async {
            let (reply, closed) = oneshot::channel();
            self.queue.send(Message::Close(reply)).await.map_err(|_| self.refusal())?;
            closed.await.map_err(|_| self.refusal())?
        };
        tokio::time::timeout(self.append_wait, closing)
            .await
            .unwrap_or_else(|_| Err(AuditError::new("the audit log did not close in time".into())))
    }

    fn check(&self) -> Result<(), AuditError> {
        match self.state.failure() {
            Some(_) => Err(self.refusal()),
            None if self.queue.is_closed() => Err(self.refusal()),
            None => Ok(()),
        }
    }

    fn refusal(&self) -> AuditError {
        AuditError::unwritable(
            self.state.failure().as_deref().unwrap_or("the writer refused the record, or is gone"),
        )
    }
}
