//! Gets an answer begun: chooses a server, asks, and moves on to the next when
//! one cannot begin.
//!
//! A request goes to another server only while nothing has come back, and never
//! twice to the same one. Breakers are asked first and told the result.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use recloser::Error as Broken;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, timeout, unreachable_server, unsupported};
use super::pool::{Lease, Pool, Target};
use crate::inference::{InferenceError, InferenceErrorKind};

const RETRY_DELAY_MS_MIN: u64 = 20;
const RETRY_DELAY_MS_MAX: u64 = 500;

#[derive(Debug)]
pub(super) struct Opener {
    pub client: Client,
    pub pool: Pool,
    pub authorization: Option<HeaderValue>,
    pub retries_max: u32,
}

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Opened {
    pub response: Response,
    pub form: Form,
    pub lease: Lease,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    EventStream,
    /// From a server that does not stream.
    Json,
}

impl Opener {
    /// Asks the servers in turn until one begins to answer.
    pub(super) async fn open(
        &self,
        path: &'static [&'static str],
        body: Bytes,
        by: Instant,
    ) -> Result<Opened, InferenceError> {
        let candidates = Mutex::new(self.pool.ranked().into_iter());
        let lock = || candidates.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = Mutex::new(None);
        let attempt = || async {
            let mut last = None;
            // A server whose breaker is open is passed over; that is not an attempt.
            loop {
                let next = lock().next();
                let Some(target) = next else { break };
                match self.ask(&target, path, body.clone(), by).await {
                    Ok(opened) => return Ok(opened),
                    Err(Broken::Rejected) => last = Some(target),
                    Err(Broken::Inner(failure)) => {
                        let retry_elsewhere = failure.retry_elsewhere;
                        keep(failure, &failed);
                        return Err(retry_elsewhere);
                    }
                }
            }
            let server = last.as_deref().map(Target::authority);
            tracing::warn!(server, "no model server is left to ask");
            Err(false)
        };
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(RETRY_DELAY_MS_MIN))
            .with_max_delay(Duration::from_millis(RETRY_DELAY_MS_MAX))
            .with_max_times(self.retries_max as usize)
            .with_jitter();
        let opened = attempt
            .retry(backoff)
            .when(|retry_elsewhere: &bool| *retry_elsewhere && lock().len() > 0)
            .await;
        opened.map_err(|_| {
            let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
            failed.map_or_else(unreachable_server, |failure| failure.error)
        })
    }

    pub(super) fn get(&self, target: &Target, path: &[&str]) -> RequestBuilder {
        self.client.get(target.url(path)).headers(self.headers("application/json"))
    }

    async fn ask(
        &self,
        target: &Arc<Target>,
        path: &[&str],
        body: Bytes,
        by: Instant,
    ) -> Result<Opened, Broken<Failure>> {
        let request = self
            .client
            .post(target.url(path))
            .headers(self.headers("text/event-stream, application/json"))
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let lease = target.lease();
        let answer = async {
            let response = match timeout_at(by, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(Failure::transport(error)),
                Err(_) => return Err(Failure::fault(timeout("first token"))),
            };
            if response.status() != StatusCode::OK {
                return Err(Failure::status(response, target.authority()).await);
            }
            let form = form(response.headers()).map_err(Failure::fault)?;
            Ok(Opened { response, form, lease })
        };
        target.breaker.call_with(|failure: &Failure| failure.server_fault, answer).await
    }

    fn headers(&self, accept: &'static str) -> HeaderMap {
        let mut headers: Vec<(HeaderName, HeaderValue)> = vec![
            (ACCEPT, HeaderValue::from_static(accept)),
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        ];
        headers.extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        headers.into_iter().collect()
    }
}

/// Remembers what the caller is told if no server begins: the last failure, but a busy server,
/// which says when to come back, rather than one that is away.
fn keep(failure: Failure, kept: &Mutex<Option<Failure>>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let busy = |kept: &Failure| matches!(kept.error.kind, InferenceErrorKind::Overloaded { .. });
    if !(failure.server_fault && kept.as_ref().is_some_and(busy)) {
        *kept = Some(failure);
    }
}

fn form(headers: &HeaderMap) -> Result<Form, InferenceError> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Err(unsupported("the model server compressed its answer, which was not asked for"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/event-stream") {
        Ok(Form::EventStream)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Form::Json)
    } else {
        Err(unsupported("the model server answered with neither an event stream nor JSON"))
    }
}
