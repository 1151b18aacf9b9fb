//! The routes over real parts: who may call what, and what bad requests get.

use std::num::NonZeroU32;

use actix_web::test::TestRequest;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::api::fixtures::{Fixture, chat, events, post, script};
use crate::api::{AdminListener, ApiConfig, UnknownFields};
use crate::domain::{CallerRole, Limits};
use crate::inference::TOKENS_DEFAULT_MAX;

const CHAT: &str = "/v1/chat/completions";

#[actix_web::test]
async fn an_answer_carries_its_decision() {
    let gateway = Fixture::saying(&["Hello.", "Hi."]);
    let mut request = chat("hi");
    request["n"] = json!(2);
    let reply = gateway.send(post(CHAT, &request)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let body = reply.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "org/m");
    assert_eq!(body["choices"][1]["message"]["content"], "Hi.");
    assert_eq!(body["portcullis"]["turns_dropped"], 2);
    assert_eq!(body["portcullis"]["policy"]["name"], "test");
    assert_eq!(reply.headers["x-portcullis-decision"], body["portcullis"]["decision"]);
    assert_eq!(reply.headers["x-portcullis-policy"], "test@1");
    assert_eq!(reply.headers["x-portcullis-notice"], "an AI answers");
    assert_eq!(reply.headers["x-portcullis-outcome"], "completed");
    assert!(reply.headers["x-request-id"].starts_with("req_"));
}

#[actix_web::test]
async fn a_refusal_fills_every_choice_in_both_forms() {
    let gateway = Fixture::saying(&["never said"]);
    let mut request = chat("a pipe bomb");
    request["n"] = json!(2);
    let whole = gateway.send(post(CHAT, &request)).await;
    assert_eq!(whole.headers["x-portcullis-outcome"], "policy_block");
    for choice in whole.json()["choices"].as_array().unwrap() {
        assert_eq!(choice["message"]["content"], "refused");
        assert_eq!(choice["finish_reason"], "content_filter");
    }
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let stream = gateway.send(post(CHAT, &request)).await;
    let events = events(&stream.text);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[1]["choices"][0]["delta"]["content"], "refused");
    assert_eq!(events[5]["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(events[5]["portcullis"]["categories"], json!(["weapons"]));
    assert_eq!(events[6]["usage"]["total_tokens"], 0);
    assert_eq!(events[7], "[DONE]");
}

#[actix_web::test]
async fn bad_bodies_never_reach_the_pipeline() {
    let config = ApiConfig { body_bytes_max: 1000, ..ApiConfig::default() };
    let gateway = Fixture::new(config, script(&["Hello."]));
    let json = || TestRequest::post().uri(CHAT).insert_header(("content-type", "application/json"));
    let cases = [
        (post(CHAT, &chat(&"x".repeat(1000))), 413, "body_too_large"),
        (json().set_payload("{"), 400, "invalid_json"),
        (json(), 400, "invalid_json"),
        (json().set_payload("[]"), 400, "invalid_type"),
        (TestRequest::post().uri(CHAT).set_payload("{}"), 415, "unsupported_media_type"),
        (
            TestRequest::post().uri(CHAT).insert_header(("content-type", "text/plain")),
            415,
            "unsupported_media_type",
        ),
        (
            post(CHAT, &chat("hi")).insert_header(("content-encoding", "gzip")),
            415,
            "unsupported_content_encoding",
        ),
        (
            post(CHAT, &json!({"model": "x", "messages": [{"role": "user", "content": ""}]})),
            404,
            "model_not_found",
        ),
        (TestRequest::get().uri(CHAT), 405, "method_not_allowed"),
        (TestRequest::get().uri("/v2/nothing"), 404, "not_found"),
        (TestRequest::delete().uri("/v1/models/m"), 405, "method_not_allowed"),
    ];
    for (request, status, code) in cases {
        let reply = gateway.send(request).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text);
        assert!(reply.headers.contains_key("x-request-id"));
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    let metrics = gateway.send(TestRequest::get().uri("/metrics")).await.text;
    assert!(metrics.contains("model_not_found"), "{metrics}");
    let exchanges = metrics.lines().filter(|line| line.starts_with("portcullis_requests_total{"));
    assert!(exchanges.into_iter().all(|line| line.ends_with(" 0")), "{metrics}");
}

#[actix_web::test]
async fn without_keys_only_this_machine_is_served() {
    let gateway = Fixture::saying(&["Hello."]);
    let hello = || post(CHAT, &chat("hi"));
    for peer in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
        assert_eq!(gateway.send_from(peer, hello()).await.status, 200);
    }
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let spoofed = hello().insert_header((header, "127.0.0.1"));
        let reply = gateway.send_from("192.0.2.1:9", spoofed).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "loopback_only"));
    }
    let any_key = hello().insert_header(("authorization", "Bearer sk-anything"));
    assert_eq!(gateway.send(any_key).await.status, 200);
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("app.localhost", 200),
        ("rebound.example", 403),
        ("127.0.0.1.example:8080", 403),
    ] {
        let reply = gateway.send(hello().insert_header(("host", host))).await;
        assert_eq!(reply.status, status, "{host}");
    }
}

#[actix_web::test]
async fn with_keys_only_they_count() {
    let gateway = Fixture::saying(&["Hello."]);
    let make = |name, role| {
        let key = gateway.keys.create(name, role, None, Limits::default()).unwrap();
        format!("Bearer {}", key.expose_secret())
    };
    let (user, admin) = (make("app", CallerRole::User), make("ops", CallerRole::Admin));
    let hello = || post(CHAT, &chat("hi")).insert_header(("host", "gateway.example"));
    let with = |request: TestRequest, key: &str| request.insert_header(("authorization", key));
    let remote = "192.0.2.1:9";

    assert_eq!(gateway.send_from(remote, with(hello(), &user)).await.status, 200);
    for bad in ["Bearer nonsense", "Basic abc", "Bearer ", "nonsense", "\u{e9}"] {
        let reply = gateway.send(with(hello(), bad)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_api_key"), "{bad}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    let twice = with(hello(), &user).append_header(("authorization", user.as_str()));
    assert_eq!(gateway.send(twice).await.status, 401);
    assert_eq!(gateway.send(hello()).await.status, 401);
    let models = TestRequest::get().uri("/v1/models");
    assert_eq!(gateway.send_from(remote, models).await.status, 401);

    let metrics = || TestRequest::get().uri("/metrics");
    let reload = || TestRequest::post().uri("/admin/reload");
    for (request, peer, status) in [
        (metrics(), "127.0.0.1:9", 200),
        (metrics(), remote, 403),
        (with(metrics(), &user), "127.0.0.1:9", 403),
        (with(metrics(), &admin), remote, 200),
        (metrics().insert_header(("x-forwarded-for", "127.0.0.1")), "127.0.0.1:9", 403),
        (reload(), "127.0.0.1:9", 403),
        (with(reload(), &user), "127.0.0.1:9", 403),
        (with(reload(), &admin), remote, 200),
    ] {
        assert_eq!(gateway.send_from(peer, request).await.status, status);
    }
}

#[actix_web::test]
async fn a_request_without_a_limit_is_charged_what_the_model_may_generate() {
    let gateway = Fixture::saying(&["Hello."]);
    let limits =
        Limits { tokens_per_minute: NonZeroU32::new(TOKENS_DEFAULT_MAX), ..Limits::default() };
    let key = gateway.keys.create("app", CallerRole::User, None, limits).unwrap();
    let key = format!("Bearer {}", key.expose_secret());
    let with = |request: &Value| post(CHAT, request).insert_header(("authorization", key.as_str()));
    let mut request = chat("hi");
    let reply = gateway.send(with(&request)).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "request_above_rate_limit"));
    // With the prompt's own tokens it fits exactly.
    request["max_tokens"] = json!(TOKENS_DEFAULT_MAX - 1);
    assert_eq!(gateway.send(with(&request)).await.status, 200);
}

#[actix_web::test]
async fn the_admin_listener_serves_metrics_and_no_api() {
    let gateway = Fixture::saying(&["Hello."]);
    let remote = |request: TestRequest| request.peer_addr("192.0.2.1:9".parse().unwrap());
    for (path, status) in
        [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/v1/models", 404)]
    {
        let request = remote(TestRequest::get().uri(path));
        assert_eq!(gateway.send_to(AdminListener::Own, request).await.status, status, "{path}");
    }
    let reload = remote(TestRequest::post().uri("/admin/reload"));
    assert_eq!(gateway.send_to(AdminListener::Own, reload).await.status, 403);
    let reload = TestRequest::post().uri("/admin/reload").peer_addr("127.0.0.1:9".parse().unwrap());
    let reply = gateway.send_to(AdminListener::Own, reload).await;
    assert_eq!(reply.json()[0]["result"], "unchanged");
}

#[actix_web::test]
async fn models_have_names_with_slashes_and_aliases() {
    let gateway = Fixture::saying(&["Hello."]);
    let list = gateway.send(TestRequest::get().uri("/v1/models")).await.json();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids, ["org/m", "m"]);
    for path in ["/v1/models/org/m", "/v1/models/org%2Fm", "/v1/models/m"] {
        let model = gateway.send(TestRequest::get().uri(path)).await.json();
        assert_eq!(model["portcullis"]["backend"], "org/m", "{path}");
    }
    let absent = gateway.send(TestRequest::get().uri("/v1/models/absent")).await;
    assert_eq!((absent.status, absent.code().as_str()), (404, "model_not_found"));
    assert!(!absent.text.contains("absent"));
}

#[actix_web::test]
async fn stripped_fields_are_reported_in_header_and_body() {
    let config = ApiConfig { unknown_fields: UnknownFields::Strip, ..ApiConfig::default() };
    let gateway = Fixture::new(config, script(&["Hello."]));
    let mut request = chat("hi");
    request["guided_json"] = json!({});
    let reply = gateway.send(post(CHAT, &request)).await;
    assert_eq!(reply.headers["x-portcullis-stripped-fields"], "guided_json");
    assert_eq!(reply.json()["portcullis"]["stripped_fields"], json!(["guided_json"]));
}

#[actix_web::test]
async fn moderation_answers_in_openais_categories() {
    let gateway = Fixture::saying(&[]);
    let request = post("/v1/moderations", &json!({"input": ["bread", "a pipe bomb"]}));
    let reply = gateway.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let body = reply.json();
    assert_eq!(body["model"], "test@1");
    assert_eq!(body["results"][0]["flagged"], false);
    let result = &body["results"][1];
    assert_eq!(result["flagged"], true);
    assert_eq!(result["categories"]["illicit/violent"], true);
    assert_eq!(result["categories"]["self-harm"], false);
    assert_eq!(result["category_scores"]["illicit"], 1.0);
    assert_eq!(result["category_applied_input_types"]["illicit"], json!(["text"]));
    assert_eq!(result["portcullis"]["actions"], json!({"weapons": "block"}));
    assert_eq!(result["portcullis"]["scores"]["weapons"], 1.0);
}

#[actix_web::test]
async fn probes_say_what_works() {
    let gateway = Fixture::saying(&[]);
    let reply = gateway.send_from("192.0.2.1:9", TestRequest::get().uri("/readyz")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!({"ready": true, "policy": true, "audit_log": true, "backends": {"org/m": true}})
    );
}

#[actix_web::test]
async fn the_system_card_is_html_for_browsers_and_json_for_programs() {
    let gateway = Fixture::saying(&[]);
    let get = || TestRequest::get().uri("/system-card");
    let card = gateway.send_from("192.0.2.1:9", get()).await.json();
    assert_eq!(card["policy"]["categories"][0]["category"], "violence_terrorism");
    assert_eq!(card["policy"]["categories"][0]["input"], "block");
    let browser = get().insert_header(("accept", "text/html,application/xhtml+xml,*/*;q=0.8"));
    let page = gateway.send(browser).await;
    assert!(page.headers["content-type"].starts_with("text/html"));
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    for channel in [
        "https://github.com/facebookresearch/llama/issues",
        "https://developers.facebook.com/llama_output_feedback",
        "https://www.facebook.com/whitehat/info",
        "LlamaUseReport@meta.com",
    ] {
        assert!(page.text.contains(channel) && card.to_string().contains(channel));
    }
    let json = get().insert_header(("accept", "application/json, text/html;q=0.5"));
    assert_eq!(gateway.send(json).await.headers["content-type"], "application/json");
}
