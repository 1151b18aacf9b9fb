//! `chat` against a server that answers with what a test tells it to.

use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::client::{Decision, End, Part};
use super::screen::{describe, harmless};
use super::*;

/// Serves each of `replies`, a whole HTTP response, to one connection; returns what was asked.
async fn serve(replies: Vec<String>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 65536];
            let mut length = 0;
            loop {
                length += stream.read(&mut request[length..]).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let body = text.split("\r\n\r\n").nth(1);
                let wanted = text
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
                if body.is_some_and(|body| body.len() >= wanted) {
                    asked.push(text);
                    break;
                }
            }
            // In two parts, so that an event arrives cut.
            let (first, second) = reply.as_bytes().split_at(reply.len() / 2);
            stream.write_all(first).await.unwrap();
            stream.flush().await.unwrap();
            stream.write_all(second).await.unwrap();
        }
        asked
    });
    (url, task)
}

fn http(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}")
}

fn stream(events: &[&str]) -> String {
    let mut body = Vec::new();
    writeln!(body, ": keep-alive\n").unwrap();
    for event in events {
        writeln!(body, "data: {event}\n").unwrap();
    }
    http("200 OK", "text/event-stream", &String::from_utf8(body).unwrap())
}

fn client(url: Url) -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut client = Client::new(url, Some("pk-1".into()), Some(9), Some(0.0)).unwrap();
    client.model = "demo".to_owned();
    client
}

async fn chat(url: Url, lines: &[&str]) -> Chat {
    let mut chat = Chat {
        client: client(url),
        screen: Screen::new(false),
        system: Some(Turn { role: "system", content: "Be brief.".to_owned() }),
        turns: Vec::new(),
        failed: false,
    };
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    for line in lines {
        sender.send((*line).to_owned()).await.unwrap();
    }
    drop(sender);
    chat.talk(receiver).await.unwrap();
    chat
}

const HELLO: &[&str] = &[
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"portcullis":{"decision":"01","outcome":"completed","categories":[]}}"#,
    "[DONE]",
];

const REFUSED: &[&str] = &[
    r#"{"choices":[{"delta":{"content":"I cannot help."},"finish_reason":null}]}"#,
    r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}],"portcullis":{"decision":"02","outcome":"policy_block","stage":"input","categories":["weapons"]}}"#,
    "[DONE]",
];

#[tokio::test]
async fn a_conversation_keeps_what_was_answered_and_forgets_what_was_refused() {
    let (url, asked) = serve(vec![stream(HELLO), stream(REFUSED), stream(HELLO)]).await;
    let chat = chat(url, &["Hi", "", "something forbidden", "Again"]).await;
    let asked = asked.await.unwrap();

    assert!(asked[0].contains("POST /v1/chat/completions"), "{}", asked[0]);
    assert!(asked[0].contains("authorization: Bearer pk-1"));
    assert!(asked[0].contains(r#""max_tokens":9"#) && asked[0].contains("Be brief."));
    assert!(!asked[2].contains("something forbidden"), "{}", asked[2]);
    let said: Vec<_> = chat.turns.iter().map(|turn| turn.content.as_str()).collect();
    assert_eq!(said, ["Hi", "Hello", "Again", "Hello"]);
    assert!(!chat.failed);
}

#[tokio::test]
async fn a_refusal_that_comes_as_an_error_is_a_refusal() {
    let error = |stage: &str| {
        format!(
            r#"{{"error":{{"message":"Not here.","type":"invalid_request_error","param":null,"code":"content_filter"}},"portcullis":{{"decision":"03","outcome":"policy_block","stage":"{stage}","categories":["weapons"]}}}}"#
        )
    };
    let replies = vec![
        http("400 Bad Request", "application/json", &error("input")),
        stream(&[HELLO[1], HELLO[2], &error("output")]),
    ];
    let (url, asked) = serve(replies).await;
    let client = client(url);
    let mut shown = Vec::new();
    for _ in 0..2 {
        let mut answer = client.ask(&[]).await.unwrap();
        let mut text = String::new();
        loop {
            match answer.next().await.unwrap() {
                Part::Text(piece) => text.push_str(&piece),
                Part::End(end) => {
                    assert!(end.is_refused());
                    shown.push((text, describe(&end).unwrap()));
                    break;
                }
            }
        }
    }
    asked.await.unwrap();
    let expected = [
        ("Not here.", "[refused: weapons, decision 03]"),
        ("Hello\n\nNot here.", "[cut off: weapons, decision 03]"),
    ];
    assert_eq!(shown, expected.map(|(text, remark)| (text.to_owned(), remark.to_owned())));
}

#[tokio::test]
async fn errors_are_shown_and_the_conversation_goes_on() {
    let error = r#"{"error":{"message":"the model is busy","code":"overloaded"}}"#;
    let replies = vec![
        http("429 Too Many Requests", "application/json", error),
        stream(&[HELLO[1], error]),
        stream(&HELLO[..2]),
        stream(HELLO),
    ];
    let (url, asked) = serve(replies).await;
    let chat = chat(url, &["one", "two", "three", "four", "/quit", "five"]).await;
    assert_eq!(asked.await.unwrap().len(), 4);
    let said: Vec<_> = chat.turns.iter().map(|turn| turn.content.as_str()).collect();
    assert_eq!(said, ["four", "Hello"]);
    assert!(chat.failed);
}

#[tokio::test]
async fn the_default_model_is_found_and_an_absent_gateway_is_explained() {
    let list = r#"{"object":"list","data":[{"id":"llama"},{"id":"other"}]}"#;
    let (mut url, asked) = serve(vec![http("200 OK", "application/json", list)]).await;
    url.set_path("/v1");
    assert_eq!(client(url.clone()).default_model().await.unwrap(), "llama");
    assert!(asked.await.unwrap()[0].starts_with("GET /v1/models "));
    let error = client(url).default_model().await.unwrap_err().to_string();
    assert!(error.contains("is the gateway running?"), "{error}");
}

#[test]
fn what_the_policy_did_is_said_in_one_line() {
    let end = |finish: &str, outcome: &str, stage: Option<&str>, categories: &[&str]| End {
        finish_reason: Some(finish.to_owned()),
        decision: Some(Decision {
            decision: "0190".to_owned(),
            outcome: outcome.to_owned(),
            stage: stage.map(str::to_owned),
            categories: categories.iter().map(|slug| (*slug).to_owned()).collect(),
        }),
    };
    let refused = end("content_filter", "policy_block", Some("input"), &["self_harm"]);
    assert_eq!(describe(&refused).unwrap(), "[refused: self_harm, decision 0190]");
    let cut = end("content_filter", "policy_block", Some("output"), &["drugs", "weapons"]);
    assert_eq!(describe(&cut).unwrap(), "[cut off: drugs, weapons, decision 0190]");
    let replaced = end("stop", "policy_replace", Some("input"), &["self_harm"]);
    assert!(describe(&replaced).unwrap().starts_with("[answered by the policy: self_harm"));
    assert!(replaced.is_refused());
    let flagged = end("stop", "completed", Some("input"), &["jailbreak"]);
    assert!(describe(&flagged).unwrap().starts_with("[passed, with findings: jailbreak"));
    assert_eq!(describe(&end("stop", "completed", None, &[])), None);
}

#[test]
fn text_cannot_steer_the_terminal() {
    assert_eq!(harmless("a\x1b[2Jb\u{9b}c\r\nd\te"), "a[2Jbc\nd\te");
}
