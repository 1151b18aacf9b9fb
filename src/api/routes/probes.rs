//! `GET /healthz` and `GET /readyz`. Open to everybody: they say what works,
//! never where it is or why it does not.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Edge;

/// What the gateway needs before it can serve.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    pub ready: bool,
    /// The default policy is loaded.
    pub policy: bool,
    /// The audit log can be written.
    pub audit_log: bool,
    /// Back ends by name; true when a request now would have a chance. One is enough to be ready.
    pub backends: BTreeMap<String, bool>,
}

/// The process runs and answers.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "alive" }))
}

pub(super) async fn readyz(edge: Data<Edge>) -> HttpResponse {
    let readiness = readiness(&edge).await;
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

async fn readiness(edge: &Edge) -> Readiness {
    let wait = Duration::from_millis(edge.config.ready_wait_ms_max);
    let asked = edge.pipeline.backends.backends().map(|backend| async move {
        let ready = tokio::time::timeout(wait, backend.ready()).await;
        (backend.info().name.to_string(), matches!(ready, Ok(Ok(()))))
    });
    let backends: BTreeMap<_, _> = join_all(asked).await.into_iter().collect();
    let policy = edge.pipeline.policies.engine(None).is_some();
    let audit_log = edge.pipeline.ledger.is_writable();
    // One server that is away must not take the others out of service.
    let ready = policy && audit_log && backends.values().any(|ready| *ready);
    Readiness { ready, policy, audit_log, backends }
}
