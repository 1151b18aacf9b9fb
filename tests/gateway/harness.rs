//! A gateway for one test: built by the same composition root as the program,
//! with a scripted model and a small policy.
//!
//! Dropping it stops the gateway, checks that it drained, and verifies its audit
//! log; so every test is also a test of the log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use portcullis::app::Application;
use portcullis::domain::{
    Alternative, Category, FinishReason, GenerationEvent, Prompt, TokenLogprob, Usage,
};
use portcullis::inference::{Backend, ModelInfo, scripted::Scripted};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A minimal chat request.
pub fn chat(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

pub fn delta(choice: u32, text: &str) -> GenerationEvent {
    GenerationEvent::Delta { choice, text: text.to_owned(), tokens: Vec::new() }
}

pub fn delta_with_logprob(choice: u32, text: &str) -> GenerationEvent {
    let token =
        Alternative { text: text.to_owned(), bytes: text.as_bytes().to_vec(), logprob: -0.5 };
    let tokens = vec![TokenLogprob { top: vec![token.clone()], token }];
    GenerationEvent::Delta { choice, text: text.to_owned(), tokens }
}

/// A policy in which every category only flags, but for those that a test names.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<(String, String, String)>,
    refusal_style: Option<String>,
    first_turn: Option<String>,
    /// Kinds of personal data that the category privacy redacts.
    pii: Vec<String>,
    redaction: Option<Value>,
}

impl Rules {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn block(self, category: &str, phrase: &str) -> Self {
        self.rule("block", category, phrase)
    }

    pub fn redact(self, category: &str, phrase: &str) -> Self {
        self.rule("redact", category, phrase)
    }

    pub fn replace(self, category: &str, phrase: &str) -> Self {
        self.rule("replace", category, phrase)
    }

    pub fn flag(self, category: &str, phrase: &str) -> Self {
        self.rule("flag", category, phrase)
    }

    pub fn refusal_style(mut self, style: &str) -> Self {
        self.refusal_style = Some(style.to_owned());
        self
    }

    /// Redacts kinds of personal data, written as `redaction` says.
    pub fn pii(mut self, kinds: &[&str], redaction: Value) -> Self {
        self.pii = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.redaction = Some(redaction);
        self
    }

    pub fn first_turn(mut self, notice: &str) -> Self {
        self.first_turn = Some(notice.to_owned());
        self
    }

    fn rule(mut self, action: &str, category: &str, phrase: &str) -> Self {
        self.rules.push((action.to_owned(), category.to_owned(), phrase.to_owned()));
        self
    }

    pub fn yaml(&self) -> String {
        let action_of = |category: Category| {
            let named = self.rules.iter().find(|(_, slug, _)| slug == category.slug());
            match named {
                Some((action, _, _)) => action.clone(),
                None if category == Category::Privacy && !self.pii.is_empty() => {
                    "redact".to_owned()
                }
                None if category == Category::ChildExploitation => "block".to_owned(),
                None => "flag".to_owned(),
            }
        };
        let categories: serde_json::Map<String, Value> = Category::ALL
            .iter()
            .map(|&category| {
                let decision = json!({"action": action_of(category), "threshold": 0.5});
                let entry = json!({
                    "severity": category.severity(),
                    "input": decision,
                    "output": decision,
                    "refusal": format!("refused: {category}"),
                });
                (category.slug().to_owned(), entry)
            })
            .collect();
        let mut rules: Vec<Value> = self
            .rules
            .iter()
            .map(|(_, category, phrase)| {
                json!({
                    "id": format!("test/{}", category.replace('_', "-")),
                    "category": category,
                    "phrases": [phrase],
                })
            })
            .collect();
        let mut disclosure = json!({"header": "This is an AI."});
        if let Some(notice) = &self.first_turn {
            disclosure["first_turn"] = json!(notice);
        }
        if !self.pii.is_empty() {
            rules.push(json!({"id": "test/pii", "category": "privacy", "pii": self.pii}));
        }
        // YAML is a superset of JSON.
        let mut policy = json!({
            "policy": "test",
            "version": "1",
            "description": "what one test needs",
            "detect_level": 1,
            "block_level": 1,
            "unjudged": "block",
            "disclosure": disclosure,
            "refusal_style": self.refusal_style.as_deref().unwrap_or("message"),
            "refusal": "refused",
            "categories": categories,
            "rules": rules,
        });
        if let Some(redaction) = &self.redaction {
            policy["redaction"] = redaction.clone();
        }
        policy.to_string()
    }
}

enum Script {
    Events(Vec<GenerationEvent>),
    EchoPrompt,
    /// No script: the back ends that the settings name.
    Configured,
}

pub struct Builder {
    policy: Rules,
    extra_policies: Vec<(String, Rules)>,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    keys: Vec<(String, String, Value)>,
    script: Script,
    pause: Duration,
}

impl Builder {
    pub fn policy(mut self, rules: Rules) -> Self {
        self.policy = rules;
        self
    }

    pub fn extra_policy(mut self, name: &str, rules: Rules) -> Self {
        self.extra_policies.push((name.to_owned(), rules));
        self
    }

    /// A line of the configuration file.
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// A variable of the environment, as the settings see it.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The shipped demonstration model as `m`, in place of a script; `settings` are its own.
    pub fn demo_model(self, settings: &str) -> Self {
        self.backend(&format!("{{model: shipped, {settings}}}"))
    }

    /// The back end `m` with these settings, in place of a script.
    pub fn backend(mut self, settings: &str) -> Self {
        self.script = Script::Configured;
        self.setting(&format!("backends: {{m: {settings}}}"))
    }

    pub fn key(mut self, name: &str, role: &str, limits: Value) -> Self {
        self.keys.push((name.to_owned(), role.to_owned(), limits));
        self
    }

    /// The model says `text`, one character at a time.
    pub fn says(self, text: &str) -> Self {
        self.says_each(&[text])
    }

    /// Choice `i` says `texts[i]`, the choices interleaved character by character.
    pub fn says_each(self, texts: &[&str]) -> Self {
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let mut events = Vec::new();
        for at in 0..longest {
            for (choice, text) in (0u32..).zip(texts) {
                events.extend(text.chars().nth(at).map(|c| delta(choice, &c.to_string())));
            }
        }
        let choices = texts.len() as u32;
        self.script(ended(events, choices))
    }

    /// The model says `pieces` in this cut.
    pub fn script_text(self, pieces: &[&str]) -> Self {
        let events = pieces.iter().map(|piece| delta(0, piece)).collect();
        self.script(ended(events, 1))
    }

    /// Exactly these events, with no end unless there is one among them.
    pub fn script(mut self, events: Vec<GenerationEvent>) -> Self {
        self.script = Script::Events(events);
        self
    }

    pub fn echoes_the_prompt(mut self) -> Self {
        self.script = Script::EchoPrompt;
        self
    }

    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub fn spawn(self) -> TestGateway {
        TestGateway::spawn(self)
    }
}

fn ended(mut events: Vec<GenerationEvent>, choices: u32) -> Vec<GenerationEvent> {
    let completion_tokens = events.len() as u32;
    events.extend(
        (0..choices).map(|choice| GenerationEvent::Finished { choice, reason: FinishReason::Stop }),
    );
    events.push(GenerationEvent::Usage(Usage { prompt_tokens: 3, completion_tokens }));
    events
}

/// What came back from one request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    headers: reqwest::header::HeaderMap,
}

impl Reply {
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    }

    pub fn content(&self, choice: usize) -> String {
        let content = self.body["choices"][choice]["message"]["content"].as_str();
        content.unwrap_or_else(|| panic!("no content in {}", self.body)).to_owned()
    }

    pub fn finish_reason(&self, choice: usize) -> String {
        let reason = self.body["choices"][choice]["finish_reason"].as_str();
        reason.unwrap_or_else(|| panic!("no reason in {}", self.body)).to_owned()
    }
}

/// What came back from one stream.
#[derive(Debug)]
pub struct Streamed {
    pub status: u16,
    pub content_type: String,
    pub chunks: Vec<Value>,
    pub done: bool,
}

impl Streamed {
    fn choices(&self, index: u64) -> impl Iterator<Item = &Value> {
        self.chunks
            .iter()
            .filter_map(|chunk| chunk["choices"].as_array())
            .flatten()
            .filter(move |choice| choice["index"] == index)
    }

    pub fn text(&self, index: u64) -> String {
        self.choices(index).filter_map(|choice| choice["delta"]["content"].as_str()).collect()
    }

    pub fn finish_reason(&self, index: u64) -> String {
        let mut reasons = self.choices(index).filter_map(|choice| choice["finish_reason"].as_str());
        let reason = reasons.next().unwrap_or_else(|| panic!("no reason in {:?}", self.chunks));
        assert_eq!(reasons.next(), None, "one finish reason per choice");
        reason.to_owned()
    }
}

pub struct TestGateway {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    folder: TempDir,
    secrets: Vec<(String, String)>,
    generations: Arc<AtomicU64>,
    client: reqwest::Client,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<anyhow::Result<()>>>,
}

impl TestGateway {
    #[expect(clippy::new_ret_no_self, reason = "reads as what it builds")]
    pub fn new() -> Builder {
        Builder {
            policy: Rules::new(),
            extra_policies: Vec::new(),
            settings: Vec::new(),
            environment: Vec::new(),
            keys: Vec::new(),
            script: Script::Events(ended(vec![delta(0, "Hello.")], 1)),
            pause: Duration::ZERO,
        }
    }

    fn spawn(builder: Builder) -> Self {
        install_tls_provider();
        let folder = tempfile::tempdir().unwrap();
        write_policies(folder.path(), &builder);
        let secrets = write_keys(folder.path(), &builder.keys);
        let settings = load_settings(folder.path(), &builder.settings, builder.environment);
        let generations = Arc::new(AtomicU64::new(0));
        let backend = backend(builder.script, builder.pause, Arc::clone(&generations));

        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let application = match backend {
                    Some(backend) => Application::with_backends(settings, vec![backend]).await?,
                    None => Application::build(settings).await?,
                };
                ready.send((application.address(), application.admin_address()))?;
                let stops = futures::stream::once(async move { drop(stopped.await) });
                application.run_until(Box::pin(stops)).await?;
                Ok(())
            })
        });
        let Ok((address, admin_address)) = is_ready.recv_timeout(Duration::from_secs(30)) else {
            panic!("the gateway did not start: {:?}", thread.join().unwrap().err());
        };
        Self {
            address,
            admin_address,
            folder,
            secrets,
            generations,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and admin routes are, when not beside the API.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// How often the scripted model was asked.
    pub fn generations(&self) -> u64 {
        self.generations.load(Ordering::SeqCst)
    }

    pub fn secret(&self, name: &str) -> String {
        self.secrets.iter().find(|(key, _)| key == name).unwrap().1.clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, body.to_string().into_bytes()).await
    }

    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Reply {
        reply(self.client.post(self.url(path)).bearer_auth(key).json(body)).await
    }

    pub async fn post_bytes(&self, path: &str, body: Vec<u8>) -> Reply {
        let request = self.client.post(self.url(path)).header("content-type", "application/json");
        reply(request.body(body)).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        reply(self.client.get(self.url(path))).await
    }

    /// Posts and leaves the body of the answer unread.
    pub async fn open(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client.post(self.url(path)).json(body).send().await.unwrap()
    }

    /// As [`Self::post`], with further headers.
    pub async fn post_with(&self, headers: &[(&str, &str)], path: &str, body: &Value) -> Reply {
        let mut request = self.client.post(self.url(path)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request).await
    }

    /// The value of a metric, `labels` included in `name`; 0 while it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.text_of("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    pub async fn text_of(&self, path: &str) -> String {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub async fn stream(&self, path: &str, body: &Value) -> Streamed {
        let response = self.client.post(self.url(path)).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        let mut chunks = Vec::new();
        let mut done = false;
        for line in text.lines().filter_map(|line| line.strip_prefix("data:")) {
            assert!(!done, "nothing follows [DONE]");
            match line.trim() {
                "[DONE]" => done = true,
                data => chunks.push(serde_json::from_str(data).unwrap()),
            }
        }
        Streamed { status, content_type, chunks, done }
    }

    /// Reads one piece of a stream and hangs up.
    pub async fn abandon(&self, path: &str, body: &Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.post(self.url(path)).json(body).send().await.unwrap();
        let mut bytes = response.bytes_stream();
        bytes.next().await.unwrap().unwrap();
    }

    /// The records of the log, oldest first.
    pub fn log(&self) -> Vec<Value> {
        read_log(&self.folder.path().join("data"))
    }

    pub fn log_has(&self, kind: &str) -> bool {
        self.log().iter().any(|record| record["entry"]["kind"] == kind)
    }

    pub fn decisions(&self) -> Vec<Value> {
        let records = self.log().into_iter().map(|mut record| record["entry"].take());
        records.filter(|entry| entry["kind"] == "decision").collect()
    }

    pub async fn decision_within(&self, limit: Duration) -> Value {
        self.within(limit, async || !self.decisions().is_empty()).await;
        self.decisions().remove(0)
    }

    /// Waits until `condition` holds; panics when it never does.
    pub async fn within(&self, limit: Duration, condition: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !condition().await {
            assert!(begun.elapsed() < limit, "nothing came of it within {limit:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn write_policy(&self, yaml: &str) {
        std::fs::write(self.folder.path().join("policy.yaml"), yaml).unwrap();
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        if std::thread::panicking() {
            return;
        }
        ended.unwrap().unwrap();
        let report = portcullis::audit::verify(&portcullis::audit::directory_in(
            &self.folder.path().join("data"),
        ));
        let report = report.unwrap();
        assert!(report.is_intact(), "{report:?}");
        let log = self.log();
        assert_eq!(log.last().unwrap()["entry"]["kind"], "stopped", "the gateway drained");
    }
}

pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Reply { status, body, headers }
}

fn install_tls_provider() {
    // A second call in the same process finds it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn write_policies(folder: &Path, builder: &Builder) {
    std::fs::write(folder.join("policy.yaml"), builder.policy.yaml()).unwrap();
    for (name, rules) in &builder.extra_policies {
        std::fs::write(folder.join(format!("{name}.yaml")), rules.yaml()).unwrap();
    }
}

fn write_keys(folder: &Path, keys: &[(String, String, Value)]) -> Vec<(String, String)> {
    use secrecy::ExposeSecret as _;
    if keys.is_empty() {
        return Vec::new();
    }
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let store =
        portcullis::admission::KeyStore::open(&portcullis::admission::keys_file_in(&data)).unwrap();
    keys.iter()
        .map(|(name, role, limits)| {
            let mut limits = limits.clone();
            let policy = limits.as_object_mut().unwrap().remove("policy");
            let policy = policy.map(|policy| policy.as_str().unwrap().to_owned());
            let role = serde_json::from_value(json!(role)).unwrap();
            let limits = serde_json::from_value(limits).unwrap();
            let secret = store.create(name, role, policy, limits).unwrap();
            (name.clone(), secret.expose_secret().to_owned())
        })
        .collect()
}

fn load_settings(
    folder: &Path,
    lines: &[String],
    environment: Vec<(String, String)>,
) -> portcullis::config::Settings {
    let mut yaml = format!(
        "listen: 127.0.0.1:0\ndata_dir: {data}\npolicy: {policy}\nworkers: 1\n",
        data = folder.join("data").display(),
        policy = folder.join("policy.yaml").display(),
    );
    let extra: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("policy.yaml")
        })
        .collect();
    if !extra.is_empty() {
        yaml += "policies:\n";
        for path in extra {
            let name = path.file_stem().unwrap().to_str().unwrap();
            yaml.push_str(&format!("  {name}: {}\n", path.display()));
        }
    }
    for line in lines {
        yaml.push_str(line);
        yaml.push('\n');
    }
    let file = folder.join("portcullis.config");
    std::fs::write(&file, yaml).unwrap();
    let sources =
        portcullis::config::Sources { file: Some(file), environment, ..Default::default() };
    portcullis::config::load(&sources).unwrap().settings
}

/// The scripted model; `None`: the settings say what runs.
fn backend(
    script: Script,
    pause: Duration,
    generations: Arc<AtomicU64>,
) -> Option<Arc<dyn Backend>> {
    if matches!(script, Script::Configured) {
        return None;
    }
    let info = ModelInfo {
        name: "m".into(),
        kind: "scripted",
        digest: None,
        context_tokens: None,
        created: 1_700_000_000,
        description: "a script".to_owned(),
    };
    Some(Arc::new(Scripted::answering(info, pause, move |request| {
        generations.fetch_add(1, Ordering::SeqCst);
        match &script {
            Script::Events(events) => events.clone(),
            Script::EchoPrompt => ended(vec![delta(0, &last_text(&request.prompt))], 1),
            Script::Configured => Vec::new(),
        }
    })))
}

fn last_text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => messages.last().unwrap().text.clone(),
    }
}

fn read_log(data: &Path) -> Vec<Value> {
    let mut segments: Vec<PathBuf> = std::fs::read_dir(data.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    segments.sort();
    segments
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            // The last line may be half written while the gateway runs.
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The program itself, as a process.
pub struct Program {
    child: Child,
    address: String,
}

impl Program {
    /// Starts `portcullis serve` with its data below `folder`.
    #[expect(
        clippy::zombie_processes,
        reason = "a failed start fails the test and ends its process"
    )]
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        install_tls_provider();
        let log = std::fs::File::create(folder.join("output.txt")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .args(arguments)
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let begun = Instant::now();
        loop {
            let output = std::fs::read_to_string(folder.join("output.txt")).unwrap();
            let line = output.lines().find_map(|line| line.split("listening on").nth(1));
            if let Some(url) = line.and_then(|rest| rest.split_whitespace().next()) {
                return Self { child, address: url.to_owned() };
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no start:\n{output}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> u16 {
        let mut body = body.clone();
        body["model"] = json!("demo-llama");
        body["max_tokens"] = json!(4);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = client.post(format!("{}{path}", self.address)).json(&body).send().await;
        sent.unwrap().status().as_u16()
    }

    /// Sends requests from `callers` at once for a while; how many got a whole answer.
    pub async fn load(&mut self, callers: usize, duration: Duration) -> u64 {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/v1/moderations", self.address);
        let begun = Instant::now();
        let caller = async || {
            let mut answered = 0;
            while begun.elapsed() < duration {
                let sent = client.post(&url).json(&json!({"input": "a loaf of bread"})).send();
                let Ok(response) = sent.await else { break };
                let good = response.status() == 200;
                if good && response.bytes().await.is_ok() {
                    answered += 1;
                }
            }
            answered
        };
        futures::future::join_all((0..callers).map(|_| caller())).await.into_iter().sum()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits for it.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}
