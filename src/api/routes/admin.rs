//! `GET /metrics`, `GET /admin/policies` and `POST /admin/reload`, for administrators.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::error::{ApiError, Plain};
use crate::api::{AdminListener, Edge, auth};
use crate::policy::{Engine, Reload};

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The file is broken; the policy before stays in force.
const REJECTED: &str = "rejected";

/// A policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyState {
    /// The name in the configuration.
    pub name: String,
    /// The name in the policy file.
    pub policy: String,
    pub version: String,
    pub digest: String,
}

/// What a reload did to one policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reloaded {
    pub name: String,
    /// `unchanged`, `changed` or `rejected`; a rejected file leaves the old policy in force.
    pub result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// For `rejected`: every problem with file, line and snippet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

pub(super) async fn metrics(
    request: HttpRequest,
    listener: AdminListener,
) -> Result<HttpResponse, ApiError> {
    auth::metrics(&request, listener)?;
    let edge = auth::edge(&request)?;
    let text = edge.metrics.render().map_err(|error| {
        tracing::error!(%error, "cannot render metrics");
        Plain::Internal
    })?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, METRICS_TYPE)).body(text))
}

pub(super) async fn policies(
    request: HttpRequest,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    auth::admin(&request, true)?;
    let all = edge.pipeline.policies.all();
    let states: Vec<_> = all.iter().map(|(name, engine)| PolicyState::new(name, engine)).collect();
    Ok(HttpResponse::Ok().json(states))
}

/// Reads every policy file again; 422 when one of them is broken. The watcher does the same when a
/// file changes.
pub(super) async fn reload(
    request: HttpRequest,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    auth::admin(&request, false)?;
    let policies = std::sync::Arc::clone(&edge.pipeline.policies);
    // Compiling takes a while and reads files: not on an HTTP worker.
    let reloads = web::block(move || policies.reload()).await.map_err(|_| Plain::Internal)?;
    edge.pipeline.note_reload(&reloads).await;
    let reloaded: Vec<_> =
        reloads.into_iter().map(|(name, reload)| Reloaded::new(name, reload)).collect();
    let rejected = reloaded.iter().any(|policy| policy.result == REJECTED);
    let status = if rejected { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(reloaded))
}

impl PolicyState {
    fn new(name: &str, engine: &Engine) -> Self {
        Self {
            name: name.to_owned(),
            policy: engine.name().to_owned(),
            version: engine.version().to_owned(),
            digest: engine.digest().to_string(),
        }
    }
}

impl Reloaded {
    fn new(name: String, reload: Reload) -> Self {
        let (result, digest, report) = match reload {
            Reload::Unchanged => ("unchanged", None, None),
            Reload::Changed { engine, .. } => ("changed", Some(engine.digest().to_string()), None),
            Reload::Rejected(error) => (REJECTED, None, Some(error.report)),
        };
        Self { name, result, digest, report }
    }
}
