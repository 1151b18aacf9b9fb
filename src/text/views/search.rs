//! The search for readings: finders over texts, over what they gave, and so on.
//!
//! Codes come before spellings, so that the budget goes to what hides most.
//! INVARIANT: work is linear in the text and the budget; every text that is
//! searched was paid for in bytes. Called by [`super::views`].

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use super::map::Map;
use super::parts::Parts;
use super::survey::{Signals, survey};
use super::{Derived, Views, ViewsMax};
use super::{blocks, ciphers, escapes, hidden, leetspeak, morse, squeezed, tidy};
use crate::domain::View;
use crate::text::Canonical;

/// Readings of one text.
const VIEWS_MAX: usize = 96;

/// A text that may hold more, and how it came about.
#[derive(Debug, Clone)]
struct Source {
    text: String,
    maps: Vec<Arc<Map>>,
    kind: Option<View>,
    /// Decodings so far.
    depth: usize,
    /// Separators are gone already.
    squeezed: bool,
}

#[derive(Debug)]
pub(super) struct Search {
    max: ViewsMax,
    bytes_left: usize,
    found: Views,
    /// Hashes of canonical texts that were listed.
    seen: HashSet<u64>,
    codes: VecDeque<Source>,
    spellings: VecDeque<Source>,
}

impl Search {
    pub(super) fn new(canonical: &Canonical, max: ViewsMax) -> Self {
        Self {
            max,
            bytes_left: max.bytes,
            found: Views::default(),
            seen: HashSet::from([hash(canonical.text())]),
            codes: VecDeque::new(),
            spellings: VecDeque::new(),
        }
    }

    pub(super) fn run(mut self, text: &str) -> Views {
        let source =
            Source { text: text.to_owned(), maps: vec![], kind: None, depth: 0, squeezed: false };
        self.codes.push_back(source);
        loop {
            if let Some(source) = self.codes.pop_front() {
                self.search_codes(source);
            } else if let Some(source) = self.spellings.pop_front() {
                self.search_spellings(&source);
            } else {
                break;
            }
        }
        self.found.unjudged = merged(self.found.unjudged);
        self.found
    }

    fn search_codes(&mut self, mut source: Source) {
        let mut signals = survey(&source.text);
        if signals.non_ascii() {
            self.search_hidden(&source);
            if let Some((text, map)) = tidy::tidy(&source.text) {
                if hidden::has_tags(&source.text) {
                    self.add(&source, text.clone(), map.clone(), View::Tags);
                }
                source.text = text;
                source.maps.insert(0, Arc::new(map));
                signals = survey(&source.text);
            }
        }
        if signals.is_plain() {
            return;
        }
        let parts = decoded(&source.text, signals);
        self.deepen(&source, &parts);
        if signals.strange() && source.depth < self.max.depth {
            for parts in ciphers::ciphers(&source.text) {
                self.deepen(&source, &parts);
            }
        }
        if signals.squeezable() || signals.leet() {
            self.spellings.push_back(source);
        }
    }

    fn search_hidden(&mut self, source: &Source) {
        let mut turned = Parts::default();
        hidden::overridden(&source.text, &mut turned);
        turned.settle();
        self.deepen(source, &turned);
        for (text, map, kind) in hidden::hidden(&source.text) {
            if source.depth >= self.max.depth {
                self.give_up(source, map.source(0..text.len()));
            } else {
                // What the canonical view shows already may hold more all the same.
                let shown = self.seen.contains(&hash(Canonical::of(&text).text()));
                let next = if shown && text.len() <= self.bytes_left {
                    self.bytes_left -= text.len();
                    let mut maps = source.maps.clone();
                    maps.insert(0, Arc::new(map));
                    let (depth, squeezed) = (source.depth + 1, source.squeezed);
                    Some(Source { text, maps, kind: Some(kind), depth, squeezed })
                } else {
                    self.add(source, text, map, kind)
                };
                self.codes.extend(next);
            }
        }
    }

    /// Lists the reading in which `parts` are decoded, to be searched as well.
    fn deepen(&mut self, source: &Source, parts: &Parts) {
        let Some(kind) = parts.kind() else { return };
        if source.depth >= self.max.depth {
            for part in parts.list() {
                self.give_up(source, part.span.clone());
            }
            return;
        }
        let (text, map) = parts.splice(&source.text);
        if let Some(next) = self.add(source, text, map, kind) {
            self.codes.push_back(next);
        }
    }

    fn search_spellings(&mut self, source: &Source) {
        let signals = survey(&source.text);
        if signals.squeezable() && !source.squeezed {
            let squeezable = squeezed::Squeezable::of(&source.text);
            for reading in squeezed::READINGS {
                let parts = squeezable.read(&source.text, reading);
                self.spell(source, &parts, View::Squeezed);
            }
        }
        if signals.leet() {
            let words = leetspeak::words(&source.text);
            for reading in leetspeak::READINGS {
                let parts = leetspeak::read(&source.text, &words, reading);
                self.spell(source, &parts, View::Leetspeak);
            }
        }
    }

    fn spell(&mut self, source: &Source, parts: &Parts, kind: View) {
        if parts.is_empty() {
            return;
        }
        let (text, map) = parts.splice(&source.text);
        let Some(mut next) = self.add(source, text, map, kind) else { return };
        if kind == View::Squeezed && source.depth < self.max.depth {
            next.squeezed = true;
            self.codes.push_back(next);
        }
    }

    /// Lists a reading, unless it says what another one says or the budget is used up.
    fn add(&mut self, source: &Source, text: String, map: Map, kind: View) -> Option<Source> {
        let view = Canonical::of(&text);
        if view.text().trim().is_empty() || !self.seen.insert(hash(view.text())) {
            return None;
        }
        if text.len() > self.bytes_left || self.found.list.len() >= VIEWS_MAX {
            self.bytes_left = 0;
            self.give_up(source, map.source(0..text.len()));
            return None;
        }
        self.bytes_left -= text.len();
        let mut maps = source.maps.clone();
        maps.insert(0, Arc::new(map));
        let kind = match source.kind {
            None => kind,
            // The last step of two spellings says more: letters were disguised.
            Some(View::Squeezed) => kind,
            Some(_) => View::Nested,
        };
        self.found.list.push(Derived { kind, view, maps: maps.clone() });
        let (depth, squeezed) = (source.depth + 1, source.squeezed);
        Some(Source { text, maps, kind: Some(kind), depth, squeezed })
    }

    fn give_up(&mut self, source: &Source, span: Range<usize>) {
        self.found.unjudged.push(source.maps.iter().fold(span, |span, map| map.source(span)));
    }
}

/// Everything in `text` that stands for other text.
fn decoded(text: &str, signals: Signals) -> Parts {
    let mut parts = Parts::default();
    if signals.escapes() {
        escapes::percent(text, &mut parts);
        escapes::entities(text, &mut parts);
        escapes::backslash(text, &mut parts);
        escapes::code_points(text, &mut parts);
        escapes::quoted_printable(text, &mut parts);
    }
    if signals.numbers() {
        blocks::binary(text, &mut parts);
        blocks::hexadecimal(text, &mut parts);
        blocks::codes(text, &mut parts);
    }
    if signals.capitals() {
        blocks::base32(text, &mut parts);
    }
    if signals.tokens() {
        blocks::base64(text, &mut parts);
    }
    if signals.morse() {
        morse::morse(text, &mut parts);
    }
    parts.settle();
    parts
}

/// Deterministic: the hasher has no random key.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
