//! `portcullis policy test`: runs the cases and says which fail.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::junit;
use super::print::{Paint, count, table, visible};
use crate::policy::cases::{self, Cases, Failure, Outcome, Suite};
use crate::policy::{Engine, PolicyError, Source};

pub(super) const EXIT_CODES: &str = "Exit codes: 0 every case holds, 1 a case or the policy fails, 2 a file cannot be read or there are no cases";

/// Fewer cases than this are done before a bar could be read.
const PROGRESS_CASES_MIN: usize = 2_000;

#[derive(Debug, Args)]
pub struct TestArgs {
    /// A policy file, or a directory with policy.yaml and cases.yaml; the shipped policy when absent
    path: Option<PathBuf>,
    /// Further files of cases; those beside the policy (cases.yaml, cases/*.yaml) run as well
    #[arg(long, value_name = "FILE", num_args = 1..)]
    cases: Vec<PathBuf>,
    /// Only cases with this in their text, category, file:line, or expected rules
    #[arg(long, value_name = "PART")]
    filter: Option<String>,
    /// Write the results as JUnit XML, for build servers
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let source = super::source(args.path.as_ref());
    let compiled = match super::load(out, &source, args.json)? {
        Ok(compiled) => compiled,
        Err(code) => return Ok(code),
    };
    let files = match files(&source, &args.cases) {
        Ok(files) => files,
        Err(error) => return super::refused(out, &error, args.json),
    };
    let mut suite = Suite::default();
    suite.add_rules(&super::name(&source), &compiled.rule_cases);
    for file in &files {
        suite.add(file);
    }
    if suite.is_empty() {
        bail!(
            "`{}` has no cases: write them into `{}` beside it, or under `cases:` in its rules",
            super::name(&source),
            cases::FILE_NAME
        );
    }
    if let Some(part) = &args.filter {
        suite.keep(part);
        if suite.is_empty() {
            bail!("no case has `{part}` in its text, category, file:line or expected rules");
        }
    }
    let bar = bar(suite.len());
    let outcome = suite.run(&compiled.engine, |_| bar.inc(1));
    bar.finish_and_clear();
    if let Some(path) = &args.junit {
        write_junit(path, &compiled.engine, &outcome)?;
    }
    if args.json {
        print_json(out, &compiled.engine, &files, &outcome)?;
    } else {
        print(out, &compiled.engine, &outcome)?;
    }
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The files of cases of a policy, and `more`.
pub(super) fn files(source: &Source, more: &[PathBuf]) -> Result<Vec<Cases>, PolicyError> {
    let mut files = match source.file() {
        None => vec![Cases::shipped()?],
        Some(policy) => cases::beside(&policy)?
            .iter()
            .map(|path| Cases::load(path))
            .collect::<Result<_, _>>()?,
    };
    for path in more {
        files.push(Cases::load(path)?);
    }
    Ok(files)
}

fn bar(cases: usize) -> ProgressBar {
    if cases < PROGRESS_CASES_MIN || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(cases as u64)
}

fn write_junit(path: &Path, engine: &Engine, outcome: &Outcome) -> anyhow::Result<()> {
    let report = junit::report(engine, outcome)?;
    std::fs::write(path, report).with_context(|| format!("cannot write `{}`", path.display()))
}

fn print_json(
    out: &mut impl Write,
    engine: &Engine,
    files: &[Cases],
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let told = json!({
        "ok": outcome.failures.is_empty(),
        "policy": engine.name(), "version": engine.version(), "digest": engine.digest(),
        "files": files.iter().map(|file| &file.file).collect::<Vec<_>>(),
        "matched": outcome.matched, "passed": outcome.passed, "skipped": outcome.skipped,
        "failures": outcome.failures, "categories": outcome.categories,
    });
    writeln!(out, "{told}")?;
    Ok(())
}

fn print(out: &mut impl Write, engine: &Engine, outcome: &Outcome) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    for failure in &outcome.failures {
        print_failure(out, paint, failure)?;
    }
    let rows: Vec<Vec<String>> = outcome
        .categories
        .iter()
        .map(|(category, count)| {
            vec![
                category.slug().to_owned(),
                count.must_match.to_string(),
                count.must_pass.to_string(),
                count.skipped.to_string(),
                count.failed.to_string(),
            ]
        })
        .collect();
    table(out, paint, &["category", "must match", "must pass", "skipped", "failed"], &rows)?;
    let failed = format!("{} failed", outcome.failures.len());
    writeln!(
        out,
        "\n{} {}: {} must match, {} must pass, {}{}",
        engine.name(),
        engine.version(),
        outcome.matched,
        outcome.passed,
        if outcome.skipped == 0 { String::new() } else { format!("{} skipped, ", outcome.skipped) },
        if outcome.failures.is_empty() { paint.good(&failed) } else { paint.bad(&failed) },
    )?;
    Ok(())
}

fn print_failure(out: &mut impl Write, paint: Paint, failure: &Failure) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} {}:{} {} {}",
        paint.bad("FAIL"),
        failure.file,
        failure.line,
        failure.category,
        failure.stage.name()
    )?;
    writeln!(out, "  text:     {}", visible(failure.text.trim_end()))?;
    writeln!(out, "  expected: {}", visible(&failure.expected))?;
    writeln!(out, "  verdict:  {}", failure.action)?;
    if failure.rules.is_empty() {
        writeln!(out, "  rules:    none match")?;
    } else {
        writeln!(
            out,
            "  rules:    {}",
            count(failure.rules.len(), "match").replace("matchs", "matches")
        )?;
        for rule in &failure.rules {
            writeln!(out, "            {}", visible(rule))?;
        }
    }
    writeln!(out)?;
    Ok(())
}
