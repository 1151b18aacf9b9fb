//! The resolved settings: complete, in range, consistent.
//!
//! They serialise in the form in which they may be written, without secrets, so
//! that what `config show` prints is a configuration file. Units stand last in a
//! name: `_ms` milliseconds, `_bytes` bytes, `_tokens` tokens.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Serialize, Serializer};

use crate::api::{ApiConfig, UnknownFields};
use crate::audit::LedgerOptions;
use crate::domain::{Digest, Limits};
use crate::inference::TOKENS_DEFAULT_MAX;
use crate::inference::upstream::Url;
use crate::pipeline;
use crate::policy::Source;
use crate::telemetry::log::LogFormat;

/// Stands for the model or the policy that is part of the program, where a path may stand.
pub const SHIPPED: &str = "shipped";

/// The name under which callers get `default_model`.
pub const DEFAULT_ALIAS: &str = "default";

/// The name of the shipped demonstration model when nothing else is configured.
pub const DEMO_BACKEND: &str = "demo-llama";

#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    pub listen: SocketAddr,
    /// A second listener for metrics and admin routes; they leave the first one then.
    pub admin_listen: Option<SocketAddr>,
    /// Holds the audit log and the keys file.
    pub data_dir: PathBuf,
    /// Never empty.
    pub backends: BTreeMap<String, Backend>,
    /// Other names of back ends. Every target exists.
    pub aliases: BTreeMap<String, String>,
    /// The model that callers get as `default`; one of `backends`.
    pub default_model: Option<String>,
    #[serde(serialize_with = "source")]
    pub policy: Source,
    #[serde(serialize_with = "sources")]
    pub policies: BTreeMap<String, Source>,
    pub unknown_fields: UnknownFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Of callers whose key sets none.
    pub limits: Limits,
    pub api: ApiConfig,
    pub exchange: pipeline::Config,
    pub http: Http,
    pub audit: LedgerOptions,
    pub log: Log,
    pub shutdown_grace_ms_max: u64,
    pub workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let demo = Backend::Embedded(Embedded::of(ModelSource::Shipped));
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: None,
            data_dir: PathBuf::from("portcullis-data"),
            backends: BTreeMap::from([(DEMO_BACKEND.to_owned(), demo)]),
            aliases: BTreeMap::new(),
            default_model: None,
            policy: Source::Shipped,
            policies: BTreeMap::new(),
            unknown_fields: UnknownFields::Refuse,
            tls: None,
            limits: Limits::default(),
            api: ApiConfig::default(),
            exchange: pipeline::Config::default(),
            http: Http::default(),
            audit: LedgerOptions::default(),
            log: Log::default(),
            shutdown_grace_ms_max: 30_000,
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl Settings {
    /// Threads that compute, one number for all models: the most that any asks for, and all
    /// cores (`None`) when one of them sets none.
    pub fn model_threads(&self) -> Option<NonZero<usize>> {
        let embedded = self.backends.values().filter_map(|backend| match backend {
            Backend::Embedded(embedded) => Some(embedded.threads.unwrap_or(usize::MAX)),
            Backend::Upstream(_) => None,
        });
        embedded.max().filter(|threads| *threads != usize::MAX).and_then(NonZero::new)
    }

    /// Identifies the settings in the audit log: SHA-256 over their JSON form, without secrets.
    pub fn digest(&self) -> Digest {
        // Serialising plain data to memory cannot fail; an empty text would still be a digest.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Backend {
    Embedded(Embedded),
    Upstream(Box<Upstream>),
}

/// A model that runs in this process.
#[derive(Debug, Clone, Serialize)]
pub struct Embedded {
    pub model: ModelSource,
    /// Requests that generate at the same time.
    pub slots: usize,
    pub queue_requests_max: usize,
    /// `None`: as long as the model allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<usize>,
    /// For requests that set no limit.
    pub tokens_default_max: u32,
    /// `None`: all cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

impl Embedded {
    pub const fn of(model: ModelSource) -> Self {
        // A model as small as the shipped one only loses by waiting for other threads.
        let threads = if matches!(model, ModelSource::Shipped) { Some(1) } else { None };
        Self {
            model,
            slots: 4,
            queue_requests_max: 64,
            context_tokens: None,
            tokens_default_max: TOKENS_DEFAULT_MAX,
            threads,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    Shipped,
    Path(PathBuf),
}

impl Serialize for ModelSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shipped => serializer.serialize_str(SHIPPED),
            Self::Path(path) => path.serialize(serializer),
        }
    }
}

/// A model that another server runs.
#[derive(Debug, Clone, Serialize)]
pub struct Upstream {
    /// Base URLs of equal servers, without credentials. Never empty.
    #[serde(rename = "upstream", serialize_with = "urls")]
    pub urls: Vec<Url>,
    /// The name sent to the server; `None`: the back end's own.
    #[serde(rename = "upstream_model", skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Read from one of the two above.
    #[serde(skip)]
    pub api_key: Option<SecretString>,
    /// For requests that set no limit.
    pub tokens_default_max: u32,
    pub connect_timeout_ms: u64,
    pub first_token_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub total_timeout_ms_max: u64,
    pub response_bytes_max: usize,
    pub event_bytes_max: usize,
    pub retries_max: u32,
}

impl Upstream {
    pub const fn of(urls: Vec<Url>) -> Self {
        Self {
            urls,
            model: None,
            api_key_env: None,
            api_key_file: None,
            api_key: None,
            tokens_default_max: TOKENS_DEFAULT_MAX,
            connect_timeout_ms: 5_000,
            first_token_timeout_ms: 120_000,
            idle_timeout_ms: 60_000,
            total_timeout_ms_max: 600_000,
            response_bytes_max: 16 << 20,
            event_bytes_max: 1 << 20,
            retries_max: 2,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// How connections are kept.
#[derive(Debug, Clone, Serialize)]
pub struct Http {
    /// For the head of a request to arrive.
    pub request_timeout_ms_max: u64,
    pub keep_alive_ms_max: u64,
    /// Per worker.
    pub connections_max: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self { request_timeout_ms_max: 10_000, keep_alive_ms_max: 75_000, connections_max: 10_000 }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Log {
    pub format: LogFormat,
    /// A level or `target=level` directives.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

fn source_text(source: &Source) -> String {
    match source {
        Source::Shipped => SHIPPED.to_owned(),
        Source::File(path) => path.display().to_string(),
    }
}

fn source<S: Serializer>(source: &Source, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&source_text(source))
}

fn sources<S: Serializer>(
    sources: &BTreeMap<String, Source>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(sources.iter().map(|(name, source)| (name, source_text(source))))
}

fn urls<S: Serializer>(urls: &[Url], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(urls.iter().map(Url::as_str))
}
