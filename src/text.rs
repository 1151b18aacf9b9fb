//! Text as detectors see it.
//!
//! A detector never reads the bytes that were sent: it reads a *view* of them,
//! in which the many ways to write the same word have become one. Each view
//! keeps a map back to the original bytes, so that a finding can be explained,
//! masked and counted in the text that the sender knows.
//!
//! [`Canonical`] is the first view. Others (separators squeezed, encodings
//! decoded) belong beside it. The module knows no rules, no categories and no
//! policy; `detect` and `policy` call it.

mod canonical;
mod fold;
pub mod markers;

pub use canonical::Canonical;
pub use fold::{Folded, fold};

/// The canonical form of a whole text, without the map.
pub fn canonical(text: &str) -> String {
    Canonical::of(text).into_text()
}
