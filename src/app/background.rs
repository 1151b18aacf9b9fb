//! What goes on beside requests: policy files, SIGHUP, the keys file, gauges.
//!
//! Each task ends with the token; the application waits for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{StartError, signals};
use crate::admission::KeyStore;
use crate::pipeline::Pipeline;
use crate::policy::Reload;
use crate::policy::watch::{self, Watch};

const KEYS_INTERVAL: Duration = Duration::from_secs(5);

const GAUGES_INTERVAL: Duration = Duration::from_secs(1);

/// Reloads that wait to be recorded.
const RELOADS_MAX: usize = 16;

/// The running tasks.
#[derive(Debug)]
pub(super) struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Ends with this value; `None` when every policy is part of the program.
    _watch: Option<Watch>,
}

impl Background {
    pub(super) fn start(
        pipeline: &Arc<Pipeline>,
        keys: &Arc<KeyStore>,
    ) -> Result<Self, StartError> {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let (sender, reloads) = mpsc::channel(RELOADS_MAX);
        let watch = watch_files(pipeline, sender)?;
        tasks.spawn(stop.clone().run_until_cancelled_owned(gauges(Arc::clone(pipeline))));
        tasks.spawn(stop.clone().run_until_cancelled_owned(refresh_keys(Arc::clone(keys))));
        tasks
            .spawn(stop.clone().run_until_cancelled_owned(policies(Arc::clone(pipeline), reloads)));
        tasks.close();
        Ok(Self { tasks, stop, _watch: watch })
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

fn watch_files(
    pipeline: &Arc<Pipeline>,
    sender: mpsc::Sender<Vec<(String, Reload)>>,
) -> Result<Option<Watch>, StartError> {
    let store = Arc::clone(&pipeline.policies);
    if store.files().is_empty() {
        return Ok(None);
    }
    // The watcher has a thread of its own, which may block.
    let on_reload = move |reloads| {
        let _ = sender.blocking_send(reloads);
    };
    watch::watch(store, on_reload)
        .map(Some)
        .map_err(|error| StartError::new("cannot watch the policy files", error))
}

/// Records what the watcher did, and reloads on SIGHUP.
async fn policies(pipeline: Arc<Pipeline>, mut reloads: mpsc::Receiver<Vec<(String, Reload)>>) {
    let mut hangups = match signals::reloads() {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGHUP");
            return;
        }
    };
    loop {
        tokio::select! {
            Some(done) = reloads.recv() => pipeline.note_reload(&done).await,
            Some(()) = hangups.recv() => {
                tracing::info!("SIGHUP: reading the policies again");
                let store = Arc::clone(&pipeline.policies);
                // Compiling takes a while and reads files.
                if let Ok(done) = tokio::task::spawn_blocking(move || store.reload()).await {
                    pipeline.note_reload(&done).await;
                }
            }
            else => return,
        }
    }
}

async fn refresh_keys(keys: Arc<KeyStore>) {
    let mut ticks = interval(KEYS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let store = Arc::clone(&keys);
        match tokio::task::spawn_blocking(move || store.refresh()).await {
            Ok(Ok(true)) => tracing::info!("the keys file changed and was read again"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot read the keys file; the keys before stay in force");
            }
            Err(_) => return,
        }
    }
}

async fn gauges(pipeline: Arc<Pipeline>) {
    let mut ticks = interval(GAUGES_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for backend in pipeline.backends.backends() {
            let load = backend.load();
            pipeline.metrics.queue(&backend.info().name, load.queued, load.running);
        }
        pipeline.metrics.audit_lag(pipeline.ledger.lag());
    }
}
