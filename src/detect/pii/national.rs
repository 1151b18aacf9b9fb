//! National numbers: identity, tax, social insurance and health.
//!
//! One row per number: its written forms, what its check digits must be, and
//! whether a word must say what it is because other numbers look the same. The
//! patterns are made from the forms. The algorithms are those of the issuing
//! authorities, as collected by the python-stdnum project.

mod america;
mod asia;
mod europe;
mod north;

use super::Recogniser;
use super::around::{has_word, stands_alone};
use super::digits::bare;
use crate::detect::Candidate;

/// A kind of national number.
#[derive(Debug)]
pub(super) struct Scheme {
    /// ISO 3166 country code, and the number's own name.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the reader of the table and for its tests")
    )]
    pub(super) name: &'static str,
    /// `9` is a digit, `a` a letter, `*` either; anything else is itself.
    pub(super) forms: &'static [(&'static str, Needs)],
    /// Words that say what it is; see `around`.
    pub(super) words: &'static [&'static str],
    /// On the letters and digits alone.
    pub(super) valid: fn(&str) -> bool,
}

/// What else a form needs to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// One of the scheme's words before it.
    Word,
}

fn schemes() -> impl Iterator<Item = &'static Scheme> {
    europe::SCHEMES.iter().chain(north::SCHEMES).chain(america::SCHEMES).chain(asia::SCHEMES)
}

/// Forms without a gap, with spaces, and with other signs: three patterns, so
/// that a form of one kind never hides one of another.
pub(super) fn recognisers() -> Vec<Recogniser> {
    let kind = |form: &str| match form {
        form if form.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'*') => 0,
        form if form.contains(' ') => 1,
        _ => 2,
    };
    (0..3)
        .map(|wanted| {
            let mut forms: Vec<&str> = schemes()
                .flat_map(|scheme| scheme.forms)
                .map(|(form, _)| *form)
                .filter(|form| kind(form) == wanted)
                .collect();
            // The longest first: the first alternative that matches is taken.
            forms.sort_unstable_by_key(|form| (std::cmp::Reverse(form.len()), *form));
            forms.dedup();
            let arms: Vec<String> = forms.into_iter().map(pattern).collect();
            Recogniser::of(format!(r"\b(?:{})\b", arms.join("|")).into(), is_national)
        })
        .collect()
}

/// A form as a regular expression.
fn pattern(form: &str) -> String {
    form.chars().fold(String::new(), |mut out, c| {
        match c {
            '9' => out.push_str("[0-9]"),
            'a' => out.push_str("[a-z]"),
            '*' => out.push_str("[0-9a-z]"),
            _ => out.push_str(&regex_syntax::escape(&c.to_string())),
        }
        out
    })
}

fn fits(form: &str, text: &str) -> bool {
    form.len() == text.len()
        && form.bytes().zip(text.bytes()).all(|(wanted, byte)| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_lowercase(),
            b'*' => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            other => other == byte,
        })
}

fn is_national(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let number = bare(matched);
    let found = stands_alone(candidate)
        && schemes().any(|scheme| {
            let form = scheme.forms.iter().find(|(form, _)| fits(form, matched));
            form.is_some_and(|(_, needs)| {
                (scheme.valid)(&number)
                    && (*needs == Needs::Nothing || has_word(candidate.before(), scheme.words))
            })
        });
    found.then_some(matched.len())
}

#[cfg(test)]
mod tests;
