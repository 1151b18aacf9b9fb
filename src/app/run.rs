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
        S: Stream<Item = ()> + Unpin + Send,
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
        let mut serving: Pin<Box<dyn Future<Output = _> + Send>> =
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Instant;

    use futures::stream;
    use reqwest::{Client, Response};
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::audit;
    use crate::config::Settings;
    use crate::domain::{Category, FinishReason, GenerationEvent};
    use crate::inference::scripted::Scripted;
    use crate::inference::{Backend, ModelInfo};
    use crate::policy::Source;

    const WORDS: usize = 40;

    /// A gateway whose model says a word every `pause`.
    struct Running {
        address: SocketAddr,
        stop: mpsc::Sender<()>,
        ended: JoinHandle<Result<(), StopError>>,
        data: TempDir,
    }

    fn model(pause: Duration) -> Arc<dyn Backend> {
        let info = ModelInfo {
            name: "m".into(),
            kind: "scripted",
            digest: None,
            context_tokens: None,
            created: 0,
            description: String::new(),
        };
        let word = |_| GenerationEvent::Delta {
            choice: 0,
            text: "word and another one, ".to_owned(),
            tokens: Vec::new(),
        };
        let mut events = vec![GenerationEvent::Started {
            prompt_tokens: None,
            turns_dropped: 0,
            model_digest: None,
        }];
        events.extend((0..WORDS).map(word));
        events.push(GenerationEvent::Finished { choice: 0, reason: FinishReason::Stop });
        Arc::new(Scripted::new(info, events, pause))
    }

    /// The shipped one takes seconds to compile without optimisation.
    fn harmless_policy() -> String {
        let decision = json!({ "action": "block", "threshold": 0.5 });
        let category = |category: &Category| {
            let entry = json!({
                "severity": category.severity(), "input": decision, "output": decision,
                "refusal": "No.",
            });
            (category.slug().to_owned(), entry)
        };
        let categories: serde_json::Map<_, _> = Category::ALL.iter().map(category).collect();
        let rule = json!({ "id": "test/one", "category": "weapons", "phrases": ["forbidden"] });
        json!({
            "policy": "test", "version": "1", "description": "", "detect_level": 1,
            "block_level": 1, "unjudged": "block", "disclosure": { "header": "AI" },
            "refusal": "No.", "categories": categories, "rules": [rule],
            "limits": { "judged_bytes_max": 4096, "findings_max": 16 },
        })
        .to_string()
    }

    async fn start(pause: Duration, grace: Duration) -> Running {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let policy = data.path().join("policy.yaml");
        std::fs::write(&policy, harmless_policy()).unwrap();
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: data.path().join("data"),
            policy: Source::File(policy),
            shutdown_grace_ms_max: u64::try_from(grace.as_millis()).unwrap(),
            ..Settings::default()
        };
        let application = Application::with_backends(settings, vec![model(pause)]).await.unwrap();
        let address = application.address();
        let (stop, mut stops) = mpsc::channel(2);
        let stops = stream::poll_fn(move |cx| stops.poll_recv(cx));
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let ended = tokio::spawn(application.run_until(stops));
        Running { address, stop, ended, data }
    }

    impl Running {
        async fn ask(&self, streamed: bool) -> Response {
            let url = format!("http://{}/v1/chat/completions", self.address);
            let messages = json!([{ "role": "user", "content": "hello" }]);
            let body = json!({ "model": "m", "messages": messages, "stream": streamed });
            Client::new().post(url).json(&body).send().await.unwrap()
        }

        /// Tells the gateway to stop; returns how long that took.
        async fn stop(self, times: usize) -> (Duration, Vec<Value>) {
            let begun = Instant::now();
            for _ in 0..times {
                self.stop.send(()).await.unwrap();
            }
            self.ended.await.unwrap().unwrap();
            let took = begun.elapsed();
            let directory = audit::directory_in(&self.data.path().join("data"));
            let segment = std::fs::read_dir(directory)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
                .unwrap();
            let text = std::fs::read_to_string(segment).unwrap();
            let entry = |line: &str| {
                serde_json::from_str::<Value>(line).unwrap().get("entry").unwrap().clone()
            };
            (took, text.lines().map(entry).collect())
        }
    }

    fn kinds(entries: &[Value]) -> Vec<&str> {
        entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn start_and_stop_frame_the_log() {
        let running = start(Duration::ZERO, Duration::from_secs(5)).await;
        let answer: Value = running.ask(false).await.json().await.unwrap();
        assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{answer}");
        let (_, entries) = running.stop(1).await;
        assert_eq!(kinds(&entries), ["started", "decision", "stopped"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_that_runs_may_end_within_the_grace() {
        let running = start(Duration::from_millis(20), Duration::from_secs(20)).await;
        let answer = running.ask(true).await;
        let address = running.address;
        let (_, entries) = running.stop(1).await;
        let text = answer.text().await.unwrap();
        assert!(text.contains("[DONE]"), "{text}");
        assert_eq!(entries[1]["outcome"], "completed");
        assert_eq!(kinds(&entries), ["started", "decision", "stopped"]);
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_deadline_interrupts_and_seals() {
        let running = start(Duration::from_millis(500), Duration::from_millis(100)).await;
        let answer = running.ask(true).await;
        let (took, entries) = running.stop(1).await;
        let _ = answer.text().await;
        assert_eq!(entries[1]["outcome"], "interrupted");
        assert_eq!(kinds(&entries), ["started", "decision", "stopped"]);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_signal_does_not_wait_for_the_grace() {
        let running = start(Duration::from_millis(500), Duration::from_secs(60)).await;
        let answer = running.ask(true).await;
        let (took, entries) = running.stop(2).await;
        let _ = answer.text().await;
        assert_eq!(entries[1]["outcome"], "interrupted");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_that_is_taken_is_named() {
        let running = start(Duration::ZERO, Duration::from_secs(1)).await;
        let settings = Settings { listen: running.address, ..Settings::default() };
        let error = Application::with_backends(settings, Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains(&running.address.to_string()), "{error}");
        running.stop(1).await;
    }
}
