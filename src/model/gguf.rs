//! Reads the header of a GGUF file: metadata and the place of each tensor.
//!
//! Format: the GGUF specification of the ggml project, versions 2 and 3,
//! little-endian. Every count and length is checked against a limit and
//! against the bytes that are left before anything is allocated, so that a
//! damaged or hostile file costs no more memory than its own size. candle has
//! a reader too; it trusts the alignment and the shapes, so it can divide by
//! zero, and it keeps every array element as an enum of 32 bytes.
//! Knows nothing of Llama; `checkpoint::gguf` and `tokenizer` read from it.

use std::collections::HashMap;

use candle_core::quantized::GgmlDType;

use super::error::ModelError;

mod reader;
mod value;

use reader::Reader;
pub(super) use value::Value;

const ENTRIES_MAX: u64 = 4_096;
const TENSORS_MAX: u64 = 65_536;
const DIMENSIONS_MAX: u32 = 4;
const NAME_BYTES_MAX: u64 = 1_024;
const ALIGNMENT_BYTES_MAX: u64 = 1 << 16;
const ALIGNMENT_BYTES_DEFAULT: u64 = 32;

/// Where one tensor lies and what it is.
#[derive(Debug, Clone)]
pub(super) struct TensorEntry {
    pub(super) dtype: GgmlDType,
    /// Rows before columns, the other way round than in the file.
    pub(super) shape: Vec<usize>,
    /// Of the file's bytes. INVARIANT: inside the file, and exactly the tensor's size.
    pub(super) range: std::ops::Range<usize>,
}

/// A checked header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: HashMap<String, Value>,
    pub(super) tensors: HashMap<String, TensorEntry>,
}

impl Header {
    /// # Errors
    /// When `file` is not a GGUF file of a supported version, is cut short, or contradicts itself.
    pub(super) fn read(file: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader::new(file);
        check_version(&mut reader)?;
        let tensor_count = reader.count("tensor_count", TENSORS_MAX, 24)?;
        let entry_count = reader.count("metadata_kv_count", ENTRIES_MAX, 13)?;
        let mut metadata = HashMap::new();
        for _ in 0..entry_count {
            let key = reader.text("a metadata key", NAME_BYTES_MAX)?;
            let value = Value::read(&mut reader, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(damaged(format!("the metadata key `{key}` occurs twice")));
            }
        }
        let mut places = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            places.push(Place::read(&mut reader)?);
        }
        let data = data_start(&metadata, reader.position())?;
        let mut tensors = HashMap::with_capacity(places.len());
        for place in places {
            let name = place.name.clone();
            if tensors.insert(name.clone(), place.locate(data, file.len())?).is_some() {
                return Err(damaged(format!("the tensor `{name}` occurs twice")));
            }
        }
        Ok(Self { metadata, tensors })
    }
}

fn check_version(reader: &mut Reader<'_>) -> Result<(), ModelError> {
    if reader.take(4, "the magic number")? != b"GGUF" {
        return Err(damaged("it does not begin with `GGUF`".to_owned()));
    }
    match reader.u32("the version")? {
        2 | 3 => Ok(()),
        version if version.swap_bytes() <= 3 => {
            Err(damaged("it is big-endian; convert it to little-endian".to_owned()))
        }
        version => {
            Err(damaged(format!("its version is {version}, and 2 and 3 are supported; convert it")))
        }
    }
}

/// A tensor as the header names it, before its bytes are found.
struct Place {
    name: String,
    dtype: GgmlDType,
    shape: Vec<usize>,
    /// From the start of the data part.
    offset: u64,
}

impl Place {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let name = reader.text("a tensor name", NAME_BYTES_MAX)?;
        let dimensions = reader.u32(&name)?;
        if dimensions == 0 || dimensions > DIMENSIONS_MAX {
            return Err(damaged(format!("the tensor `{name}` has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let length = usize::try_from(reader.u64(&name)?).unwrap_or(usize::MAX);
            shape.push(length);
        }
        shape.reverse();
        let dtype = dtype(reader.u32(&name)?, &name)?;
        let offset = reader.u64(&name)?;
        Ok(Self { name, dtype, shape, offset })
    }

    fn locate(self, data: u64, file_bytes: usize) -> Result<TensorEntry, ModelError> {
        let Self { name, dtype, shape, offset } = self;
        let overflows = || damaged(format!("the tensor `{name}` is larger than the file"));
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &length| product.checked_mul(length))
            .ok_or_else(overflows)?;
        let columns = shape.last().copied().unwrap_or_default();
        if elements == 0 || !columns.is_multiple_of(dtype.block_size()) {
            return Err(damaged(format!(
                "the tensor `{name}` has rows of {columns} elements, which {dtype:?} cannot store"
            )));
        }
        let size =
            (elements / dtype.block_size()).checked_mul(dtype.type_size()).ok_or_else(overflows)?;
        let start = data
            .checked_add(offset)
            .and_then(|start| usize::try_from(start).ok())
            .ok_or_else(overflows)?;
        let end = start.checked_add(size).ok_or_else(overflows)?;
        if end > file_bytes {
            return Err(damaged(format!(
                "the tensor `{name}` ends at byte {end}, and the file has {file_bytes}; \
                 it was cut short, download it again"
            )));
        }
        Ok(TensorEntry { dtype, shape, range: start..end })
    }
}

fn data_start(metadata: &HashMap<String, Value>, position: usize) -> Result<u64, ModelError> {
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT_BYTES_DEFAULT,
        Some(value) => value
            .as_u64()
            .filter(|bytes| bytes.is_power_of_two() && *bytes <= ALIGNMENT_BYTES_MAX)
            .ok_or_else(|| damaged("`general.alignment` is not a small power of two".to_owned()))?,
    };
    Ok((position as u64).next_multiple_of(alignment))
}

/// The storage types that weights come in and candle computes with.
fn dtype(code: u32, tensor: &str) -> Result<GgmlDType, ModelError> {
    Ok(match code {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => {
            return Err(ModelError::checkpoint(format!(
                "the tensor `{tensor}` has storage type {code}, which is not supported; use a file \
                 in F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K"
            )));
        }
    })
}

pub(super) fn damaged(what: String) -> ModelError {
    ModelError::checkpoint(format!("not a usable GGUF file: {what}"))
}
