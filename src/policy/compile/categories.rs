//! The decisions per category, and the floor below which none may go.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use super::header::{self, Header};
use super::{missing, share};
use crate::domain::{Action, Category, Severity, Stage};
use crate::policy::document::{CategoryWritten, DecisionWritten, Document, Spanned, place};
use crate::policy::problem::{Problem, Problems, suggest};
use crate::policy::spec::{CategorySpec, Decision, Refusal};

pub(in crate::policy) const ACTIONS: &[(&str, Action)] = &[
    (Action::Allow.name(), Action::Allow),
    (Action::Flag.name(), Action::Flag),
    (Action::Redact.name(), Action::Redact),
    (Action::Replace.name(), Action::Replace),
    (Action::Block.name(), Action::Block),
];
pub(in crate::policy) const SEVERITIES: &[(&str, Severity)] =
    &[("medium", Severity::Medium), ("high", Severity::High), ("critical", Severity::Critical)];

/// The highest threshold that `child_exploitation` may have.
const FLOOR_THRESHOLD_MAX: f32 = 0.5;

pub(super) fn read(
    document: &Document,
    header: &Header,
    problems: &mut Problems,
) -> BTreeMap<Category, CategorySpec> {
    let mut specs = BTreeMap::new();
    let Some(categories) = &document.categories else {
        problems.push(missing(
            "categories",
            0..0,
            "every category of the acceptable-use policy needs a decision",
        ));
        return specs;
    };
    for (slug, written) in &categories.value.0 {
        let Some(category) = category(slug, problems) else {
            problems.unknown_keys(written);
            continue;
        };
        let spec = one(category, slug, written, header, problems);
        specs.insert(category, spec);
    }
    let at = place(&categories.referenced);
    let missing: Vec<&Category> =
        Category::ALL.iter().filter(|category| !specs.contains_key(category)).collect();
    if let Some(first) = missing.first() {
        let slugs: Vec<&str> = missing.iter().map(|category| category.slug()).collect();
        let what = if slugs.len() == 1 { "a category" } else { "categories" };
        problems.push(
            Problem::new(
                "policy::missing_category",
                at.start..at.start,
                format!("no decision about {what} of the acceptable-use policy: {}", slugs.join(", ")),
            )
            .label("not among these")
            .help(format!(
                "add `{first}: {{ severity: {}, input: {{ action: …, threshold: … }}, output: {{ action: …, threshold: … }} }}`",
                name_of(first.severity()),
            )),
        );
    }
    specs
}

/// A slug; a wrong one is reported.
pub(super) fn category(slug: &Spanned<String>, problems: &mut Problems) -> Option<Category> {
    let found = Category::from_str(&slug.value).ok();
    if found.is_none() {
        let known: Vec<&str> = Category::ALL.iter().map(|category| category.slug()).collect();
        problems.push(
            Problem::new(
                "policy::unknown_category",
                place(&slug.referenced),
                format!("unknown category `{}`", slug.value),
            )
            .help(suggest(&slug.value, &known)),
        );
    }
    found
}

fn one(
    category: Category,
    slug: &Spanned<String>,
    written: &CategoryWritten,
    header: &Header,
    problems: &mut Problems,
) -> CategorySpec {
    problems.unknown_keys(written);
    let at = place(&slug.referenced);
    let text = written.refusal.as_ref().map(|text| header::text("refusal", text, problems));
    let as_error =
        written.refusal_style.as_ref().and_then(|written| header::style(written, problems));
    let spec = CategorySpec {
        severity: severity(category, written, &at, problems),
        input: decision("input", written.input.as_ref(), &at, problems),
        output: decision("output", written.output.as_ref(), &at, problems),
        refusal: Refusal {
            text: text.unwrap_or_else(|| header.refusal.text.clone()),
            as_error: as_error.unwrap_or(header.refusal.as_error),
        },
        store_text: written.store_text.as_ref().is_some_and(|stored| stored.value),
    };
    if category == Category::ChildExploitation {
        floor(&spec, written, &at, problems);
    }
    spec
}

fn severity(
    category: Category,
    written: &CategoryWritten,
    at: &Range<usize>,
    problems: &mut Problems,
) -> Severity {
    let least = category.severity();
    let Some(written) = &written.severity else {
        problems.push(missing(
            "severity",
            at.clone(),
            &format!("`{category}` is `{}` in the acceptable-use policy", name_of(least)),
        ));
        return least;
    };
    let Some(severity) = problems.name("severity", written, SEVERITIES) else { return least };
    if severity < least {
        problems.push(
            Problem::new(
                "policy::severity_lowered",
                place(&written.referenced),
                format!("`{category}` may not be less than `{}`", name_of(least)),
            )
            .label("lowered here"),
        );
    }
    severity
}

fn decision(
    stage: &str,
    written: Option<&Spanned<DecisionWritten>>,
    at: &Range<usize>,
    problems: &mut Problems,
) -> Decision {
    let fallback = Decision { action: Action::Block, threshold: 0.5 };
    let help = format!("`{stage}: {{ action: block, threshold: 0.5 }}`");
    let Some(written) = written else {
        problems.push(missing(stage, at.clone(), &help));
        return fallback;
    };
    problems.unknown_keys(&written.value);
    let action = match &written.value.action {
        Some(action) => problems.name("action", action, ACTIONS),
        None => {
            problems.push(missing("action", place(&written.referenced), &help));
            None
        }
    };
    let threshold = match &written.value.threshold {
        Some(threshold) => share("threshold", threshold, problems),
        None => {
            problems.push(missing("threshold", place(&written.referenced), &help));
            None
        }
    };
    Decision {
        action: action.unwrap_or(fallback.action),
        threshold: threshold.unwrap_or(fallback.threshold),
    }
}

/// What is written about one stage.
pub(super) fn of_stage(
    written: &CategoryWritten,
    stage: Stage,
) -> Option<&Spanned<DecisionWritten>> {
    match stage {
        Stage::Input => written.input.as_ref(),
        Stage::Output => written.output.as_ref(),
    }
}

/// What no policy may soften.
fn floor(
    spec: &CategorySpec,
    written: &CategoryWritten,
    at: &Range<usize>,
    problems: &mut Problems,
) {
    let mut refuse =
        |at: Range<usize>, what: String| {
            problems.push(Problem::new("policy::floor", at, what).help(
                "`child_exploitation` is always blocked, both ways, and its text is never kept",
            ));
        };
    for (stage, written) in [(Stage::Input, &written.input), (Stage::Output, &written.output)] {
        let Some(written) = written else { continue };
        let decision = spec.decision(stage);
        if decision.action != Action::Block {
            let at = written
                .value
                .action
                .as_ref()
                .map_or(at.clone(), |action| place(&action.referenced));
            refuse(at, format!("the {} action must be `block`", stage.name()));
        }
        if decision.threshold > FLOOR_THRESHOLD_MAX {
            let at = written
                .value
                .threshold
                .as_ref()
                .map_or(at.clone(), |threshold| place(&threshold.referenced));
            refuse(
                at,
                format!("the {} threshold must be at most {FLOOR_THRESHOLD_MAX}", stage.name()),
            );
        }
    }
    if spec.store_text {
        let at = written.store_text.as_ref().map_or(at.clone(), |stored| place(&stored.referenced));
        refuse(at, "`store_text` must not be true".to_owned());
    }
}

fn name_of(severity: Severity) -> &'static str {
    SEVERITIES.iter().find(|(_, known)| *known == severity).map_or("", |(name, _)| name)
}
