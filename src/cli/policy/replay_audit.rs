//! `portcullis policy replay --audit`: recorded decisions under another policy.
//!
//! Reads the log in batches; memory does not grow with it. What can be told and
//! what cannot is [`crate::policy::replay::recorded`]'s.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::corpus::spinner;
use super::print::{Paint, count, table};
use crate::audit::{self, DecisionRecord, Entry, read};
use crate::domain::{Action, Category, DecisionId, Place, Stage};
use crate::policy::Engine;
use crate::policy::replay::recorded::Recomputed;

/// Records that are in memory together.
const BATCH_RECORDS_MAX: usize = 512;
/// Bytes of records that are in memory together, one record more at most.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// What became of all decisions.
#[derive(Debug, Default, Serialize)]
struct Tally {
    decisions: u64,
    same: u64,
    changed: u64,
    /// A rule that was found is gone, and what is left would lead to less.
    cannot_be_told: u64,
    /// Lines of the log that are no record of this version.
    unreadable: u64,
    /// E.g. `flag -> block`, per verdict.
    changes: BTreeMap<String, u64>,
    /// Changed verdicts by their decisive category.
    categories: BTreeMap<Category, u64>,
    examples: Vec<Example>,
    #[serde(skip)]
    examples_max: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Example {
    decision: DecisionId,
    stage: Stage,
    before: Action,
    after: Action,
}

/// One decision, recomputed.
struct Judged {
    results: Vec<(Recomputed, Stage, Option<Category>)>,
    decision: DecisionId,
}

pub(super) fn run(
    out: &mut impl Write,
    engine: &Engine,
    directory: &Path,
    show: usize,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let directory = log_in(directory);
    let mut tally = Tally { examples_max: show, ..Tally::default() };
    let bar = spinner("{spinner} {human_pos} records, {per_sec}, {elapsed}");
    let (mut batch, mut bytes) = (Vec::new(), 0);
    read::each(&directory, |line| {
        bytes += line.len();
        batch.push(line);
        if batch.len() >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX {
            bar.inc(batch.len() as u64);
            tally.take(engine, &batch);
            (bytes, batch) = (0, Vec::new());
        }
    })?;
    tally.take(engine, &batch);
    bar.finish_and_clear();
    if json {
        let told = json!({
            "ok": tally.changed == 0,
            "policy": engine.name(), "version": engine.version(), "digest": engine.digest(),
            "recorded": tally,
        });
        writeln!(out, "{told}")?;
    } else {
        print(out, engine, &tally)?;
    }
    Ok(if tally.changed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The log in a data directory, or the directory itself when it is one.
fn log_in(directory: &Path) -> PathBuf {
    let log = audit::directory_in(directory);
    if log.is_dir() { log } else { directory.to_owned() }
}

impl Tally {
    fn take(&mut self, engine: &Engine, lines: &[String]) {
        let judged: Vec<Option<Option<Judged>>> =
            lines.par_iter().map(|line| recompute(engine, line)).collect();
        for judged in judged {
            match judged {
                None => self.unreadable += 1,
                // A start, a stop, another policy: no decision.
                Some(None) => {}
                Some(Some(judged)) => self.add(&judged),
            }
        }
    }

    fn add(&mut self, judged: &Judged) {
        self.decisions += 1;
        let mut changed = false;
        let mut unknown = false;
        for (result, stage, category) in &judged.results {
            match *result {
                Recomputed::Same => {}
                Recomputed::Unknown => unknown = true,
                Recomputed::Changed { before, after } => {
                    changed = true;
                    *self.changes.entry(format!("{before} -> {after}")).or_default() += 1;
                    if let Some(category) = category {
                        *self.categories.entry(*category).or_default() += 1;
                    }
                    if self.examples.len() < self.examples_max {
                        let (decision, stage) = (judged.decision, *stage);
                        self.examples.push(Example { decision, stage, before, after });
                    }
                }
            }
        }
        match (changed, unknown) {
            (true, _) => self.changed += 1,
            (false, true) => self.cannot_be_told += 1,
            (false, false) => self.same += 1,
        }
    }
}

/// `None`: no record; `Some(None)`: no decision.
fn recompute(engine: &Engine, line: &str) -> Option<Option<Judged>> {
    let record: Value = serde_json::from_str(line).ok()?;
    let entry: Entry = serde_json::from_value(record.get("entry")?.clone()).ok()?;
    let Entry::Decision(decision) = entry else { return Some(None) };
    let DecisionRecord { decision, verdicts, stored, left_out, .. } = *decision;
    let stored: Vec<(Place, &str)> =
        stored.iter().map(|stored| (stored.place, stored.text.as_str())).collect();
    let complete = left_out.findings == 0;
    let results = verdicts
        .iter()
        .map(|verdict| {
            let category = verdict.categories.first().map(|score| score.category);
            (engine.recompute(verdict, &stored, complete), verdict.stage, category)
        })
        .collect();
    Some(Some(Judged { results, decision }))
}

fn print(out: &mut impl Write, engine: &Engine, tally: &Tally) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let decisions = usize::try_from(tally.decisions).unwrap_or(usize::MAX);
    writeln!(
        out,
        "{} under {} {}\n",
        count(decisions, "recorded decision"),
        paint.bold(engine.name()),
        engine.version()
    )?;
    writeln!(out, "  same            {:>8}", tally.same)?;
    writeln!(out, "  would change    {:>8}", tally.changed)?;
    for (change, number) in &tally.changes {
        writeln!(out, "                  {number:>8}  {change}")?;
    }
    writeln!(out, "  cannot be told  {:>8}", tally.cannot_be_told)?;
    if tally.unreadable > 0 {
        writeln!(out, "  not a record    {:>8}", tally.unreadable)?;
    }
    if !tally.examples.is_empty() {
        writeln!(out)?;
        let rows: Vec<Vec<String>> = tally
            .examples
            .iter()
            .map(|example| {
                vec![
                    example.decision.to_string(),
                    example.stage.name().to_owned(),
                    example.before.to_string(),
                    example.after.to_string(),
                ]
            })
            .collect();
        table(out, paint, &["decision", "stage", "before", "after"], &rows)?;
    }
    writeln!(
        out,
        "\nThe log keeps findings, not texts: rules that are new in this policy are not seen.\nTry them with `policy replay --corpus`."
    )?;
    Ok(())
}
