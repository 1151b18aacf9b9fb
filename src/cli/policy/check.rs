//! `portcullis policy check`: every mistake of every file at once.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::print::{Paint, count, table};
use crate::cli::EXIT_USAGE;
use crate::policy::{self, Compiled, PolicyError, Source};

pub(super) const EXIT_CODES: &str = "Exit codes: 0 all policies are sound, 1 at least one has a mistake, 2 at least one cannot be read";

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Policy files, or directories with a policy.yaml; the shipped policy when absent
    paths: Vec<PathBuf>,
    /// List the ids of all rules
    #[arg(long)]
    rules: bool,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let sources: Vec<Source> = if args.paths.is_empty() {
        vec![Source::Shipped]
    } else {
        args.paths.iter().map(|path| super::source(Some(path))).collect()
    };
    let mut told = Vec::new();
    let (mut wrong, mut unreadable) = (false, false);
    for source in &sources {
        match policy::check(source) {
            Ok(compiled) if args.json => told.push(tell(source, &compiled)),
            Ok(compiled) => print(out, source, &compiled, args.rules)?,
            Err(error) => {
                wrong = true;
                unreadable |= error.is_unreadable();
                if args.json {
                    told.push(tell_mistakes(source, &error));
                } else {
                    write!(out, "{}", error.report)?;
                    writeln!(out, "{}: {}\n", super::name(source), count(error.count, "error"))?;
                }
            }
        }
    }
    if args.json {
        writeln!(out, "{}", json!({ "ok": !wrong, "policies": told }))?;
    }
    Ok(match (wrong, unreadable) {
        (_, true) => ExitCode::from(EXIT_USAGE),
        (true, false) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

fn tell(source: &Source, compiled: &Compiled) -> Value {
    let engine = &compiled.engine;
    let (all, by_category) = engine.rule_counts();
    let (detect_level, block_level) = engine.levels();
    json!({
        "path": super::name(source), "ok": true,
        "policy": engine.name(), "version": engine.version(), "digest": engine.digest(),
        "detect_level": detect_level, "block_level": block_level,
        "rules": all, "categories": by_category, "rule_ids": engine.rule_ids(),
        "rule_cases": compiled.rule_cases.len(),
        "errors": 0, "warnings": compiled.warnings_count,
        "problems": compiled.oddities, "report": compiled.warnings,
        "exceptions": engine.exceptions(),
    })
}

fn tell_mistakes(source: &Source, error: &PolicyError) -> Value {
    let warnings = error.mistakes.iter().filter(|mistake| mistake.warning).count();
    json!({
        "path": super::name(source), "ok": false, "errors": error.count, "warnings": warnings,
        "problems": error.mistakes, "report": error.report,
    })
}

fn print(
    out: &mut impl Write,
    source: &Source,
    compiled: &Compiled,
    rules: bool,
) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let engine = &compiled.engine;
    let (all, by_category) = engine.rule_counts();
    write!(out, "{}", compiled.warnings)?;
    let title = format!("{} {}", engine.name(), engine.version());
    writeln!(out, "{}  {}", paint.bold(&title), super::name(source))?;
    writeln!(out, "{}", engine.digest())?;
    writeln!(
        out,
        "{}: {} act, {} only flag, {} do not run; {}\n",
        count(all.total, "rule"),
        all.acting,
        all.recording,
        all.idle,
        count(compiled.warnings_count, "warning"),
    )?;
    for exception in engine.exceptions() {
        let policy::Exception { id, author, reason, expires, .. } = exception;
        writeln!(out, "  exception {id} until {expires} ({author}): {reason}")?;
    }
    if rules {
        for id in engine.rule_ids() {
            let Some((category, level)) = engine.rule(&id) else { continue };
            writeln!(out, "  {id}  {}", paint.dim(&format!("{category}, level {level}")))?;
        }
        writeln!(out)?;
    }
    let rows: Vec<Vec<String>> = by_category
        .iter()
        .map(|(category, rules)| {
            let at = |level| rules.levels.get(&level).copied().unwrap_or_default().to_string();
            vec![
                category.slug().to_owned(),
                rules.total.to_string(),
                at(1),
                at(2),
                at(3),
                rules.acting.to_string(),
            ]
        })
        .collect();
    let header = ["category", "rules", "level 1", "level 2", "level 3", "acting"];
    table(out, paint, &header, &rows)?;
    writeln!(out)?;
    Ok(())
}
