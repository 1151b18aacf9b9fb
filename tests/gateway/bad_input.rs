//! What callers get wrong: a clear OpenAI-shaped error, and the server goes on.

use serde_json::{Value, json};

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

#[tokio::test]
async fn half_open_and_silent_connections_do_not_stop_the_others() {
    use tokio::io::AsyncWriteExt as _;
    let gateway = TestGateway::new().says("Fine.").spawn();
    let mut idle = Vec::new();
    for head in [
        "",
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99\r\n\r\n{\"mo",
        "GARBAGE\r\n\r\n",
    ] {
        let mut socket = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        idle.push(socket);
    }
    let reply = gateway.post("/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.status, 200);
}
