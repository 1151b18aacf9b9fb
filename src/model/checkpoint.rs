//! A checkpoint that was opened and understood, but whose weights are not read yet.
//!
//! Two forms exist, GGUF files and Hugging Face directories; each names the
//! same parts of the network differently. Here the parts are found, compared
//! with the configuration and put together. Knows nothing of how the network
//! computes; `Model` is its only caller.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use candle_core::Tensor;
use candle_core::quantized::GgmlDType;

use super::config::Config;
use super::error::ModelError;
use super::image::{Image, ImageSlice};
use super::llama::{Layer, Llama};
use super::matrix::{self, Matrix};
use super::tokenizer::Tokenizer;
use crate::domain::Digest;

mod gguf;
mod hugging_face;
mod hugging_face_config;

/// One weight of the network, whatever its file calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Embedding,
    Norm,
    Head,
    AttentionNorm(usize),
    Query(usize),
    Key(usize),
    Value(usize),
    Output(usize),
    FeedForwardNorm(usize),
    Gate(usize),
    Up(usize),
    Down(usize),
}

/// A tensor as it lies in its file.
#[derive(Debug, Clone)]
struct Stored {
    dtype: GgmlDType,
    shape: Vec<usize>,
    bytes: ImageSlice,
}

/// Where tensors come from.
trait Store: fmt::Debug + Send + Sync {
    fn name_of(&self, part: Part) -> String;
    fn stored(&self, name: &str) -> Option<Stored>;
    fn names(&self) -> Vec<String>;
    /// Tensors of this name carry nothing that the network needs.
    fn is_ignored(&self, name: &str) -> bool;
}

/// A file that belongs to the checkpoint.
#[derive(Debug, Clone)]
struct CheckpointFile {
    name: String,
    image: Image,
}

/// What a tensor of the checkpoint is.
#[derive(Debug, Clone)]
pub struct TensorSummary {
    pub name: String,
    /// e.g. `Q8_0`, `F16`.
    pub storage: &'static str,
    /// Rows before columns.
    pub shape: Vec<usize>,
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) tokenizer: Tokenizer,
    store: Box<dyn Store>,
    files: Vec<CheckpointFile>,
}

impl Checkpoint {
    /// A GGUF file or a Hugging Face directory.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            ModelError::checkpoint(format!("cannot open the model `{}`", path.display()))
                .because(error)
        })?;
        if metadata.is_dir() {
            return hugging_face::open(path);
        }
        // Opening a pipe would wait for its writer.
        if !metadata.is_file() {
            return Err(ModelError::checkpoint(format!(
                "`{}` is neither a file nor a directory",
                path.display()
            )));
        }
        let name = file_name(path);
        let image = Image::open(path)?;
        gguf::open(&name, image)
            .map_err(|error| ModelError::checkpoint(format!("cannot use `{name}`")).because(error))
    }

    pub(super) fn of_gguf_bytes(name: &str, bytes: &'static [u8]) -> Result<Self, ModelError> {
        gguf::open(name, Image::of(bytes))
    }

    /// SHA-256 of the one file; of several, SHA-256 over the lines `<hex>  <name>` that
    /// `sha256sum` prints for them in the order of their names.
    pub(super) fn digest(&self) -> Digest {
        if let [file] = self.files.as_slice() {
            return file.image.digest();
        }
        let listing: String = self
            .files
            .iter()
            .map(|file| format!("{}  {}\n", hex::encode(file.image.digest().0), file.name))
            .collect();
        Digest::of(listing.as_bytes())
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.image.bytes().len() as u64).sum()
    }

    /// In the order of their names.
    pub(super) fn tensors(&self) -> Vec<TensorSummary> {
        let mut names = self.store.names();
        names.sort();
        names
            .into_iter()
            .filter_map(|name| {
                let Stored { dtype, shape, bytes } = self.store.stored(&name)?;
                let bytes = bytes.bytes().len() as u64;
                Some(TensorSummary { name, storage: storage_name(dtype), shape, bytes })
            })
            .collect()
    }

    /// Reads the weights. `progress` is told the bytes of each part as it is ready.
    ///
    /// # Errors
    /// When a part is missing, has another shape than the configuration asks for, or when there
    /// is a tensor that the network would not use.
    pub(super) fn assemble(&self, progress: &mut dyn FnMut(u64)) -> Result<Llama, ModelError> {
        let mut parts = Parts { store: &*self.store, used: HashSet::new(), progress };
        let config = self.config.clone();
        let embedding = parts.matrix(Part::Embedding, config.vocabulary, config.hidden)?;
        let layers = (0..config.layers)
            .map(|index| parts.layer(index, &config))
            .collect::<Result<_, _>>()?;
        let norm = parts.vector(Part::Norm, config.hidden)?;
        let head = if config.tied {
            embedding.clone()
        } else {
            parts.matrix(Part::Head, config.vocabulary, config.hidden)?
        };
        parts.refuse_unused(config.tied)?;
        Ok(Llama { config, embedding, layers, norm, head })
    }
}

/// Takes parts out of a store and remembers which.
struct Parts<'a> {
    store: &'a dyn Store,
    used: HashSet<String>,
    progress: &'a mut dyn FnMut(u64),
}

impl Parts<'_> {
    fn layer(&mut self, index: usize, config: &Config) -> Result<Layer, ModelError> {
        let Config { hidden, intermediate, heads, kv_heads, head, .. } = *config;
        Ok(Layer {
            attention_norm: self.vector(Part::AttentionNorm(index), hidden)?,
            query: self.matrix(Part::Query(index), heads * head, hidden)?,
            key: self.matrix(Part::Key(index), kv_heads * head, hidden)?,
            value: self.matrix(Part::Value(index), kv_heads * head, hidden)?,
            output: self.matrix(Part::Output(index), hidden, heads * head)?,
            feed_forward_norm: self.vector(Part::FeedForwardNorm(index), hidden)?,
            gate: self.matrix(Part::Gate(index), intermediate, hidden)?,
            up: self.matrix(Part::Up(index), intermediate, hidden)?,
            down: self.matrix(Part::Down(index), hidden, intermediate)?,
        })
    }

    fn matrix(&mut self, part: Part, rows: usize, columns: usize) -> Result<Matrix, ModelError> {
        let (name, stored) = self.take(part, &[rows, columns])?;
        let size = stored.bytes.bytes().len() as u64;
        let matrix = Matrix::new(stored.dtype, rows, columns, stored.bytes)
            .map_err(|error| unusable(&name).because(error))?;
        (self.progress)(size);
        Ok(matrix)
    }

    fn vector(&mut self, part: Part, length: usize) -> Result<Tensor, ModelError> {
        let (name, stored) = self.take(part, &[length])?;
        matrix::vector(stored.dtype, length, &stored.bytes)
            .map_err(|error| unusable(&name).because(error))
    }

    fn take(&mut self, part: Part, shape: &[usize]) -> Result<(String, Stored), ModelError> {
        let name = self.store.name_of(part);
        let stored = self.store.stored(&name).ok_or_else(|| {
            ModelError::checkpoint(format!(
                "the tensor `{name}` is missing; the checkpoint is incomplete or not a Llama"
            ))
        })?;
        if stored.shape != shape {
            return Err(ModelError::checkpoint(format!(
                "the tensor `{name}` has the shape {:?}, and the configuration asks for {shape:?}",
                stored.shape
            )));
        }
        self.used.insert(name.clone());
        Ok((name, stored))
    }

    /// A bias, an adapter or a second head would change the answers; better none than wrong ones.
    fn refuse_unused(&self, tied: bool) -> Result<(), ModelError> {
        let head = self.store.name_of(Part::Head);
        let unused = self.store.names().into_iter().find(|name| {
            !(self.used.contains(name) || self.store.is_ignored(name) || (tied && *name == head))
        });
        unused.map_or(Ok(()), |name| {
            Err(ModelError::checkpoint(format!(
                "the checkpoint has the tensor `{name}`, which Llama 2 does not use; \
                 it is another architecture or has an adapter that was not merged"
            )))
        })
    }
}

fn unusable(name: &str) -> ModelError {
    ModelError::checkpoint(format!("the tensor `{name}` cannot be used"))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The name that people know a storage type by.
pub(super) const fn storage_name(dtype: GgmlDType) -> &'static str {
    match dtype {
        GgmlDType::F32 => "F32",
        GgmlDType::F16 => "F16",
        GgmlDType::BF16 => "BF16",
        GgmlDType::Q4_0 => "Q4_0",
        GgmlDType::Q4_1 => "Q4_1",
        GgmlDType::Q5_0 => "Q5_0",
        GgmlDType::Q5_1 => "Q5_1",
        GgmlDType::Q8_0 => "Q8_0",
        GgmlDType::Q8_1 => "Q8_1",
        GgmlDType::Q2K => "Q2_K",
        GgmlDType::Q3K => "Q3_K",
        GgmlDType::Q4K => "Q4_K",
        GgmlDType::Q5K => "Q5_K",
        GgmlDType::Q6K => "Q6_K",
        GgmlDType::Q8K => "Q8_K",
    }
}
