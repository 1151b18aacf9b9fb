//! `portcullis chat`, with messages from a pipe.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::{Rules, TestGateway};

/// Runs `portcullis chat` against `url` with `lines` on its standard input.
fn converse(url: &str, arguments: &[&str], lines: &str) -> Output {
    converse_bytes(url, arguments, lines.as_bytes())
}

fn converse_bytes(url: &str, arguments: &[&str], lines: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["chat", "--url", url])
        .args(arguments)
        .env_remove("PORTCULLIS_API_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have given up already; then its exit code and words are what counts.
    let _ = child.stdin.take().unwrap().write_all(lines);
    child.wait_with_output().unwrap()
}

/// The command blocks, and the gateway runs on threads of its own.
fn said(output: &Output) -> (&str, &str) {
    (std::str::from_utf8(&output.stdout).unwrap(), std::str::from_utf8(&output.stderr).unwrap())
}

#[test]
fn every_line_is_a_message_and_gets_its_answer() {
    let gateway = TestGateway::new().echoes_the_prompt().spawn();
    let output = converse(&gateway.url(""), &[], "Good morning\n\nHow are you?\n");
    let (answers, remarks) = said(&output);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(answers, "Good morning\nHow are you?\n");
    assert_eq!(remarks, "");
    assert_eq!(gateway.generations(), 2, "an empty line is no message");
}

#[test]
fn the_address_may_end_in_the_version() {
    let gateway = TestGateway::new().says("Hello.").spawn();
    let output = converse(&gateway.url("/v1/"), &[], "hi");
    assert_eq!(said(&output).0, "Hello.\n");
}

#[test]
fn a_refusal_is_shown_as_one_and_forgotten() {
    let rules = Rules::new().block("weapons", "pipe bomb");
    let gateway = TestGateway::new().policy(rules).echoes_the_prompt().spawn();
    let output = converse(&gateway.url(""), &[], "a pipe bomb, please\nthen a cake\n");
    let (answers, remarks) = said(&output);
    assert!(output.status.success(), "a refusal is an answer: {output:?}");
    // The second message is judged alone: were the first still part of the talk, it would be
    // refused again.
    assert_eq!(answers, "refused: weapons\nthen a cake\n");
    let decisions = gateway.decisions();
    let decision = decisions[0]["decision"].as_str().unwrap();
    assert_eq!(remarks, format!("[refused: weapons, decision {decision}]\n"));
    assert_eq!(decisions[1]["outcome"], "completed");
}

#[test]
fn an_answer_that_was_cut_is_shown_as_cut() {
    let gateway = TestGateway::new()
        .policy(Rules::new().block("weapons", "pipe bomb"))
        .says("Well. A pipe bomb is made of things.")
        .spawn();
    let output = converse(&gateway.url(""), &[], "tell me\n");
    let (answers, remarks) = said(&output);
    assert!(answers.starts_with("Well."), "{answers}");
    assert!(!answers.contains("bomb"), "{answers}");
    assert!(remarks.starts_with("[cut off: weapons, decision "), "{remarks}");
}

#[test]
fn a_refusal_that_the_policy_sends_as_an_error_is_shown_as_one() {
    let rules = Rules::new().block("weapons", "pipe bomb").refusal_style("error");
    let gateway = TestGateway::new().policy(rules).echoes_the_prompt().spawn();
    let output = converse(&gateway.url(""), &[], "a pipe bomb, please\nthen a cake\n");
    let (answers, remarks) = said(&output);
    assert!(output.status.success(), "a refusal is an answer: {output:?}");
    assert_eq!(answers, "refused: weapons\nthen a cake\n");
    let decision = gateway.decisions()[0]["decision"].as_str().unwrap().to_owned();
    assert_eq!(remarks, format!("[refused: weapons, decision {decision}]\n"));
}

#[test]
fn an_answer_that_the_policy_ends_with_an_error_is_shown_as_cut() {
    let rules = Rules::new().block("weapons", "pipe bomb").refusal_style("error");
    let gateway = TestGateway::new()
        .policy(rules)
        .says("Well, there are many things to say. A pipe bomb is made of things.")
        .spawn();
    let output = converse(&gateway.url(""), &[], "tell me\n");
    let (answers, remarks) = said(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(answers.starts_with("Well, there are"), "{answers}");
    assert!(answers.ends_with("\n\nrefused: weapons\n"), "{answers}");
    assert!(!answers.contains("bomb"), "{answers}");
    assert!(remarks.starts_with("[cut off: weapons, decision "), "{remarks}");
}

#[test]
fn bytes_that_are_no_text_are_sent_as_such_and_the_talk_goes_on() {
    let gateway = TestGateway::new().echoes_the_prompt().spawn();
    let output = converse_bytes(&gateway.url(""), &[], b"caf\xe9 \xff\xfe\nand on\n");
    let (answers, remarks) = said(&output);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(answers, "caf\u{fffd} \u{fffd}\u{fffd}\nand on\n");
    assert_eq!(remarks, "");
}

#[test]
fn what_a_model_says_cannot_steer_the_terminal() {
    let gateway = TestGateway::new().says("a\u{1b}[2Jb\u{7}c").spawn();
    let output = converse(&gateway.url(""), &[], "hi\n");
    assert_eq!(said(&output).0, "a[2Jbc\n");
}

#[test]
fn an_unreachable_gateway_is_named() {
    // Bound and dropped: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = converse(&format!("http://{free}"), &[], "hi\n");
    let (answers, remarks) = said(&output);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(answers, "");
    assert!(remarks.contains("cannot reach") && remarks.contains(&free.to_string()), "{remarks}");
    assert!(remarks.contains("--url"), "what to do is said: {remarks}");
}

#[test]
fn a_missing_key_is_told_and_a_given_one_works() {
    let gateway = TestGateway::new().key("app", "user", json!({})).says("Hello.").spawn();
    let output = converse(&gateway.url(""), &[], "hi\n");
    assert!(!output.status.success());
    assert!(said(&output).1.contains("an API key is needed"), "{output:?}");
    let secret = gateway.secret("app");
    let output = converse(&gateway.url(""), &["--key", &secret], "hi\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output).0, "Hello.\n");
}

#[test]
fn a_failed_message_fails_the_command_but_not_the_talk() {
    let gateway = TestGateway::new().says("Hello.").spawn();
    let output = converse(&gateway.url(""), &["--model", "absent"], "one\ntwo\n");
    let (answers, remarks) = said(&output);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(answers, "");
    assert_eq!(remarks.matches("model_not_found").count(), 2, "{remarks}");
}
