//! What the rules find in one text: in its canonical view and, on the way in,
//! in every other reading of it.
//!
//! A reading depends on the policy, the role and the text alone, so it can be
//! remembered ([`super::cache`]); what it means for an exchange is decided by
//! [`super::judging`]. Work is bounded by the text's length: readings besides
//! the canonical one have a budget per byte of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::expression::Match;
use super::spec::LimitsSpec;
use super::stage_rules::{block_end, sort};
use super::watched::Watched;
use super::whole::{Gathered, OtherTongue};
use crate::detect::{Hit, back_by_chars};
use crate::domain::{Entity, Role, Stage, UnjudgedReason, View};
use crate::text::{Canonical, ViewsMax, markers, views};

/// Bytes of other readings per byte of a text; a text of any length can be read in several ways,
/// and many short texts cannot multiply the work of a request.
const VIEWS_BYTES_PER_BYTE: usize = 32;
/// And for a short one.
const VIEWS_BYTES_MIN: usize = 32 << 10;
/// Unjudged places of one text that are told one by one.
const UNJUDGED_MAX: usize = 16;
/// How far a match that goes over a seam may begin before it.
const SEAM_REACH_CHARS_MAX: usize = 1024;

/// A match in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The rule's number.
    pub(super) rule: usize,
    /// Bytes of the original.
    pub(super) span: Range<usize>,
    pub(super) view: View,
    pub(super) entity: Option<Entity>,
    /// The exception under which it falls.
    pub(super) exception: Option<Arc<str>>,
}

/// What the rules find in one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// In order of start, end and rule.
    pub(super) found: Vec<Found>,
    pub(super) unjudged: Vec<(Range<usize>, UnjudgedReason)>,
}

/// Reads one text on its own.
pub(super) fn read(watched: &Watched<'_>, limits: &LimitsSpec, role: Role, text: &str) -> Reading {
    let view = Canonical::of(text);
    let mut reader = Reader::new(watched, limits, role, text, &[]);
    reader.canonical(&view);
    reader.others(&view);
    reader.whole(&view);
    reader.finish()
}

/// Reads a text for what goes over one of its `seams` (bytes between two parts) alone.
pub(super) fn read_seams(
    watched: &Watched<'_>,
    limits: &LimitsSpec,
    role: Role,
    text: &str,
    seams: &[Range<usize>],
) -> Reading {
    let view = Canonical::of(text);
    let mut reader = Reader::new(watched, limits, role, text, seams);
    reader.around_seams(&view);
    reader.others(&view);
    reader.finish()
}

struct Reader<'a> {
    watched: &'a Watched<'a>,
    limits: &'a LimitsSpec,
    role: Role,
    text: &'a str,
    /// Not empty: only what goes over one of these counts.
    seams: &'a [Range<usize>],
    found: Vec<Found>,
    /// Where each rule was found so far; within another reading it adds nothing there.
    covered: HashMap<usize, Covered>,
    /// What was seen for rules that hold of a whole text or do not.
    gathered: Gathered,
    unjudged: Vec<(Range<usize>, UnjudgedReason)>,
    hits: Vec<Hit>,
}

impl<'a> Reader<'a> {
    fn new(
        watched: &'a Watched<'a>,
        limits: &'a LimitsSpec,
        role: Role,
        text: &'a str,
        seams: &'a [Range<usize>],
    ) -> Self {
        Self {
            watched,
            limits,
            role,
            text,
            seams,
            found: Vec::new(),
            covered: HashMap::new(),
            gathered: watched.rules().whole.gather(),
            unjudged: Vec::new(),
            hits: Vec::new(),
        }
    }

    /// The kind under which matches of a view are told.
    fn kind(&self, view: View) -> View {
        if self.seams.is_empty() { view } else { View::Joined }
    }

    /// Whether a match counts: for its role, in this view, and over a seam if that is asked.
    fn counts(&self, hit: &Hit, view: View, span: &Range<usize>) -> bool {
        let crosses = |seam: &Range<usize>| {
            span.start < seam.start
                && span.end > seam.end
                // Without separators the end of one sentence and the next are one word after another.
                && !(view == View::Squeezed && self.ends_sentence(seam.start))
        };
        (self.seams.is_empty() || self.seams.iter().any(crosses))
            && self.watched.rule(hit.rule).is_some_and(|rule| {
                rule.hears(self.role) && rule.reads(view) && rule.reads(self.kind(view))
            })
    }

    /// Whether a sentence ends before an offset of the text.
    fn ends_sentence(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default().trim_end();
        before.ends_with(['.', '!', '?', '…', '。', '！', '？', ':', ';'])
    }

    /// The canonical view of the whole text, in order, until there are too many matches.
    fn canonical(&mut self, view: &Canonical) {
        let rules = self.watched.rules();
        let markers = rules.marker.map(|rule| (rule, markers::find(view.text())));
        let mut pass = rules.detector().pass();
        let mut hits = std::mem::take(&mut self.hits);
        let mut from = 0;
        while from < view.end() {
            let until = block_end(view, from, view.end());
            self.watched.hits(view, from..until, &mut pass, &mut hits);
            if let Some((rule, spans)) = &markers {
                let here = spans.iter().filter(|span| (from..until).contains(&span.start));
                hits.extend(here.map(|span| Hit { rule: *rule, span: span.clone(), entity: None }));
                sort(&mut hits);
            }
            for hit in &hits {
                let span = view.original(hit.span.clone());
                if self.gather(hit, View::Canonical, &span)
                    || !self.counts(hit, View::Canonical, &span)
                    || self.grows(hit, &span)
                {
                    continue;
                }
                if self.found.len() >= self.limits.findings_max {
                    let rest = span.start..self.text.len();
                    self.unjudged.push((rest, UnjudgedReason::TooManyFindings));
                    return;
                }
                self.take(hit, span, view, View::Canonical);
            }
            from = until;
        }
        self.hits = hits;
    }

    /// The canonical view where a match could go over a seam.
    fn around_seams(&mut self, view: &Canonical) {
        let rules = self.watched.rules();
        let reach = rules.detector().reach_chars().unwrap_or(SEAM_REACH_CHARS_MAX);
        let reach = reach.min(SEAM_REACH_CHARS_MAX);
        let mut hits = std::mem::take(&mut self.hits);
        let mut done = 0;
        for seam in self.seams {
            let until = view.canonical_at(seam.start);
            let from = back_by_chars(view.text(), until, reach).max(done);
            let mut pass = rules.detector().pass();
            self.watched.hits(view, from..until, &mut pass, &mut hits);
            for hit in &hits {
                let span = view.original(hit.span.clone());
                if !self.counts(hit, View::Canonical, &span) {
                    continue;
                }
                if self.found.len() >= self.limits.findings_max {
                    self.unjudged.push((span, UnjudgedReason::TooManyFindings));
                    return;
                }
                self.take(hit, span, view, View::Joined);
            }
            done = until.max(done);
        }
        self.hits = hits;
    }

    /// Every other reading of the text. Answers have none: a stream could not keep up with them.
    fn others(&mut self, canonical: &Canonical) {
        if self.watched.stage == Stage::Output || self.limits.views_depth == 0 {
            return;
        }
        let bytes = self.text.len().saturating_mul(VIEWS_BYTES_PER_BYTE).max(VIEWS_BYTES_MIN);
        let bytes = bytes.min(self.limits.views_bytes_max);
        let max = ViewsMax { depth: self.limits.views_depth, bytes };
        let others = views(self.text, canonical, max);
        let mut found: Vec<Found> = Vec::new();
        for derived in &others.list {
            let original = |span| derived.original(span);
            self.other(derived.kind(), derived.view(), original, &mut found);
        }
        self.merge(found);
        let seams = self.seams;
        let over = |part: &Range<usize>| {
            seams.is_empty() || seams.iter().any(|s| part.start < s.start && part.end > s.end)
        };
        let mut unjudged: Vec<Range<usize>> = others.unjudged.into_iter().filter(over).collect();
        if unjudged.len() > UNJUDGED_MAX {
            let start = unjudged.iter().map(|part| part.start).min().unwrap_or_default();
            let end = unjudged.iter().map(|part| part.end).max().unwrap_or_default();
            unjudged.clear();
            unjudged.push(start..end);
        }
        self.unjudged.extend(unjudged.into_iter().map(|part| (part, UnjudgedReason::TooEncoded)));
    }

    fn other(
        &mut self,
        kind: View,
        view: &Canonical,
        original: impl Fn(Range<usize>) -> Range<usize>,
        found: &mut Vec<Found>,
    ) {
        let mut pass = self.watched.rules().detector().pass();
        let mut hits = std::mem::take(&mut self.hits);
        // A whole encoded block is one place: many matches in it are one finding.
        let mut places: HashSet<(usize, Range<usize>)> = HashSet::new();
        let mut from = view.start();
        while from < view.end() && places.len() <= self.limits.findings_max {
            let until = block_end(view, from, view.end());
            self.watched.hits(view, from..until, &mut pass, &mut hits);
            for hit in &hits {
                let span = original(hit.span.clone());
                if self.gather(hit, kind, &span) {
                    continue;
                }
                if self.counts(hit, kind, &span) && places.insert((hit.rule, span.clone())) {
                    let exception = self.watched.rules().exception(view, hit, self.role);
                    let (rule, entity, view) = (hit.rule, hit.entity, self.kind(kind));
                    found.push(Found { rule, span, view, entity, exception });
                }
            }
            from = until;
        }
        if from < view.end() {
            let rest = original(view.start()..view.end());
            self.unjudged.push((rest, UnjudgedReason::TooManyFindings));
        }
        self.hits = hits;
    }

    /// Takes over what other readings found where the same rule has no finding yet, the tightest
    /// span first.
    fn merge(&mut self, mut found: Vec<Found>) {
        found.sort_by(tighter);
        for found in found {
            let covered = self.covered.entry(found.rule).or_default();
            if covered.touches(&found.span) {
                continue;
            }
            covered.add(&found.span);
            self.found.push(found);
        }
    }

    /// Keeps a match of a leaf for [`Reader::whole`]; false when the hit is a rule's own.
    fn gather(&mut self, hit: &Hit, view: View, span: &Range<usize>) -> bool {
        let whole = &self.watched.rules().whole;
        let Some(owner) = whole.owner(hit.rule) else { return false };
        if self.watched.rule(owner).is_some_and(|rule| rule.reads(view)) {
            let found = Match { span: span.clone(), view, entity: hit.entity };
            whole.keep(&mut self.gathered, hit.rule, found);
        }
        true
    }

    /// What holds of the text as a whole.
    fn whole(&mut self, canonical: &Canonical) {
        let (watched, role, text) = (self.watched, self.role, self.text);
        let whole = &watched.rules().whole;
        let hears = |number: usize| watched.rule(number).is_some_and(|rule| rule.hears(role));
        let mut found = whole.find(text, &self.gathered, hears);
        match whole.tongue(role, text) {
            Some(OtherTongue::Flag(number, span)) => {
                found.push((number, Match { span, view: View::Original, entity: None }));
            }
            Some(OtherTongue::Refuse(_)) => {
                self.unjudged.push((0..text.len(), UnjudgedReason::Language));
            }
            None => {}
        }
        for (rule, Match { span, view, entity }) in found {
            if self.found.len() >= self.limits.findings_max {
                self.unjudged.push((span.start..text.len(), UnjudgedReason::TooManyFindings));
                return;
            }
            let at = canonical.canonical_at(span.start)..canonical.canonical_at(span.end);
            let exception =
                watched.rules().exception(canonical, &Hit { rule, span: at, entity }, role);
            self.found.push(Found { rule, span, view, entity, exception });
        }
    }

    fn grows(&mut self, hit: &Hit, span: &Range<usize>) -> bool {
        if !self.watched.rule(hit.rule).is_some_and(|rule| rule.grows) {
            return false;
        }
        let last = self.found.iter_mut().rev().find(|found| found.rule == hit.rule);
        let Some(last) = last.filter(|last| span.start <= last.span.end) else { return false };
        last.span.end = last.span.end.max(span.end);
        true
    }

    fn take(&mut self, hit: &Hit, span: Range<usize>, read: &Canonical, view: View) {
        self.covered.entry(hit.rule).or_default().add(&span);
        let exception = self.watched.rules().exception(read, hit, self.role);
        self.found.push(Found { rule: hit.rule, span, view, entity: hit.entity, exception });
    }

    fn finish(self) -> Reading {
        let Self { mut found, unjudged, .. } = self;
        found.sort_by_key(|found| (found.span.start, found.span.end, found.rule));
        found.dedup();
        Reading { found, unjudged }
    }
}

/// The order in which findings of one rule are preferred.
fn tighter(a: &Found, b: &Found) -> std::cmp::Ordering {
    let key = |found: &Found| (found.span.len(), found.view, found.span.start, found.rule);
    key(a).cmp(&key(b))
}

/// Disjoint spans.
#[derive(Debug, Default)]
struct Covered(BTreeMap<usize, usize>);

impl Covered {
    fn touches(&self, span: &Range<usize>) -> bool {
        self.0.range(..span.end).next_back().is_some_and(|(_, end)| *end > span.start)
    }

    fn add(&mut self, span: &Range<usize>) {
        let mut start = span.start;
        let mut end = span.end;
        while let Some((from, to)) = self.0.range(..end).next_back().map(|(a, b)| (*a, *b)) {
            if to <= start {
                break;
            }
            self.0.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Category;
    use crate::policy::occasion::Occasion;
    use crate::policy::{Engine, compile_text};

    const RULES: &str = r#"
rules:
  - { id: a, category: weapons, phrases: [pipe bomb, nail bomb] }
  - { id: b, category: drugs, phrases: [cook it up], views: [base64], directions: [input] }
  - { id: c, category: drugs, phrases: [brown sugar], roles: [tool] }
"#;

    fn engine() -> Engine {
        let mut text = String::from(
            "policy: p\nversion: '1'\nrefusal: No.\ndisclosure: { header: AI }\ncategories:\n",
        );
        for category in Category::ALL {
            let decision = "{ action: block, threshold: 0.5 }";
            text.push_str(&format!(
                "  {category}: {{ severity: critical, input: {decision}, output: {decision} }}\n"
            ));
        }
        compile_text("p", &(text + RULES)).unwrap().engine
    }

    /// The canonical view of `text` and further readings, each with the bytes that it stands for.
    fn read_as(
        text: &str,
        others: &[(View, &str, Range<usize>)],
    ) -> Vec<(usize, Range<usize>, View)> {
        let (engine, occasion) = (engine(), Occasion::default());
        let watched = Watched::new(&engine, Stage::Input, &occasion);
        let mut reader = Reader::new(&watched, engine.limits(), Role::User, text, &[]);
        reader.canonical(&Canonical::of(text));
        let mut found = Vec::new();
        for (kind, reading, span) in others {
            reader.other(*kind, &Canonical::of(reading), |_| span.clone(), &mut found);
        }
        reader.merge(found);
        let found = reader.finish().found.into_iter();
        found.map(|found| (found.rule, found.span, found.view)).collect()
    }

    #[test]
    fn one_rule_at_one_place_is_one_finding() {
        use View::{Base64, Caesar, Canonical, Squeezed};
        let text = "a pipe bomb, and what follows here is something else";
        // The plain view wins, then the tightest span; elsewhere another finding stands on its own.
        let found = read_as(
            text,
            &[
                (Squeezed, "pipe bomb", 0..text.len()),
                (Caesar, "nail bomb nail bomb", 20..40),
                (Base64, "nail bomb", 25..35),
            ],
        );
        assert_eq!(found, [(0, 2..11, Canonical), (0, 25..35, Base64)]);
    }

    #[test]
    fn a_rule_counts_in_its_own_views_and_for_its_own_roles() {
        let found = read_as(
            "cook it up with brown sugar",
            &[(View::Base64, "cook it up with brown sugar", 0..4), (View::Hex, "cook it up", 5..9)],
        );
        assert_eq!(found, [(1, 0..4, View::Base64)]);
    }

    #[test]
    fn a_flood_in_one_reading_is_told_as_unjudged() {
        let (engine, occasion) = (engine(), Occasion::default());
        let watched = Watched::new(&engine, Stage::Input, &occasion);
        let flood = "pipe bomb ".repeat(2_000);
        let text = "x".repeat(flood.len());
        let mut reader = Reader::new(&watched, engine.limits(), Role::User, &text, &[]);
        let mut found = Vec::new();
        reader.other(View::Reversed, &Canonical::of(&flood), |span| span, &mut found);
        assert!(found.len() < 1_000, "{}", found.len());
        reader.merge(found);
        let unjudged = reader.finish().unjudged;
        assert_eq!(unjudged, [(0..text.len(), UnjudgedReason::TooManyFindings)]);
    }

    #[test]
    fn covered_spans_are_joined() {
        let mut covered = Covered::default();
        for span in [5..8, 20..30, 7..10, 9..21] {
            covered.add(&span);
        }
        assert_eq!(covered.0, BTreeMap::from([(5, 30)]));
        assert!(covered.touches(&(29..31)) && covered.touches(&(0..6)));
        assert!(!covered.touches(&(30..31)) && !covered.touches(&(0..5)));
    }
}
