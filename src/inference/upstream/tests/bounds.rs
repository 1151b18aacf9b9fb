//! Answers that are too long, too slow, cut short, or of a kind nobody asked for.

use super::*;

const UNSUPPORTED: Outcome = Err(InferenceErrorKind::UnsupportedPayload);
const CUT_SHORT: Outcome = Err(InferenceErrorKind::Upstream { status: 200 });

#[tokio::test]
async fn the_end_mark_may_be_missing_but_nothing_else() {
    let complete = [said(0, "a"), finished(0, "stop"), usage()].concat();
    assert!(outcome_of(stream(complete)).await.is_ok());
    let half = [said(0, "a"), finished(0, "stop")].concat() + "data: {\"choi";
    assert!(outcome_of(stream(half)).await.is_ok());
    assert_eq!(outcome_of(stream(said(0, "a"))).await, CUT_SHORT);
    assert_eq!(outcome_of(stream([said(0, "a"), done()].concat())).await, CUT_SHORT);
    assert_eq!(outcome_of(stream(done())).await, CUT_SHORT);
    assert_eq!(outcome_of(stream("")).await, CUT_SHORT);
}

#[tokio::test]
async fn a_chunked_body_that_breaks_off_is_an_error() {
    let chunk = said(0, "a");
    let begun = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{chunk}\r\n",
        chunk.len()
    );
    assert_eq!(outcome_of(vec![Act::Send(begun.into_bytes())]).await, CUT_SHORT);
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    for body in [
        event("not json"),
        event(r#"{"choices":[{"index":7,"delta":{"content":"a"}}]}"#),
        event(r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#),
        [finished(0, "stop"), said(0, "more"), done()].concat(),
        finished(0, "tool_calls"),
        event(&"[".repeat(100_000)),
    ] {
        assert_eq!(outcome_of(stream(body)).await, UNSUPPORTED);
    }
    let mut broken_utf8 = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"".to_vec();
    broken_utf8.extend(b"\xC3\x28\"}}]}\n\n");
    assert_eq!(outcome_of(stream(broken_utf8)).await, UNSUPPORTED);
}

#[tokio::test]
async fn errors_in_the_stream_are_the_servers() {
    let error = event(r#"{"error":{"message":"CUDA out of memory","code":500}}"#);
    let failed = outcome_of(stream([said(0, "a"), error].concat())).await;
    assert_eq!(failed, Err(InferenceErrorKind::Upstream { status: 500 }));
}

#[tokio::test]
async fn answers_are_refused_in_forms_that_were_not_asked_for() {
    let gzip = "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n";
    assert_eq!(outcome_of(status("200 OK", gzip, &hello())).await, UNSUPPORTED);
    let identity = "content-type: text/event-stream\r\ncontent-encoding: Identity\r\n";
    assert!(outcome_of(status("200 OK", identity, &hello())).await.is_ok());
    let html = "content-type: text/html\r\n";
    assert_eq!(outcome_of(status("200 OK", html, "<p>Hi</p>")).await, UNSUPPORTED);
    assert_eq!(outcome_of(status("200 OK", "", &hello())).await, UNSUPPORTED);
    assert_eq!(outcome_of(status("204 No Content", "", "")).await, UNSUPPORTED);
}

#[tokio::test]
async fn events_and_answers_have_a_greatest_length() {
    let limited = async |body: String, event_bytes_max, response_bytes_max| {
        let server = Server::always(stream(body)).await;
        let backend = upstream(&[&server], |config| {
            config.event_bytes_max = event_bytes_max;
            config.response_bytes_max = response_bytes_max;
        });
        outcome(&backend, chat()).await
    };
    let long = [said(0, &"a".repeat(64 << 10)), finished(0, "stop"), done()].concat();
    assert!(limited(long.clone(), 128 << 10, 1 << 20).await.is_ok());
    assert_eq!(limited(long, 16 << 10, 1 << 20).await, UNSUPPORTED);
    let unended = format!("data: {}", "a".repeat(64 << 10));
    assert_eq!(limited(unended, 16 << 10, 1 << 20).await, UNSUPPORTED);
    let comment = format!(":{}", "a".repeat(64 << 10));
    assert_eq!(limited(comment, 16 << 10, 1 << 20).await, UNSUPPORTED);
    let many = said(0, "aaaa").repeat(1_000);
    assert_eq!(limited(many, 16 << 10, 32 << 10).await, UNSUPPORTED);
}

#[tokio::test]
async fn a_long_answer_that_is_not_a_stream_is_refused() {
    let acts = vec![Act::Send(head("application/json")), Act::Send(vec![b' '; 64 << 10])];
    let server = Server::always(acts).await;
    let backend = upstream(&[&server], |config| config.response_bytes_max = 16 << 10);
    assert_eq!(outcome(&backend, chat()).await, UNSUPPORTED);
}

#[tokio::test]
async fn each_phase_has_its_time() {
    let wait = Act::Wait(Duration::from_secs(20));
    let keep_alive = Act::Send(b": still here\n\n".to_vec());
    let head = || Act::Send(head("text/event-stream"));
    let first = || Act::Send(said(0, "a").into_bytes());
    for acts in [
        vec![wait.clone()],
        vec![head(), wait.clone()],
        vec![
            head(),
            keep_alive.clone(),
            Act::Wait(Duration::from_millis(80)),
            keep_alive,
            wait.clone(),
        ],
        vec![head(), first(), wait],
    ] {
        let server = Server::always(acts).await;
        let backend = upstream(&[&server], |config| {
            config.first_token_timeout_ms = 150;
            config.idle_timeout_ms = 150;
        });
        assert_eq!(outcome(&backend, chat()).await, Err(InferenceErrorKind::Timeout));
    }
}

#[tokio::test]
async fn an_answer_complete_but_for_its_end_mark_does_not_time_out() {
    let acts = vec![
        Act::Send(head("text/event-stream")),
        Act::Send([said(0, "a"), finished(0, "stop")].concat().into_bytes()),
        Act::AwaitClose,
    ];
    let server = Server::always(acts).await;
    let backend = upstream(&[&server], |config| config.total_timeout_ms_max = 300);
    assert!(outcome(&backend, chat()).await.is_ok());
}

#[tokio::test]
async fn a_reader_that_does_not_read_gets_its_last_word() {
    let server = Server::always(stream(said(0, "a").repeat(500))).await;
    let backend = upstream(&[&server], |config| config.total_timeout_ms_max = 200);
    let mut stream = backend.begin(chat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event.map_err(|error| error.kind));
    }
    assert_eq!(events.len(), EVENTS_MAX + 1, "the queue and the last word");
    assert_eq!(events.pop(), Some(Err(InferenceErrorKind::Timeout)));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    let acts = vec![
        Act::Send(head("text/event-stream")),
        Act::Send(said(0, "a").into_bytes()),
        Act::AwaitClose,
    ];
    let server = Server::always(acts).await;
    let backend = upstream(&[&server], |_| {});
    let mut stream = backend.begin(chat()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), STARTED);
    assert_eq!(backend.load().running, 1);
    drop(stream);
    let noticed = async {
        while server.closed_by_client.load(Ordering::SeqCst) == 0 || backend.load().running > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), noticed).await.unwrap();
}
