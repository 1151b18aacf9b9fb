//! A back end that says what it was told to say; for tests and load runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Backend, InferenceError, ModelInfo, TokenStream};
use crate::domain::{GenerationEvent, GenerationRequest, Permitted};

/// Events a slow reader may leave unread.
const EVENTS_MAX: usize = 16;

/// What to play for a request.
type Script = Arc<dyn Fn(&GenerationRequest) -> Vec<GenerationEvent> + Send + Sync>;

/// Plays events instead of running a model.
pub struct Scripted {
    info: ModelInfo,
    script: Script,
    pause: Duration,
}

impl Scripted {
    /// Asks `script` what to play for each request; `pause` precedes each event.
    pub fn new(
        info: ModelInfo,
        pause: Duration,
        script: impl Fn(&GenerationRequest) -> Vec<GenerationEvent> + Send + Sync + 'static,
    ) -> Self {
        Self { info, script: Arc::new(script), pause }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Backend for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn generate(
        &self,
        request: Permitted<GenerationRequest>,
    ) -> BoxFuture<'_, Result<TokenStream, InferenceError>> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let (events, pause) = ((self.script)(request.get()), self.pause);
        #[expect(clippy::disallowed_methods, reason = "ends with its stream; nothing to drain")]
        tokio::spawn(async move {
            for event in events {
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
