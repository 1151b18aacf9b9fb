//! Reloads policies when their files change.
//!
//! Directories are watched, not files: editors and orchestrators replace files
//! by renaming, and a watch on the old one would go blind. Because events can
//! get lost (network file systems, exhausted watches), the files are also
//! compared now and then; at the same time exceptions whose last day is over
//! (UTC) are taken out of force. Lists and bases are watched like the policies
//! themselves. Owns one thread; `app` starts it and drops it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

use super::Reload;
use super::store::{Store, fingerprint};

/// How long a file must rest before it is read.
const SETTLE_MS: u64 = 300;
/// How often files are compared without any event.
const POLL_S: u64 = 30;
/// One pending wake-up stands for any number of events.
const WAKES_MAX: usize = 1;

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    wake: Option<SyncSender<Wake>>,
    thread: Option<JoinHandle<()>>,
}

/// The watching thread cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch the policy files")]
pub struct WatchError(#[from] std::io::Error);

#[derive(Debug)]
enum Wake {
    Changed,
    Stop,
}

/// Reloads `store` when a file of it changes and tells `on_reload` what became
/// of each policy, on a thread of its own. Nothing is told while all policies
/// stay as they are.
///
/// # Errors
/// When the thread cannot be started. A file system without change events is
/// no error: the files are compared every half minute.
pub fn watch(
    store: Arc<Store>,
    on_reload: impl Fn(Vec<(String, Reload)>) + Send + 'static,
) -> Result<Watch, WatchError> {
    watch_every(store, Duration::from_secs(POLL_S), on_reload)
}

fn watch_every(
    store: Arc<Store>,
    poll: Duration,
    on_reload: impl Fn(Vec<(String, Reload)>) + Send + 'static,
) -> Result<Watch, WatchError> {
    let (wake, wakes) = sync_channel(WAKES_MAX);
    let events = Events::start(&store.files(), wake.clone());
    let thread = std::thread::Builder::new()
        .name("policy-watch".to_owned())
        .spawn(move || run(&store, events, &wakes, poll, on_reload))?;
    Ok(Watch { wake: Some(wake), thread: Some(thread) })
}

fn run(
    store: &Store,
    mut events: Events,
    wakes: &Receiver<Wake>,
    poll: Duration,
    on_reload: impl Fn(Vec<(String, Reload)>),
) {
    // What changed between loading and watching is seen by the first round.
    let mut seen = None;
    loop {
        let files = fingerprint(&store.files());
        if seen.as_ref() != Some(&files) || store.has_expired() {
            let first = seen.is_none();
            let reloads = store.reload();
            let quiet = reloads.iter().all(|(_, reload)| matches!(reload, Reload::Unchanged));
            if !quiet {
                on_reload(reloads);
            } else if !first {
                tracing::debug!("policy files changed without changing the policies");
            }
            seen = Some(files);
            // A changed policy may name other files; those are compared at once.
            if events.follow(&store.files()) {
                continue;
            }
        }
        match wakes.recv_timeout(poll) {
            Ok(Wake::Changed) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Change events of the directories in which the files lie.
#[derive(Debug)]
struct Events {
    directories: BTreeSet<PathBuf>,
    wake: SyncSender<Wake>,
    /// `None` where there are none; the files are compared all the same.
    _watcher: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
}

impl Events {
    fn start(files: &[PathBuf], wake: SyncSender<Wake>) -> Self {
        let directories = directories(files);
        let watcher = watch_directories(&directories, wake.clone());
        Self { directories, wake, _watcher: watcher }
    }

    /// Watches the directories of `files`; says whether that is a change.
    fn follow(&mut self, files: &[PathBuf]) -> bool {
        let changed = directories(files) != self.directories;
        if changed {
            *self = Self::start(files, self.wake.clone());
        }
        changed
    }
}

fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    files
        .iter()
        .filter_map(|file| file.parent())
        .map(|parent| if parent.as_os_str().is_empty() { ".".into() } else { parent.to_owned() })
        .collect()
}

fn watch_directories(
    directories: &BTreeSet<PathBuf>,
    wake: SyncSender<Wake>,
) -> Option<Debouncer<RecommendedWatcher, RecommendedCache>> {
    let handler = move |result: DebounceEventResult| {
        if result.is_ok() {
            // Full: a wake-up is pending already.
            let _ = wake.try_send(Wake::Changed);
        }
    };
    let started =
        new_debouncer(Duration::from_millis(SETTLE_MS), None, handler).map(|mut events| {
            for directory in directories {
                // One that is missing must not blind the others.
                if let Err(error) = events.watch(directory, RecursiveMode::NonRecursive) {
                    tracing::warn!(%error, directory = %directory.display(), "cannot watch a directory");
                }
            }
            events
        });
    started
        .inspect_err(|error| tracing::warn!(%error, "no change events for policy files; comparing them instead"))
        .ok()
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(wake) = self.wake.take() {
            let _ = wake.send(Wake::Stop);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
