//! The demonstration model that is part of the program, so that a first run needs no file.

/// A GGUF image; `models/demo-llama/README.md` says what it is and how it was made.
pub(super) static DEMO: &[u8] = include_bytes!("../../models/demo-llama/demo-llama.gguf");
