//! Text to token ids and back, in the way of Llama 2's SentencePiece vocabulary.
//!
//! Text is data: whatever it says, it never becomes a control token. `<s>` in a
//! message is three or four ordinary pieces; BOS and EOS are set by `chat` as
//! ids. The vocabulary comes from a GGUF file (`sentencepiece`) or from a
//! `tokenizer.json` (`hugging_face`). Knows nothing of chat forms.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::gguf::Header;

mod hugging_face;
mod sentencepiece;

use hugging_face::HuggingFace;
use sentencepiece::SentencePiece;

/// SentencePiece's stand-in for a space.
const SPACE: char = '\u{2581}';

const BOS_DEFAULT: u32 = 1;
const EOS_DEFAULT: u32 = 2;

/// A checkpoint's vocabulary.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: Encoder,
    pieces: Arc<Pieces>,
    bos: u32,
    ends: Vec<u32>,
}

#[derive(Debug)]
enum Encoder {
    SentencePiece(SentencePiece),
    HuggingFace(HuggingFace),
}

/// The bytes of each token, by id; empty for control tokens.
pub(super) struct Pieces(Vec<Box<[u8]>>);

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces({})", self.len())
    }
}

impl Pieces {
    fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        self.0.get(id as usize).map_or(&[], |piece| piece)
    }
}

impl Tokenizer {
    /// The vocabulary of the checkpoint at `path`, without its weights.
    ///
    /// # Errors
    /// As [`super::Model::load`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Checkpoint::open(path).map(|checkpoint| checkpoint.tokenizer)
    }

    /// The vocabulary in a GGUF header; at most `vocabulary_max` tokens.
    pub(super) fn of_gguf(header: &Header, vocabulary_max: usize) -> Result<Self, ModelError> {
        let (sentencepiece, pieces) = SentencePiece::of_gguf(header)?;
        if pieces.len() > vocabulary_max {
            return Err(ModelError::checkpoint(format!(
                "the tokenizer has {} tokens and the network {vocabulary_max}; \
                 they do not belong together",
                pieces.len()
            )));
        }
        let id = |key: &str| {
            let value = header.metadata.get(key)?.as_u64()?;
            u32::try_from(value).ok()
        };
        let ends = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"];
        let ends = ends.into_iter().filter_map(id).collect();
        let bos = id("tokenizer.ggml.bos_token_id");
        Self::new(Encoder::SentencePiece(sentencepiece), pieces, bos, ends)
    }

    /// A `tokenizer.json`; the control ids are those of `config.json`.
    pub(super) fn of_json(
        json: &[u8],
        bos: Option<u32>,
        ends: Vec<u32>,
    ) -> Result<Self, ModelError> {
        let (encoder, pieces) = HuggingFace::of_json(json)?;
        Self::new(Encoder::HuggingFace(encoder), pieces, bos, ends)
    }

    fn new(
        encoder: Encoder,
        pieces: Pieces,
        bos: Option<u32>,
        mut ends: Vec<u32>,
    ) -> Result<Self, ModelError> {
        let bos = bos.unwrap_or(BOS_DEFAULT);
        if ends.is_empty() {
            ends.push(EOS_DEFAULT);
        }
        for &id in ends.iter().chain([&bos]) {
            if id as usize >= pieces.len() {
                return Err(ModelError::checkpoint(format!(
                    "the control token {id} is not in the vocabulary of {} tokens",
                    pieces.len()
                )));
            }
        }
        Ok(Self { encoder, pieces: Arc::new(pieces), bos, ends })
    }

    /// The ids of `text`, without BOS and EOS. Time: n log n in its length.
    ///
    /// # Errors
    /// When the tokenizer's own library fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        match &self.encoder {
            Encoder::SentencePiece(encoder) => Ok(encoder.encode(text)),
            Encoder::HuggingFace(encoder) => encoder.encode(text),
        }
    }

    /// How many tokens the network must know: up to the last that text or a prompt can need.
    /// Control tokens behind it, such as padding, never reach the network.
    pub(super) fn vocabulary(&self) -> usize {
        let last = self.pieces.0.iter().rposition(|piece| !piece.is_empty());
        let control = self.bos.max(self.eos()) as usize;
        last.map_or(control, |last| last.max(control)) + 1
    }

    pub(super) const fn pieces(&self) -> &Arc<Pieces> {
        &self.pieces
    }

    /// The id that begins a sequence.
    pub const fn bos(&self) -> u32 {
        self.bos
    }

    /// The id that ends a turn in a prompt.
    pub(super) fn eos(&self) -> u32 {
        self.ends.first().copied().unwrap_or(EOS_DEFAULT)
    }

    pub(super) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }
}

/// The byte that a piece of the form `<0x0A>` stands for.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// A piece as the bytes that it stands for.
fn text_of(piece: &str) -> Box<[u8]> {
    piece.replace(SPACE, " ").into_bytes().into()
}
