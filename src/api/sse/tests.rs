//! The events of streams, fed by hand, as SDKs will read them.

use actix_web::ResponseError as _;
use actix_web::body::to_bytes;
use serde_json::{Value, json};

use super::*;
use crate::api::answer;
use crate::api::fixtures::{events, released, sealed, text};
use crate::domain::{Alternative, Endpoint};
use crate::inference::{InferenceError, InferenceErrorKind};
use crate::pipeline::{FailedWhy, Sealed};

fn form(endpoint: Endpoint, choices: u32) -> Form {
    Form { endpoint, choices, usage_wanted: false, logprobs: false, stripped: Vec::new() }
}

fn finished(choice: u32, reason: FinishReason) -> Released {
    Released::Finished { choice, reason }
}

fn unavailable() -> Option<FailedWhy> {
    let error = InferenceError::new(InferenceErrorKind::Unavailable, "the model is away");
    Some(FailedWhy::Inference(error))
}

async fn streamed(events: Vec<Released>, form: Form) -> String {
    let response = stream(released(events), form).await.unwrap();
    assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
    assert_eq!(response.headers().get("cache-control").unwrap(), "no-cache");
    assert_eq!(response.headers().get("x-accel-buffering").unwrap(), "no");
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn collected(events: Vec<Released>, form: Form) -> Value {
    let response = answer::collect(released(events), form, 1 << 20).await.unwrap();
    serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
}

async fn two_choices() -> Vec<Released> {
    vec![
        text(0, "Hel"),
        text(1, "Bon"),
        finished(1, FinishReason::Length),
        text(0, "lo"),
        finished(0, FinishReason::ContentFilter),
        Released::Sealed(Box::new(sealed(Outcome::PolicyBlock).await)),
    ]
}

#[actix_web::test]
async fn a_chat_stream_has_openai_chunks_and_ends_with_the_decision() {
    let form = Form { usage_wanted: true, ..form(Endpoint::ChatCompletions, 2) };
    let stream = streamed(two_choices().await, form).await;
    let mut events = events(&stream);
    assert_eq!(events.pop().unwrap(), "[DONE]");
    for event in &mut events {
        assert_eq!(event["object"], "chat.completion.chunk");
        assert!(event["id"].as_str().unwrap().starts_with("chatcmpl-"));
        assert_eq!(event["model"], "m");
    }
    let choices: Vec<_> = events.iter().map(|event| event["choices"].clone()).collect();
    let choice = |index: u32, delta: Value, finish: Value| json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let role = json!({"role": "assistant", "content": ""});
    assert_eq!(
        choices,
        [
            choice(0, role.clone(), Value::Null),
            choice(0, json!({"content": "Hel"}), Value::Null),
            choice(1, role, Value::Null),
            choice(1, json!({"content": "Bon"}), Value::Null),
            choice(0, json!({"content": "lo"}), Value::Null),
            choice(0, json!({}), json!("content_filter")),
            choice(1, json!({}), json!("length")),
            json!([]),
        ]
    );
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
    assert_eq!(events[7]["usage"], usage);
    assert!(events[..7].iter().all(|event| event["usage"] == Value::Null));
    let told: Vec<_> = events.iter().map(|event| event.get("portcullis").is_some()).collect();
    assert_eq!(told, [false, false, false, false, false, false, true, false]);
    assert_eq!(events[6]["portcullis"]["outcome"], "policy_block");
    assert!(events[6]["portcullis"]["audit"]["hash"].as_str().unwrap().starts_with("sha256:"));
}

#[actix_web::test]
async fn counts_that_are_not_known_are_not_made_up() {
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions] {
        let uncounted = async || {
            let sealed = Sealed { usage: None, ..sealed(Outcome::PolicyBlock).await };
            vec![text(0, "Hel"), Released::Sealed(Box::new(sealed))]
        };
        let wanted = Form { usage_wanted: true, ..form(endpoint, 1) };
        let stream = streamed(uncounted().await, wanted.clone()).await;
        let mut events = events(&stream);
        assert_eq!(events.pop().unwrap(), "[DONE]");
        assert!(events.iter().all(|event| event["usage"] == Value::Null));
        assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "content_filter");
        let whole = collected(uncounted().await, wanted).await;
        assert!(whole.get("usage").is_none(), "{whole}");
    }
}

#[actix_web::test]
async fn a_stream_and_a_body_say_the_same() {
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions] {
        let whole = collected(two_choices().await, form(endpoint, 2)).await;
        let stream = streamed(two_choices().await, form(endpoint, 2)).await;
        for index in 0..2 {
            let mut said = String::new();
            let mut finish = Value::Null;
            for event in events(&stream) {
                let Some(choice) = event["choices"].as_array().and_then(|c| c.first()) else {
                    continue;
                };
                if choice["index"] == index {
                    let text = choice["delta"]["content"].as_str().or(choice["text"].as_str());
                    said.push_str(text.unwrap_or_default());
                    finish = choice["finish_reason"].clone();
                }
            }
            let choice = &whole["choices"][index];
            let text = choice["message"]["content"].as_str().or(choice["text"].as_str());
            assert_eq!(text.unwrap(), said);
            assert_eq!(choice["finish_reason"], finish);
        }
        assert_eq!(whole["usage"]["total_tokens"], 8);
    }
}

#[actix_web::test]
async fn no_choice_ends_before_the_decision_is_recorded() {
    let events = vec![text(0, "Hello"), finished(0, FinishReason::Stop)];
    let stream = streamed(events, form(Endpoint::ChatCompletions, 1)).await;
    assert!(!stream.contains("\"stop\"") && !stream.contains(DONE), "{stream}");
    let last = super::tests::events(&stream).pop().unwrap();
    assert_eq!(last["error"]["code"], "guard_unavailable");
    // Nothing was sent yet: a proper error response.
    let error = stream_error(Vec::new()).await;
    assert_eq!(error.status_code().as_u16(), 503);
}

async fn stream_error(events: Vec<Released>) -> ApiError {
    stream(released(events), form(Endpoint::ChatCompletions, 1)).await.unwrap_err()
}

#[actix_web::test]
async fn a_failure_is_a_status_before_the_first_word_and_an_event_after_it() {
    let mut failed = sealed(Outcome::UpstreamError).await;
    failed.error = unavailable();
    let error = stream_error(vec![Released::Sealed(Box::new(failed))]).await;
    assert_eq!(error.status_code().as_u16(), 503);
    assert!(error.error_response().headers().contains_key("x-portcullis-decision"));

    let mut failed = sealed(Outcome::UpstreamError).await;
    failed.error = unavailable();
    let events = vec![text(0, "Hel"), Released::Sealed(Box::new(failed))];
    let stream = streamed(events, form(Endpoint::ChatCompletions, 1)).await;
    let last = super::tests::events(&stream).pop().unwrap();
    assert_eq!(last["error"]["message"], "the model is away");
    assert_eq!(last["portcullis"]["outcome"], "upstream_error");
}

#[actix_web::test]
async fn a_choice_that_nobody_asked_for_is_never_written() {
    let events = vec![text(0, "a"), text(7, "stray")];
    let stream = streamed(events, form(Endpoint::ChatCompletions, 1)).await;
    assert!(!stream.contains("stray"));
    assert!(stream.contains("\"error\""));
    let error = answer::collect(
        released(vec![text(7, "stray")]),
        form(Endpoint::ChatCompletions, 1),
        1 << 20,
    );
    assert_eq!(error.await.unwrap_err().status_code().as_u16(), 503);
}

#[actix_web::test]
async fn a_collected_answer_is_bounded() {
    let events = vec![text(0, "12345"), text(0, "6")];
    let form = form(Endpoint::ChatCompletions, 1);
    let error = answer::collect(released(events), form, 5).await.unwrap_err();
    assert_eq!(error.status_code().as_u16(), 502);
}

#[actix_web::test]
async fn logprobs_have_each_endpoints_form() {
    let token = |text: &str, logprob| Alternative {
        text: text.to_owned(),
        bytes: text.as_bytes().to_vec(),
        logprob,
    };
    let events = async || {
        let tokens = vec![
            TokenLogprob { token: token("né", -0.5), top: vec![token("no", f32::NEG_INFINITY)] },
            TokenLogprob { token: token("e", -1.0), top: Vec::new() },
        ];
        vec![
            text(0, "Je suis "),
            Released::Text { choice: 0, text: "née".to_owned(), logprobs: tokens },
            finished(0, FinishReason::Stop),
            Released::Sealed(Box::new(sealed(Outcome::Completed).await)),
        ]
    };
    let with_logprobs = |endpoint| Form { logprobs: true, ..form(endpoint, 1) };
    let whole = collected(events().await, with_logprobs(Endpoint::Completions)).await;
    assert_eq!(
        whole["choices"][0]["logprobs"],
        json!({"tokens": ["né", "e"], "token_logprobs": [-0.5, -1.0],
               "top_logprobs": [{"no": -9999.0}, {}], "text_offset": [8, 10]})
    );
    let whole = collected(events().await, with_logprobs(Endpoint::ChatCompletions)).await;
    assert_eq!(
        whole["choices"][0]["logprobs"],
        json!({"refusal": null, "content": [
            {"token": "né", "logprob": -0.5, "bytes": [110, 195, 169], "top_logprobs": [
                {"token": "no", "logprob": -9999.0, "bytes": [110, 111]}]},
            {"token": "e", "logprob": -1.0, "bytes": [101], "top_logprobs": []},
        ]})
    );
    let stream = streamed(events().await, with_logprobs(Endpoint::Completions)).await;
    let event = &super::tests::events(&stream)[1];
    assert_eq!(event["choices"][0]["logprobs"]["text_offset"], json!([8, 10]));
}

#[actix_web::test]
async fn a_token_whose_text_went_out_in_parts_has_its_own_offset() {
    let token = |text: &str| TokenLogprob {
        token: Alternative { text: text.into(), bytes: text.into(), logprob: -1.0 },
        top: Vec::new(),
    };
    let piece = |text: &str, logprobs| Released::Text { choice: 0, text: text.into(), logprobs };
    let events = async || {
        vec![
            piece("né", vec![token("né")]),
            piece(" Hel", Vec::new()),
            piece("lo", vec![token(" Hello")]),
            piece(" you", vec![token(" you")]),
            Released::Sealed(Box::new(sealed(Outcome::Completed).await)),
        ]
    };
    let form = Form { logprobs: true, ..form(Endpoint::Completions, 1) };
    let whole = collected(events().await, form.clone()).await;
    assert_eq!(whole["choices"][0]["logprobs"]["text_offset"], json!([0, 2, 8]));
    let stream = super::tests::events(&streamed(events().await, form).await);
    let offsets = stream
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["text_offset"].as_array().cloned());
    assert_eq!(offsets.flatten().collect::<Vec<_>>(), [0, 2, 8]);
}

#[actix_web::test]
async fn silence_is_filled_with_comments() {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let quiet = ReleasedStream { notice: crate::api::fixtures::notice(), events: receiver };
    let mut live = Live {
        frames: Frames::new(form(Endpoint::ChatCompletions, 1), quiet.notice.clone()),
        stream: quiet,
        first: None,
        keep_alive: Duration::from_millis(5),
        over: false,
    };
    assert_eq!(live.next().await.unwrap(), COMMENT);
    sender.try_send(text(0, "x")).unwrap();
    assert!(live.next().await.unwrap().starts_with(b"data: {"));
}
