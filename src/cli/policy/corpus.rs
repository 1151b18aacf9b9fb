//! Runs work over the records of files, with a bar and a clock.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::policy::corpus::{self, CorpusError, Record};

/// The flag that names the files.
#[derive(Debug, Args)]
pub(super) struct CorpusArgs {
    /// Texts as JSON Lines, plain or gzip: {"text", "role": prompt|response|post, "label": 0|1, "categories", "id"}
    #[arg(long = "corpus", value_name = "FILE", num_args = 1..)]
    pub(super) files: Vec<PathBuf>,
}

/// Like [`corpus::over`]; returns how long it took.
///
/// # Errors
/// The first file or line that cannot be read.
pub(super) fn over<T: Send>(
    files: &[PathBuf],
    work: impl Fn(&Record) -> T + Sync,
    mut take: impl FnMut(&str, &Record, T),
) -> Result<Duration, CorpusError> {
    let bar = spinner("{spinner} {human_pos} texts, {per_sec}, {elapsed}: {msg}");
    let begun = Instant::now();
    let done = corpus::over(files, work, |data_set, record, result| {
        if bar.message() != data_set {
            bar.set_message(data_set.to_owned());
        }
        bar.inc(1);
        take(data_set, record, result);
    });
    bar.finish_and_clear();
    done.map(|()| begun.elapsed())
}

/// Shown on a terminal only; nobody knows how many records there are.
pub(super) fn spinner(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
