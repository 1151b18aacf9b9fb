//! From what was written to settings that can be used, or problems.
//!
//! Ranges, combinations and the existence of files are checked here, so that a
//! gateway that starts does not fail later over its settings. Called by
//! [`super::load`].

mod backend;
mod backends;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::origin::Path;
use super::problem::Problems;
use super::settings::{Http, Log, SHIPPED, Settings, Tls};
use super::sources::Tree;
use super::written::{self, Written};
use crate::api::ApiConfig;
use crate::audit::LedgerOptions;
use crate::pipeline;
use crate::policy::{Source, Store};
use crate::telemetry::log;
use value::Resolver;

const POLICY_NAME_CHARS_MAX: usize = 64;

const MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// The settings, and for values that were written as a shorthand, where that stands.
pub(super) fn resolve(
    written: Written,
    tree: &Tree,
    environment: &[(String, String)],
    problems: &mut Problems,
) -> (Settings, BTreeMap<Path, Path>) {
    let defaults = Settings::default();
    let mut resolver = Resolver { tree, environment, problems };
    let (backends, shorthands) = backends::resolve(&mut resolver, &written);
    let aliases = backends::aliases(&mut resolver, &written, &backends);
    let default_model = backends::default_model(&mut resolver, &written, &backends);
    let listen = written.listen.as_deref();
    let listen = resolver.address("listen", listen).unwrap_or(defaults.listen);
    let settings = Settings {
        listen,
        admin_listen: admin(&mut resolver, written.admin_listen.as_deref(), listen),
        data_dir: resolver.located(&["data_dir"], written.data_dir.unwrap_or(defaults.data_dir)),
        backends,
        aliases,
        default_model,
        policy: written
            .policy
            .map_or(Source::Shipped, |path| policy_source(&mut resolver, &["policy"], path)),
        policies: policies(&mut resolver, written.policies),
        unknown_fields: written.unknown_fields.unwrap_or(defaults.unknown_fields),
        tls: tls(&mut resolver, written.tls),
        limits: written.limits,
        api: api(&mut resolver, &written.api),
        exchange: exchange(&mut resolver, &written.exchange),
        http: http(&mut resolver, &written.http),
        audit: audit(&mut resolver, &written.audit),
        log: logging(&mut resolver, written.log),
        shutdown_grace_ms_max: resolver.number(
            &["shutdown_grace_ms_max"],
            written.shutdown_grace_ms_max,
            0..=MS_MAX,
            defaults.shutdown_grace_ms_max,
        ),
        workers: resolver.number(&["workers"], written.workers, 1..=512, defaults.workers),
    };
    (settings, shorthands)
}

fn admin(
    resolver: &mut Resolver<'_>,
    written: Option<&str>,
    listen: SocketAddr,
) -> Option<SocketAddr> {
    let admin = resolver.address("admin_listen", written)?;
    if admin == listen && admin.port() != 0 {
        let help = "leave it out to serve admin routes on `listen`, or choose another port";
        resolver.problem(&["admin_listen"], "this is the address of `listen`", Some(help));
    }
    Some(admin)
}

fn policies(
    resolver: &mut Resolver<'_>,
    written: BTreeMap<String, PathBuf>,
) -> BTreeMap<String, Source> {
    let mut policies = BTreeMap::new();
    for (name, path) in written {
        let key = ["policies", name.as_str()];
        if name == Store::DEFAULT {
            let help = "write its path as `policy`";
            resolver.problem(&key, "this name belongs to the default policy", Some(help));
        } else if !is_name(&name) {
            let message = "a policy name is made of a-z, 0-9, `.`, `_` and `-`, at most 64";
            resolver.problem(&key, message, None);
        }
        let source = policy_source(resolver, &key, path);
        policies.insert(name, source);
    }
    policies
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    !name.is_empty() && name.len() <= POLICY_NAME_CHARS_MAX && name.chars().all(allowed)
}

/// A directory stands for the `policy.yaml` in it.
fn policy_source(resolver: &mut Resolver<'_>, key: &[&str], path: PathBuf) -> Source {
    if path.as_os_str() == SHIPPED {
        return Source::Shipped;
    }
    let path = resolver.located(key, path);
    let path = if path.is_dir() { path.join("policy.yaml") } else { path };
    resolver.need_file(key, &path);
    Source::File(path)
}

fn tls(resolver: &mut Resolver<'_>, written: written::Tls) -> Option<Tls> {
    let (certificate, key) = match (written.certificate, written.key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            resolver.missing(&["tls", "certificate"], "`tls.key` is missing", None);
            return None;
        }
        (None, Some(_)) => {
            resolver.missing(&["tls", "key"], "`tls.certificate` is missing", None);
            return None;
        }
    };
    let certificate = resolver.located(&["tls", "certificate"], certificate);
    let key = resolver.located(&["tls", "key"], key);
    let files = Tls { certificate, key };
    let found = resolver.need_file(&["tls", "certificate"], &files.certificate);
    if resolver.need_file(&["tls", "key"], &files.key) && found {
        for error in super::tls::server_config(&files).err().into_iter().flatten() {
            resolver.problem(&["tls", error.key], &error.to_string(), None);
        }
    }
    Some(files)
}

fn api(resolver: &mut Resolver<'_>, written: &written::Api) -> ApiConfig {
    let defaults = ApiConfig::default();
    let bytes = 1024..=1 << 30;
    ApiConfig {
        unknown_fields: defaults.unknown_fields,
        body_bytes_max: resolver.number(
            &["api", "body_bytes_max"],
            written.body_bytes_max,
            bytes.clone(),
            defaults.body_bytes_max,
        ),
        body_wait_ms_max: resolver.number(
            &["api", "body_wait_ms_max"],
            written.body_wait_ms_max,
            100..=MS_MAX,
            defaults.body_wait_ms_max,
        ),
        messages_max: resolver.number(
            &["api", "messages_max"],
            written.messages_max,
            1..=1_000_000,
            defaults.messages_max,
        ),
        text_bytes_max: resolver.number(
            &["api", "text_bytes_max"],
            written.text_bytes_max,
            bytes.clone(),
            defaults.text_bytes_max,
        ),
        choices_max: resolver.number(
            &["api", "choices_max"],
            written.choices_max,
            1..=128,
            defaults.choices_max,
        ),
        tokens_max: resolver.number(
            &["api", "tokens_max"],
            written.tokens_max,
            1..=10_000_000,
            defaults.tokens_max,
        ),
        answer_bytes_max: resolver.number(
            &["api", "answer_bytes_max"],
            written.answer_bytes_max,
            bytes,
            defaults.answer_bytes_max,
        ),
        ready_wait_ms_max: resolver.number(
            &["api", "ready_wait_ms_max"],
            written.ready_wait_ms_max,
            10..=60_000,
            defaults.ready_wait_ms_max,
        ),
    }
}

fn exchange(resolver: &mut Resolver<'_>, written: &written::Exchange) -> pipeline::Config {
    let defaults = pipeline::Config::default();
    pipeline::Config {
        duration_ms_max: resolver.number(
            &["exchange", "duration_ms_max"],
            written.duration_ms_max,
            1_000..=MS_MAX,
            defaults.duration_ms_max,
        ),
        reader_wait_ms_max: resolver.number(
            &["exchange", "reader_wait_ms_max"],
            written.reader_wait_ms_max,
            100..=MS_MAX,
            defaults.reader_wait_ms_max,
        ),
        cache_entries_max: resolver.number(
            &["exchange", "cache_entries_max"],
            written.cache_entries_max,
            0..=1 << 32,
            defaults.cache_entries_max,
        ),
        cache_bytes_max: resolver.number(
            &["exchange", "cache_bytes_max"],
            written.cache_bytes_max,
            0..=1 << 40,
            defaults.cache_bytes_max,
        ),
    }
}

fn http(resolver: &mut Resolver<'_>, written: &written::Http) -> Http {
    let defaults = Http::default();
    Http {
        request_timeout_ms_max: resolver.number(
            &["http", "request_timeout_ms_max"],
            written.request_timeout_ms_max,
            // The HTTP library's clock ticks twice a second: less would end requests at once.
            1_000..=MS_MAX,
            defaults.request_timeout_ms_max,
        ),
        keep_alive_ms_max: resolver.number(
            &["http", "keep_alive_ms_max"],
            written.keep_alive_ms_max,
            0..=MS_MAX,
            defaults.keep_alive_ms_max,
        ),
        connections_max: resolver.number(
            &["http", "connections_max"],
            written.connections_max,
            1..=1_000_000,
            defaults.connections_max,
        ),
    }
}

fn audit(resolver: &mut Resolver<'_>, written: &written::Audit) -> LedgerOptions {
    let defaults = LedgerOptions::default();
    LedgerOptions {
        queue_records_max: resolver.number(
            &["audit", "queue_records_max"],
            written.queue_records_max,
            1..=1_000_000,
            defaults.queue_records_max,
        ),
        segment_bytes_max: resolver.number(
            &["audit", "segment_bytes_max"],
            written.segment_bytes_max,
            4096..=1 << 40,
            defaults.segment_bytes_max,
        ),
        append_wait_ms_max: resolver.number(
            &["audit", "append_wait_ms_max"],
            written.append_wait_ms_max,
            10..=MS_MAX,
            defaults.append_wait_ms_max,
        ),
    }
}

fn logging(resolver: &mut Resolver<'_>, written: written::Log) -> Log {
    let defaults = Log::default();
    let level = written.level.unwrap_or(defaults.level);
    if let Err(error) = log::check(&level) {
        resolver.problem(&["log", "level"], &error.to_string(), None);
    }
    Log { format: written.format.unwrap_or(defaults.format), level }
}
