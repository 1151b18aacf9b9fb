//! The engine against other implementations of the same things.
//!
//! `tests/golden` has random checkpoints with what Hugging Face transformers
//! computes from them, and texts with what SentencePiece makes of them; its
//! README says how they were made.

#[cfg(test)]
mod model {
    mod chat;
    mod corruption;
    mod demo;
    mod fixtures;
    mod network;
    mod sampling;
    mod tokenizer;
}
