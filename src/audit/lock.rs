//! One writer per log: an exclusive lock on `<directory>/lock`, which the
//! operating system gives back when the process ends, however it ends.
//!
//! Called by `log`, and by `verify` to see whether someone is writing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "lock";
/// A verification takes the lock for a moment to see whether it is free.
const TRIES_MAX: u32 = 5;
const TRY_AGAIN_MS: u64 = 20;

/// The right to write. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// `None` when another writer holds it.
    pub(super) fn acquire(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(NAME);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        for _ in 0..TRIES_MAX {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(TRY_AGAIN_MS))
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether a writer is at work. A log without a lock file (a copy) has none.
    pub(super) fn is_held(directory: &Path) -> bool {
        File::open(directory.join(NAME))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}
