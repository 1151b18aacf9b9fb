//! What callers get wrong: a clear OpenAI-shaped error, and the server goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{TestGateway, chat};

#[tokio::test]
async fn broken_bodies_are_refused_in_openai_shape() {
    let gateway = TestGateway::new().spawn();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let many = json!({"model": "m", "messages":
        (0..100_000).map(|_| json!({"role": "user", "content": "x"})).collect::<Vec<_>>()});
    let bodies: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("not JSON", b"{\"model\": ".to_vec(), &[400]),
        ("empty", Vec::new(), &[400]),
        ("an array", b"[]".to_vec(), &[400]),
        ("invalid UTF-8", b"{\"model\": \"\xff\"}".to_vec(), &[400]),
        (
            "a lone surrogate",
            br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#.to_vec(),
            &[400],
        ),
        (
            "a NUL byte",
            br#"{"model":"m","messages":[{"role":"user","content":"a\u0000b"}]}"#.to_vec(),
            &[400],
        ),
        (
            "a field given twice",
            br#"{"model":"m","messages":[],"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            &[400],
        ),
        ("deep nesting", deep.into_bytes(), &[400]),
        ("100,000 messages", many.to_string().into_bytes(), &[400, 413]),
        ("10 MB", chat(&"x".repeat(10 << 20)).to_string().into_bytes(), &[413]),
        ("no messages", json!({"model": "m"}).to_string().into_bytes(), &[400]),
        ("empty messages", json!({"model": "m", "messages": []}).to_string().into_bytes(), &[400]),
    ];
    for (what, body, statuses) in bodies {
        let reply = gateway.post_bytes("/v1/chat/completions", body).await;
        assert!(statuses.contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
        assert!(reply.body["error"]["message"].is_string(), "{what}: {}", reply.body);
        assert!(reply.body["error"]["type"].is_string(), "{what}: {}", reply.body);
    }
    let reply = gateway.post("/v1/chat/completions", &chat("still there?")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn bad_values_name_their_field() {
    let gateway = TestGateway::new().spawn();
    let cases: &[(&str, Value)] = &[
        ("temperature", json!(2.5)),
        ("temperature", json!("hot")),
        ("top_p", json!(-1)),
        ("n", json!(0)),
        ("n", json!(4_000_000_000u64)),
        ("max_tokens", json!(0)),
        ("presence_penalty", json!(3)),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("stop", json!([""])),
        ("top_logprobs", json!(2)),
        ("tools", json!([{"type": "function", "function": {"name": "f"}}])),
        ("response_format", json!({"type": "json_object"})),
        ("modalities", json!(["audio"])),
        ("seed", json!("seven")),
        ("logit_bias", json!({"x": 1})),
        ("stream", json!("yes")),
    ];
    for (field, value) in cases {
        let mut request = chat("hi");
        request[*field] = value.clone();
        let reply = gateway.post("/v1/chat/completions", &request).await;
        assert_eq!(reply.status, 400, "{field} = {value}: {}", reply.body);
        let param = reply.body["error"]["param"].as_str().unwrap_or_default();
        assert!(param.starts_with(field), "{field} = {value}: {}", reply.body);
    }
    assert!(gateway.decisions().is_empty(), "nothing was judged");
}

#[tokio::test]
async fn unknown_fields_are_refused_and_never_echoed() {
    let gateway = TestGateway::new().spawn();
    let mut request = chat("hi");
    request["prefill_secret"] = json!("smuggled words");
    let reply = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["error"]["code"], "unsupported_payload");
    assert_eq!(reply.body["error"]["param"], "prefill_secret");
    assert!(!reply.body.to_string().contains("smuggled"));
}

#[tokio::test]
async fn unknown_fields_are_stripped_and_reported_when_the_operator_says_so() {
    let gateway = TestGateway::new().setting("unknown_fields: strip").says("Fine.").spawn();
    let mut request = chat("hi");
    request["custom_hint"] = json!(1);
    let reply = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["portcullis"]["stripped_fields"], json!(["custom_hint"]));
    assert_eq!(gateway.decisions()[0]["stripped_fields"], json!(["custom_hint"]));
}

#[tokio::test]
async fn harmless_fields_are_accepted() {
    let gateway = TestGateway::new().says("Fine.").spawn();
    let mut request = chat("hi");
    for (field, value) in [
        ("user", json!("u-1")),
        ("metadata", json!({"team": "a"})),
        ("store", json!(false)),
        ("service_tier", json!("auto")),
        ("safety_identifier", json!("s")),
        ("prompt_cache_key", json!("k")),
        ("parallel_tool_calls", json!(true)),
        ("tools", Value::Null),
        ("response_format", json!({"type": "text"})),
        ("modalities", json!(["text"])),
    ] {
        request[field] = value;
    }
    let reply = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn unknown_models_and_pages_have_the_same_shape() {
    let gateway = TestGateway::new().spawn();
    let mut request = chat("hi");
    request["model"] = json!("absent");
    let reply = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(
        (reply.status, reply.body["error"]["code"].as_str()),
        (404, Some("model_not_found"))
    );
    let reply = gateway.get("/v1/nowhere").await;
    assert_eq!(reply.status, 404);
    assert!(reply.body["error"]["message"].is_string());
    let reply = gateway.get("/v1/chat/completions").await;
    assert_eq!(reply.status, 405);
}

/// Sends `request` on one connection and reads one answer; the connection stays open.
async fn ask(socket: &mut TcpStream, request: &[u8]) -> String {
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        assert!(read > 0, "the connection ended after {text:?}");
        answer.extend_from_slice(&piece[..read]);
    }
}

fn posted(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_read_so_that_its_sender_gets_the_answer() {
    let gateway = TestGateway::new().says("Fine.").spawn();
    // More than the sockets' buffers take: who sends it all before reading would wait for ever.
    let big = vec![b'x'; 3 << 20];
    let good =
        posted("/v1/chat/completions", "application/json", chat("hi").to_string().as_bytes());
    for (path, content_type, status) in [
        ("/v1/nowhere", "application/json", "404"),
        ("/v1/models", "application/json", "405"),
        ("/healthz", "application/json", "405"),
        ("/v1/chat/completions", "text/plain", "415"),
        ("/v1/chat/completions", "application/json", "400"),
    ] {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        let refused = ask(&mut socket, &posted(path, content_type, &big)).await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {refused}");
        assert!(refused.contains(r#"{"error":"#), "{path}: {refused}");
        let answered = ask(&mut socket, &good).await;
        assert!(
            answered.starts_with("HTTP/1.1 200 "),
            "{path}, on the same connection: {answered}"
        );
    }
}

#[tokio::test]
async fn what_announces_no_body_is_not_waited_for() {
    let gateway = TestGateway::new().spawn();
    for request in [
        "CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "PUT /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        let answer = ask(&mut socket, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{request}: {answer}");
        assert!(answer.contains(r#"{"error":"#), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_caller_without_a_key_may_send_its_body_too() {
    let gateway = TestGateway::new().key("app", "user", json!({})).spawn();
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let big = posted("/v1/chat/completions", "application/json", &vec![b'x'; 3 << 20]);
    for _ in 0..2 {
        let refused = ask(&mut socket, &big).await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        assert!(refused.contains("invalid_api_key"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_no_other() {
    let gateway = TestGateway::new().setting("http: {request_timeout_ms_max: 1000}").spawn();
    let long_head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    for (sent, status) in [
        ("GARBAGE\r\n\r\n", "400"),
        ("GET /v1/two words HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"),
        ("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        (long_head.as_str(), "431"),
        ("GET / HTTP/1.1\r\nhost: loc", "408"),
    ] {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        // The rest of a long one may find the connection closed.
        let _ = socket.write_all(sent.as_bytes()).await;
        let mut answer = Vec::new();
        let end = socket.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), end).await.expect("it ends");
        let answer = String::from_utf8_lossy(&answer);
        let shown: String = sent.chars().take(40).collect();
        // What is still unread when the connection closes may take the answer with it.
        let lost = status == "431" && answer.is_empty();
        let told = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(told || lost, "{shown:?}: {answer:?}");
    }
    assert_eq!(gateway.post("/v1/chat/completions", &chat("hi")).await.status, 200);
}

#[tokio::test]
async fn half_open_and_silent_connections_do_not_stop_the_others() {
    let gateway = TestGateway::new().says("Fine.").spawn();
    let mut idle = Vec::new();
    for head in [
        "",
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99\r\n\r\n{\"mo",
        "GARBAGE\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        idle.push(socket);
    }
    let reply = gateway.post("/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.status, 200);
}
