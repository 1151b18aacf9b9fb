//! The examples that stand in a rule: `cases: { must_match, must_pass }`.
//!
//! They say what this one rule sees, whatever the policy then does; they are
//! no part of what is enforced, so the digest does not cover them. Run by
//! [`crate::policy::cases`].

use std::sync::Arc;

use crate::domain::{Role, Stage};
use crate::policy::cases::RuleCase;
use crate::policy::document::{RuleWritten, Spanned, place};
use crate::policy::mistake::line_and_column;
use crate::policy::problem::{Problem, Problems};
use crate::policy::sources::{Located, Sources};
use crate::policy::spec::RuleSpec;

/// Examples are for a glance; more of them belong into a cases file.
const CASES_MAX: usize = 100;

pub(super) fn read(
    written: &RuleWritten,
    spec: &RuleSpec,
    sources: &Sources,
    problems: &mut Problems,
) -> Vec<RuleCase> {
    let Some(cases) = &written.cases else { return Vec::new() };
    problems.unknown_keys(cases);
    let stage = spec.directions.first().copied().unwrap_or(Stage::Input);
    let role = match stage {
        Stage::Output => Role::Assistant,
        Stage::Input => match &spec.roles {
            Some(roles) if !roles.contains(&Role::User) => {
                roles.first().copied().unwrap_or(Role::User)
            }
            _ => Role::User,
        },
    };
    let mut read = Vec::new();
    let lists = [(true, &cases.must_match), (false, &cases.must_pass)];
    for (must_match, texts) in lists {
        for text in texts.iter().flatten() {
            if read.len() == CASES_MAX {
                problems.push(too_many(text));
                return read;
            }
            let Located { source, at } = sources.locate(&place(&text.referenced));
            let (line, _) = line_and_column(source.inner(), at.start);
            read.push(RuleCase {
                rule: Arc::clone(&spec.id),
                category: spec.category,
                stage,
                role,
                line,
                must_match,
                text: text.value.clone(),
            });
        }
    }
    read
}

fn too_many(text: &Spanned<String>) -> Problem {
    Problem::new(
        "policy::too_many_cases",
        place(&text.referenced),
        format!("a rule may have {CASES_MAX} examples beside it"),
    )
    .help("put them into `cases.yaml`, or a file of the folder `cases`, beside the policy")
}
