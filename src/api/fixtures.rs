//! The edge with real parts around it: gate, keys, policy, audit log, metrics.
//! Only the model is scripted. For the tests of this module.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::test::TestRequest;
use actix_web::web::Data;
use actix_web::{App, test};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AdminListener, ApiConfig, Edge, configure_admin, configure_public};
use crate::admission::{Gate, KeyStore};
use crate::audit::{Entry, Ledger, LedgerOptions, Receipt};
use crate::domain::{
    Category, DecisionId, Digest, FinishReason, GenerationEvent, Limits, Outcome, Usage,
};
use crate::inference::scripted::Scripted;
use crate::inference::{Backend, ModelInfo, Registry};
use crate::pipeline::{Config, Notice, Pipeline, Released, ReleasedStream, Sealed};
use crate::policy::{Source, Store};
use crate::telemetry::Metrics;

pub(super) struct Fixture {
    pub edge: Data<Edge>,
    pub keys: Arc<KeyStore>,
    _directory: tempfile::TempDir,
}

/// A policy that blocks one phrase.
fn policy() -> String {
    let mut yaml = "policy: test\nversion: \"1\"\ndescription: test\ndetect_level: 1\n\
         block_level: 1\nunjudged: block\ndisclosure: {header: an AI answers}\n\
         refusal_style: message\nrefusal: refused\ncategories:\n"
        .to_owned();
    for category in Category::ALL {
        let severity = serde_json::to_string(&category.severity()).unwrap();
        let stage = "{action: block, threshold: 0.5}";
        writeln!(yaml, "  {category}: {{severity: {severity}, input: {stage}, output: {stage}}}")
            .unwrap();
    }
    yaml + "rules:\n  - {id: weapons/test, category: weapons, phrases: [pipe bomb]}\n"
}

impl Fixture {
    pub(super) fn new(config: ApiConfig, events: Vec<GenerationEvent>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.yaml");
        fs::write(&file, policy()).unwrap();
        let sources = BTreeMap::from([(Store::DEFAULT.to_owned(), Source::File(file))]);
        let keys = Arc::new(KeyStore::open(&directory.path().join("keys.json")).unwrap());
        let (ledger, _) = ledger(directory.path());
        let metrics = Arc::new(Metrics::new().unwrap());
        let info = ModelInfo {
            name: "org/m".into(),
            kind: "embedded",
            digest: None,
            context_tokens: Some(4096),
            created: 1,
            description: String::new(),
        };
        let backend: Arc<dyn Backend> = Arc::new(Scripted::new(info, events, Duration::ZERO));
        let aliases = BTreeMap::from([("m".to_owned(), Arc::from("org/m"))]);
        let pipeline = Pipeline {
            policies: Arc::new(Store::load(sources).unwrap()),
            cache: None,
            backends: Registry::new(vec![backend], aliases),
            ledger,
            metrics: Arc::clone(&metrics),
            config: Config::default(),
            runtime: tokio::runtime::Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let edge = Edge {
            pipeline: Arc::new(pipeline),
            gate: Arc::new(Gate::new(Arc::clone(&keys), Limits::default())),
            metrics,
            config,
        };
        Self { edge: Data::new(edge), keys, _directory: directory }
    }

    /// Answers `says`, once per choice.
    pub(super) fn saying(says: &[&str]) -> Self {
        Self::new(ApiConfig::default(), script(says))
    }

    /// For answers that are not text.
    pub(super) async fn status_of(&self, path: &str) -> u16 {
        let edge = self.edge.clone();
        let app = App::new().configure(|cfg| configure_public(cfg, edge));
        let service = test::init_service(app).await;
        let request = TestRequest::get().uri(path).to_request();
        test::call_service(&service, request).await.status().as_u16()
    }

    /// Sends a request from this machine to a gateway with one listener.
    pub(super) async fn send(&self, request: TestRequest) -> Reply {
        self.send_from("127.0.0.1:9", request).await
    }

    pub(super) async fn send_from(&self, peer: &str, request: TestRequest) -> Reply {
        self.send_to(AdminListener::Shared, request.peer_addr(peer.parse().unwrap())).await
    }

    pub(super) async fn send_to(&self, listener: AdminListener, request: TestRequest) -> Reply {
        let edge = self.edge.clone();
        let app = App::new().configure(|cfg| {
            if listener == AdminListener::Shared {
                configure_public(cfg, edge.clone());
            }
            configure_admin(cfg, edge, listener);
        });
        let service = test::init_service(app).await;
        Reply::read(test::call_service(&service, request.to_request()).await).await
    }
}

pub(super) struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Reply {
    async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Self {
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
        Self {
            status: response.status().as_u16(),
            headers: headers.collect(),
            text: String::from_utf8(test::read_body(response).await.to_vec()).unwrap(),
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// The events of a stream, as clients see them.
pub(super) fn events(text: &str) -> Vec<Value> {
    text.split_terminator("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
        .collect()
}

pub(super) fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

pub(super) fn chat(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

pub(super) fn script(says: &[&str]) -> Vec<GenerationEvent> {
    let mut events = vec![GenerationEvent::Started {
        prompt_tokens: None,
        turns_dropped: 2,
        model_digest: None,
    }];
    for (choice, text) in (0..).zip(says) {
        let text = (*text).to_owned();
        events.push(GenerationEvent::Delta { choice, text, tokens: Vec::new() });
        events.push(GenerationEvent::Finished { choice, reason: FinishReason::Stop });
    }
    let usage = Usage { prompt_tokens: 3, completion_tokens: 5 };
    events.push(GenerationEvent::Usage(usage));
    events
}

fn ledger(directory: &std::path::Path) -> (Ledger, crate::audit::Recovery) {
    Ledger::open(&directory.join("audit"), LedgerOptions::default()).unwrap()
}

/// Proof of a real record.
pub(super) async fn receipt() -> Receipt {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = ledger(directory.path());
    ledger.append(Entry::Stopped { version: "test".to_owned() }).await.unwrap()
}

pub(super) fn notice() -> Notice {
    Notice {
        decision: DecisionId::new(),
        policy: "test".into(),
        policy_version: "1".into(),
        policy_digest: Digest([0; 32]),
        categories: Vec::new(),
        stage: None,
        ai_notice: "an AI answers".into(),
        model: "m".into(),
    }
}

pub(super) async fn sealed(outcome: Outcome) -> Sealed {
    Sealed {
        refusal_error: None,
        receipt: receipt().await,
        outcome,
        usage: Some(Usage { prompt_tokens: 3, completion_tokens: 5 }),
        notice: notice(),
        error: None,
        turns_dropped: 0,
    }
}

pub(super) fn text(choice: u32, text: &str) -> Released {
    Released::Text { choice, text: text.to_owned(), logprobs: Vec::new() }
}

pub(super) fn released(events: Vec<Released>) -> ReleasedStream {
    let (sender, receiver) = mpsc::channel(events.len().max(1));
    for event in events {
        sender.try_send(event).unwrap();
    }
    ReleasedStream { notice: notice(), events: receiver }
}
