//! Streams: what is collected and what is streamed must agree, however the
//! model cuts its answer, and every end has its own shape.

use std::time::Duration;

use portcullis::domain::{FinishReason, GenerationEvent};
use proptest::prelude::*;
use serde_json::json;

use crate::harness::{Rules, TestGateway, chat, delta};

fn rules() -> Rules {
    Rules::new()
        .block("weapons", "pipe bomb")
        .redact("privacy", "jane doe")
        .flag("spam", "buy now")
        .replace("self_harm", "hurt myself")
}

fn streamed(text: &str) -> serde_json::Value {
    let mut request = chat(text);
    request["stream"] = json!(true);
    request
}

#[tokio::test]
async fn a_stream_ends_with_finish_reason_decision_and_done() {
    let gateway = TestGateway::new().says("Hello there.").spawn();
    let mut request = streamed("hi");
    request["stream_options"] = json!({"include_usage": true});
    let stream = gateway.stream("/v1/chat/completions", &request).await;
    assert_eq!(stream.status, 200);
    assert!(stream.content_type.starts_with("text/event-stream"));
    assert_eq!(stream.text(0), "Hello there.");
    assert_eq!(stream.finish_reason(0), "stop");
    assert!(stream.done, "the stream ends with [DONE]");
    assert_eq!(stream.chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let told: Vec<_> = stream.chunks.iter().filter_map(|chunk| chunk.get("portcullis")).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["outcome"], "completed");
    assert!(stream.chunks.last().unwrap()["usage"]["completion_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_refusal_in_a_stream_ends_with_content_filter() {
    let gateway = TestGateway::new().policy(rules()).spawn();
    let stream = gateway.stream("/v1/chat/completions", &streamed("a pipe bomb")).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.text(0), "refused: weapons");
    assert_eq!(stream.finish_reason(0), "content_filter");
    assert!(stream.done);
}

#[tokio::test]
async fn a_stopped_answer_cancels_the_model() {
    let mut script: Vec<_> = "A pipe bomb. ".chars().map(|c| delta(0, &c.to_string())).collect();
    script.extend(std::iter::repeat_n(delta(0, "and more "), 5_000));
    let gateway =
        TestGateway::new().policy(rules()).script(script).pause(Duration::from_millis(2)).spawn();
    let begun = std::time::Instant::now();
    let stream = gateway.stream("/v1/chat/completions", &streamed("hi")).await;
    assert_eq!(stream.finish_reason(0), "content_filter");
    assert!(begun.elapsed() < Duration::from_secs(8), "ten seconds of script were not played");
}

#[tokio::test]
async fn an_error_after_the_start_is_an_error_event_and_never_done() {
    let script = vec![delta(0, "Half an ans")];
    let gateway = TestGateway::new().script(script).spawn();
    let stream = gateway.stream("/v1/chat/completions", &streamed("hi")).await;
    assert!(stream.chunks.iter().any(|chunk| chunk.get("error").is_some()));
    assert!(!stream.done);
    assert_eq!(gateway.decisions()[0]["outcome"], "upstream_error");
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded_as_interrupted() {
    let script: Vec<_> = std::iter::repeat_n(delta(0, "word "), 10_000).collect();
    let gateway = TestGateway::new().script(script).pause(Duration::from_millis(5)).spawn();
    gateway.abandon("/v1/chat/completions", &streamed("hi")).await;
    let record = gateway.decision_within(Duration::from_secs(10)).await;
    assert_eq!(record["outcome"], "interrupted");
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_collected_is_recorded_as_interrupted() {
    let script: Vec<_> = std::iter::repeat_n(delta(0, "word "), 10_000).collect();
    let gateway = TestGateway::new().script(script).pause(Duration::from_millis(5)).spawn();
    let request = chat("hi");
    let asked = gateway.post("/v1/chat/completions", &request);
    let left = tokio::time::timeout(Duration::from_millis(500), asked).await;
    assert!(left.is_err(), "fifty seconds of script were not played");
    assert_eq!(gateway.generations(), 1);
    let record = gateway.decision_within(Duration::from_secs(10)).await;
    assert_eq!(record["outcome"], "interrupted");
}

#[tokio::test]
async fn logprobs_never_tell_what_the_text_may_not() {
    let text = "A pipe bomb.";
    let script = text.chars().map(|c| crate::harness::delta_with_logprob(0, &c.to_string()));
    let mut script: Vec<_> = script.collect();
    script.push(GenerationEvent::Finished { choice: 0, reason: FinishReason::Stop });
    let gateway = TestGateway::new().policy(rules()).script(script).spawn();
    let mut request = chat("hi");
    request["logprobs"] = json!(true);
    request["top_logprobs"] = json!(1);
    let reply = gateway.post("/v1/chat/completions", &request).await;
    let tokens = reply.body["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let told: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(told, "A ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The same words in any cut give the same bytes to the caller.
    #[test]
    fn the_cut_changes_nothing(
        words in proptest::collection::vec(
            prop_oneof![
                Just("pipe bomb "), Just("PIPE  b\u{200b}omb "), Just("Jane Doe "), Just("jane "),
                Just("buy now "), Just("pipe "), Just("naïve "), Just("ordinary words "), Just("🙂 "),
            ],
            1..8,
        ),
        cuts in proptest::collection::vec(1usize..7, 1..12),
    ) {
        let text = words.concat();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (whole, cut) = runtime.block_on(async {
            let once = TestGateway::new().policy(rules()).script_text(&[&text]).spawn();
            let whole = once.stream("/v1/chat/completions", &streamed("hi")).await;
            let pieces = cut_text(&text, &cuts);
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let often = TestGateway::new().policy(rules()).script_text(&pieces).spawn();
            let cut = often.stream("/v1/chat/completions", &streamed("hi")).await;
            let collected = often.post("/v1/chat/completions", &chat("hi")).await;
            assert_eq!(collected.content(0), cut.text(0));
            (whole, cut)
        });
        prop_assert_eq!(whole.text(0), cut.text(0));
        prop_assert_eq!(whole.finish_reason(0), cut.finish_reason(0));
    }
}

fn cut_text(text: &str, cuts: &[usize]) -> Vec<String> {
    let mut chars = text.chars().peekable();
    let mut pieces = Vec::new();
    for &length in cuts.iter().cycle() {
        if chars.peek().is_none() {
            break;
        }
        pieces.push(chars.by_ref().take(length).collect());
    }
    pieces
}
