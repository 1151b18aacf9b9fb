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
use time::{Date, OffsetDateTime};

use super::chain::{self, Files, POLICY_BYTES_MAX, Start};
use super::compile::{Compiled, compile};
use super::engine::Engine;
use super::{PolicyError, Reload, Source};
use crate::domain::Digest;

/// What a policy directory calls its policy.
const FILE_NAME: &str = "policy.yaml";

/// A list may be larger than a policy.
const WATCHED_BYTES_MAX: u64 = 64 << 20;

/// The policies in force, by name; swapped atomically on reload.
#[derive(Debug)]
pub struct Store {
    policies: BTreeMap<String, Loaded>,
    /// Reloads take turns; readers never wait.
    reloading: Mutex<()>,
    /// Says which day it is (UTC): exceptions run out.
    clock: fn() -> Date,
}

#[derive(Debug)]
struct Loaded {
    source: Source,
    engine: ArcSwap<Engine>,
    /// All that the policy was last read from, lists and bases included.
    files: Mutex<Vec<PathBuf>>,
}

/// The files of this machine.
#[derive(Debug)]
struct Disk;

impl Files for Disk {
    fn find(&self, path: &Path) -> PathBuf {
        if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() }
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<String, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > bytes_max {
            return Err(format!("it has {size} bytes; at most {bytes_max} are read"));
        }
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}

impl Source {
    /// The file, when there is one; a directory stands for the policy in it.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Shipped => None,
            Self::File(path) => Some(Disk.find(path)),
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
        Self::load_by(sources, today)
    }

    /// Like [`Store::load`]; `clock` says which day it is (UTC).
    ///
    /// # Errors
    /// As for [`Store::load`].
    pub fn load_by(
        sources: BTreeMap<String, Source>,
        clock: fn() -> Date,
    ) -> Result<Self, PolicyError> {
        let mut problems = PolicyError { count: 0, report: String::new(), mistakes: Vec::new() };
        if !sources.contains_key(Self::DEFAULT) {
            problems.count += 1;
            problems.report.push_str("no default policy is configured\n");
        }
        let mut policies = BTreeMap::new();
        for (name, source) in sources {
            let mut files = Vec::new();
            match compile_source(&source, clock(), &mut files) {
                Ok(compiled) => {
                    let engine = ArcSwap::from_pointee(compiled.engine);
                    policies.insert(name, Loaded { source, engine, files: Mutex::new(files) });
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
            Ok(Self { policies, reloading: Mutex::new(()), clock })
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

    /// Reads every file again; keeps the old policy where the new one is
    /// broken, but none of its exceptions that have run out. A policy about
    /// which there are two things to say stands in the list twice.
    pub fn reload(&self) -> Vec<(String, Reload)> {
        let _turn = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let today = (self.clock)();
        let reloads = self.policies.iter().flat_map(|(name, loaded)| {
            loaded.reload(today).into_iter().map(|reload| (name.clone(), reload))
        });
        reloads.collect()
    }

    /// The files to watch: policies, what they are written over, and lists.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.policies.values().flat_map(|loaded| loaded.files());
        files.collect()
    }

    /// Whether an exception in force has had its last day.
    pub(super) fn has_expired(&self) -> bool {
        let today = (self.clock)();
        self.policies.values().any(|loaded| loaded.has_expired(today))
    }
}

impl Loaded {
    fn reload(&self, today: Date) -> Vec<Reload> {
        let before = self.engine.load().digest();
        // What is part of the program changes only by an exception that runs out.
        if self.source == Source::Shipped && !self.has_expired(today) {
            return vec![Reload::Unchanged];
        }
        let mut files = Vec::new();
        let compiled = compile_source(&self.source, today, &mut files);
        // Of a broken policy not all files may be known.
        let broken = compiled.is_err();
        let mut known = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if broken {
            files.extend(known.drain(..));
            files.sort();
            files.dedup();
        }
        *known = files;
        drop(known);
        match compiled {
            Ok(compiled) if compiled.engine.digest() == before => vec![Reload::Unchanged],
            Ok(compiled) => vec![self.publish(before, compiled.engine)],
            Err(error) => {
                let kept = self.engine.load().without_expired(today);
                let expired = kept.map(|engine| self.publish(before, engine));
                std::iter::once(Reload::Rejected(error)).chain(expired).collect()
            }
        }
    }

    fn has_expired(&self, today: Date) -> bool {
        self.engine.load().exceptions().iter().any(|exception| exception.expires < today)
    }

    fn publish(&self, before: Digest, engine: Engine) -> Reload {
        let engine = Arc::new(engine);
        self.engine.store(Arc::clone(&engine));
        Reload::Changed { before, engine }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The day in UTC.
pub(super) fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// Reads and compiles one policy as of `today`; `files` gets all that it depends on.
pub(super) fn compile_source(
    source: &Source,
    today: Date,
    files: &mut Vec<PathBuf>,
) -> Result<Compiled, PolicyError> {
    let start = match source {
        Source::Shipped => Start::Shipped,
        Source::File(path) => Start::File(path.clone()),
    };
    compile(chain::read(start, &Disk, files)?, today)
}

/// The text of a file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, String> {
    Disk.read(path, POLICY_BYTES_MAX)
}

/// The digests of the files' bytes, to see whether a reload is due.
pub(super) fn fingerprint(files: &[PathBuf]) -> Vec<(PathBuf, Option<Digest>)> {
    let digest = |path: &PathBuf| {
        Disk.read(path, WATCHED_BYTES_MAX).ok().map(|text| Digest::of(text.as_bytes()))
    };
    files.iter().map(|path| (path.clone(), digest(path))).collect()
}
