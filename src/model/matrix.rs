//! A weight matrix in the form that its file stores it, ready to multiply.
//!
//! Activations are always F32. F32 weights are copied out of the file; F16 and
//! BF16 weights stay in the mapped file and are widened, a block of rows at a
//! time, while they are multiplied, which is exact; ggml blocks are handed to
//! candle, whose kernels quantise the activations to 8 bits, as llama.cpp does.
//! Knows nothing of layers or names; `checkpoint` makes it, `llama` applies it.

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use std::sync::Arc;
use zerocopy::FromBytes;

use super::error::ModelError;
use super::image::ImageSlice;

/// Elements that are widened at a time: a mebibyte of F32, which a core's cache holds.
const BLOCK_ELEMENTS: usize = 1 << 18;

/// Rows by columns, that is outputs by inputs. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    weights: Weights,
    rows: usize,
    columns: usize,
}

#[derive(Debug, Clone)]
enum Weights {
    Full(Tensor),
    Half { bytes: ImageSlice, kind: HalfKind },
    Blocks { table: Arc<QTensor>, product: QMatMul },
}

#[derive(Debug, Clone, Copy)]
enum HalfKind {
    F16,
    BF16,
}

impl Matrix {
    /// # Errors
    /// When the bytes are not the size of `rows` times `columns` elements of `dtype`.
    pub(super) fn new(
        dtype: GgmlDType,
        rows: usize,
        columns: usize,
        bytes: ImageSlice,
    ) -> Result<Self, ModelError> {
        let expected = (columns / dtype.block_size())
            .checked_mul(dtype.type_size())
            .and_then(|row| row.checked_mul(rows));
        if !columns.is_multiple_of(dtype.block_size()) || expected != Some(bytes.bytes().len()) {
            return Err(ModelError::checkpoint("a tensor's bytes do not fit its shape"));
        }
        let weights = match dtype {
            GgmlDType::F32 => Weights::Full(full(bytes.bytes(), rows, columns)?),
            GgmlDType::F16 => half(bytes, HalfKind::F16, rows, columns)?,
            GgmlDType::BF16 => half(bytes, HalfKind::BF16, rows, columns)?,
            _ => blocks(dtype, bytes.bytes(), rows, columns)?,
        };
        Ok(Self { weights, rows, columns })
    }

    /// `xs` times the transpose: (tokens, columns) to (tokens, rows), F32.
    pub(super) fn apply(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        match &self.weights {
            Weights::Full(weights) => Ok(xs.matmul(&weights.t()?)?),
            Weights::Blocks { product, .. } => Ok(product.forward(xs)?),
            Weights::Half { bytes, kind } => {
                let rows_per_block = (BLOCK_ELEMENTS / self.columns.max(1)).max(1);
                let block_bytes = rows_per_block * self.columns * 2;
                let parts = bytes
                    .bytes()
                    .par_chunks(block_bytes)
                    .map(|block| {
                        let block = kind.widen(block)?;
                        let rows = block.len() / self.columns.max(1);
                        let block = Tensor::from_vec(block, (rows, self.columns), &Device::Cpu)?;
                        Ok(xs.matmul(&block.t()?)?)
                    })
                    .collect::<Result<Vec<_>, ModelError>>()?;
                Ok(Tensor::cat(&parts, 1)?)
            }
        }
    }

    /// The rows that `ids` name: (ids, columns), F32.
    pub(super) fn rows_at(&self, ids: &[u32]) -> Result<Tensor, ModelError> {
        let index = || Tensor::new(ids, &Device::Cpu);
        match &self.weights {
            Weights::Full(weights) => Ok(weights.index_select(&index()?, 0)?),
            Weights::Blocks { table, .. } => Ok(table.embedding(&index()?)?),
            Weights::Half { bytes, kind } => {
                let mut rows = Vec::with_capacity(ids.len() * self.columns);
                for &id in ids {
                    let start = id as usize * self.columns * 2;
                    let row = bytes
                        .bytes()
                        .get(start..start + self.columns * 2)
                        .ok_or_else(|| ModelError::computation("a token id is out of range"))?;
                    rows.extend(kind.widen(row)?);
                }
                Ok(Tensor::from_vec(rows, (ids.len(), self.columns), &Device::Cpu)?)
            }
        }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }
}

/// A vector of `length` F32 numbers, from any of the unquantised types.
pub(super) fn vector(
    dtype: GgmlDType,
    length: usize,
    bytes: &ImageSlice,
) -> Result<Tensor, ModelError> {
    let values = match dtype {
        GgmlDType::F32 => return Ok(full(bytes.bytes(), 1, length)?.flatten_all()?),
        GgmlDType::F16 => HalfKind::F16.widen(bytes.bytes())?,
        GgmlDType::BF16 => HalfKind::BF16.widen(bytes.bytes())?,
        _ => return Err(ModelError::checkpoint("a normalisation vector is quantised")),
    };
    Ok(Tensor::from_vec(values, length, &Device::Cpu)?)
}

fn full(bytes: &[u8], rows: usize, columns: usize) -> Result<Tensor, ModelError> {
    Ok(Tensor::from_raw_buffer(bytes, DType::F32, &[rows, columns], &Device::Cpu)?)
}

fn half(
    bytes: ImageSlice,
    kind: HalfKind,
    rows: usize,
    columns: usize,
) -> Result<Weights, ModelError> {
    if (bytes.bytes().as_ptr() as usize).is_multiple_of(align_of::<f16>()) {
        return Ok(Weights::Half { bytes, kind });
    }
    // A writer that aligns nothing; rare enough to pay with memory.
    let dtype = match kind {
        HalfKind::F16 => DType::F16,
        HalfKind::BF16 => DType::BF16,
    };
    let weights = Tensor::from_raw_buffer(bytes.bytes(), dtype, &[rows, columns], &Device::Cpu)?;
    Ok(Weights::Full(weights.to_dtype(DType::F32)?))
}

fn blocks(
    dtype: GgmlDType,
    bytes: &[u8],
    rows: usize,
    columns: usize,
) -> Result<Weights, ModelError> {
    // candle casts the bytes to its block structures and panics when they are not aligned.
    const BLOCK_ALIGNMENT: usize = 4;
    let aligned = |bytes: &[u8]| (bytes.as_ptr() as usize).is_multiple_of(BLOCK_ALIGNMENT);
    let copy;
    let bytes = if aligned(bytes) {
        bytes
    } else {
        copy = bytes.to_vec();
        copy.as_slice()
    };
    if !aligned(bytes) {
        return Err(ModelError::computation("the allocator returned unaligned memory"));
    }
    let storage = QStorage::from_data(bytes.into(), &Device::Cpu, dtype)?;
    let table = Arc::new(QTensor::new(storage, (rows, columns))?);
    let product = QMatMul::from_arc(Arc::clone(&table))?;
    Ok(Weights::Blocks { table, product })
}

impl HalfKind {
    /// The numbers in `bytes`, each exactly.
    fn widen(self, bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
        let unaligned = || ModelError::computation("half-precision weights are not aligned");
        match self {
            Self::F16 => <[f16]>::ref_from_bytes(bytes)
                .map(HalfFloatSliceExt::to_f32_vec)
                .map_err(|_| unaligned()),
            Self::BF16 => <[bf16]>::ref_from_bytes(bytes)
                .map(HalfFloatSliceExt::to_f32_vec)
                .map_err(|_| unaligned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Image;

    const ROWS: usize = 48;
    const COLUMNS: usize = 512;

    /// Numbers without a pattern, of a spread of about 1.
    fn noise(rows: usize, columns: usize, mut state: u64) -> Tensor {
        let values: Vec<f32> = (0..rows * columns)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * 1.7
            })
            .collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }

    fn stored(bytes: &[u8]) -> ImageSlice {
        let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
        Image::of(bytes).slice(0..bytes.len()).unwrap()
    }

    fn greatest(xs: &Tensor) -> f32 {
        xs.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    /// Against a product in F32 with the weights that the blocks stand for.
    fn error_of(dtype: GgmlDType, tokens: usize) -> f32 {
        let table = QTensor::quantize(&noise(ROWS, COLUMNS, 1), dtype).unwrap();
        let weights = table.dequantize(&Device::Cpu).unwrap();
        let matrix = Matrix::new(dtype, ROWS, COLUMNS, stored(&table.data().unwrap())).unwrap();
        let ids = [3, 0, 47];
        let picked = matrix.rows_at(&ids).unwrap();
        let expected = weights.index_select(&Tensor::new(&ids, &Device::Cpu).unwrap(), 0).unwrap();
        assert_eq!(greatest(&(picked - expected).unwrap()), 0.0, "{dtype:?}");
        let xs = noise(tokens, COLUMNS, 2);
        let expected = xs.matmul(&weights.t().unwrap()).unwrap();
        let error = (matrix.apply(&xs).unwrap() - &expected).unwrap();
        greatest(&error) / greatest(&expected)
    }

    #[test]
    fn unquantised_products_are_exact() {
        for dtype in [GgmlDType::F32, GgmlDType::F16, GgmlDType::BF16] {
            for tokens in [1, 40] {
                let error = error_of(dtype, tokens);
                assert!(error < 1e-6, "{dtype:?} with {tokens} rows: {error}");
            }
        }
    }

    #[test]
    fn block_products_differ_by_the_rounding_of_the_activations_only() {
        for dtype in [
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q5_1,
            GgmlDType::Q8_0,
            GgmlDType::Q2K,
            GgmlDType::Q3K,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ] {
            for tokens in [1, 2, 40] {
                let error = error_of(dtype, tokens);
                println!("{dtype:?} {tokens}: {error}");
                assert!(error < 0.01, "{dtype:?} with {tokens} rows: {error}");
            }
        }
    }

    #[test]
    fn bytes_of_another_size_are_refused() {
        let bytes = stored(&[0; 64]);
        assert!(Matrix::new(GgmlDType::F32, 4, 4, bytes.clone()).is_ok());
        assert!(Matrix::new(GgmlDType::F32, 4, 5, bytes.clone()).is_err());
        assert!(Matrix::new(GgmlDType::Q8_0, 4, 4, bytes.clone()).is_err());
        assert!(Matrix::new(GgmlDType::F16, usize::MAX, usize::MAX, bytes).is_err());
    }
}
