//! Rules that need a whole text: expressions with `all` and `not`, conditions,
//! likeness to examples, and the languages that the policy covers.
//!
//! Their literals and patterns run in the stage's detector under numbers of
//! their own, beyond those of the rules. The engine gathers those matches from
//! every reading of a text and asks once, at its end, which rules hold.
//! Input only: the compiler lets no such rule judge an answer, because a
//! stream cannot wait for what must not come. Pure.

use std::ops::Range;

use super::expression::{Leaves, Match, Tree};
use super::kinds::{LanguageSpec, OtherLanguage};
use crate::detect;
use crate::detect::condition::Condition;
use crate::detect::language;
use crate::detect::similar::Similar;
use crate::domain::{Role, View};

/// Matches of one leaf in one text that are kept; more show nothing new.
const LEAF_MATCHES_MAX: usize = 256;

/// What one rule looks for, in one of two ways.
#[derive(Debug)]
pub(super) enum Looks {
    /// Matches count one by one, in streams as well.
    Directly(detect::Rule),
    Whole(Whole),
}

/// A rule that holds of a whole text or does not.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) leaves: Vec<Leaf>,
    /// Over the numbers of `leaves`; `None` when the conditions say it all.
    pub(super) tree: Option<Tree>,
    /// All must hold.
    pub(super) when: Vec<Condition>,
}

#[derive(Debug)]
pub(super) enum Leaf {
    Detector(detect::Rule),
    Similar(Similar),
}

/// The whole-text rules of one stage.
#[derive(Debug, Default)]
pub(super) struct WholeRules {
    rules: Vec<WholeRule>,
    /// The first number of a leaf; smaller ones are rules.
    first_leaf: usize,
    /// By leaf: the number of its rule.
    owners: Vec<usize>,
    language: Option<(usize, LanguageSpec)>,
}

#[derive(Debug)]
struct WholeRule {
    /// The rule's number in its stage.
    number: usize,
    leaves: Vec<Source>,
    tree: Option<Tree>,
    when: Vec<Condition>,
}

#[derive(Debug)]
enum Source {
    /// Matches of the leaf of this index.
    Gathered(usize),
    Similar(Similar),
}

/// Matches of the leaves in one text, over all its readings.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    by_leaf: Vec<Vec<Match>>,
}

/// A text in a language that the policy does not cover.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OtherTongue {
    /// A finding of the rule of this number.
    Flag(usize, Range<usize>),
    /// Not judged at all.
    Refuse(Range<usize>),
}

impl WholeRules {
    /// Takes in the whole-text rules with their numbers and appends what
    /// their leaves look for to the stage's detector rules.
    pub(super) fn build(
        rules: Vec<(usize, &Whole)>,
        language: Option<(usize, LanguageSpec)>,
        looks_for: &mut Vec<detect::Rule>,
    ) -> Self {
        let first_leaf = looks_for.len();
        let mut owners = Vec::new();
        let rules = rules
            .into_iter()
            .map(|(number, whole)| {
                let leaves = whole
                    .leaves
                    .iter()
                    .map(|leaf| match leaf {
                        Leaf::Similar(similar) => Source::Similar(similar.clone()),
                        Leaf::Detector(rule) => {
                            looks_for.push(detect::Rule {
                                phrases: rule.phrases.clone(),
                                patterns: rule.patterns.clone(),
                                unless: rule.unless.clone(),
                            });
                            owners.push(number);
                            Source::Gathered(owners.len() - 1)
                        }
                    })
                    .collect();
                WholeRule { number, leaves, tree: whole.tree.clone(), when: whole.when.clone() }
            })
            .collect();
        Self { rules, first_leaf, owners, language }
    }

    /// The rule whose leaf a detector's number is, if it is one: matches of
    /// leaves are no findings, they are to be gathered.
    pub(super) fn owner(&self, number: usize) -> Option<usize> {
        self.owners.get(number.checked_sub(self.first_leaf)?).copied()
    }

    /// To gather the matches of one text in.
    pub(super) fn gather(&self) -> Gathered {
        Gathered { by_leaf: vec![Vec::new(); self.owners.len()] }
    }

    /// Keeps a match of a leaf, by its place in the text as it was sent. The
    /// same place in several readings counts once.
    pub(super) fn keep(&self, gathered: &mut Gathered, number: usize, found: Match) {
        let leaf = number.checked_sub(self.first_leaf).and_then(|at| gathered.by_leaf.get_mut(at));
        if let Some(matches) = leaf
            && matches.len() < LEAF_MATCHES_MAX
            && !matches.iter().rev().any(|known| known.span == found.span)
        {
            matches.push(found);
        }
    }

    /// The rules that hold of `text`, by number, with what shows it. `judges`
    /// says whether a rule looks at this text at all.
    pub(super) fn find(
        &self,
        text: &str,
        gathered: &Gathered,
        judges: impl Fn(usize) -> bool,
    ) -> Vec<(usize, Match)> {
        let mut found = Vec::new();
        for rule in self.rules.iter().filter(|rule| judges(rule.number)) {
            let shown = rule.shown(text, gathered).unwrap_or_default();
            found.extend(shown.into_iter().map(|shown| (rule.number, shown)));
        }
        found.sort_by_key(|(number, shown)| (shown.span.start, shown.span.end, *number));
        found.dedup();
        found
    }

    /// What the policy says about the language of a text. The operator's own
    /// texts are not asked.
    pub(super) fn tongue(&self, role: Role, text: &str) -> Option<OtherTongue> {
        let (number, spec) = self.language.as_ref()?;
        if matches!(role, Role::System | Role::Developer) {
            return None;
        }
        let place = language::beyond(text, &spec.covered, spec.min_chars)?;
        match spec.other {
            OtherLanguage::Judge => None,
            OtherLanguage::Flag => Some(OtherTongue::Flag(*number, place.span)),
            OtherLanguage::Refuse => Some(OtherTongue::Refuse(place.span)),
        }
    }
}

impl WholeRule {
    fn shown(&self, text: &str, gathered: &Gathered) -> Option<Vec<Match>> {
        // The tree first: most texts end there, and it is cheap.
        let shown = match &self.tree {
            Some(tree) => {
                let matches = self.matches(text, gathered);
                let leaves = Leaves { text, matches: &matches, matches_max: LEAF_MATCHES_MAX };
                Some(tree.shown_by(&leaves)?)
            }
            None => None,
        };
        let mut narrowest: Option<Range<usize>> = None;
        for condition in &self.when {
            let span = condition.find(text)?;
            if narrowest.as_ref().is_none_or(|known| span.len() < known.len()) {
                narrowest = Some(span);
            }
        }
        shown.or_else(|| Some(vec![at(narrowest?)]))
    }

    fn matches(&self, text: &str, gathered: &Gathered) -> Vec<Vec<Match>> {
        let of = |source: &Source| match source {
            Source::Gathered(leaf) => gathered.by_leaf.get(*leaf).cloned().unwrap_or_default(),
            Source::Similar(similar) => {
                similar.find(text).into_iter().take(LEAF_MATCHES_MAX).map(at).collect()
            }
        };
        self.leaves.iter().map(of).collect()
    }
}

/// A match in the text as it was sent.
fn at(span: Range<usize>) -> Match {
    Match { span, view: View::Original, entity: None }
}
