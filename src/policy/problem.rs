//! What is wrong with a policy file, told to the person who wrote it.
//!
//! The compiler collects [`Problem`]s and goes on; at the end all of them are
//! rendered with file, line, snippet and what to write instead.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity,
    SourceCode,
};

use super::PolicyError;
use super::document::{Spanned, Written, place};
use super::mistake::{self, Mistake};

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

    fn tell(&self, file: &str, source: &str) -> Mistake {
        let (line, column) = mistake::line_and_column(source, self.at.start);
        Mistake {
            file: file.to_owned(),
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

/// The problems found so far in one file.
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
    pub(super) fn render(mut self, file: &str, source: &str) -> PolicyError {
        self.list.sort_by_key(|problem| (problem.warning, problem.at.start));
        let count = self.errors();
        let more = self.list.len().saturating_sub(PROBLEMS_SHOWN_MAX);
        let source = NamedSource::new(file, source.to_owned());
        let mut report = String::new();
        let mistakes: Vec<Mistake> = self
            .list
            .iter()
            .take(PROBLEMS_SHOWN_MAX)
            .map(|problem| problem.tell(source.name(), source.inner()))
            .collect();
        for problem in self.list.into_iter().take(PROBLEMS_SHOWN_MAX) {
            let _ = handler().render_report(&mut report, &Report { problem, source: &source });
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

/// A problem together with the file, as miette wants it.
struct Report<'s> {
    problem: Problem,
    source: &'s NamedSource<String>,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
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
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = LabeledSpan::new_primary_with_span(
            Some(self.problem.label.clone()),
            self.problem.at.clone(),
        );
        let also = self.problem.also.clone().map(|(at, label)| LabeledSpan::at(at, label));
        Some(Box::new(std::iter::once(primary).chain(also)))
    }
}
