//! Running and stopping: serve until told to stop, then drain in order.
//!
//! The first signal stops accepting and lets running answers end; the deadline
//! or a second signal interrupts them. Either way every exchange is sealed
//! before the log is closed.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use futures::future::{Future, try_join_all};
use futures::stream::pending;
use futures::{Stream, StreamExt as _};
use tokio::time::{sleep, timeout};

use super::background::Background;
use super::listen::{Routes, server};
use super::{Application, VERSION, signals};
use crate::audit::Entry;
use crate::pipeline::Pipeline;

/// What interrupted exchanges still need: their last record, which the log's own limit bounds.
const SEAL_MARGIN: Duration = Duration::from_secs(2);

/// Why serving or stopping went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StopError {
    what: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn because(
    what: &'static str,
) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> StopError {
    move |source| StopError { what, source: Some(source) }
}

impl Application {
    /// Serves until SIGTERM or SIGINT; a second one interrupts what still runs.
    ///
    /// # Errors
    /// When a server fails, or the end cannot be recorded.
    pub async fn run_until_stopped(self) -> Result<(), StopError> {
        let stops =
            signals::stops().map_err(|error| because("cannot listen for signals")(error.into()))?;
        self.run_until(stops).await
    }

    /// Serves until `stops` yields; a second item interrupts what still runs.
    ///
    /// # Errors
    /// As [`Self::run_until_stopped`].
    pub async fn run_until<S>(self, stops: S) -> Result<(), StopError>
    where
        S: Stream<Item = ()> + Unpin,
    {
        let Self { settings, public, admin, tls, keys, edge, recovery: _ } = self;
        let pipeline = std::sync::Arc::clone(&edge.pipeline);
        let edge = web::Data::new(edge);
        let routes = if admin.is_some() { Routes::Public } else { Routes::PublicAndAdmin };
        let cannot_serve = |error: io::Error| because("cannot serve")(error.into());
        let public =
            server(public, routes, edge.clone(), &settings, tls.clone()).map_err(cannot_serve)?;
        let handle = public.handle();
        let admin = admin.map(|admin| server(admin, Routes::Admin, edge, &settings, tls));
        let admin = admin.transpose().map_err(cannot_serve)?;
        let background = Background::start(&pipeline, &keys)
            .map_err(|error| because("cannot start what runs beside requests")(error.into()))?;

        // A stream that ends does not stop anything.
        let mut stops = stops.chain(pending());
        let mut serving: Pin<Box<dyn Future<Output = _>>> =
            Box::pin(try_join_all(std::iter::once(public).chain(admin)));
        let served = tokio::select! {
            served = &mut serving => served.map(drop),
            _ = stops.next() => {
                let grace = Duration::from_millis(settings.shutdown_grace_ms_max);
                let seal_wait = Duration::from_millis(settings.audit.append_wait_ms_max) + SEAL_MARGIN;
                drain(&pipeline, &handle, &mut serving, stops, Limits { grace, seal_wait }).await;
                Ok(())
            }
        };
        // Closes whatever connection is left.
        drop(serving);
        background.end().await;
        close(&pipeline).await?;
        served.map_err(cannot_serve)
    }
}

struct Limits {
    grace: Duration,
    seal_wait: Duration,
}

/// Lets exchanges end, or interrupts them when the time is over.
async fn drain<F, T>(
    pipeline: &Pipeline,
    handle: &ServerHandle,
    serving: &mut Pin<Box<F>>,
    mut stops: impl Stream<Item = ()> + Unpin,
    limits: Limits,
) where
    F: Future<Output = T> + ?Sized,
{
    tracing::info!(running = pipeline.tasks.len(), "stopping: no new connections");
    let stopped = handle.stop(true);
    pipeline.tasks.close();
    {
        let ended = async {
            tokio::select! {
                () = stopped => {}
                _ = serving => {}
            }
            pipeline.tasks.wait().await;
        };
        let mut ended = pin!(ended);
        tokio::select! {
            () = &mut ended => return,
            () = sleep(limits.grace) => {
                tracing::warn!(running = pipeline.tasks.len(), "the time to stop is over: interrupting");
            }
            _ = stops.next() => tracing::warn!("told to stop again: interrupting"),
        }
    }
    pipeline.stop.cancel();
    if timeout(limits.seal_wait, pipeline.tasks.wait()).await.is_err() {
        tracing::error!(
            running = pipeline.tasks.len(),
            "exchanges did not end; they are not sealed"
        );
    }
}

async fn close(pipeline: &Pipeline) -> Result<(), StopError> {
    let stopped = Entry::Stopped { version: VERSION.to_owned() };
    let recorded = pipeline.ledger.append(stopped).await.map(drop);
    let closed = pipeline.ledger.clone().close().await;
    recorded
        .and(closed)
        .map_err(|error| because("the end is not in the audit log")(error.into()))?;
    tracing::info!("stopped");
    Ok(())
}
