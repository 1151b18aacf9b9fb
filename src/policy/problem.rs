//! What is wrong with a policy file, told to the person who wrote it.
//!
//! The compiler collects [`Problem`]s and goes on; at the end all of them are
//! rendered with file, line, snippet and what to write instead. A problem that
//! lies between two files (an overlay and the floor that it breaks) shows both.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode,
};

use super::PolicyError;
use super::document::{Spanned, Written, place};
use super::mistake::{self, Mistake};
use super::sources::{Located, Sources};

/// A suggestion may differ from what was written by this share of its letters.
const SIMILARITY_MIN: f64 = 0.7;
/// More problems than this help nobody.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// One mistake (or, when `warning`, one oddity).
#[derive(Debug)]
pub(super) struct Problem {
    code: &'static str,
    message: String,
    label: String,
    at: Range<usize>,
    also: Option<(Range<usize>, &'static str)>,
    help: Option<String>,
    warning: bool,
}

impl Problem {
    pub(super) fn new(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            label: "here".to_owned(),
            at,
            also: None,
            help: None,
            warning: false,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn also(mut self, at: Range<usize>, label: &'static str) -> Self {
        self.also = Some((at, label));
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.warning = true;
        self
    }

    fn tell(&self, sources: &Sources) -> Mistake {
        let Located { source, at } = sources.locate(&self.at);
        let (line, column) = mistake::line_and_column(source.inner(), at.start);
        Mistake {
            file: source.name().to_owned(),
            line,
            column,
            code: self.code.to_owned(),
            warning: self.warning,
            message: self.message.clone(),
            label: Some(self.label.clone()),
            help: self.help.clone(),
        }
    }
}

/// The problems found so far in all files of one policy.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    pub(super) fn errors(&self) -> usize {
        self.list.iter().filter(|problem| !problem.warning).count()
    }

    pub(super) fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    /// Reports the keys of a mapping that the format does not know.
    pub(super) fn unknown_keys<W: Written>(&mut self, written: &W) {
        for key in written.unknown() {
            self.push(
                Problem::new(
                    "policy::unknown_key",
                    place(&key.referenced),
                    format!("unknown key `{}`", key.value),
                )
                .label("not a key of this mapping")
                .help(suggest(&key.value, W::KEYS)),
            );
        }
    }

    /// A name out of a fixed set; a wrong one is reported.
    pub(super) fn name<T: Copy>(
        &mut self,
        what: &str,
        written: &Spanned<String>,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == written.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.push(
                Problem::new(
                    "policy::unknown_name",
                    place(&written.referenced),
                    format!("unknown {what} `{}`", written.value),
                )
                .help(suggest(&written.value, &names)),
            );
        }
        found
    }

    /// All problems as text, and how many are errors.
    pub(super) fn render(mut self, sources: &Sources) -> PolicyError {
        self.list.sort_by_key(|problem| (problem.warning, problem.at.start));
        let count = self.errors();
        let more = self.list.len().saturating_sub(PROBLEMS_SHOWN_MAX);
        let mut report = String::new();
        let mistakes: Vec<Mistake> = self
            .list
            .iter()
            .take(PROBLEMS_SHOWN_MAX)
            .map(|problem| problem.tell(sources))
            .collect();
        for problem in self.list.into_iter().take(PROBLEMS_SHOWN_MAX) {
            let _ = handler().render_report(&mut report, &Report::new(problem, sources));
        }
        if more > 0 {
            report.push_str(&format!("and {more} more\n"));
        }
        PolicyError { count, report, mistakes }
    }
}

pub(super) fn handler() -> GraphicalReportHandler {
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110)
}

/// "did you mean", or the whole list when nothing is near.
pub(super) fn suggest(written: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(written, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(
            || format!("one of: {}", known.join(", ")),
            |(_, name)| format!("did you mean `{name}`?"),
        )
}

/// A problem together with its file, as miette wants it.
struct Report {
    problem: Problem,
    located: Located,
    /// The second place, in the same file.
    also: Option<LabeledSpan>,
    elsewhere: Option<Elsewhere>,
}

/// The second place of a problem, in another file.
struct Elsewhere {
    located: Located,
    label: &'static str,
}

impl Report {
    fn new(problem: Problem, sources: &Sources) -> Self {
        let located = sources.locate(&problem.at);
        let same = |at: &Range<usize>| sources.number(at.start) == sources.number(problem.at.start);
        let (mut also, mut elsewhere) = (None, None);
        if let Some((at, label)) = &problem.also {
            let second = sources.locate(at);
            if same(at) {
                also = Some(LabeledSpan::at(second.at, *label));
            } else {
                elsewhere = Some(Elsewhere { located: second, label });
            }
        }
        Self { problem, located, also, elsewhere }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.problem.warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.located.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = LabeledSpan::new_primary_with_span(
            Some(self.problem.label.clone()),
            self.located.at.clone(),
        );
        Some(Box::new(std::iter::once(primary).chain(self.also.clone())))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let elsewhere = self.elsewhere.as_ref()?;
        Some(Box::new(std::iter::once(elsewhere as &dyn Diagnostic)))
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)
    }
}

impl std::error::Error for Elsewhere {}

impl Diagnostic for Elsewhere {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.located.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = LabeledSpan::new_primary_with_span(None, self.located.at.clone());
        Some(Box::new(std::iter::once(here)))
    }
}
