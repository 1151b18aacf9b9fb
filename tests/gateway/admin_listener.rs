//! Metrics and admin routes on a listener of their own.

use serde_json::json;

use crate::harness::{TestGateway, chat, reply};

const ADMIN: &[(&str, &str)] =
    &[("GET", "/metrics"), ("GET", "/admin/policies"), ("POST", "/admin/reload")];

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn request(address: std::net::SocketAddr, method: &str, path: &str) -> reqwest::RequestBuilder {
    client().request(method.parse().unwrap(), format!("http://{address}{path}"))
}

#[tokio::test]
async fn with_its_own_listener_admin_leaves_the_public_one() {
    let gateway = TestGateway::new().setting("admin_listen: 127.0.0.1:0").spawn();
    let admin = gateway.admin_address().unwrap();
    assert_ne!(admin, gateway.address());
    for &(method, path) in ADMIN {
        let public = reply(request(gateway.address(), method, path)).await;
        assert_eq!(public.status, 404, "{method} {path}");
        assert_eq!(public.body["error"]["code"], "not_found", "{method} {path}");
        let private = request(admin, method, path).send().await.unwrap();
        assert_eq!(private.status(), 200, "{method} {path}");
    }
    let policies = reply(request(admin, "GET", "/admin/policies")).await;
    assert!(policies.body.to_string().contains("\"test\""), "{}", policies.body);
}

#[tokio::test]
async fn the_admin_listener_answers_no_prompts() {
    let gateway = TestGateway::new().setting("admin_listen: 127.0.0.1:0").spawn();
    let admin = gateway.admin_address().unwrap();
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/moderations"] {
        let answer = reply(request(admin, "POST", path).json(&chat("hi"))).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(gateway.generations(), 0);
    assert!(gateway.decisions().is_empty());
}

#[tokio::test]
async fn metrics_of_the_public_listener_show_on_the_admin_one() {
    let gateway = TestGateway::new().setting("admin_listen: 127.0.0.1:0").says("Hello.").spawn();
    assert_eq!(gateway.post("/v1/chat/completions", &chat("hi")).await.status, 200);
    let admin = gateway.admin_address().unwrap();
    let metrics = request(admin, "GET", "/metrics").send().await.unwrap().text().await.unwrap();
    let line = r#"portcullis_requests_total{endpoint="chat_completions",outcome="completed"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn with_keys_the_admin_listener_still_wants_the_role() {
    let gateway = TestGateway::new()
        .setting("admin_listen: 127.0.0.1:0")
        .key("app", "user", json!({}))
        .key("ops", "admin", json!({}))
        .spawn();
    let admin = gateway.admin_address().unwrap();
    let status = async |key: Option<&str>| {
        let reload = request(admin, "POST", "/admin/reload");
        let reload = match key {
            Some(key) => reload.bearer_auth(key),
            None => reload,
        };
        reload.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(Some(&gateway.secret("ops"))).await, 200);
    assert_eq!(status(Some(&gateway.secret("app"))).await, 403);
    assert_eq!(status(None).await, 403);
}

#[tokio::test]
async fn without_its_own_listener_admin_is_beside_the_api() {
    let gateway = TestGateway::new().spawn();
    assert_eq!(gateway.admin_address(), None);
    for &(method, path) in ADMIN {
        let answer = request(gateway.address(), method, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        // Being on this machine stops counting once a proxy speaks for somebody else.
        let proxied =
            request(gateway.address(), method, path).header("x-forwarded-for", "192.0.2.1");
        assert_eq!(proxied.send().await.unwrap().status(), 403, "{method} {path}");
    }
}
