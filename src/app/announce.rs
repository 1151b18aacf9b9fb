//! What the operator sees at start: addresses, models, policies, who is served, a line to try.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Application, VERSION};
use crate::telemetry::log::LogFormat;

impl Application {
    /// Says what was loaded: on standard output for people, or as one log line where logs are JSON.
    pub fn announce(&self) {
        if self.settings.log.format == LogFormat::Json {
            let admin = self.admin_address().map(|address| self.url(address));
            let mode = self.mode();
            tracing::info!(
                version = VERSION,
                listening = self.url(self.address()),
                admin,
                mode,
                "serving"
            );
        } else {
            // Nobody may be reading; that is no reason to stop.
            let _ = std::io::stdout().write_all(self.banner().as_bytes());
        }
        self.warn();
    }

    fn banner(&self) -> String {
        let mut lines = format!("portcullis {VERSION}\n");
        let mut line = |name: &str, text: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "  {name:<12} {text}");
        };
        for backend in self.edge.pipeline.backends.backends() {
            let info = backend.info();
            let digest = info.digest.map(|digest| format!(" {}", digest.short()));
            let context = info.context_tokens.map(|tokens| format!(", {tokens} tokens context"));
            let (digest, context) = (digest.unwrap_or_default(), context.unwrap_or_default());
            line("model", &format!("{}{digest}: {}{context}", info.name, info.description));
        }
        for (alias, name) in self.edge.pipeline.backends.aliases() {
            line("alias", &format!("{alias} -> {name}"));
        }
        for (name, engine) in self.edge.pipeline.policies.all() {
            let (policy, version, digest) =
                (engine.name(), engine.version(), engine.digest().short());
            line("policy", &format!("{name}: {policy} {version} {digest}"));
        }
        line("data", &self.settings.data_dir.display().to_string());
        line("callers", self.mode());
        if let Some(admin) = self.admin_address() {
            line("admin", &format!("{} (metrics at /metrics)", self.url(admin)));
        }
        // Last, and printed when connections are accepted already: scripts wait for it.
        line("listening on", &self.url(self.address()));
        format!("{lines}\n{}\n", self.example())
    }

    const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", self.scheme())
    }

    fn mode(&self) -> &'static str {
        if self.keys.is_empty() {
            "this machine only, without keys (`portcullis keys new NAME` opens it to key holders)"
        } else {
            "holders of an API key"
        }
    }

    /// A request that can be pasted into a shell.
    fn example(&self) -> String {
        let backends = &self.edge.pipeline.backends;
        let first = backends.backends().next().map(|backend| backend.info().name.to_string());
        let model = self.settings.default_model.clone().or(first).unwrap_or_default();
        let key = if self.keys.is_empty() {
            ""
        } else {
            " -H \"authorization: Bearer $PORTCULLIS_API_KEY\""
        };
        let url = self.url(reachable(self.address()));
        format!(
            "try: curl -s {url}/v1/chat/completions{key} -H 'content-type: application/json' \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n\
             or:  portcullis chat --url {url}\n"
        )
    }

    fn warn(&self) {
        if self.recovery.torn_bytes > 0 {
            tracing::warn!(
                bytes = self.recovery.torn_bytes,
                "the last record of the audit log was torn; it was cut off and kept beside the log"
            );
        }
        let is_open = !self.address().ip().is_loopback();
        if is_open && self.keys.is_empty() {
            tracing::warn!(
                "listening beyond this machine without API keys: every remote caller is refused; \
                 make a key with `portcullis keys new NAME`"
            );
        }
        if is_open && self.tls.is_none() {
            tracing::warn!(
                "listening beyond this machine without TLS: keys and prompts travel in the clear \
                 unless a proxy in front adds it"
            );
        }
    }
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}
