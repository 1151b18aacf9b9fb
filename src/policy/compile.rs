//! From a written policy to an engine, or to the list of all its mistakes.
//!
//! Each part reads one section of the document into the specification and
//! reports what it finds wrong; the next part runs all the same, so that one
//! run of `policy check` shows everything. Pure: no I/O. Called by
//! [`super::load`] and the store.

pub(super) mod categories;
mod conditions;
mod exceptions;
mod floor;
mod fragments;
pub(super) mod header;
mod judging;
mod locks;
mod matching;
mod near;
mod overlay;
mod pii;
mod reachable;
mod rule_cases;
pub(super) mod rules;
mod selector;
mod when;

use time::Date;

use super::cases::RuleCase;
use super::chain::Chain;
use super::document::{Spanned, place};
use super::engine::Engine;
use super::problem::{Problem, Problems};
use super::spec::Spec;
use super::whole::Looks;
use super::{Mistake, PolicyError};
use fragments::Fragments;
use overlay::Overlaid;
use rules::{Reading, RuleRead};

pub(super) use rules::{BUILTIN, MASK};
pub(super) use selector::Selector;

/// A usable policy, and what is odd about it.
#[derive(Debug)]
pub struct Compiled {
    pub engine: Engine,
    /// Rendered like errors; empty when there is nothing to say.
    pub warnings: String,
    pub warnings_count: usize,
    /// The warnings one by one.
    pub oddities: Vec<Mistake>,
    /// The examples that stand in the rules.
    pub rule_cases: Vec<RuleCase>,
}

/// Compiles what was read; `today` (UTC) says which exceptions are in force.
pub(super) fn compile(chain: Chain, today: Date) -> Result<Compiled, PolicyError> {
    let Chain { sources, layers, mut problems } = chain;
    let found = &mut problems;
    let mut fragments = Fragments::read(&layers, &sources, found);
    let Overlaid { document, exceptions, floors, locks } =
        overlay::merge(layers, &sources, &mut fragments, found);
    found.unknown_keys(&document);
    let header = header::read(&document, found);
    let categories = categories::read(&document, &header, found);
    let rules = rules::read(&document, &sources, &mut fragments, found);
    let conversation = judging::conversation(&document, found);
    let system_prompt = judging::system_prompt(&document, found);
    let language = when::covered(document.language.as_ref(), found);
    let redaction = pii::redaction(document.redaction.as_ref(), found);
    locks.check_levels(&document, found);
    let reached = floor::Reached { document: &document, header: &header, categories: &categories };
    let floors = floor::check(&floors, reached, found);
    floor::check_shadow(&rules, reached, found);
    let bounds = exceptions::Bounds { document: &document, locks: &locks, floors: &floors, today };
    let reading = Reading { sources: &sources, fragments: &mut fragments, problems: found };
    let (exceptions, matching) = exceptions::read(&exceptions, bounds, reading);
    reachable::check(&rules, &categories, &header, found);

    if problems.errors() > 0 {
        return Err(problems.render(&sources));
    }
    let rule_cases = rules.iter().flat_map(|rule| rule.cases.iter().cloned()).collect();
    let (specs, looks): (_, Vec<Looks>) = rules.into_iter().map(RuleRead::compiled).unzip();
    let spec = Spec {
        policy: header.policy,
        version: header.version,
        description: document.description,
        detect_level: header.detect_level,
        block_level: header.block_level,
        unjudged: header.unjudged,
        limits: header.limits,
        conversation,
        system_prompt,
        disclosure_header: header.disclosure_header,
        disclosure_first_turn: header.disclosure_first_turn,
        system_text: document.system_text.filter(|text| !text.trim().is_empty()),
        refusal: header.refusal,
        categories,
        rules: specs,
        language,
        redaction,
        exceptions,
    };
    let engine = Engine::build(spec, looks, &matching)
        .map_err(|error| PolicyError::plain("", "policy::too_large", error.to_string()))?;
    let warnings_count = problems.warnings();
    let PolicyError { report: warnings, mistakes: oddities, .. } = problems.render(&sources);
    Ok(Compiled { engine, warnings, warnings_count, oddities, rule_cases })
}

/// A number that must lie above 0 and not above 1.
fn share(what: &str, written: &Spanned<f64>, problems: &mut Problems) -> Option<f32> {
    let value = written.value;
    if value > 0.0 && value <= 1.0 {
        return Some(value as f32);
    }
    problems.push(
        Problem::new(
            "policy::out_of_range",
            place(&written.referenced),
            format!("the {what} must be above 0 and at most 1"),
        )
        .label(format!("{value}")),
    );
    None
}

/// A key without which nothing can be compiled.
fn missing(what: &str, at: std::ops::Range<usize>, help: &str) -> Problem {
    Problem::new("policy::missing_key", at, format!("`{what}` is missing"))
        .label("in this mapping")
        .help(help)
}
