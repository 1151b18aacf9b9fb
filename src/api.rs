//! The HTTP edge: routes, wire formats, one error-to-status file, one SSE writer.
//!
//! It understands requests completely or refuses them ([`fields`] has the
//! decision about every field), hands them to the pipeline, and can write only
//! what the pipeline released. It knows no rules and no models. `app` composes
//! the servers and calls [`configure_public`] and [`configure_admin`].

mod answer;
mod auth;
mod body;
mod docs;
mod envelope;
mod error;
mod fields;
mod headers;
mod invalid;
mod json;
mod layer;
mod offsets;
mod routes;
mod sse;
mod system_card;
mod wire;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use serde::{Deserialize, Serialize};

use crate::admission::Gate;
use crate::pipeline::Pipeline;
use crate::telemetry::Metrics;

pub use fields::Unknown as UnknownFields;

/// Everything that the routes need.
#[derive(Debug)]
pub struct Edge {
    pub pipeline: Arc<Pipeline>,
    pub gate: Arc<Gate>,
    pub metrics: Arc<Metrics>,
    pub config: ApiConfig,
}

/// Limits of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// What is done with request fields that nobody reviewed; a setting of its own name.
    #[serde(skip)]
    pub unknown_fields: UnknownFields,
    /// Bytes of a request body.
    pub body_bytes_max: usize,
    /// How long a request body may take to arrive.
    pub body_wait_ms_max: u64,
    /// Messages of one chat.
    pub messages_max: usize,
    /// Bytes of all text of one request.
    pub text_bytes_max: usize,
    /// The most answers to one prompt.
    pub choices_max: u32,
    /// The most tokens per choice that may be asked for.
    pub tokens_max: u32,
    /// Bytes of an answer that is collected instead of streamed.
    pub answer_bytes_max: usize,
    /// How long the back ends may take to say that they are ready.
    pub ready_wait_ms_max: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            unknown_fields: UnknownFields::Refuse,
            body_bytes_max: 4 << 20,
            body_wait_ms_max: 30_000,
            messages_max: 2048,
            text_bytes_max: 1 << 20,
            choices_max: 8,
            tokens_max: 131_072,
            answer_bytes_max: 8 << 20,
            ready_wait_ms_max: 2_000,
        }
    }
}

/// Where the admin routes are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminListener {
    /// Beside the API: metrics need an admin key or a direct loopback connection.
    Shared,
    /// On an address of its own, which the operator keeps private: metrics are open there.
    Own,
}

/// The API, the pages about it, and the probes.
pub fn configure_public(cfg: &mut ServiceConfig, edge: web::Data<Edge>) {
    cfg.app_data(edge);
    routes::api(cfg);
    routes::probes(cfg);
    docs::pages(cfg);
    cfg.default_service(web::to(layer::not_found));
}

/// Metrics and the admin routes; with their own listener, the probes too.
pub fn configure_admin(cfg: &mut ServiceConfig, edge: web::Data<Edge>, listener: AdminListener) {
    cfg.app_data(edge);
    routes::admin(cfg, listener);
    if listener == AdminListener::Own {
        routes::probes(cfg);
        cfg.default_service(web::to(layer::not_found));
    }
}

#[cfg(test)]
mod fixtures;
