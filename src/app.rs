//! Composition root: builds a gateway from settings, runs it, stops it in order.
//!
//! ```text
//! build   bind ─ data directory ─ audit log ─ keys ─ policies ─ models ─ `started`
//! run     servers ─ background (policy files, SIGHUP, keys, gauges)
//! stop    stop accepting ─ drain exchanges ─ background ─ `stopped` ─ close the log
//! ```
//!
//! Only this module names concrete back ends and puts the parts together. `cli`
//! calls it; tests use the same door with back ends of their own.

mod announce;
mod backends;
mod background;
mod demo;
mod listen;
mod run;
mod signals;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Gate, KeyStore};
use crate::api::{ApiConfig, Edge};
use crate::audit::record::{LoadedModel, LoadedPolicy};
use crate::audit::{self, Entry, Ledger, Recovery};
use crate::config::Settings;
use crate::config::settings;
use crate::inference::{Backend, Registry};
use crate::pipeline::{self, Pipeline};
use crate::policy::{Cache, Store};
use crate::telemetry::Metrics;
use listen::Listener;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A gateway that is ready to serve: addresses are bound, everything is loaded.
#[derive(Debug)]
pub struct Application {
    settings: Settings,
    public: Listener,
    admin: Option<Listener>,
    tls: Option<rustls::ServerConfig>,
    keys: Arc<KeyStore>,
    edge: Edge,
    recovery: Recovery,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StartError {
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub use run::StopError;

impl StartError {
    fn new(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

impl Application {
    /// Builds a gateway with the back ends of the settings.
    ///
    /// # Errors
    /// When an address is taken, the log is damaged or locked, or a file cannot be loaded.
    pub async fn build(settings: Settings) -> Result<Self, StartError> {
        Self::build_with(settings, backends::start).await
    }

    /// Builds a gateway with other back ends than those of the settings.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn with_backends(
        settings: Settings,
        backends: Vec<Arc<dyn Backend>>,
    ) -> Result<Self, StartError> {
        Self::build_with(settings, |_| Ok(backends)).await
    }

    async fn build_with<F>(settings: Settings, start: F) -> Result<Self, StartError>
    where
        F: FnOnce(&Settings) -> Result<Vec<Arc<dyn Backend>>, StartError> + Send + 'static,
    {
        let public = Listener::bind(settings.listen)?;
        let admin = settings.admin_listen.map(Listener::bind).transpose()?;
        let tls = settings.tls.as_ref().map(listen::tls).transpose()?;
        let (ledger, recovery) = open_ledger(&settings)?;
        let keys = open_keys(&settings)?;
        let policies = load_policies(&settings)?;
        let (settings, backends) = blocking(move || (start(&settings), settings)).await?;
        let metrics =
            Metrics::new().map_err(|error| StartError::new("cannot set up the metrics", error))?;
        let metrics = Arc::new(metrics);
        for (name, engine) in policies.all() {
            metrics.policy_loaded(&name, engine.version(), engine.digest());
        }
        let pipeline = Arc::new(Pipeline {
            policies: Arc::new(policies),
            cache: Cache::new(
                settings.exchange.cache_entries_max,
                settings.exchange.cache_bytes_max,
            ),
            backends: Registry::new(backends, aliases(&settings)),
            ledger,
            metrics: Arc::clone(&metrics),
            config: settings.exchange.clone(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let gate = Arc::new(Gate::new(Arc::clone(&keys), settings.limits.clone()));
        let edge = Edge { pipeline, gate, metrics, config: api_config(&settings) };
        let application = Self { settings, public, admin, tls, keys, edge, recovery };
        application.record_start().await?;
        Ok(application)
    }

    /// Where the API is served; the port that was bound when the settings say 0.
    pub const fn address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where metrics and admin routes are served, when not beside the API.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    async fn record_start(&self) -> Result<(), StartError> {
        let pipeline = &self.edge.pipeline;
        let engines = pipeline.policies.all();
        let exceptions = engines.iter().flat_map(|(_, engine)| pipeline::loaded_exceptions(engine));
        let policies = engines.iter().map(|(_, engine)| LoadedPolicy {
            name: engine.name().to_owned(),
            version: engine.version().to_owned(),
            digest: engine.digest(),
        });
        let models = pipeline.backends.backends().map(|backend| {
            let info = backend.info();
            LoadedModel { name: info.name.to_string(), digest: info.digest }
        });
        let started = Entry::Started {
            version: VERSION.to_owned(),
            config: self.settings.digest(),
            policies: policies.collect(),
            models: models.collect(),
            exceptions: exceptions.collect(),
        };
        let appended = pipeline.ledger.append(started).await;
        appended.map(drop).map_err(|error| StartError::new("cannot write the audit log", error))
    }
}

/// Loading a model reads gigabytes; that is not for a thread that serves others.
async fn blocking<F>(load: F) -> Result<(Settings, Vec<Arc<dyn Backend>>), StartError>
where
    F: FnOnce() -> (Result<Vec<Arc<dyn Backend>>, StartError>, Settings) + Send + 'static,
{
    let (backends, settings) = tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| StartError::new("loading the models was interrupted", error))?;
    Ok((settings, backends?))
}

fn open_ledger(settings: &Settings) -> Result<(Ledger, Recovery), StartError> {
    let directory = audit::directory_in(&settings.data_dir);
    Ledger::open(&directory, settings.audit.clone())
        .map_err(|error| StartError::new("the audit log cannot be used", error))
}

fn open_keys(settings: &Settings) -> Result<Arc<KeyStore>, StartError> {
    let path = admission::keys_file_in(&settings.data_dir);
    KeyStore::open(&path)
        .map(Arc::new)
        .map_err(|error| StartError::new("the keys file cannot be used", error))
}

fn load_policies(settings: &Settings) -> Result<Store, StartError> {
    let mut sources = settings.policies.clone();
    sources.insert(Store::DEFAULT.to_owned(), settings.policy.clone());
    Store::load(sources).map_err(|error| StartError::new("cannot load the policies", error))
}

fn aliases(settings: &Settings) -> BTreeMap<String, Arc<str>> {
    let mut aliases: BTreeMap<String, Arc<str>> = settings
        .aliases
        .iter()
        .map(|(alias, name)| (alias.clone(), name.as_str().into()))
        .collect();
    if let Some(name) = &settings.default_model {
        aliases.insert(settings::DEFAULT_ALIAS.to_owned(), name.as_str().into());
    }
    aliases
}

fn api_config(settings: &Settings) -> ApiConfig {
    ApiConfig { unknown_fields: settings.unknown_fields, ..settings.api.clone() }
}
