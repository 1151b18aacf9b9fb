//! `portcullis policy diff`: what changed between two policies, and for whom.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::corpus::{self, CorpusArgs};
use super::print::{Paint, count, percent, shorten, table, visible};
use crate::policy::diff::compare::{Comparison, Judgement, Sides, Tally};
use crate::policy::diff::{Change, Changed, PolicyDiff, Rule, What};
use crate::policy::replay::share;
use crate::policy::{Compiled, Engine};

pub(super) const EXIT_CODES: &str = "Exit codes: 0 the policies are the same, 1 they differ or one has a mistake, 2 something cannot be read";

/// Columns of a value that are shown.
const VALUE_COLUMNS: usize = 60;
/// Entries of a list that are shown on each side.
const ENTRIES_MAX: usize = 10;
/// Columns of a name that are shown, so that the table fits.
const NAME_COLUMNS: usize = 24;
const EXAMPLES_MAX: u16 = 10_000;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The policy as it was: a file, a directory, or `shipped`
    before: PathBuf,
    /// The policy as it is to be: a file, a directory, or `shipped`
    after: PathBuf,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Name up to this many texts whose action changes, by id
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=i64::from(EXAMPLES_MAX)))]
    show: u16,
    /// With --show: print the texts as well
    #[arg(long, requires = "show")]
    show_text: bool,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let mut compiled = Vec::new();
    for path in [&args.before, &args.after] {
        match super::load(out, &super::source(Some(path)), args.json)? {
            Ok(Compiled { engine, .. }) => compiled.push(engine),
            Err(code) => return Ok(code),
        }
    }
    let [before, after] = compiled.as_slice() else { return Ok(ExitCode::FAILURE) };
    let diff = PolicyDiff::between(before, after);
    let texts = compare(args, before, after)?;
    let same = diff.is_empty() && texts.as_ref().is_none_or(|texts| texts.changed == 0);
    if args.json {
        let told = json!({
            "same": same, "before": describe(before), "after": describe(after),
            "policy": diff, "texts": texts,
        });
        writeln!(out, "{told}")?;
    } else {
        print(out, before, after, &diff)?;
        if let Some(texts) = &texts {
            print_texts(out, texts, usize::from(args.show))?;
        }
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(engine: &Engine) -> Value {
    json!({ "policy": engine.name(), "version": engine.version(), "digest": engine.digest() })
}

fn compare(args: &DiffArgs, before: &Engine, after: &Engine) -> anyhow::Result<Option<Comparison>> {
    if args.corpus.files.is_empty() {
        return Ok(None);
    }
    let mut texts = Comparison::new(usize::from(args.show), args.show_text);
    let judge = |record: &_| (Judgement::of(before, record), Judgement::of(after, record));
    corpus::over(&args.corpus.files, judge, |data_set, record, (was, is)| {
        texts.take(data_set, record, &was, &is);
    })?;
    Ok(Some(texts))
}

fn print(
    out: &mut impl Write,
    before: &Engine,
    after: &Engine,
    diff: &PolicyDiff,
) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    for (mark, engine) in [("-", before), ("+", after)] {
        writeln!(
            out,
            "{mark} {} {}  {}",
            engine.name(),
            engine.version(),
            engine.digest().short()
        )?;
    }
    if diff.is_empty() {
        writeln!(out, "\nBoth say the same.")?;
        return Ok(());
    }
    if !diff.header.is_empty() {
        writeln!(out, "\n{}", paint.bold("policy"))?;
        print_changes(out, paint, &diff.header)?;
    }
    for category in &diff.categories {
        print_changed(out, paint, "category", category)?;
    }
    for rule in &diff.rules_added {
        print_rule(out, &paint.good("+ rule"), rule)?;
    }
    for rule in &diff.rules_removed {
        print_rule(out, &paint.bad("- rule"), rule)?;
    }
    for rule in &diff.rules_changed {
        print_changed(out, paint, "rule", rule)?;
    }
    writeln!(
        out,
        "\n{} added, {} removed, {} changed",
        count(diff.rules_added.len(), "rule"),
        diff.rules_removed.len(),
        diff.rules_changed.len()
    )?;
    Ok(())
}

fn print_rule(out: &mut impl Write, mark: &str, rule: &Rule) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n{mark} {}  ({}, level {}, score {})",
        rule.id, rule.category, rule.level, rule.score
    )?;
    Ok(())
}

fn print_changed(
    out: &mut impl Write,
    paint: Paint,
    what: &str,
    changed: &Changed,
) -> anyhow::Result<()> {
    writeln!(out, "\n{what} {}", paint.bold(&changed.name))?;
    print_changes(out, paint, &changed.changes)
}

fn print_changes(out: &mut impl Write, paint: Paint, changes: &[Change]) -> anyhow::Result<()> {
    let show = |value: &Value| match value {
        Value::String(text) => shorten(text, VALUE_COLUMNS),
        Value::Null => "not set".to_owned(),
        value => shorten(&value.to_string(), VALUE_COLUMNS),
    };
    for change in changes {
        match &change.what {
            What::Value { before, after } => {
                let (before, after) = (show(before), show(after));
                if before.len() + after.len() + change.key.len() > VALUE_COLUMNS {
                    writeln!(out, "  {}", change.key)?;
                    writeln!(out, "    {} {before}", paint.bad("-"))?;
                    writeln!(out, "    {} {after}", paint.good("+"))?;
                } else {
                    writeln!(out, "  {}: {before} -> {after}", change.key)?;
                }
            }
            What::Entries { added, removed } => {
                writeln!(
                    out,
                    "  {}: {} added, {} removed",
                    change.key,
                    added.len(),
                    removed.len()
                )?;
                for (mark, list) in [(paint.bad("-"), removed), (paint.good("+"), added)] {
                    for value in list.iter().take(ENTRIES_MAX) {
                        writeln!(out, "    {mark} {}", show(value))?;
                    }
                    if list.len() > ENTRIES_MAX {
                        writeln!(out, "    {mark} and {} more", list.len() - ENTRIES_MAX)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn print_texts(out: &mut impl Write, texts: &Comparison, show: usize) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    writeln!(
        out,
        "\n{}: {} with another action",
        paint.bold(&format!("{} texts", texts.texts)),
        texts.changed
    )?;
    for (change, number) in &texts.actions {
        writeln!(out, "  {number:>8}  {change}")?;
    }
    let header = ["", "harmful", "+stop", "-stop", "harmless", "+stop", "-stop", "FP rate"];
    let row = |name: &str, sides: &Sides| {
        let Sides { harmful, harmless, .. } = sides;
        let number = |of: fn(&Tally) -> u64, tally: &Tally| of(tally).to_string();
        vec![
            shorten(name, NAME_COLUMNS),
            number(|tally| tally.texts, harmful),
            number(|tally| tally.newly_stopped, harmful),
            number(|tally| tally.released, harmful),
            number(|tally| tally.texts, harmless),
            number(|tally| tally.newly_stopped, harmless),
            number(|tally| tally.released, harmless),
            percent(share(harmless.stopped_after, harmless.texts)),
        ]
    };
    writeln!(out)?;
    let rows: Vec<_> = texts.data_sets.iter().map(|(name, sides)| row(name, sides)).collect();
    table(out, paint, &header, &rows)?;
    let unlabelled: u64 = texts.data_sets.values().map(|sides| sides.unlabelled.texts).sum();
    if unlabelled > 0 {
        writeln!(out, "Texts without a label, not in this table: {unlabelled}")?;
    }
    let moved = texts.categories.iter().filter(|(_, sides)| !sides.is_quiet());
    let rows: Vec<Vec<String>> = moved
        .map(|(category, sides)| row(category.slug(), sides).into_iter().take(7).collect())
        .collect();
    if !rows.is_empty() {
        writeln!(out, "\nBy category that stops, before or after:\n")?;
        table(out, paint, header.get(..7).unwrap_or_default(), &rows)?;
    }
    if show > 0 {
        writeln!(out)?;
    }
    for example in &texts.examples {
        let label = example.label.map_or("-".to_owned(), |label| label.to_string());
        writeln!(
            out,
            "{} -> {}  label {label}  {} {}",
            example.before, example.after, example.data_set, example.id
        )?;
        if let Some(text) = &example.text {
            writeln!(out, "    {}", visible(text))?;
        }
    }
    Ok(())
}
