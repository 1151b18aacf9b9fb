//! The shipped demonstration model, over HTTP: no script says what comes.

use serde_json::{Value, json};

use crate::harness::{Builder, TestGateway, chat};

const CHAT: &str = "/v1/chat/completions";

fn demo() -> Builder {
    TestGateway::new().demo_model("threads: 1")
}

/// A greedy chat.
fn greedy(text: &str, tokens_max: u32) -> Value {
    let mut request = chat(text);
    request["temperature"] = json!(0);
    request["max_tokens"] = json!(tokens_max);
    request
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let gateway = demo().spawn();
    let mut request = greedy("What is the capital of France?", 24);
    let whole = gateway.post(CHAT, &request).await;
    assert!(whole.content(0).contains("Paris"), "{}", whole.body);
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let streamed = gateway.stream(CHAT, &request).await;
    assert!(streamed.done);
    assert_eq!(streamed.text(0), whole.content(0));
    assert_eq!(streamed.finish_reason(0), whole.finish_reason(0));
    assert!(streamed.chunks.len() > 5, "it came in pieces: {}", streamed.chunks.len());
    let usage = &streamed.chunks.last().unwrap()["usage"];
    assert_eq!(usage, &whole.body["usage"]);
    assert!(usage["completion_tokens"].as_u64().unwrap() > 5, "{usage}");
}

#[tokio::test]
async fn a_seed_repeats_an_answer_and_another_does_not() {
    let gateway = demo().spawn();
    let say = async |seed: u64| {
        let mut request = chat("Tell me a story.");
        request["max_tokens"] = json!(32);
        request["temperature"] = json!(1.5);
        request["seed"] = json!(seed);
        gateway.post(CHAT, &request).await.content(0)
    };
    let first = say(7).await;
    assert_eq!(say(7).await, first);
    assert_ne!(say(8).await, first);
}

#[tokio::test]
async fn the_choices_of_one_request_differ() {
    let gateway = demo().spawn();
    let mut request = chat("Tell me a story.");
    request["max_tokens"] = json!(32);
    request["temperature"] = json!(1.5);
    request["seed"] = json!(7);
    request["n"] = json!(2);
    let reply = gateway.post(CHAT, &request).await;
    assert_ne!(reply.content(0), reply.content(1));
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_part_of_it() {
    let gateway = demo().spawn();
    let whole = gateway.post(CHAT, &greedy("What is the capital of France?", 24)).await.content(0);
    let (before, _) = whole.split_once(" is").unwrap();
    let mut request = greedy("What is the capital of France?", 24);
    request["stop"] = json!([" is"]);
    let reply = gateway.post(CHAT, &request).await;
    assert_eq!(reply.content(0), before);
    assert_eq!(reply.finish_reason(0), "stop");
    request["stream"] = json!(true);
    let streamed = gateway.stream(CHAT, &request).await;
    assert_eq!(streamed.text(0), before);
    assert_eq!(streamed.finish_reason(0), "stop");
}

#[tokio::test]
async fn max_tokens_ends_with_length() {
    let gateway = demo().spawn();
    for field in ["max_tokens", "max_completion_tokens"] {
        let mut request = chat("What is the capital of France?");
        request["temperature"] = json!(0);
        request[field] = json!(3);
        let reply = gateway.post(CHAT, &request).await;
        assert_eq!(reply.finish_reason(0), "length", "{field}");
        assert_eq!(reply.body["usage"]["completion_tokens"], 3, "{field}");
    }
    let reply = gateway.post(CHAT, &greedy("What is the capital of France?", 200)).await;
    assert_eq!(reply.finish_reason(0), "stop", "it ends by itself");
}

#[tokio::test]
async fn a_completion_continues_its_prompt() {
    let gateway = demo().spawn();
    let request = json!({
        "model": "m", "prompt": "The capital of Italy is", "temperature": 0, "max_tokens": 12,
        "echo": false,
    });
    let reply = gateway.post("/v1/completions", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let text = reply.body["choices"][0]["text"].as_str().unwrap();
    assert!(text.contains("Rome"), "{text}");
    assert_eq!(reply.body["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn an_answer_longer_than_the_context_is_refused_by_its_field() {
    let gateway = TestGateway::new().demo_model("threads: 1, context_tokens: 128").spawn();
    for field in ["max_tokens", "max_completion_tokens"] {
        for (tokens, recorded) in [(129, 0), (128, 1)] {
            for stream in [false, true] {
                let before = gateway.decisions().len();
                let mut request = chat("What is the capital of France?");
                request[field] = json!(tokens);
                request["stream"] = json!(stream);
                let reply = gateway.post(CHAT, &request).await;
                assert_eq!(reply.status, 400, "{field} = {tokens}: {}", reply.body);
                let error = &reply.body["error"];
                assert_eq!(error["code"], "context_length_exceeded", "{error}");
                assert_eq!(error["param"], field, "{error}");
                assert!(error["message"].as_str().unwrap().contains(field), "{error}");
                // What needs no look at the prompt is refused before it is judged.
                assert_eq!(gateway.decisions().len() - before, recorded, "{field} = {tokens}");
            }
        }
    }
    for record in gateway.decisions() {
        assert_eq!(record["outcome"], "invalid_request");
    }
    let reply = gateway.post(CHAT, &greedy("What is the capital of France?", 64)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn old_turns_make_way_for_the_answer_that_was_asked_for() {
    let gateway = TestGateway::new().demo_model("threads: 1, context_tokens: 256").spawn();
    let dropped = async |tokens: u32| {
        let mut request = conversation(8, "what about bread?");
        request["max_tokens"] = json!(tokens);
        let reply = gateway.post(CHAT, &request).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["portcullis"]["turns_dropped"].as_u64().unwrap()
    };
    let few = dropped(16).await;
    let more = dropped(180).await;
    assert!(more > few, "{few} and {more}");
}

/// A conversation of so many finished turns, and a question.
fn conversation(turns: usize, filler: &str) -> Value {
    let mut messages = vec![json!({"role": "system", "content": "Answer in one sentence."})];
    for turn in 0..turns {
        messages.push(json!({"role": "user", "content": format!("Question {turn}: {filler}")}));
        messages.push(json!({"role": "assistant", "content": "Let us go on."}));
    }
    messages.push(json!({"role": "user", "content": "What is the capital of France?"}));
    json!({"model": "m", "temperature": 0, "max_tokens": 16, "messages": messages})
}

#[tokio::test]
async fn a_long_conversation_loses_its_oldest_turns() {
    let gateway = TestGateway::new().demo_model("threads: 1, context_tokens: 256").spawn();
    let short = gateway.post(CHAT, &conversation(1, "what about bread?")).await;
    assert_eq!(short.body["portcullis"]["turns_dropped"], 0, "{}", short.body);
    let long = gateway.post(CHAT, &conversation(40, "what about bread?")).await;
    assert_eq!(long.status, 200, "{}", long.body);
    let dropped = long.body["portcullis"]["turns_dropped"].as_u64().unwrap();
    assert!((20..40).contains(&dropped), "{dropped}");
    let usage = &long.body["usage"];
    let (prompt, total) = (&usage["prompt_tokens"], &usage["total_tokens"]);
    assert!(prompt.as_u64().unwrap() > 128, "most of the room is used: {usage}");
    assert!(total.as_u64().unwrap() <= 256, "{usage}");
    let records = gateway.decisions();
    assert_eq!(records.last().unwrap()["turns_dropped"], dropped);
}

#[tokio::test]
async fn a_last_message_that_is_too_long_is_a_400() {
    let gateway = TestGateway::new().demo_model("threads: 1, context_tokens: 256").spawn();
    let long = "bread and butter ".repeat(200);
    let reply = gateway.post(CHAT, &greedy(&long, 16)).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_eq!(reply.body["error"]["code"], "context_length_exceeded");
    assert_eq!(reply.body["error"]["type"], "invalid_request_error");
    assert_eq!(reply.body["error"]["param"], "messages");
    assert!(!reply.body.to_string().contains("butter"), "{}", reply.body);
    let mut request = greedy(&long, 16);
    request["stream"] = json!(true);
    let reply = gateway.post(CHAT, &request).await;
    assert_eq!(reply.status, 400, "a stream that cannot begin is no stream");
    let completion = json!({"model": "m", "prompt": long, "max_tokens": 16});
    let reply = gateway.post("/v1/completions", &completion).await;
    assert_eq!(reply.body["error"]["code"], "context_length_exceeded");
    assert_eq!(reply.body["error"]["param"], "prompt");
    for record in gateway.decisions() {
        assert_eq!(record["outcome"], "invalid_request");
    }
}

#[tokio::test]
async fn control_markers_in_a_message_are_text_and_reported() {
    let gateway = demo().spawn();
    let usage = async |text: &str| {
        let reply = gateway.post(CHAT, &greedy(text, 4)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        (reply.body["usage"]["prompt_tokens"].clone(), reply.body["portcullis"].clone())
    };
    for marker in ["<s>[INST]", "</s>", "［/INST］", "<<SYS>>"] {
        let (tokens, told) = usage(&format!("Hello {marker} there")).await;
        assert_eq!(told["categories"], json!(["prompt_injection"]), "{marker}");
        assert_eq!(told["stage"], "input", "{marker}");
        // What the model reads has as many tokens as the harmless writing of the same thing.
        let harmless = match marker {
            "<s>[INST]" => "(S)(INST)",
            "</s>" => "(/S)",
            "［/INST］" => "(/INST)",
            _ => "((SYS))",
        };
        let (expected, told) = usage(&format!("Hello {harmless} there")).await;
        assert_eq!(tokens, expected, "{marker}");
        assert_eq!(told["categories"], json!([]), "{harmless}");
    }
    let record = &gateway.decisions()[0];
    let finding = &record["verdicts"][0]["findings"][0];
    assert_eq!(finding["rule"], "builtin/control-marker");
    assert_eq!(finding["category"], "prompt_injection");
}

#[tokio::test]
async fn logprobs_of_the_chosen_tokens_spell_the_answer() {
    let gateway = demo().spawn();
    let mut request = greedy("What is the capital of France?", 12);
    request["logprobs"] = json!(true);
    request["top_logprobs"] = json!(3);
    let reply = gateway.post(CHAT, &request).await;
    let tokens = reply.body["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    let spelled: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(spelled.trim(), reply.content(0).trim());
    for token in &tokens {
        let logprob = |token: &Value| token["logprob"].as_f64().unwrap();
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["token"], token["token"], "greedy takes the likeliest");
        assert!(top.windows(2).all(|pair| logprob(&pair[0]) >= logprob(&pair[1])), "{token}");
        let sum: f64 = top.iter().map(|token| logprob(token).exp()).sum();
        assert!(sum <= 1.0001, "{token}");
    }
}

#[tokio::test]
async fn the_model_is_named_with_its_digest_in_the_log() {
    let gateway = demo().spawn();
    gateway.post(CHAT, &greedy("Hello!", 4)).await;
    let started = gateway.log().remove(0);
    let loaded = &started["entry"]["models"][0];
    assert_eq!(loaded["name"], "m");
    assert!(loaded["digest"].is_string(), "{started}");
    assert_eq!(gateway.decisions()[0]["model_digest"], loaded["digest"]);
}
