//! Metrics (each declared once) and log set-up. SKELETON.

use std::time::Duration;

use crate::domain::{Action, Category, Digest, Endpoint, Outcome, Stage, Usage};

/// All metrics of the gateway. Labels are closed sets, except configured names of back ends and policies.
#[derive(Debug)]
pub struct Metrics {}

#[derive(Debug, thiserror::Error)]
#[error("cannot set up metrics")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    pub fn new() -> Result<Self, MetricsError> {
        todo!()
    }

    /// The Prometheus text format.
    pub fn render(&self) -> Result<String, MetricsError> {
        todo!()
    }

    pub fn request_started(&self, _endpoint: Endpoint) {
        todo!()
    }

    /// One per request_started.
    pub fn request_finished(&self, _endpoint: Endpoint, _outcome: Outcome, _elapsed: Duration) {
        todo!()
    }

    /// A request that never became an exchange: bad JSON, no key, unknown model. `code` is the API error code.
    pub fn request_rejected(&self, _code: &'static str) {
        todo!()
    }

    pub fn violation(&self, _category: Category, _stage: Stage, _action: Action) {
        todo!()
    }

    pub fn stage_elapsed(&self, _stage: Stage, _elapsed: Duration) {
        todo!()
    }

    pub fn first_token(&self, _elapsed: Duration) {
        todo!()
    }

    pub fn tokens(&self, _usage: Usage) {
        todo!()
    }

    /// Characters held at once, and for how long a piece of text was held.
    pub fn held_back(&self, _chars: u64, _held_for: Duration) {
        todo!()
    }

    pub fn queue(&self, _backend: &str, _queued: usize, _running: usize) {
        todo!()
    }

    pub fn policy_loaded(&self, _name: &str, _version: &str, _digest: Digest) {
        todo!()
    }

    pub fn policy_reload_failed(&self, _name: &str) {
        todo!()
    }

    pub fn audit_lag(&self, _records: usize) {
        todo!()
    }

    pub fn audit_failed(&self) {
        todo!()
    }
}
