//! From settings to running back ends. Reads models from disk: blocks, and may take a while.

use std::sync::Arc;

use super::StartError;
use super::demo::DEMO;
use crate::config::Settings;
use crate::config::settings::{self, ModelSource};
use crate::inference::Backend;
use crate::inference::embedded::{Embedded, EmbeddedConfig};
use crate::inference::upstream::{Upstream, UpstreamConfig};
use crate::model::Model;

const NO_BACKEND: &str = "a model cannot be served";

/// Starts all back ends; the order is that of their names.
pub(super) fn start(settings: &Settings) -> Result<Vec<Arc<dyn Backend>>, StartError> {
    let start = |(name, backend): (&String, &settings::Backend)| match backend {
        settings::Backend::Embedded(embedded) => start_embedded(name, embedded),
        settings::Backend::Upstream(upstream) => start_upstream(name, upstream),
    };
    settings.backends.iter().map(start).collect()
}

fn start_embedded(
    name: &str,
    embedded: &settings::Embedded,
) -> Result<Arc<dyn Backend>, StartError> {
    let model = match &embedded.model {
        ModelSource::Shipped => Model::from_gguf_bytes(DEMO),
        ModelSource::Path(path) => {
            tracing::info!(model = name, path = %path.display(), "loading a model");
            Model::load(path, embedded.context_tokens)
        }
    };
    let model =
        model.map_err(|error| StartError::new(format!("cannot load the model `{name}`"), error))?;
    let config = EmbeddedConfig {
        slots: embedded.slots,
        queue_requests_max: embedded.queue_requests_max,
        context_tokens: embedded.context_tokens,
        tokens_default_max: embedded.tokens_default_max,
        threads: embedded.threads,
    };
    let started = Embedded::start(name.into(), Arc::new(model), config);
    Ok(Arc::new(started.map_err(|error| StartError::new(NO_BACKEND, error))?))
}

fn start_upstream(
    name: &str,
    upstream: &settings::Upstream,
) -> Result<Arc<dyn Backend>, StartError> {
    let config = UpstreamConfig {
        model: upstream.model.clone(),
        api_key: upstream.api_key.clone(),
        tokens_default_max: upstream.tokens_default_max,
        connect_timeout_ms: upstream.connect_timeout_ms,
        first_token_timeout_ms: upstream.first_token_timeout_ms,
        idle_timeout_ms: upstream.idle_timeout_ms,
        total_timeout_ms_max: upstream.total_timeout_ms_max,
        response_bytes_max: upstream.response_bytes_max,
        event_bytes_max: upstream.event_bytes_max,
        retries_max: upstream.retries_max,
        ..UpstreamConfig::new(upstream.urls.clone())
    };
    let started = Upstream::start(name.into(), config);
    Ok(Arc::new(started.map_err(|error| StartError::new(NO_BACKEND, error))?))
}
