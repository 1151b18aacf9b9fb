//! The literals that announce a pattern.
//!
//! Every match of `how (do|can) i .{0,40}bomb` contains `how do i ` or
//! `how can i ` at its start, and `bomb` at most 50 characters after it. The
//! rarer of the two sets is enough to look for: the pattern runs only there,
//! and only over the text that such a match can take. (RE2's FilteredRE2 asks
//! for all sets anywhere in a text; here one set with its distance makes the
//! run short as well.) Called by [`super::pattern`].

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};

use super::frequency::{byte_share, share};
use super::pattern::chars_max;

/// Strings in a clause.
const CLAUSE_ATOMS_MAX: usize = 512;
/// Strings that a part of a pattern may stand for and still be listed.
const EXACT_MAX: usize = 64;
/// A character class of at most this many is spelled out.
const CLASS_CHARS_MAX: usize = 4;
const ATOM_BYTES_MAX: usize = 32;
/// What stands at more positions than this announces nothing.
const SHARE_MAX: f32 = 0.02;
/// A run costs about as much as reading this many characters, and what it reads.
const RUN_CHARS: f32 = 60.0;
/// Distances that are longer could as well be none.
const BEFORE_CHARS_MAX: usize = 4096;

/// A set of literals of which each match contains one.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Bytes, as classes are represented by first bytes of characters.
    pub atoms: Vec<Vec<u8>>,
    /// At most so many characters of the match stand before it.
    pub before_chars: usize,
    /// The positions of ordinary text that have one of them.
    share: f32,
}

/// What is known about the texts that a part of a pattern matches.
struct Needs {
    /// All of them, when they are few.
    exact: Option<Vec<String>>,
    clauses: Vec<Clause>,
}

/// The clause that is the cheapest to wait for, if any is cheap.
pub fn anchor(hir: &Hir) -> Option<Clause> {
    best(needs(hir).into_clauses()).filter(|clause| clause.share <= SHARE_MAX)
}

fn best(clauses: Vec<Clause>) -> Option<Clause> {
    clauses.into_iter().min_by(|a, b| a.cost().total_cmp(&b.cost()))
}

impl Clause {
    /// None when the strings say nothing or are too many.
    fn new(mut atoms: Vec<Vec<u8>>, before_chars: usize) -> Option<Self> {
        for atom in &mut atoms {
            atom.truncate(ATOM_BYTES_MAX);
        }
        atoms.sort_unstable();
        atoms.dedup();
        let usable = !atoms.is_empty()
            && atoms.len() <= CLAUSE_ATOMS_MAX
            && atoms.iter().all(|atom| !atom.is_empty())
            && before_chars <= BEFORE_CHARS_MAX;
        usable.then(|| {
            let each = |atom: &Vec<u8>| match atom.as_slice() {
                [byte] => byte_share(*byte),
                atom => share(atom),
            };
            Self { share: atoms.iter().map(each).sum(), atoms, before_chars }
        })
    }

    fn of_strings(strings: Vec<String>, before_chars: usize) -> Option<Self> {
        Self::new(strings.into_iter().map(String::into_bytes).collect(), before_chars)
    }

    fn cost(&self) -> f32 {
        self.share * (RUN_CHARS + self.before_chars as f32)
    }

    /// The same after `chars` more characters.
    fn after(self, chars: usize) -> Option<Self> {
        let before_chars = self.before_chars.checked_add(chars)?;
        (before_chars <= BEFORE_CHARS_MAX).then_some(Self { before_chars, ..self })
    }
}

impl Needs {
    fn exactly(exact: Vec<String>) -> Self {
        Self { exact: Some(exact), clauses: Vec::new() }
    }

    fn clauses(clauses: Vec<Clause>) -> Self {
        Self { exact: None, clauses }
    }

    fn into_clauses(self) -> Vec<Clause> {
        let mut clauses = self.clauses;
        clauses.extend(self.exact.and_then(|exact| Clause::of_strings(exact, 0)));
        clauses
    }
}

fn needs(hir: &Hir) -> Needs {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Needs::exactly(vec![String::new()]),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Needs::exactly(vec![text.to_owned()]),
            Err(_) => Needs::clauses(Vec::new()),
        },
        HirKind::Class(Class::Unicode(class)) => of_class(class),
        HirKind::Class(Class::Bytes(_)) => Needs::clauses(Vec::new()),
        HirKind::Capture(group) => needs(&group.sub),
        HirKind::Repetition(repeat) => {
            let sub = needs(&repeat.sub);
            match (repeat.min, repeat.max) {
                (0, Some(1)) => match sub.exact {
                    Some(mut exact) if exact.len() < EXACT_MAX => {
                        exact.push(String::new());
                        Needs::exactly(exact)
                    }
                    _ => Needs::clauses(Vec::new()),
                },
                (0, _) => Needs::clauses(Vec::new()),
                _ => Needs::clauses(sub.into_clauses()),
            }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(arms) => alternation(arms),
    }
}

/// A small class is its strings, a large one the first bytes of its characters.
fn of_class(class: &ClassUnicode) -> Needs {
    let size: usize = class.iter().map(|range| range.len()).sum();
    let chars = || class.iter().flat_map(|range| range.start()..=range.end());
    if size <= CLASS_CHARS_MAX {
        return Needs::exactly(chars().map(String::from).collect());
    }
    let mut firsts = BTreeSet::new();
    for range in class.iter() {
        let (from, to) = (first_byte(range.start()), first_byte(range.end()));
        let inner = |byte: &u8| (0x80..0xc0).contains(byte);
        firsts.extend((from..=to).filter(|byte| !inner(byte)).map(|byte| vec![byte]));
    }
    Needs::clauses(Clause::new(firsts.into_iter().collect(), 0).into_iter().collect())
}

fn first_byte(c: char) -> u8 {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes).bytes().next().unwrap_or_default()
}

fn concat(parts: &[Hir]) -> Needs {
    let mut clauses = Vec::new();
    // The strings since the last part that is not exact, and how far they are from the start.
    let mut run = vec![String::new()];
    let mut run_before = Some(0usize);
    let mut before = Some(0usize);
    let mut is_exact = true;
    for part in parts {
        let chars = chars_max(part);
        let part = needs(part);
        let after = before.and_then(|before| before.checked_add(chars?));
        if let Some(before) = before {
            clauses.extend(part.clauses.into_iter().filter_map(|clause| clause.after(before)));
        }
        match part.exact {
            Some(exact) if run.len() * exact.len() <= EXACT_MAX => {
                run = run
                    .iter()
                    .flat_map(|head| exact.iter().map(move |tail| format!("{head}{tail}")))
                    .collect();
            }
            exact => {
                is_exact = false;
                let next_before = if exact.is_some() { before } else { after };
                let next = exact.unwrap_or_else(|| vec![String::new()]);
                clauses.extend(close(std::mem::replace(&mut run, next), run_before));
                run_before = next_before;
            }
        }
        before = after;
    }
    if is_exact {
        return Needs { exact: Some(run), clauses };
    }
    clauses.extend(close(run, run_before));
    Needs::clauses(clauses)
}

fn close(run: Vec<String>, before: Option<usize>) -> Option<Clause> {
    Clause::of_strings(run, before?)
}

fn alternation(arms: &[Hir]) -> Needs {
    let arms: Vec<Needs> = arms.iter().map(needs).collect();
    if arms.iter().all(|arm| arm.exact.is_some()) {
        let all: Vec<String> =
            arms.iter().flat_map(|arm| arm.exact.iter().flatten().cloned()).collect();
        if all.len() <= EXACT_MAX {
            return Needs::exactly(all);
        }
        return Needs::clauses(Clause::of_strings(all, 0).into_iter().collect());
    }
    // One clause for all arms: the best of each.
    let mut atoms = Vec::new();
    let mut before_chars = 0;
    for arm in arms {
        let Some(best) = best(arm.into_clauses()) else { return Needs::clauses(Vec::new()) };
        before_chars = before_chars.max(best.before_chars);
        atoms.extend(best.atoms);
    }
    Needs::clauses(Clause::new(atoms, before_chars).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Option<(Vec<String>, usize)> {
        let clause = anchor(&regex_syntax::parse(pattern).unwrap())?;
        let text = |atom: Vec<u8>| String::from_utf8_lossy(&atom).into_owned();
        Some((clause.atoms.into_iter().map(text).collect(), clause.before_chars))
    }

    #[test]
    fn the_rarest_part_announces_a_pattern() {
        let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            of(r"\bhow (do|can) i .{0,40}bomb"),
            Some((strings(&["how can i ", "how do i "]), 0))
        );
        assert_eq!(
            of("(make|build) (it|this)"),
            Some((strings(&["build it", "build this", "make it", "make this"]), 0))
        );
        assert_eq!(of(r"(kill .{0,9}them|shoot \w it)"), Some((strings(&["kill ", "shoot "]), 0)));
        assert_eq!(of(r"[a-z]{2,9}@[a-z]+\.org"), Some((strings(&["@"]), 9)));
        assert_eq!(of(r"[a-z]+@[a-z]+"), None);
        let (digits, before) = of(r"[0-9]{3}-?[0-9]{2}").unwrap();
        assert_eq!((digits.len(), before), (10, 0));
    }

    proptest::proptest! {
        /// Whatever a pattern matches contains what its clause promises, where it promises.
        #[test]
        fn no_match_lacks_its_anchor(text in "[abc0é ]{0,14}", index in 0usize..9) {
            let pattern = [
                "(abc|bca).{0,3}cab", "ab(c|ca|cab)?b?abc", "(a|b|c)bc(a |b )+cc",
                "((abc|cba) x?|cab ?)(aaa|bbb)", "(ab[abc]c|c.?bba)", "(abca?){2}",
                r"[a-c]{1,3}[0-9]", r".{0,3}éa|b\d", r"(a|bé){1,2}(0a|[^ ]cé)",
            ][index];
            let regex = regex::Regex::new(pattern).unwrap();
            let hir = regex_syntax::parse(pattern).unwrap();
            for clause in needs(&hir).into_clauses() {
                for found in (0..text.len()).filter_map(|at| regex.find_at(&text, at)) {
                    let there = clause.atoms.iter().any(|atom| {
                        found.as_str().as_bytes().windows(atom.len()).enumerate().any(|(at, part)| {
                            let before = found.as_str().get(..at).map(|head| head.chars().count());
                            part == atom && before.is_some_and(|before| before <= clause.before_chars)
                        })
                    });
                    proptest::prop_assert!(there, "{pattern} in {text}");
                }
            }
        }
    }
}
