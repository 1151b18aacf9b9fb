//! The one place that turns a failure into a status code and an OpenAI error body.
//!
//! Public text never repeats what the caller sent, nor addresses, nor secrets.
//! The inner text of a failure goes to the log of the module that failed.

mod plain;

use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

use super::headers;
use super::invalid::Invalid;
use super::wire::error::{ErrorBody, ErrorDetail};
use super::wire::portcullis::Extension;
use crate::admission::Denied;
use crate::domain::Outcome;
use crate::inference::{InferenceError, InferenceErrorKind};
use crate::pipeline::{Failed, FailedWhy, Notice};

pub(crate) use plain::Plain;

/// Shortest time after which a caller is told to try again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Why a request has no good answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    kind: Kind,
    /// The decision, when one was made.
    decided: Option<Box<Decided>>,
    /// The request fields that an error may mean.
    fields: PromptFields,
}

/// How a request names what a back end may find too long.
#[derive(Debug, Clone, Copy, Default)]
struct PromptFields {
    prompt: Option<&'static str>,
    /// The answer's length.
    limit: Option<&'static str>,
}

/// A decision that an error body reports.
#[derive(Debug)]
pub(crate) struct Decided {
    pub notice: Notice,
    pub extension: Extension,
}

#[derive(Debug)]
enum Kind {
    Invalid(Invalid),
    Denied(Denied),
    /// The policy answers with an error; its text.
    Refused(String),
    Failed(FailedWhy, Outcome),
    Plain(Plain),
}

/// What an error looks like from outside.
#[derive(Debug, PartialEq)]
struct Face {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
    retry: Retry,
}

/// Whether trying again makes sense; SDKs follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Retry {
    /// As the status code says.
    Default,
    After(Duration),
    Never,
}

/// Marks a response to a request that never became an exchange, for the metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rejected(pub &'static str);

const INVALID_REQUEST: &str = "invalid_request_error";
const PERMISSION: &str = "permission_error";
const RATE_LIMIT: &str = "rate_limit_error";
const SERVER: &str = "server_error";
const CONTEXT_EXCEEDED: &str = "context_length_exceeded";

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self { kind: Kind::Invalid(invalid), decided: None, fields: PromptFields::default() }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self { kind: Kind::Denied(denied), decided: None, fields: PromptFields::default() }
    }
}

impl From<Plain> for ApiError {
    fn from(plain: Plain) -> Self {
        Self { kind: Kind::Plain(plain), decided: None, fields: PromptFields::default() }
    }
}

/// A back end's refusal before any exchange began.
impl From<InferenceError> for ApiError {
    fn from(error: InferenceError) -> Self {
        let kind = Kind::Failed(FailedWhy::Inference(error), Outcome::InvalidRequest);
        Self { kind, decided: None, fields: PromptFields::default() }
    }
}

impl ApiError {
    /// The pipeline could not decide or generate.
    pub(crate) fn failed(failed: Failed, stripped: &[String]) -> Self {
        let outcome = failed.outcome;
        let decided = failed.notice.map(|notice| {
            let extension = Extension::new(&notice, outcome, None, stripped);
            Decided { notice, extension }
        });
        Self {
            kind: Kind::Failed(failed.error, outcome),
            decided: decided.map(Box::new),
            fields: PromptFields::default(),
        }
    }

    /// An answer that could not be completed.
    pub(crate) fn incomplete(why: FailedWhy, outcome: Outcome, decided: Decided) -> Self {
        Self {
            kind: Kind::Failed(why, outcome),
            decided: Some(Box::new(decided)),
            fields: PromptFields::default(),
        }
    }

    /// The policy refuses, and wants it to be an error.
    pub(crate) fn refused(text: &str, decided: Decided) -> Self {
        Self {
            kind: Kind::Refused(text.to_owned()),
            decided: Some(Box::new(decided)),
            fields: PromptFields::default(),
        }
    }

    /// The answer broke off; what is known of its decision goes along.
    pub(crate) fn broken(plain: Plain, decided: Decided) -> Self {
        Self {
            kind: Kind::Plain(plain),
            decided: Some(Box::new(decided)),
            fields: PromptFields::default(),
        }
    }

    /// Says which field holds the prompt on this endpoint.
    pub(crate) const fn with_prompt_field(mut self, field: &'static str) -> Self {
        self.fields.prompt = Some(field);
        self
    }

    /// Says which field limits the answer in this request.
    pub(crate) const fn with_limit_field(mut self, field: &'static str) -> Self {
        self.fields.limit = Some(field);
        self
    }

    fn face(&self) -> Face {
        match &self.kind {
            Kind::Invalid(invalid) => Face {
                param: invalid.param.clone(),
                ..Face::new(400, INVALID_REQUEST, invalid.code, &invalid.message)
            },
            Kind::Denied(denied) => of_denied(denied),
            Kind::Refused(text) => Face::new(400, INVALID_REQUEST, "content_filter", text),
            Kind::Failed(FailedWhy::Inference(error), _) => of_inference(error, self.fields),
            Kind::Failed(why, outcome) => of_failure(why, *outcome),
            Kind::Plain(plain) => of_plain(*plain),
        }
    }

    /// The body, also as an event of a stream that has begun.
    pub(crate) fn body(&self) -> ErrorBody {
        self.body_of(self.face())
    }

    fn body_of(&self, face: Face) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                message: face.message,
                kind: face.kind,
                param: face.param,
                code: face.code,
            },
            portcullis: self.decided.as_ref().map(|decided| decided.extension.clone()),
        }
    }
}

impl Face {
    fn new(status: u16, kind: &'static str, code: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            kind,
            code,
            param: None,
            message: message.to_owned(),
            retry: Retry::Default,
        }
    }

    fn retry(mut self, after: Duration) -> Self {
        self.retry = Retry::After(after.max(RETRY_AFTER_MIN));
        self
    }
}

fn of_denied(denied: &Denied) -> Face {
    let message = denied.to_string();
    match denied {
        Denied::KeyMissing | Denied::KeyUnknown => {
            Face::new(401, INVALID_REQUEST, "invalid_api_key", &message)
        }
        Denied::LoopbackOnly => Face::new(403, PERMISSION, "loopback_only", &message),
        Denied::NotAdmin => Face::new(403, PERMISSION, "admin_only", &message),
        Denied::RateLimited { retry_after, .. } => {
            Face::new(429, RATE_LIMIT, "rate_limit_exceeded", &message).retry(*retry_after)
        }
        Denied::TooManyTokens { .. } => Face {
            retry: Retry::Never,
            ..Face::new(429, RATE_LIMIT, "request_above_rate_limit", &message)
        },
        Denied::TooManyConcurrent => {
            Face::new(429, RATE_LIMIT, "concurrency_limit_exceeded", &message)
                .retry(RETRY_AFTER_MIN)
        }
    }
}

fn of_failure(why: &FailedWhy, outcome: Outcome) -> Face {
    let guard =
        if outcome == Outcome::GuardTimeout { "guard_timeout" } else { "guard_unavailable" };
    match why {
        FailedWhy::Inference(error) => of_inference(error, PromptFields::default()),
        FailedWhy::AuditUnavailable => {
            let message = "the decision could not be recorded, so nothing is answered";
            Face::new(503, SERVER, "guard_unavailable", message)
        }
        FailedWhy::GuardUnavailable => {
            let message = "the request could not be judged, so nothing is answered";
            Face::new(503, SERVER, guard, message)
        }
        FailedWhy::Expired => {
            Face::new(504, SERVER, "timeout", "the answer took longer than the gateway allows")
        }
        FailedWhy::Stopping => {
            Face::new(503, SERVER, "shutting_down", "the gateway is being stopped; try again")
                .retry(RETRY_AFTER_MIN)
        }
    }
}

fn of_inference(error: &InferenceError, fields: PromptFields) -> Face {
    let message = &error.message;
    match error.kind {
        InferenceErrorKind::Overloaded { retry_after } => {
            Face::new(429, RATE_LIMIT, "overloaded", message).retry(retry_after)
        }
        InferenceErrorKind::PromptTooLong { .. } => Face {
            param: fields.prompt.map(str::to_owned),
            ..Face::new(400, INVALID_REQUEST, CONTEXT_EXCEEDED, message)
        },
        InferenceErrorKind::AnswerTooLong { .. } => {
            let field = fields.limit.unwrap_or("max_tokens");
            let message = format!("{message}; lower `{field}`");
            let face = Face::new(400, INVALID_REQUEST, CONTEXT_EXCEEDED, &message);
            Face { param: Some(field.to_owned()), ..face }
        }
        InferenceErrorKind::Unsupported { field } => Face {
            param: Some(field.to_owned()),
            ..Face::new(400, INVALID_REQUEST, super::invalid::code::UNSUPPORTED, message)
        },
        InferenceErrorKind::InvalidRequest { .. } => {
            Face::new(400, INVALID_REQUEST, "request_refused", message)
        }
        InferenceErrorKind::Unavailable => Face::new(503, SERVER, "model_unavailable", message),
        InferenceErrorKind::Timeout => Face::new(504, SERVER, "timeout", message),
        InferenceErrorKind::UnsupportedPayload => {
            Face::new(502, SERVER, "unsupported_payload", message)
        }
        InferenceErrorKind::Upstream { .. } => Face::new(502, SERVER, "upstream_error", message),
        InferenceErrorKind::Failed => Face::new(500, SERVER, "model_failed", message),
    }
}

fn of_plain(plain: Plain) -> Face {
    let (status, kind, code, message) = plain.parts();
    let mut face = Face::new(status, kind, code, message);
    face.param = matches!(plain, Plain::ModelNotFound).then(|| "model".to_owned());
    face
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let face = self.face();
        write!(f, "{} ({})", face.message, face.code)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.face().status
    }

    fn error_response(&self) -> HttpResponse {
        let face = self.face();
        let mut response = HttpResponse::build(face.status);
        match face.retry {
            Retry::Default => {}
            Retry::After(after) => {
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                response.insert_header((header::RETRY_AFTER, seconds));
            }
            Retry::Never => {
                response.insert_header((headers::SHOULD_RETRY, "false"));
            }
        }
        if face.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(decided) = &self.decided {
            headers::decision(&mut response, &decided.notice);
            response.insert_header((headers::OUTCOME, decided.extension.outcome));
        }
        let rejected = Rejected(face.code);
        let mut response = response.json(self.body_of(face));
        // Exchanges, failed ones too, are counted by the pipeline.
        if self.decided.is_none() {
            response.extensions_mut().insert(rejected);
        }
        response
    }
}

#[cfg(test)]
mod tests;
