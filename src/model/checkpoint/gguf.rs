//! A GGUF file as a checkpoint: its metadata keys and tensor names.
//!
//! Key and tensor names: the GGUF specification and llama.cpp's converter for
//! the architecture `llama`. Knows nothing of the byte format (`model::gguf`).

use super::{Checkpoint, CheckpointFile, Part, Store, Stored};
use crate::model::config::{Config, RopeLayout};
use crate::model::error::ModelError;
use crate::model::gguf::{Header, Value};
use crate::model::image::Image;
use crate::model::tokenizer::Tokenizer;

pub(super) fn open(file_name: &str, image: Image) -> Result<Checkpoint, ModelError> {
    let header = Header::read(image.bytes())?;
    let keys = Keys(&header);
    keys.refuse_what_is_not_computed()?;
    let config = keys.config()?;
    let tokenizer = Tokenizer::of_gguf(&header, config.vocabulary)?;
    let name = header.metadata.get("general.name").and_then(Value::as_str).unwrap_or_default();
    let stem = file_name.strip_suffix(".gguf").unwrap_or(file_name);
    let name = if name.trim().is_empty() { stem.to_owned() } else { name.to_owned() };
    let files = vec![CheckpointFile { name: file_name.to_owned(), image: image.clone() }];
    Ok(Checkpoint { name, config, tokenizer, store: Box::new(GgufStore { header, image }), files })
}

/// Reads metadata by its name.
struct Keys<'a>(&'a Header);

impl Keys<'_> {
    fn config(&self) -> Result<Config, ModelError> {
        let hidden = self.required("llama.embedding_length")?;
        let heads = self.required("llama.attention.head_count")?;
        let embedding = self.0.tensors.get("token_embd.weight").ok_or_else(|| {
            ModelError::checkpoint(
                "the tensor `token_embd.weight` is missing; the file is no model",
            )
        })?;
        Config {
            hidden,
            intermediate: self.required("llama.feed_forward_length")?,
            // The table's own size: `llama.vocab_size` is not always written.
            vocabulary: embedding.shape.first().copied().unwrap_or_default(),
            layers: self.required("llama.block_count")?,
            heads,
            kv_heads: self.optional("llama.attention.head_count_kv")?.unwrap_or(heads),
            head: match self.optional("llama.attention.key_length")? {
                Some(head) => head,
                None => hidden.checked_div(heads).unwrap_or_default(),
            },
            rms_eps: self.number("llama.attention.layer_norm_rms_epsilon")?.ok_or_else(|| {
                ModelError::checkpoint("`llama.attention.layer_norm_rms_epsilon` is missing")
            })?,
            rope_theta: self.number("llama.rope.freq_base")?.unwrap_or(10_000.0),
            rope_scale: self.rope_scale()?,
            rope_layout: RopeLayout::Interleaved,
            context_tokens: self.required("llama.context_length")?,
            tied: !self.0.tensors.contains_key("output.weight"),
        }
        .check()
    }

    fn refuse_what_is_not_computed(&self) -> Result<(), ModelError> {
        let refuse = |what: String| Err(ModelError::checkpoint(what));
        let text = |key: &str| self.0.metadata.get(key).and_then(Value::as_str);
        match text("general.architecture") {
            Some("llama") => {}
            Some(other) => {
                return refuse(format!("its architecture is `{other}`; only `llama` is supported"));
            }
            None => return refuse("`general.architecture` is missing".to_owned()),
        }
        if self.optional("split.count")?.is_some_and(|count| count > 1) {
            return refuse(
                "it is one part of a split file; merge the parts with `llama-gguf-split --merge`"
                    .to_owned(),
            );
        }
        if self.optional("llama.expert_count")?.is_some_and(|count| count > 0) {
            return refuse("it is a mixture of experts, which Llama 2 is not".to_owned());
        }
        let head = self.optional("llama.attention.key_length")?;
        if head.is_some() && head != self.optional("llama.attention.value_length")?.or(head) {
            return refuse("its keys and values have different sizes".to_owned());
        }
        let rotated = self.optional("llama.rope.dimension_count")?;
        let whole = match head {
            Some(head) => Some(head),
            None => self
                .required("llama.embedding_length")?
                .checked_div(self.required("llama.attention.head_count")?),
        };
        if rotated.is_some() && rotated != whole {
            return refuse(
                "it rotates a part of each head only, which Llama 2 does not".to_owned(),
            );
        }
        Ok(())
    }

    fn rope_scale(&self) -> Result<f32, ModelError> {
        let factor = self.number("llama.rope.scaling.factor")?;
        match self.0.metadata.get("llama.rope.scaling.type").and_then(Value::as_str) {
            // Files older than the two keys above have this one.
            None => Ok(self.number("llama.rope.scale_linear")?.unwrap_or(1.0)),
            Some("none") => Ok(1.0),
            Some("linear") => Ok(factor.unwrap_or(1.0)),
            Some(other) => Err(ModelError::checkpoint(format!(
                "its RoPE scaling is `{other}`; `linear` and `none` are supported"
            ))),
        }
    }

    fn required(&self, key: &str) -> Result<usize, ModelError> {
        self.optional(key)?
            .ok_or_else(|| ModelError::checkpoint(format!("the metadata key `{key}` is missing")))
    }

    fn optional(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.0.metadata.get(key) else { return Ok(None) };
        value.as_u64().and_then(|value| usize::try_from(value).ok()).map(Some).ok_or_else(|| {
            ModelError::checkpoint(format!("the metadata key `{key}` is not a number of this kind"))
        })
    }

    fn number(&self, key: &str) -> Result<Option<f32>, ModelError> {
        let Some(value) = self.0.metadata.get(key) else { return Ok(None) };
        value.as_f64().map(|value| Some(value as f32)).ok_or_else(|| {
            ModelError::checkpoint(format!("the metadata key `{key}` is not a fraction"))
        })
    }
}

#[derive(Debug)]
struct GgufStore {
    header: Header,
    image: Image,
}

impl Store for GgufStore {
    fn name_of(&self, part: Part) -> String {
        let (index, name) = match part {
            Part::Embedding => return "token_embd.weight".to_owned(),
            Part::Norm => return "output_norm.weight".to_owned(),
            Part::Head => return "output.weight".to_owned(),
            Part::AttentionNorm(index) => (index, "attn_norm"),
            Part::Query(index) => (index, "attn_q"),
            Part::Key(index) => (index, "attn_k"),
            Part::Value(index) => (index, "attn_v"),
            Part::Output(index) => (index, "attn_output"),
            Part::FeedForwardNorm(index) => (index, "ffn_norm"),
            Part::Gate(index) => (index, "ffn_gate"),
            Part::Up(index) => (index, "ffn_up"),
            Part::Down(index) => (index, "ffn_down"),
        };
        format!("blk.{index}.{name}.weight")
    }

    fn stored(&self, name: &str) -> Option<Stored> {
        let entry = self.header.tensors.get(name)?;
        let bytes = self.image.slice(entry.range.clone())?;
        Some(Stored { dtype: entry.dtype, shape: entry.shape.clone(), bytes })
    }

    fn names(&self) -> Vec<String> {
        self.header.tensors.keys().cloned().collect()
    }

    fn is_ignored(&self, name: &str) -> bool {
        // Early converters wrote the frequencies that follow from the base.
        name.ends_with(".attn_rot_embd") || name.ends_with(".attn_rot_embd.weight")
    }
}
