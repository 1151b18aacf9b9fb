//! Text as detectors see it.
//!
//! A detector never reads the bytes that were sent: it reads a *view* of them,
//! in which the many ways to write the same word have become one. Each view
//! keeps a map back to the original bytes, so that a finding can be explained,
//! masked and counted in the text that the sender knows.
//!
//! [`Canonical`] is the first view. The others (separators squeezed, encodings
//! decoded) are found by [`views`], lazily and within limits. The module knows no rules, no categories and no
//! policy; `detect` and `policy` call it.

mod canonical;
mod fold;
pub mod markers;
mod views;

pub use canonical::Canonical;
pub use fold::{Folded, fold};
pub use views::{Derived, Views, ViewsMax, views};

/// The canonical form of a whole text, without the map.
pub fn canonical(text: &str) -> String {
    Canonical::of(text).into_text()
}
