//! `portcullis policy explain --rule ID`: what of a rule is in a text, and what is missing.

use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;

use super::print::{Paint, count, shorten, wrapped};
use crate::domain::{Role, Stage};
use crate::policy::Engine;
use crate::policy::explain::rule::{RuleTold, State, Tried, explain_rule};

/// Phrases and patterns that are listed, those that matter first.
const LISTED_MAX: usize = 12;
/// Literals of a pattern that are named.
const LITERALS_MAX: usize = 8;
const COLUMNS: usize = 70;

pub(super) fn run(
    out: &mut impl Write,
    engine: &Engine,
    stage: Stage,
    role: Option<Role>,
    text: &str,
    id: &str,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let told = explain_rule(engine, stage, role, text, id).map_err(|problem| anyhow!(problem))?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
    } else {
        print(out, &told)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, told: &RuleTold) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let answer = if told.matches { paint.bad("matches") } else { paint.good("does not match") };
    writeln!(out, "{}  {answer}", paint.bold(&told.id))?;
    writeln!(out, "  {}, level {}, score {:.2}", told.category, told.level, told.score)?;
    for why in &told.barred {
        writeln!(out, "{}", wrapped(&format!("but {why}"), 2))?;
    }
    list(out, paint, "phrase", &told.phrases)?;
    list(out, paint, "pattern", &told.patterns)?;
    for (key, value) in &told.other {
        writeln!(out, "  {key}: {}", shorten(&value.to_string(), COLUMNS))?;
    }
    Ok(())
}

fn list(out: &mut impl Write, paint: Paint, what: &str, tried: &[Tried]) -> anyhow::Result<()> {
    if tried.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&Tried> = tried.iter().collect();
    sorted.sort_by(|a, b| rank(&a.state).total_cmp(&rank(&b.state)));
    writeln!(out, "\n  {}", count(tried.len(), what))?;
    for tried in sorted.iter().take(LISTED_MAX) {
        let mark = match tried.state {
            State::Found { .. } => paint.bad("found  "),
            State::Excepted { .. } => "except ".to_owned(),
            State::InsideWord { .. } | State::Near { .. } => "near   ".to_owned(),
            State::Lacks { .. } | State::Apart | State::Missing => paint.dim("missing"),
        };
        writeln!(out, "    {mark}  {}", shorten(&tried.text, COLUMNS - 12))?;
        if let Some(more) = more(&tried.state) {
            writeln!(out, "{}", wrapped(&more, 13))?;
        }
    }
    if tried.len() > LISTED_MAX {
        writeln!(
            out,
            "    and {} more, further away (`--json` has them all)",
            tried.len() - LISTED_MAX
        )?;
    }
    Ok(())
}

fn more(state: &State) -> Option<String> {
    match state {
        State::Found { read } => Some(format!("reads `{}`", shorten(read, COLUMNS - 14))),
        State::Excepted { read, by } => Some(format!(
            "`{}` is there, but lies inside the exception `{}`",
            shorten(read, COLUMNS - 14),
            shorten(by, COLUMNS - 14)
        )),
        State::InsideWord { read } => {
            Some(format!("only inside the longer word `{}`", shorten(read, COLUMNS - 14)))
        }
        State::Near { nearest, likeness } => Some(format!(
            "the nearest words are `{}` ({:.0} % alike)",
            shorten(nearest, COLUMNS - 14),
            likeness * 100.0
        )),
        State::Lacks { any_of } => {
            let named: Vec<String> =
                any_of.iter().take(LITERALS_MAX).map(|one| format!("`{}`", one.trim())).collect();
            let rest = if any_of.len() > LITERALS_MAX { ", …" } else { "" };
            Some(format!("the text has none of {}{rest}", named.join(", ")))
        }
        State::Apart => {
            Some("its words are there, but not so, or not in this order or this near".to_owned())
        }
        State::Missing => None,
    }
}

/// What explains most comes first.
fn rank(state: &State) -> f64 {
    match state {
        State::Found { .. } => 0.0,
        State::Excepted { .. } => 1.0,
        State::InsideWord { .. } => 2.0,
        State::Near { likeness, .. } => 4.0 - likeness,
        State::Apart => 4.0,
        State::Lacks { .. } | State::Missing => 5.0,
    }
}
