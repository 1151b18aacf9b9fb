//! Where the golden files are, and their form.

use std::path::{Path, PathBuf};

use portcullis::model::Model;
use serde::Deserialize;

/// Every checkpoint: its file or directory, and the name of its expectations.
pub(super) const CHECKPOINTS: &[(&str, &str)] = &[
    ("hf-f32", "hf-f32"),
    ("hf-bf16-gqa", "hf-bf16-gqa"),
    ("hf-f16-shards", "hf-f16-shards"),
    ("hf-f32-tied", "hf-f32-tied"),
    ("gguf-f32.gguf", "gguf-f32"),
    ("gguf-f16-gqa.gguf", "gguf-f16-gqa"),
    ("gguf-bf16.gguf", "gguf-bf16"),
    ("gguf-q8_0-gqa.gguf", "gguf-q8_0-gqa"),
    ("gguf-q4_0.gguf", "gguf-q4_0"),
    ("gguf-q4_k.gguf", "gguf-q4_k"),
    ("gguf-mixed.gguf", "gguf-mixed"),
];

/// What transformers computes in float32 with the (dequantised) weights.
#[derive(Debug, Deserialize)]
pub(super) struct Expected {
    pub(super) quantised: bool,
    /// Standard deviation of the logits.
    pub(super) spread: f32,
    pub(super) prompts: Vec<ExpectedPrompt>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExpectedPrompt {
    pub(super) ids: Vec<u32>,
    /// After the last id.
    pub(super) logits: Vec<f32>,
    /// The best token after each id.
    pub(super) best: Vec<u32>,
    /// Of each id but the first.
    pub(super) logprobs: Vec<f32>,
    pub(super) answer_ids: Vec<u32>,
    pub(super) answer: String,
}

pub(super) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

pub(super) fn checkpoint(name: &str) -> PathBuf {
    golden("checkpoints").join(name)
}

pub(super) fn load(name: &str) -> Model {
    Model::load(&checkpoint(name), None).unwrap()
}

pub(super) fn expected(name: &str) -> Expected {
    read(&checkpoint(&format!("{name}.expected.json")))
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// An error with its causes, as the command line prints it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
