//! Parts of patterns that have a name: `{{name}}` stands for the fragment, as
//! a group of its own.
//!
//! Names are those of the file in which a pattern stands and of the policies
//! that this file is written over; an overlay that uses a name again changes
//! no pattern of its base. Used by `rules`, `overlay` and `exceptions`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::detect::Pattern;
use crate::policy::chain::Layer;
use crate::policy::document::{Spanned, place};
use crate::policy::problem::{Problem, Problems, suggest};
use crate::policy::sources::Sources;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const NAME_BYTES_MAX: usize = 64;
/// A pattern with its fragments written out may have this many bytes.
const EXPANDED_BYTES_MAX: usize = 64 << 10;

/// All patterns of a policy that use fragments, written out.
const EXPANDED_TOTAL_BYTES_MAX: usize = 32 << 20;
const FRAGMENTS_MAX: usize = 1000;

/// The fragments of all layers.
#[derive(Debug)]
pub(super) struct Fragments {
    /// By the number of the file: what each name stands for there.
    scopes: HashMap<usize, Arc<Scope>>,
    bytes_left: usize,
}

type Scope = HashMap<String, Arc<str>>;

/// A pattern written out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
struct Piece {
    /// Bytes of the pattern written out.
    text: Range<usize>,
    /// Bytes of the pattern as written.
    from: Range<usize>,
    is_fragment: bool,
}

/// Why a pattern cannot be written out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// Bytes of the written pattern.
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fragments {
    pub(super) fn read(layers: &[Layer], sources: &Sources, problems: &mut Problems) -> Self {
        let mut scopes = HashMap::new();
        let mut below = Arc::new(Scope::new());
        for (number, layer) in layers.iter().enumerate().rev() {
            if let Some(written) = &layer.document.fragments {
                let own = written.value.0.get(..FRAGMENTS_MAX).unwrap_or(&written.value.0);
                if own.len() < written.value.0.len() {
                    let at = place(&written.referenced);
                    let message = format!("more than {FRAGMENTS_MAX} fragments");
                    problems.push(Problem::new("policy::fragment", at, message));
                }
                let mut resolving =
                    Resolving { own, scope: Scope::clone(&below), below: &below, problems };
                for (name, text) in own {
                    resolving.one(name, text);
                }
                below = Arc::new(resolving.scope);
                let above = layers.iter().take(number + 1).map(|layer| sources.text(layer.file));
                let above: Vec<&str> = above.collect();
                unused(own, &above, problems);
            }
            scopes.insert(layer.file, Arc::clone(&below));
        }
        Self { scopes, bytes_left: EXPANDED_TOTAL_BYTES_MAX }
    }

    /// Writes a pattern out by the names of the file with the number `file`.
    pub(super) fn expand(&mut self, pattern: &str, file: usize) -> Result<Expanded, Unresolved> {
        let scope = self.scopes.get(&file);
        let expanded = expand(pattern, |name| {
            scope.and_then(|scope| scope.get(name)).cloned().ok_or_else(|| {
                let names = scope.into_iter().flat_map(|scope| scope.keys());
                let mut names: Vec<&str> = names.map(String::as_str).collect();
                names.sort_unstable();
                undefined(name, &names)
            })
        })?;
        let added = expanded.text.len().saturating_sub(pattern.len());
        let Some(left) = self.bytes_left.checked_sub(added) else {
            let message = format!(
                "with their fragments the patterns of this policy have over {EXPANDED_TOTAL_BYTES_MAX} bytes"
            );
            return Err(Unresolved { at: 0..pattern.len(), message, help: None });
        };
        self.bytes_left = left;
        Ok(expanded)
    }
}

fn undefined(name: &str, names: &[&str]) -> (String, Option<String>) {
    let help = if names.is_empty() {
        format!("define it: `fragments: {{ {name}: '…' }}`")
    } else {
        suggest(name, names)
    };
    (format!("no fragment is called `{name}`"), Some(help))
}

/// The fragments of one file on their way into its scope.
struct Resolving<'a> {
    own: &'a [(Spanned<String>, Spanned<String>)],
    below: &'a Scope,
    scope: Scope,
    problems: &'a mut Problems,
}

impl Resolving<'_> {
    fn one(&mut self, name: &Spanned<String>, text: &Spanned<String>) {
        if !is_name(&name.value) {
            self.problems.push(
                Problem::new(
                    "policy::fragment",
                    place(&name.referenced),
                    format!("`{}` cannot be the name of a fragment", name.value),
                )
                .help(format!("1 to {NAME_BYTES_MAX} of a-z, 0-9, `-` and `_`")),
            );
            return;
        }
        let resolved = self.resolve(&name.value, &mut Vec::new());
        let wrong = match resolved {
            Ok(resolved) => {
                let wrong = Pattern::syntax(&resolved).err().map(|error| error.to_string());
                self.scope.insert(name.value.clone(), resolved);
                wrong.map(|message| (message, None))
            }
            Err(unresolved) => {
                self.scope.insert(name.value.clone(), text.value.as_str().into());
                Some(unresolved)
            }
        };
        if let Some((message, help)) = wrong {
            let problem = Problem::new("policy::fragment", place(&text.referenced), message)
                .label(format!("in the fragment `{}`", name.value));
            self.problems.push(match help {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
    }

    /// A fragment with those in it written out; `under` are those that led here.
    fn resolve<'s>(
        &'s self,
        name: &str,
        under: &mut Vec<&'s str>,
    ) -> Result<Arc<str>, (String, Option<String>)> {
        let Some((name, text)) = self.own.iter().find(|(own, _)| own.value == name) else {
            let names: Vec<&str> = self.own.iter().map(|(name, _)| name.value.as_str()).collect();
            return self.below.get(name).cloned().ok_or_else(|| undefined(name, &names));
        };
        let name = name.value.as_str();
        if let Some(at) = under.iter().position(|known| *known == name) {
            let ring: Vec<&str> = under.iter().skip(at).copied().chain([name]).collect();
            return Err((
                "a fragment cannot contain itself".to_owned(),
                Some(format!("the ring is {}", ring.join(" -> "))),
            ));
        }
        under.push(name);
        let expanded = expand(&text.value, |name| self.resolve(name, under));
        under.pop();
        expanded
            .map(|expanded| expanded.text.into())
            .map_err(|unresolved| (unresolved.message, unresolved.help))
    }
}

/// Fragments that no text of their file or of one above names.
fn unused(own: &[(Spanned<String>, Spanned<String>)], texts: &[&str], problems: &mut Problems) {
    for (name, _) in own {
        let mention = format!("{OPEN}{}{CLOSE}", name.value);
        if !texts.iter().any(|text| text.contains(&mention)) {
            problems.push(
                Problem::new(
                    "policy::fragment",
                    place(&name.referenced),
                    format!("the fragment `{}` is never used", name.value),
                )
                .help(format!("write `{mention}` in a pattern, or remove it"))
                .warning(),
            );
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Puts what `lookup` says into the place of each `{{name}}`. Two braces in a
/// row mean nothing in a regular expression, so nothing else is taken for one.
fn expand(
    written: &str,
    mut lookup: impl FnMut(&str) -> Result<Arc<str>, (String, Option<String>)>,
) -> Result<Expanded, Unresolved> {
    let mut expanded = Expanded { text: String::new(), pieces: Vec::new() };
    let mut done = 0;
    while let Some((before, rest)) = written.get(done..).and_then(|rest| rest.split_once(OPEN)) {
        let start = done + before.len();
        let name = rest.split_once(CLOSE).map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            let end = start + OPEN.len();
            expanded.push(written.get(done..end).unwrap_or_default(), done..end, false);
            done = end;
            continue;
        };
        let end = start + OPEN.len() + name.len() + CLOSE.len();
        expanded.push(before, done..start, false);
        let fail = |(message, help)| Unresolved { at: start..end, message, help };
        let text = lookup(name).map_err(fail)?;
        expanded.push(&format!("(?:{text})"), start..end, true);
        if expanded.text.len() > EXPANDED_BYTES_MAX {
            let message =
                format!("with its fragments the pattern has over {EXPANDED_BYTES_MAX} bytes");
            return Err(Unresolved { at: start..end, message, help: None });
        }
        done = end;
    }
    expanded.push(written.get(done..).unwrap_or_default(), done..written.len(), false);
    Ok(expanded)
}

impl Expanded {
    fn push(&mut self, text: &str, from: Range<usize>, is_fragment: bool) {
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push(Piece { text: start..self.text.len(), from, is_fragment });
    }

    /// Where bytes of the pattern written out come from: exact in what was
    /// written, the whole `{{name}}` in a fragment.
    pub(super) fn written(&self, part: Range<usize>) -> Range<usize> {
        let mut pieces = self.pieces.iter();
        let start = pieces.find(|piece| part.start < piece.text.end).or(self.pieces.last());
        let start = start.map_or(part.start, |piece| match piece.is_fragment {
            true => piece.from.start,
            false => piece.from.start + part.start.saturating_sub(piece.text.start),
        });
        let end = self.pieces.iter().find(|piece| part.end <= piece.text.end);
        let end = end.map_or(part.end, |piece| match piece.is_fragment {
            true => piece.from.end,
            false => piece.from.start + part.end.saturating_sub(piece.text.start),
        });
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(name: &str) -> Result<Arc<str>, (String, Option<String>)> {
        match name {
            "gap" => Ok("[a-z ]{0,9}".into()),
            _ => Err((format!("no {name}"), None)),
        }
    }

    #[test]
    fn fragments_are_groups_and_other_braces_stay() {
        let expanded = |written: &str| expand(written, gap).unwrap().text;
        assert_eq!(expanded("a{{gap}}b{{gap}}?"), "a(?:[a-z ]{0,9})b(?:[a-z ]{0,9})?");
        for plain in ["a{2,3}", r"\{\{x\}\}", "a{{", "{{}}", "{{ gap }}", "{{gap", "é{2}}"] {
            assert_eq!(expanded(plain), plain);
        }
        let wrong = expand("é{{other}}", gap).unwrap_err();
        assert_eq!((wrong.at, wrong.message.as_str()), (2..11, "no other"));
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let written = "ab{{gap}}(c";
        let expanded = expand(written, gap).unwrap();
        let open = expanded.text.rfind('(').unwrap();
        assert_eq!(expanded.written(open..open + 1), 9..10);
        assert_eq!(expanded.written(0..1), 0..1);
        let inside = expanded.text.find("a-z").unwrap();
        assert_eq!(expanded.written(inside..inside + 1), 2..9);
    }
}
