//! What takes the place of a finding in a text that may pass.
//!
//! Masks of whole texts ([`Engine::redact`]) and of a prompt as the policy
//! wants it written ([`Redaction`]): as masks, or as pseudonyms that can be put
//! back. A [`super::Screen`] masks a stream by the same rules: overlapping
//! spans share the mask of the first, and so do spans that touch and have the
//! same one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::compile::MASK;
use super::engine::Engine;
use super::pseudonym::{Originals, Pseudonyms};
use super::spec::RedactionStyle;
use crate::domain::{
    Action, Category, CategoryScore, Entity, Finding, Place, UnjudgedReason, Verdict,
};

/// A part of a text that must not pass.
struct Masked {
    span: Range<usize>,
    mask: Arc<str>,
    entity: Option<Entity>,
}

/// The rule's own mask, else the entity's, else the general one.
pub(super) fn mask(redact_as: Option<&Arc<str>>, entity: Option<Entity>) -> Arc<str> {
    match (redact_as, entity) {
        (Some(mask), _) => Arc::clone(mask),
        (None, Some(entity)) => entity.mask().into(),
        (None, None) => MASK.into(),
    }
}

impl Engine {
    /// The text with the spans of `verdict` in `place` masked, where their categories say redact.
    pub fn redact<'t>(&self, text: &'t str, place: Place, verdict: &Verdict) -> Cow<'t, str> {
        self.rewritten(text, place, verdict, |masked, _| masked.mask.to_string())
    }

    /// The way in which this policy masks the texts of one prompt. Text that
    /// stands in one of `texts` is never taken for a pseudonym.
    pub fn redaction<'e: 't, 't>(
        &'e self,
        verdict: &'e Verdict,
        texts: impl Iterator<Item = &'t str>,
    ) -> Redaction<'e> {
        let spec = self.redaction_spec();
        let redacts = verdict.categories.iter().any(|score| score.action == Action::Redact);
        let pseudonyms = (spec.style == RedactionStyle::Pseudonym && redacts).then(|| {
            let masks = self.masks().values().filter_map(|(_, mask)| mask.as_deref());
            Pseudonyms::new(texts.chain(self.system_text()).chain(masks))
        });
        Redaction { engine: self, verdict, pseudonyms, restores: spec.restore }
    }

    /// Replaces what must not pass; `written` says by what.
    fn rewritten<'t>(
        &self,
        text: &'t str,
        place: Place,
        verdict: &Verdict,
        mut written: impl FnMut(&Masked, &str) -> String,
    ) -> Cow<'t, str> {
        let spans = self.masked(place, verdict);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for masked in spans {
            // A span that does not fit the text belongs to another text: show nothing of it.
            let (Some(before), Some(hidden)) =
                (text.get(done..masked.span.start), text.get(masked.span.clone()))
            else {
                return Cow::Owned(MASK.to_owned());
            };
            out.push_str(before);
            out.push_str(&written(&masked, hidden));
            done = masked.span.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// In order, without overlaps.
    fn masked(&self, place: Place, verdict: &Verdict) -> Vec<Masked> {
        let redacts = |category: Category| {
            let found = |score: &&CategoryScore| score.category == category;
            let score = verdict.categories.iter().find(found);
            score.is_some_and(|score| score.action == Action::Redact)
        };
        let mut spans: Vec<(usize, Masked)> = verdict
            .findings
            .iter()
            .filter(|finding| finding.place == place && self.acts(finding))
            .filter(|finding| redacts(finding.category))
            .map(|finding| self.of_finding(finding))
            .collect();
        // Past the limit nobody knows what there is to mask.
        if verdict.categories.iter().any(|score| score.action == Action::Redact) {
            let uncounted = verdict.unjudged.iter().filter(|unjudged| {
                unjudged.place == place && unjudged.reason == UnjudgedReason::TooManyFindings
            });
            spans.extend(uncounted.map(|unjudged| {
                let span = unjudged.span.clone();
                (usize::MAX, Masked { span, mask: MASK.into(), entity: None })
            }));
        }
        spans.sort_by_key(|(rule, masked)| {
            (masked.span.start, masked.span.end, *rule, masked.entity)
        });
        let mut merged: Vec<Masked> = Vec::new();
        for (_, next) in spans {
            match merged.last_mut() {
                Some(open)
                    if next.span.start < open.span.end
                        || next.span.start == open.span.end && next.mask == open.mask =>
                {
                    open.span.end = open.span.end.max(next.span.end);
                }
                _ => merged.push(next),
            }
        }
        merged
    }

    fn of_finding(&self, finding: &Finding) -> (usize, Masked) {
        let (number, own) = match self.masks().get(&finding.rule.0) {
            Some((number, own)) => (*number, own.as_ref()),
            None => (usize::MAX, None),
        };
        let mask = mask(own, finding.entity);
        (number, Masked { span: finding.span.clone(), mask, entity: finding.entity })
    }
}

/// How the texts of one prompt are masked. Take the texts in their order:
/// pseudonyms are numbered by first appearance.
#[derive(Debug)]
pub struct Redaction<'e> {
    engine: &'e Engine,
    verdict: &'e Verdict,
    pseudonyms: Option<Pseudonyms>,
    restores: bool,
}

impl Redaction<'_> {
    /// The text as it may pass.
    pub fn apply<'t>(&mut self, place: Place, text: &'t str) -> Cow<'t, str> {
        let Self { engine, verdict, pseudonyms, .. } = self;
        engine.rewritten(text, place, verdict, |masked, hidden| {
            match (pseudonyms.as_mut(), masked.entity) {
                // Only data of a known kind can be told from other data again.
                (Some(pseudonyms), Some(entity)) => pseudonyms.name(&masked.mask, entity, hidden),
                _ => masked.mask.to_string(),
            }
        })
    }

    /// What the pseudonyms stand for, when the policy wants it put back.
    pub fn into_originals(self) -> Option<Arc<Originals>> {
        let originals = self.pseudonyms.filter(|_| self.restores)?.into_originals();
        (!originals.is_empty()).then(|| Arc::new(originals))
    }
}
