//! The request that a server gets: OpenAI's fields, and nothing of the caller's
//! request that is not part of the permitted prompt.
//!
//! `top_k` and `repetition_penalty` are not OpenAI's; vLLM, TGI and others take
//! them. They are sent only when somebody set them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::domain::{GenerationRequest, Message, Prompt, Role, Sampling};

#[derive(Serialize)]
struct Body<'r> {
    model: &'r str,
    #[serde(flatten)]
    prompt: WirePrompt<'r>,
    stream: bool,
    stream_options: StreamOptions,
    n: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'r [String],
    temperature: f64,
    top_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "is_off")]
    presence_penalty: f32,
    #[serde(skip_serializing_if = "is_off")]
    frequency_penalty: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_penalty: Option<f32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logit_bias: BTreeMap<u32, f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<WireLogprobs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum WirePrompt<'r> {
    Messages(Vec<WireMessage<'r>>),
    Prompt(&'r str),
}

#[derive(Serialize)]
struct WireMessage<'r> {
    role: &'static str,
    content: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Chat asks with a flag, the older completions with the number of alternatives.
#[derive(Serialize)]
#[serde(untagged)]
enum WireLogprobs {
    Flag(bool),
    Alternatives(u8),
}

/// The API path below the base address.
pub(super) const fn path(prompt: &Prompt) -> &'static [&'static str] {
    match prompt {
        Prompt::Chat(_) => &["chat", "completions"],
        Prompt::Text(_) => &["completions"],
    }
}

/// The JSON body.
pub(super) fn body(model: &str, request: &GenerationRequest) -> serde_json::Result<Bytes> {
    let Sampling { temperature, top_p, top_k, seed, .. } = request.sampling;
    let sampling = &request.sampling;
    let (prompt, logprobs, top_logprobs) = match &request.prompt {
        Prompt::Chat(messages) => {
            let messages = messages.iter().map(wire_message).collect();
            let flag = request.logprobs.map(|_| WireLogprobs::Flag(true));
            (WirePrompt::Messages(messages), flag, request.logprobs)
        }
        Prompt::Text(text) => {
            let alternatives = request.logprobs.map(WireLogprobs::Alternatives);
            (WirePrompt::Prompt(text), alternatives, None)
        }
    };
    let body = Body {
        model,
        prompt,
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        n: request.choices,
        max_tokens: request.tokens_max,
        stop: &request.stop,
        temperature,
        top_p,
        top_k,
        seed: seed.map(u64::cast_signed),
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        repetition_penalty: Some(sampling.repetition_penalty).filter(|&penalty| penalty != 1.0),
        logit_bias: sampling.logit_bias.iter().copied().collect(),
        logprobs,
        top_logprobs,
    };
    serde_json::to_vec(&body).map(Bytes::from)
}

fn wire_message(message: &Message) -> WireMessage<'_> {
    let role = match message.role {
        // The newer name of the same thing; servers that run Llama know only the older.
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    WireMessage { role, content: &message.text, name: message.name.as_deref() }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_off(penalty: &f32) -> bool {
    *penalty == 0.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inference::upstream::tests::request;

    fn written(request: &GenerationRequest) -> Value {
        serde_json::from_slice(&body("llama", request).unwrap()).unwrap()
    }

    #[test]
    fn a_plain_chat_sends_nothing_that_was_not_asked_for() {
        let messages =
            vec![Message::new(Role::Developer, "Be kind."), Message::new(Role::User, "Hi")];
        assert_eq!(
            written(&request(Prompt::Chat(messages))),
            json!({
                "model": "llama",
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    {"role": "user", "content": "Hi"},
                ],
                "stream": true,
                "stream_options": {"include_usage": true},
                "n": 1,
                "temperature": 1.0,
                "top_p": 1.0,
            })
        );
    }

    #[test]
    fn a_text_prompt_has_the_older_form_of_logprobs() {
        let mut request = request(Prompt::Text("Once".into()));
        request.logprobs = Some(2);
        request.tokens_max = Some(5);
        request.stop = vec!["\n".into()];
        request.sampling.seed = Some(u64::MAX);
        request.sampling.top_k = Some(40);
        request.sampling.repetition_penalty = 1.5;
        request.sampling.presence_penalty = 0.5;
        request.sampling.logit_bias = vec![(7, -100.0)];
        let written = written(&request);
        assert_eq!(written["prompt"], "Once");
        assert_eq!(written["logprobs"], 2);
        assert_eq!(written["max_tokens"], 5);
        assert_eq!(written["stop"], json!(["\n"]));
        assert_eq!(written["seed"], -1);
        assert_eq!(written["top_k"], 40);
        assert_eq!(written["repetition_penalty"], 1.5);
        assert_eq!(written["presence_penalty"], 0.5);
        assert_eq!(written["logit_bias"], json!({"7": -100.0}));
        assert!(written.get("frequency_penalty").is_none());
    }
}
