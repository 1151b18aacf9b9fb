//! `portcullis policy`: the tools around a policy, one file per command.
//!
//! For the people who write policies. Prints; judges nothing that the engine
//! does not judge in service. Every command has `--json` with a stable shape
//! (docs/POLICY.md) and the same exit codes.

mod check;
mod corpus;
mod coverage;
mod diff;
mod explain;
mod junit;
mod print;
mod replay;
mod replay_audit;
mod rule;
mod test;
mod underline;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::EXIT_USAGE;
use crate::domain::{Role, Stage};
use crate::policy::{self, Compiled, PolicyError, Source};
use print::count;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Report every mistake of policy files, with line and help
    #[command(after_help = check::EXIT_CODES)]
    Check(check::CheckArgs),
    /// Run the cases of a policy: texts that must be found, texts that must pass
    #[command(after_help = test::EXIT_CODES)]
    Test(test::TestArgs),
    /// Show what a policy finds in a text, where, and how the score came about
    #[command(after_help = explain::EXIT_CODES)]
    Explain(explain::ExplainArgs),
    /// Compare two policies: what changed in them, and which texts change verdict
    #[command(after_help = diff::EXIT_CODES)]
    Diff(diff::DiffArgs),
    /// Run a policy over a corpus, or over the decisions of an audit log
    #[command(after_help = replay::EXIT_CODES)]
    Replay(replay::ReplayArgs),
    /// Print the JSON Schema of policy files, for editors and other tools
    Schema {
        /// The schema of cases files instead
        #[arg(long)]
        cases: bool,
    },
    /// Show clause by clause what enforces it: rules, cases, product controls, or none
    #[command(after_help = coverage::EXIT_CODES)]
    Coverage(coverage::CoverageArgs),
}

/// Runs the command; what its exit code means stands in its help.
///
/// # Errors
/// When nobody reads the output any more; every other failure is an exit code.
pub fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(args) => check::run(&args),
        PolicyCommand::Test(args) => test::run(&args),
        PolicyCommand::Explain(args) => explain::run(&args),
        PolicyCommand::Diff(args) => diff::run(&args),
        PolicyCommand::Replay(args) => replay::run(&args),
        PolicyCommand::Schema { cases } => schema(cases),
        PolicyCommand::Coverage(args) => coverage::run(&args),
    };
    match done {
        Err(error) if !is_broken_pipe(&error) => {
            eprintln!("error: {error:#}");
            Ok(ExitCode::from(EXIT_USAGE))
        }
        done => done,
    }
}

fn schema(cases: bool) -> anyhow::Result<ExitCode> {
    let schema = if cases { policy::schema::cases() } else { policy::schema::policy() };
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StageName {
    /// What goes to the model
    Input,
    /// What the model answers
    Output,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Input => Self::Input,
            StageName::Output => Self::Output,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::System => Self::System,
            RoleName::Developer => Self::Developer,
            RoleName::User => Self::User,
            RoleName::Assistant => Self::Assistant,
            RoleName::Tool => Self::Tool,
        }
    }
}

/// How the shipped policy is named where a path is expected.
const SHIPPED: &str = "shipped";

/// The policy that is meant: a file, a directory, `shipped`, or nothing.
fn source(path: Option<&PathBuf>) -> Source {
    match path {
        Some(path) if path.as_os_str() != SHIPPED => Source::File(path.clone()),
        _ => Source::Shipped,
    }
}

/// What messages call it.
fn name(source: &Source) -> String {
    source.file().map_or_else(|| SHIPPED.to_owned(), |file| file.display().to_string())
}

/// The compiled policy, or the exit code after its mistakes were printed.
fn load(
    out: &mut impl Write,
    source: &Source,
    json: bool,
) -> anyhow::Result<Result<Compiled, ExitCode>> {
    match policy::check(source) {
        Ok(compiled) => Ok(Ok(compiled)),
        Err(error) => refused(out, &error, json).map(Err),
    }
}

/// Prints what is wrong with a file.
fn refused(out: &mut impl Write, error: &PolicyError, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let told = json!({
            "ok": false, "errors": error.count, "problems": error.mistakes, "report": error.report,
        });
        writeln!(out, "{told}")?;
    } else {
        write!(out, "{}", error.report)?;
        writeln!(out, "{}", count(error.count, "error"))?;
    }
    Ok(refusal_code(error))
}

fn refusal_code(error: &PolicyError) -> ExitCode {
    if error.is_unreadable() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
