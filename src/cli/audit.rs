//! `portcullis audit`: is the log intact, and what happened last.
//!
//! Needs the files only; works beside a running gateway. Called by `cli`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::place::PlaceArgs;
use crate::audit::record::LoadedException;
use crate::audit::{self, DecisionRecord, Entry, VerifyReport, read};
use crate::domain::{Action, Verdict};

const FOLLOW_POLL_MS: u64 = 300;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no record was altered, dropped or moved; fails if one was
    Verify {
        #[command(flatten)]
        place: PlaceArgs,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the last records
    Tail {
        #[command(flatten)]
        place: PlaceArgs,
        /// How many, at most 10000
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
        lines: u16,
        /// Go on with new records as they come
        #[arg(long, short)]
        follow: bool,
        /// Print the records as they stand in the log
        #[arg(long)]
        json: bool,
    },
}

/// # Errors
/// The log cannot be read. A log that is not intact is an exit code, not an error.
pub fn run(command: AuditCommand) -> Result<ExitCode> {
    run_to(command, &mut io::stdout().lock())
}

fn run_to(command: AuditCommand, out: &mut impl Write) -> Result<ExitCode> {
    let result = match command {
        AuditCommand::Verify { place, json } => verify(&place.data_dir()?, json, out),
        AuditCommand::Tail { place, lines, follow, json } => {
            tail(&place.data_dir()?, lines, follow, json, out)
        }
    };
    match result {
        // Whoever reads has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn verify(data_dir: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let report = audit::verify(&audit::directory_in(data_dir))?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write_report(&report, out)?;
    }
    Ok(if report.is_intact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_report(report: &VerifyReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "records   {} in {} segment files", report.records, report.segments)?;
    if let (Some(first), Some(last), Some(head)) = (&report.first, &report.last, report.head) {
        writeln!(out, "first     #{} at {}", first.seq, first.time)?;
        writeln!(out, "last      #{} at {}", last.seq, last.time)?;
        writeln!(out, "head      {head}")?;
    }
    if report.live {
        writeln!(out, "writer    running; newer records may follow")?;
    }
    match &report.problem {
        None => writeln!(out, "intact    yes"),
        Some(problem) => {
            writeln!(out, "intact    NO")?;
            writeln!(
                out,
                "problem   `{}`, line {}, where record #{} should be: {}",
                problem.segment, problem.line, problem.seq, problem.reason
            )
        }
    }
}

fn tail(
    data_dir: &Path,
    lines: u16,
    follow: bool,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let (records, mut follower) = read::last(&audit::directory_in(data_dir), usize::from(lines))?;
    write_records(&records, json, out)?;
    if !follow {
        return Ok(ExitCode::SUCCESS);
    }
    // Until interrupted, or until nobody reads any more.
    loop {
        out.flush()?;
        std::thread::sleep(Duration::from_millis(FOLLOW_POLL_MS));
        write_records(&follower.more()?, json, out)?;
    }
}

fn write_records(records: &[String], json: bool, out: &mut impl Write) -> io::Result<()> {
    for record in records {
        if json {
            writeln!(out, "{record}")?;
        } else {
            writeln!(out, "{}", readable(record))?;
        }
    }
    Ok(())
}

/// One line without control characters, whatever the record holds.
fn readable(record: &str) -> String {
    let Ok(record) = serde_json::from_str::<Value>(record) else {
        return "(not a record)".into();
    };
    let time = record.get("time").and_then(Value::as_str).unwrap_or("(no time)");
    let seq =
        record.get("seq").and_then(Value::as_u64).map_or_else(|| "?".into(), |seq| seq.to_string());
    let entry = record.get("entry").cloned().unwrap_or_default();
    let kind = entry.get("kind").and_then(Value::as_str).unwrap_or("(unknown)").to_owned();
    let told = serde_json::from_value(entry).map_or(kind, |entry| tell(&entry));
    let line = format!("{time} #{seq} {told}");
    line.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

fn tell(entry: &Entry) -> String {
    match entry {
        Entry::Started { version, policies, models, exceptions, .. } => {
            let mut text = format!("started version={version}");
            for policy in policies {
                let _ = write!(
                    text,
                    " policy={}@{} ({})",
                    policy.name,
                    policy.version,
                    policy.digest.short()
                );
            }
            for model in models {
                let _ = write!(text, " model={}", model.name);
            }
            tell_exceptions(&mut text, exceptions);
            text
        }
        Entry::Stopped { version } => format!("stopped version={version}"),
        Entry::Decision(decision) => tell_decision(decision),
        Entry::PolicyChanged { policy, before, exceptions } => {
            let mut text = format!(
                "policy_changed {}@{} ({}, before {})",
                policy.name,
                policy.version,
                policy.digest.short(),
                before.short()
            );
            tell_exceptions(&mut text, exceptions);
            text
        }
        Entry::PolicyRejected { name, errors } => format!("policy_rejected {name} errors={errors}"),
        Entry::Recovered { torn_bytes } => format!("recovered torn_bytes={torn_bytes}"),
    }
}

fn tell_exceptions(text: &mut String, exceptions: &[LoadedException]) {
    for LoadedException { policy, id, author, expires } in exceptions {
        let _ = write!(text, " exception={policy}/{id} until {expires} ({author})");
    }
}

fn tell_decision(decision: &DecisionRecord) -> String {
    let mut text = format!(
        "decision {} {} {} caller={} model={} policy={}@{}",
        decision.outcome,
        decision.decision,
        decision.endpoint.name(),
        decision.caller,
        decision.model,
        decision.policy.name,
        decision.policy.version,
    );
    for verdict in decision.verdicts.iter().filter(|verdict| verdict.action != Action::Allow) {
        let _ = write!(text, " {}={}", verdict.stage.name(), tell_verdict(verdict));
    }
    let unjudged: usize = decision.verdicts.iter().map(|verdict| verdict.unjudged.len()).sum();
    if unjudged > 0 {
        let _ = write!(text, " unjudged={unjudged}");
    }
    let _ = write!(text, " {} ms", decision.timings.total_us / 1000);
    text
}

/// `block[harassment 0.90]`
fn tell_verdict(verdict: &Verdict) -> String {
    let categories: Vec<String> = verdict
        .categories
        .iter()
        .map(|found| format!("{} {:.2}", found.category, found.score))
        .collect();
    format!("{}[{}]", verdict.action, categories.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Ledger, LedgerOptions};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: AuditCommand,
    }

    fn audit(data_dir: &Path, line: &str) -> Result<(bool, String)> {
        let words = ["audit"].into_iter().chain(line.split(' '));
        let data_dir = ["--data-dir".as_ref(), data_dir.as_os_str()];
        let line = Line::try_parse_from(words.map(AsRef::as_ref).chain(data_dir))?;
        let mut out = Vec::new();
        let code = run_to(line.command, &mut out)?;
        Ok((code == ExitCode::SUCCESS, String::from_utf8(out)?))
    }

    async fn write(data_dir: &Path) {
        let (ledger, _) =
            Ledger::open(&audit::directory_in(data_dir), LedgerOptions::default()).unwrap();
        for name in ["first", "sec\u{1b}[31m\nond"] {
            ledger.append(Entry::PolicyRejected { name: name.into(), errors: 2 }).await.unwrap();
        }
        ledger.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_intact_log_passes_and_an_altered_one_fails() {
        let data = tempfile::tempdir().unwrap();
        write(data.path()).await;
        let (passed, text) = audit(data.path(), "verify").unwrap();
        assert!(passed && text.starts_with("records   2 in 1 segment files\n"), "{text}");
        assert!(text.ends_with("intact    yes\n"), "{text}");

        let segment = audit::directory_in(data.path()).join(format!("{:020}.jsonl", 0));
        let altered = std::fs::read_to_string(&segment).unwrap().replace("first", "worst");
        std::fs::write(&segment, altered).unwrap();
        let (passed, text) = audit(data.path(), "verify").unwrap();
        assert!(!passed);
        assert!(
            text.contains("line 1, where record #0 should be: the record was altered"),
            "{text}"
        );
        let (passed, text) = audit(data.path(), "verify --json").unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        assert!(!passed);
        assert_eq!(report["problem"]["reason"]["broken"]["kind"], "altered");
    }

    #[tokio::test]
    async fn the_tail_shows_records_without_control_characters() {
        let data = tempfile::tempdir().unwrap();
        write(data.path()).await;
        let (_, text) = audit(data.path(), "tail").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("Z #0 policy_rejected first errors=2"), "{text}");
        assert!(
            lines[1].ends_with("#1 policy_rejected sec\u{fffd}[31m\u{fffd}ond errors=2"),
            "{text}"
        );
        let (_, text) = audit(data.path(), "tail -n 1 --json").unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["seq"], 1);
    }

    #[test]
    fn a_log_that_is_not_there_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        for line in ["verify", "tail"] {
            assert!(audit(data.path(), line).is_err());
        }
    }
}
