//! Names of rules as overlays, floors and exceptions write them: an id, or
//! `prefix/*` for every rule below it.

use std::fmt;

use crate::policy::document::{Spanned, place};
use crate::policy::problem::{Problem, Problems, suggest};

/// What follows the prefix.
const ANY: &str = "/*";

/// One rule, or all that share a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) enum Selector {
    Id(String),
    /// With its slash at the end.
    Below(String),
}

impl Selector {
    pub(in crate::policy) fn of(written: &str) -> Self {
        match written.strip_suffix(ANY) {
            Some(prefix) if !prefix.is_empty() => Self::Below(format!("{prefix}/")),
            _ => Self::Id(written.to_owned()),
        }
    }

    pub(in crate::policy) fn selects(&self, id: &str) -> bool {
        match self {
            Self::Id(own) => own == id,
            Self::Below(prefix) => id.starts_with(prefix),
        }
    }

    /// Reports a selector that selects none of the rules.
    pub(super) fn require<'i>(
        written: &Spanned<String>,
        ids: impl Iterator<Item = &'i str> + Clone,
        problems: &mut Problems,
    ) -> Self {
        let selector = Self::of(&written.value);
        if !ids.clone().any(|id| selector.selects(id)) {
            let known: Vec<&str> = ids.collect();
            let help = match known.is_empty() {
                true => "there are no rules here to name".to_owned(),
                false => nearest(&written.value, &known),
            };
            let message = format!("no rule is called `{}`", written.value);
            problems.push(
                Problem::new("policy::unknown_rule", place(&written.referenced), message)
                    .help(help),
            );
        }
        selector
    }
}

/// A suggestion, or how such names are written: the list may be long.
fn nearest(written: &str, known: &[&str]) -> String {
    let suggestion = suggest(written, known);
    if suggestion.starts_with("one of") {
        "the id of a rule, or `prefix/*` for all rules below it".to_owned()
    } else {
        suggestion
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Below(prefix) => write!(f, "{prefix}*"),
        }
    }
}
