//! The bytes of a checkpoint's file: mapped into memory, or part of the program.
//!
//! Knows nothing of formats. A mapped file is not read until its pages are
//! touched, and weights that stay in the file's own form (`matrix`) keep
//! pointing into the mapping, so the operating system can drop and share them.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::ModelError;
use crate::domain::Digest;

/// A file's bytes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Image(Arc<Bytes>);

enum Bytes {
    Mapped(memmap2::Mmap),
    Static(&'static [u8]),
}

impl Image {
    /// Maps `path`, which must stay as it is while the model is in use.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let failed = |error: std::io::Error| {
            ModelError::checkpoint(format!("cannot read `{}`", path.display())).because(error)
        };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() == 0 {
            return Err(ModelError::checkpoint(format!(
                "`{}` is empty; download or convert it again",
                path.display()
            )));
        }
        #[expect(
            unsafe_code,
            reason = "a mapping is only sound while nobody truncates the file; the operator's \
                      guide says that checkpoints are replaced by renaming, never in place"
        )]
        // SAFETY: read-only and private to this process; see the reason above.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
        Ok(Self(Arc::new(Bytes::Mapped(map))))
    }

    pub(super) fn of(bytes: &'static [u8]) -> Self {
        Self(Arc::new(Bytes::Static(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &*self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Static(bytes) => bytes,
        }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.bytes())
    }

    /// A part of the file that keeps the file alive; `None` outside of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Option<ImageSlice> {
        self.bytes().get(range.clone())?;
        Some(ImageSlice { image: self.clone(), range })
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.bytes().len())
    }
}

/// INVARIANT: the range lies inside the image.
#[derive(Debug, Clone)]
pub(super) struct ImageSlice {
    image: Image,
    range: Range<usize>,
}

impl ImageSlice {
    pub(super) fn bytes(&self) -> &[u8] {
        self.image.bytes().get(self.range.clone()).unwrap_or_default()
    }
}
