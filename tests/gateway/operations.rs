//! What those who run the gateway rely on.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Rules, TestGateway, chat};

#[tokio::test]
async fn health_readiness_and_documents_are_there() {
    let gateway = TestGateway::new().spawn();
    assert_eq!(gateway.get("/healthz").await.status, 200);
    assert_eq!(gateway.get("/readyz").await.status, 200);
    let document = gateway.get("/openapi.json").await;
    assert!(document.body["paths"]["/v1/chat/completions"]["post"].is_object());
    let card = gateway.text_of("/system-card").await;
    assert!(card.contains("LlamaUseReport@meta.com"));
    let models = gateway.get("/v1/models").await;
    assert_eq!(models.body["data"][0]["id"], "m");
}

#[tokio::test]
async fn load_balancers_may_probe_with_head() {
    let gateway = TestGateway::new().setting("admin_listen: 127.0.0.1:0").spawn();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for address in [gateway.address(), gateway.admin_address().unwrap()] {
        for path in ["/healthz", "/readyz"] {
            let response = client.head(format!("http://{address}{path}")).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert!(response.headers()["content-length"] != "0", "{path}: as long as with GET");
            assert_eq!(response.bytes().await.unwrap().len(), 0, "{path}");
        }
    }
    let response = client.head(gateway.url("/v1/models")).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET");
}

#[tokio::test]
async fn one_back_end_that_is_away_does_not_take_the_others_out_of_service() {
    // Bound and dropped: nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let backends = format!("{{model: shipped, threads: 1}}, gone: {{upstream: 'http://{nobody}'}}");
    let gateway = TestGateway::new().backend(&backends).spawn();
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(ready.body["ready"], true);
    assert_eq!(ready.body["backends"], json!({"m": true, "gone": false}));
    let mut request = chat("Hello!");
    request["max_tokens"] = json!(4);
    assert_eq!(gateway.post("/v1/chat/completions", &request).await.status, 200);
    request["model"] = json!("gone");
    let reply = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.body["error"]["code"], "model_unavailable");
}

#[tokio::test]
async fn the_documentation_page_loads_nothing_from_outside() {
    let gateway = TestGateway::new().spawn();
    let page = gateway.text_of("/docs/").await;
    assert!(page.contains("swagger"), "{page}");
    for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!page.contains(attribute), "{attribute}");
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let gateway = TestGateway::new().policy(Rules::new().block("weapons", "pipe bomb")).spawn();
    gateway.post("/v1/chat/completions", &chat("a pipe bomb")).await;
    let metrics = gateway.text_of("/metrics").await;
    let wanted = [
        r#"portcullis_requests_total{endpoint="chat_completions",outcome="policy_block"} 1"#,
        r#"portcullis_violations_total{action="block",category="weapons",stage="input"} 1"#,
    ];
    for line in wanted {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(!metrics.contains("pipe bomb"));
}

#[tokio::test]
async fn a_changed_policy_takes_over_and_a_broken_one_does_not() {
    let gateway = TestGateway::new().policy(Rules::new()).says("Fine.").spawn();
    let request = chat("a pipe bomb");
    let finish = async || gateway.post("/v1/chat/completions", &request).await.finish_reason(0);
    assert_eq!(finish().await, "stop");

    gateway.write_policy(&Rules::new().block("weapons", "pipe bomb").yaml());
    gateway.within(Duration::from_secs(40), async || finish().await == "content_filter").await;

    gateway.write_policy("rules: [this is not a policy");
    gateway
        .within(Duration::from_secs(40), async || {
            gateway.text_of("/metrics").await.contains("portcullis_policy_reload_failures_total")
                && gateway.log_has("policy_rejected")
        })
        .await;
    assert_eq!(finish().await, "content_filter", "the old policy is still in force");
}

#[tokio::test]
async fn a_reload_that_is_asked_for_says_what_is_wrong_with_a_broken_file() {
    let rules = Rules::new().block("weapons", "pipe bomb");
    let gateway = TestGateway::new().policy(rules).says("Fine.").spawn();
    let reload = async || gateway.post("/admin/reload", &json!({})).await;
    let reply = reload().await;
    assert_eq!((reply.status, &reply.body[0]["result"]), (200, &json!("unchanged")));

    gateway.write_policy("policy: test\nrules: [this is not a policy\n");
    let reply = reload().await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    assert_eq!(reply.body[0]["name"], "default");
    assert_eq!(reply.body[0]["result"], "rejected");
    let report = reply.body[0]["report"].as_str().unwrap();
    assert!(report.contains("policy.yaml:"), "{report}");
    assert!(reply.body[0].get("digest").is_none(), "{}", reply.body);
    assert!(gateway.log_has("policy_rejected"));
    let failures = r#"portcullis_policy_reload_failures_total{policy="default"}"#;
    assert!(gateway.metric(failures).await >= 1.0);
    let reply = gateway.post("/v1/chat/completions", &chat("a pipe bomb")).await;
    assert_eq!(reply.finish_reason(0), "content_filter", "the old policy is still in force");

    gateway.write_policy(&Rules::new().yaml());
    assert_eq!(reload().await.status, 200);
    let reply = gateway.post("/v1/chat/completions", &chat("a pipe bomb")).await;
    assert_eq!(reply.finish_reason(0), "stop");
}

#[tokio::test]
async fn the_notice_opens_a_conversation_when_the_policy_says_so() {
    let rules = Rules::new().first_turn("You are talking to a machine.");
    let gateway = TestGateway::new().policy(rules).says("Hello.").spawn();
    let reply = gateway.post("/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.content(0), "You are talking to a machine.\n\nHello.");
    let later = json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "more"}]});
    let reply = gateway.post("/v1/chat/completions", &later).await;
    assert_eq!(reply.content(0), "Hello.");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        for name in ["PORTCULLIS_CONFIG", "PORTCULLIS_DATA_DIR", "PORTCULLIS_LISTEN"] {
            command.env(name, "");
        }
        command.current_dir(folder.path()).args(arguments).output().unwrap()
    };
    for arguments in [&["config", "check"][..], &["keys", "list"], &["keys", "new", "app"]] {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    assert!(folder.path().join("portcullis-data").is_dir());
}

#[tokio::test]
async fn start_and_decisions_are_in_the_log_in_order() {
    let gateway = TestGateway::new().says("Hello.").spawn();
    for _ in 0..3 {
        gateway.post("/v1/chat/completions", &chat("hi")).await;
    }
    let kinds: Vec<String> = gateway
        .log()
        .iter()
        .map(|record| record["entry"]["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["started", "decision", "decision", "decision"]);
}
