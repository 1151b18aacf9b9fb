//! The declaration of every metric: name, help, labels, buckets, each once.
//!
//! Only [`super::Metrics`] touches these. Buckets are in seconds unless the
//! name says otherwise; the figures aim at the range in which a decision is
//! made (microseconds for judging, milliseconds to half a minute for a model).

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, exponential_buckets,
};

use crate::domain::{Endpoint, Outcome, Stage};

#[derive(Debug)]
pub(super) struct Instruments {
    pub exchanges: Exchanges,
    pub judging: Judging,
    pub operation: Operation,
}

/// Exchanges, as callers see them.
#[derive(Debug)]
pub(super) struct Exchanges {
    pub requests: IntCounterVec,
    pub in_flight: IntGaugeVec,
    pub request_duration: HistogramVec,
    pub rejected: IntCounterVec,
    pub tokens: IntCounterVec,
}

/// What the policy did, and what it cost.
#[derive(Debug)]
pub(super) struct Judging {
    pub violations: IntCounterVec,
    pub stage_duration: HistogramVec,
    pub held_chars: Histogram,
    pub held_time: Histogram,
    pub verdict_cache: IntCounterVec,
    pub policy: IntGaugeVec,
    pub reload_failures: IntCounterVec,
}

/// What runs behind: models and the audit log.
#[derive(Debug)]
pub(super) struct Operation {
    pub first_token: Histogram,
    pub queued: IntGaugeVec,
    pub running: IntGaugeVec,
    pub audit_lag: IntGauge,
    pub audit_failures: IntCounter,
}

/// Registers what it declares, so that nothing declared can be forgotten.
struct Declare<'r>(&'r Registry);

impl Instruments {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let declare = Declare(registry);
        let instruments = Self {
            exchanges: Exchanges::declare(&declare)?,
            judging: Judging::declare(&declare)?,
            operation: Operation::declare(&declare)?,
        };
        declare.build_info()?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        instruments.show_closed_labels();
        Ok(instruments)
    }

    /// Makes the small closed sets visible at zero: an alert on an increase then works from the
    /// first event on.
    fn show_closed_labels(&self) {
        for endpoint in Endpoint::ALL {
            self.exchanges.in_flight.with_label_values(&[endpoint.name()]).set(0);
            for outcome in Outcome::ALL {
                self.exchanges
                    .requests
                    .with_label_values(&[endpoint.name(), outcome.name()])
                    .inc_by(0);
            }
        }
        for stage in Stage::ALL {
            let _ = self.judging.stage_duration.with_label_values(&[stage.name()]);
        }
        for result in ["hit", "miss"] {
            self.judging.verdict_cache.with_label_values(&[result]).inc_by(0);
        }
        for kind in ["prompt", "completion"] {
            self.exchanges.tokens.with_label_values(&[kind]).inc_by(0);
        }
    }
}

impl Exchanges {
    fn declare(declare: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: declare.counters(
                "portcullis_requests_total",
                "Exchanges by endpoint and how they ended.",
                &["endpoint", "outcome"],
            )?,
            in_flight: declare.gauges(
                "portcullis_requests_in_flight",
                "Exchanges that have begun and not ended.",
                &["endpoint"],
            )?,
            request_duration: declare.histograms(
                "portcullis_request_duration_seconds",
                "From the start of an exchange to its last byte.",
                &["endpoint"],
                exponential_buckets(0.001, 2.0, 18)?,
            )?,
            rejected: declare.counters(
                "portcullis_requests_rejected_total",
                "Requests refused before they became an exchange, by API error code.",
                &["code"],
            )?,
            tokens: declare.counters(
                "portcullis_tokens_total",
                "Tokens of prompts and of completions.",
                &["kind"],
            )?,
        })
    }
}

impl Judging {
    fn declare(declare: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            violations: declare.counters(
                "portcullis_violations_total",
                "Categories for which the policy acted, by stage and action.",
                &["category", "stage", "action"],
            )?,
            stage_duration: declare.histograms(
                "portcullis_stage_duration_seconds",
                "Time spent judging, per exchange and stage.",
                &["stage"],
                exponential_buckets(0.000_01, 2.5, 14)?,
            )?,
            held_chars: declare.histogram(
                "portcullis_held_back_chars",
                "The most characters held back at once, per answer.",
                exponential_buckets(1.0, 2.0, 13)?,
            )?,
            held_time: declare.histogram(
                "portcullis_held_back_seconds",
                "How long text was held back.",
                exponential_buckets(0.000_1, 2.5, 14)?,
            )?,
            verdict_cache: declare.counters(
                "portcullis_verdict_cache_total",
                "Texts of requests that were judged before, and texts that were not.",
                &["result"],
            )?,
            policy: declare.gauges(
                "portcullis_policy_info",
                "1 for the version of each policy that is in force.",
                &["policy", "version", "digest"],
            )?,
            reload_failures: declare.counters(
                "portcullis_policy_reload_failures_total",
                "Changed policy files that were not taken over.",
                &["policy"],
            )?,
        })
    }
}

impl Operation {
    fn declare(declare: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            first_token: declare.histogram(
                "portcullis_first_token_seconds",
                "From the start of an exchange to the first token of the back end.",
                exponential_buckets(0.001, 2.0, 16)?,
            )?,
            queued: declare.gauges(
                "portcullis_backend_queue_depth",
                "Requests that wait for a slot of the back end.",
                &["backend"],
            )?,
            running: declare.gauges(
                "portcullis_backend_running",
                "Requests that the back end is working on.",
                &["backend"],
            )?,
            audit_lag: declare.gauge(
                "portcullis_audit_lag_records",
                "Records that wait for the writer of the audit log.",
            )?,
            audit_failures: declare.counter(
                "portcullis_audit_failures_total",
                "Records that could not be made durable.",
            )?,
        })
    }
}

impl Declare<'_> {
    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets);
        self.add(HistogramVec::new(options, labels)?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
    ) -> Result<Histogram, prometheus::Error> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    fn build_info(&self) -> Result<(), prometheus::Error> {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let info = self.gauges(
            "portcullis_build_info",
            "1; the labels say which build is running.",
            &["version", "profile"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), profile]).set(1);
        Ok(())
    }
}
