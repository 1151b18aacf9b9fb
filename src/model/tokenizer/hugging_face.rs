//! A `tokenizer.json` of the SentencePiece kind, through the `tokenizers` crate.
//!
//! The crate finds added tokens such as `</s>` inside any text that it is
//! given. Text is data here, so the file is changed before it is loaded: no
//! added tokens, no merges that would spell one, no template that adds BOS.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Pieces, byte_of, text_of};
use crate::model::error::ModelError;

const PIECES_MAX: usize = 1 << 20;

pub(super) struct HuggingFace(Box<tokenizers::Tokenizer>);

#[derive(Debug, Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

impl HuggingFace {
    /// The encoder, and each token's bytes.
    pub(super) fn of_json(json: &[u8]) -> Result<(Self, Pieces), ModelError> {
        let mut json: Value = serde_json::from_slice(json)
            .map_err(|error| damaged("it is not JSON").because(error))?;
        let added: Vec<AddedToken> = match json.get("added_tokens") {
            None | Some(Value::Null) => Vec::new(),
            Some(added) => AddedToken::list(added)?,
        };
        refuse_other_kinds(&json)?;
        let vocabulary: BTreeMap<String, u32> = json
            .pointer("/model/vocab")
            .ok_or_else(|| damaged("`model.vocab` is missing"))
            .and_then(|vocabulary| {
                Deserialize::deserialize(vocabulary)
                    .map_err(|error| damaged("`model.vocab` is not a map to ids").because(error))
            })?;
        let pieces = pieces(&vocabulary, &added)?;
        forget_added_tokens(&mut json, &vocabulary, &added);
        let tokenizer: tokenizers::Tokenizer = serde_json::from_value(json)
            .map_err(|error| damaged("it describes no tokenizer").because(error))?;
        Ok((Self(Box::new(tokenizer)), pieces))
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.0
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|_| ModelError::computation("a text cannot be encoded"))
    }
}

impl AddedToken {
    fn list(json: &Value) -> Result<Vec<Self>, ModelError> {
        Deserialize::deserialize(json)
            .map_err(|error| damaged("`added_tokens` is not a list of tokens").because(error))
    }
}

impl std::fmt::Debug for HuggingFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HuggingFace({} tokens)", self.0.get_vocab_size(false))
    }
}

fn refuse_other_kinds(json: &Value) -> Result<(), ModelError> {
    let kind = json.pointer("/model/type").and_then(Value::as_str);
    let flag = |key: &str| json.pointer(key).and_then(Value::as_bool).unwrap_or_default();
    if kind.is_some_and(|kind| kind != "BPE")
        || !flag("/model/byte_fallback")
        || flag("/model/ignore_merges")
    {
        return Err(damaged("it is not Llama 2's kind: BPE with byte fallback"));
    }
    Ok(())
}

fn pieces(vocabulary: &BTreeMap<String, u32>, added: &[AddedToken]) -> Result<Pieces, ModelError> {
    let ids = vocabulary.values().copied().chain(added.iter().map(|token| token.id));
    let count = ids.max().map_or(0, |id| id as usize + 1);
    if count == 0 || count > PIECES_MAX {
        return Err(damaged("its ids are out of range"));
    }
    let mut pieces: Vec<Box<[u8]>> = vec![Box::default(); count];
    for (piece, &id) in vocabulary {
        if let Some(slot) = pieces.get_mut(id as usize) {
            *slot = byte_of(piece).map_or_else(|| text_of(piece), |byte| Box::from([byte]));
        }
    }
    for token in added {
        if let Some(slot) = pieces.get_mut(token.id as usize) {
            *slot = Box::default();
        }
    }
    Ok(Pieces(pieces))
}

fn forget_added_tokens(json: &mut Value, vocabulary: &BTreeMap<String, u32>, added: &[AddedToken]) {
    let mut unreachable: HashSet<&str> =
        vocabulary.keys().map(String::as_str).filter(|piece| byte_of(piece).is_some()).collect();
    unreachable.extend(added.iter().map(|token| token.content.as_str()));
    if let Some(Value::Array(merges)) = json.pointer_mut("/model/merges") {
        merges.retain(|merge| {
            let joined = match merge {
                Value::String(pair) => pair.replacen(' ', "", 1),
                Value::Array(pair) => pair.iter().filter_map(Value::as_str).collect(),
                _ => return true,
            };
            !unreachable.contains(joined.as_str())
        });
    }
    if let Some(json) = json.as_object_mut() {
        json.insert("added_tokens".to_owned(), Value::Array(Vec::new()));
        for key in ["post_processor", "truncation", "padding"] {
            json.insert(key.to_owned(), Value::Null);
        }
    }
}

fn damaged(what: &str) -> ModelError {
    ModelError::checkpoint(format!("cannot use `tokenizer.json`: {what}"))
}
