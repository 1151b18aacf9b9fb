//! Settings: what the operator wrote, checked as a whole, and where each value came from.
//!
//! ```text
//! defaults < YAML file < PORTCULLIS_* < command line
//!    │ sources: one tree, every value tagged with its layer
//!    ▼ written: the tree as typed fields, all type errors collected
//!    ▼ resolve: ranges, combinations, files, secrets; all problems collected
//! Settings
//! ```
//!
//! `cli` calls [`load`]; `app` builds a gateway from the result. Nothing below
//! knows where a setting came from, and nothing here starts anything.

pub mod keys;
pub mod origin;
mod problem;
mod recover;
mod resolve;
pub mod settings;
pub mod show;
mod sources;
pub mod tls;
mod written;
mod yaml;

use std::path::PathBuf;

pub use origin::Origin;
pub use problem::ConfigError;
pub use settings::Settings;
pub use sources::Flag;

use origin::Origins;
use problem::Problems;

/// What [`load`] reads, highest precedence last.
#[derive(Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// All variables of the process; names that do not begin with `PORTCULLIS_` matter only where
    /// a setting names them (`api_key_env`).
    pub environment: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

/// Settings and the place that each value came from.
#[derive(Debug)]
pub struct Resolved {
    pub settings: Settings,
    origins: Origins,
}

impl Resolved {
    /// Where the value at `path` comes from, e.g. `["audit", "queue_records_max"]`.
    pub fn origin(&self, path: &[&str]) -> Origin {
        self.origins.of(path)
    }
}

/// Reads all layers and checks the whole.
///
/// # Errors
/// Carries every problem found, each with its place and what to write instead.
pub fn load(sources: &Sources) -> Result<Resolved, ConfigError> {
    let mut problems = Problems::default();
    let resolved = read(sources, &mut problems);
    problems.into_result()?;
    Ok(resolved)
}

/// As [`load`], but minds problems of `parts`, top-level keys, and of whole files only.
///
/// For commands that need no more. They run beside the gateway, where its secrets may be neither
/// readable nor in the environment.
///
/// # Errors
/// As [`load`].
pub fn load_parts(sources: &Sources, parts: &[&str]) -> Result<Resolved, ConfigError> {
    let mut problems = Problems::default();
    let resolved = read(sources, &mut problems);
    problems.keep_only(parts);
    problems.into_result()?;
    Ok(resolved)
}

fn read(sources: &Sources, problems: &mut Problems) -> Resolved {
    let tree = sources::merge(sources, problems);
    let written = written::read(&tree, problems);
    let (settings, shorthands) = resolve::resolve(written, &tree, &sources.environment, problems);
    Resolved { settings, origins: Origins::new(tree, shorthands) }
}

#[cfg(test)]
mod tests;
