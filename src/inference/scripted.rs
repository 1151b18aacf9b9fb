//! A back end that says what it was told to say: a test double.
//!
//! It is part of the library, also in a release build, because the tests and
//! load runs that use it are other crates. No setting selects it; only
//! `Application::with_backends` takes it.

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{Backend, InferenceError, InferenceErrorKind, Load, ModelInfo, TokenStream};
use crate::domain::{GenerationEvent, GenerationRequest, Permitted};

/// Events a slow reader may leave unread.
const EVENTS_MAX: usize = 16;

type Script = dyn Fn(&GenerationRequest) -> Result<Vec<Line>, InferenceError> + Send + Sync;

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Event(GenerationEvent),
    /// Again and again, until nobody listens.
    Forever(GenerationEvent),
    /// The generation ends here with this error.
    Fail(InferenceErrorKind),
    /// Nothing happens for a while.
    Wait(Duration),
}

/// Plays a script for each request.
pub struct Scripted {
    info: ModelInfo,
    script: Box<Script>,
    /// Before each line.
    pause: Duration,
    plays: TaskTracker,
}

impl Scripted {
    /// Plays the same events for every request.
    pub fn new(info: ModelInfo, events: Vec<GenerationEvent>, pause: Duration) -> Self {
        Self::answering(info, pause, move |_| events.clone())
    }

    /// Plays the events that `answer` makes of a request.
    pub fn answering(
        info: ModelInfo,
        pause: Duration,
        answer: impl Fn(&GenerationRequest) -> Vec<GenerationEvent> + Send + Sync + 'static,
    ) -> Self {
        Self::playing(info, pause, move |request| {
            Ok(answer(request).into_iter().map(Line::Event).collect())
        })
    }

    /// Plays the lines that `script` makes of a request; its error refuses the request.
    pub fn playing(
        info: ModelInfo,
        pause: Duration,
        script: impl Fn(&GenerationRequest) -> Result<Vec<Line>, InferenceError> + Send + Sync + 'static,
    ) -> Self {
        Self { info, script: Box::new(script), pause, plays: TaskTracker::new() }
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
        let started = (self.script)(request.get()).map(|lines| {
            let (sender, receiver) = mpsc::channel(EVENTS_MAX);
            self.plays.spawn(play(lines, self.pause, sender));
            TokenStream::new(receiver)
        });
        futures::future::ready(started).boxed()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), InferenceError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn load(&self) -> Load {
        Load { queued: 0, running: self.plays.len() }
    }
}

async fn play(
    lines: Vec<Line>,
    pause: Duration,
    sender: mpsc::Sender<Result<GenerationEvent, InferenceError>>,
) {
    let speak = async {
        for line in lines {
            wait(pause).await;
            match line {
                Line::Event(event) => sender.send(Ok(event)).await?,
                Line::Wait(time) => wait(time).await,
                Line::Fail(kind) => {
                    let error = InferenceError::new(kind, "the script says so");
                    return sender.send(Err(error)).await;
                }
                Line::Forever(event) => loop {
                    sender.send(Ok(event.clone())).await?;
                    wait(pause).await;
                },
            }
        }
        Ok(())
    };
    // A play ends as soon as nobody listens, also while it waits.
    tokio::select! {
        () = sender.closed() => {}
        _ = speak => {}
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;
    use crate::domain::{Prompt, Sampling, Stage, Usage, Verdict};

    fn info() -> ModelInfo {
        ModelInfo {
            name: "m".into(),
            kind: "scripted",
            digest: None,
            context_tokens: None,
            created: 0,
            description: String::new(),
        }
    }

    async fn ask(scripted: &Scripted) -> Result<TokenStream, InferenceError> {
        let request = GenerationRequest {
            prompt: Prompt::Text("Hi".into()),
            sampling: Sampling::default(),
            choices: 1,
            tokens_max: None,
            stop: Vec::new(),
            logprobs: None,
        };
        let verdict = Verdict::clean(Stage::Input);
        scripted.generate(Permitted::grant(&verdict, request).unwrap()).await
    }

    #[tokio::test]
    async fn lines_are_played_in_order() {
        let usage = GenerationEvent::Usage(Usage::default());
        let lines = vec![Line::Event(usage), Line::Fail(InferenceErrorKind::Timeout)];
        let scripted = Scripted::playing(info(), Duration::ZERO, move |_| Ok(lines.clone()));
        let mut stream = ask(&scripted).await.unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind, InferenceErrorKind::Timeout);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn an_endless_play_ends_with_its_reader() {
        let scripted = Scripted::playing(info(), Duration::ZERO, |_| {
            Ok(vec![Line::Forever(GenerationEvent::Usage(Usage::default()))])
        });
        let mut stream = ask(&scripted).await.unwrap();
        for _ in 0..100 {
            assert!(stream.next().await.unwrap().is_ok());
        }
        assert_eq!(scripted.load().running, 1);
        drop(stream);
        scripted.plays.close();
        tokio::time::timeout(Duration::from_secs(3), scripted.plays.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn a_script_can_refuse() {
        let scripted = Scripted::playing(info(), Duration::ZERO, |_| {
            Err(InferenceError::new(InferenceErrorKind::Unavailable, "away"))
        });
        assert!(ask(&scripted).await.is_err());
    }
}
