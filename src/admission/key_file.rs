//! The keys file as it is written: `{"version": 1, "keys": […]}`.
//!
//! Read whole, checked, written whole to a file beside it and renamed, so that
//! a reader sees the old keys or the new ones. Holds digests, never keys.
//!
//! Knows no request. Called by `keys`.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admission::LOCAL;
use crate::admission::keys::{KEYS_MAX, KeyStoreError};
use crate::domain::{CallerRole, Digest, Limits};

const VERSION: u32 = 1;
const FILE_BYTES_MAX: u64 = 8 << 20;
const NAME_BYTES_MAX: usize = 64;
const LOCK_TRIES_MAX: u32 = 100;
const LOCK_WAIT_MS: u64 = 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<WrittenKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKey {
    pub(super) name: String,
    /// Of the whole key as it is sent.
    pub(super) digest: Digest,
    pub(super) role: CallerRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) limits: Limits,
    /// RFC 3339.
    pub(super) created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<String>,
}

/// Tells whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

/// What the file at `path` looks like; `None` when there is none.
pub(super) fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, KeyStoreError> {
    match std::fs::metadata(path) {
        Ok(file) => Ok(Some(Fingerprint {
            inode: file.ino(),
            bytes: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
            modified: (file.mtime(), file.mtime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(KeyStoreError::io(format!("cannot read the keys file `{}`", path.display()), error))
        }
    }
}

/// The keys in the file; none when there is no file.
pub(super) fn read(path: &Path) -> Result<Vec<WrittenKey>, KeyStoreError> {
    let unreadable =
        |error| KeyStoreError::io(format!("cannot read the keys file `{}`", path.display()), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(KeyStoreError::new(format!(
            "the keys file `{}` has more than {FILE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    let document: Document = serde_json::from_slice(&text).map_err(|error| {
        KeyStoreError::with_source(
            format!("the keys file `{}` is not readable as one", path.display()),
            error,
        )
    })?;
    check(&document)
        .map_err(|why| KeyStoreError::new(format!("the keys file `{}`: {why}", path.display())))?;
    Ok(document.keys)
}

fn check(document: &Document) -> Result<(), String> {
    if document.version != VERSION {
        return Err(format!("version {} is not known to this program", document.version));
    }
    if document.keys.len() > KEYS_MAX {
        return Err(format!("{} keys are more than {KEYS_MAX}", document.keys.len()));
    }
    let (mut names, mut digests) = (HashSet::new(), HashSet::new());
    for key in &document.keys {
        check_name(&key.name)?;
        key.policy.as_deref().map_or(Ok(()), check_charset)?;
        if !names.insert(&key.name) {
            return Err(format!("the name `{}` stands there twice", key.name));
        }
        if !digests.insert(key.digest) {
            return Err(format!("the key of `{}` has another name as well", key.name));
        }
    }
    Ok(())
}

/// A name is 1 to 64 of `a-z 0-9 . _ -`: it goes into logs and metrics as it is.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    check_charset(name)?;
    if name == LOCAL {
        return Err(format!("the name `{LOCAL}` means callers without a key"));
    }
    Ok(())
}

pub(super) fn check_charset(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(format!(
            "`{}` is not a name: use 1 to {NAME_BYTES_MAX} of a-z 0-9 . _ -",
            shown.escape_debug()
        ));
    }
    Ok(())
}

/// Replaces the file. The new one is durable when this returns.
pub(super) fn write(path: &Path, keys: Vec<WrittenKey>) -> Result<(), KeyStoreError> {
    let document = Document { version: VERSION, keys };
    check(&document).map_err(KeyStoreError::new)?;
    let context = || format!("cannot write the keys file `{}`", path.display());
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|error| KeyStoreError::with_source(context(), error))?;
    text.push(b'\n');
    replace(path, &text).map_err(|error| KeyStoreError::io(context(), error))
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = beside(path, "new");
    // Left over by a run that was cut off; the lock says that nobody is writing it.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(directory_of(path))?.sync_all()
}

/// Held while the file is read, changed and written, against another run of the command.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Also makes the directory.
    pub(super) fn acquire(path: &Path) -> Result<Self, KeyStoreError> {
        let context = || format!("cannot lock the keys file `{}`", path.display());
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(directory_of(path))?;
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(beside(path, "lock"))
        };
        let file = open().map_err(|error| KeyStoreError::io(context(), error))?;
        for _ in 0..LOCK_TRIES_MAX {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(std::fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(LOCK_WAIT_MS))
                }
                Err(std::fs::TryLockError::Error(error)) => {
                    return Err(KeyStoreError::io(context(), error));
                }
            }
        }
        Err(KeyStoreError::new(format!("{}: another process holds the lock", context())))
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
