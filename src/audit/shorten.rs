//! What gives way so that a record stays within its size: detail, never a verdict.
//!
//! How much there is to say about an exchange is its caller's doing, and no
//! caller may make its own record unwritable. Each part that grows with a
//! request has a limit; all limits together leave a record below its own. What
//! was left out is counted in the record.
//!
//! Knows no bytes of the log. Called by `record::encode`.

use std::collections::BTreeSet;

use crate::audit::DecisionRecord;
use crate::domain::Verdict;

/// Of all verdicts together; at most 400 bytes each (the rule's name has up to 96).
const FINDINGS_MAX: usize = 1280;
/// Of all verdicts together; at most 80 bytes each.
const CATEGORIES_MAX: usize = 2048;
/// Of all verdicts together; at most 160 bytes each.
const UNJUDGED_MAX: usize = 1024;
/// What remains of a stored text when the record would be too large with all of it.
const STORED_CHARS_KEPT: usize = 256;
const CUT_MARK: &str = " [cut: the record would be too large]";
/// Then all stored texts together, as JSON.
const STORED_BYTES_MAX: usize = 96 << 10;
/// A stored text's place, as JSON.
const PLACE_BYTES_MAX: usize = 128;
/// Then all names of stripped fields together, as JSON.
const STRIPPED_BYTES_MAX: usize = 32 << 10;

/// Limits the evidence. Every verdict keeps its action and the same share of the rest.
pub(super) fn evidence(decision: &mut DecisionRecord) {
    let DecisionRecord { verdicts, left_out, .. } = decision;
    let share = |total: usize, max: usize| (total > max).then(|| (max / verdicts.len()).max(1));
    let findings = share(verdicts.iter().map(|verdict| verdict.findings.len()).sum(), FINDINGS_MAX);
    let categories =
        share(verdicts.iter().map(|verdict| verdict.categories.len()).sum(), CATEGORIES_MAX);
    let unjudged = share(verdicts.iter().map(|verdict| verdict.unjudged.len()).sum(), UNJUDGED_MAX);
    for verdict in verdicts {
        // While the categories that rank the findings are still there.
        left_out.findings += findings.map_or(0, |kept| keep_findings(verdict, kept));
        left_out.categories += categories.map_or(0, |kept| cut(&mut verdict.categories, kept));
        left_out.unjudged += unjudged.map_or(0, |kept| cut(&mut verdict.unjudged, kept));
    }
}

/// Limits the texts.
pub(super) fn texts(decision: &mut DecisionRecord) {
    for stored in &mut decision.stored {
        if let Some((at, _)) = stored.text.char_indices().nth(STORED_CHARS_KEPT) {
            stored.text.truncate(at);
            stored.text.push_str(CUT_MARK);
        }
    }
    let sizes = decision.stored.iter().map(|stored| json_bytes(&stored.text) + PLACE_BYTES_MAX);
    let kept = count_within(sizes, STORED_BYTES_MAX);
    decision.left_out.stored += cut(&mut decision.stored, kept);
    let sizes = decision.stripped_fields.iter().map(|name| json_bytes(name));
    let kept = count_within(sizes, STRIPPED_BYTES_MAX);
    decision.left_out.stripped_fields += cut(&mut decision.stripped_fields, kept);
}

/// Keeps `kept` findings, in their order, and says how many went. One of each
/// rule comes before repetitions, which add nothing to a score; the decisive
/// category's come first.
fn keep_findings(verdict: &mut Verdict, kept: usize) -> usize {
    let Verdict { findings, categories, .. } = verdict;
    let mut rules = BTreeSet::new();
    let mut ranked: Vec<_> = findings
        .iter()
        .enumerate()
        .map(|(at, finding)| {
            let is_repetition = !rules.insert(&finding.rule);
            let rank = categories.iter().position(|score| score.category == finding.category);
            (is_repetition, rank.unwrap_or(usize::MAX), at)
        })
        .collect();
    ranked.sort_unstable();
    let chosen: BTreeSet<usize> = ranked.into_iter().take(kept).map(|(_, _, at)| at).collect();
    let before = findings.len();
    let mut at = 0..;
    findings.retain(|_| at.next().is_some_and(|at| chosen.contains(&at)));
    before - findings.len()
}

/// Keeps the first `kept` items and says how many went.
fn cut<T>(items: &mut Vec<T>, kept: usize) -> usize {
    let gone = items.len().saturating_sub(kept);
    items.truncate(kept);
    gone
}

/// How many items, the first ones, fit into `bytes_max`.
fn count_within(sizes: impl Iterator<Item = usize>, bytes_max: usize) -> usize {
    let ends = sizes.scan(0_usize, |end, size| {
        *end = end.saturating_add(size);
        Some(*end)
    });
    ends.take_while(|end| *end <= bytes_max).count()
}

/// With its quotation marks and a comma.
fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::tests::decision;
    use crate::audit::record::{Entry, encode};
    use crate::audit::{LeftOut, StoredText};
    use crate::domain::{
        Action, Category, CategoryScore, Field, Finding, Place, RuleId, Unjudged, UnjudgedReason,
    };

    fn written(decision: DecisionRecord) -> DecisionRecord {
        let bytes = encode(Entry::Decision(Box::new(decision))).unwrap();
        match serde_json::from_slice(&bytes).unwrap() {
            Entry::Decision(decision) => *decision,
            other => panic!("{other:?}"),
        }
    }

    fn findings(rule: &str, category: Category, count: usize) -> Vec<Finding> {
        let example = decision(0).verdicts.remove(0).findings.remove(0);
        let finding = Finding { rule: RuleId(rule.into()), category, ..example };
        (0..count).map(|at| Finding { span: at..at + 1, ..finding.clone() }).collect()
    }

    #[test]
    fn an_ordinary_record_is_left_as_it_is() {
        let mut ordinary = decision(100);
        ordinary.verdicts[0].findings = findings("a", Category::Harassment, FINDINGS_MAX);
        assert_eq!(written(ordinary.clone()), ordinary);
        let bytes = encode(Entry::Decision(Box::new(ordinary))).unwrap();
        assert!(!String::from_utf8(bytes).unwrap().contains("left_out"));
    }

    #[test]
    fn findings_that_decided_outlast_repetitions() {
        let mut large = decision(0);
        let verdict = &mut large.verdicts[0];
        verdict.categories.push(CategoryScore {
            category: Category::Spam,
            score: 0.4,
            action: Action::Flag,
        });
        verdict.findings = findings("spam/offer", Category::Spam, 4000);
        verdict.findings.extend(findings("harassment/threat", Category::Harassment, 3));
        let read = written(large);
        let kept = &read.verdicts[0].findings;
        assert_eq!((kept.len(), read.left_out.findings), (FINDINGS_MAX, 4003 - FINDINGS_MAX));
        assert_eq!(kept.last().unwrap().rule.0.as_ref(), "harassment/threat");
        assert!(kept.windows(2).any(|pair| pair[0].rule != pair[1].rule), "both rules are told");
        assert_eq!(
            (read.verdicts[0].action, read.verdicts[0].categories.len()),
            (Action::Block, 2)
        );
    }

    #[test]
    fn stored_text_gives_way_to_the_size_limit() {
        let read = written(decision(1 << 20));
        assert_eq!(read.stored[0].text, "é".repeat(STORED_CHARS_KEPT) + CUT_MARK);
        assert_eq!((read.verdicts[0].findings.len(), read.left_out), (1, LeftOut::default()));
    }

    /// As much of everything as the other limits allow, each piece as long as it gets.
    #[test]
    fn the_largest_record_can_be_written() {
        let far = u64::MAX as usize;
        let place = Place::Message { index: u32::MAX, field: Field::Content };
        let mut large = decision(0);
        let mut verdict = large.verdicts.remove(0);
        verdict.action = Action::Replace;
        verdict.categories = Category::ALL
            .iter()
            .map(|_| CategoryScore {
                category: Category::TraffickingSexualViolence,
                score: 0.123_456,
                action: Action::Replace,
            })
            .collect();
        verdict.findings = findings(&"r".repeat(96), Category::TraffickingSexualViolence, 64);
        for finding in &mut verdict.findings {
            (finding.place, finding.span, finding.score) = (place, far..far, 0.123_456);
        }
        let reason = UnjudgedReason::TooManyFindings;
        verdict.unjudged = vec![Unjudged { place, span: far..far, reason }; 4];
        large.verdicts = vec![verdict; 1024];
        large.stored = vec![StoredText { place, text: "\u{1}".repeat(1024) }; 4096];
        large.stripped_fields = vec!["\u{1}".repeat(4096); 32];
        let categories = Category::ALL.len();
        let read = written(large);
        assert_eq!(
            (read.left_out.findings, read.left_out.categories, read.left_out.unjudged),
            (1024 * 63, 1024 * (categories - 2), 1024 * 3)
        );
        assert_eq!(read.left_out.stored, 4096 - read.stored.len());
        assert_eq!(read.left_out.stripped_fields, 32 - read.stripped_fields.len());
        assert!(!read.stored.is_empty() && !read.stripped_fields.is_empty());
        assert!(read.verdicts.iter().all(|verdict| verdict.action == Action::Replace));
    }
}
