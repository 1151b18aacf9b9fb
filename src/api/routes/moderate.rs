//! `POST /v1/moderations`: judges without generating.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::generate::prompt_tokens;
use crate::api::auth::Authenticated;
use crate::api::error::ApiError;
use crate::api::wire::moderations::{self, Moderation, ModerationResult};
use crate::api::wire::portcullis::Extension;
use crate::api::{Edge, body, headers};
use crate::domain::Outcome;

pub(super) async fn moderations(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, payload, &edge.config).await?;
    let inputs = moderations::parse(&body, &edge.config)?;
    let stripped = inputs.stripped;
    let cost = prompt_tokens(inputs.texts.iter().map(String::len).sum());
    let texts = edge.gate.admit(caller, cost, inputs.texts)?;
    let moderated = edge.pipeline.moderate(texts).await;
    let moderated = moderated.map_err(|failed| ApiError::failed(failed, &stripped))?;

    let notice = &moderated.notice;
    let outcome = Outcome::Completed;
    let mut response = HttpResponse::Ok();
    headers::decision(&mut response, notice);
    headers::stripped(&mut response, &stripped);
    response.insert_header((headers::OUTCOME, outcome.name()));
    Ok(response.json(Moderation {
        id: format!("modr-{}", notice.decision),
        model: headers::policy(notice),
        results: moderated.verdicts.iter().map(ModerationResult::new).collect(),
        portcullis: Extension::new(notice, outcome, Some(&moderated.receipt), &stripped),
    }))
}
