//! A back end that says what it was told to say; for tests and load runs.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Backend, InferenceError, ModelInfo, TokenStream};
use crate::domain::{GenerationEvent, GenerationRequest, Permitted};

/// Events a slow reader may leave unread.
const EVENTS_MAX: usize = 16;

/// Plays the same events for every request.
#[derive(Debug)]
pub struct Scripted {
    info: ModelInfo,
    events: Arc<[GenerationEvent]>,
    pause: Duration,
}

impl Scripted {
    pub fn new(info: ModelInfo, events: Vec<GenerationEvent>, pause: Duration) -> Self {
        Self { info, events: events.into(), pause }
    }
}

impl Backend for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(
        &self,
        _request: Permitted<GenerationRequest>,
    ) -> BoxFuture<'_, Result<TokenStream, InferenceError>> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let (events, pause) = (Arc::clone(&self.events), self.pause);
        #[expect(clippy::disallowed_methods, reason = "ends with its stream; nothing to drain")]
        tokio::spawn(async move {
            for event in events.iter().cloned() {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        });
        futures::future::ready(Ok(TokenStream::new(receiver))).boxed()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), InferenceError>> {
        futures::future::ready(Ok(())).boxed()
    }
}
