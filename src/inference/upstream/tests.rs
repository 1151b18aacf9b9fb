//! The upstream back end against real sockets that answer byte for byte what a
//! test tells them to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::domain::{FinishReason, GenerationEvent, Message, Sampling, Usage};

mod bounds;
mod faults;
mod forms;

pub(super) fn request(prompt: Prompt) -> GenerationRequest {
    GenerationRequest {
        prompt,
        sampling: Sampling::default(),
        choices: 1,
        tokens_max: None,
        stop: Vec::new(),
        logprobs: None,
    }
}

fn chat() -> GenerationRequest {
    request(Prompt::Chat(vec![Message::new(Role::User, "Hi")]))
}

/// What a server does on one connection, once it has read the request.
#[derive(Debug, Clone)]
enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// Until the client closes; then the server counts it.
    AwaitClose,
}

/// A server that answers every connection as told and remembers what it was asked.
struct Server {
    url: Url,
    asked: Arc<StdMutex<Vec<String>>>,
    closed_by_client: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Server {
    /// `acts` gets the number of the connection.
    async fn start(acts: impl Fn(usize) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let closed_by_client = Arc::new(AtomicUsize::new(0));
        let mut connections = JoinSet::new();
        let (log, closed) = (Arc::clone(&asked), Arc::clone(&closed_by_client));
        connections.spawn(async move {
            let mut open = JoinSet::new();
            for number in 0.. {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (acts, log, closed) = (acts(number), Arc::clone(&log), Arc::clone(&closed));
                open.spawn(async move {
                    let request = read_request(&mut socket).await;
                    log.lock().unwrap().push(request);
                    perform(&mut socket, acts, &closed).await;
                });
            }
        });
        Self { url, asked, closed_by_client, _connections: connections }
    }

    async fn always(acts: Vec<Act>) -> Self {
        Self::start(move |_| acts.clone()).await
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

async fn perform(socket: &mut TcpStream, acts: Vec<Act>, closed: &AtomicUsize) {
    for act in acts {
        match act {
            Act::Send(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Wait(time) => tokio::time::sleep(time).await,
            Act::AwaitClose => {
                let mut nothing = [0; 1];
                let _ = socket.read(&mut nothing).await;
                closed.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let _ = socket.shutdown().await;
}

fn head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n")
        .into_bytes()
}

fn status(line: &str, headers: &str, body: &str) -> Vec<Act> {
    let answer = format!("HTTP/1.1 {line}\r\nconnection: close\r\n{headers}\r\n{body}");
    vec![Act::Send(answer.into_bytes())]
}

/// An event stream with this body.
fn stream(body: impl Into<Vec<u8>>) -> Vec<Act> {
    vec![Act::Send(head("text/event-stream")), Act::Send(body.into())]
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn said(choice: u32, text: &str) -> String {
    event(&format!(r#"{{"choices":[{{"index":{choice},"delta":{{"content":"{text}"}}}}]}}"#))
}

fn finished(choice: u32, reason: &str) -> String {
    event(&format!(
        r#"{{"choices":[{{"index":{choice},"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    ))
}

fn usage() -> String {
    event(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#)
}

fn done() -> String {
    event("[DONE]")
}

fn hello() -> String {
    let role = event(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#);
    [role, said(0, "Héllo"), said(0, " 🙂"), finished(0, "stop"), usage(), done()].concat()
}

fn upstream(servers: &[&Server], change: impl FnOnce(&mut UpstreamConfig)) -> Upstream {
    let mut config = UpstreamConfig::new(servers.iter().map(|server| server.url.clone()).collect());
    config.first_token_timeout_ms = 5_000;
    config.idle_timeout_ms = 5_000;
    config.total_timeout_ms_max = 10_000;
    change(&mut config);
    Upstream::start("llama".into(), config).unwrap()
}

type Outcome = Result<Vec<GenerationEvent>, InferenceErrorKind>;

/// Everything that came, or the error that ended it.
async fn outcome(upstream: &Upstream, request: GenerationRequest) -> Outcome {
    let mut stream = upstream.begin(request).await.map_err(|error| error.kind)?;
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event.map_err(|error| error.kind)?);
    }
    Ok(events)
}

async fn outcome_of(acts: Vec<Act>) -> Outcome {
    let server = Server::always(acts).await;
    outcome(&upstream(&[&server], |_| {}), chat()).await
}

fn text(events: &[GenerationEvent], wanted: u32) -> String {
    let texts = events.iter().filter_map(|event| match event {
        GenerationEvent::Delta { choice, text, .. } if *choice == wanted => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

const STARTED: GenerationEvent =
    GenerationEvent::Started { prompt_tokens: None, turns_dropped: 0, model_digest: None };
const COUNTED: Usage = Usage { prompt_tokens: 3, completion_tokens: 2 };

fn end(choice: u32, reason: FinishReason) -> GenerationEvent {
    GenerationEvent::Finished { choice, reason }
}
