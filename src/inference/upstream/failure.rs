//! What a server's refusals and faults mean to a caller.
//!
//! A server's own words may repeat the prompt, so they go nowhere: of an error
//! body only its code and type are logged, if they look like identifiers.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::reader::read_bounded;
use crate::inference::{InferenceError, InferenceErrorKind};

const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
const ERROR_BODY_WAIT_MS_MAX: u64 = 2_000;
const IDENTIFIER_CHARS_MAX: usize = 64;
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A request that did not begin.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: InferenceError,
    /// Another server may do better, and this one has computed nothing.
    pub retry_elsewhere: bool,
    /// Counts against the server's health.
    pub server_fault: bool,
}

impl Failure {
    pub(super) const fn fault(error: InferenceError) -> Self {
        Self { error, retry_elsewhere: false, server_fault: true }
    }

    /// The connection, rather than an answer, went wrong.
    pub(super) fn transport(source: reqwest::Error) -> Self {
        let retry_elsewhere = source.is_connect();
        let error = unreachable_server().with_source(source.without_url());
        Self { error, retry_elsewhere, server_fault: true }
    }

    /// An answer other than 200.
    pub(super) async fn status(response: Response, server: &str) -> Self {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let said = error_code(response).await;
        tracing::warn!(server, status = status.as_u16(), code = said, "the model server refused");
        let (retry_elsewhere, server_fault) = match status.as_u16() {
            429 => (true, false),
            502..=504 => (true, true),
            code => (false, code >= 500),
        };
        let error = status_error(status, retry_after, said.as_deref());
        Self { error, retry_elsewhere, server_fault }
    }
}

fn status_error(status: StatusCode, retry_after: Duration, said: Option<&str>) -> InferenceError {
    let upstream = InferenceErrorKind::Upstream { status: status.as_u16() };
    let message = match status.as_u16() {
        429 => {
            let kind = InferenceErrorKind::Overloaded { retry_after };
            return InferenceError::new(kind, "the model server is busy; try again later");
        }
        200..=299 => {
            return unsupported("the model server answered with a status that is not expected");
        }
        300..=399 => "the model server answered with a redirect, which is not followed",
        401 | 403 => "the model server does not accept the gateway's credentials",
        404 => "the model server does not know this model or endpoint",
        400..=499 if said == Some("context_length_exceeded") => {
            "the model server refused the request: prompt and answer exceed its context"
        }
        400..=499 => "the model server refused the request",
        _ => "the model server failed",
    };
    InferenceError::new(upstream, message)
}

/// An error that a server reports in the middle of an answer.
pub(super) fn reported(status: u16) -> InferenceError {
    let kind = InferenceErrorKind::Upstream { status };
    InferenceError::new(kind, "the model server failed while it answered")
}

pub(super) fn cut_short() -> InferenceError {
    let kind = InferenceErrorKind::Upstream { status: StatusCode::OK.as_u16() };
    InferenceError::new(kind, "the model server ended its answer too early")
}

pub(super) fn unreachable_server() -> InferenceError {
    let kind = InferenceErrorKind::Unavailable;
    InferenceError::new(kind, "the model server cannot be reached")
}

pub(super) fn timeout(phase: &str) -> InferenceError {
    let message = format!("the model server took too long ({phase})");
    InferenceError::new(InferenceErrorKind::Timeout, message)
}

pub(super) fn unsupported(message: impl Into<String>) -> InferenceError {
    InferenceError::new(InferenceErrorKind::UnsupportedPayload, message)
}

/// Whether a server that answers `/models` so would serve a prompt. Some have no such page.
pub(super) fn is_serving(status: StatusCode) -> bool {
    status.is_success() || matches!(status.as_u16(), 404 | 405 | 429)
}

/// The delay that the server asks for; a date is not understood and gives the default.
fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = value.and_then(|value| value.trim().parse().ok());
    seconds.map_or(RETRY_AFTER_DEFAULT, Duration::from_secs).min(RETRY_AFTER_MAX)
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(Deserialize)]
struct ErrorFields {
    code: Option<serde_json::Value>,
    r#type: Option<String>,
}

async fn error_code(response: Response) -> Option<String> {
    let wait = Duration::from_millis(ERROR_BODY_WAIT_MS_MAX);
    let read = tokio::time::timeout(wait, read_bounded(response, ERROR_BODY_BYTES_MAX));
    let body = read.await.ok()?.ok()?;
    let ErrorBody { error } = serde_json::from_slice(&body).ok()?;
    let code = error.code.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
    code.into_iter().chain(error.r#type).find(|code| is_identifier(code))
}

/// Text of a prompt does not look like this.
fn is_identifier(code: &str) -> bool {
    let of_identifiers = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=IDENTIFIER_CHARS_MAX).contains(&code.len()) && code.chars().all(of_identifiers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_kinds() {
        let kind = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            status_error(status, RETRY_AFTER_DEFAULT, None).kind
        };
        assert_eq!(kind(400), InferenceErrorKind::Upstream { status: 400 });
        assert_eq!(kind(503), InferenceErrorKind::Upstream { status: 503 });
        assert_eq!(kind(307), InferenceErrorKind::Upstream { status: 307 });
        assert_eq!(kind(204), InferenceErrorKind::UnsupportedPayload);
        let overloaded = InferenceErrorKind::Overloaded { retry_after: RETRY_AFTER_DEFAULT };
        assert_eq!(kind(429), overloaded);
    }

    #[test]
    fn only_identifiers_are_logged() {
        assert!(is_identifier("context_length_exceeded"));
        for code in ["", "Tell me", "ünïcode", &"a".repeat(65)] {
            assert!(!is_identifier(code));
        }
    }

    #[test]
    fn delays_are_bounded() {
        let asked = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers)
        };
        assert_eq!(asked("7"), Duration::from_secs(7));
        assert_eq!(asked("99999999"), RETRY_AFTER_MAX);
        assert_eq!(asked("Fri, 31 Dec 2027 23:59:59 GMT"), RETRY_AFTER_DEFAULT);
    }
}
