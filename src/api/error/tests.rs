//! Each cause has its status, code and words, and none repeats what the caller sent.

use super::*;
use crate::api::fixtures::notice;
use crate::domain::Category;

fn inference(kind: InferenceErrorKind) -> ApiError {
    let error = InferenceError::new(kind, "said by the back end");
    let failed = Failed {
        notice: Some(notice()),
        outcome: Outcome::UpstreamError,
        error: FailedWhy::Inference(error),
    };
    ApiError::failed(failed, &[])
        .with_limit_field("max_completion_tokens")
        .with_prompt_field("messages")
}

#[test]
fn every_failure_of_a_back_end_has_its_status_and_code() {
    use InferenceErrorKind as Kind;
    let cases = [
        (Kind::Overloaded { retry_after: Duration::from_millis(1500) }, 429, "overloaded"),
        (
            Kind::PromptTooLong { tokens: Some(9), tokens_max: Some(8) },
            400,
            "context_length_exceeded",
        ),
        (Kind::AnswerTooLong { tokens: 9 }, 400, "context_length_exceeded"),
        (Kind::InvalidRequest { status: 422 }, 400, "request_refused"),
        (Kind::Unsupported { field: "logprobs" }, 400, "unsupported_value"),
        (Kind::Unavailable, 503, "model_unavailable"),
        (Kind::Timeout, 504, "timeout"),
        (Kind::UnsupportedPayload, 502, "unsupported_payload"),
        (Kind::Upstream { status: 418 }, 502, "upstream_error"),
        (Kind::Failed, 500, "model_failed"),
    ];
    for (kind, status, code) in cases {
        let error = inference(kind);
        let response = error.error_response();
        assert_eq!(response.status().as_u16(), status);
        let body = error.body();
        assert_eq!(body.error.code, code);
        let said = body.error.message.strip_prefix("said by the back end").unwrap();
        assert_eq!(said.is_empty(), !matches!(kind, Kind::AnswerTooLong { .. }), "{said}");
        assert!(body.portcullis.is_some());
        assert!(response.headers().contains_key(headers::DECISION));
        assert!(response.extensions().get::<Rejected>().is_none(), "the pipeline counted it");
        let retry = response.headers().get("retry-after");
        assert_eq!(retry.map(|after| after.to_str().unwrap()), (status == 429).then_some("2"));
        let param = match kind {
            Kind::PromptTooLong { .. } => Some("messages"),
            Kind::AnswerTooLong { .. } => Some("max_completion_tokens"),
            Kind::Unsupported { field } => Some(field),
            _ => None,
        };
        assert_eq!(body.error.param.as_deref(), param);
    }
}

#[test]
fn a_guard_that_cannot_decide_is_never_a_success() {
    for (why, outcome, status, code) in [
        (FailedWhy::AuditUnavailable, Outcome::GuardUnavailable, 503, "guard_unavailable"),
        (FailedWhy::GuardUnavailable, Outcome::GuardUnavailable, 503, "guard_unavailable"),
        (FailedWhy::GuardUnavailable, Outcome::GuardTimeout, 503, "guard_timeout"),
        (FailedWhy::Expired, Outcome::Interrupted, 504, "timeout"),
        (FailedWhy::Stopping, Outcome::Interrupted, 503, "shutting_down"),
    ] {
        let error = ApiError::failed(Failed { notice: None, outcome, error: why }, &[]);
        assert_eq!(error.status_code().as_u16(), status);
        assert_eq!(error.body().error.code, code);
    }
}

#[test]
fn denials_say_whether_to_try_again() {
    let limited = Denied::RateLimited { what: "requests", retry_after: Duration::ZERO };
    let response = ApiError::from(limited).error_response();
    assert_eq!(response.status().as_u16(), 429);
    assert_eq!(response.headers().get("retry-after").unwrap(), "1");
    let never = Denied::TooManyTokens { tokens: 9, per_minute: 8 };
    let response = ApiError::from(never).error_response();
    assert_eq!(response.headers().get("x-should-retry").unwrap(), "false");
    assert!(response.extensions().get::<Rejected>().is_some());
    for denied in [Denied::LoopbackOnly, Denied::NotAdmin] {
        assert_eq!(ApiError::from(denied).status_code().as_u16(), 403);
    }
}

#[test]
fn a_refusal_as_an_error_tells_its_categories() {
    let mut notice = notice();
    notice.categories = vec![Category::Weapons];
    let extension = Extension::new(&notice, Outcome::PolicyBlock, None, &[]);
    let error = ApiError::refused("not here", Decided { notice, extension });
    let response = error.error_response();
    assert_eq!(response.status().as_u16(), 400);
    assert_eq!(response.headers().get(headers::OUTCOME).unwrap(), "policy_block");
    let body = error.body();
    assert_eq!((body.error.code, body.error.message.as_str()), ("content_filter", "not here"));
    assert_eq!(body.portcullis.unwrap().categories, ["weapons"]);
}
