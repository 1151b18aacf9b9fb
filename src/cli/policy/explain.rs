//! `portcullis policy explain`: what a policy finds in a text, and why.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::print::{Paint, shorten, visible, wrapped};
use super::underline::underlined;
use super::{RoleName, StageName, rule};
use crate::domain::{Action, Role, UnjudgedReason, View};
use crate::policy::explain::{Explanation, Found, PartKind, explain};

pub(super) const EXIT_CODES: &str =
    "Exit codes: 0 whatever the verdict is, 1 the policy has a mistake, 2 something cannot be read";

/// Bytes read from standard input.
const STDIN_BYTES_MAX: u64 = 16 << 20;
/// Columns of a pattern that are shown.
const PATTERN_COLUMNS: usize = 64;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The text; standard input when absent
    text: Vec<String>,
    /// A policy file or directory; the shipped policy when absent
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Judge the text as a prompt or as an answer
    #[arg(long, value_enum, default_value = "input")]
    stage: StageName,
    /// Who wrote the prompt
    #[arg(long, value_enum, default_value = "user")]
    role: RoleName,
    /// Only findings in this reading of the text, e.g. canonical, squeezed, base64; prints the reading
    #[arg(long, value_name = "NAME", value_parser = view)]
    view: Option<View>,
    /// Why this rule matches, or what of it would be needed
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

fn view(name: &str) -> Result<View, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let out = &mut std::io::stdout().lock();
    let source = super::source(args.policy.as_ref());
    let compiled = match super::load(out, &source, args.json)? {
        Ok(compiled) => compiled,
        Err(code) => return Ok(code),
    };
    let text = if args.text.is_empty() { stdin()? } else { args.text.join(" ") };
    let (stage, role) = (args.stage.into(), Some(Role::from(args.role)));
    if let Some(id) = &args.rule {
        return rule::run(out, &compiled.engine, stage, role, &text, id, args.json);
    }
    let mut explanation = explain(&compiled.engine, stage, role, &text);
    if let Some(view) = args.view {
        explanation.findings.retain(|found| found.view == view);
        explanation.readings.retain(|reading| reading.view == view);
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?;
    } else {
        print(out, &explanation, &text, args.view)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(
    out: &mut impl Write,
    explanation: &Explanation,
    text: &str,
    view: Option<View>,
) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let action = explanation.action.name();
    let action = if explanation.action.stops() { paint.bad(action) } else { paint.bold(action) };
    writeln!(
        out,
        "{} {}, {}: {action}",
        explanation.policy,
        explanation.version,
        explanation.stage.name(),
    )?;
    for sum in &explanation.categories {
        writeln!(out, "\n  {}  {}", paint.bold(sum.category.slug()), tell(paint, sum.action))?;
        writeln!(out, "{}", wrapped(&sum.steps, 4))?;
        // Where nothing acts, the steps have told them.
        for one in sum.recorded.iter().filter(|_| !sum.acting.is_empty()) {
            let only =
                format!("recorded only: {:.2} from {} (level {})", one.score, one.rule, one.level);
            writeln!(out, "{}", wrapped(&only, 4))?;
        }
    }
    for found in &explanation.findings {
        print_found(out, paint, found, text)?;
    }
    if let Some(view) = view {
        print_readings(out, paint, explanation, text, view)?;
    }
    for gap in &explanation.unjudged {
        let why = reason(gap.reason);
        writeln!(out, "\n  not judged: bytes {}..{}: {why}", gap.span.start, gap.span.end)?;
    }
    if explanation.findings.is_empty() {
        let where_ = view.map_or(String::new(), |view| format!(" in the view {}", view.name()));
        writeln!(
            out,
            "\n  No rule matches{where_}. `--rule ID` says what of a rule would be needed."
        )?;
    }
    Ok(())
}

fn tell(paint: Paint, action: Action) -> String {
    if action.stops() { paint.bad(action.name()) } else { action.name().to_owned() }
}

fn print_found(
    out: &mut impl Write,
    paint: Paint,
    found: &Found,
    text: &str,
) -> anyhow::Result<()> {
    let shadow = if found.shadow { ", above the block level" } else { "" };
    writeln!(
        out,
        "\n  {}  level {}{shadow}, score {:.2}, bytes {}..{}",
        paint.bold(&found.rule),
        found.level,
        found.score,
        found.span.start,
        found.span.end
    )?;
    let part = shorten(&found.part.text, PATTERN_COLUMNS);
    match found.part.kind {
        PartKind::Phrase => writeln!(out, "    phrase   {part}")?,
        PartKind::Pattern => writeln!(out, "    pattern  {part}")?,
        PartKind::Entity => writeln!(out, "    entity   {part}")?,
        PartKind::Near => writeln!(out, "    near     {part}")?,
        PartKind::Similar | PartKind::Condition => writeln!(out, "    key      {part}")?,
        PartKind::Builtin => writeln!(out, "    built in: control markers and the like")?,
        PartKind::Other => writeln!(out, "    by       {part}")?,
    }
    if found.view != View::Canonical {
        let read = shorten(&found.part.read, PATTERN_COLUMNS - 16);
        writeln!(out, "    view     {}, which reads `{read}`", found.view.name())?;
    } else if found.part.read != found.matched.to_lowercase() && !found.part.read.is_empty() {
        writeln!(out, "    read as  {}", shorten(&found.part.read, PATTERN_COLUMNS))?;
    }
    writeln!(out, "{}", underlined(text, &found.span, paint))?;
    Ok(())
}

fn print_readings(
    out: &mut impl Write,
    paint: Paint,
    explanation: &Explanation,
    text: &str,
    view: View,
) -> anyhow::Result<()> {
    writeln!(out, "\n  {}", paint.bold(&format!("view {}", view.name())))?;
    if view == View::Canonical {
        writeln!(out, "{}", wrapped(&visible(&crate::text::canonical(text)), 4))?;
    }
    for reading in &explanation.readings {
        writeln!(out, "{}", wrapped(&visible(&reading.text), 4))?;
    }
    if view != View::Canonical && explanation.readings.is_empty() {
        writeln!(out, "    the text has no such reading")?;
    }
    Ok(())
}

fn reason(reason: UnjudgedReason) -> String {
    let name = serde_json::to_value(reason).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown").replace('_', " ")
}

fn stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(STDIN_BYTES_MAX + 1);
    input.read_to_string(&mut text).context("cannot read the text from standard input")?;
    if text.len() as u64 > STDIN_BYTES_MAX {
        bail!("standard input has more than {STDIN_BYTES_MAX} bytes");
    }
    Ok(text)
}
