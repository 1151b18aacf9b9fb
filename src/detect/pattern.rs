//! One regular expression of a rule, folded and measured.
//!
//! A pattern is written by people and matched on the canonical view, so its
//! literals and small classes are folded the same way the text is; what could
//! never occur in the view does not silently match nothing. Called by the
//! policy compiler, run by [`super::Detector`].

use std::ops::Range;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ast;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

use super::atoms::{self, Clause};
use super::window::forward_by_char;
use crate::domain::Entity;
use crate::text::{Folded, canonical, fold};

/// A compiled program may take this many bytes.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
/// The lazy automaton's cache per thread.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// Groups and repetitions inside one another.
const NESTING_MAX: u32 = 64;
/// Larger classes (`\w`, `[^a]`) are taken as they are.
const FOLDED_CLASS_CHARS_MAX: usize = 512;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    chars_max: Option<usize>,
    anchor: Option<Arc<Clause>>,
    check: Option<Check>,
    entity: Option<Entity>,
    /// Bytes before a match that its check may read.
    before_bytes_max: usize,
    /// A refused match is passed over whole.
    whole_runs: bool,
}

/// Decides how much of a match counts, in bytes from its start: check digits,
/// ranges, what stands around it. `None`: it is no match.
pub type Check = fn(&Candidate<'_>) -> Option<usize>;

/// A match that is still to be checked, with the canonical text around it.
#[derive(Debug)]
pub struct Candidate<'t> {
    text: &'t str,
    span: Range<usize>,
    before_bytes_max: usize,
}

impl<'t> Candidate<'t> {
    pub fn matched(&self) -> &'t str {
        self.text.get(self.span.clone()).unwrap_or_default()
    }

    /// The text before, at most as many bytes as the pattern asked for.
    pub fn before(&self) -> &'t str {
        let from = self.span.start.saturating_sub(self.before_bytes_max);
        let from = self.text.ceil_char_boundary(from);
        self.text.get(from..self.span.start).unwrap_or_default()
    }

    /// The characters after, at most as many as the pattern asked for.
    pub fn after(&self) -> &'t str {
        let rest = self.text.get(self.span.end..).unwrap_or_default();
        let end = rest.char_indices().nth(AFTER_CHARS).map_or(rest.len(), |(at, _)| at);
        rest.get(..end).unwrap_or_default()
    }
}

/// Characters after a match that its check may read.
pub const AFTER_CHARS: usize = 8;

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct PatternError {
    kind: Kind,
    /// Bytes of the pattern that are to blame.
    pub span: Option<Range<usize>>,
    /// What to write instead.
    pub help: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("{0}")]
    Syntax(String),
    #[error("the pattern can match without a single character")]
    MatchesNothing,
    #[error("the pattern can never match")]
    NeverMatches,
    #[error("the pattern is too large: {0}")]
    TooLarge(#[source] Box<meta::BuildError>),
}

impl Pattern {
    /// Parses, folds and compiles.
    ///
    /// # Errors
    /// When the syntax is wrong or not supported, the pattern matches the
    /// empty text or no text at all, or its program is too large.
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        let hir = Self::hir(written)?;
        let folded = fold_hir(&hir);
        let folded =
            if has_only_ascii_literals(&folded) { ascii_boundaries(&folded) } else { folded };
        match folded.properties().minimum_len() {
            None => {
                return Err(PatternError::plain(
                    Kind::NeverMatches,
                    "text is matched in its canonical form: lower case, one space between words, no invisible characters",
                ));
            }
            Some(0) => {
                return Err(PatternError::plain(
                    Kind::MatchesNothing,
                    "make at least one part of it required",
                ));
            }
            Some(_) => {}
        }
        let config = meta::Config::new()
            .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
            .hybrid_cache_capacity(CACHE_BYTES_MAX)
            .which_captures(WhichCaptures::Implicit);
        let regex =
            Regex::builder().configure(config).build_from_hir(&folded).map_err(|error| {
                PatternError::plain(
                    Kind::TooLarge(Box::new(error)),
                    "use smaller repetition counts, or `[a-z]` instead of `\\w` inside them",
                )
            })?;
        Ok(Self {
            regex,
            chars_max: chars_max(&folded),
            anchor: atoms::anchor(&folded).map(Arc::new),
            check: None,
            entity: None,
            before_bytes_max: 0,
            whole_runs: false,
        })
    }

    /// Whether this can be part of a pattern.
    ///
    /// # Errors
    /// When the syntax is wrong or not supported.
    pub fn syntax(part: &str) -> Result<(), PatternError> {
        Self::hir(part).map(drop)
    }

    fn hir(written: &str) -> Result<Hir, PatternError> {
        let mut parser = regex_syntax::ParserBuilder::new().nest_limit(NESTING_MAX).build();
        parser.parse(written).map_err(|error| PatternError::syntax(&error))
    }

    /// The pattern as the description of an entity: a match counts as far as `check` agrees.
    #[must_use]
    pub fn of_entity(self, entity: Entity, check: Option<Check>) -> Self {
        let after = if check.is_some() { AFTER_CHARS } else { 0 };
        let chars_max = self.chars_max.and_then(|chars| chars.checked_add(after));
        Self { entity: Some(entity), check, chars_max, ..self }
    }

    /// Lets the check read this many bytes before a match.
    #[must_use]
    pub fn looking_back(self, before_bytes_max: usize) -> Self {
        Self { before_bytes_max, ..self }
    }

    /// Passes over a match whole when its check refuses it: for runs of one
    /// class of characters, inside which no better start can be.
    #[must_use]
    pub fn in_whole_runs(self) -> Self {
        Self { whole_runs: true, ..self }
    }

    /// Characters before a match on which it can depend.
    pub fn context_chars(&self) -> usize {
        self.before_bytes_max
    }

    /// What a match of this pattern is, when it describes an entity.
    pub fn entity(&self) -> Option<Entity> {
        self.entity
    }

    /// What counts of a match that [`Pattern::find_at`] gave in `text`: it may
    /// end earlier.
    pub fn accepted(&self, text: &str, span: &Range<usize>) -> Option<Range<usize>> {
        let Some(check) = self.check else { return Some(span.clone()) };
        let before_bytes_max = self.before_bytes_max;
        let bytes = check(&Candidate { text, span: span.clone(), before_bytes_max })?;
        let end = text.floor_char_boundary(span.end.min(span.start.saturating_add(bytes)));
        (end > span.start).then_some(span.start..end)
    }

    /// Where to look on after a match that does not count.
    pub fn after_refused(&self, text: &str, span: &Range<usize>) -> usize {
        if self.whole_runs { span.end } else { forward_by_char(text, span.start) }
    }

    /// Characters from the start of a match on which it can depend, which is at
    /// least as many as it can have; `None` without a bound.
    pub fn chars_max(&self) -> Option<usize> {
        self.chars_max
    }

    /// Each match contains one of these literals near its start.
    pub fn anchor(&self) -> Option<&Clause> {
        self.anchor.as_deref()
    }

    /// The leftmost match that starts at or after `at`.
    pub fn find_at(&self, text: &str, at: usize) -> Option<Range<usize>> {
        self.find_in(text, at..text.len())
    }

    /// The leftmost match inside `part`; boundaries see the text around it.
    pub fn find_in(&self, text: &str, part: Range<usize>) -> Option<Range<usize>> {
        (part.start <= part.end && part.end <= text.len())
            .then(|| self.regex.find(Input::new(text).span(part)))
            .flatten()
            .map(|found| found.range())
    }
}

impl PatternError {
    fn plain(kind: Kind, help: &'static str) -> Self {
        Self { kind, span: None, help: Some(help) }
    }

    fn syntax(error: &regex_syntax::Error) -> Self {
        let (message, span, help) = match error {
            regex_syntax::Error::Parse(error) => {
                let help = match error.kind() {
                    ast::ErrorKind::UnsupportedLookAround => Some(
                        "look-ahead and look-behind need unbounded work per character; say what may not surround the match under `unless`",
                    ),
                    ast::ErrorKind::UnsupportedBackreference => Some(
                        "back-references need unbounded work per character; list the alternatives",
                    ),
                    _ => None,
                };
                (error.kind().to_string(), error.span().start.offset..error.span().end.offset, help)
            }
            regex_syntax::Error::Translate(error) => {
                (error.kind().to_string(), error.span().start.offset..error.span().end.offset, None)
            }
            other => (other.to_string(), 0..0, None),
        };
        Self { kind: Kind::Syntax(message), span: (span.end > 0).then_some(span), help }
    }
}

fn fold_hir(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => {
                let folded = canonical(text);
                if folded.is_empty() { Hir::fail() } else { Hir::literal(folded.into_bytes()) }
            }
            Err(_) => Hir::fail(),
        },
        HirKind::Class(Class::Unicode(class)) => fold_class(class),
        HirKind::Class(Class::Bytes(class)) => match class.to_unicode_class() {
            Some(class) => fold_class(&class),
            None => Hir::fail(),
        },
        HirKind::Repetition(repeat) => {
            Hir::repetition(Repetition { sub: Box::new(fold_hir(&repeat.sub)), ..repeat.clone() })
        }
        HirKind::Capture(group) => fold_hir(&group.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(fold_hir).collect()),
        HirKind::Alternation(arms) => Hir::alternation(arms.iter().map(fold_hir).collect()),
    }
}

fn fold_class(class: &ClassUnicode) -> Hir {
    let size: usize = class.iter().map(ClassUnicodeRange::len).sum();
    if size > FOLDED_CLASS_CHARS_MAX {
        return Hir::class(Class::Unicode(class.clone()));
    }
    let mut single = ClassUnicode::empty();
    let mut arms = Vec::new();
    for c in class.iter().flat_map(|range| range.start()..=range.end()) {
        match fold(c) {
            Folded::Dropped => {}
            Folded::Space => single.push(ClassUnicodeRange::new(' ', ' ')),
            Folded::One(one) => single.push(ClassUnicodeRange::new(one, one)),
            Folded::Many(many) => arms.push(Hir::literal(many.into_bytes())),
        }
    }
    if !single.ranges().is_empty() {
        arms.push(Hir::class(Class::Unicode(single)));
    }
    if arms.is_empty() { Hir::fail() } else { Hir::alternation(arms) }
}

fn has_only_ascii_literals(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.is_ascii(),
        kind => kind.subs().iter().all(has_only_ascii_literals),
    }
}

/// Word boundaries next to ASCII words, decided by ASCII alone: the automata
/// would give up on other letters and leave the work to a slow engine.
fn ascii_boundaries(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(repeat) => Hir::repetition(Repetition {
            sub: Box::new(ascii_boundaries(&repeat.sub)),
            ..repeat.clone()
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(ascii_boundaries).collect()),
        HirKind::Alternation(arms) => Hir::alternation(arms.iter().map(ascii_boundaries).collect()),
        _ => hir.clone(),
    }
}

/// The most characters a match can have.
pub(super) fn chars_max(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => Some(
            std::str::from_utf8(&literal.0).map_or(literal.0.len(), |text| text.chars().count()),
        ),
        HirKind::Class(_) => Some(1),
        HirKind::Repetition(repeat) => {
            let times = usize::try_from(repeat.max?).ok()?;
            chars_max(&repeat.sub)?.checked_mul(times)
        }
        HirKind::Capture(group) => chars_max(&group.sub),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(0usize, |sum, part| sum.checked_add(chars_max(part)?))
        }
        HirKind::Alternation(arms) => {
            arms.iter().try_fold(0, |max, arm| Some(chars_max(arm)?.max(max)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().find_at(&canonical(text), 0).is_some()
    }

    #[test]
    fn a_pattern_is_folded_like_the_text() {
        assert!(finds("Naïve [ÀÉ]clair", "naive ÉCLAIR"));
        assert!(finds(r"\bbomb\b", "ｂｏｍｂ!"));
        assert!(finds("ﬁne", "fine"));
        assert!(finds(r"a\s+b", "a \n b"));
        assert!(finds("жаба", "ЖАБА"));
    }

    #[test]
    fn length_counts_characters() {
        assert_eq!(Pattern::parse(r"\bab{2,4}.c?\b").unwrap().chars_max(), Some(7));
        assert_eq!(Pattern::parse("a.*b").unwrap().chars_max(), None);
    }

    #[test]
    fn useless_patterns_are_refused_with_a_reason() {
        for (pattern, reason) in [
            ("(a", "unclosed group"),
            ("(?=a)b", "look-around"),
            (r"(a)\1", "backreferences"),
            ("a?", "without a single character"),
            ("a\u{200b}?", ""),
            ("[\u{200b}]", "never match"),
            (r"(\w{0,99}){0,99}x", "too large"),
        ] {
            match Pattern::parse(pattern) {
                Err(error) => assert!(error.to_string().contains(reason), "{pattern}: {error}"),
                Ok(_) => assert_eq!(reason, "", "{pattern}"),
            }
        }
    }
}
