//! Log lines on standard error: one subscriber, set up once, by `cli`.
//!
//! No line may carry text of a user or a secret. Two measures here help the
//! rest of the program to keep that: libraries may only warn (at lower levels
//! some print headers and frames), and a panic is reported by its place, not by
//! its message (a failed slice quotes the text).

use std::io::IsTerminal as _;
use std::panic;

use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whether `level` can be used with [`init`].
///
/// # Errors
/// When it is neither a level nor a list of `target=level`.
pub fn check(level: &str) -> Result<(), LogError> {
    filter(level).map(drop)
}

/// Starts logging to standard error for the rest of the process.
///
/// `level` is a level (`info`) or a list of directives (`info,portcullis::policy=debug`).
///
/// # Errors
/// When `level` does not parse, or logging was started before.
pub fn init(format: LogFormat, level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colour).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines.with_filter(filter_fn(quiet_libraries)))
        .try_init()
        .map_err(|error| LogError {
            message: "logging was started before".to_owned(),
            source: Some(error.into()),
        })?;
    report_panics_without_text();
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|error| LogError {
        message: format!(
            "`{level}` is not a log level: use error, warn, info, debug or trace, or a list such \
             as `info,portcullis::policy=debug`"
        ),
        source: Some(error.into()),
    })
}

/// Where the HTTP library reports requests that are no HTTP, as errors: any stranger could fill
/// the log with them.
const OF_CLIENTS: &str = "actix_http::h1::dispatcher";

/// Levels are ordered from `ERROR`, the least, to `TRACE`.
fn quiet_libraries(metadata: &Metadata<'_>) -> bool {
    may_speak(metadata.target(), *metadata.level())
}

fn may_speak(target: &str, level: Level) -> bool {
    is_own(target) || level <= Level::WARN && target != OF_CLIENTS
}

fn is_own(target: &str) -> bool {
    target == "portcullis" || target.starts_with("portcullis::")
}

fn report_panics_without_text() {
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_accepted_and_nonsense_is_named() {
        check("info").unwrap();
        check("warn,portcullis::policy=debug").unwrap();
        let error = check("portcullis=loud").unwrap_err();
        assert!(error.to_string().contains("`portcullis=loud`"), "{error}");
    }

    #[test]
    fn only_our_own_modules_may_be_talkative() {
        assert!(is_own("portcullis"));
        assert!(is_own("portcullis::pipeline"));
        assert!(!is_own("portcullis_other"));
        assert!(!is_own("hyper::proto"));
        assert!(may_speak("hyper::proto", Level::WARN) && !may_speak("hyper::proto", Level::INFO));
        assert!(may_speak("portcullis::pipeline", Level::TRACE));
        assert!(!may_speak(OF_CLIENTS, Level::ERROR));
    }
}
