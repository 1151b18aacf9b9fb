//! The reference of all settings: key, flag, default, meaning.
//!
//! `docs/CONFIGURATION.md` carries this table and `portcullis config keys` prints
//! it; tests hold both, the typed fields and the defaults together.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Dotted; `NAME` stands for a name of the operator's choice.
    pub path: &'static str,
    /// A flag of `serve`; every key can also be given as `--set KEY=VALUE`.
    pub flag: Option<&'static str>,
    /// As it would be written; `–` for none.
    pub default: &'static str,
    pub meaning: &'static str,
}

impl Key {
    /// The environment variable of this key.
    pub fn variable(&self) -> String {
        format!("PORTCULLIS_{}", self.path.replace('.', "__").to_uppercase())
    }
}

const fn key(
    path: &'static str,
    flag: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    let flag = if flag.is_empty() { None } else { Some(flag) };
    Key { path, flag, default, meaning }
}

/// All settings, in the order in which an operator meets them.
pub const KEYS: &[Key] = &[
    key(
        "listen",
        "--listen",
        "127.0.0.1:8080",
        "Address and port of the API; port 0 takes any free one.",
    ),
    key(
        "admin_listen",
        "--admin-listen",
        "–",
        "A second listener for `/metrics` and `/admin`, which then leave the first.",
    ),
    key(
        "data_dir",
        "--data-dir",
        "portcullis-data",
        "Directory of the audit log and the keys file; created when absent.",
    ),
    key(
        "model",
        "--model",
        "–",
        "Serve this one model: a GGUF file, a Hugging Face directory, or `shipped`. Named after the file.",
    ),
    key(
        "upstream",
        "--upstream",
        "–",
        "Serve this one model: the base URL of an OpenAI-compatible server, or several of equal servers.",
    ),
    key(
        "backends.NAME.model",
        "",
        "–",
        "A model that runs in this process, by name: path or `shipped`.",
    ),
    key(
        "backends.NAME.upstream",
        "",
        "–",
        "A model that another server runs, by name: URL or list of URLs.",
    ),
    key("backends.NAME.…", "", "–", "Any key of `backend_defaults`, for this back end only."),
    key("backend_defaults.slots", "--slots", "4", "Requests that generate at the same time."),
    key(
        "backend_defaults.queue_requests_max",
        "",
        "64",
        "Requests that may wait for a slot; more are answered with 429.",
    ),
    key(
        "backend_defaults.context_tokens",
        "--context-tokens",
        "–",
        "Longest prompt and answer together, in tokens; default: the model's own.",
    ),
    key(
        "backend_defaults.tokens_default_max",
        "",
        "1024",
        "Answer length, in tokens, for requests that set none.",
    ),
    key(
        "backend_defaults.threads",
        "--threads",
        "–",
        "Threads for computing; default: all cores, 1 for the shipped model. The largest number counts for the process.",
    ),
    key(
        "backend_defaults.upstream_model",
        "--upstream-model",
        "–",
        "The model's name at the server; default: the back end's name.",
    ),
    key(
        "backend_defaults.api_key_env",
        "--api-key-env",
        "–",
        "Name of the environment variable that holds the server's API key.",
    ),
    key(
        "backend_defaults.api_key_file",
        "--api-key-file",
        "–",
        "File that holds the server's API key.",
    ),
    key("backend_defaults.connect_timeout_ms", "", "5000", "For a connection to the server."),
    key(
        "backend_defaults.first_token_timeout_ms",
        "",
        "120000",
        "From the request to the server's first event.",
    ),
    key("backend_defaults.idle_timeout_ms", "", "60000", "Between two events of the server."),
    key("backend_defaults.total_timeout_ms_max", "", "600000", "For a whole answer of the server."),
    key(
        "backend_defaults.response_bytes_max",
        "",
        "16777216",
        "Size of a whole answer of the server.",
    ),
    key("backend_defaults.event_bytes_max", "", "1048576", "Size of one event of the server."),
    key(
        "backend_defaults.retries_max",
        "",
        "2",
        "Further attempts before the first event has arrived.",
    ),
    key("aliases.NAME", "--alias", "–", "Another name of a model, e.g. `gpt-4o: llama`."),
    key(
        "default_model",
        "--default-model",
        "–",
        "The model that callers get under the name `default`.",
    ),
    key(
        "policy",
        "--policy",
        "shipped",
        "Policy file or directory that judges callers without one of their own; `shipped` is the one inside the program.",
    ),
    key("policies.NAME", "", "–", "Further policies, for keys that name them."),
    key(
        "unknown_fields",
        "--unknown-fields",
        "refuse",
        "Request fields unknown to the API: `refuse`, or `strip` (left out and reported).",
    ),
    key(
        "tls.certificate",
        "--tls-certificate",
        "–",
        "PEM certificate chain; switches TLS on for all listeners.",
    ),
    key("tls.key", "--tls-key", "–", "PEM private key."),
    key(
        "limits.requests_per_minute",
        "",
        "–",
        "Requests per minute and caller, unless the key says otherwise.",
    ),
    key("limits.tokens_per_minute", "", "–", "Tokens per minute and caller, likewise."),
    key("limits.concurrent_requests", "", "–", "Requests at the same time per caller, likewise."),
    key(
        "api.body_bytes_max",
        "",
        "4194304",
        "Size of a request body; longer is answered with 413.",
    ),
    key("api.body_wait_ms_max", "", "30000", "For a request body to arrive."),
    key("api.messages_max", "", "2048", "Messages of one request."),
    key("api.text_bytes_max", "", "1048576", "All texts of one request together."),
    key("api.choices_max", "", "8", "Largest `n`."),
    key("api.tokens_max", "", "131072", "Largest `max_tokens`."),
    key(
        "api.answer_bytes_max",
        "",
        "8388608",
        "Size of an answer that is collected instead of streamed.",
    ),
    key(
        "api.ready_wait_ms_max",
        "",
        "2000",
        "For the back ends to say that they are ready (`/readyz`).",
    ),
    key(
        "exchange.cache_entries_max",
        "",
        "65536",
        "Texts whose findings are remembered, so that a history is not judged again; 0 switches it off.",
    ),
    key("exchange.cache_bytes_max", "", "33554432", "Memory for the remembered findings."),
    key(
        "exchange.duration_ms_max",
        "",
        "600000",
        "The longest that one request may take, from its arrival to its last byte.",
    ),
    key(
        "exchange.reader_wait_ms_max",
        "",
        "30000",
        "How long a client that does not read is waited for.",
    ),
    key("http.request_timeout_ms_max", "", "10000", "For the head of a request to arrive."),
    key(
        "http.keep_alive_ms_max",
        "",
        "75000",
        "How long an idle connection stays open; 0 closes it after each answer.",
    ),
    key("http.connections_max", "", "10000", "Connections per worker."),
    key(
        "audit.queue_records_max",
        "",
        "4096",
        "Records that may wait for the writer; more fail closed.",
    ),
    key("audit.segment_bytes_max", "", "67108864", "A segment file is closed at this size."),
    key(
        "audit.append_wait_ms_max",
        "",
        "5000",
        "For a record to become durable; later fails closed.",
    ),
    key("log.format", "--log-format", "text", "`text` or `json`, on standard error."),
    key(
        "log.level",
        "--log-level",
        "info",
        "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,portcullis::policy=debug`.",
    ),
    key(
        "shutdown_grace_ms_max",
        "--shutdown-grace-ms",
        "30000",
        "How long running answers may take to end after SIGTERM.",
    ),
    key("workers", "--workers", "–", "Threads that serve HTTP; default: one per core."),
];

/// The table as Markdown, for the documentation.
pub fn markdown() -> String {
    let mut table = String::from("| key | default | flag | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let flag = key.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        let default =
            if key.default == "–" { "–".to_owned() } else { format!("`{}`", key.default) };
        table.push_str(&format!("| `{}` | {default} | {flag} | {} |\n", key.path, key.meaning));
    }
    table
}
