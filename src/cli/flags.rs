//! The flags that set settings, for every command that resolves them.
//!
//! Each flag names the key that it sets; whatever has no flag of its own is set
//! by `--set KEY=VALUE`. Values stay text here: `config` reads and checks them.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::config::{Flag, Sources};

pub(super) const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Flags win over `PORTCULLIS_*`, which wins over the file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// YAML file with settings
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE, value_parser = path())]
    pub config: Option<PathBuf>,
    /// Address and port of the API; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A second listener for metrics and admin routes
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// Directory of the audit log and the keys [default: portcullis-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Serve this model: GGUF file, Hugging Face directory or `shipped`
    #[arg(long, value_name = "PATH")]
    model: Option<String>,
    /// Serve the model of this OpenAI-compatible server; repeat for equal servers
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// The model's name at the server
    #[arg(long, value_name = "NAME")]
    upstream_model: Option<String>,
    /// Environment variable with the server's API key
    #[arg(long, value_name = "VARIABLE")]
    api_key_env: Option<String>,
    /// File with the server's API key
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<String>,
    /// Requests that generate at the same time
    #[arg(long, value_name = "N")]
    slots: Option<String>,
    /// Longest prompt and answer together, in tokens
    #[arg(long, value_name = "N")]
    context_tokens: Option<String>,
    /// Threads for computing
    #[arg(long, value_name = "N")]
    threads: Option<String>,
    /// Another name of a model; repeatable
    #[arg(long, value_name = "ALIAS=MODEL", value_parser = key_value)]
    alias: Vec<(String, String)>,
    /// The model that callers get under the name `default`
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// Policy file or directory [default: shipped]
    #[arg(long, value_name = "PATH")]
    policy: Option<String>,
    /// Request fields unknown to the API: refuse or strip
    #[arg(long, value_name = "WHAT")]
    unknown_fields: Option<String>,
    /// PEM certificate chain; switches TLS on
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// PEM private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Level or `target=level` directives
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// How long running answers may take to end after SIGTERM
    #[arg(long, value_name = "MS")]
    shutdown_grace_ms: Option<String>,
    /// Threads that serve HTTP
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Any setting, e.g. `--set audit.append_wait_ms_max=2000`; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl SettingsArgs {
    /// These flags over the environment and the file.
    pub fn sources(self) -> Sources {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { file: given(self.config.clone()), environment, flags: self.flags() }
    }

    fn flags(self) -> Vec<Flag> {
        let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
        let named = [
            ("--listen", "listen", one(self.listen)),
            ("--admin-listen", "admin_listen", one(self.admin_listen)),
            ("--data-dir", "data_dir", one(self.data_dir)),
            ("--model", "model", one(self.model)),
            ("--upstream", "upstream", self.upstream),
            ("--upstream-model", "backend_defaults.upstream_model", one(self.upstream_model)),
            ("--api-key-env", "backend_defaults.api_key_env", one(self.api_key_env)),
            ("--api-key-file", "backend_defaults.api_key_file", one(self.api_key_file)),
            ("--slots", "backend_defaults.slots", one(self.slots)),
            ("--context-tokens", "backend_defaults.context_tokens", one(self.context_tokens)),
            ("--threads", "backend_defaults.threads", one(self.threads)),
            ("--default-model", "default_model", one(self.default_model)),
            ("--policy", "policy", one(self.policy)),
            ("--unknown-fields", "unknown_fields", one(self.unknown_fields)),
            ("--tls-certificate", "tls.certificate", one(self.tls_certificate)),
            ("--tls-key", "tls.key", one(self.tls_key)),
            ("--log-level", "log.level", one(self.log_level)),
            ("--log-format", "log.format", one(self.log_format)),
            ("--shutdown-grace-ms", "shutdown_grace_ms_max", one(self.shutdown_grace_ms)),
            ("--workers", "workers", one(self.workers)),
        ];
        let named = named.into_iter().filter(|(_, _, values)| !values.is_empty());
        let mut flags: Vec<Flag> =
            named.map(|(name, key, values)| Flag::new(name, key, values)).collect();
        for (alias, model) in self.alias {
            let path = vec!["aliases".to_owned(), alias];
            flags.push(Flag { name: "--alias".to_owned(), path, values: vec![model] });
        }
        for (key, value) in self.set {
            flags.push(Flag::new(&format!("--set {key}"), &key, vec![value]));
        }
        flags
    }
}

/// Takes an empty path from a variable, for [`given`].
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An empty variable counts as not set, as everywhere.
pub(super) fn given(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{keys, load};

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    fn flags(line: &[&str]) -> Vec<Flag> {
        let line = ["portcullis"].iter().chain(line);
        Flags::try_parse_from(line).unwrap().settings.flags()
    }

    #[test]
    fn the_reference_names_exactly_the_flags_that_exist() {
        for key in keys::KEYS {
            let Some(flag) = key.flag else { continue };
            let given = flags(&[flag, "x=y"]);
            let expected = key.path.replace("NAME", "x");
            assert_eq!(given.len(), 1, "{flag}");
            assert_eq!(given[0].path.join("."), expected, "{flag}");
        }
        let mut command = <Flags as clap::CommandFactory>::command();
        command.build();
        for argument in command.get_arguments().filter_map(|argument| argument.get_long()) {
            let flag = format!("--{argument}");
            let known = keys::KEYS.iter().any(|key| key.flag == Some(flag.as_str()));
            let other = ["--config", "--set", "--help"].contains(&flag.as_str());
            assert!(known || other, "{flag} is not in the reference");
        }
    }

    #[test]
    fn flags_reach_the_settings() {
        let flags = flags(&[
            "--upstream",
            "http://one:1",
            "--upstream",
            "http://two:2",
            "--alias",
            "gpt-4o=upstream",
            "--set",
            "api.choices_max=3",
            "--workers",
            "2",
        ]);
        let settings = load(&Sources { flags, ..Sources::default() }).unwrap().settings;
        assert_eq!(settings.aliases["gpt-4o"], "upstream");
        assert_eq!((settings.api.choices_max, settings.workers), (3, 2));
    }
}
