//! What the gateway tells its operators: metrics and log lines.
//!
//! Every metric is declared once, in [`instruments`]; the methods of [`Metrics`]
//! are the events that move them. Labels are closed sets or names from the
//! configuration, so that no text of a user can ever become a label. Called by
//! `pipeline`, `api` and `app`; knows nothing of HTTP.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Registry, TextEncoder};

use crate::domain::{Action, Category, Digest, Endpoint, Outcome, Stage, Usage};

mod instruments;
pub mod log;

use instruments::Instruments;

/// All metrics of the gateway. Labels are closed sets, except configured names of back ends and
/// policies.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    instruments: Instruments,
    /// The labels under which each policy is shown, so that an older version can be taken down.
    shown: Mutex<BTreeMap<String, (String, String)>>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot set up metrics")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    /// Declares every metric in a registry of its own.
    ///
    /// # Errors
    /// When two metrics share a name: a mistake of the program.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let instruments = Instruments::register(&registry)?;
        Ok(Self { registry, instruments, shown: Mutex::default() })
    }

    /// The Prometheus text format, version 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be written as text: a mistake of the program.
    pub fn render(&self) -> Result<String, MetricsError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }

    /// An exchange begins.
    pub fn request_started(&self, endpoint: Endpoint) {
        self.instruments.exchanges.in_flight.with_label_values(&[endpoint.name()]).inc();
    }

    /// One per [`Self::request_started`].
    pub fn request_finished(&self, endpoint: Endpoint, outcome: Outcome, elapsed: Duration) {
        let name = endpoint.name();
        self.instruments.exchanges.in_flight.with_label_values(&[name]).dec();
        self.instruments.exchanges.requests.with_label_values(&[name, outcome.name()]).inc();
        self.instruments
            .exchanges
            .request_duration
            .with_label_values(&[name])
            .observe(elapsed.as_secs_f64());
    }

    /// A request that never became an exchange: bad JSON, no key, unknown model. `code` is the API
    /// error code.
    pub fn request_rejected(&self, code: &'static str) {
        self.instruments.exchanges.rejected.with_label_values(&[code]).inc();
    }

    pub fn violation(&self, category: Category, stage: Stage, action: Action) {
        let labels = [category.slug(), stage.name(), action.name()];
        self.instruments.judging.violations.with_label_values(&labels).inc();
    }

    /// Time spent judging in one stage of one exchange.
    pub fn stage_elapsed(&self, stage: Stage, elapsed: Duration) {
        let histogram = self.instruments.judging.stage_duration.with_label_values(&[stage.name()]);
        histogram.observe(elapsed.as_secs_f64());
    }

    /// From the request's arrival to the first token of the back end.
    pub fn first_token(&self, elapsed: Duration) {
        self.instruments.operation.first_token.observe(elapsed.as_secs_f64());
    }

    pub fn tokens(&self, usage: Usage) {
        let tokens = &self.instruments.exchanges.tokens;
        tokens.with_label_values(&["prompt"]).inc_by(usage.prompt_tokens.into());
        tokens.with_label_values(&["completion"]).inc_by(usage.completion_tokens.into());
    }

    /// Characters held at once, and for how long a piece of text was held.
    pub fn held_back(&self, chars: u64, held_for: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a statistic; exact up to 2^53")]
        self.instruments.judging.held_chars.observe(chars as f64);
        self.instruments.judging.held_time.observe(held_for.as_secs_f64());
    }

    pub fn queue(&self, backend: &str, queued: usize, running: usize) {
        self.instruments.operation.queued.with_label_values(&[backend]).set(gauge(queued));
        self.instruments.operation.running.with_label_values(&[backend]).set(gauge(running));
    }

    /// Texts that were known to the verdict cache, and texts that were not.
    pub fn verdict_cache(&self, hits: u64, misses: u64) {
        let counts = &self.instruments.judging.verdict_cache;
        counts.with_label_values(&["hit"]).inc_by(hits);
        counts.with_label_values(&["miss"]).inc_by(misses);
    }

    /// This version of the policy `name` is in force now; the one before is no longer shown.
    pub fn policy_loaded(&self, name: &str, version: &str, digest: Digest) {
        let now = (version.to_owned(), digest.short());
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.insert(name.to_owned(), now.clone());
        if let Some((version, digest)) = before.filter(|before| *before != now) {
            // The only error is that the series is gone already.
            let _ = self.instruments.judging.policy.remove_label_values(&[name, &version, &digest]);
        }
        self.instruments.judging.policy.with_label_values(&[name, &now.0, &now.1]).set(1);
        // Shown from the start, so that an alert on its increase works for the first failure.
        self.instruments.judging.reload_failures.with_label_values(&[name]).inc_by(0);
    }

    pub fn policy_reload_failed(&self, name: &str) {
        self.instruments.judging.reload_failures.with_label_values(&[name]).inc();
    }

    /// Records that wait for the writer of the audit log.
    pub fn audit_lag(&self, records: usize) {
        self.instruments.operation.audit_lag.set(gauge(records));
    }

    /// A record could not be made durable.
    pub fn audit_failed(&self) {
        self.instruments.operation.audit_failures.inc();
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
        let text = metrics.render().unwrap();
        text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
    }

    #[test]
    fn a_finished_request_is_counted_and_no_longer_in_flight() {
        let metrics = Metrics::new().unwrap();
        metrics.request_started(Endpoint::Completions);
        metrics.request_started(Endpoint::Completions);
        metrics.request_finished(
            Endpoint::Completions,
            Outcome::PolicyBlock,
            Duration::from_millis(3),
        );

        let in_flight = "portcullis_requests_in_flight{endpoint=\"completions\"}";
        assert_eq!(lines(&metrics, in_flight), [format!("{in_flight} 1")]);
        let total = "portcullis_requests_total{endpoint=\"completions\",outcome=\"policy_block\"}";
        assert_eq!(lines(&metrics, total), [format!("{total} 1")]);
        let count = "portcullis_request_duration_seconds_count{endpoint=\"completions\"}";
        assert_eq!(lines(&metrics, count), [format!("{count} 1")]);
    }

    #[test]
    fn every_outcome_is_shown_before_it_happens() {
        let metrics = Metrics::new().unwrap();
        let shown = lines(&metrics, "portcullis_requests_total{");
        assert_eq!(shown.len(), Endpoint::ALL.len() * Outcome::ALL.len());
    }

    #[test]
    fn only_the_policy_version_in_force_is_shown() {
        let metrics = Metrics::new().unwrap();
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        metrics.policy_loaded("default", "1", old);
        metrics.policy_loaded("strict", "1", old);
        metrics.policy_loaded("default", "2", new);
        metrics.policy_loaded("default", "2", new);

        let shown = lines(&metrics, "portcullis_policy_info");
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown.iter().any(|line| line.contains("\"default\"")
            && line.contains(&new.short())
            && line.contains("version=\"2\"")));
        assert_eq!(
            lines(&metrics, "portcullis_policy_reload_failures_total{policy=\"default\"}"),
            ["portcullis_policy_reload_failures_total{policy=\"default\"} 0"]
        );
    }

    #[test]
    fn every_event_reaches_the_text_format() {
        let metrics = Metrics::new().unwrap();
        metrics.request_rejected("invalid_api_key");
        metrics.violation(Category::SelfHarm, Stage::Output, Action::Replace);
        metrics.stage_elapsed(Stage::Input, Duration::from_micros(15));
        metrics.first_token(Duration::from_millis(40));
        metrics.tokens(Usage { prompt_tokens: 7, completion_tokens: 11 });
        metrics.held_back(12, Duration::from_millis(2));
        metrics.verdict_cache(5, 1);
        metrics.queue("demo", 3, 4);
        metrics.policy_reload_failed("default");
        metrics.audit_lag(5);
        metrics.audit_failed();
        let text = metrics.render().unwrap();

        for expected in [
            "portcullis_requests_rejected_total{code=\"invalid_api_key\"} 1",
            "portcullis_violations_total{action=\"replace\",category=\"self_harm\",stage=\"output\"} 1",
            "portcullis_stage_duration_seconds_bucket{stage=\"input\",le=\"0.00001\"} 0",
            "portcullis_stage_duration_seconds_bucket{stage=\"input\",le=\"0.000025\"} 1",
            "portcullis_first_token_seconds_count 1",
            "portcullis_tokens_total{kind=\"prompt\"} 7",
            "portcullis_tokens_total{kind=\"completion\"} 11",
            "portcullis_held_back_chars_sum 12",
            "portcullis_verdict_cache_total{result=\"hit\"} 5",
            "portcullis_backend_queue_depth{backend=\"demo\"} 3",
            "portcullis_backend_running{backend=\"demo\"} 4",
            "portcullis_policy_reload_failures_total{policy=\"default\"} 1",
            "portcullis_audit_lag_records 5",
            "portcullis_audit_failures_total 1",
            "portcullis_build_info{",
        ] {
            assert!(text.contains(expected), "{expected} is missing from\n{text}");
        }
    }
}
