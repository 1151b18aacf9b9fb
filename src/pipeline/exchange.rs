//! The record of one exchange, filled as it goes and sealed once at its end.
//!
//! Sealing appends to the audit log and emits metrics; what it returns carries
//! the receipt without which the edge cannot write a final frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, Failed, FailedWhy, Moderated, Notice, Refused, Sealed};
use super::{Call, Pipeline};
use crate::audit::record::LoadedPolicy;
use crate::audit::{
    AuditError, DecisionRecord, Entry, Held, LeftOut, Receipt, StoredText, Timings,
};
use crate::domain::{Action, Caller, DecisionId, Digest, Endpoint, Outcome, Stage, Usage, Verdict};
use crate::inference::{InferenceError, InferenceErrorKind};
use crate::policy::{Engine, Leak, Occasion, Reply, SampleKey, Screen};

/// One exchange in flight. Consumed by exactly one of the sealing methods.
#[derive(Debug)]
pub(super) struct Exchange<'p> {
    pub(super) pipeline: &'p Pipeline,
    pub(super) engine: Arc<Engine>,
    occasion: Arc<Occasion>,
    record: DecisionRecord,
    begun: Instant,
}

impl<'p> Exchange<'p> {
    pub(super) fn begin(
        pipeline: &'p Pipeline,
        engine: &Arc<Engine>,
        caller: &Caller,
        call: &Call,
    ) -> Self {
        let info = call.backend.info();
        let mut exchange =
            Self::open(pipeline, engine, caller, call.endpoint, Arc::clone(&info.name));
        exchange.record.streamed = call.streamed;
        exchange.record.model_digest = info.digest;
        exchange.record.stripped_fields.clone_from(&call.stripped_fields);
        exchange
    }

    /// An exchange that only judges.
    pub(super) fn begin_moderation(
        pipeline: &'p Pipeline,
        engine: &Arc<Engine>,
        caller: &Caller,
    ) -> Self {
        Self::open(pipeline, engine, caller, Endpoint::Moderations, engine.name().into())
    }

    fn open(
        pipeline: &'p Pipeline,
        engine: &Arc<Engine>,
        caller: &Caller,
        endpoint: Endpoint,
        model: Arc<str>,
    ) -> Self {
        pipeline.metrics.request_started(endpoint);
        let decision = DecisionId::new();
        let occasion = Occasion { sample: Some(SampleKey::of(decision)), leak: None };
        let record = DecisionRecord {
            decision,
            endpoint,
            streamed: false,
            caller: Arc::clone(&caller.name),
            model,
            model_digest: None,
            policy: LoadedPolicy {
                name: engine.name().to_owned(),
                version: engine.version().to_owned(),
                digest: engine.digest(),
            },
            // Overwritten by the sealing method; a record never says more than what happened.
            outcome: Outcome::Interrupted,
            verdicts: Vec::new(),
            stored: Vec::new(),
            turns_dropped: 0,
            stripped_fields: Vec::new(),
            restored: 0,
            usage: None,
            timings: Timings::default(),
            held: Held::default(),
            left_out: LeftOut::default(),
        };
        let (engine, occasion) = (Arc::clone(engine), Arc::new(occasion));
        Self { pipeline, engine, occasion, record, begun: Instant::now() }
    }

    /// What is particular to this exchange, for both stages.
    pub(super) fn occasion(&self) -> &Occasion {
        &self.occasion
    }

    /// The answer must not give this away.
    pub(super) fn guard(&mut self, leak: Option<Arc<Leak>>) {
        self.occasion = Arc::new(Occasion { leak, ..Occasion::clone(&self.occasion) });
    }

    pub(super) fn screen(&self, choice: u32) -> Screen {
        self.engine.screen_on(&self.occasion, choice)
    }

    pub(super) fn input_judged(&mut self, verdict: Verdict, stored: Vec<StoredText>) {
        let elapsed = self.begun.elapsed();
        self.record.timings.input_us = micros(elapsed);
        self.pipeline.metrics.stage_elapsed(Stage::Input, elapsed);
        self.record.stored.extend(stored);
        self.count_cached();
        self.judged(verdict);
    }

    /// Several texts that were judged one by one.
    pub(super) fn inputs_judged(&mut self, verdicts: &[Verdict]) {
        let elapsed = self.begun.elapsed();
        self.record.timings.input_us = micros(elapsed);
        self.pipeline.metrics.stage_elapsed(Stage::Input, elapsed);
        self.count_cached();
        for verdict in verdicts {
            self.judged(verdict.clone());
        }
    }

    fn count_cached(&self) {
        if let Some(cache) = &self.pipeline.cache {
            let counts = cache.take_counts();
            self.pipeline.metrics.verdict_cache(counts.hits, counts.misses);
        }
    }

    pub(super) fn output_judged(
        &mut self,
        verdict: Verdict,
        stored: Vec<StoredText>,
        held_chars_max: u64,
    ) {
        self.record.held.chars_max = self.record.held.chars_max.max(held_chars_max);
        self.record.stored.extend(stored);
        self.judged(verdict);
    }

    /// Values of the caller that were put back into a choice.
    pub(super) fn restored(&mut self, values: u32) {
        self.record.restored = self.record.restored.saturating_add(values);
    }

    pub(super) fn output_took(&mut self, elapsed: Duration) {
        self.record.timings.output_us = micros(elapsed);
        self.pipeline.metrics.stage_elapsed(Stage::Output, elapsed);
    }

    pub(super) fn generation_started(&mut self, turns_dropped: u32, model_digest: Option<Digest>) {
        self.record.turns_dropped = turns_dropped;
        if model_digest.is_some() {
            self.record.model_digest = model_digest;
        }
    }

    pub(super) fn first_text(&mut self) {
        if self.record.timings.first_token_us.is_none() {
            let elapsed = self.begun.elapsed();
            self.record.timings.first_token_us = Some(micros(elapsed));
            self.pipeline.metrics.first_token(elapsed);
        }
    }

    pub(super) fn used(&mut self, usage: Usage) {
        self.record.usage = Some(usage);
        self.pipeline.metrics.tokens(usage);
    }

    /// What is known of the use of a generation that was cut off.
    pub(super) fn used_at_least(&mut self, prompt_tokens: u32, completion_tokens: u32) {
        if self.record.usage.is_none() {
            self.used(Usage { prompt_tokens, completion_tokens });
        }
    }

    /// What the caller may know by now.
    pub(super) fn notice(&self) -> Notice {
        let mut acted: Vec<_> = Vec::new();
        for verdict in &self.record.verdicts {
            let categories =
                verdict.categories.iter().filter(|score| score.action != Action::Allow);
            for category in categories.map(|score| score.category) {
                if !acted.contains(&category) {
                    acted.push(category);
                }
            }
        }
        let strictest = self.record.verdicts.iter().max_by_key(|verdict| verdict.action);
        Notice {
            decision: self.record.decision,
            policy: self.record.policy.name.as_str().into(),
            policy_version: self.record.policy.version.as_str().into(),
            policy_digest: self.record.policy.digest,
            categories: acted,
            stage: strictest
                .filter(|verdict| verdict.action != Action::Allow)
                .map(|verdict| verdict.stage),
            ai_notice: Arc::clone(&self.engine.disclosure().header),
            model: Arc::clone(&self.record.model),
        }
    }

    /// The prompt was stopped. The record is durable before the refusal exists.
    pub(super) async fn refuse(self, reply: Reply, outcome: Outcome) -> Answer {
        let notice = self.notice();
        match self.seal(outcome).await {
            Ok(receipt) => Answer::Refused(Refused { notice, reply, outcome, receipt }),
            Err(_) => Answer::Failed(unrecorded(notice)),
        }
    }

    /// Nothing was generated.
    pub(super) async fn fail(self, error: InferenceError) -> Answer {
        let notice = self.notice();
        let outcome = outcome_of(&error);
        self.tell_of(&error);
        match self.seal(outcome).await {
            Ok(_) => {
                let error = FailedWhy::Inference(error);
                Answer::Failed(Failed { notice: Some(notice), outcome, error })
            }
            Err(_) => Answer::Failed(unrecorded(notice)),
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) async fn interrupt(self) {
        // The failure is counted and logged by `seal`; there is no one to tell.
        let _ = self.seal(Outcome::Interrupted).await;
    }

    pub(super) async fn moderated(self, verdicts: Vec<Verdict>) -> Result<Moderated, Failed> {
        let notice = self.notice();
        match self.seal(Outcome::Completed).await {
            Ok(receipt) => Ok(Moderated { notice, verdicts, receipt }),
            Err(_) => Err(unrecorded(notice)),
        }
    }

    /// The answer is over, one way or another. `None`: it could not be recorded.
    pub(super) async fn complete(
        self,
        outcome: Outcome,
        error: Option<FailedWhy>,
        refusal_error: Option<Arc<str>>,
    ) -> Option<Sealed> {
        let notice = self.notice();
        let (usage, turns_dropped) = (self.record.usage, self.record.turns_dropped);
        let receipt = self.seal(outcome).await.ok()?;
        Some(Sealed { receipt, outcome, usage, notice, error, refusal_error, turns_dropped })
    }

    /// The operator's side of a failure: which back end, which decision; never text.
    pub(super) fn tell_of(&self, error: &InferenceError) {
        let (decision, model) = (self.record.decision, &*self.record.model);
        let outcome = outcome_of(error);
        if matches!(outcome, Outcome::UpstreamError | Outcome::UnsupportedPayload) {
            let outcome = outcome.name();
            tracing::warn!(%decision, model, outcome, %error, "a back end gave no complete answer");
        }
    }

    fn judged(&mut self, verdict: Verdict) {
        for score in verdict.categories.iter().filter(|score| score.action != Action::Allow) {
            self.pipeline.metrics.violation(score.category, verdict.stage, score.action);
        }
        self.record.verdicts.push(verdict);
    }

    async fn seal(mut self, outcome: Outcome) -> Result<Receipt, AuditError> {
        let elapsed = self.begun.elapsed();
        self.record.outcome = outcome;
        self.record.timings.total_us = micros(elapsed);
        let (metrics, endpoint) = (&self.pipeline.metrics, self.record.endpoint);
        let decision = self.record.decision;
        let sealed = self.pipeline.ledger.append(Entry::Decision(Box::new(self.record))).await;
        if let Err(error) = &sealed {
            metrics.audit_failed();
            tracing::error!(%decision, %error, "a decision could not be recorded");
        }
        let outcome = if sealed.is_ok() { outcome } else { Outcome::GuardUnavailable };
        metrics.request_finished(endpoint, outcome, elapsed);
        sealed
    }
}

/// The outcome that a back end's error stands for.
pub(super) const fn outcome_of(error: &InferenceError) -> Outcome {
    match error.kind {
        InferenceErrorKind::Overloaded { .. } => Outcome::Overloaded,
        InferenceErrorKind::PromptTooLong { .. }
        | InferenceErrorKind::AnswerTooLong { .. }
        | InferenceErrorKind::Unsupported { .. }
        | InferenceErrorKind::InvalidRequest { .. } => Outcome::InvalidRequest,
        InferenceErrorKind::UnsupportedPayload => Outcome::UnsupportedPayload,
        InferenceErrorKind::Unavailable
        | InferenceErrorKind::Timeout
        | InferenceErrorKind::Upstream { .. }
        | InferenceErrorKind::Failed => Outcome::UpstreamError,
    }
}

const fn unrecorded(notice: Notice) -> Failed {
    Failed {
        notice: Some(notice),
        outcome: Outcome::GuardUnavailable,
        error: FailedWhy::AuditUnavailable,
    }
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
