//! A position in a byte slice that can only move forward inside of it.
//!
//! Knows nothing of what the bytes mean; the rest of `gguf` reads through it.

use super::damaged;
use crate::model::error::ModelError;

#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(file: &'a [u8]) -> Self {
        Self { rest: file, position: 0 }
    }

    /// Bytes taken so far.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    /// The next `length` bytes; `what` names them in the error.
    pub(super) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], ModelError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| {
            damaged(format!(
                "it ends at byte {} in the middle of `{what}`; it was cut short, download it again",
                self.position + self.rest.len()
            ))
        })?;
        self.rest = rest;
        self.position += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, ModelError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, ModelError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of items of at least `item_bytes` each, checked against `max` and the file.
    pub(super) fn count(
        &mut self,
        what: &str,
        max: u64,
        item_bytes: u64,
    ) -> Result<usize, ModelError> {
        let count = self.u64(what)?;
        if count > max || count.saturating_mul(item_bytes) > self.rest.len() as u64 {
            return Err(damaged(format!("`{what}` is {count}, which cannot be true")));
        }
        Ok(usize::try_from(count).unwrap_or_default())
    }

    pub(super) fn text(&mut self, what: &str, bytes_max: u64) -> Result<String, ModelError> {
        let length = self.count(what, bytes_max, 1)?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|error| damaged(format!("`{what}` is not UTF-8")).because(error))
    }
}
