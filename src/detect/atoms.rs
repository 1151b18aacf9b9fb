//! The literals that a pattern cannot match without.
//!
//! Every match of `how (do|can) i .{0,40}bomb` contains `how do i ` or
//! `how can i `, and `bomb`. Those two sets are its clauses. One pass of the
//! lexicon tells which patterns have all of theirs in a text; most have not,
//! and never run. (The idea of RE2's FilteredRE2; this is the part of it that
//! bounded rules need.)

use regex_syntax::hir::{Class, Hir, HirKind};

/// One bit each in a `u16`.
const CLAUSES_MAX: usize = 16;
/// Strings in a clause; more would bloat the automaton for little.
const CLAUSE_ATOMS_MAX: usize = 48;
/// Strings that a part of a pattern may stand for and still be listed.
const EXACT_MAX: usize = 24;
/// A character class of at most this many is spelled out.
const CLASS_CHARS_MAX: usize = 4;
/// Shorter literals occur everywhere and tell nothing.
const ATOM_BYTES_MIN: usize = 3;
const ATOM_BYTES_MAX: usize = 48;

type Clause = Vec<String>;

/// What is known about the texts that a part of a pattern matches.
struct Needs {
    /// All of them, when they are few.
    exact: Option<Vec<String>>,
    /// Sets of which each match contains a member.
    clauses: Vec<Clause>,
}

/// The clauses of a pattern; none when nothing useful is required.
pub fn clauses(hir: &Hir) -> Vec<Clause> {
    let needs = needs(hir);
    let mut clauses = needs.clauses;
    clauses.extend(needs.exact.and_then(clause));
    // The most telling first: the limit cuts from the end.
    clauses.sort_by_key(|clause| std::cmp::Reverse(shortest(clause)));
    clauses.truncate(CLAUSES_MAX);
    clauses
}

fn needs(hir: &Hir) -> Needs {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exactly(vec![String::new()]),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => exactly(vec![text.to_owned()]),
            Err(_) => unknown(),
        },
        HirKind::Class(Class::Unicode(class)) => {
            let size: usize = class.iter().map(|range| range.len()).sum();
            if size > CLASS_CHARS_MAX {
                return unknown();
            }
            exactly(
                class
                    .iter()
                    .flat_map(|range| range.start()..=range.end())
                    .map(String::from)
                    .collect(),
            )
        }
        HirKind::Class(Class::Bytes(_)) => unknown(),
        HirKind::Capture(group) => needs(&group.sub),
        HirKind::Repetition(repeat) => {
            let sub = needs(&repeat.sub);
            match (repeat.min, repeat.max) {
                (0, Some(1)) => match sub.exact {
                    Some(mut exact) if exact.len() < EXACT_MAX => {
                        exact.push(String::new());
                        exactly(exact)
                    }
                    _ => unknown(),
                },
                (0, _) => unknown(),
                _ => {
                    let mut clauses = sub.clauses;
                    clauses.extend(sub.exact.and_then(clause));
                    Needs { exact: None, clauses }
                }
            }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(arms) => alternation(arms),
    }
}

fn concat(parts: &[Hir]) -> Needs {
    let mut clauses = Vec::new();
    let mut run = vec![String::new()];
    let mut is_exact = true;
    for part in parts {
        let part = needs(part);
        clauses.extend(part.clauses);
        let Some(exact) = part.exact else {
            is_exact = false;
            clauses.extend(clause(std::mem::replace(&mut run, vec![String::new()])));
            continue;
        };
        if run.len() * exact.len() > EXACT_MAX {
            is_exact = false;
            clauses.extend(clause(std::mem::replace(&mut run, exact)));
            continue;
        }
        run = run
            .iter()
            .flat_map(|head| exact.iter().map(move |tail| format!("{head}{tail}")))
            .collect();
    }
    if is_exact {
        return Needs { exact: Some(run), clauses };
    }
    clauses.extend(clause(run));
    Needs { exact: None, clauses }
}

fn alternation(arms: &[Hir]) -> Needs {
    let arms: Vec<Needs> = arms.iter().map(needs).collect();
    if arms.iter().all(|arm| arm.exact.is_some()) {
        let all: Vec<String> =
            arms.iter().flat_map(|arm| arm.exact.iter().flatten().cloned()).collect();
        if all.len() <= EXACT_MAX {
            return exactly(all);
        }
        return Needs { exact: None, clauses: clause(all).into_iter().collect() };
    }
    // One clause for all arms: the best of each.
    let mut union = Vec::new();
    for arm in arms {
        let best = arm
            .clauses
            .into_iter()
            .chain(arm.exact.and_then(clause))
            .max_by_key(|clause| shortest(clause));
        match best {
            Some(best) => union.extend(best),
            None => return unknown(),
        }
    }
    Needs { exact: None, clauses: clause(union).into_iter().collect() }
}

fn exactly(exact: Vec<String>) -> Needs {
    Needs { exact: Some(exact), clauses: Vec::new() }
}

fn unknown() -> Needs {
    Needs { exact: None, clauses: Vec::new() }
}

/// A clause of these strings, when it tells anything.
fn clause(mut atoms: Vec<String>) -> Option<Clause> {
    for atom in &mut atoms {
        let end = atom.floor_char_boundary(ATOM_BYTES_MAX);
        atom.truncate(end);
    }
    atoms.sort_unstable();
    atoms.dedup();
    (shortest(&atoms) >= ATOM_BYTES_MIN && atoms.len() <= CLAUSE_ATOMS_MAX).then_some(atoms)
}

fn shortest(atoms: &[String]) -> usize {
    atoms.iter().map(String::len).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<Clause> {
        clauses(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn each_match_contains_a_member_of_each_clause() {
        assert_eq!(
            of(r"\bhow (do|can) i .{0,40}bomb"),
            [vec!["how can i ", "how do i "], vec!["bomb"]]
        );
        assert_eq!(
            of("(make|build) (it|this)"),
            [["build it", "build this", "make it", "make this"]]
        );
        assert_eq!(of(r"[0-9]{3}-[0-9]{2}"), Vec::<Clause>::new());
        assert_eq!(of(r"(kill .{0,9}them|shoot \w it)"), [["kill ", "shoot "]]);
    }

    proptest::proptest! {
        /// Whatever a pattern matches must contain what the clauses promise.
        #[test]
        fn no_match_lacks_a_clause(text in "[abc ]{0,14}", index in 0usize..6) {
            let pattern = [
                "(abc|bca).{0,3}cab", "ab(c|ca|cab)?b?abc", "(a|b|c)bc(a |b )+cc",
                "((abc|cba) x?|cab ?)(aaa|bbb)", "(ab[abc]c|c.?bba)", "(abca?){2}",
            ][index];
            let regex = regex::Regex::new(pattern).unwrap();
            for found in regex.find_iter(&text) {
                for clause in of(pattern) {
                    proptest::prop_assert!(clause.iter().any(|atom| found.as_str().contains(atom.as_str())));
                }
            }
        }
    }
}
