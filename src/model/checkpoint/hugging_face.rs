//! A Hugging Face directory as a checkpoint: `config.json`, safetensors, and a tokenizer.
//!
//! The tokenizer is `tokenizer.json`, or the vocabulary of a GGUF file that
//! lies in the same directory. Knows nothing of the keys of `config.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::hugging_face_config::HuggingFaceConfig;
use super::{Checkpoint, CheckpointFile, Part, Store, Stored, file_name};
use crate::model::error::ModelError;
use crate::model::gguf::Header;
use crate::model::image::Image;
use crate::model::tokenizer::Tokenizer;

const CONFIG_BYTES_MAX: usize = 1 << 20;
const INDEX_BYTES_MAX: usize = 1 << 26;
const TOKENIZER_BYTES_MAX: usize = 1 << 26;
const SHARDS_MAX: usize = 1_024;

pub(super) fn open(directory: &Path) -> Result<Checkpoint, ModelError> {
    let mut files = Files { directory, open: BTreeMap::new() };
    if !directory.join("config.json").is_file() {
        return Err(ModelError::checkpoint(format!(
            "`{}` has no `config.json`; name a GGUF file, or a Hugging Face directory",
            directory.display()
        )));
    }
    let config: HuggingFaceConfig = files.json("config.json", CONFIG_BYTES_MAX)?;
    let tokenizer = tokenizer(&mut files, &config)?;
    let store = SafetensorsStore::open(&mut files)?;
    let config = config.config()?;
    if tokenizer.vocabulary() > config.vocabulary {
        return Err(ModelError::checkpoint(format!(
            "the tokenizer has {} tokens and the network {}; they do not belong together",
            tokenizer.vocabulary(),
            config.vocabulary
        )));
    }
    let files =
        files.open.into_iter().map(|(name, image)| CheckpointFile { name, image }).collect();
    let name =
        directory.canonicalize().map_or_else(|_| file_name(directory), |path| file_name(&path));
    Ok(Checkpoint { name, config, tokenizer, store: Box::new(store), files })
}

/// The files of the directory that were used.
struct Files<'a> {
    directory: &'a Path,
    open: BTreeMap<String, Image>,
}

impl Files<'_> {
    fn image(&mut self, name: &str) -> Result<Image, ModelError> {
        let image = Image::open(&self.directory.join(name))?;
        self.open.insert(name.to_owned(), image.clone());
        Ok(image)
    }

    fn json<T: for<'de> Deserialize<'de>>(
        &mut self,
        name: &str,
        bytes_max: usize,
    ) -> Result<T, ModelError> {
        let image = self.image(name)?;
        if image.bytes().len() > bytes_max {
            return Err(ModelError::checkpoint(format!(
                "`{name}` is larger than {bytes_max} bytes"
            )));
        }
        serde_json::from_slice(image.bytes())
            .map_err(|error| ModelError::checkpoint(format!("cannot read `{name}`")).because(error))
    }

    fn with_extension(&self, extension: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(self.directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        found.sort();
        found
    }
}

fn tokenizer(files: &mut Files<'_>, config: &HuggingFaceConfig) -> Result<Tokenizer, ModelError> {
    if files.directory.join("tokenizer.json").is_file() {
        let image = files.image("tokenizer.json")?;
        if image.bytes().len() > TOKENIZER_BYTES_MAX {
            return Err(ModelError::checkpoint("`tokenizer.json` is larger than 64 MiB"));
        }
        return Tokenizer::of_json(image.bytes(), config.bos(), config.eos());
    }
    if let [twin] = files.with_extension("gguf").as_slice() {
        let image = files.image(&file_name(twin))?;
        let header = Header::read(image.bytes())?;
        return Tokenizer::of_gguf(&header, usize::MAX);
    }
    let found = if files.directory.join("tokenizer.model").is_file() {
        "`tokenizer.model` alone cannot be read"
    } else {
        "there is no tokenizer"
    };
    Err(ModelError::checkpoint(format!(
        "{found} in `{}`; put `tokenizer.json`, or one GGUF file of the same model, beside the weights",
        files.directory.display()
    )))
}

#[derive(Debug, Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

#[derive(Debug)]
struct SafetensorsStore {
    tensors: HashMap<String, Stored>,
}

impl SafetensorsStore {
    fn open(files: &mut Files<'_>) -> Result<Self, ModelError> {
        let (shards, index) = shards(files)?;
        let mut tensors = HashMap::new();
        for shard in shards {
            let image = files.image(&shard)?;
            read_shard(&image, &mut tensors).map_err(|error| {
                ModelError::checkpoint(format!(
                    "cannot use `{shard}`; it was damaged or cut short, download it again"
                ))
                .because(error)
            })?;
        }
        if let Some(missing) = index.keys().find(|name| !tensors.contains_key(*name)) {
            return Err(ModelError::checkpoint(format!(
                "the index names the tensor `{missing}`, and no shard has it"
            )));
        }
        Ok(Self { tensors })
    }
}

/// The shards' file names, and the index where there is one.
fn shards(
    files: &mut Files<'_>,
) -> Result<(BTreeSet<String>, HashMap<String, String>), ModelError> {
    const INDEX: &str = "model.safetensors.index.json";
    if files.directory.join(INDEX).is_file() {
        let index: ShardIndex = files.json(INDEX, INDEX_BYTES_MAX)?;
        let shards: BTreeSet<String> = index.weight_map.values().cloned().collect();
        let plain = |name: &String| {
            name.ends_with(".safetensors") && !name.contains(['/', '\\']) && !name.starts_with('.')
        };
        if shards.len() > SHARDS_MAX || !shards.iter().all(plain) {
            return Err(ModelError::checkpoint(format!("`{INDEX}` names impossible files")));
        }
        return Ok((shards, index.weight_map));
    }
    match files.with_extension("safetensors").as_slice() {
        [one] => Ok((BTreeSet::from([file_name(one)]), HashMap::new())),
        [] => Err(ModelError::checkpoint(format!(
            "`{}` has no safetensors files; convert the weights, or use a GGUF file",
            files.directory.display()
        ))),
        _ => Err(ModelError::checkpoint(format!(
            "`{}` has several safetensors files and no `{INDEX}`",
            files.directory.display()
        ))),
    }
}

fn read_shard(image: &Image, tensors: &mut HashMap<String, Stored>) -> Result<(), ModelError> {
    let damaged = || ModelError::checkpoint("its header cannot be true");
    let (header_bytes, metadata) =
        SafeTensors::read_metadata(image.bytes()).map_err(|error| damaged().because(error))?;
    let data = header_bytes.checked_add(size_of::<u64>()).ok_or_else(damaged)?;
    for (name, info) in metadata.tensors() {
        let dtype = match info.dtype {
            Dtype::F32 => GgmlDType::F32,
            Dtype::F16 => GgmlDType::F16,
            Dtype::BF16 => GgmlDType::BF16,
            // Buffers such as position ids; a weight of this type is found missing later.
            _ => continue,
        };
        let (start, end) = info.data_offsets;
        let range = data.checked_add(start).zip(data.checked_add(end)).ok_or_else(damaged)?;
        let bytes = image.slice(range.0..range.1).ok_or_else(damaged)?;
        let stored = Stored { dtype, shape: info.shape.clone(), bytes };
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(ModelError::checkpoint(format!("the tensor `{name}` occurs twice")));
        }
    }
    Ok(())
}

impl Store for SafetensorsStore {
    fn name_of(&self, part: Part) -> String {
        let (index, name) = match part {
            Part::Embedding => return "model.embed_tokens.weight".to_owned(),
            Part::Norm => return "model.norm.weight".to_owned(),
            Part::Head => return "lm_head.weight".to_owned(),
            Part::AttentionNorm(index) => (index, "input_layernorm"),
            Part::Query(index) => (index, "self_attn.q_proj"),
            Part::Key(index) => (index, "self_attn.k_proj"),
            Part::Value(index) => (index, "self_attn.v_proj"),
            Part::Output(index) => (index, "self_attn.o_proj"),
            Part::FeedForwardNorm(index) => (index, "post_attention_layernorm"),
            Part::Gate(index) => (index, "mlp.gate_proj"),
            Part::Up(index) => (index, "mlp.up_proj"),
            Part::Down(index) => (index, "mlp.down_proj"),
        };
        format!("model.layers.{index}.{name}.weight")
    }

    fn stored(&self, name: &str) -> Option<Stored> {
        self.tensors.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn is_ignored(&self, name: &str) -> bool {
        // Older checkpoints carry the frequencies that follow from the base.
        name.ends_with(".rotary_emb.inv_freq")
    }
}
