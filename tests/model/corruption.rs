//! Damaged and hostile files: always an error that says something, never a panic.

use std::path::Path;

use portcullis::model::Model;

use super::fixtures::{chain, checkpoint};

fn open(path: &Path) -> Result<(), String> {
    let model = Model::load(path, None).map_err(|error| chain(&error))?;
    // What passes every check must also run, or say that it does not.
    let mut sequence =
        model.sequence(4.min(model.card().context_tokens)).map_err(|error| chain(&error))?;
    model.forward(&mut sequence, &[1]).map(|_| ()).map_err(|error| chain(&error))
}

/// Writes `bytes` as a file and opens it.
fn open_gguf(directory: &Path, bytes: &[u8]) -> Result<(), String> {
    let path = directory.join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    open(&path)
}

/// A copy of a Hugging Face directory in which `name` has the content `bytes`.
fn open_directory(directory: &Path, source: &str, name: &str, bytes: &[u8]) -> Result<(), String> {
    for entry in std::fs::read_dir(checkpoint(source)).unwrap() {
        let entry = entry.unwrap();
        let target = directory.join(entry.file_name());
        if !target.exists() {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
    std::fs::write(directory.join(name), bytes).unwrap();
    open(directory)
}

/// Points all over a file of `length` bytes, the header closely.
fn points(length: usize, header: usize, steps: usize) -> impl Iterator<Item = usize> {
    (0..header.min(length)).step_by(97).chain((0..steps).map(move |step| length * step / steps))
}

#[test]
fn a_gguf_file_cut_short_anywhere_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint("gguf-q8_0-gqa.gguf")).unwrap();
    for length in points(bytes.len(), 12_000, 60).chain([bytes.len() - 1]) {
        let error = open_gguf(directory.path(), &bytes[..length]).unwrap_err();
        assert!(error.contains("gguf") || error.contains("GGUF"), "{length}: {error}");
    }
}

#[test]
fn a_gguf_header_with_any_byte_changed_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint("gguf-q4_0.gguf")).unwrap();
    let tensors = bytes.windows(10).position(|window| window == b"token_embd").unwrap();
    let mut refused = 0;
    let mut tried = 0;
    for at in (0..700).step_by(7).chain((tensors..tensors + 1_200).step_by(13)) {
        for value in [0x00, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] = value;
            tried += 1;
            refused += usize::from(open_gguf(directory.path(), &changed).is_err());
        }
    }
    // The rest changed a name, a zero, or a number within its range.
    println!("{refused} of {tried} refused");
    assert!(refused > tried / 3, "{refused} of {tried}");
}

#[test]
fn impossible_counts_cost_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint("gguf-f32.gguf")).unwrap();
    for (at, what) in [(8, "tensor_count"), (16, "metadata_kv_count"), (24, "metadata key")] {
        for count in [u64::MAX, 1 << 62, 1 << 40, 1 << 31] {
            let mut changed = bytes.clone();
            changed[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let error = open_gguf(directory.path(), &changed).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
    assert!(peak_memory_mib().is_none_or(|mib| mib < 256), "{:?}", peak_memory_mib());
}

/// The most memory that this process has held, where the system tells.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// Replaces the value of a metadata key, whose type stays the same.
fn with_key(bytes: &[u8], key: &str, value: &[u8]) -> Vec<u8> {
    let start = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
    let at = start + key.len() + 4;
    let mut changed = bytes.to_vec();
    changed[at..at + value.len()].copy_from_slice(value);
    changed
}

#[test]
fn metadata_that_contradicts_the_tensors_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint("gguf-f32.gguf")).unwrap();
    let u32 = |value: u32| value.to_le_bytes().to_vec();
    for (key, value, what) in [
        ("llama.block_count", u32(3), "blk.2.attn_norm.weight"),
        ("llama.block_count", u32(1), "which Llama 2 does not use"),
        ("llama.block_count", u32(u32::MAX), "number of layers"),
        ("llama.embedding_length", u32(64), "rotates"),
        ("llama.attention.head_count", u32(0), "rotates"),
        ("llama.attention.head_count_kv", u32(3), "share"),
        ("llama.attention.head_count_kv", u32(2), "attn_k.weight"),
        ("llama.feed_forward_length", u32(97), "ffn_gate.weight"),
        ("llama.context_length", u32(u32::MAX), "context length"),
        ("llama.context_length", u32(0), "context length"),
        ("llama.rope.freq_base", f32::NAN.to_le_bytes().to_vec(), "RoPE base"),
        (
            "llama.attention.layer_norm_rms_epsilon",
            (-1.0_f32).to_le_bytes().to_vec(),
            "RMS epsilon",
        ),
        ("tokenizer.ggml.bos_token_id", u32(512), "control token 512"),
    ] {
        let result = open_gguf(directory.path(), &with_key(&bytes, key, &value));
        let error = result.expect_err(key);
        assert!(error.contains(what), "{key}: {error}");
    }
}

#[test]
fn other_architectures_and_tokenizers_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(checkpoint("gguf-f32.gguf")).unwrap();
    let text = |value: &str| [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat();
    for (key, value, what) in [
        ("general.architecture", "gemma", "architecture is `gemma`"),
        ("tokenizer.ggml.model", "gpt-2", "tokenizer is `gpt-2`"),
        ("llama.rope.scaling.type", "yarn-x", "RoPE scaling is `yarn-x`"),
    ] {
        let error = open_gguf(directory.path(), &with_key(&bytes, key, &text(value))).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn files_of_other_kinds_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (bytes, what) in [
        (b"".as_slice(), "is empty"),
        (b"GGUF", "cut short"),
        (b"GGUF\x01\0\0\0", "its version is 1"),
        (b"GGUF\0\0\0\x03", "big-endian"),
        (b"PK\x03\x04 a zip archive", "does not begin with `GGUF`"),
    ] {
        let error = open_gguf(directory.path(), bytes).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
    assert!(open(Path::new("/dev/null")).unwrap_err().contains("neither a file nor a directory"));
    assert!(open(&directory.path().join("absent")).unwrap_err().contains("cannot open"));
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path()).unwrap_err().contains("no `config.json`"));
}

#[test]
fn a_shard_cut_short_or_missing_is_refused() {
    let name = "model-00002-of-00002.safetensors";
    let bytes = std::fs::read(checkpoint("hf-f16-shards").join(name)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for length in points(bytes.len(), 1_500, 30) {
        let error =
            open_directory(directory.path(), "hf-f16-shards", name, &bytes[..length]).unwrap_err();
        assert!(error.contains(name), "{length}: {error}");
    }
    std::fs::remove_file(directory.path().join(name)).unwrap();
    assert!(open(directory.path()).unwrap_err().contains(name));
}

#[test]
fn a_safetensors_header_with_any_byte_changed_never_panics() {
    let bytes = std::fs::read(checkpoint("hf-f32-tied").join("model.safetensors")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for at in (0..700).step_by(5) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        let result = open_directory(directory.path(), "hf-f32-tied", "model.safetensors", &changed);
        refused += usize::from(result.is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_configuration_that_is_not_llama_is_refused() {
    let text = std::fs::read_to_string(checkpoint("hf-f32").join("config.json")).unwrap();
    let original: serde_json::Value = serde_json::from_str(&text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (key, value, what) in [
        ("model_type", serde_json::json!("mistral"), "`model_type` is `mistral`"),
        ("hidden_act", serde_json::json!("gelu"), "hidden_act"),
        ("attention_bias", serde_json::json!(true), "biases"),
        ("hidden_size", serde_json::json!(128), "the configuration asks for"),
        ("num_attention_heads", serde_json::json!(0), "attention heads"),
        ("num_hidden_layers", serde_json::json!(1_000_000_000), "number of layers"),
        ("vocab_size", serde_json::json!(100), "do not belong together"),
        ("rope_parameters", serde_json::json!({"rope_type": "llama3", "factor": 8.0}), "`llama3`"),
        (
            "quantization_config",
            serde_json::json!({"quant_method": "gptq"}),
            "quantised safetensors",
        ),
    ] {
        let mut changed = original.clone();
        changed[key] = value;
        let bytes = serde_json::to_vec(&changed).unwrap();
        let error =
            open_directory(directory.path(), "hf-f32", "config.json", &bytes).expect_err(key);
        assert!(error.contains(what), "{key}: {error}");
    }
    let error = open_directory(directory.path(), "hf-f32", "config.json", b"{").unwrap_err();
    assert!(error.contains("cannot read `config.json`"), "{error}");
}

#[test]
fn an_index_cannot_name_files_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let name = "model.safetensors.index.json";
    for file in ["../secret.safetensors", "/etc/passwd", ".hidden.safetensors", "weights.bin"] {
        let index = serde_json::json!({ "weight_map": { "lm_head.weight": file } }).to_string();
        let result = open_directory(directory.path(), "hf-f16-shards", name, index.as_bytes());
        let error = result.expect_err(file);
        assert!(error.contains("impossible files"), "{error}");
    }
}

#[test]
fn a_damaged_tokenizer_is_refused() {
    let text = std::fs::read_to_string(checkpoint("hf-f32").join("tokenizer.json")).unwrap();
    let original: serde_json::Value = serde_json::from_str(&text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (pointer, value) in [
        ("/model/type", serde_json::json!("WordPiece")),
        ("/model/byte_fallback", serde_json::json!(false)),
        ("/model/vocab", serde_json::json!([1, 2])),
        ("/model/vocab", serde_json::json!({"a": 4_000_000_000_u32})),
        ("/model/merges", serde_json::json!([["no", "such"]])),
        ("/added_tokens", serde_json::json!("x")),
    ] {
        let mut changed = original.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let bytes = serde_json::to_vec(&changed).unwrap();
        let error = open_directory(directory.path(), "hf-f32", "tokenizer.json", &bytes)
            .expect_err(pointer);
        assert!(error.contains("tokenizer.json"), "{pointer}: {error}");
    }
}
