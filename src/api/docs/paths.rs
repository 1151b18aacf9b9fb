//! The paths as OpenAPI describes them. Never called: the attributes are the content.

#![expect(dead_code, reason = "only the attributes matter")]

use super::{ChatRequest, CompletionRequest, ModerationRequest};
use crate::api::routes::{PolicyState, Readiness, Reloaded};
use crate::api::system_card::SystemCard;
use crate::api::wire::chat::{ChatChunk, ChatCompletion};
use crate::api::wire::completions::Completion;
use crate::api::wire::error::ErrorBody;
use crate::api::wire::models::{Model, ModelList};
use crate::api::wire::moderations::Moderation;

/// Answers a chat; judged on the way in and on the way out.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer, or the policy's refusal (`finish_reason` `content_filter`).",
            content((ChatCompletion = "application/json"), (ChatChunk = "text/event-stream"))),
        (status = 400, body = ErrorBody, description = "The request cannot be honoured; `param` names the field."),
        (status = 401, body = ErrorBody, description = "No key, or an unknown one."),
        (status = 403, body = ErrorBody, description = "Without keys, only loopback callers are served."),
        (status = 404, body = ErrorBody, description = "No such model."),
        (status = 408, body = ErrorBody, description = "The body took too long to arrive."),
        (status = 413, body = ErrorBody, description = "The body is too large."),
        (status = 415, body = ErrorBody, description = "The body is not uncompressed JSON."),
        (status = 429, body = ErrorBody, description = "A limit is reached, or every slot is taken; see Retry-After."),
        (status = 502, body = ErrorBody, description = "The model's server failed or sent something that nobody reviewed."),
        (status = 503, body = ErrorBody, description = "Nothing could be judged, recorded or generated."),
        (status = 504, body = ErrorBody, description = "The model took too long."),
    ))]
pub(super) fn chat_completions() {}

/// Continues a text; judged on the way in and on the way out.
#[utoipa::path(post, path = "/v1/completions", tag = "openai",
    request_body = CompletionRequest,
    responses(
        (status = 200, description = "The continuation, or the policy's refusal.",
            content((Completion = "application/json"), (Completion = "text/event-stream"))),
        (status = "4XX", body = ErrorBody, description = "As for chat completions."),
        (status = "5XX", body = ErrorBody, description = "As for chat completions."),
    ))]
pub(super) fn completions() {}

/// Judges texts without generating.
#[utoipa::path(post, path = "/v1/moderations", tag = "openai",
    request_body = ModerationRequest,
    responses(
        (status = 200, body = Moderation),
        (status = "4XX", body = ErrorBody, description = "As for chat completions."),
        (status = "5XX", body = ErrorBody, description = "As for chat completions."),
    ))]
pub(super) fn moderations() {}

/// The configured models and their aliases.
#[utoipa::path(get, path = "/v1/models", tag = "openai",
    responses((status = 200, body = ModelList), (status = "4XX", body = ErrorBody)))]
pub(super) fn models() {}

/// One model or alias.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai",
    params(("id" = String, Path, description = "May contain slashes.")),
    responses((status = 200, body = Model), (status = "4XX", body = ErrorBody)))]
pub(super) fn model() {}

/// What this system is, what it refuses, what is known to go wrong, where to report it.
#[utoipa::path(get, path = "/system-card", tag = "about", security(()),
    responses((status = 200, description = "HTML, or JSON when `Accept` prefers it.",
        content((SystemCard = "application/json"), (String = "text/html")))))]
pub(super) fn system_card() {}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200)))]
pub(super) fn healthz() {}

/// Model and policy are loaded, the audit log can be written.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) fn readyz() {}

/// Prometheus metrics. On the shared listener: admin key or direct loopback.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, content_type = "text/plain", body = String), (status = 403, body = ErrorBody)))]
pub(super) fn metrics() {}

/// Reads the policy files again; a broken file leaves the old policy in force.
#[utoipa::path(post, path = "/admin/reload", tag = "operations",
    responses((status = 200, body = Vec<Reloaded>), (status = 403, body = ErrorBody)))]
pub(super) fn reload() {}

/// The policies in force.
#[utoipa::path(get, path = "/admin/policies", tag = "operations",
    responses((status = 200, body = Vec<PolicyState>), (status = 403, body = ErrorBody)))]
pub(super) fn policies() {}
