//! What a server may answer, as strict types, and the plain pieces it means.
//!
//! Chat and completions, streamed and whole, differ in names only; behind this
//! file they are the same. A field that could carry text for the caller and is
//! not listed here ends the answer, unless it is empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::failure::{Failure, reported, unsupported};
use crate::domain::{Alternative, FinishReason, TokenLogprob, Usage};
use crate::inference::InferenceError;

/// One event, or one whole answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub pieces: Vec<Piece>,
    pub usage: Option<Usage>,
}

/// What a reply says of one choice.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    pub choice: u32,
    pub text: String,
    pub tokens: Vec<TokenLogprob>,
    pub finished: Option<FinishReason>,
}

/// Reads one event's data, or the body of an answer that is not a stream.
pub(super) fn parse(json: &[u8]) -> Result<Reply, Failure> {
    let wire: WireReply = serde_json::from_slice(json).map_err(|source| {
        // Messages of serde_json name types, and may quote values: not for callers.
        tracing::debug!(line = source.line(), column = source.column(), "unreadable reply");
        no_answer("the model server's answer has a form that is not supported")
    })?;
    if let Some(error) = &wire.error {
        return Err(reported(error));
    }
    if wire.choices.is_none() && wire.usage.is_none() {
        return Err(no_answer("the model server's answer has no choices"));
    }
    let pieces = wire.choices.unwrap_or_default().into_iter().map(piece);
    let usage = wire.usage.map(|usage| Usage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens.unwrap_or(0),
    });
    let pieces = pieces.collect::<Result<_, _>>().map_err(Failure::blameless)?;
    Ok(Reply { pieces, usage })
}

/// What a caller asks for can lead to it, so that it is not held against the server.
fn no_answer(message: &str) -> Failure {
    Failure::blameless(unsupported(message))
}

#[derive(Deserialize)]
struct WireReply {
    choices: Option<Vec<WireChoice>>,
    usage: Option<WireUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: u32,
    completion_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct WireChoice {
    index: u32,
    /// Chat, streamed.
    delta: Option<WireContent>,
    /// Chat, whole.
    message: Option<WireContent>,
    /// Completions.
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<WireLogprobs>,
}

#[derive(Default, Deserialize)]
struct WireContent {
    role: Option<String>,
    content: Option<String>,
    /// The model's own words when it declines; text like any other.
    refusal: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// The chat form has `content`, the older one three lists of equal length.
#[derive(Deserialize)]
struct WireLogprobs {
    content: Option<Vec<WireToken>>,
    refusal: Option<Vec<WireToken>>,
    tokens: Option<Vec<String>>,
    token_logprobs: Option<Vec<f32>>,
    top_logprobs: Option<Vec<Option<BTreeMap<String, f32>>>>,
}

#[derive(Deserialize)]
struct WireToken {
    #[serde(flatten)]
    token: WireAlternative,
    #[serde(default)]
    top_logprobs: Vec<WireAlternative>,
}

#[derive(Deserialize)]
struct WireAlternative {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
}

fn piece(choice: WireChoice) -> Result<Piece, InferenceError> {
    let WireChoice { index, delta, message, text, finish_reason, logprobs } = choice;
    let mut said = text.unwrap_or_default();
    for content in [delta, message].into_iter().flatten() {
        check(&content)?;
        said.push_str(&content.content.unwrap_or_default());
        said.push_str(&content.refusal.unwrap_or_default());
    }
    Ok(Piece {
        choice: index,
        text: said,
        tokens: logprobs.map(tokens).transpose()?.unwrap_or_default(),
        finished: finish_reason
            .as_deref()
            .filter(|reason| !reason.is_empty())
            .map(finished)
            .transpose()?,
    })
}

/// Refuses what nobody asked for: tool calls, audio, reasoning, and whatever comes next.
fn check(content: &WireContent) -> Result<(), InferenceError> {
    let role = content.role.as_deref().unwrap_or_default();
    if !matches!(role, "" | "assistant") {
        return Err(unsupported("the model server answered in another role than `assistant`"));
    }
    if content.others.values().any(|value| !is_empty(value)) {
        return Err(unsupported(
            "the model server answered with content other than text, which was not asked for",
        ));
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn finished(reason: &str) -> Result<FinishReason, InferenceError> {
    match reason {
        // The second and third are TGI's.
        "stop" | "eos_token" | "stop_sequence" => Ok(FinishReason::Stop),
        "length" => Ok(FinishReason::Length),
        "content_filter" => Ok(FinishReason::ContentFilter),
        _ => Err(unsupported("the model server ended its answer for a reason that is not known")),
    }
}

fn tokens(logprobs: WireLogprobs) -> Result<Vec<TokenLogprob>, InferenceError> {
    let WireLogprobs { content, refusal, tokens, token_logprobs, top_logprobs } = logprobs;
    let chat = content.into_iter().chain(refusal).flatten().map(|token| TokenLogprob {
        token: alternative(token.token),
        top: token.top_logprobs.into_iter().map(alternative).collect(),
    });
    let mut all: Vec<_> = chat.collect();
    let (texts, values) = (tokens.unwrap_or_default(), token_logprobs.unwrap_or_default());
    let tops = top_logprobs.unwrap_or_default();
    if texts.len() != values.len() || (!tops.is_empty() && tops.len() != texts.len()) {
        return Err(unsupported("the model server's log-probabilities do not match its tokens"));
    }
    let tops = tops.into_iter().chain(std::iter::repeat_with(|| None));
    all.extend(texts.into_iter().zip(values).zip(tops).map(|((text, logprob), top)| {
        let top = top.unwrap_or_default().into_iter().map(|(text, logprob)| spelled(text, logprob));
        TokenLogprob { token: spelled(text, logprob), top: likeliest_first(top.collect()) }
    }));
    Ok(all)
}

fn alternative(wire: WireAlternative) -> Alternative {
    let WireAlternative { token, logprob, bytes } = wire;
    match bytes {
        // The text is what the bytes say; a server that says two things is believed once.
        Some(bytes) => {
            Alternative { text: String::from_utf8_lossy(&bytes).into_owned(), bytes, logprob }
        }
        None => spelled(token, logprob),
    }
}

fn spelled(text: String, logprob: f32) -> Alternative {
    Alternative { bytes: text.clone().into_bytes(), text, logprob }
}

fn likeliest_first(mut top: Vec<Alternative>) -> Vec<Alternative> {
    top.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    top
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inference::InferenceErrorKind;

    fn parsed(value: Value) -> Result<Reply, InferenceErrorKind> {
        parse(value.to_string().as_bytes()).map_err(|failure| failure.error.kind)
    }

    fn delta(delta: Value) -> Result<Reply, InferenceErrorKind> {
        parsed(json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
    }

    #[test]
    fn text_comes_from_each_form() {
        let forms = [
            json!({"index": 0, "delta": {"role": "assistant", "content": "hi", "tool_calls": []}}),
            json!({"index": 0, "delta": {"content": null, "refusal": "hi"}}),
            json!({"index": 0, "message": {"role": "assistant", "content": "hi", "audio": null}}),
            json!({"index": 0, "text": "hi", "stop_reason": null}),
        ];
        for form in forms {
            let reply = parsed(json!({"id": "x", "choices": [form]})).unwrap();
            assert_eq!(reply.pieces, [Piece { text: "hi".into(), ..Piece::default() }]);
        }
    }

    #[test]
    fn unreviewed_content_is_refused() {
        for content in [
            json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
            json!({"function_call": {"name": "f"}}),
            json!({"audio": {"data": "AAAA"}}),
            json!({"content": "a", "reasoning_content": "b"}),
            json!({"content": "a", "something_new": "b"}),
            json!({"content": [{"type": "text", "text": "a"}]}),
            json!({"role": "tool", "content": "a"}),
            json!("text"),
        ] {
            assert_eq!(delta(content), Err(InferenceErrorKind::UnsupportedPayload));
        }
        for whole in [
            json!({}),
            json!([]),
            json!({"choices": [{"delta": {"content": "no index"}}]}),
            json!({"choices": [{"index": -1, "delta": {}}]}),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        ] {
            assert_eq!(parsed(whole), Err(InferenceErrorKind::UnsupportedPayload));
        }
    }

    #[test]
    fn errors_and_usage_are_told_apart() {
        let error = parsed(json!({"error": {"message": "prompt text", "code": 500}}));
        assert_eq!(error, Err(InferenceErrorKind::Upstream { status: 500 }));
        let error = parsed(json!({"error": "out of memory", "error_type": "generation"}));
        assert_eq!(error, Err(InferenceErrorKind::Upstream { status: 502 }));
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
        let reply = parsed(json!({"choices": [], "usage": usage, "error": null})).unwrap();
        assert_eq!(reply.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 4 }));
        assert!(reply.pieces.is_empty());
    }

    #[test]
    fn both_forms_of_logprobs_are_read() {
        let chat = json!({"content": [{"token": "h", "logprob": -0.5, "bytes": [104],
            "top_logprobs": [{"token": "h", "logprob": -0.5, "bytes": null}]}]});
        let older = json!({"tokens": ["h"], "token_logprobs": [-0.5],
            "top_logprobs": [{"h": -0.5}], "text_offset": [0]});
        let token = spelled("h".into(), -0.5);
        let expected = TokenLogprob { token: token.clone(), top: vec![token] };
        for logprobs in [chat, older] {
            let choice = json!({"index": 1, "text": "h", "logprobs": logprobs});
            let reply = parsed(json!({"choices": [choice]})).unwrap();
            assert_eq!(reply.pieces[0].tokens, std::slice::from_ref(&expected));
        }
        let uneven = json!({"tokens": ["h", "i"], "token_logprobs": [-0.5]});
        let choice = json!({"index": 0, "text": "hi", "logprobs": uneven});
        let refused = parsed(json!({"choices": [choice]}));
        assert_eq!(refused, Err(InferenceErrorKind::UnsupportedPayload));
    }
}
