//! Which models are served: the named back ends, or one written as a shorthand.
//!
//! `model` and `upstream` at the top level stand for one back end. They replace
//! what lower layers say, so that `--model x.gguf` tries a model out whatever the
//! file configures; within one layer only one of the three may be used.

use std::collections::BTreeMap;

use super::backend;
use super::value::Resolver;
use crate::config::origin::Path;
use crate::config::problem::suggest;
use crate::config::settings::{Backend, DEFAULT_ALIAS, DEMO_BACKEND, ModelSource, SHIPPED};
use crate::config::written::{self, Written};

const BACKENDS_MAX: usize = 64;

const NAME_CHARS_MAX: usize = 128;

/// The name of a server given as `upstream` without `upstream_model`.
const UPSTREAM_NAME: &str = "upstream";

type Resolved = (BTreeMap<String, Backend>, BTreeMap<Path, Path>);

pub(super) fn resolve(resolver: &mut Resolver<'_>, written: &Written) -> Resolved {
    let defaults = &written.backend_defaults;
    if defaults.model.is_some() || defaults.upstream.is_some() {
        let key = ["backend_defaults", if defaults.model.is_some() { "model" } else { "upstream" }];
        resolver.problem(&key, "a default cannot say which model is served", None);
    }
    let ways = ["model", "upstream", "backends"];
    let layers = ways.map(|key| (resolver.tree.layer(key), key));
    let top = layers.iter().map(|(layer, _)| *layer).max().unwrap_or_default();
    let used: Vec<&str> =
        layers.iter().filter(|(layer, _)| top > 0 && *layer == top).map(|(_, key)| *key).collect();
    if let [first, second, ..] = used.as_slice() {
        let message = format!("`{first}` and `{second}` are set at the same place");
        let help = "name each model under `backends` to serve several";
        resolver.problem(&[second], &message, Some(help));
    }
    // Usually one; of several, each is checked.
    let ways = used.iter().map(|way| match *way {
        "backends" => (named(resolver, written), BTreeMap::new()),
        shorthand => shorthand_backend(resolver, written, shorthand),
    });
    let resolved = ways.reduce(|mut all, way| {
        all.0.extend(way.0);
        all.1.extend(way.1);
        all
    });
    resolved.unwrap_or_else(|| demo(resolver, defaults))
}

/// The demonstration model, tuned by `backend_defaults`.
fn demo(resolver: &mut Resolver<'_>, defaults: &written::Backend) -> Resolved {
    let key = ["backends", DEMO_BACKEND];
    let own = written::Backend::default();
    let demo = backend::embedded(resolver, &key, ModelSource::Shipped, &own, defaults);
    (BTreeMap::from([(DEMO_BACKEND.to_owned(), demo)]), BTreeMap::new())
}

fn shorthand_backend(resolver: &mut Resolver<'_>, written: &Written, shorthand: &str) -> Resolved {
    let defaults = &written.backend_defaults;
    let own = written::Backend {
        model: written.model.clone().filter(|_| shorthand == "model"),
        upstream: written.upstream.clone().filter(|_| shorthand == "upstream"),
        ..written::Backend::default()
    };
    let name = match &own.model {
        Some(path) => name_of_model(path),
        None => defaults.upstream_model.clone().unwrap_or_else(|| UPSTREAM_NAME.to_owned()),
    };
    let backend = backend::resolve(resolver, &[shorthand], &[shorthand], &own, defaults);
    let resolved = vec!["backends".to_owned(), name.clone(), shorthand.to_owned()];
    let shorthands = BTreeMap::from([(resolved, vec![shorthand.to_owned()])]);
    (backend.map(|backend| (name, backend)).into_iter().collect(), shorthands)
}

/// A file's stem or a directory's name, with anything unusual in a model name made a dash.
fn name_of_model(path: &std::path::Path) -> String {
    if path.as_os_str() == SHIPPED {
        return DEMO_BACKEND.to_owned();
    }
    let name = match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("gguf") => path.file_stem(),
        _ => path.file_name(),
    };
    let name = name.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
    name.chars().take(NAME_CHARS_MAX).map(|c| if is_name_char(c) { c } else { '-' }).collect()
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._:/@+-".contains(c)
}

fn named(resolver: &mut Resolver<'_>, written: &Written) -> BTreeMap<String, Backend> {
    if written.backends.len() > BACKENDS_MAX {
        let message = format!("more than {BACKENDS_MAX} back ends are configured");
        resolver.problem(&["backends"], &message, None);
    }
    let mut backends = BTreeMap::new();
    for (name, own) in &written.backends {
        let key = ["backends", name.as_str()];
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_name_char) {
            let message = format!(
                "a model name has 1 to {NAME_CHARS_MAX} of the characters A-Z a-z 0-9 . _ : / @ + -"
            );
            resolver.problem(&key, &message, None);
        }
        let path = ["backends", name.as_str(), "model"];
        let addresses = ["backends", name.as_str(), "upstream"];
        let place: &[&str] = if own.model.is_some() { &path } else { &addresses };
        if let Some(backend) =
            backend::resolve(resolver, &key, place, own, &written.backend_defaults)
        {
            backends.insert(name.clone(), backend);
        }
    }
    if written.backends.is_empty() {
        let help = "name at least one, e.g. `backends: {llama: {model: /models/llama.gguf}}`";
        resolver.missing(&["backends"], "no model is configured", Some(help));
    }
    backends
}

/// A configured model under the name [`DEFAULT_ALIAS`].
pub(super) fn default_model(
    resolver: &mut Resolver<'_>,
    written: &Written,
    backends: &BTreeMap<String, Backend>,
) -> Option<String> {
    let name = written.default_model.as_ref()?;
    need_model(resolver, &["default_model"], name, written, backends);
    let taken = written.aliases.contains_key(DEFAULT_ALIAS) || backends.contains_key(DEFAULT_ALIAS);
    if taken {
        let message = format!("the name `{DEFAULT_ALIAS}` is taken by a model or an alias");
        resolver.problem(&["default_model"], &message, None);
    }
    Some(name.clone())
}

/// The aliases; their targets exist.
pub(super) fn aliases(
    resolver: &mut Resolver<'_>,
    written: &Written,
    backends: &BTreeMap<String, Backend>,
) -> BTreeMap<String, String> {
    for (alias, target) in &written.aliases {
        let key = ["aliases", alias.as_str()];
        if backends.contains_key(alias) {
            resolver.problem(&key, "a model of this name is configured", None);
        }
        need_model(resolver, &key, target, written, backends);
    }
    written.aliases.clone()
}

/// A model whose own settings are wrong counts as configured: one problem is enough.
fn need_model(
    resolver: &mut Resolver<'_>,
    key: &[&str],
    name: &str,
    written: &Written,
    backends: &BTreeMap<String, Backend>,
) {
    if !backends.contains_key(name) && !written.backends.contains_key(name) {
        let known: Vec<&str> = backends.keys().map(String::as_str).collect();
        let message = format!("no model `{name}` is configured");
        resolver.missing(key, &message, suggest(name, &known).as_deref());
    }
}
