//! `match:` read into a tree over leaves, each a rule of the detector.

use super::conditions::similar_to;
use super::rules::Reading;
use super::when::count;
use super::{near, pii};
use crate::detect::similar::Similar;
use crate::detect::{self, Pattern, Phrase};
use crate::policy::document::{MatchWritten, Spanned, place};
use crate::policy::expression::Tree;
use crate::policy::kinds::{LookSpec, NodeSpec};
use crate::policy::problem::Problem;
use crate::policy::whole::Leaf;

/// Operators inside one another.
const DEPTH_MAX: usize = 6;
/// Leaves and operators of one tree.
const NODES_MAX: usize = 64;
/// A stretch of more is no longer one passage.
const WITHIN_CHARS_MAX: u64 = 8192;

/// A tree with what its leaves look for.
#[derive(Debug)]
pub(super) struct MatchRead {
    tree: Tree,
    leaves: Vec<LeafRead>,
}

#[derive(Debug)]
struct LeafRead {
    rule: detect::Rule,
    similar: Option<Similar>,
    /// Stands under a `not`: exceptions must not make the rule fire.
    negated: bool,
}

impl MatchRead {
    /// Whether it only asks that something occurs, so that streams can, too.
    pub(super) fn is_plain(&self) -> bool {
        self.tree.is_any() && self.leaves.iter().all(|leaf| leaf.similar.is_none())
    }

    /// As one rule of the detector.
    pub(super) fn plain(&self, unless: &[Pattern]) -> Option<detect::Rule> {
        self.is_plain().then(|| detect::Rule {
            phrases: self.leaves.iter().flat_map(|leaf| leaf.rule.phrases.clone()).collect(),
            patterns: self.leaves.iter().flat_map(|leaf| leaf.rule.patterns.clone()).collect(),
            unless: unless.to_vec(),
        })
    }

    /// As leaves and a tree over them. A leaf with examples is two.
    pub(super) fn whole(self, unless: &[Pattern]) -> (Vec<Leaf>, Tree) {
        let mut leaves = Vec::new();
        let mut places = Vec::new();
        for LeafRead { mut rule, similar, negated } in self.leaves {
            let mut either = Vec::new();
            if !rule.phrases.is_empty() || !rule.patterns.is_empty() {
                if !negated {
                    rule.unless = unless.to_vec();
                }
                either.push(Tree::Leaf(leaves.len()));
                leaves.push(Leaf::Detector(rule));
            }
            if let Some(similar) = similar {
                either.push(Tree::Leaf(leaves.len()));
                leaves.push(Leaf::Similar(similar));
            }
            places.push(
                if either.len() == 1 { either.pop() } else { None }.unwrap_or(Tree::Any(either)),
            );
        }
        let tree = renumbered(self.tree, &places);
        (leaves, tree)
    }
}

fn renumbered(tree: Tree, places: &[Tree]) -> Tree {
    let all = |parts: Vec<Tree>| parts.into_iter().map(|part| renumbered(part, places)).collect();
    match tree {
        Tree::Leaf(number) => places.get(number).cloned().unwrap_or(Tree::Any(Vec::new())),
        Tree::Any(parts) => Tree::Any(all(parts)),
        Tree::All { parts, within_chars } => Tree::All { parts: all(parts), within_chars },
        Tree::Not(part) => Tree::Not(Box::new(renumbered(*part, places))),
    }
}

/// `chars_max` is the bound of what an output rule may match.
pub(super) fn read(
    written: &Spanned<MatchWritten>,
    chars_max: Option<usize>,
    reading: &mut Reading<'_>,
) -> Option<(NodeSpec, MatchRead)> {
    let before = reading.problems.errors();
    let mut nodes = Nodes { reading, chars_max, leaves: Vec::new(), count: 0 };
    let read = nodes.node(written, 1, false);
    let leaves = nodes.leaves;
    if reading.problems.errors() > before {
        return None;
    }
    let (spec, tree) = read?;
    if !tree.is_positive() {
        reading.problems.push(
            Problem::new(
                "policy::bad_match",
                place(&written.referenced),
                "this holds of texts in which nothing is found",
            )
            .label("`not` alone leaves nothing to point at")
            .help("join it by `all` with something that must occur: `all: [{ phrases: […] }, { not: … }]`"),
        );
        return None;
    }
    Some((spec, MatchRead { tree, leaves }))
}

struct Nodes<'r, 'a> {
    reading: &'r mut Reading<'a>,
    chars_max: Option<usize>,
    leaves: Vec<LeafRead>,
    count: usize,
}

impl Nodes<'_, '_> {
    fn node(
        &mut self,
        written: &Spanned<MatchWritten>,
        depth: usize,
        negated: bool,
    ) -> Option<(NodeSpec, Tree)> {
        let node = &written.value;
        let at = place(&written.referenced);
        self.reading.problems.unknown_keys(node);
        self.count += 1;
        if depth > DEPTH_MAX || self.count > NODES_MAX {
            // Said once: what lies deeper is not read.
            if self.count <= NODES_MAX + 1 {
                self.problem(
                    at,
                    "this `match` is too large",
                    &format!("at most {DEPTH_MAX} operators inside one another and {NODES_MAX} parts; make two rules of it"),
                );
            }
            return None;
        }
        let looks = node.phrases.is_some()
            || node.patterns.is_some()
            || node.pii.is_some()
            || node.near.is_some()
            || node.similar_to.is_some();
        let operators = usize::from(node.all.is_some())
            + usize::from(node.any.is_some())
            + usize::from(node.not.is_some());
        if operators + usize::from(looks) != 1 {
            self.problem(
                at,
                "a part of `match` is one operator, or something to look for",
                "`all: […]`, `any: […]`, `not: {…}`, or `phrases`, `patterns`, `pii`, `near`, `similar_to`",
            );
            return None;
        }
        if node.within_chars.is_some() && node.all.is_none()
            || node.whole_words.is_some() && node.phrases.is_none()
        {
            let help = "`within_chars` stands beside `all`, `whole_words` beside `phrases`";
            self.problem(at, "this key means nothing here", help);
            return None;
        }
        if let Some(part) = &node.not {
            return self.not(part, depth, negated);
        }
        if let Some(parts) = &node.any {
            let (specs, trees) = self.parts(parts, depth, negated)?;
            return Some((NodeSpec::Any(specs), Tree::Any(trees)));
        }
        if let Some(parts) = &node.all {
            return self.all(node, parts, depth, negated);
        }
        self.leaf(node, at, negated)
    }

    fn problem(&mut self, at: std::ops::Range<usize>, what: &str, help: &str) {
        self.reading.problems.push(Problem::new("policy::bad_match", at, what).help(help));
    }

    fn parts(
        &mut self,
        parts: &Spanned<Vec<Spanned<MatchWritten>>>,
        depth: usize,
        negated: bool,
    ) -> Option<(Vec<NodeSpec>, Vec<Tree>)> {
        if parts.value.is_empty() {
            self.problem(place(&parts.referenced), "this operator has no parts", "give it some");
        }
        let read: Vec<_> =
            parts.value.iter().map(|part| self.node(part, depth + 1, negated)).collect();
        let read: Option<Vec<_>> = read.into_iter().collect();
        read.map(|read| read.into_iter().unzip())
    }

    fn not(
        &mut self,
        part: &Spanned<MatchWritten>,
        depth: usize,
        negated: bool,
    ) -> Option<(NodeSpec, Tree)> {
        if negated {
            let at = place(&part.referenced);
            self.problem(at, "a `not` inside a `not`", "say what must occur instead");
            return None;
        }
        let (spec, tree) = self.node(part, depth + 1, true)?;
        Some((NodeSpec::Not(Box::new(spec)), Tree::Not(Box::new(tree))))
    }

    fn all(
        &mut self,
        node: &MatchWritten,
        parts: &Spanned<Vec<Spanned<MatchWritten>>>,
        depth: usize,
        negated: bool,
    ) -> Option<(NodeSpec, Tree)> {
        let within_chars = node.within_chars.as_ref().map(|within| {
            count("within_chars", within, 1..WITHIN_CHARS_MAX + 1, self.reading.problems)
        });
        let (specs, trees) = self.parts(parts, depth, negated)?;
        let places = |tree: &Tree| tree.is_any() || matches!(tree, Tree::Not(_));
        if within_chars.is_some() && !trees.iter().all(places) {
            self.problem(
                place(&parts.referenced),
                "an `all` inside an `all` with `within_chars` has no one place",
                "its parts may be things to look for, `any` of such, or `not`",
            );
            return None;
        }
        let spec = NodeSpec::All { parts: specs, within_chars };
        Some((spec, Tree::All { parts: trees, within_chars }))
    }

    fn leaf(
        &mut self,
        node: &MatchWritten,
        at: std::ops::Range<usize>,
        negated: bool,
    ) -> Option<(NodeSpec, Tree)> {
        let (phrases, _) = self.reading.phrases(node.phrases.as_deref());
        let (pattern_texts, mut patterns) =
            self.reading.patterns(node.patterns.as_deref(), self.chars_max);
        let pii = pii::kinds(node.pii.as_ref(), self.reading.problems);
        patterns.extend(pii::patterns(pii.as_ref()));
        let near = node.near.as_ref().map(|near| near::read(near, self.chars_max, self.reading));
        let near = match near {
            Some(None) => return None,
            Some(Some((spec, compiled))) => {
                patterns.extend(compiled);
                Some(spec)
            }
            None => None,
        };
        let similar =
            node.similar_to.as_ref().map(|written| similar_to(written, self.reading.problems));
        let (similar_spec, similar) = match similar {
            Some(None) => return None,
            Some(Some((spec, similar))) => (Some(spec), Some(similar)),
            None => (None, None),
        };
        let whole_words = node.whole_words.unwrap_or(true);
        let rule = detect::Rule {
            phrases: phrases
                .iter()
                .map(|text| Phrase { text: text.clone(), whole_words })
                .collect(),
            patterns,
            unless: Vec::new(),
        };
        let empty = rule.phrases.is_empty() && rule.patterns.is_empty() && similar.is_none();
        if empty {
            // Why is said already, unless the lists were empty.
            if node.phrases.iter().chain(&node.patterns).flatten().next().is_none() {
                self.problem(
                    at,
                    "a part of `match` looks for nothing",
                    "give it phrases, patterns or pii",
                );
            }
            return None;
        }
        self.leaves.push(LeafRead { rule, similar, negated });
        let spec = LookSpec {
            phrases,
            patterns: pattern_texts,
            pii,
            whole_words,
            near,
            similar_to: similar_spec,
        };
        Some((NodeSpec::Look(spec), Tree::Leaf(self.leaves.len() - 1)))
    }
}
