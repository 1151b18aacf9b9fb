//! The Llama network: token ids in, logits out.
//!
//! Architecture: Touvron et al., "Llama 2" (2023), that is pre-normalisation
//! by RMS, rotary positions, grouped-query attention, and a gated feed-forward
//! layer. Computes in F32. One sequence at a time; the rows of a call are its
//! tokens. Knows nothing of text; `Model` calls it with checked ids.

use candle_core::{D, Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};

use super::cache::Sequence;
use super::config::{Config, RopeLayout};
use super::error::ModelError;
use super::matrix::Matrix;

/// Tokens that one pass takes; more are cut, which bounds the attention scores in memory.
pub(super) const PASS_TOKENS_MAX: usize = 128;

/// The weights of one network.
#[derive(Debug)]
pub(super) struct Llama {
    pub(super) config: Config,
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Tensor,
    /// The output projection.
    pub(super) head: Matrix,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Tensor,
    pub(super) query: Matrix,
    pub(super) key: Matrix,
    pub(super) value: Matrix,
    pub(super) output: Matrix,
    pub(super) feed_forward_norm: Tensor,
    pub(super) gate: Matrix,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
}

/// What the rows of one pass share: the rotation of each position, and who may see whom.
struct Pass {
    cos: Tensor,
    sin: Tensor,
    /// Added to the scores, (tokens, tokens so far); absent when one token sees everything.
    mask: Option<Tensor>,
}

impl Llama {
    /// Appends at most [`PASS_TOKENS_MAX`] `ids`; returns the last layer's output,
    /// (tokens, hidden), before the final normalisation.
    pub(super) fn pass(&self, sequence: &mut Sequence, ids: &[u32]) -> Result<Tensor, ModelError> {
        let pass = self.prepare(sequence.len(), ids.len())?;
        let mut xs = self.embedding.rows_at(ids)?;
        sequence.reserve(ids.len(), &self.config)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = rms_norm(&xs, &layer.attention_norm, self.config.rms_eps)?;
            xs = (xs + self.attend(layer, index, &normed, &pass, sequence)?)?;
            let normed = rms_norm(&xs, &layer.feed_forward_norm, self.config.rms_eps)?;
            let gated = (silu(&layer.gate.apply(&normed)?)? * layer.up.apply(&normed)?)?;
            xs = (xs + layer.down.apply(&gated)?)?;
        }
        sequence.advance(ids.len());
        Ok(xs)
    }

    /// (rows, hidden) to (rows, vocabulary).
    pub(super) fn logits(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        self.head.apply(&rms_norm(&xs.contiguous()?, &self.norm, self.config.rms_eps)?)
    }

    fn attend(
        &self,
        layer: &Layer,
        index: usize,
        xs: &Tensor,
        pass: &Pass,
        sequence: &mut Sequence,
    ) -> Result<Tensor, ModelError> {
        let Config { heads, kv_heads, head, .. } = self.config;
        let group = self.config.group();
        let tokens = xs.dim(0)?;
        let split = |xs: Tensor, heads: usize| {
            xs.reshape((1, tokens, heads, head))?.transpose(1, 2)?.contiguous()
        };
        let query = self.rotate(&split(layer.query.apply(xs)?, heads)?, pass)?;
        let key = self.rotate(&split(layer.key.apply(xs)?, kv_heads)?, pass)?;
        let value = split(layer.value.apply(xs)?, kv_heads)?;
        let (keys, values) = sequence.extend(index, &key.squeeze(0)?, &value.squeeze(0)?)?;

        // The query heads of a group stand under each other, so that one product serves the group.
        let query = (query * (head as f64).sqrt().recip())?;
        let query = query.reshape((kv_heads, group * tokens, head))?;
        let seen = keys.dim(1)?;
        let mut scores = query.matmul(&keys.transpose(1, 2)?)?;
        if let Some(mask) = &pass.mask {
            let by_head = scores.reshape((kv_heads, group, tokens, seen))?;
            scores = by_head.broadcast_add(mask)?.reshape((kv_heads, group * tokens, seen))?;
        }
        let mixed = softmax_last_dim(&scores)?.matmul(&values)?;
        let mixed = mixed.reshape((heads, tokens, head))?.transpose(0, 1)?.contiguous()?;
        layer.output.apply(&mixed.reshape((tokens, heads * head))?)
    }

    fn rotate(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor, ModelError> {
        Ok(match self.config.rope_layout {
            RopeLayout::Halves => rope(xs, &pass.cos, &pass.sin)?,
            RopeLayout::Interleaved => rope_i(xs, &pass.cos, &pass.sin)?,
        })
    }

    fn prepare(&self, start: usize, tokens: usize) -> Result<Pass, ModelError> {
        let head = self.config.head;
        let frequencies: Vec<f32> = (0..head)
            .step_by(2)
            .map(|at| 1.0 / self.config.rope_theta.powf(at as f32 / head as f32))
            .collect();
        let angles: Vec<f32> = (start..start + tokens)
            .flat_map(|position| {
                let position = position as f32 / self.config.rope_scale;
                frequencies.iter().map(move |frequency| position * frequency)
            })
            .collect();
        let angles = Tensor::from_vec(angles, (tokens, head / 2), &Device::Cpu)?;
        let mask = (tokens > 1).then(|| causal_mask(start, tokens)).transpose()?;
        Ok(Pass { cos: angles.cos()?, sin: angles.sin()?, mask })
    }
}

fn causal_mask(start: usize, tokens: usize) -> Result<Tensor, ModelError> {
    let seen = start + tokens;
    let mask: Vec<f32> = (0..tokens)
        .flat_map(|row| {
            (0..seen).map(move |column| if column > start + row { f32::NEG_INFINITY } else { 0.0 })
        })
        .collect();
    Ok(Tensor::from_vec(mask, (tokens, seen), &Device::Cpu)?)
}

/// The last row of `xs`, as a matrix of one row.
pub(super) fn last_row(xs: &Tensor) -> Result<Tensor, ModelError> {
    let rows = xs.dim(D::Minus2)?;
    Ok(xs.narrow(0, rows.saturating_sub(1), 1)?)
}
