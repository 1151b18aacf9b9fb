//! The configuration as an operator meets it: layers, problems, what is shown.

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::settings::{Backend, ModelSource};
use super::*;
use crate::api::UnknownFields;
use crate::policy::Source;

/// A directory with a configuration file and the files that it names.
struct Place(TempDir);

impl Place {
    fn new(yaml: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("portcullis.yaml", yaml);
        place
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sources(&self) -> Sources {
        Sources { file: Some(self.path("portcullis.yaml")), ..Sources::default() }
    }
}

fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_variables(list: &[(&str, &str)]) -> Sources {
    Sources { environment: variables(list), ..Sources::default() }
}

fn flag(name: &str, dotted: &str, value: &str) -> Flag {
    Flag::new(name, dotted, vec![value.to_owned()])
}

fn messages(sources: &Sources) -> String {
    load(sources).unwrap_err().to_string()
}

#[test]
fn nothing_written_gives_the_defaults() {
    let resolved = load(&Sources::default()).unwrap();
    let mut defaults = Settings::default();
    defaults.data_dir = std::path::absolute(&defaults.data_dir).unwrap();
    assert_eq!(resolved.settings.digest(), defaults.digest());
    assert_eq!(resolved.origin(&["listen"]), Origin::Default);
}

#[test]
fn a_higher_layer_wins_and_is_named() {
    let place = Place::new(
        "workers: 1\nlog:\n  level: warn\n  format: json\naudit:\n  queue_records_max: 7\n",
    );
    let mut sources = place.sources();
    sources.environment = variables(&[
        ("PORTCULLIS_WORKERS", "2"),
        ("PORTCULLIS_LOG__LEVEL", "error"),
        ("PORTCULLIS_API__CHOICES_MAX", "3"),
    ]);
    sources.flags = vec![flag("--workers", "workers", "3")];
    let resolved = load(&sources).unwrap();
    let settings = &resolved.settings;

    assert_eq!((settings.workers, settings.log.level.as_str()), (3, "error"));
    assert_eq!((settings.audit.queue_records_max, settings.api.choices_max), (7, 3));
    assert_eq!(resolved.origin(&["workers"]).to_string(), "--workers");
    assert_eq!(resolved.origin(&["log", "level"]).to_string(), "PORTCULLIS_LOG__LEVEL");
    assert!(resolved.origin(&["log", "format"]).to_string().ends_with("portcullis.yaml:4"));
    assert_eq!(resolved.origin(&["api", "messages_max"]), Origin::Default);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let place = Place::new(concat!(
        "listen: everywhere\n",
        "lisetn: 127.0.0.1:1\n",
        "workers: many\n",
        "audit:\n  queue_records_max: 0\n  queu: 3\n",
        "unknown_fields: drop\n",
        "backends:\n  a: {model: /nowhere/a.gguf, retries_max: 1}\n  b: {}\n",
        "aliases: {gpt-4o: c}\n",
        "limits: {requests_per_minute: 0}\n",
        "tls: {key: /nowhere/key.pem}\n",
    ));
    let mut sources = place.sources();
    sources.environment =
        variables(&[("PORTCULLIS_POLICI", "x"), ("PORTCULLIS_LOG__LEVEL", "a=b")]);
    let text = messages(&sources);

    for expected in [
        "portcullis.yaml:1: listen: `everywhere`",
        "portcullis.yaml:2: lisetn: `lisetn` is not a setting\n    help: did you mean `listen`?",
        "portcullis.yaml:3: workers: this is a string \"many\"",
        "portcullis.yaml:5: audit.queue_records_max: 0 is not between 1",
        "portcullis.yaml:6: audit.queu: `queu` is not a setting",
        "portcullis.yaml:7: unknown_fields: `drop` is not one of the values",
        "portcullis.yaml:9: backends.a.model: there is no file or directory `/nowhere/a.gguf`",
        "portcullis.yaml:9: backends.a.retries_max: `retries_max` is for models of other servers",
        "portcullis.yaml:10: backends.b: it says neither",
        "portcullis.yaml:11: aliases.gpt-4o: no model `c` is configured",
        "portcullis.yaml:12: limits.requests_per_minute:",
        "portcullis.yaml:13: tls.key: `tls.certificate` is missing",
        "PORTCULLIS_POLICI: polici: `polici` is not a setting\n    help: did you mean `policy`?",
        "PORTCULLIS_LOG__LEVEL: log.level: `a=b` is not a log level",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from\n{text}");
    }
    assert!(text.starts_with("the configuration has 14 problems"), "{text}");
}

#[test]
fn one_slip_of_the_pen_hides_no_other_mistake() {
    let place = Place::new(concat!(
        "workers: many\n",
        "backends: {a: {model: shipped, slots: 0}\n",
        "aliases: {gpt-4o: a}\n",
        "tls:\n   key: /nowhere/key.pem\n  certificate: x\n",
        "audit: {queue_records_max: 0}\n",
        "lisetn: 127.0.0.1:1\n",
        "workers: 1\n",
    ));
    let text = messages(&place.sources());
    for expected in [
        "portcullis.yaml:1: workers: this is a string \"many\"",
        "portcullis.yaml:7: audit.queue_records_max: 0 is not between 1",
        "portcullis.yaml:8: lisetn: `lisetn` is not a setting",
        "portcullis.yaml:9: the setting `workers` is written twice",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from\n{text}");
    }
    assert!(text.starts_with("the configuration has 6 problems"), "two more are syntax: {text}");
    // What may stand in the broken parts is not said to be missing.
    assert!(!text.contains("no model") && !text.contains("is missing"), "{text}");
}

#[test]
fn a_back_end_of_two_kinds_is_checked_as_both() {
    let place = Place::new(concat!(
        "backends:\n  a:\n    model: /nowhere/a.gguf\n    upstream: nowhere\n    slots: 0\n",
        "    retries_max: 99\n    api_key_env: NO_SUCH_KEY\n    api_key_file: /nowhere/key\n",
    ));
    let text = messages(&place.sources());
    for expected in [
        "portcullis.yaml:2: backends.a: `model` and `upstream` exclude each other",
        "portcullis.yaml:3: backends.a.model: there is no file or directory `/nowhere/a.gguf`",
        "portcullis.yaml:4: backends.a.upstream: this is not the URL of a server",
        "portcullis.yaml:5: backends.a.slots: 0 is not between 1",
        "portcullis.yaml:6: backends.a.retries_max: 99 is not between 0",
        "portcullis.yaml:7: backends.a.api_key_env: `api_key_env` and `api_key_file` exclude",
        "portcullis.yaml:7: backends.a.api_key_env: the variable `NO_SUCH_KEY` is not set",
        "portcullis.yaml:8: backends.a.api_key_file: cannot read `/nowhere/key`",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from\n{text}");
    }
    place.write("portcullis.yaml", "model: /nowhere/a.gguf\nupstream: nowhere\n");
    let text = messages(&place.sources());
    assert!(text.contains("there is no file or directory `/nowhere/a.gguf`"), "{text}");
    assert!(text.contains("this is not the URL of a server"), "{text}");
}

#[test]
fn certificates_are_read_in_time() {
    let place = Place::new("tls: {certificate: a.pem, key: b.pem}\nworkers: 0\n");
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n";
    for (certificate, key) in [("no PEM", "no PEM"), (broken, "")] {
        place.write("a.pem", certificate);
        place.write("b.pem", key);
        let text = messages(&place.sources());
        assert!(text.contains("portcullis.yaml:1: tls.certificate: cannot use `"), "{text}");
        assert!(text.contains("portcullis.yaml:1: tls.key: cannot use `"), "{text}");
        assert!(text.starts_with("the configuration has 3 problems"), "{text}");
    }
}

#[test]
fn parts_of_the_settings_can_be_right_alone() {
    let place = Place::new("data_dir: data\nlisten: nowhere\npolicies: {strict: gone}\n");
    let settings = load_parts(&place.sources(), &["data_dir"]).unwrap().settings;
    assert_eq!(settings.data_dir, place.path("data"));
    let error = load_parts(&place.sources(), &["data_dir", "policies"]).unwrap_err().to_string();
    assert!(error.contains("policies.strict") && !error.contains("listen"), "{error}");
    let missing = Sources { file: Some(place.path("none.yaml")), ..Sources::default() };
    assert!(load_parts(&missing, &["data_dir"]).is_err());
}

#[test]
fn broken_yaml_and_missing_files_are_named() {
    let place = Place::new("listen: [1\n");
    assert!(messages(&place.sources()).contains("portcullis.yaml:"));
    let missing = Sources { file: Some(place.path("none.yaml")), ..Sources::default() };
    assert!(messages(&missing).contains("none.yaml: cannot read this file"));
    place.write("portcullis.yaml", "- a\n- b\n");
    assert!(messages(&place.sources()).contains("not a map of settings"));
}

#[test]
fn paths_in_a_file_are_relative_to_it_and_elsewhere_to_the_working_directory() {
    let place = Place::new("data_dir: data\nmodel: m.gguf\npolicies: {strict: strict}\n");
    let model = place.write("m.gguf", "");
    std::fs::create_dir(place.path("strict")).unwrap();
    let policy = place.write("strict/policy.yaml", "");
    let settings = load(&place.sources()).unwrap().settings;
    assert_eq!(settings.data_dir, place.path("data"));
    assert_eq!(settings.policies["strict"], Source::File(policy));
    let Backend::Embedded(embedded) = &settings.backends["m"] else { panic!("embedded") };
    assert_eq!(embedded.model, ModelSource::Path(model));

    let settings = load(&with_variables(&[("PORTCULLIS_DATA_DIR", "data")])).unwrap().settings;
    assert_eq!(settings.data_dir, std::env::current_dir().unwrap().join("data"));
}

#[test]
fn a_shorthand_replaces_the_back_ends_of_lower_layers_only() {
    let place = Place::new("backends: {a: {upstream: 'http://127.0.0.1:1'}}\n");
    let mut sources = place.sources();
    sources.flags = vec![Flag::new(
        "--upstream",
        "upstream",
        vec!["http://one:8000/v1".to_owned(), "http://two:8000/v1".to_owned()],
    )];
    sources.environment = variables(&[("PORTCULLIS_BACKEND_DEFAULTS__UPSTREAM_MODEL", "llama")]);
    let resolved = load(&sources).unwrap();
    let Backend::Upstream(upstream) = &resolved.settings.backends["llama"] else {
        panic!("upstream")
    };
    assert_eq!(resolved.settings.backends.len(), 1);
    assert_eq!(upstream.urls.len(), 2);
    assert_eq!(resolved.origin(&["backends", "llama", "upstream"]).to_string(), "--upstream");
    let defaults = resolved.origin(&["backends", "llama", "upstream_model"]);
    assert_eq!(defaults.to_string(), "PORTCULLIS_BACKEND_DEFAULTS__UPSTREAM_MODEL");

    place.write("portcullis.yaml", "model: shipped\nupstream: http://127.0.0.1:1\n");
    assert!(
        messages(&place.sources()).contains("`model` and `upstream` are set at the same place")
    );
}

#[test]
fn an_address_in_brackets_is_no_list() {
    let sources =
        Sources { flags: vec![flag("--listen", "listen", "[::1]:0")], ..Sources::default() };
    assert_eq!(load(&sources).unwrap().settings.listen.to_string(), "[::1]:0");
    let sources = with_variables(&[("PORTCULLIS_ADMIN_LISTEN", "[::]:9090")]);
    let admin = load(&sources).unwrap().settings.admin_listen;
    assert_eq!(admin.unwrap().to_string(), "[::]:9090");
}

#[test]
fn lists_and_maps_can_come_from_the_environment() {
    let sources = with_variables(&[
        ("PORTCULLIS_UPSTREAM", "http://one:1, http://two:2"),
        ("PORTCULLIS_ALIASES", "{gpt-4o: upstream, gpt-4: upstream}"),
        ("PORTCULLIS_UNKNOWN_FIELDS", "strip"),
        ("PORTCULLIS_ADMIN_LISTEN", ""),
    ]);
    let settings = load(&sources).unwrap().settings;
    assert_eq!(settings.aliases.len(), 2);
    assert_eq!(settings.unknown_fields, UnknownFields::Strip);
    assert_eq!(settings.admin_listen, None);
}

#[test]
fn service_links_and_foreign_variables_are_no_settings() {
    let sources = with_variables(&[
        ("PORTCULLIS_PORT", "tcp://10.0.0.1:8080"),
        ("PORTCULLIS_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("PORTCULLIS_SERVICE_HOST", "10.0.0.1"),
        ("PORTCULLIS_CONFIG", "x"),
        ("PORTCULLIS_API_KEY", "pk-1"),
        ("PATH", "/bin"),
    ]);
    load(&sources).unwrap();
}

#[test]
fn secrets_are_read_and_never_shown() {
    let place = Place::new(concat!(
        "backends:\n",
        "  a: {upstream: 'http://127.0.0.1:1', api_key_env: SERVER_KEY}\n",
        "  b: {upstream: 'http://127.0.0.1:1', api_key_file: key.txt}\n",
    ));
    place.write("key.txt", " sk-of-file\n");
    let mut sources = place.sources();
    sources.environment = variables(&[("SERVER_KEY", "sk-of-variable")]);
    let resolved = load(&sources).unwrap();
    let secret = |name: &str| match &resolved.settings.backends[name] {
        Backend::Upstream(upstream) => {
            upstream.api_key.as_ref().unwrap().expose_secret().to_owned()
        }
        Backend::Embedded(_) => panic!("upstream"),
    };
    assert_eq!((secret("a").as_str(), secret("b").as_str()), ("sk-of-variable", "sk-of-file"));
    let shown = format!("{}{}{resolved:?}", show::yaml(&resolved), show::json(&resolved));
    assert!(!shown.contains("sk-of"), "{shown}");

    sources.environment.clear();
    assert!(messages(&sources).contains("the variable `SERVER_KEY` is not set"));
}

#[test]
fn a_url_with_a_password_is_refused_and_not_quoted() {
    let text = messages(&with_variables(&[("PORTCULLIS_UPSTREAM", "http://me:hunter2@host/v1")]));
    assert!(text.contains("carries credentials") && !text.contains("hunter2"), "{text}");
    let text = messages(&with_variables(&[("PORTCULLIS_UPSTREAM", "me:hunter2@host")]));
    assert!(text.contains("not the URL of a server") && !text.contains("hunter2"), "{text}");
}

#[test]
fn what_is_shown_loads_again_to_the_same() {
    let place = Place::new(concat!(
        "listen: '[::1]:0'\nadmin_listen: localhost:9090\nworkers: 2\n",
        "backends:\n  demo: {model: shipped, slots: 2, threads: 3}\n",
        "  \"meta/llama-2:7b\": {upstream: ['http://a:1/v1', 'http://b:2/v1'], upstream_model: 'true'}\n",
        "aliases: {gpt-4o: demo}\npolicies: {open: shipped}\nlimits: {concurrent_requests: 5}\n",
    ));
    let first = load(&place.sources()).unwrap();
    let shown = show::yaml(&first);
    place.write("portcullis.yaml", &shown);
    let second = load(&place.sources()).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(first.settings.digest(), second.settings.digest(), "{shown}");
    assert!(shown.contains("portcullis.yaml:5"), "{shown}");
    assert!(shown.contains("# default"), "{shown}");
}

#[test]
fn the_reference_lists_what_can_be_written_and_the_real_defaults() {
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    let demo = &defaults["backends"]["demo-llama"];
    let upstream = serde_json::to_value(settings::Upstream::of(Vec::new())).unwrap();
    for key in keys::KEYS.iter().filter(|key| !key.path.contains('…')) {
        // A key of the reference is known to the reader: its value may be wrong, not its name.
        let path = key.path.replace("NAME", "x");
        let sources = Sources { flags: vec![flag("--set", &path, "1")], ..Sources::default() };
        if let Err(error) = load(&sources) {
            assert!(!error.to_string().contains("is not a setting"), "{path}: {error}");
        }
        if key.default == "–" {
            continue;
        }
        let mut value = &defaults;
        for part in path.split('.') {
            value = match part {
                "backend_defaults" => demo,
                part => value.get(part).unwrap_or_else(|| &upstream[part]),
            };
        }
        assert_eq!(value.to_string().trim_matches('"'), key.default, "{path}");
    }
    let nonsense = Sources { flags: vec![flag("--set", "nonsense", "1")], ..Sources::default() };
    let known = keys::KEYS.iter().map(|key| key.path.split('.').next().unwrap());
    let text = messages(&nonsense);
    for name in known {
        assert!(text.contains(&format!("`{name}`")), "{name} is missing from {text}");
    }
}

#[test]
fn the_documentation_carries_the_reference() {
    let documentation = include_str!("../../docs/CONFIGURATION.md");
    assert!(
        documentation.contains(&keys::markdown()),
        "paste the output of `portcullis config keys` into docs/CONFIGURATION.md:\n{}",
        keys::markdown()
    );
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in "\\PC{0,80}(\n\\PC{0,40}){0,6}") {
        let place = Place::new(&text);
        let _ = load(&place.sources());
    }

    #[test]
    fn no_variable_makes_the_reader_panic(name in "[A-Z_]{0,24}", value in "\\PC{0,40}") {
        let variable = format!("PORTCULLIS_{name}");
        let _ = load(&with_variables(&[(variable.as_str(), value.as_str())]));
    }
}
