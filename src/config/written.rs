//! The settings as they may be written: every key typed, nothing decided yet.
//!
//! `None` means that no layer says anything. `resolve` turns this into
//! [`super::Settings`]; the reference of all keys is [`super::keys`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use figment2::Figment;
use figment2::error::{Error, Kind};
use figment2::providers::Serialized;
use figment2::value::{Dict, Value};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::origin::Path;
use super::problem::{Problems, suggest};
use super::sources::Tree;
use crate::api::UnknownFields;
use crate::domain::Limits;
use crate::telemetry::log::LogFormat;

/// Reading stops here; nobody mends more at once.
const PROBLEMS_MAX: usize = 64;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub listen: Option<String>,
    pub admin_listen: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub model: Option<PathBuf>,
    pub upstream: Option<Addresses>,
    pub backend_defaults: Backend,
    pub backends: BTreeMap<String, Backend>,
    pub aliases: BTreeMap<String, String>,
    pub default_model: Option<String>,
    pub policy: Option<PathBuf>,
    pub policies: BTreeMap<String, PathBuf>,
    pub unknown_fields: Option<UnknownFields>,
    pub tls: Tls,
    pub limits: Limits,
    pub api: Api,
    pub exchange: Exchange,
    pub http: Http,
    pub audit: Audit,
    pub log: Log,
    pub shutdown_grace_ms_max: Option<u64>,
    pub workers: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Backend {
    pub model: Option<PathBuf>,
    pub slots: Option<u64>,
    pub queue_requests_max: Option<u64>,
    pub context_tokens: Option<u64>,
    pub tokens_default_max: Option<u64>,
    pub threads: Option<u64>,
    pub upstream: Option<Addresses>,
    pub upstream_model: Option<String>,
    pub api_key_env: Option<String>,
    pub api_key_file: Option<PathBuf>,
    pub connect_timeout_ms: Option<u64>,
    pub first_token_timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub total_timeout_ms_max: Option<u64>,
    pub response_bytes_max: Option<u64>,
    pub event_bytes_max: Option<u64>,
    pub retries_max: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub body_bytes_max: Option<u64>,
    pub body_wait_ms_max: Option<u64>,
    pub messages_max: Option<u64>,
    pub text_bytes_max: Option<u64>,
    pub choices_max: Option<u64>,
    pub tokens_max: Option<u64>,
    pub answer_bytes_max: Option<u64>,
    pub ready_wait_ms_max: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Exchange {
    pub duration_ms_max: Option<u64>,
    pub reader_wait_ms_max: Option<u64>,
    pub cache_entries_max: Option<u64>,
    pub cache_bytes_max: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub request_timeout_ms_max: Option<u64>,
    pub keep_alive_ms_max: Option<u64>,
    pub connections_max: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub queue_records_max: Option<u64>,
    pub segment_bytes_max: Option<u64>,
    pub append_wait_ms_max: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub format: Option<LogFormat>,
    pub level: Option<String>,
}

/// One address, several in a list, or several in one text, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses(pub Vec<String>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AddressesVisitor;
        impl<'de> Visitor<'de> for AddressesVisitor {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL or a list of URLs")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Addresses, E> {
                Ok(Addresses(text.split(',').map(|url| url.trim().to_owned()).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Addresses, A::Error> {
                let mut urls = Vec::new();
                while let Some(url) = items.next_element::<String>()? {
                    urls.push(url);
                }
                Ok(Addresses(urls))
            }
        }
        deserializer.deserialize_any(AddressesVisitor)
    }
}

/// Reads the tree. A value that does not fit is a problem; it is left out and reading goes on, so
/// that every mistake is found.
pub(super) fn read(tree: &Tree, problems: &mut Problems) -> Written {
    let mut dict = tree.to_dict();
    for _ in 0..PROBLEMS_MAX {
        let error = match Figment::from(Serialized::defaults(&dict)).extract_lossy::<Written>() {
            Ok(written) => return written,
            Err(error) => error,
        };
        let (path, message, help) = describe(&error);
        let removed = remove_nearest(&mut dict, &path);
        let origin = tree.origin(&removed).unwrap_or_default();
        problems.add(&path, origin, message, help);
        if removed.is_empty() {
            break;
        }
    }
    Written::default()
}

fn describe(error: &Error) -> (Path, String, Option<String>) {
    let mut path = error.path.clone();
    let (message, help) = match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            (format!("`{name}` is not a setting"), suggest(name, known))
        }
        Kind::UnknownVariant(name, known) => {
            (format!("`{name}` is not one of the values"), suggest(name, known))
        }
        Kind::InvalidType(found, expected) => {
            (format!("this is a {found}, but {expected} is needed"), None)
        }
        Kind::InvalidValue(found, expected) => {
            (format!("{found} does not fit: {expected} is needed"), None)
        }
        other => (other.to_string(), None),
    };
    (path, message, help)
}

/// Removes what `path` leads to, or else the nearest thing above it; returns the path removed.
fn remove_nearest(dict: &mut Dict, path: &[String]) -> Path {
    let Some((first, rest)) = path.split_first() else { return Path::new() };
    if let (false, Some(Value::Dict(_, inner))) = (rest.is_empty(), dict.get_mut(first)) {
        let below = remove_nearest(inner, rest);
        if !below.is_empty() {
            return std::iter::once(first.clone()).chain(below).collect();
        }
    }
    match dict.remove(first) {
        Some(_) => vec![first.clone()],
        None => Path::new(),
    }
}
