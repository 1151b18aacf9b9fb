//! The tree of a `match:`: what holds of a text, and which matches show it.
//!
//! Pure boolean logic over numbered leaves; what the leaves are is known to
//! [`super::whole`], which gathers their matches over all readings of a text
//! and calls [`Tree::shown_by`] once at its end.

use std::ops::Range;

use crate::domain::{Entity, View};

/// A match in a text as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) span: Range<usize>,
    pub(super) view: View,
    pub(super) entity: Option<Entity>,
}

/// An expression over leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// True when the leaf of this number has a match.
    Leaf(usize),
    Any(Vec<Self>),
    All {
        parts: Vec<Self>,
        /// The matches must lie in a stretch of this many characters.
        within_chars: Option<usize>,
    },
    Not(Box<Self>),
}

/// The matches of all leaves in one text.
#[derive(Debug)]
pub(super) struct Leaves<'t> {
    pub(super) text: &'t str,
    /// By the number of the leaf.
    pub(super) matches: &'t [Vec<Match>],
    /// A leaf with as many matches may have more: their distance is unknown.
    pub(super) matches_max: usize,
}

impl Tree {
    /// Whether the tree is true only where something was found, so that there
    /// is always a place to point at.
    pub(super) fn is_positive(&self) -> bool {
        match self {
            Self::Leaf(_) => true,
            Self::Any(parts) => !parts.is_empty() && parts.iter().all(Self::is_positive),
            Self::All { parts, .. } => parts.iter().any(Self::is_positive),
            Self::Not(_) => false,
        }
    }

    /// Whether it only asks that one of its leaves matches.
    pub(super) fn is_any(&self) -> bool {
        match self {
            Self::Leaf(_) => true,
            Self::Any(parts) => parts.iter().all(Self::is_any),
            Self::All { .. } | Self::Not(_) => false,
        }
    }

    /// When the tree is true: the matches of the leaves that made it so. What
    /// stands under `not` shows nothing.
    pub(super) fn shown_by(&self, leaves: &Leaves<'_>) -> Option<Vec<Match>> {
        match self {
            Self::Leaf(number) => {
                leaves.matches.get(*number).filter(|matches| !matches.is_empty()).cloned()
            }
            Self::Any(parts) => {
                parts.iter().filter_map(|part| part.shown_by(leaves)).reduce(|mut shown, more| {
                    shown.extend(more);
                    shown
                })
            }
            Self::All { parts, within_chars: None } => {
                parts.iter().try_fold(Vec::new(), |mut shown, part| {
                    shown.extend(part.shown_by(leaves)?);
                    Some(shown)
                })
            }
            Self::All { parts, within_chars: Some(chars) } => together(parts, *chars, leaves),
            Self::Not(part) => part.shown_by(leaves).is_none().then(Vec::new),
        }
    }
}

/// One match of a part, by where its characters stand.
struct Placed {
    part: usize,
    chars: Range<usize>,
    found: Match,
}

/// The matches that lie, one of each part at least, in a stretch of `chars`
/// characters. Linear but for sorting.
fn together(parts: &[Tree], chars: usize, leaves: &Leaves<'_>) -> Option<Vec<Match>> {
    let mut all: Vec<(usize, Match)> = Vec::new();
    let mut searched = 0;
    let mut uncounted = false;
    for (number, part) in parts.iter().enumerate() {
        let shown = part.shown_by(leaves)?;
        if part.is_positive() {
            uncounted |= shown.len() >= leaves.matches_max;
            searched += 1;
            all.extend(shown.into_iter().map(|found| (number, found)));
        }
    }
    if uncounted {
        // Too many to know them all: a flood must not hide a stretch.
        return Some(all.into_iter().map(|(_, found)| found).collect());
    }
    let placed = place(all, leaves.text);
    let mut counts = vec![0usize; parts.len()];
    let mut full = 0;
    let mut next_end = 0;
    let mut by_end: Vec<&Placed> = placed.iter().collect();
    by_end.sort_by_key(|placed| placed.chars.end);
    // Any stretch may be moved right until a match begins it, so only those
    // are tried. A match is shown when the last full one that begins at or
    // before it reaches its end.
    let mut full_until: Option<usize> = None;
    let mut kept = Vec::new();
    for first in &placed {
        let end = first.chars.start.saturating_add(chars);
        while let Some(entering) = by_end.get(next_end).filter(|next| next.chars.end <= end) {
            next_end += 1;
            if entering.chars.start >= first.chars.start
                && let Some(count) = counts.get_mut(entering.part)
            {
                full += usize::from(*count == 0);
                *count += 1;
            }
        }
        if full == searched {
            full_until = Some(end);
        }
        if full_until.is_some_and(|until| first.chars.end <= until) {
            kept.push(first.found.clone());
        }
        // The next stretch begins after `first`.
        if first.chars.end <= end
            && let Some(count) = counts.get_mut(first.part)
        {
            *count = count.saturating_sub(1);
            full -= usize::from(*count == 0);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// The matches by the characters of the text that they cover, by their start.
fn place(mut all: Vec<(usize, Match)>, text: &str) -> Vec<Placed> {
    all.sort_by_key(|(part, found)| (found.span.start, found.span.end, *part));
    let mut chars = 0;
    let mut at = 0;
    all.into_iter()
        .map(|(part, found)| {
            chars += count(text, at..found.span.start);
            at = found.span.start;
            let end = chars + count(text, found.span.clone());
            Placed { part, chars: chars..end, found }
        })
        .collect()
}

fn count(text: &str, bytes: Range<usize>) -> usize {
    text.get(bytes).unwrap_or_default().chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(span: Range<usize>) -> Match {
        Match { span, view: View::Canonical, entity: None }
    }

    fn leaf(number: usize) -> Tree {
        Tree::Leaf(number)
    }

    fn tree() -> impl Strategy<Value = Tree> {
        (0usize..5).prop_map(Tree::Leaf).prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Tree::Any),
                proptest::collection::vec(inner.clone(), 1..4)
                    .prop_map(|parts| Tree::All { parts, within_chars: None }),
                inner.prop_map(|part| Tree::Not(Box::new(part))),
            ]
        })
    }

    fn truth(tree: &Tree, holds: &[bool]) -> bool {
        match tree {
            Tree::Leaf(number) => holds[*number],
            Tree::Any(parts) => parts.iter().any(|part| truth(part, holds)),
            Tree::All { parts, .. } => parts.iter().all(|part| truth(part, holds)),
            Tree::Not(part) => !truth(part, holds),
        }
    }

    #[test]
    fn what_is_shown_is_what_made_it_true() {
        let matches = [vec![found(0..1)], vec![], vec![found(4..5), found(8..9)]];
        let leaves = Leaves { text: "0123456789", matches: &matches, matches_max: 9 };
        let any = Tree::Any(vec![leaf(1), leaf(2)]);
        assert_eq!(any.shown_by(&leaves).unwrap().len(), 2);
        let all = |parts, within_chars| Tree::All { parts, within_chars };
        let not = |part| Tree::Not(Box::new(part));
        assert_eq!(all(vec![leaf(0), not(leaf(1))], None).shown_by(&leaves).unwrap().len(), 1);
        assert_eq!(all(vec![leaf(0), not(leaf(2))], None).shown_by(&leaves), None);
        let near = |chars| all(vec![leaf(0), leaf(2), not(leaf(1))], Some(chars));
        assert_eq!(near(4).shown_by(&leaves), None);
        assert_eq!(near(5).shown_by(&leaves).unwrap(), [found(0..1), found(4..5)]);
        assert_eq!(near(9).shown_by(&leaves).unwrap().len(), 3);
        assert!(
            !not(leaf(0)).is_positive() && !Tree::Any(vec![leaf(0), not(leaf(1))]).is_positive()
        );
        assert!(near(1).is_positive() && any.is_any() && !near(1).is_any());
    }

    #[test]
    fn a_flood_of_matches_hides_no_stretch() {
        let matches = [vec![found(0..1); 3], vec![found(9..10)]];
        let tree = Tree::All { parts: vec![leaf(0), leaf(1)], within_chars: Some(2) };
        let leaves = |matches_max| Leaves { text: "0123456789", matches: &matches, matches_max };
        assert_eq!(tree.shown_by(&leaves(4)), None);
        assert!(tree.shown_by(&leaves(3)).is_some());
    }

    proptest! {
        #[test]
        fn it_is_boolean_logic(tree in tree(), holds in proptest::collection::vec(any::<bool>(), 5)) {
            let matches: Vec<Vec<Match>> =
                holds.iter().enumerate().map(|(at, holds)| if *holds { vec![found(at..at + 1)] } else { vec![] }).collect();
            let leaves = Leaves { text: "abcdef", matches: &matches, matches_max: 99 };
            let shown = tree.shown_by(&leaves);
            prop_assert_eq!(shown.is_some(), truth(&tree, &holds));
            if tree.is_positive() {
                prop_assert!(shown.is_none_or(|shown| !shown.is_empty()));
            }
        }

        /// Against trying every combination.
        #[test]
        fn a_stretch_holds_one_of_each(
            spans in proptest::collection::vec(proptest::collection::vec((0usize..40, 1usize..6), 0..6), 2..4),
            chars in 1usize..20,
        ) {
            let text = "ж".repeat(50);
            let matches: Vec<Vec<Match>> = spans.iter().map(|spans| {
                spans.iter().map(|(at, len)| found(at * 2..(at + len) * 2)).collect()
            }).collect();
            let parts: Vec<Tree> = (0..spans.len()).map(Tree::Leaf).collect();
            let tree = Tree::All { parts, within_chars: Some(chars) };
            let leaves = Leaves { text: &text, matches: &matches, matches_max: 99 };
            let lies_in = |from: usize| {
                let inside = |(at, len): &(usize, usize)| *at >= from && at + len <= from + chars;
                spans.iter().all(|spans| spans.iter().any(inside))
            };
            let mut expected: Vec<Range<usize>> = spans.iter().flatten()
                .filter(|(at, len)| (0..50).any(|from| lies_in(from) && *at >= from && at + len <= from + chars))
                .map(|(at, len)| at * 2..(at + len) * 2).collect();
            let mut shown: Vec<Range<usize>> =
                tree.shown_by(&leaves).unwrap_or_default().into_iter().map(|found| found.span).collect();
            let key = |span: &Range<usize>| (span.start, span.end);
            expected.sort_by_key(key);
            shown.sort_by_key(key);
            prop_assert_eq!(shown, expected);
        }
    }
}
