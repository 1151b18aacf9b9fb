//! The policies in force, by name.
//!
//! Preparing a new policy may fail and changes nothing; publishing it cannot
//! fail. Whoever holds an engine keeps it: an exchange is judged by one policy
//! from its first message to its last character. Used by `app`, `api` and
//! `pipeline`; [`super::watch`] and signals ask for reloads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::compile::{Compiled, POLICY_BYTES_MAX, compile};
use super::engine::Engine;
use super::{PolicyError, Reload, Source};
use crate::domain::Digest;

/// The policy that is part of the program.
const SHIPPED: &str = include_str!("../../policies/llama2-aup/policy.yaml");
/// What messages call it.
const SHIPPED_NAME: &str = "policies/llama2-aup/policy.yaml (shipped)";
/// What a policy directory calls its policy.
const FILE_NAME: &str = "policy.yaml";

/// The policies in force, by name; swapped atomically on reload.
#[derive(Debug)]
pub struct Store {
    policies: BTreeMap<String, Loaded>,
    /// Reloads take turns; readers never wait.
    reloading: Mutex<()>,
}

#[derive(Debug)]
struct Loaded {
    source: Source,
    engine: ArcSwap<Engine>,
}

impl Source {
    /// The file, when there is one; a directory stands for the policy in it.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Shipped => None,
            Self::File(path) if path.is_dir() => Some(path.join(FILE_NAME)),
            Self::File(path) => Some(path.clone()),
        }
    }
}

impl Store {
    /// The name of the policy that judges callers without one of their own.
    pub const DEFAULT: &'static str = "default";

    /// Loads all; `sources` must contain [`Store::DEFAULT`].
    ///
    /// # Errors
    /// All problems of all files together.
    pub fn load(sources: BTreeMap<String, Source>) -> Result<Self, PolicyError> {
        let mut problems = PolicyError { count: 0, report: String::new(), mistakes: Vec::new() };
        if !sources.contains_key(Self::DEFAULT) {
            problems.count += 1;
            problems.report.push_str("no default policy is configured\n");
        }
        let mut policies = BTreeMap::new();
        for (name, source) in sources {
            match compile_source(&source) {
                Ok(compiled) => {
                    let engine = ArcSwap::from_pointee(compiled.engine);
                    policies.insert(name, Loaded { source, engine });
                }
                Err(error) => {
                    problems.count += error.count;
                    problems.report.push_str(&error.report);
                    problems.mistakes.extend(error.mistakes);
                }
            }
        }
        if problems.count > 0 {
            Err(problems)
        } else {
            Ok(Self { policies, reloading: Mutex::new(()) })
        }
    }

    /// The engine for a caller's policy name; `None` when no such policy is configured.
    pub fn engine(&self, name: Option<&str>) -> Option<Arc<Engine>> {
        self.policies.get(name.unwrap_or(Self::DEFAULT)).map(|loaded| loaded.engine.load_full())
    }

    pub fn all(&self) -> Vec<(String, Arc<Engine>)> {
        self.policies
            .iter()
            .map(|(name, loaded)| (name.clone(), loaded.engine.load_full()))
            .collect()
    }

    /// Reads every file again; keeps the old policy where the new one is broken.
    pub fn reload(&self) -> Vec<(String, Reload)> {
        let _turn = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.policies.iter().map(|(name, loaded)| (name.clone(), loaded.reload())).collect()
    }

    /// The files to watch.
    pub fn files(&self) -> Vec<PathBuf> {
        self.policies.values().filter_map(|loaded| loaded.source.file()).collect()
    }
}

impl Loaded {
    fn reload(&self) -> Reload {
        let before = self.engine.load().digest();
        match compile_source(&self.source) {
            Err(error) => Reload::Rejected(error),
            Ok(compiled) if compiled.engine.digest() == before => Reload::Unchanged,
            Ok(compiled) => {
                let engine = Arc::new(compiled.engine);
                self.engine.store(Arc::clone(&engine));
                Reload::Changed { before, engine }
            }
        }
    }
}

/// Reads and compiles one policy.
pub(super) fn compile_source(source: &Source) -> Result<Compiled, PolicyError> {
    match source.file() {
        None => compile(SHIPPED_NAME, SHIPPED),
        Some(path) => {
            let text =
                read(&path).map_err(|reason| PolicyError::unreadable("policy", &path, &reason))?;
            compile(&path.display().to_string(), &text)
        }
    }
}

/// The text of a file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > POLICY_BYTES_MAX {
        return Err(format!("it has {size} bytes; at most {POLICY_BYTES_MAX} are read"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The digests of the files' bytes, to see whether a reload is due.
pub(super) fn fingerprint(files: &[PathBuf]) -> Vec<Option<Digest>> {
    files.iter().map(|path| read(path).ok().map(|text| Digest::of(text.as_bytes()))).collect()
}
