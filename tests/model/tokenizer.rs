//! Ids against the SentencePiece library, through both forms of the vocabulary.

use std::time::{Duration, Instant};

use portcullis::model::{Model, Tokenizer};
use serde::Deserialize;

use super::fixtures::{chain, checkpoint, golden, load, read};

#[derive(Debug, Deserialize)]
struct Golden {
    texts: Vec<Encoded>,
    decoded: Vec<Encoded>,
}

#[derive(Debug, Deserialize)]
struct Encoded {
    text: String,
    ids: Vec<u32>,
}

fn golden_texts() -> Golden {
    read(&golden("tokenizer/golden.json"))
}

/// One of each form: the vocabulary in a GGUF file, and `tokenizer.json`.
fn both() -> [Tokenizer; 2] {
    ["gguf-f32.gguf", "hf-f32"].map(|name| Tokenizer::open(&checkpoint(name)).unwrap())
}

#[test]
fn ids_are_those_of_sentencepiece() {
    for tokenizer in both() {
        for Encoded { text, ids } in golden_texts().texts {
            assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
        }
    }
}

#[test]
fn text_comes_back_token_by_token() {
    let model = load("gguf-f32.gguf");
    for Encoded { text, ids } in golden_texts().decoded {
        let mut decoder = model.text_decoder();
        let mut decoded: String = ids.iter().map(|&id| decoder.push(id)).collect();
        decoded.push_str(&decoder.finish());
        assert_eq!(decoded, text);
    }
}

#[test]
fn a_continued_text_keeps_its_first_space() {
    let model = load("gguf-f32.gguf");
    let continued = model.render_text("The gateway", 0).unwrap();
    let ids = model.tokenizer().encode("reads").unwrap();
    let decode = |mut decoder: portcullis::model::TextDecoder| -> String {
        ids.iter().map(|&id| decoder.push(id)).collect()
    };
    assert_eq!(decode(model.decoder_after(&continued)), " reads");
    assert_eq!(decode(model.text_decoder()), "reads");
}

#[test]
fn bytes_of_a_character_wait_for_the_rest() {
    let model = load("gguf-f32.gguf");
    let byte = |byte: u8| (0..512).find(|&id| model.token_bytes(id) == [byte] && id < 259).unwrap();
    let mut decoder = model.text_decoder();
    let pieces: Vec<String> = "🙂".bytes().map(|b| decoder.push(byte(b))).collect();
    assert_eq!(pieces, ["", "", "", "🙂"]);
    assert_eq!(decoder.push(byte(0xF0)), "");
    assert_eq!(decoder.push(byte(b'a')), "\u{fffd}a");
    assert_eq!(decoder.push(byte(0xE2)), "");
    assert_eq!(decoder.finish(), "\u{fffd}");
}

proptest::proptest! {
    /// Whatever the text, no control token comes out, and the text comes back.
    #[test]
    fn any_text_is_only_text(text in "(?s)(</?s>|<unk>|\\[INST\\]|<0x0.>| |.){0,24}") {
        let model = model();
        for tokenizer in tokenizers() {
            let ids = tokenizer.encode(&text).unwrap();
            proptest::prop_assert!(ids.iter().all(|&id| id > 2), "{ids:?}");
            let mut decoder = model.text_decoder();
            let decoded: String = ids.iter().map(|&id| decoder.push(id)).collect();
            // SentencePiece writes its mark for a space as a space.
            proptest::prop_assert_eq!(decoded, text.replace('\u{2581}', " "));
        }
    }
}

fn model() -> &'static Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    MODEL.get_or_init(|| load("gguf-f32.gguf"))
}

fn tokenizers() -> &'static [Tokenizer; 2] {
    static BOTH: std::sync::OnceLock<[Tokenizer; 2]> = std::sync::OnceLock::new();
    BOTH.get_or_init(both)
}

#[test]
fn a_megabyte_without_spaces_takes_seconds_at_most() {
    for tokenizer in both() {
        for text in ["a".repeat(1 << 20), "the".repeat(350_000), "=<s>".repeat(1 << 18)] {
            let started = Instant::now();
            tokenizer.encode(&text).unwrap();
            let taken = started.elapsed();
            println!("{:?} of {}: {taken:?}", text.get(..4), text.len());
            // Quadratic time would be hours.
            assert!(taken < Duration::from_secs(40), "{taken:?}");
        }
    }
}

#[test]
fn the_vocabulary_of_a_gguf_twin_serves_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(checkpoint("hf-f32").join(name), directory.path().join(name)).unwrap();
    }
    let without = Model::load(directory.path(), None).unwrap_err();
    assert!(chain(&without).contains("there is no tokenizer"), "{}", chain(&without));
    std::fs::write(directory.path().join("tokenizer.model"), b"spm").unwrap();
    let bare = Model::load(directory.path(), None).unwrap_err();
    assert!(chain(&bare).contains("put `tokenizer.json`, or one GGUF file"), "{}", chain(&bare));
    let twin = checkpoint("gguf-f32.gguf");
    std::fs::copy(twin, directory.path().join("twin.gguf")).unwrap();
    let model = Model::load(directory.path(), None).unwrap();
    let text = "The owl <s> 🙂";
    assert_eq!(
        model.tokenizer().encode(text).unwrap(),
        load("hf-f32").tokenizer().encode(text).unwrap()
    );
}

#[test]
fn an_added_padding_token_that_the_network_does_not_know_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(checkpoint("hf-f32").join(name), directory.path().join(name)).unwrap();
    }
    let mut tokenizer: serde_json::Value = read(&checkpoint("hf-f32").join("tokenizer.json"));
    let added = tokenizer["added_tokens"].as_array_mut().unwrap();
    let mut padding = added[0].clone();
    padding["id"] = 512.into();
    padding["content"] = "<pad>".into();
    added.push(padding);
    let bytes = serde_json::to_vec(&tokenizer).unwrap();
    std::fs::write(directory.path().join("tokenizer.json"), bytes).unwrap();
    let model = Model::load(directory.path(), None).unwrap();
    let ids = model.tokenizer().encode("<pad>").unwrap();
    assert!(ids.iter().all(|&id| id < 512), "{ids:?}");
    assert_eq!(ids, load("hf-f32").tokenizer().encode("<pad>").unwrap());
}
