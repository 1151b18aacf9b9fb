//! The one writer of server-sent events.
//!
//! Chunks go out as the pipeline releases text. The final chunk of every
//! choice, which says how it ended, waits for the [`Sealed`] decision: a stream
//! that ends well is a stream whose record is in the log. One that does not
//! ends with an error event and without `[DONE]`, which SDKs raise.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use futures::Stream;
use tokio::time::timeout;

use super::answer::{begin, decided, of_refused, reason_of, undecided};
use super::envelope::{ChunkOf, Envelope, Form, Piece};
use super::error::{ApiError, Decided, Plain};
use super::offsets::Offsets;
use super::wire::Usage;
use crate::domain::{FinishReason, Outcome, TokenLogprob};
use crate::pipeline::{Notice, Refused, Released, ReleasedStream};

/// How long a stream may be silent before a comment keeps it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the status line waits for the first event: a failure by then is a
/// proper error response instead of an error event.
const FIRST_EVENT_WAIT: Duration = Duration::from_secs(1);
const COMMENT: &[u8] = b": keep-alive\n\n";
const DONE: &str = "[DONE]";

/// Answers with a stream of the released text.
pub(crate) async fn stream(
    mut stream: ReleasedStream,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let first = match timeout(FIRST_EVENT_WAIT, stream.next()).await {
        Ok(None) => {
            let decided = undecided(&stream.notice, Outcome::GuardUnavailable, &form);
            return Err(ApiError::broken(Plain::Cut, decided));
        }
        Ok(Some(Released::Sealed(sealed))) if sealed.is_error() => {
            decided(*sealed, &form)?;
            None
        }
        Ok(event) => event,
        Err(_) => None,
    };
    let mut response = begin(&stream.notice, None, &form);
    let frames = Frames::new(form, stream.notice.clone());
    let live = Live { stream, frames, first, keep_alive: KEEP_ALIVE, over: false };
    Ok(head(&mut response).streaming(events(live)))
}

/// Answers with the policy's text as a stream.
pub(crate) fn refused(refused: Refused, form: Form) -> Result<HttpResponse, ApiError> {
    let outcome = refused.outcome;
    let (decided, text) = of_refused(refused, &form)?;
    let mut response = begin(&decided.notice, Some(outcome), &form);
    let mut frames = Frames::new(form, decided.notice.clone());
    let mut events = String::new();
    for index in 0..frames.envelope.form.choices {
        frames.text(index, text.to_string(), Vec::new(), &mut events);
    }
    frames.end(&decided, outcome, Some(Usage::default()), &mut events);
    Ok(head(&mut response).body(events))
}

fn head(response: &mut actix_web::HttpResponseBuilder) -> &mut actix_web::HttpResponseBuilder {
    response
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // Keeps a compressing layer from collecting what should flow.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
}

/// A stream in progress. Dropping it interrupts the exchange.
struct Live {
    stream: ReleasedStream,
    frames: Frames,
    first: Option<Released>,
    keep_alive: Duration,
    over: bool,
}

fn events(live: Live) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(live, |mut live| async move {
        let bytes = live.next().await?;
        Some((Ok(bytes), live))
    })
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let event = match self.first.take() {
                Some(event) => Ok(Some(event)),
                None => timeout(self.keep_alive, self.stream.next()).await,
            };
            let Ok(event) = event else { return Some(Bytes::from_static(COMMENT)) };
            let mut events = String::new();
            self.over = self.frames.write(event, &mut events);
            if !events.is_empty() {
                return Some(events.into());
            }
        }
        None
    }
}

/// Turns released events into server-sent ones.
#[derive(Debug)]
struct Frames {
    envelope: Envelope,
    notice: Notice,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Clone, Default)]
struct ChoiceState {
    begun: bool,
    offsets: Offsets,
    ended: Option<FinishReason>,
}

impl Frames {
    fn new(form: Form, notice: Notice) -> Self {
        let choices = (0..form.choices).map(|_| ChoiceState::default()).collect();
        Self { envelope: Envelope::new(form, &notice), notice, choices }
    }

    /// Appends what `event` says to `events`; true when the stream is over.
    fn write(&mut self, event: Option<Released>, events: &mut String) -> bool {
        match event {
            Some(Released::Text { choice, text, logprobs })
                if (choice as usize) < self.choices.len() =>
            {
                self.text(choice, text, logprobs, events);
                false
            }
            Some(Released::Finished { choice, reason })
                if (choice as usize) < self.choices.len() =>
            {
                self.begin(choice, events);
                if let Some(state) = self.choices.get_mut(choice as usize) {
                    state.ended = Some(reason);
                }
                false
            }
            Some(Released::Sealed(sealed)) => {
                let (outcome, usage) = (sealed.outcome, sealed.usage.map(Usage::from));
                match decided(*sealed, &self.envelope.form) {
                    Ok(decided) => self.end(&decided, outcome, usage, events),
                    Err(error) => broken(&error, events),
                }
                true
            }
            // No decision, or one about a choice that nobody asked for.
            Some(_) | None => {
                let outcome = Outcome::GuardUnavailable;
                let decided = undecided(&self.notice, outcome, &self.envelope.form);
                broken(&ApiError::broken(Plain::Cut, decided), events);
                true
            }
        }
    }

    /// The role comes before a choice's first word, once.
    fn begin(&mut self, index: u32, events: &mut String) {
        let Some(state) = self.choices.get_mut(index as usize) else { return };
        if !std::mem::replace(&mut state.begun, true) {
            event(self.envelope.chunk(index, ChunkOf::Role, None), events);
        }
    }

    fn text(&mut self, index: u32, text: String, tokens: Vec<TokenLogprob>, events: &mut String) {
        if text.is_empty() && tokens.is_empty() {
            return;
        }
        self.begin(index, events);
        let Some(state) = self.choices.get_mut(index as usize) else { return };
        let piece = ChunkOf::Piece(Piece { text, tokens }, &mut state.offsets);
        event(self.envelope.chunk(index, piece, None), events);
    }

    /// How every choice ended, the token counts if wanted, and the end mark.
    fn end(
        &mut self,
        decided: &Decided,
        outcome: Outcome,
        usage: Option<Usage>,
        events: &mut String,
    ) {
        let last = self.envelope.form.choices.saturating_sub(1);
        for index in 0..=last {
            self.begin(index, events);
            let ended = self.choices.get(index as usize).and_then(|state| state.ended);
            let reason = ended.unwrap_or(reason_of(outcome));
            let portcullis = (index == last).then(|| decided.extension.clone());
            event(self.envelope.chunk(index, ChunkOf::End(reason), portcullis), events);
        }
        // Counts that nobody knows are left out: zeros would read as a measurement.
        if let Some(usage) = usage.filter(|_| self.envelope.form.usage_wanted) {
            event(self.envelope.usage_chunk(usage), events);
        }
        event(Some(DONE.to_owned()), events);
    }
}

fn broken(error: &ApiError, events: &mut String) {
    event(serde_json::to_string(&error.body()).ok(), events);
}

/// Writes one event. JSON has no raw line feeds, so one line is enough.
fn event(data: Option<String>, events: &mut String) {
    if let Some(data) = data {
        events.push_str("data: ");
        events.push_str(&data);
        events.push_str("\n\n");
    }
}

#[cfg(test)]
mod tests {
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
                TokenLogprob {
                    token: token("né", -0.5),
                    top: vec![token("no", f32::NEG_INFINITY)],
                },
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
        let piece =
            |text: &str, logprobs| Released::Text { choice: 0, text: text.into(), logprobs };
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
}
