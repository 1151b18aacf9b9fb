//! What a server's refusals and faults mean to a caller.
//!
//! A server's own words may repeat the prompt, so they go nowhere: of an error
//! body only its code and type are logged, if they look like identifiers.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::reader::read_bounded;
use crate::inference::{InferenceError, InferenceErrorKind};

const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
const ERROR_BODY_WAIT_MS_MAX: u64 = 2_000;
const IDENTIFIER_CHARS_MAX: usize = 64;
/// What servers call a prompt that is longer than their context: OpenAI's code, llama.cpp's type.
const TOO_LONG_CODES: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];
/// OpenAI's type of a request that is itself at fault.
const REFUSED_TYPE: &str = "invalid_request_error";
/// Errors inside a stream may have no status of their own.
const REFUSED_STATUS: u16 = 400;
const REPORTED_STATUS: u16 = 502;
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
    /// Says nothing about the server's health: a caller, or a reader, can bring it about at will.
    pub(super) const fn blameless(error: InferenceError) -> Self {
        Self { error, retry_elsewhere: false, server_fault: false }
    }

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
        code @ 400..=499 => return client_error(code, said),
        _ => "the model server failed",
    };
    InferenceError::new(upstream, message)
}

/// A refusal. Some are about this request, the others may be about the gateway.
fn client_error(status: u16, said: Option<&str>) -> InferenceError {
    if said.is_some_and(|code| TOO_LONG_CODES.contains(&code)) {
        let kind = InferenceErrorKind::PromptTooLong { tokens: None, tokens_max: None };
        return InferenceError::new(
            kind,
            "prompt and answer are longer than the context of the model's server",
        );
    }
    let kind = match status {
        400 | 413 | 422 => InferenceErrorKind::InvalidRequest { status },
        _ => InferenceErrorKind::Upstream { status },
    };
    InferenceError::new(kind, "the model server refused the request")
}

/// The `error` that a server reports in the middle of an answer.
pub(super) fn reported(error: &Value) -> Failure {
    let status = error.get("code").and_then(Value::as_u64);
    let status =
        status.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..=599).contains(code));
    let said = identifier(error);
    let refused = said.is_some_and(|code| code == REFUSED_TYPE || TOO_LONG_CODES.contains(&code));
    let failed = |status| {
        let kind = InferenceErrorKind::Upstream { status };
        InferenceError::new(kind, "the model server failed while it answered")
    };
    match status {
        Some(status @ 500..) => Failure::fault(failed(status)),
        Some(status) => Failure::blameless(client_error(status, said)),
        None if refused => Failure::blameless(client_error(REFUSED_STATUS, said)),
        // Whose fault it is was not said; some servers report refused requests like this.
        None => Failure::blameless(failed(REPORTED_STATUS)),
    }
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
    error: Value,
}

async fn error_code(response: Response) -> Option<String> {
    let wait = Duration::from_millis(ERROR_BODY_WAIT_MS_MAX);
    let read = tokio::time::timeout(wait, read_bounded(response, ERROR_BODY_BYTES_MAX));
    let body = read.await.ok()?.ok()?;
    let ErrorBody { error } = serde_json::from_slice(&body).ok()?;
    identifier(&error).map(str::to_owned)
}

/// An error's code, or else its type.
fn identifier(error: &Value) -> Option<&str> {
    let fields = ["code", "type"].into_iter().filter_map(|field| error.get(field)?.as_str());
    fields.into_iter().find(|code| is_identifier(code))
}

/// Text of a prompt does not look like this.
fn is_identifier(code: &str) -> bool {
    let of_identifiers = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=IDENTIFIER_CHARS_MAX).contains(&code.len()) && code.chars().all(of_identifiers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_have_kinds() {
        let kind = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            status_error(status, RETRY_AFTER_DEFAULT, None).kind
        };
        for status in [400, 413, 422] {
            assert_eq!(kind(status), InferenceErrorKind::InvalidRequest { status });
        }
        assert_eq!(kind(401), InferenceErrorKind::Upstream { status: 401 });
        assert_eq!(kind(404), InferenceErrorKind::Upstream { status: 404 });
        assert_eq!(kind(503), InferenceErrorKind::Upstream { status: 503 });
        assert_eq!(kind(307), InferenceErrorKind::Upstream { status: 307 });
        assert_eq!(kind(204), InferenceErrorKind::UnsupportedPayload);
        let overloaded = InferenceErrorKind::Overloaded { retry_after: RETRY_AFTER_DEFAULT };
        assert_eq!(kind(429), overloaded);
    }

    #[test]
    fn only_what_no_caller_can_bring_about_is_blamed() {
        use InferenceErrorKind as Kind;
        let too_long = Kind::PromptTooLong { tokens: None, tokens_max: None };
        for (error, kind, blamed) in [
            (json!({"message": "secret", "code": 500}), Kind::Upstream { status: 500 }, true),
            (json!({"code": 503, "type": "x"}), Kind::Upstream { status: 503 }, true),
            (json!({"code": 400}), Kind::InvalidRequest { status: 400 }, false),
            (json!({"code": 429}), Kind::Upstream { status: 429 }, false),
            (json!({"code": 400, "type": "exceed_context_size_error"}), too_long, false),
            (json!({"code": "context_length_exceeded", "type": REFUSED_TYPE}), too_long, false),
            (json!({"type": REFUSED_TYPE}), Kind::InvalidRequest { status: 400 }, false),
            (json!({"message": "secret"}), Kind::Upstream { status: 502 }, false),
            (json!("secret"), Kind::Upstream { status: 502 }, false),
        ] {
            let failure = reported(&error);
            assert_eq!((failure.error.kind, failure.server_fault), (kind, blamed), "{error}");
            assert!(!format!("{failure:?}").contains("secret"));
        }
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
