//! From what the pipeline released to one response body.
//!
//! An answer is complete only with its [`Sealed`]: nothing is sent as a good
//! answer before its decision is in the log. Streams are `sse`'s.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder};

use super::envelope::{Choice, Envelope, Form};
use super::error::{ApiError, Decided, Plain};
use super::headers;
use super::wire::Usage;
use super::wire::portcullis::Extension;
use crate::domain::{FinishReason, Outcome};
use crate::pipeline::{Notice, Refused, Released, ReleasedStream, Sealed};
use crate::policy::ReplyStyle;

/// Collects a stream into one body of at most `bytes_max`.
pub(crate) async fn collect(
    mut stream: ReleasedStream,
    form: Form,
    bytes_max: usize,
) -> Result<HttpResponse, ApiError> {
    let mut choices: Vec<_> = (0..form.choices).map(|_| Choice::default()).collect();
    let mut bytes = 0usize;
    loop {
        let event = stream.next().await;
        let choice = match &event {
            Some(Released::Text { choice, .. } | Released::Finished { choice, .. }) => {
                choices.get_mut(*choice as usize)
            }
            _ => None,
        };
        match (event, choice) {
            (Some(Released::Text { text, logprobs, .. }), Some(choice)) => {
                bytes = bytes.saturating_add(text.len());
                if bytes > bytes_max {
                    let decided = undecided(&stream.notice, Outcome::Interrupted, &form);
                    return Err(ApiError::broken(Plain::TooLongAnswer, decided));
                }
                choice.push(text, logprobs);
            }
            (Some(Released::Finished { reason, .. }), Some(choice)) => choice.ended = Some(reason),
            (Some(Released::Sealed(sealed)), _) => return close(*sealed, form, choices),
            (None, _) | (Some(_), None) => {
                let decided = undecided(&stream.notice, Outcome::GuardUnavailable, &form);
                return Err(ApiError::broken(Plain::Cut, decided));
            }
        }
    }
}

fn close(sealed: Sealed, form: Form, mut choices: Vec<Choice>) -> Result<HttpResponse, ApiError> {
    let (outcome, usage) = (sealed.outcome, sealed.usage.map(Usage::from));
    let decided = decided(sealed, &form)?;
    for choice in &mut choices {
        choice.ended = choice.ended.or(Some(reason_of(outcome)));
    }
    let mut response = begin(&decided.notice, Some(outcome), &form);
    let envelope = Envelope::new(form, &decided.notice);
    Ok(envelope.whole(choices, usage, decided.extension, &mut response))
}

/// What is told of a sealed decision; the error when its answer is not complete, or when the
/// policy stopped it and wants an error for that.
pub(crate) fn decided(sealed: Sealed, form: &Form) -> Result<Decided, ApiError> {
    let Sealed { receipt, outcome, notice, error, refusal_error, turns_dropped, .. } = sealed;
    let extension = Extension::new(&notice, outcome, Some(&receipt), &form.stripped)
        .with_turns_dropped(turns_dropped);
    let decided = Decided { notice, extension };
    match (error, refusal_error) {
        (Some(why), _) => Err(ApiError::incomplete(why, outcome, decided)),
        (None, Some(refusal)) => Err(ApiError::refused(&refusal, decided)),
        (None, None) => Ok(decided),
    }
}

/// What is told of an exchange whose record never came.
pub(crate) fn undecided(notice: &Notice, outcome: Outcome, form: &Form) -> Decided {
    let extension = Extension::new(notice, outcome, None, &form.stripped);
    Decided { notice: notice.clone(), extension }
}

/// The end of a choice that was never said to be over.
pub(crate) const fn reason_of(outcome: Outcome) -> FinishReason {
    match outcome {
        Outcome::PolicyBlock => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// The body of a refused prompt: the policy's text in every choice.
pub(crate) fn refused(refused: Refused, form: Form) -> Result<HttpResponse, ApiError> {
    let outcome = refused.outcome;
    let (decided, text) = of_refused(refused, &form)?;
    let choice = || {
        let mut choice = Choice::default();
        choice.ended = Some(reason_of(outcome));
        choice.push(text.to_string(), Vec::new());
        choice
    };
    let choices = (0..form.choices).map(|_| choice()).collect();
    let mut response = begin(&decided.notice, Some(outcome), &form);
    let envelope = Envelope::new(form, &decided.notice);
    Ok(envelope.whole(choices, Some(Usage::default()), decided.extension, &mut response))
}

/// A refusal's decision and text, or the error that the policy wants instead.
pub(crate) fn of_refused(refused: Refused, form: &Form) -> Result<(Decided, Arc<str>), ApiError> {
    let Refused { notice, reply, outcome, receipt } = refused;
    let extension = Extension::new(&notice, outcome, Some(&receipt), &form.stripped);
    let decided = Decided { notice, extension };
    match reply.style {
        ReplyStyle::Message => Ok((decided, reply.text)),
        ReplyStyle::Error => Err(ApiError::refused(&reply.text, decided)),
    }
}

/// A good response with the headers of its decision.
pub(crate) fn begin(notice: &Notice, outcome: Option<Outcome>, form: &Form) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    headers::decision(&mut response, notice);
    headers::stripped(&mut response, &form.stripped);
    if let Some(outcome) = outcome {
        response.insert_header((headers::OUTCOME, outcome.name()));
    }
    response
}
