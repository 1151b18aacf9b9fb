//! `portcullis policy replay`: a policy over a corpus, or over recorded decisions.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::corpus::{self, CorpusArgs};
use super::print::{Paint, percent, shorten, table};
use super::replay_audit;
use crate::domain::Action;
use crate::policy::replay::{DataSet, Observed, Rates, Replay, share};
use crate::policy::{Compiled, Engine};

pub(super) const EXIT_CODES: &str = "Exit codes: 0 done and within the limits given, 1 a limit is missed, a recorded decision would change, or the policy has a mistake, 2 something cannot be read";

const SHOWN_MAX: u16 = 10_000;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The candidate: a policy file, a directory, or `shipped`
    policy: PathBuf,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Recompute the decisions of this audit log (a data directory) from their recorded findings
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    audit: Option<PathBuf>,
    /// List the rules that match most texts with label 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=i64::from(SHOWN_MAX)))]
    top_rules: u16,
    /// Fail when a smaller share of the texts with label 1 is stopped, e.g. 0.4
    #[arg(long, value_name = "SHARE", value_parser = share_of_one)]
    recall_min: Option<f64>,
    /// Fail when a larger share of the texts with label 0 is stopped, e.g. 0.001
    #[arg(long, value_name = "SHARE", value_parser = share_of_one)]
    false_positive_rate_max: Option<f64>,
    /// With --audit: name up to this many decisions that would change
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=i64::from(SHOWN_MAX)))]
    show: u16,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

fn share_of_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is 0 to 1".to_owned()),
    }
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    if args.audit.is_none() && args.corpus.files.is_empty() {
        bail!("say over what: `--corpus FILE…` or `--audit DIR`");
    }
    let engine = match super::load(out, &super::source(Some(&args.policy)), args.json)? {
        Ok(Compiled { engine, .. }) => engine,
        Err(code) => return Ok(code),
    };
    if let Some(directory) = &args.audit {
        return replay_audit::run(out, &engine, directory, usize::from(args.show), args.json);
    }
    let mut replay = Replay::default();
    let took = corpus::over(
        &args.corpus.files,
        |record| Observed::of(&engine, record),
        |data_set, record, observed| replay.take(data_set, record, &observed),
    )?;
    let missed = missed(args, &replay.all.rates);
    if args.json {
        let seconds = took.as_secs_f64();
        let told = json!({
            "ok": missed.is_empty(), "missed": missed,
            "policy": engine.name(), "version": engine.version(), "digest": engine.digest(),
            "recall": replay.all.rates.recall(),
            "false_positive_rate": replay.all.rates.false_positive_rate(),
            "replay": replay, "seconds": seconds,
            "texts_per_second": replay.texts as f64 / seconds.max(f64::EPSILON),
        });
        writeln!(out, "{told}")?;
    } else {
        print(out, args, &engine, &replay, took)?;
        for why in &missed {
            writeln!(out, "{}", Paint::stdout().bad(why))?;
        }
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Limits that were not kept. Nothing to measure on is no success either.
fn missed(args: &ReplayArgs, rates: &Rates) -> Vec<String> {
    let mut missed = Vec::new();
    if let Some(least) = args.recall_min {
        match rates.recall() {
            Some(recall) if recall >= least => {}
            recall => missed.push(format!("recall {} is below {least}", percent(recall))),
        }
    }
    if let Some(most) = args.false_positive_rate_max {
        match rates.false_positive_rate() {
            Some(rate) if rate <= most => {}
            rate => missed.push(format!("false-positive rate {} is above {most}", percent(rate))),
        }
    }
    missed
}

fn print(
    out: &mut impl Write,
    args: &ReplayArgs,
    engine: &Engine,
    replay: &Replay,
    took: Duration,
) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let seconds = took.as_secs_f64().max(f64::EPSILON);
    writeln!(out, "{} {}", paint.bold(engine.name()), engine.version())?;
    writeln!(
        out,
        "{} texts, {:.1} MB in {seconds:.1} s: {:.0} texts/s, {:.1} MB/s\n",
        replay.texts,
        replay.bytes as f64 / 1e6,
        replay.texts as f64 / seconds,
        replay.bytes as f64 / 1e6 / seconds
    )?;
    print_data_sets(out, paint, replay)?;
    print_categories(out, paint, replay)?;
    print_levels(out, paint, engine, replay)?;
    print_rules(out, paint, replay, usize::from(args.top_rules))
}

/// "Stopped" is blocked, replaced or masked.
fn print_data_sets(out: &mut impl Write, paint: Paint, replay: &Replay) -> anyhow::Result<()> {
    let row = |name: &str, set: &DataSet| {
        let of = |action| set.actions.get(&action).copied().unwrap_or_default();
        let stopped = of(Action::Redact) + of(Action::Replace) + of(Action::Block);
        vec![
            shorten(name, 33),
            set.texts.to_string(),
            of(Action::Flag).to_string(),
            stopped.to_string(),
            percent(set.rates.recall()),
            percent(set.rates.false_positive_rate()),
        ]
    };
    let mut rows: Vec<_> = replay.data_sets.iter().map(|(name, set)| row(name, set)).collect();
    rows.push(row("all", &replay.all));
    table(out, paint, &["data set", "texts", "flagged", "stopped", "recall", "FP rate"], &rows)?;
    let unjudged = replay.all.unjudged;
    if unjudged > 0 {
        writeln!(out, "\n{unjudged} texts were not judged to their end.")?;
    }
    Ok(())
}

fn print_categories(out: &mut impl Write, paint: Paint, replay: &Replay) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = replay
        .categories
        .iter()
        .map(|(category, tally)| {
            vec![
                category.slug().to_owned(),
                tally.labelled.to_string(),
                percent(share(tally.stopped, tally.labelled)),
                percent(share(tally.stopped_by_it, tally.labelled)),
                tally.false_positives.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    table(
        out,
        paint,
        &["category", "labelled", "stopped", "by this category", "false positives"],
        &rows,
    )?;
    Ok(())
}

fn print_levels(
    out: &mut impl Write,
    paint: Paint,
    engine: &Engine,
    replay: &Replay,
) -> anyhow::Result<()> {
    let (detect, block) = engine.levels();
    let rows: Vec<Vec<String>> = replay
        .levels
        .iter()
        .filter(|(level, _)| **level <= detect)
        .map(|(level, rates)| {
            let mark = if *level == block { " (in force)" } else { "" };
            vec![
                format!("block_level {level}{mark}"),
                percent(rates.recall()),
                rates.harmless_stopped.to_string(),
                percent(rates.false_positive_rate()),
            ]
        })
        .collect();
    writeln!(out)?;
    table(out, paint, &["at each level", "recall", "false positives", "FP rate"], &rows)?;
    if detect < 3 {
        writeln!(out, "Rules above `detect_level` {detect} do not run and cannot be counted.")?;
    }
    Ok(())
}

fn print_rules(
    out: &mut impl Write,
    paint: Paint,
    replay: &Replay,
    count: usize,
) -> anyhow::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let rows: Vec<Vec<String>> = replay
        .top_rules(count)
        .into_iter()
        .map(|(rule, tally)| {
            let labelled = tally.harmful + tally.harmless;
            vec![
                shorten(&rule.0, 40),
                if tally.acts { "acts" } else { "flags" }.to_owned(),
                tally.harmless.to_string(),
                tally.harmful.to_string(),
                percent(share(tally.harmful, labelled)),
            ]
        })
        .collect();
    writeln!(out)?;
    table(out, paint, &["rule", "", "harmless", "harmful", "precision"], &rows)?;
    Ok(())
}
