//! `portcullis policy coverage`: clause by clause, what enforces it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::print::{Paint, percent, table};
use super::test;
use crate::policy::coverage::{Coverage, Row};

pub(super) const EXIT_CODES: &str = "Exit codes: 0 done and within the limits given, 1 a limit is missed or the policy has a mistake, 2 something cannot be read";

#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// A policy file, or a directory with policy.yaml and cases.yaml; the shipped policy when absent
    path: Option<PathBuf>,
    /// Further files of cases
    #[arg(long, value_name = "FILE", num_args = 1..)]
    cases: Vec<PathBuf>,
    /// `md` has the rows of the README's table
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Fail when a clause that text can show has fewer cases than this on either side
    #[arg(long, value_name = "N", default_value_t = 0)]
    require_cases: usize,
    /// Fail when less than this share of the clauses is enforced, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    fail_under: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Md,
    Json,
}

pub(super) fn run(args: &CoverageArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let format = if args.json { Format::Json } else { args.format };
    let source = super::source(args.path.as_ref());
    let compiled = match super::load(out, &source, format == Format::Json)? {
        Ok(compiled) => compiled,
        Err(code) => return Ok(code),
    };
    let files = match test::files(&source, &args.cases) {
        Ok(files) => files,
        Err(error) => return super::refused(out, &error, format == Format::Json),
    };
    let coverage = Coverage::of(&compiled.engine, &files, &compiled.rule_cases);
    let missed = missed(args, &coverage);
    match format {
        Format::Text => print(out, &coverage)?,
        Format::Md => print_markdown(out, &coverage)?,
        Format::Json => {
            let told = json!({
                "ok": missed.is_empty(), "missed": missed, "policy": coverage.policy,
                "version": coverage.version, "enforced_share": coverage.enforced_share(),
                "rows": coverage.rows,
            });
            writeln!(out, "{told}")?;
        }
    }
    if format != Format::Json {
        for why in &missed {
            eprintln!("{why}");
        }
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn missed(args: &CoverageArgs, coverage: &Coverage) -> Vec<String> {
    let mut missed: Vec<String> = coverage
        .lacking_cases(args.require_cases)
        .into_iter()
        .map(|row| {
            format!(
                "`{}` has {} cases that must match and {} that must pass; {} each are required",
                row.category, row.must_match, row.must_pass, args.require_cases
            )
        })
        .collect();
    let enforced = coverage.enforced_share();
    if enforced * 100.0 < f64::from(args.fail_under) {
        let share = percent(Some(enforced));
        missed.push(format!(
            "{share} of the clauses are enforced; {} % are required",
            args.fail_under
        ));
    }
    missed
}

fn clause(row: &Row) -> &'static str {
    row.clause.unwrap_or("–")
}

fn print(out: &mut impl Write, coverage: &Coverage) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    writeln!(out, "{} {}\n", paint.bold(&coverage.policy), coverage.version)?;
    let rows: Vec<Vec<String>> = coverage
        .rows
        .iter()
        .map(|row| {
            vec![
                format!("{:<5} {}", clause(row), row.category),
                format!("{}/{}", row.input, row.output),
                row.acting.to_string(),
                row.recording.to_string(),
                format!("{}/{}", row.must_match, row.must_pass),
                row.enforced_by.name().to_owned(),
            ]
        })
        .collect();
    let header = ["clause", "prompt/answer", "act", "flag", "cases", "enforced by"];
    table(out, paint, &header, &rows)?;
    writeln!(out, "\nBesides rules:")?;
    for row in coverage.rows.iter().filter(|row| row.product.is_some()) {
        writeln!(out, "  {:<5} {}", clause(row), row.product.unwrap_or_default())?;
    }
    let clauses = coverage.rows.iter().filter(|row| row.clause.is_some()).count();
    writeln!(
        out,
        "\nClassifier: none. Guard model: none. Enforced: {} of {clauses} clauses.",
        percent(Some(coverage.enforced_share()))
    )?;
    Ok(())
}

fn print_markdown(out: &mut impl Write, coverage: &Coverage) -> anyhow::Result<()> {
    writeln!(
        out,
        "| clause | slug | prompt | answer | acting rules | cases: act / pass | besides |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for row in &coverage.rows {
        writeln!(
            out,
            "| {} | `{}` | {} | {} | {} of {} | {} / {} | {} |",
            clause(row),
            row.category,
            row.input,
            row.output,
            row.acting,
            row.rules(),
            row.must_match,
            row.must_pass,
            row.besides()
        )?;
    }
    Ok(())
}
