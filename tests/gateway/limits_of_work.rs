//! More work than there is room for: who waits, who is sent away, and what
//! becomes of those who leave.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::harness::{Builder, Reply, TestGateway, chat};

const CHAT: &str = "/v1/chat/completions";
const RUNNING: &str = r#"portcullis_backend_running{backend="m"}"#;
const QUEUED: &str = r#"portcullis_backend_queue_depth{backend="m"}"#;
const IN_FLIGHT: &str = r#"portcullis_requests_in_flight{endpoint="chat_completions"}"#;
/// For the gauges to follow, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// So many slots that one request can take them all.
const SLOTS: u32 = 4;

fn demo(settings: &str) -> Builder {
    TestGateway::new().demo_model(&format!("threads: 1, slots: {SLOTS}, {settings}"))
}

/// A request that takes every slot for as long as the context allows: `</s>` never comes.
fn long() -> Value {
    let mut request = chat("Tell me a story.");
    request["n"] = json!(SLOTS);
    request["max_tokens"] = json!(900);
    request["logit_bias"] = json!({"2": -100});
    request
}

/// More than the sockets' buffers take: while nobody reads it, it does not end.
fn endless() -> Value {
    let mut request = long();
    request["stream"] = json!(true);
    request["logprobs"] = json!(true);
    request["top_logprobs"] = json!(20);
    request
}

fn short() -> Value {
    let mut request = chat("Hello!");
    request["max_tokens"] = json!(4);
    request
}

fn assert_sent_away(reply: &Reply, code: &str) {
    assert_eq!(reply.status, 429, "{}", reply.body);
    let error = &reply.body["error"];
    assert_eq!(error["code"], code, "{error}");
    assert_eq!(error["type"], "rate_limit_error", "{error}");
    assert!(error["message"].is_string(), "{error}");
    assert!(error["param"].is_null(), "{error}");
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_full_queue_sends_callers_away() {
    let gateway = demo("queue_requests_max: 1").spawn();
    // Answers that nobody reads keep their slot.
    let running = gateway.open(CHAT, &endless()).await;
    gateway.within(SOON, async || gateway.metric(RUNNING).await == 1.0).await;
    let short = short();
    let waiting = gateway.post(CHAT, &short);
    let third = async {
        gateway.within(SOON, async || gateway.metric(QUEUED).await == 1.0).await;
        let collected = gateway.post(CHAT, &short).await;
        let streamed = gateway.post(CHAT, &endless()).await;
        drop(running);
        (collected, streamed)
    };
    let (waiting, (collected, streamed)) = futures::join!(waiting, third);
    assert_sent_away(&collected, "overloaded");
    assert_sent_away(&streamed, "overloaded");
    assert_eq!(waiting.status, 200, "the one that waited was served: {}", waiting.body);
    let overloaded =
        gateway.decisions().iter().filter(|record| record["outcome"] == "overloaded").count();
    assert_eq!(overloaded, 2);
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_slot() {
    let gateway = demo("").spawn();
    let running = gateway.open(CHAT, &endless()).await;
    gateway.within(SOON, async || gateway.metric(RUNNING).await == 1.0).await;
    drop(running);
    gateway.within(SOON, async || gateway.metric(RUNNING).await == 0.0).await;
    let record = gateway.decision_within(SOON).await;
    assert_eq!(record["outcome"], "interrupted", "it did not run to its end");
    let reply = gateway.post(CHAT, &short()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_answer_frees_its_slot() {
    let gateway = demo("").spawn();
    let request = long();
    tokio::select! {
        reply = gateway.post(CHAT, &request) => panic!("not so fast: {reply:?}"),
        () = gateway.within(SOON, async || gateway.metric(IN_FLIGHT).await == 1.0) => {}
    }
    let record = gateway.decision_within(SOON).await;
    assert_eq!(record["outcome"], "interrupted", "it did not run to its end");
    assert_eq!(gateway.post(CHAT, &short()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_up_its_place() {
    let gateway = demo("queue_requests_max: 1").spawn();
    let running = gateway.open(CHAT, &endless()).await;
    gateway.within(SOON, async || gateway.metric(RUNNING).await == 1.0).await;
    let short = short();
    tokio::select! {
        reply = gateway.post(CHAT, &short) => panic!("there is no room: {reply:?}"),
        () = gateway.within(SOON, async || gateway.metric(QUEUED).await == 1.0) => {}
    }
    let left = gateway.decision_within(SOON).await;
    assert_eq!(left["outcome"], "interrupted");
    // Its place is free for another one, who is served once the first has gone.
    let other = gateway.post(CHAT, &short);
    let leave = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(running);
    };
    let (other, ()) = futures::join!(other, leave);
    assert_eq!(other.status, 200, "{}", other.body);
    let outcomes: Vec<Value> =
        gateway.decisions().iter().map(|record| record["outcome"].clone()).collect();
    assert_eq!(outcomes, ["interrupted", "interrupted", "completed"]);
}

#[tokio::test]
async fn a_key_may_have_only_so_many_requests_at_once() {
    let limits = json!({"concurrent_requests": 1});
    let gateway = TestGateway::new()
        .key("app", "user", limits)
        .key("other", "user", json!({}))
        .says(&"word ".repeat(200))
        .pause(Duration::from_millis(20))
        .spawn();
    let (key, other) = (gateway.secret("app"), gateway.secret("other"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = chat("hi");
    request["stream"] = json!(true);
    let running = client.post(gateway.url(CHAT)).bearer_auth(&key).json(&request);
    let running = running.send().await.unwrap();
    assert_eq!(running.status(), 200);
    let second = gateway.post_as(&key, CHAT, &chat("hi")).await;
    assert_sent_away(&second, "concurrency_limit_exceeded");
    let moderation = json!({"input": "a loaf of bread"});
    assert_eq!(gateway.post_as(&other, "/v1/moderations", &moderation).await.status, 200);
    drop(running);
    let served = async || gateway.post_as(&key, "/v1/moderations", &moderation).await.status == 200;
    gateway.within(SOON, served).await;
}

#[tokio::test]
async fn requests_generate_at_the_same_time() {
    let gateway = demo("").spawn();
    let mut request = long();
    request["n"] = json!(1);
    request["stream"] = json!(true);
    request["max_tokens"] = json!(60);
    let streams = futures::future::join_all([0, 1].map(|_| gateway.open(CHAT, &request))).await;
    let pieces = streams.into_iter().enumerate().map(|(index, response)| {
        assert_eq!(response.status(), 200);
        response.bytes_stream().map(move |bytes| (index, bytes.unwrap()))
    });
    let order: Vec<usize> =
        futures::stream::select_all(pieces.map(Box::pin)).map(|(index, _)| index).collect().await;
    let of = |index| order.iter().filter(|&&other| other == index).count();
    assert!(of(0) > 10 && of(1) > 10, "both came in pieces: {order:?}");
    let changes = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 10, "they took turns: {order:?}");
}
