//! Keys, roles and limits.

use serde_json::json;

use crate::harness::{Rules, TestGateway, chat};

#[tokio::test]
async fn with_keys_a_caller_must_bring_one() {
    let gateway = TestGateway::new().key("app", "user", json!({})).says("Hello.").spawn();
    let reply = gateway.post("/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.body["error"]["code"], "invalid_api_key");
    let reply = gateway.post_as("wrong", "/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.status, 401);
    let key = gateway.secret("app");
    let reply = gateway.post_as(&key, "/v1/chat/completions", &chat("hi")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.decisions()[0]["caller"], "app");
}

#[tokio::test]
async fn request_limits_answer_429_with_retry_after() {
    let limits = json!({"requests_per_minute": 2});
    let gateway = TestGateway::new().key("app", "user", limits).says("Hello.").spawn();
    let key = gateway.secret("app");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let reply = gateway.post_as(&key, "/v1/chat/completions", &chat("hi")).await;
        statuses.push(reply.status);
        if reply.status == 429 {
            assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}

#[tokio::test]
async fn token_limits_refuse_what_can_never_fit() {
    let limits = json!({"tokens_per_minute": 100});
    let gateway = TestGateway::new().key("app", "user", limits).says("Hello.").spawn();
    let key = gateway.secret("app");
    let mut request = chat("hi");
    request["max_tokens"] = json!(5_000);
    let reply = gateway.post_as(&key, "/v1/chat/completions", &request).await;
    assert_eq!(reply.status, 429);
}

#[tokio::test]
async fn a_key_may_have_a_policy_of_its_own() {
    let gateway = TestGateway::new()
        .extra_policy("strict", Rules::new().block("spam", "buy now"))
        .key("strict-app", "user", json!({"policy": "strict"}))
        .key("other-app", "user", json!({}))
        .says("Hello.")
        .spawn();
    let request = chat("please buy now");
    let strict = gateway.secret("strict-app");
    let reply = gateway.post_as(&strict, "/v1/chat/completions", &request).await;
    assert_eq!(reply.finish_reason(0), "content_filter");
    let other = gateway.secret("other-app");
    let reply = gateway.post_as(&other, "/v1/chat/completions", &request).await;
    assert_eq!(reply.finish_reason(0), "stop");
}

#[tokio::test]
async fn admin_routes_want_the_admin_role() {
    let gateway =
        TestGateway::new().key("app", "user", json!({})).key("ops", "admin", json!({})).spawn();
    let user = gateway.secret("app");
    let reply = gateway.post_as(&user, "/admin/reload", &json!({})).await;
    assert_eq!(reply.status, 403);
    let admin = gateway.secret("ops");
    let reply = gateway.post_as(&admin, "/admin/reload", &json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}
