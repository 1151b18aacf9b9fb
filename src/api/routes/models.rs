//! `GET /v1/models` and `GET /v1/models/{id}`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::api::Edge;
use crate::api::auth::Authenticated;
use crate::api::error::{ApiError, Plain};
use crate::api::wire::models::{Model, ModelList};

pub(super) async fn list(_: Authenticated, edge: Data<Edge>) -> HttpResponse {
    HttpResponse::Ok().json(ModelList::new(&edge.pipeline.backends))
}

pub(super) async fn one(
    _: Authenticated,
    id: Path<String>,
    edge: Data<Edge>,
) -> Result<HttpResponse, ApiError> {
    let backend = edge.pipeline.backends.resolve(&id).ok_or(Plain::ModelNotFound)?;
    Ok(HttpResponse::Ok().json(Model::new(Some(&id), backend.info())))
}
