//! What texts were found to contain, remembered.
//!
//! A conversation is sent again with every new message; its history was judged
//! before. The cache maps a digest over policy, stage, role and text to the
//! text's [`Reading`]: no text is kept, and a changed policy has another digest,
//! so nothing has to be thrown away. A remembered reading is what judging would
//! give again, therefore the cache never changes a verdict. Owned by the
//! pipeline; the engine itself stays free of state.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache as Map;
use sha2::{Digest as _, Sha256};

use super::reading::{Found, Reading};
use crate::domain::{Digest, Role, Stage};

/// Judging shorter texts takes no longer than remembering them.
const TEXT_BYTES_MIN: usize = 64;
/// What an entry takes besides its findings: key, map and queue nodes.
const ENTRY_BYTES: usize = 256;

/// Readings of texts, by what they depend on. Bounded; the least useful entries go first.
pub struct Cache {
    readings: Map<Key, Arc<Reading>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often texts were known since the last time that somebody asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
}

/// SHA-256 over everything that a reading depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Cache {
    /// A cache of at most `entries_max` texts and about `bytes_max` bytes; `None` when either is 0.
    pub fn new(entries_max: u64, bytes_max: u64) -> Option<Self> {
        // An entry weighs at least its share of the bytes, which bounds their number as well.
        let share = bytes_max.checked_div(entries_max)?;
        let least = u32::try_from(share).unwrap_or(u32::MAX);
        let weigh = move |_: &Key, reading: &Arc<Reading>| {
            let found = reading.found.len() * size_of::<Found>();
            let unjudged = reading.unjudged.len() * size_of::<(Range<usize>, u8)>();
            u32::try_from(ENTRY_BYTES + found + unjudged).unwrap_or(u32::MAX).max(least)
        };
        (bytes_max > 0).then(|| Self {
            readings: Map::builder().weigher(weigh).max_capacity(bytes_max).build(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The reading under `key`, made by `read` when it is not known.
    pub(super) fn reading(&self, key: Key, read: impl FnOnce() -> Reading) -> Arc<Reading> {
        if let Some(known) = self.readings.get(&key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return known;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let reading = Arc::new(read());
        self.readings.insert(key, Arc::clone(&reading));
        reading
    }

    /// How often texts were known since the last call, for a metric.
    pub fn take_counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.swap(0, Ordering::Relaxed),
            misses: self.misses.swap(0, Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("entries", &self.readings.entry_count())
            .finish_non_exhaustive()
    }
}

impl Key {
    /// `None` for texts that are not worth it.
    pub(super) fn of(
        policy: Digest,
        stage: Stage,
        role: Role,
        text: &str,
        seams: &[Range<usize>],
    ) -> Option<Self> {
        if text.len() < TEXT_BYTES_MIN {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(policy.0);
        hash.update([stage as u8, role as u8]);
        // The number of seams first, so that no text can pose as seams and less text.
        hash.update((seams.len() as u64).to_be_bytes());
        for seam in seams {
            hash.update((seam.start as u64).to_be_bytes());
            hash.update((seam.end as u64).to_be_bytes());
        }
        hash.update(text);
        Some(Self(hash.finalize().into()))
    }
}
