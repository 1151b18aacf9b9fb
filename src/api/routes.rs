//! Every path of the gateway, and which handler answers it.

mod admin;
mod generate;
mod models;
mod moderate;
mod probes;

use actix_web::web::{self, ServiceConfig, get, post};
use actix_web::{Route, guard};

use super::AdminListener;
use super::layer::resource;

pub(crate) fn api(cfg: &mut ServiceConfig) {
    cfg.service(resource("/v1/chat/completions", "POST", post().to(generate::chat)))
        .service(resource("/v1/completions", "POST", post().to(generate::completions)))
        .service(resource("/v1/moderations", "POST", post().to(moderate::moderations)))
        .service(resource("/v1/models", "GET", get().to(models::list)))
        // A model's name may contain slashes.
        .service(resource("/v1/models/{id:.+}", "GET", get().to(models::one)))
        .service(resource("/system-card", "GET", get().to(super::system_card::show)));
}

pub(crate) fn probes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/healthz", "GET, HEAD", probe().to(probes::healthz))).service(resource(
        "/readyz",
        "GET, HEAD",
        probe().to(probes::readyz),
    ));
}

/// Load balancers ask with either.
fn probe() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

pub(crate) fn admin(cfg: &mut ServiceConfig, listener: AdminListener) {
    let metrics = get().to(move |request| admin::metrics(request, listener));
    cfg.service(resource("/metrics", "GET", metrics))
        .service(resource("/admin/reload", "POST", post().to(admin::reload)))
        .service(resource("/admin/policies", "GET", get().to(admin::policies)));
}

pub(crate) use admin::{PolicyState, Reloaded};
pub(crate) use probes::Readiness;

#[cfg(test)]
mod tests;
