//! Other readings of a text than the canonical one.
//!
//! Each is text in canonical form with a map back to the bytes that were sent.
//! Plain prose has none and costs one pass ([`survey`]). Otherwise finders look
//! for codes, ciphers and spellings, each reading is searched again as long as
//! the depth allows, and what the limits cut off is told. The module tries no
//! rules; whether a reading matters is the detectors' business. Called by the
//! policy engine for whole texts.

pub(crate) mod blocks;
pub(crate) mod ciphers;
pub(crate) mod escapes;
pub(crate) mod hidden;
mod language;
pub(crate) mod leetspeak;
mod map;
pub(crate) mod morse;
pub(crate) mod parts;
mod plausible;
mod search;
pub(crate) mod squeezed;
mod survey;
mod tidy;

use std::ops::Range;
use std::sync::Arc;

use super::Canonical;
use crate::domain::View;
use map::Map;
use search::Search;

/// A reading of a part of a text.
#[derive(Debug, Clone)]
pub struct Derived {
    kind: View,
    view: Canonical,
    /// From the reading to the text, one step after another.
    maps: Vec<Arc<Map>>,
}

/// What [`views`] found.
#[derive(Debug, Default)]
pub struct Views {
    pub list: Vec<Derived>,
    /// Original bytes that may hide more than the limits let it look for.
    /// In order and disjoint.
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
        self.maps.iter().fold(self.view.original(span), |span, map| map.source(span))
    }
}

/// The readings of `text` besides `canonical`, its canonical view.
pub fn views(text: &str, canonical: &Canonical, max: ViewsMax) -> Views {
    let signals = survey::survey(text);
    if signals.is_plain() {
        return Views::default();
    }
    Search::new(canonical, max).run(text)
}
