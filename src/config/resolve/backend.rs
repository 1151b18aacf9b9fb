//! One back end: which kind it is, and its own values over the defaults of all.

use std::path::PathBuf;

use super::MS_MAX;
use super::value::Resolver;
use crate::config::settings::{Backend, Embedded, ModelSource, SHIPPED, Upstream};
use crate::config::written::{self, Addresses};

/// `key` leads to the back end, `place` to its `model` or `upstream`.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    key: &[&str],
    place: &[&str],
    own: &written::Backend,
    defaults: &written::Backend,
) -> Option<Backend> {
    match (&own.model, &own.upstream) {
        (Some(path), None) => {
            refuse(resolver, key, "is for models of other servers", &proxy_keys(own));
            let source = model_source(resolver, place, path.clone());
            Some(embedded(resolver, key, source, own, defaults))
        }
        (None, Some(addresses)) => {
            refuse(resolver, key, "is for models that run in this process", &embedded_keys(own));
            upstream(resolver, key, place, addresses, own, defaults)
        }
        (Some(path), Some(addresses)) => {
            resolver.problem(key, "`model` and `upstream` exclude each other", None);
            // Whichever of them goes, what stays should be right.
            let [model, server] = ["model", "upstream"].map(|own| [key, &[own]].concat());
            let source = model_source(resolver, &model, path.clone());
            embedded(resolver, key, source, own, defaults);
            upstream(resolver, key, &server, addresses, own, defaults);
            None
        }
        (None, None) => {
            let help = "write `model: PATH` or `upstream: URL`";
            resolver.problem(key, "it says neither `model` nor `upstream`", Some(help));
            None
        }
    }
}

fn model_source(resolver: &mut Resolver<'_>, place: &[&str], path: PathBuf) -> ModelSource {
    if path.as_os_str() == SHIPPED {
        return ModelSource::Shipped;
    }
    let path = resolver.located(place, path);
    if !path.exists() {
        let message = format!("there is no file or directory `{}`", path.display());
        let help = "give a GGUF file or a Hugging Face directory";
        resolver.problem(place, &message, Some(help));
    }
    ModelSource::Path(path)
}

/// Keys that are written but have no meaning for this kind of back end.
fn refuse(resolver: &mut Resolver<'_>, key: &[&str], why: &str, written: &[(&str, bool)]) {
    for (name, _) in written.iter().filter(|(_, is_written)| *is_written) {
        let path: Vec<&str> = key.iter().copied().chain([*name]).collect();
        resolver.problem(&path, &format!("`{name}` {why}"), None);
    }
}

fn embedded_keys(own: &written::Backend) -> [(&'static str, bool); 4] {
    [
        ("slots", own.slots.is_some()),
        ("queue_requests_max", own.queue_requests_max.is_some()),
        ("context_tokens", own.context_tokens.is_some()),
        ("threads", own.threads.is_some()),
    ]
}

fn proxy_keys(own: &written::Backend) -> [(&'static str, bool); 10] {
    [
        ("upstream_model", own.upstream_model.is_some()),
        ("api_key_env", own.api_key_env.is_some()),
        ("api_key_file", own.api_key_file.is_some()),
        ("connect_timeout_ms", own.connect_timeout_ms.is_some()),
        ("first_token_timeout_ms", own.first_token_timeout_ms.is_some()),
        ("idle_timeout_ms", own.idle_timeout_ms.is_some()),
        ("total_timeout_ms_max", own.total_timeout_ms_max.is_some()),
        ("response_bytes_max", own.response_bytes_max.is_some()),
        ("event_bytes_max", own.event_bytes_max.is_some()),
        ("retries_max", own.retries_max.is_some()),
    ]
}

/// Reads a number of a back end, its own or the default, and blames the right place.
macro_rules! pick {
    ($resolver:expr, $key:expr, $own:expr, $defaults:expr, $name:ident, $($rest:tt)*) => {{
        let fallback = ["backend_defaults", stringify!($name)];
        let own: Vec<&str> = $key.iter().copied().chain([stringify!($name)]).collect();
        let place: &[&str] = if $own.$name.is_some() { &own } else { &fallback };
        pick!(@ $resolver, place, $own.$name.or($defaults.$name), $($rest)*)
    }};
    (@ $resolver:expr, $place:expr, $value:expr, optional, $range:expr) => {
        $resolver.optional($place, $value, $range)
    };
    (@ $resolver:expr, $place:expr, $value:expr, $range:expr, $base:expr) => {
        $resolver.number($place, $value, $range, $base)
    };
}

pub(super) fn embedded(
    r: &mut Resolver<'_>,
    key: &[&str],
    model: ModelSource,
    own: &written::Backend,
    defaults: &written::Backend,
) -> Backend {
    let base = Embedded::of(model);
    Backend::Embedded(Embedded {
        slots: pick!(r, key, own, defaults, slots, 1..=256, base.slots),
        queue_requests_max: pick!(
            r,
            key,
            own,
            defaults,
            queue_requests_max,
            1..=100_000,
            base.queue_requests_max
        ),
        context_tokens: pick!(r, key, own, defaults, context_tokens, optional, 16..=1 << 20),
        tokens_default_max: pick!(
            r,
            key,
            own,
            defaults,
            tokens_default_max,
            1..=1 << 20,
            base.tokens_default_max
        ),
        threads: pick!(r, key, own, defaults, threads, optional, 1..=1024).or(base.threads),
        model: base.model,
    })
}

fn upstream(
    r: &mut Resolver<'_>,
    key: &[&str],
    place: &[&str],
    addresses: &Addresses,
    own: &written::Backend,
    d: &written::Backend,
) -> Option<Backend> {
    if addresses.0.is_empty() {
        r.problem(place, "the list of URLs is empty", None);
    }
    let urls: Vec<_> = addresses.0.iter().filter_map(|address| r.url(place, address)).collect();
    let base = Upstream::of(urls);
    let (api_key_env, api_key_file, api_key) = api_key(r, key, own, d);
    let ms = 1..=MS_MAX;
    let bytes = 1024..=1 << 32;
    Some(Backend::Upstream(Box::new(Upstream {
        model: own.upstream_model.clone().or_else(|| d.upstream_model.clone()),
        api_key_env,
        api_key_file,
        api_key,
        tokens_default_max: pick!(
            r,
            key,
            own,
            d,
            tokens_default_max,
            1..=1 << 20,
            base.tokens_default_max
        ),
        connect_timeout_ms: pick!(
            r,
            key,
            own,
            d,
            connect_timeout_ms,
            ms.clone(),
            base.connect_timeout_ms
        ),
        first_token_timeout_ms: pick!(
            r,
            key,
            own,
            d,
            first_token_timeout_ms,
            ms.clone(),
            base.first_token_timeout_ms
        ),
        idle_timeout_ms: pick!(r, key, own, d, idle_timeout_ms, ms.clone(), base.idle_timeout_ms),
        total_timeout_ms_max: pick!(
            r,
            key,
            own,
            d,
            total_timeout_ms_max,
            ms,
            base.total_timeout_ms_max
        ),
        response_bytes_max: pick!(
            r,
            key,
            own,
            d,
            response_bytes_max,
            bytes.clone(),
            base.response_bytes_max
        ),
        event_bytes_max: pick!(r, key, own, d, event_bytes_max, bytes, base.event_bytes_max),
        retries_max: pick!(r, key, own, d, retries_max, 0..=10, base.retries_max),
        urls: base.urls,
    })))
}

type ApiKey = (Option<String>, Option<PathBuf>, Option<secrecy::SecretString>);

/// A back end's own key settings replace the default ones as a whole.
fn api_key(
    r: &mut Resolver<'_>,
    key: &[&str],
    own: &written::Backend,
    defaults: &written::Backend,
) -> ApiKey {
    let is_own = own.api_key_env.is_some() || own.api_key_file.is_some();
    let (from, prefix) = if is_own { (own, key) } else { (defaults, &["backend_defaults"][..]) };
    let env_key: Vec<&str> = prefix.iter().copied().chain(["api_key_env"]).collect();
    let file_key: Vec<&str> = prefix.iter().copied().chain(["api_key_file"]).collect();
    match (&from.api_key_env, &from.api_key_file) {
        (None, None) => (None, None, None),
        (Some(name), Some(path)) => {
            r.problem(&env_key, "`api_key_env` and `api_key_file` exclude each other", None);
            r.secret_of_variable(&env_key, name);
            let path = r.located(&file_key, path.clone());
            r.secret_of_file(&file_key, &path);
            (None, None, None)
        }
        (Some(name), None) => {
            let secret = r.secret_of_variable(&env_key, name);
            (Some(name.clone()), None, secret)
        }
        (None, Some(path)) => {
            let path = r.located(&file_key, path.clone());
            let secret = r.secret_of_file(&file_key, &path);
            (None, Some(path), secret)
        }
    }
}
