//! Several turns as one conversation: how much old evidence counts, and what
//! the turns of one speaker say when they are read on.
//!
//! Two attacks need this. A payload that is split over turns is whole in no
//! single one, so neighbouring turns of a speaker are joined into [`Chain`]s
//! and judged for what goes over a seam. A request that grows turn by turn
//! (crescendo) is weak evidence in each, so evidence of older turns adds up, a
//! little less with each turn that follows. Pure; [`super::judging`] calls it.

use std::ops::Range;

use super::Judged;
use super::evidence::{Evidence, Weight};
use super::spec::ConversationSpec;
use crate::domain::{Category, Field, Place, Role};
use crate::text::canonical;

/// Bytes of a long turn on either side of a seam: more than a plain rule reaches, so that an
/// encoded payload of some length is whole.
const SIDE_BYTES: usize = 4 << 10;
/// Canonical characters that a side must have, whatever invisible ones stand between them.
const SIDE_CHARS_MIN: usize = 1 << 10;
/// Many short turns are judged in pieces of about this size, so that those of an old conversation
/// stay the same when it grows.
const CHAIN_BYTES_MAX: usize = 16 << 10;

/// A finding as evidence: which text completed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) text: usize,
    pub(super) rule: usize,
    pub(super) weight: Weight,
}

/// For each text, how many turns of the user follow it. System texts, names and whatever else
/// stands beside the turns are always new.
pub(super) fn ages(texts: &[Judged<'_>]) -> Vec<u32> {
    let mut later = 0u32;
    let mut ages: Vec<u32> = texts
        .iter()
        .rev()
        .map(|text| {
            let age = if is_turn(text) { later } else { 0 };
            if is_turn(text) && text.role == Role::User {
                later = later.saturating_add(1);
            }
            age
        })
        .collect();
    ages.reverse();
    ages
}

const fn is_turn(text: &Judged<'_>) -> bool {
    matches!(text.place, Place::Message { field: Field::Content, .. })
        && matches!(text.role, Role::User | Role::Assistant | Role::Tool)
}

/// Adds up evidence: per category the larger of what all texts say together, old turns with the
/// share that is left of them, and what a single old turn says alone.
///
/// One more finding never lowers a score: a share can only rise to that of a newer turn, and both
/// sums grow with each rule. The order of `counted` is irrelevant.
pub(super) fn weigh(
    spec: ConversationSpec,
    ages: &[u32],
    mut counted: Vec<Counted>,
    none: Evidence,
) -> Evidence {
    let age = |counted: &Counted| ages.get(counted.text).copied().unwrap_or_default();
    // The newest first: a rule counts with the largest share that it has. Then by number, so that
    // rounding does not depend on the order of the texts.
    counted.sort_by_key(|counted| (age(counted), counted.rule));
    let mut all = none.clone();
    for counted in &counted {
        all.add_share(counted.rule, counted.weight, share(spec, counted.weight, age(counted)));
    }
    counted.retain(|counted| share(spec, counted.weight, age(counted)) < 1.0);
    counted.sort_by_key(|counted| (counted.text, counted.rule));
    for turn in counted.chunk_by(|a, b| a.text == b.text) {
        let mut alone = none.clone();
        for counted in turn {
            alone.add(counted.rule, counted.weight);
        }
        all.raise(&alone);
    }
    all
}

/// What is left of a score after `age` turns.
fn share(spec: ConversationSpec, weight: Weight, age: u32) -> f64 {
    // No setting lowers what is found of this category.
    if age == 0 || weight.category == Category::ChildExploitation {
        return 1.0;
    }
    if age >= spec.window_turns {
        return 0.0;
    }
    f64::from(spec.decay).powi(i32::try_from(age).unwrap_or(i32::MAX))
}

/// Ends and beginnings of neighbouring turns of one role as one text.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) text: String,
    pieces: Vec<Piece>,
    /// Holds a piece that no earlier chain has.
    fresh: bool,
}

/// A part of a turn in a chain.
#[derive(Debug, Clone)]
struct Piece {
    /// Which of the texts.
    turn: usize,
    /// Where the part begins in the turn.
    from: usize,
    /// Bytes of the chain.
    at: Range<usize>,
}

/// A part of a turn that a match in a chain touches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) turn: usize,
    pub(super) span: Range<usize>,
}

/// The chains of one role's turns, with `glue` between them. `heads` are the judged parts of the
/// texts. Empty when the role has one turn.
pub(super) fn chains(
    texts: &[Judged<'_>],
    heads: &[&str],
    role: Role,
    glue: &'static str,
) -> Vec<Chain> {
    let turns: Vec<(usize, &str)> = texts
        .iter()
        .zip(heads)
        .enumerate()
        .filter(|(_, (text, head))| is_turn(text) && text.role == role && !head.is_empty())
        .map(|(turn, (_, head))| (turn, *head))
        .collect();
    if turns.len() < 2 {
        return Vec::new();
    }
    let mut done = Vec::new();
    let mut chain = Chain::default();
    for (turn, head) in turns {
        if chain.pieces.is_empty() {
            chain.push(turn, head, tail(head), glue);
            continue;
        }
        if head.len() > SIDE_BYTES {
            chain.push(turn, head, 0..beginning(head), glue);
            done.push(std::mem::take(&mut chain));
            chain.push(turn, head, tail(head), glue);
        } else {
            chain.push(turn, head, 0..head.len(), glue);
            if chain.text.len() > CHAIN_BYTES_MAX {
                let next = chain.overlap(heads, glue);
                done.push(std::mem::replace(&mut chain, next));
            }
        }
    }
    done.push(chain);
    done.retain(|chain| chain.pieces.len() > 1 && chain.fresh);
    done
}

impl Chain {
    fn push(&mut self, turn: usize, text: &str, part: Range<usize>, glue: &str) {
        let from = part.start;
        let part = text.get(part).unwrap_or_default();
        if !self.pieces.is_empty() {
            self.text.push_str(glue);
            self.fresh = true;
        }
        let start = self.text.len();
        self.text.push_str(part);
        self.pieces.push(Piece { turn, from, at: start..self.text.len() });
    }

    /// The beginning of the next chain: the last pieces, as many as a match can reach over.
    fn overlap(&self, heads: &[&str], glue: &str) -> Self {
        let mut bytes = 0;
        let kept = self.pieces.iter().rev().take_while(|piece| {
            let before = bytes;
            bytes += piece.at.len();
            before < SIDE_BYTES
        });
        let kept = kept.count().min(self.pieces.len().saturating_sub(1)).max(1);
        let mut next = Self::default();
        for piece in self.pieces.iter().skip(self.pieces.len() - kept) {
            let text = heads.get(piece.turn).copied().unwrap_or_default();
            next.push(piece.turn, text, piece.from..piece.from + piece.at.len(), glue);
        }
        next.fresh = false;
        next
    }

    /// What lies between the turns.
    pub(super) fn seams(&self) -> Vec<Range<usize>> {
        self.pieces
            .windows(2)
            .filter_map(|pair| match pair {
                [before, after] => Some(before.at.end..after.at.start),
                _ => None,
            })
            .collect()
    }

    /// The parts of turns that a range of the chain covers, in order.
    pub(super) fn parts(&self, span: &Range<usize>) -> Vec<Part> {
        self.pieces
            .iter()
            .filter_map(|piece| {
                let start = span.start.max(piece.at.start);
                let end = span.end.min(piece.at.end);
                let place = |at: usize| piece.from + at - piece.at.start;
                (start < end).then(|| Part { turn: piece.turn, span: place(start)..place(end) })
            })
            .collect()
    }
}

/// The end of a turn, cut at a blank where there is one near: an encoded word stays whole.
fn tail(text: &str) -> Range<usize> {
    let mut bytes = SIDE_BYTES;
    loop {
        let start = text.floor_char_boundary(text.len().saturating_sub(bytes));
        let part = text.get(start..).unwrap_or_default();
        if start == 0 || is_enough(part) {
            let blank = part.find(char::is_whitespace).filter(|at| *at < bytes / 2);
            let skipped = if start == 0 { None } else { blank };
            return start + skipped.unwrap_or_default()..text.len();
        }
        bytes = bytes.saturating_mul(2);
    }
}

/// Where the beginning of a turn ends, likewise.
fn beginning(text: &str) -> usize {
    let mut bytes = SIDE_BYTES;
    loop {
        let end = text.floor_char_boundary(bytes.min(text.len()));
        let part = text.get(..end).unwrap_or_default();
        if end == text.len() || is_enough(part) {
            let blank = part.rfind(char::is_whitespace).filter(|at| *at > bytes / 2);
            return if end == text.len() { end } else { blank.unwrap_or(end) };
        }
        bytes = bytes.saturating_mul(2);
    }
}

/// Whether enough is left of a part when what nobody sees is gone.
fn is_enough(part: &str) -> bool {
    canonical(part).chars().take(SIDE_CHARS_MIN).count() == SIDE_CHARS_MIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Action, Stage};
    use crate::policy::spec::Decision;

    const SPEC: ConversationSpec = ConversationSpec { decay: 0.5, window_turns: 4, join: true };

    fn message(index: u32, role: Role, text: &str) -> Judged<'_> {
        Judged { place: Place::Message { index, field: Field::Content }, role, text }
    }

    #[test]
    fn turns_age_with_each_later_turn_of_the_user_and_the_rest_does_not() {
        use Role::{Assistant, System, Tool, User};
        let roles = [System, User, Assistant, Tool, User, Assistant, User, Tool];
        let texts: Vec<Judged<'_>> =
            (0u32..).zip(roles).map(|(index, role)| message(index, role, "x")).collect();
        assert_eq!(ages(&texts), [0, 2, 2, 2, 1, 1, 0, 0]);
        let name = Judged { place: Place::Message { index: 0, field: Field::Name }, ..texts[1] };
        assert_eq!(ages(&[name, texts[1], texts[4]]), [0, 1, 0]);
    }

    fn score(ages: &[u32], counted: &[Counted], category: Category) -> f32 {
        let evidence = weigh(SPEC, ages, counted.to_vec(), Evidence::new(Stage::Input, 8));
        let decide = |_, _| Decision { action: Action::Block, threshold: 0.5 };
        let scores = evidence.scores(decide);
        scores.iter().find(|found| found.category == category).map_or(0.0, |found| found.score)
    }

    fn counted(text: usize, rule: usize, category: Category, score: f32) -> Counted {
        Counted { text, rule, weight: Weight { category, score, enforced: true } }
    }

    #[test]
    fn old_evidence_fades_and_strong_old_evidence_does_not() {
        let drugs = |text, rule, score| counted(text, rule, Category::Drugs, score);
        let of = |ages: &[u32], all: &[Counted]| score(ages, all, Category::Drugs);
        assert_eq!(of(&[0, 0], &[drugs(0, 0, 0.4), drugs(1, 1, 0.4)]), 0.64);
        assert_eq!(of(&[1, 0], &[drugs(0, 0, 0.4), drugs(1, 1, 0.4)]), 0.52);
        // The same rule counts once, as new as it is.
        assert_eq!(of(&[1, 0], &[drugs(0, 0, 0.4), drugs(1, 0, 0.4)]), 0.4);
        // Out of the window: what the turn says alone remains.
        assert_eq!(of(&[4, 0], &[drugs(0, 0, 0.4), drugs(0, 1, 0.5), drugs(1, 2, 0.1)]), 0.7);
        let child = Category::ChildExploitation;
        let all = [counted(0, 0, child, 0.4), counted(1, 1, child, 0.4)];
        assert_eq!(score(&[9, 0], &all, child), 0.64);
    }

    /// Texts of any age, rules of fixed weight.
    fn evidence() -> impl Strategy<Value = (Vec<u32>, Vec<Counted>)> {
        let ages = proptest::collection::vec(0u32..6, 5);
        let found = proptest::collection::vec((0usize..5, 0usize..8), 0..12);
        (ages, found).prop_map(|(ages, found)| {
            let weights = [0.1, 0.3, 0.5, 0.9, 1.0, 0.2, 0.4, 0.6];
            let weight = |rule: usize| Weight {
                category: if rule < 5 { Category::Drugs } else { Category::Weapons },
                score: weights[rule],
                enforced: rule != 2,
            };
            let found = found.into_iter();
            let found = found.map(|(text, rule)| Counted { text, rule, weight: weight(rule) });
            (ages, found.collect())
        })
    }

    proptest! {
        #[test]
        fn more_evidence_never_lowers_a_score((ages, found) in evidence()) {
            for category in [Category::Drugs, Category::Weapons] {
                for count in 0..found.len() {
                    // Shadow evidence is shown as a score only while nothing counts.
                    let enforced = |all: &[Counted]| all.iter().copied().filter(|c| c.weight.enforced).collect::<Vec<_>>();
                    let less = score(&ages, &enforced(&found[..count]), category);
                    let more = score(&ages, &enforced(&found[..=count]), category);
                    prop_assert!(more >= less, "{more} < {less}");
                }
            }
        }

        #[test]
        fn a_newer_turn_never_weighs_less((ages, found) in evidence(), text in 0usize..5) {
            let mut newer = ages.clone();
            newer[text] = newer[text].saturating_sub(1);
            for category in [Category::Drugs, Category::Weapons] {
                prop_assert!(score(&newer, &found, category) + 1e-6 >= score(&ages, &found, category));
            }
        }

        #[test]
        fn the_order_of_evidence_is_irrelevant((ages, found) in evidence(), by in 0usize..12) {
            let mut other = found.clone();
            other.reverse();
            let middle = by.min(other.len());
            other.rotate_left(middle);
            for category in [Category::Drugs, Category::Weapons] {
                prop_assert_eq!(score(&ages, &found, category), score(&ages, &other, category));
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Chains cover every seam, and their parts lead back to the same bytes.
        #[test]
        fn every_seam_is_in_a_chain_and_parts_lead_back(
            lengths in proptest::collection::vec(prop_oneof![1usize..40, 3_000usize..9_000, 30_000usize..40_000], 1..12),
        ) {
            let turns: Vec<String> = lengths
                .iter()
                .enumerate()
                .map(|(turn, length)| (0..*length).map(|at| char::from(b'a' + ((at * 7 + turn) % 26) as u8)).collect())
                .collect();
            let texts: Vec<Judged<'_>> = (0u32..).zip(&turns).map(|(index, text)| message(index, Role::User, text)).collect();
            let heads: Vec<&str> = turns.iter().map(String::as_str).collect();
            let mut joined = vec![false; turns.len().saturating_sub(1)];
            let mut bytes = 0;
            for chain in chains(&texts, &heads, Role::User, " ") {
                bytes += chain.text.len();
                let seams = chain.seams();
                prop_assert_eq!(seams.len() + 1, chain.pieces.len());
                for (seam, pair) in seams.iter().zip(chain.pieces.windows(2)) {
                    joined[pair[0].turn] = true;
                    prop_assert_eq!(pair[0].turn + 1, pair[1].turn);
                    // At the seam a turn ends and the next begins.
                    let parts = chain.parts(&(seam.start - 1..seam.end + 1));
                    let (before, after) = (turns[pair[0].turn].len(), 0..1);
                    prop_assert_eq!(&parts[0], &Part { turn: pair[0].turn, span: before - 1..before });
                    prop_assert_eq!(&parts[1], &Part { turn: pair[1].turn, span: after });
                }
            }
            prop_assert!(joined.iter().all(|joined| *joined));
            prop_assert!(bytes <= 2 * turns.iter().map(String::len).sum::<usize>() + 2 * turns.len());
        }
    }
}
