//! Other readings of a text than the canonical one.
//!
//! Each is text in canonical form with a map back to the bytes that were sent.
//! Plain text has none. Called by the policy engine for whole texts.

use std::ops::Range;

use super::Canonical;
use crate::domain::View;

/// A reading of a part of a text.
#[derive(Debug, Clone)]
pub struct Derived {
    kind: View,
    view: Canonical,
}

/// What [`views`] found.
#[derive(Debug, Default)]
pub struct Views {
    pub list: Vec<Derived>,
    /// Original bytes that may hide more than the limits let it look for.
    pub unjudged: Vec<Range<usize>>,
}

/// How much work may go into looking for encodings.
#[derive(Debug, Clone, Copy)]
pub struct ViewsMax {
    /// Decodings inside one another.
    pub depth: usize,
    /// Bytes of all views together.
    pub bytes: usize,
}

impl Derived {
    /// How the reading came about.
    pub fn kind(&self) -> View {
        self.kind
    }

    /// The reading, in canonical form; detectors run on it.
    pub fn view(&self) -> &Canonical {
        &self.view
    }

    /// The bytes of the text as sent that stand for a range of the reading.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        self.view.original(span)
    }
}

/// The readings of `text` besides `canonical`, its canonical view.
pub fn views(_text: &str, _canonical: &Canonical, _max: ViewsMax) -> Views {
    Views::default()
}
