//! The keys and values of one running sequence.
//!
//! The buffers grow by doubling up to the capacity, so that a short answer
//! does not hold the memory of a long one, and writing a token never moves the
//! others. Knows nothing of weights; `llama` fills it, `inference` owns it.

use candle_core::{DType, Device, Tensor};

use super::config::Config;
use super::error::ModelError;

/// Tokens that the buffers hold at first.
const INITIAL_TOKENS: usize = 256;

/// The state of one running sequence.
#[derive(Debug)]
pub struct Sequence {
    layers: Vec<LayerCache>,
    length: usize,
    /// Tokens for which the buffers have room now.
    allocated: usize,
    /// INVARIANT: `length <= allocated <= capacity`.
    capacity: usize,
}

/// Each (key and value heads, allocated tokens, head size), F32.
#[derive(Debug)]
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl Sequence {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { layers: Vec::new(), length: 0, allocated: 0, capacity }
    }

    /// Tokens in the cache.
    pub const fn len(&self) -> usize {
        self.length
    }

    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Most tokens that it can hold.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// A copy for another choice from the same prompt.
    ///
    /// # Errors
    /// When a buffer cannot be copied.
    pub fn fork(&self) -> Result<Self, ModelError> {
        let layers = self
            .layers
            .iter()
            .map(|layer| Ok(LayerCache { keys: layer.keys.copy()?, values: layer.values.copy()? }))
            .collect::<Result<_, ModelError>>()?;
        Ok(Self { layers, ..*self })
    }

    /// Makes room for `tokens` more.
    pub(super) fn reserve(&mut self, tokens: usize, config: &Config) -> Result<(), ModelError> {
        let needed = self.length + tokens;
        if needed > self.capacity {
            return Err(ModelError::computation(format!(
                "the sequence has room for {} tokens, and {needed} are needed",
                self.capacity
            )));
        }
        if needed <= self.allocated {
            return Ok(());
        }
        let allocated = needed.next_power_of_two().max(INITIAL_TOKENS).min(self.capacity);
        let shape = (config.kv_heads, allocated, config.head);
        let empty = || Tensor::zeros(shape, DType::F32, &Device::Cpu);
        // Layer by layer, so that only one is in memory twice.
        for layer in &mut self.layers {
            for buffer in [&mut layer.keys, &mut layer.values] {
                let larger = empty()?;
                if self.length > 0 {
                    larger.slice_set(&buffer.narrow(1, 0, self.length)?.contiguous()?, 1, 0)?;
                }
                *buffer = larger;
            }
        }
        while self.layers.len() < config.layers {
            self.layers.push(LayerCache { keys: empty()?, values: empty()? });
        }
        self.allocated = allocated;
        Ok(())
    }

    /// Writes one layer's new rows, (heads, tokens, head size), behind the old ones and returns
    /// all of them. They count once [`Self::advance`] was called.
    pub(super) fn extend(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let cache = self
            .layers
            .get(layer)
            .ok_or_else(|| ModelError::computation("a layer has no cache"))?;
        cache.keys.slice_set(&keys.contiguous()?, 1, self.length)?;
        cache.values.slice_set(&values.contiguous()?, 1, self.length)?;
        let seen = self.length + keys.dim(1)?;
        Ok((cache.keys.narrow(1, 0, seen)?, cache.values.narrow(1, 0, seen)?))
    }

    pub(super) const fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }
}
