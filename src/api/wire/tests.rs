//! Requests as callers send them, good and bad.

mod properties;

use serde_json::{Value, json};

use super::{Parsed, chat, completions, moderations};
use crate::api::invalid::{Invalid, code};
use crate::api::{ApiConfig, UnknownFields};
use crate::domain::{Message, Prompt, Role};

fn chat_of(fields: Value) -> Result<Parsed, Invalid> {
    chat::parse(with_chat(fields).to_string().as_bytes(), &ApiConfig::default())
}

fn with_chat(fields: Value) -> Value {
    merge(json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}), fields)
}

fn completion_of(fields: Value) -> Result<Parsed, Invalid> {
    let body = merge(json!({"model": "m", "prompt": "Once"}), fields);
    completions::parse(body.to_string().as_bytes(), &ApiConfig::default())
}

fn merge(mut body: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn messages(parsed: Parsed) -> Vec<Message> {
    match parsed.request.prompt {
        Prompt::Chat(messages) => messages,
        Prompt::Text(_) => panic!("a chat"),
    }
}

#[test]
fn values_reach_the_request() {
    let parsed = chat_of(json!({
        "n": 3, "stop": ["a", "b"], "temperature": 0, "top_p": 0.5, "top_k": 40, "seed": -1,
        "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1.1,
        "logit_bias": {"7": -100, "8": 0.5}, "max_tokens": 9, "max_completion_tokens": 9,
        "logprobs": true, "top_logprobs": 2, "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false},
    }))
    .unwrap();
    let request = parsed.request;
    assert_eq!((request.choices, request.tokens_max, request.logprobs), (3, Some(9), Some(2)));
    assert_eq!(request.stop, ["a", "b"]);
    assert_eq!(request.sampling.temperature, 0.0);
    assert_eq!(request.sampling.top_p, 0.5);
    assert_eq!(request.sampling.top_k, Some(40));
    assert_eq!(request.sampling.seed, Some(u64::MAX));
    assert_eq!(request.sampling.presence_penalty, -2.0);
    assert_eq!(request.sampling.frequency_penalty, 2.0);
    assert_eq!(request.sampling.repetition_penalty, 1.1);
    assert_eq!(request.sampling.logit_bias, [(7, -100.0), (8, 0.5)]);
    assert!(parsed.streamed && parsed.usage_wanted);
}

#[test]
fn a_repetition_penalty_can_be_divided_by() {
    for penalty in [1e-39, 0.0099, 2.01] {
        let refused = chat_of(json!({"repetition_penalty": penalty})).unwrap_err();
        assert_eq!(
            (refused.code, refused.param.as_deref()),
            (code::VALUE, Some("repetition_penalty"))
        );
    }
    for penalty in [0.01, 2.0] {
        assert!(chat_of(json!({"repetition_penalty": penalty})).is_ok());
    }
}

#[test]
fn absent_null_and_default_values_are_the_same() {
    let nothing = chat_of(json!({})).unwrap();
    let nulls = chat_of(json!({
        "audio": null, "functions": [], "function_call": "none", "tools": null,
        "tool_choice": "none", "response_format": {"type": "text"}, "modalities": ["text"],
        "prediction": null, "web_search_options": null, "reasoning_effort": null,
        "verbosity": "medium", "moderation": null, "n": null, "stop": null, "temperature": null,
        "logprobs": false, "top_logprobs": null, "stream": false, "stream_options": null,
        "top_k": -1, "min_p": 0, "metadata": {"a": "b"}, "store": true, "user": "u",
        "service_tier": "auto", "safety_identifier": "s", "prompt_cache_key": "k",
        "prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "implicit"},
        "parallel_tool_calls": true,
    }))
    .unwrap();
    assert_eq!(nothing.request, nulls.request);
    assert_eq!((nothing.streamed, nothing.usage_wanted), (nulls.streamed, nulls.usage_wanted));
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let cases = [
        (json!({"tools": [{"type": "function"}]}), code::UNSUPPORTED, "tools"),
        (json!({"tool_choice": "auto"}), code::UNSUPPORTED, "tool_choice"),
        (json!({"functions": [{}]}), code::UNSUPPORTED, "functions"),
        (json!({"response_format": {"type": "json_object"}}), code::UNSUPPORTED, "response_format"),
        (
            json!({"response_format": {"type": "text", "x": 1}}),
            code::UNSUPPORTED,
            "response_format",
        ),
        (json!({"audio": {"voice": "x"}}), code::UNSUPPORTED, "audio"),
        (json!({"modalities": ["text", "audio"]}), code::UNSUPPORTED, "modalities"),
        (json!({"prediction": {"type": "content"}}), code::UNSUPPORTED, "prediction"),
        (json!({"moderation": {"model": "m"}}), code::UNSUPPORTED, "moderation"),
        (json!({"web_search_options": {}}), code::UNSUPPORTED, "web_search_options"),
        (json!({"reasoning_effort": "high"}), code::UNSUPPORTED, "reasoning_effort"),
        (json!({"verbosity": "low"}), code::UNSUPPORTED, "verbosity"),
        (json!({"min_p": 0.1}), code::UNSUPPORTED, "min_p"),
        (json!({"n": 0}), code::VALUE, "n"),
        (json!({"n": 9}), code::VALUE, "n"),
        (json!({"n": 4_000_000_000_000u64}), code::VALUE, "n"),
        (json!({"n": 1.0}), code::TYPE, "n"),
        (json!({"n": "2"}), code::TYPE, "n"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), code::VALUE, "stop"),
        (json!({"stop": ["a", ""]}), code::VALUE, "stop[1]"),
        (json!({"stop": "x".repeat(257)}), code::TOO_LONG, "stop"),
        (json!({"stop": [1]}), code::TYPE, "stop[0]"),
        (json!({"stop": 1}), code::TYPE, "stop"),
        (json!({"temperature": 2.1}), code::VALUE, "temperature"),
        (json!({"temperature": "hot"}), code::TYPE, "temperature"),
        (json!({"top_p": 0}), code::VALUE, "top_p"),
        (json!({"top_p": 1.01}), code::VALUE, "top_p"),
        (json!({"presence_penalty": 3}), code::VALUE, "presence_penalty"),
        (json!({"frequency_penalty": -3}), code::VALUE, "frequency_penalty"),
        (json!({"repetition_penalty": 0}), code::VALUE, "repetition_penalty"),
        (json!({"top_k": -2}), code::VALUE, "top_k"),
        (json!({"seed": u64::MAX}), code::VALUE, "seed"),
        (json!({"logit_bias": {"-1": 1}}), code::VALUE, "logit_bias"),
        (json!({"logit_bias": {"+1": 1}}), code::VALUE, "logit_bias"),
        (json!({"logit_bias": {"1": 101}}), code::VALUE, "logit_bias"),
        (json!({"max_tokens": 0}), code::VALUE, "max_tokens"),
        (json!({"max_tokens": 200_000}), code::VALUE, "max_tokens"),
        (
            json!({"max_tokens": 1, "max_completion_tokens": 2}),
            code::VALUE,
            "max_completion_tokens",
        ),
        (json!({"logprobs": 3}), code::TYPE, "logprobs"),
        (json!({"top_logprobs": 3}), code::VALUE, "top_logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), code::VALUE, "top_logprobs"),
        (json!({"stream_options": {"include_usage": true}}), code::VALUE, "stream_options"),
        (
            json!({"stream": true, "stream_options": {"secret": 1}}),
            code::UNKNOWN,
            "stream_options.secret",
        ),
        (json!({"model": ""}), code::VALUE, "model"),
        (json!({"model": null}), code::MISSING, "model"),
        (json!({"messages": null}), code::MISSING, "messages"),
        (json!({"messages": []}), code::VALUE, "messages"),
        (json!({"messages": {}}), code::TYPE, "messages"),
        (json!({"messages": ["hi"]}), code::TYPE, "messages[0]"),
        (json!({"user": 7}), code::TYPE, "user"),
        (json!({"guided_regex": "hunter2"}), code::UNKNOWN, "guided_regex"),
    ];
    for (fields, code, param) in cases {
        let invalid = chat_of(fields.clone()).unwrap_err();
        assert_eq!((invalid.code, invalid.param.as_deref()), (code, Some(param)), "{fields}");
        assert!(!invalid.message.contains("hunter2"));
    }
}

#[test]
fn messages_that_cannot_be_judged_are_refused_by_name() {
    let part = |part: Value| json!({"role": "user", "content": [part]});
    let cases = [
        (json!({"content": "x"}), code::MISSING, "messages[1].role"),
        (json!({"role": "root", "content": "x"}), code::UNSUPPORTED, "messages[1].role"),
        (json!({"role": 1, "content": "x"}), code::TYPE, "messages[1].role"),
        (json!({"role": "user"}), code::MISSING, "messages[1].content"),
        (json!({"role": "user", "content": 7}), code::TYPE, "messages[1].content"),
        (json!({"role": "user", "content": []}), code::VALUE, "messages[1].content"),
        (json!({"role": "user", "content": "x", "name": ""}), code::VALUE, "messages[1].name"),
        (json!({"role": "user", "content": "x", "weight": 1}), code::UNKNOWN, "messages[1].weight"),
        (
            json!({"role": "user", "content": "x", "tool_calls": []}),
            code::UNKNOWN,
            "messages[1].tool_calls",
        ),
        (json!({"role": "assistant"}), code::MISSING, "messages[1].content"),
        (
            json!({"role": "assistant", "content": "x", "tool_calls": [{}]}),
            code::UNSUPPORTED,
            "messages[1].tool_calls",
        ),
        (
            json!({"role": "assistant", "content": "x", "audio": {"id": "a"}}),
            code::UNSUPPORTED,
            "messages[1].audio",
        ),
        (
            json!({"role": "assistant", "content": "x", "function_call": {"name": "f"}}),
            code::UNSUPPORTED,
            "messages[1].function_call",
        ),
        (json!({"role": "tool", "content": "x"}), code::MISSING, "messages[1].tool_call_id"),
        (json!({"role": "function", "content": "x"}), code::MISSING, "messages[1].name"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:"}})),
            code::UNSUPPORTED,
            "messages[1].content[0]",
        ),
        (part(json!({"type": "input_audio"})), code::UNSUPPORTED, "messages[1].content[0]"),
        (part(json!({"type": "file"})), code::UNSUPPORTED, "messages[1].content[0]"),
        (part(json!({"type": "video"})), code::UNSUPPORTED, "messages[1].content[0].type"),
        (
            part(json!({"type": "refusal", "refusal": "x"})),
            code::UNSUPPORTED,
            "messages[1].content[0].type",
        ),
        (part(json!({"type": "text"})), code::MISSING, "messages[1].content[0].text"),
        (
            part(json!({"type": "text", "text": "x", "alt": "y"})),
            code::UNKNOWN,
            "messages[1].content[0].alt",
        ),
    ];
    for (message, code, param) in cases {
        let good = json!({"role": "user", "content": "hi"});
        let invalid = chat_of(json!({"messages": [good, message]})).unwrap_err();
        assert_eq!((invalid.code, invalid.param.as_deref()), (code, Some(param)), "{message}");
    }
}

#[test]
fn every_guarded_text_of_a_message_reaches_the_prompt() {
    let parsed = chat_of(json!({"messages": [
        {"role": "system", "content": [{"type": "text", "text": "T1"}, {"type": "text", "text": "T2"}], "name": "N1"},
        {"role": "developer", "content": "T3"},
        {"role": "user", "content": [{"type": "text", "text": "T4", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "T5"}, {"type": "text", "text": "T6"}], "refusal": "T7"},
        {"role": "assistant", "content": null, "refusal": "T8", "tool_calls": []},
        {"role": "tool", "content": "T9", "tool_call_id": "c"},
        {"role": "function", "content": "T10", "name": "N2"},
    ], "stop": "S1"}))
    .unwrap();
    assert_eq!(parsed.request.stop, ["S1"]);
    let named = |role, text: &str, name: &str| Message {
        name: Some(name.to_owned()),
        ..Message::new(role, text)
    };
    assert_eq!(
        messages(parsed),
        [
            named(Role::System, "T1\nT2", "N1"),
            Message::new(Role::Developer, "T3"),
            Message::new(Role::User, "T4"),
            Message::new(Role::Assistant, "T5\nT6\nT7"),
            Message::new(Role::Assistant, "T8"),
            Message::new(Role::Tool, "T9"),
            named(Role::Tool, "T10", "N2"),
        ]
    );
}

#[test]
fn unknown_fields_can_be_stripped_and_are_reported_once() {
    let config = ApiConfig { unknown_fields: UnknownFields::Strip, ..ApiConfig::default() };
    let message = json!({"role": "user", "content": "x", "weight": 1});
    let body = with_chat(json!({"messages": [message, message], "guided_json": {}}));
    let parsed = chat::parse(body.to_string().as_bytes(), &config).unwrap();
    assert_eq!(parsed.stripped, ["guided_json", "messages[].weight"]);
    // Constrained fields stay constrained.
    let body = with_chat(json!({"tools": [{}], "guided_json": {}}));
    assert!(chat::parse(body.to_string().as_bytes(), &config).is_err());
    // What cannot be reported completely is refused.
    let many: serde_json::Map<_, _> = (0..40).map(|i| (format!("x{i}"), json!(1))).collect();
    let body = with_chat(Value::Object(many));
    assert_eq!(chat::parse(body.to_string().as_bytes(), &config).unwrap_err().code, code::UNKNOWN);
}

#[test]
fn the_operator_bounds_messages_and_text() {
    let config = ApiConfig { messages_max: 2, text_bytes_max: 10, ..ApiConfig::default() };
    let parse = |body: Value| chat::parse(body.to_string().as_bytes(), &config);
    let message = json!({"role": "user", "content": "1234"});
    assert!(parse(with_chat(json!({"messages": [message, message]}))).is_ok());
    let many = parse(with_chat(json!({"messages": [message, message, message]}))).unwrap_err();
    assert_eq!((many.code, many.param.as_deref()), (code::VALUE, Some("messages")));
    let stops = parse(with_chat(json!({"messages": [message, message], "stop": "123"})));
    assert_eq!(stops.unwrap_err().code, code::TOO_LONG);
}

#[test]
fn completions_take_one_text() {
    for prompt in [json!("Once"), json!(["Once"])] {
        let parsed = completion_of(json!({"prompt": prompt})).unwrap();
        assert_eq!(parsed.request.prompt, Prompt::Text("Once".to_owned()));
        assert_eq!(parsed.request.tokens_max, Some(16));
    }
    assert!(completion_of(json!({"n": 2, "best_of": 2, "echo": false, "suffix": ""})).is_ok());
    let cases = [
        (json!({"prompt": null}), code::MISSING, "prompt"),
        (json!({"prompt": ["a", "b"]}), code::VALUE, "prompt"),
        (json!({"prompt": [1]}), code::TYPE, "prompt[0]"),
        (json!({"prompt": [1, 2, 3]}), code::VALUE, "prompt"),
        (json!({"prompt": [[1, 2]]}), code::TYPE, "prompt[0]"),
        (json!({"echo": true}), code::UNSUPPORTED, "echo"),
        (json!({"suffix": "end"}), code::UNSUPPORTED, "suffix"),
        (json!({"best_of": 3}), code::UNSUPPORTED, "best_of"),
        (json!({"logprobs": 6}), code::VALUE, "logprobs"),
        (json!({"messages": []}), code::UNKNOWN, "messages"),
        (json!({"max_completion_tokens": 3}), code::UNKNOWN, "max_completion_tokens"),
    ];
    for (fields, code, param) in cases {
        let invalid = completion_of(fields.clone()).unwrap_err();
        assert_eq!((invalid.code, invalid.param.as_deref()), (code, Some(param)), "{fields}");
    }
}

#[test]
fn moderations_take_texts_only() {
    let parse = |input: Value| {
        let body = json!({"input": input, "model": "omni-moderation-latest"});
        moderations::parse(body.to_string().as_bytes(), &ApiConfig::default())
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(parse(json!("a")).unwrap().texts, ["a"]);
    assert_eq!(parse(json!(["a", "b"])).unwrap().texts, ["a", "b"]);
    assert_eq!(parse(json!([text("a"), text("b")])).unwrap().texts, ["a\nb"]);
    for (input, code) in [
        (json!(null), code::MISSING),
        (json!([]), code::VALUE),
        (json!([1]), code::TYPE),
        (json!(["a", text("b")]), code::TYPE),
        (json!([{"type": "image_url", "image_url": {"url": "x"}}]), code::UNSUPPORTED),
    ] {
        assert_eq!(parse(input.clone()).unwrap_err().code, code, "{input}");
    }
}
