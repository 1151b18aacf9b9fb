//! `portcullis policy`: check, test, explain and describe policy files.
//!
//! For the people who write policies. Prints; judges nothing that the engine
//! does not judge in service.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::domain::{Finding, Stage, Verdict};
use crate::policy::cases::{self, Cases, Failure};
use crate::policy::{self, Compiled, Engine, PolicyError, Source};

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Report every mistake of a policy file, with line and help
    Check {
        /// A policy file, or a directory with a policy.yaml; the shipped policy when absent
        path: Option<PathBuf>,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Run the cases that stand beside a policy
    Test {
        /// A policy file, or a directory with policy.yaml and cases.yaml; the shipped policy when absent
        path: Option<PathBuf>,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of policy files, for editors and other tools
    Schema {
        /// The schema of cases files instead
        #[arg(long)]
        cases: bool,
    },
    /// Show what a policy finds in a text, and where
    Explain {
        /// The text; standard input when absent
        text: Vec<String>,
        /// A policy file or directory; the shipped policy when absent
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Judge the text as a prompt or as an answer
        #[arg(long, value_enum, default_value = "input")]
        stage: StageName,
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StageName {
    Input,
    Output,
}

/// Bytes read from standard input.
const STDIN_BYTES_MAX: u64 = 16 << 20;

/// Runs the command; the exit code is 1 when the policy or a case fails.
///
/// # Errors
/// When output cannot be written or input cannot be read.
pub fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check { path, json } => check(path, json),
        PolicyCommand::Test { path, json } => test(path, json),
        PolicyCommand::Schema { cases } => schema(cases),
        PolicyCommand::Explain { text, policy, stage, json } => {
            let text = if text.is_empty() { stdin()? } else { text.join(" ") };
            let stage = match stage {
                StageName::Input => Stage::Input,
                StageName::Output => Stage::Output,
            };
            explain(&text, policy, stage, json)
        }
    }
}

fn source(path: Option<PathBuf>) -> Source {
    path.map_or(Source::Shipped, Source::File)
}

fn check(path: Option<PathBuf>, json: bool) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    match policy::check(&source(path)) {
        Ok(Compiled { engine, warnings, warnings_count }) => {
            if json {
                writeln!(
                    out,
                    "{}",
                    json!({
                        "ok": true, "policy": engine.name(), "version": engine.version(),
                        "digest": engine.digest(), "rules": engine.rules_len(),
                        "warnings": warnings_count, "report": warnings,
                        "exceptions": engine.exceptions(),
                    })
                )?;
            } else {
                write!(out, "{warnings}")?;
                writeln!(
                    out,
                    "{} {}: {} rules run, {} to look at\n{}",
                    engine.name(),
                    engine.version(),
                    engine.rules_len(),
                    count(warnings_count, "warning"),
                    engine.digest()
                )?;
                for exception in engine.exceptions() {
                    let policy::Exception { id, author, reason, expires, .. } = exception;
                    writeln!(out, "exception {id} until {expires} ({author}): {reason}")?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(out, &error, json),
    }
}

fn schema(cases: bool) -> anyhow::Result<ExitCode> {
    let schema = if cases { policy::schema::cases() } else { policy::schema::policy() };
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}

fn test(path: Option<PathBuf>, json: bool) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let source = source(path);
    let loaded = policy::load(&source).and_then(|engine| {
        let cases = match source.file() {
            Some(file) => Cases::load(&file.with_file_name(cases::FILE_NAME))?,
            None => Cases::shipped()?,
        };
        Ok((engine, cases))
    });
    let (engine, cases) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return refused(out, &error, json),
    };
    let outcome = cases.run(&engine);
    if json {
        writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
    } else {
        for failure in &outcome.failures {
            print_failure(out, failure)?;
        }
        writeln!(
            out,
            "{} {}: {} must match, {} must pass, {} failed",
            engine.name(),
            engine.version(),
            outcome.matched,
            outcome.passed,
            outcome.failures.len()
        )?;
    }
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_failure(out: &mut impl Write, failure: &Failure) -> anyhow::Result<()> {
    writeln!(out, "FAIL {} {}", failure.category, failure.stage.name())?;
    writeln!(out, "  text:     {}", failure.text.trim_end())?;
    writeln!(out, "  expected: {}", failure.expected)?;
    writeln!(out, "  verdict:  {}", failure.action)?;
    let rules = if failure.rules.is_empty() {
        "none".to_owned()
    } else {
        failure.rules.join("\n            ")
    };
    writeln!(out, "  rules:    {rules}\n")?;
    Ok(())
}

fn explain(
    text: &str,
    policy: Option<PathBuf>,
    stage: Stage,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let engine = match policy::load(&source(policy)) {
        Ok(engine) => engine,
        Err(error) => return refused(out, &error, json),
    };
    let verdict = cases::judge(&engine, stage, text);
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&verdict)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_verdict(out, &engine, &verdict, text)?;
    Ok(ExitCode::SUCCESS)
}

fn print_verdict(
    out: &mut impl Write,
    engine: &Engine,
    verdict: &Verdict,
    text: &str,
) -> anyhow::Result<()> {
    writeln!(out, "{} {}: {}", engine.name(), verdict.stage.name(), verdict.action)?;
    for score in &verdict.categories {
        let (action, threshold) = engine.decision_for(score.category, verdict.stage);
        writeln!(
            out,
            "  {:<28} score {:.2} -> {} (policy: {action} from {threshold:.2})",
            score.category.slug(),
            score.score,
            score.action
        )?;
    }
    for finding in &verdict.findings {
        writeln!(
            out,
            "\n  {} ({}, level {}, score {:.2}, bytes {}..{})",
            finding.rule,
            finding.category,
            finding.level,
            finding.score,
            finding.span.start,
            finding.span.end
        )?;
        if let Some(exception) = &finding.exception {
            writeln!(out, "    does not act: exception {exception}")?;
        }
        underline(out, text, finding)?;
    }
    for unjudged in &verdict.unjudged {
        writeln!(out, "\n  not judged: bytes {}..{}", unjudged.span.start, unjudged.span.end)?;
    }
    Ok(())
}

/// Characters shown on each side of a match.
const AROUND_CHARS: usize = 24;

/// The match in its surroundings, on one line, with carets under it.
fn underline(out: &mut impl Write, text: &str, finding: &Finding) -> anyhow::Result<()> {
    let show = |part: &str| -> String {
        part.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    let before: String = {
        let head = text.get(..finding.span.start).unwrap_or_default();
        let skip = head.chars().count().saturating_sub(AROUND_CHARS);
        head.chars().skip(skip).collect()
    };
    let matched = text.get(finding.span.clone()).unwrap_or_default();
    let after: String =
        text.get(finding.span.end..).unwrap_or_default().chars().take(AROUND_CHARS).collect();
    writeln!(out, "    {}{}{}", show(&before), show(matched), show(&after))?;
    writeln!(
        out,
        "    {}{}",
        " ".repeat(before.chars().count()),
        "^".repeat(matched.chars().count())
    )?;
    Ok(())
}

fn refused(out: &mut impl Write, error: &PolicyError, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        writeln!(out, "{}", json!({ "ok": false, "errors": error.count, "report": error.report }))?;
    } else {
        write!(out, "{}", error.report)?;
        writeln!(out, "{}", count(error.count, "error"))?;
    }
    Ok(ExitCode::FAILURE)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn stdin() -> anyhow::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::io::stdin().lock().take(STDIN_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
