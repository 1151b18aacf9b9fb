//! One metadata value of a GGUF file.
//!
//! Keeps what Llama needs in its compact form: arrays of text, of 32-bit
//! floats and of integers. Other arrays are walked over and dropped.

use super::damaged;
use super::reader::Reader;
use crate::model::error::ModelError;

const TEXT_BYTES_MAX: u64 = 1 << 24;
const ARRAY_ITEMS_MAX: u64 = 1 << 22;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    /// An array that nothing here reads; how many items.
    Other(usize),
}

impl Value {
    pub(super) fn read(reader: &mut Reader<'_>, key: &str) -> Result<Self, ModelError> {
        let kind = reader.u32(key)?;
        match kind {
            8 => reader.text(key, TEXT_BYTES_MAX).map(Self::Text),
            9 => Self::read_array(reader, key),
            _ => Self::read_scalar(reader, kind, key),
        }
    }

    fn read_scalar(reader: &mut Reader<'_>, kind: u32, key: &str) -> Result<Self, ModelError> {
        Ok(match kind {
            0 => Self::Unsigned(u8::from_le_bytes(reader.array(key)?).into()),
            1 => Self::Signed(i8::from_le_bytes(reader.array(key)?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(reader.array(key)?).into()),
            3 => Self::Signed(i16::from_le_bytes(reader.array(key)?).into()),
            4 => Self::Unsigned(reader.u32(key)?.into()),
            5 => Self::Signed(i32::from_le_bytes(reader.array(key)?).into()),
            6 => Self::Float(f32::from_le_bytes(reader.array(key)?).into()),
            7 => Self::Bool(reader.array::<1>(key)? != [0]),
            10 => Self::Unsigned(reader.u64(key)?),
            11 => Self::Signed(i64::from_le_bytes(reader.array(key)?)),
            12 => Self::Float(f64::from_le_bytes(reader.array(key)?)),
            _ => {
                return Err(damaged(format!(
                    "the metadata key `{key}` has the unknown type {kind}"
                )));
            }
        })
    }

    fn read_array(reader: &mut Reader<'_>, key: &str) -> Result<Self, ModelError> {
        let kind = reader.u32(key)?;
        let item_bytes = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => return Err(damaged(format!("the metadata key `{key}` is an array of arrays"))),
            _ => {
                return Err(damaged(format!(
                    "the metadata key `{key}` has the unknown type {kind}"
                )));
            }
        };
        let count = reader.count(key, ARRAY_ITEMS_MAX, item_bytes)?;
        match kind {
            8 => (0..count)
                .map(|_| reader.text(key, TEXT_BYTES_MAX))
                .collect::<Result<_, _>>()
                .map(Self::Texts),
            6 => (0..count)
                .map(|_| reader.array(key).map(f32::from_le_bytes))
                .collect::<Result<_, _>>()
                .map(Self::Floats),
            4 | 5 => (0..count)
                .map(|_| Ok(Self::read_scalar(reader, kind, key)?.as_i64().unwrap_or_default()))
                .collect::<Result<_, _>>()
                .map(Self::Integers),
            _ => {
                let item_bytes = usize::try_from(item_bytes).unwrap_or_default();
                reader.take(count.saturating_mul(item_bytes), key)?;
                Ok(Self::Other(count))
            }
        }
    }

    pub(in crate::model) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Unsigned(value) => i64::try_from(*value).ok(),
            Self::Signed(value) => Some(*value),
            _ => None,
        }
    }

    pub(in crate::model) const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub(in crate::model) const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(in crate::model) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }
}
