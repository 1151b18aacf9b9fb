//! Errors whose status, code and words are always the same.
//!
//! They know nothing of any request. Only [`super`] reads what they say.

use super::{INVALID_REQUEST, PERMISSION, SERVER};

/// Errors that need no more than constant text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plain {
    NotFound,
    MethodNotAllowed,
    ModelNotFound,
    BodyTooLarge,
    BodyCutShort,
    BodyTooSlow,
    NotJson,
    Compressed,
    ForeignHost,
    AdminOnly,
    Cut,
    TooLongAnswer,
    Internal,
}

impl Plain {
    /// Status, type, code and message.
    pub(super) const fn parts(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::NotFound => (
                404,
                INVALID_REQUEST,
                "not_found",
                "there is nothing at this path; see /openapi.json",
            ),
            Self::MethodNotAllowed => {
                (405, INVALID_REQUEST, "method_not_allowed", "this path does not take this method")
            }
            Self::ModelNotFound => (
                404,
                INVALID_REQUEST,
                "model_not_found",
                "no model of this name is configured; GET /v1/models lists those that are",
            ),
            Self::BodyTooLarge => {
                (413, INVALID_REQUEST, "body_too_large", "the request body is larger than allowed")
            }
            Self::BodyCutShort => (
                400,
                INVALID_REQUEST,
                "body_incomplete",
                "the request body did not arrive completely",
            ),
            Self::BodyTooSlow => {
                (408, INVALID_REQUEST, "body_too_slow", "the request body took too long to arrive")
            }
            Self::NotJson => (
                415,
                INVALID_REQUEST,
                "unsupported_media_type",
                "send the request body as `content-type: application/json`",
            ),
            Self::Compressed => (
                415,
                INVALID_REQUEST,
                "unsupported_content_encoding",
                "send the request body uncompressed",
            ),
            Self::ForeignHost => (
                403,
                PERMISSION,
                "foreign_host",
                "without API keys, the gateway answers to localhost and to IP addresses only",
            ),
            Self::AdminOnly => (
                403,
                PERMISSION,
                "admin_only",
                "this path needs a key with the admin role, or a direct loopback connection",
            ),
            Self::Cut => (
                503,
                SERVER,
                "guard_unavailable",
                "the decision could not be recorded, so the answer is not complete",
            ),
            Self::TooLongAnswer => {
                (502, SERVER, "answer_too_long", "the model's answer is longer than allowed")
            }
            Self::Internal => (500, SERVER, "internal_error", "the gateway failed inside"),
        }
    }
}
