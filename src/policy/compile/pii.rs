//! Kinds of personal data that a rule looks for, and how what is masked in a
//! prompt is written.
//!
//! Reads the rule key `pii` and the top-level key `redaction`. How a kind is
//! recognised is `detect::pii`'s.

use crate::detect::{Pattern, pii};
use crate::domain::Entity;
use crate::policy::document::{OneOrMany, RedactionWritten, Spanned, place};
use crate::policy::problem::{Problem, Problems, suggest};
use crate::policy::spec::{PiiSpec, RedactionSpec, RedactionStyle};

/// Instead of a list.
const ALL: &str = "all";

const STYLES: &[(&str, RedactionStyle)] =
    &[("mask", RedactionStyle::Mask), ("pseudonym", RedactionStyle::Pseudonym)];

/// The kinds of a rule in the order of the documentation, each once.
pub(super) fn kinds(
    written: Option<&Spanned<OneOrMany>>,
    problems: &mut Problems,
) -> Option<PiiSpec> {
    let written = written?;
    let at = place(&written.referenced);
    let named: Vec<Entity> = match &written.value {
        OneOrMany::One(name) if name == ALL => Entity::ALL.to_vec(),
        OneOrMany::One(name) => kind(name, at.clone(), problems).into_iter().collect(),
        OneOrMany::Many(names) => names
            .iter()
            .filter_map(|name| kind(&name.value, place(&name.referenced), problems))
            .collect(),
    };
    if matches!(&written.value, OneOrMany::Many(names) if names.is_empty()) {
        problems.push(
            Problem::new(
                "policy::empty_rule",
                at,
                "no kind of personal data is left for this rule",
            )
            .help("list kinds, or write `pii: all`"),
        );
    }
    let kinds = Entity::ALL.iter().copied().filter(|kind| named.contains(kind)).collect();
    Some(PiiSpec { kinds, recognisers: pii::VERSION })
}

/// The patterns of the kinds.
pub(super) fn patterns(spec: Option<&PiiSpec>) -> impl Iterator<Item = Pattern> + '_ {
    spec.into_iter().flat_map(|spec| &spec.kinds).flat_map(|kind| pii::patterns(*kind)).cloned()
}

pub(super) fn redaction(
    written: Option<&RedactionWritten>,
    problems: &mut Problems,
) -> RedactionSpec {
    let Some(written) = written else { return RedactionSpec::default() };
    problems.unknown_keys(written);
    let style =
        written.style.as_ref().and_then(|style| problems.name("redaction style", style, STYLES));
    let style = style.unwrap_or_default();
    let restore = written.restore.as_ref().is_some_and(|restore| restore.value);
    if let Some(at) = written.restore.as_ref().filter(|_| restore && style == RedactionStyle::Mask)
    {
        problems.push(
            Problem::new(
                "policy::useless_key",
                place(&at.referenced),
                "a mask cannot be restored: it does not say what it stands for",
            )
            .help("write `style: pseudonym`, or remove `restore`"),
        );
    }
    RedactionSpec { style, restore }
}

fn kind(name: &str, at: std::ops::Range<usize>, problems: &mut Problems) -> Option<Entity> {
    let known = name.parse::<Entity>().ok();
    if known.is_none() {
        let mut slugs: Vec<&str> = Entity::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.push(ALL);
        problems.push(
            Problem::new(
                "policy::unknown_name",
                at,
                format!("unknown kind of personal data `{name}`"),
            )
            .help(suggest(name, &slugs)),
        );
    }
    known
}
