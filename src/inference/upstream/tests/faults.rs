//! Servers that refuse, fail or are away, and the way to another one.

use super::*;

const UNAVAILABLE: Outcome = Err(InferenceErrorKind::Unavailable);

/// An address at which nobody listens.
async fn dead() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn a_dead_server_is_passed_over() {
    let server = Server::always(stream(hello())).await;
    for dead_first in [true, false] {
        let dead = dead().await;
        let backend = upstream(&[&server], |config| {
            config.urls.insert(usize::from(!dead_first), dead);
        });
        for _ in 0..4 {
            assert!(outcome(&backend, chat()).await.is_ok());
        }
    }
    assert_eq!(server.times_asked(), 8);
}

#[tokio::test]
async fn only_refusals_before_any_work_are_retried_and_elsewhere() {
    for (line, retried) in [
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", true),
        ("504 Gateway Timeout", true),
        ("429 Too Many Requests", true),
        ("500 Internal Server Error", false),
        ("400 Bad Request", false),
        ("401 Unauthorized", false),
        ("302 Found", false),
    ] {
        let failing = Server::always(status(line, "location: http://127.0.0.1:1/\r\n", "")).await;
        let working = Server::always(stream(hello())).await;
        let backend = upstream(&[&failing, &working], |_| {});
        // Servers take turns, so that one of two requests meets the failing one first.
        let first = outcome(&backend, chat()).await;
        let second = outcome(&backend, chat()).await;
        assert_eq!(first.is_ok() && second.is_ok(), retried, "{line}");
        assert_eq!(failing.times_asked(), 1, "{line}: asked once, never again");
    }
}

#[tokio::test]
async fn retries_are_counted() {
    let failing = async || Server::always(status("503 Service Unavailable", "", "")).await;
    let servers = [failing().await, failing().await, failing().await];
    let backend = upstream(&[&servers[0], &servers[1], &servers[2]], |config| {
        config.retries_max = 1;
    });
    let refused = outcome(&backend, chat()).await;
    assert_eq!(refused, Err(InferenceErrorKind::Upstream { status: 503 }));
    assert_eq!(servers.iter().map(Server::times_asked).sum::<usize>(), 2);
}

#[tokio::test]
async fn nothing_is_retried_once_the_answer_began() {
    let server = Server::start(|number| match number {
        0 => stream(said(0, "a")),
        _ => stream(hello()),
    })
    .await;
    let other = Server::always(stream(hello())).await;
    let backend = upstream(&[&server, &other], |_| {});
    let cut = outcome(&backend, chat()).await;
    assert_eq!(cut, Err(InferenceErrorKind::Upstream { status: 200 }));
    assert_eq!((server.times_asked(), other.times_asked()), (1, 0));
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    let busy = outcome_of(status("429 Too Many Requests", "retry-after: 9\r\n", "")).await;
    let retry_after = Duration::from_secs(9);
    assert_eq!(busy, Err(InferenceErrorKind::Overloaded { retry_after }));
}

#[tokio::test]
async fn a_servers_words_do_not_reach_the_caller() {
    let body = r#"{"error":{"message":"secret words of the prompt","code":"bad_request"}}"#;
    let server = Server::always(status("400 Bad Request", "", body)).await;
    let error = upstream(&[&server], |_| {}).begin(chat()).await.unwrap_err();
    assert_eq!(error.kind, InferenceErrorKind::InvalidRequest { status: 400 });
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[tokio::test]
async fn a_breaker_spares_a_failing_server_and_lets_it_come_back() {
    let server = Server::start(|number| match number {
        0..=2 => status("500 Internal Server Error", "", ""),
        _ => stream(hello()),
    })
    .await;
    let backend = upstream(&[&server], |config| {
        config.breaker = BreakerConfig {
            window_requests: 2,
            failure_rate_max: 0.5,
            open_ms: 200,
            probe_requests: 1,
        };
    });
    for _ in 0..3 {
        let failed = outcome(&backend, chat()).await;
        assert_eq!(failed, Err(InferenceErrorKind::Upstream { status: 500 }));
    }
    assert_eq!(outcome(&backend, chat()).await, UNAVAILABLE);
    assert_eq!(server.times_asked(), 3, "an open breaker asks nobody");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(outcome(&backend, chat()).await.is_ok());
    assert!(outcome(&backend, chat()).await.is_ok());
}

#[tokio::test]
async fn answers_that_break_off_count_against_the_server() {
    let server = Server::always(stream(said(0, "a"))).await;
    let backend = upstream(&[&server], |config| {
        config.breaker.window_requests = 4;
        config.breaker.open_ms = 60_000;
    });
    let mut unavailable = false;
    for _ in 0..6 {
        unavailable |= outcome(&backend, chat()).await == UNAVAILABLE;
    }
    assert!(unavailable, "half of what is counted failed");
}

#[tokio::test]
async fn a_prompt_above_the_servers_context_is_the_callers_to_shorten() {
    let too_long = InferenceErrorKind::PromptTooLong { tokens: None, tokens_max: None };
    for body in [
        r#"{"error":{"message":"secret","code":"context_length_exceeded"}}"#,
        r#"{"error":{"message":"secret","code":400,"type":"exceed_context_size_error"}}"#,
    ] {
        assert_eq!(outcome_of(status("400 Bad Request", "", body)).await, Err(too_long));
        assert_eq!(outcome_of(stream(event(body))).await, Err(too_long));
    }
}

/// A breaker that two failures open for the whole test.
fn touchy(config: &mut UpstreamConfig) {
    config.breaker = BreakerConfig { window_requests: 2, open_ms: 60_000, ..config.breaker };
}

#[tokio::test]
async fn what_callers_bring_about_is_not_held_against_the_server() {
    for error in [r#"{"code":400}"#, r#"{"code":422}"#, r#"{"message":"no code"}"#] {
        let error = event(&format!(r#"{{"error":{error}}}"#));
        let server = Server::always(stream([said(0, "a"), error].concat())).await;
        let backend = upstream(&[&server], touchy);
        for _ in 0..6 {
            assert_ne!(outcome(&backend, chat()).await, UNAVAILABLE);
        }
        assert_eq!(server.times_asked(), 6);
    }
}

#[tokio::test]
async fn a_slow_reader_is_not_held_against_the_server() {
    let server = Server::always(stream(said(0, "a").repeat(500))).await;
    let backend = upstream(&[&server], |config| {
        touchy(config);
        config.total_timeout_ms_max = 100;
    });
    for _ in 0..6 {
        let unread = backend.begin(chat()).await.unwrap();
        while backend.load().running > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(unread);
    }
    assert_eq!(server.times_asked(), 6);
}

#[tokio::test]
async fn a_busy_server_is_told_of_when_the_others_are_away() {
    let busy = Server::always(status(
        "429 Too Many Requests",
        "retry-after: 9
",
        "",
    ))
    .await;
    let dead = dead().await;
    let backend = upstream(&[&busy], |config| {
        touchy(config);
        config.urls.push(dead);
    });
    let overloaded = InferenceErrorKind::Overloaded { retry_after: Duration::from_secs(9) };
    // Each server is first in turn, while the other's breaker is closed and when it is open.
    for _ in 0..8 {
        assert_eq!(outcome(&backend, chat()).await, Err(overloaded));
    }
}

#[tokio::test]
async fn readiness_is_asked_for_and_remembered() {
    let json = "content-type: application/json\r\n";
    let server = Server::always(status("200 OK", json, r#"{"data":[]}"#)).await;
    let backend = upstream(&[&server], |_| {});
    for _ in 0..3 {
        backend.ready().await.unwrap();
    }
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("GET /v1/models "));

    let refusing = Server::always(status("401 Unauthorized", json, "{}")).await;
    assert!(upstream(&[&refusing], |_| {}).ready().await.is_err());
    let dead = dead().await;
    let away = upstream(&[&refusing], |config| config.urls = vec![dead]);
    assert_eq!(away.ready().await.unwrap_err().kind, InferenceErrorKind::Unavailable);
    assert_eq!(outcome(&away, chat()).await, UNAVAILABLE);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let config = |key: &str| UpstreamConfig {
        api_key: Some(key.into()),
        ..UpstreamConfig::new(vec!["http://h".parse().unwrap()])
    };
    let error = Upstream::start("llama".into(), config("line\nbreak")).unwrap_err();
    assert!(error.to_string().contains("`llama`") && !error.to_string().contains("line"));
    assert!(Upstream::start("llama".into(), UpstreamConfig::new(Vec::new())).is_err());
}
