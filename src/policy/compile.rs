//! From a written policy to an engine, or to the list of all its mistakes.
//!
//! Each part reads one section of the document into the specification and
//! reports what it finds wrong; the next part runs all the same, so that one
//! run of `policy check` shows everything. Pure: no I/O. Called by
//! [`super::load`] and the store.

mod categories;
mod conditions;
mod header;
mod matching;
mod near;
mod reachable;
mod rules;
mod when;

use super::PolicyError;
use super::document::{Document, Spanned, place};
use super::engine::Engine;
use super::problem::{self, Problem, Problems};
use super::spec::Spec;
use super::whole::Looks;

use rules::RuleRead;
pub(super) use rules::{BUILTIN, MASK};

/// A policy file may have this many bytes.
pub(super) const POLICY_BYTES_MAX: u64 = 4 << 20;

/// A usable policy, and what is odd about it.
#[derive(Debug)]
pub struct Compiled {
    pub engine: Engine,
    /// Rendered like errors; empty when there is nothing to say.
    pub warnings: String,
    pub warnings_count: usize,
}

/// Compiles the text of a policy file; `file` is its name in messages.
pub(super) fn compile(file: &str, source: &str) -> Result<Compiled, PolicyError> {
    let document = parse(file, source)?;
    let mut problems = Problems::default();
    let document = document.value;
    problems.unknown_keys(&document);
    let header = header::read(&document, &mut problems);
    let categories = categories::read(&document, &header, &mut problems);
    let rules = rules::read(&document, source, &mut problems);
    let language = when::covered(document.language.as_ref(), &mut problems);
    reachable::check(&rules, &categories, &header, &mut problems);

    if problems.errors() > 0 {
        return Err(problems.render(file, source));
    }
    let (specs, looks): (_, Vec<Looks>) = rules.into_iter().map(RuleRead::compiled).unzip();
    let spec = Spec {
        policy: header.policy,
        version: header.version,
        description: document.description,
        detect_level: header.detect_level,
        block_level: header.block_level,
        unjudged: header.unjudged,
        limits: header.limits,
        disclosure_header: header.disclosure_header,
        disclosure_first_turn: header.disclosure_first_turn,
        system_text: document.system_text.filter(|text| !text.trim().is_empty()),
        refusal: header.refusal,
        categories,
        rules: specs,
        language,
    };
    let engine = Engine::build(spec, looks)
        .map_err(|error| PolicyError { count: 1, report: format!("{file}: {error}\n") })?;
    let warnings_count = problems.warnings();
    let warnings = problems.render(file, source).report;
    Ok(Compiled { engine, warnings, warnings_count })
}

fn parse(file: &str, source: &str) -> Result<Spanned<Document>, PolicyError> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(source, options).map_err(|error| {
        let report = serde_saphyr::miette::to_miette_report(&error, source, file);
        let mut text = String::new();
        let _ = problem::handler().render_report(&mut text, report.as_ref());
        PolicyError { count: 1, report: text }
    })
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
