//! `POST /v1/chat/completions` and `POST /v1/completions`.

use std::sync::Arc;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::admission::Admitted;
use crate::api::auth::Authenticated;
use crate::api::envelope::Form;
use crate::api::error::{ApiError, Plain};
use crate::api::invalid::Invalid;
use crate::api::wire::{self, Parsed};
use crate::api::{ApiConfig, Edge, answer, body, sse};
use crate::domain::{Caller, Endpoint};
use crate::pipeline::{Answer, Call};

/// Bytes of text per token, roughly.
const BYTES_PER_TOKEN: usize = 4;

type Parse = fn(&[u8], &ApiConfig) -> Result<Parsed, Invalid>;

pub(super) async fn chat(
    caller: Authenticated,
    request: HttpRequest,
    payload: Payload,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    let parse = wire::chat::parse;
    generate(Endpoint::ChatCompletions, parse, caller, &request, payload, &edge)
        .await
        .map_err(|error| error.with_prompt_field("messages"))
}

pub(super) async fn completions(
    caller: Authenticated,
    request: HttpRequest,
    payload: Payload,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    let parse = wire::completions::parse;
    generate(Endpoint::Completions, parse, caller, &request, payload, &edge)
        .await
        .map_err(|error| error.with_prompt_field("prompt"))
}

async fn generate(
    endpoint: Endpoint,
    parse: Parse,
    Authenticated(caller): Authenticated,
    request: &HttpRequest,
    payload: Payload,
    edge: &Edge,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(request, payload, &edge.config).await?;
    let parsed = parse(&body, &edge.config)?;
    drop(body);
    let form = Form::of(endpoint, &parsed);
    let (streamed, limit_field) = (parsed.streamed, parsed.limit_field);
    let call = admit(endpoint, caller, parsed, edge)
        .map_err(|error| error.with_limit_field(limit_field))?;
    match (edge.pipeline.respond(call).await, streamed) {
        (Answer::Refused(refused), true) => sse::refused(refused, form),
        (Answer::Refused(refused), false) => answer::refused(refused, form),
        (Answer::Released(released), true) => sse::stream(released, form).await,
        (Answer::Released(released), false) => {
            answer::collect(released, form, edge.config.answer_bytes_max).await
        }
        (Answer::Failed(failed), _) => {
            Err(ApiError::failed(failed, &form.stripped).with_limit_field(limit_field))
        }
    }
}

/// Finds the back end, asks whether it can honour the request, and takes the
/// estimated cost from the caller's allowance.
fn admit(
    endpoint: Endpoint,
    caller: Caller,
    parsed: Parsed,
    edge: &Edge,
) -> Result<Admitted<Call>, ApiError> {
    let backend = edge.pipeline.backends.resolve(&parsed.model).ok_or(Plain::ModelNotFound)?;
    backend.check(&parsed.request)?;
    let call = Call {
        endpoint,
        backend: Arc::clone(backend),
        streamed: parsed.streamed,
        stripped_fields: parsed.stripped,
        request: parsed.request,
    };
    let answer = call.request.tokens_max.unwrap_or_else(|| call.backend.tokens_default_max());
    let cost = prompt_tokens(wire::text_bytes(&call.request))
        .saturating_add(answer.saturating_mul(call.request.choices));
    Ok(edge.gate.admit(caller, cost, call)?)
}

/// An estimate; the model's own count is not known before the work is done.
pub(super) fn prompt_tokens(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX)
}
