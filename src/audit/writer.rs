//! The thread that owns the log: takes what is queued, commits it as one group,
//! answers everyone in it.
//!
//! After a failure nothing is accepted until [`Log::resume`] has proved that
//! writing works again. An append that gets no answer has failed: dropping the
//! reply is how the thread says so.
//!
//! Knows no entry, only bytes. Called by [`Ledger`](crate::audit::Ledger).

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::audit::log::Log;
use crate::audit::{AuditError, Receipt};

/// Group commit: what one fsync covers at most.
const GROUP_RECORDS_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 4 << 20;
/// While writing fails: how often the queue is looked at, and how long until the next try.
const FAILED_POLL_MS: u64 = 50;
const RESUME_WAIT_MS_MIN: u64 = 500;
const RESUME_WAIT_MS_MAX: u64 = 30_000;

/// What goes through the queue.
#[derive(Debug)]
pub(super) enum Message {
    Append(Job),
    /// Finish what is queued and end. The log is closed when the answer comes.
    Close(oneshot::Sender<Result<(), AuditError>>),
}

/// A record that waits to be durable.
#[derive(Debug)]
pub(super) struct Job {
    /// Canonical JSON.
    pub(super) entry: Vec<u8>,
    pub(super) waiting: Waiting,
    /// The record's share of the bytes that may wait.
    pub(super) bytes: OwnedSemaphorePermit,
    // Last, so that a job that is dropped has stopped waiting when its appender learns of it.
    pub(super) reply: oneshot::Sender<Receipt>,
}

/// Counts a record as waiting, until dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<State>);

/// What the appenders and the thread know of each other.
#[derive(Debug)]
pub(super) struct State {
    waiting: AtomicUsize,
    /// Why nothing is accepted; `None` while all is well.
    failure: Mutex<Option<Arc<str>>>,
    /// Milliseconds after `origin` at which the running commit began, plus one; 0 when none runs.
    commit_began_ms: AtomicU64,
    origin: Instant,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            failure: Mutex::new(None),
            commit_began_ms: AtomicU64::new(0),
            origin: Instant::now(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set_failure(&self, failure: Option<Arc<str>>) {
        *self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = failure;
    }

    /// How long the running commit has been running.
    pub(super) fn commit_running(&self) -> Duration {
        match self.commit_began_ms.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            began => self.origin.elapsed().saturating_sub(Duration::from_millis(began)),
        }
    }

    fn commit_begins(&self) {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.commit_began_ms.store(now.saturating_add(1), Ordering::Relaxed);
    }

    fn commit_ends(&self) {
        self.commit_began_ms.store(0, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) state: Arc<State>,
}

type CloseReply = oneshot::Sender<Result<(), AuditError>>;

/// What the queue held.
enum Taken {
    Group(Vec<Job>),
    Close(Vec<Job>, CloseReply),
    /// Every appender is gone.
    Gone,
}

impl Writer {
    /// Until closed, or until every appender is gone.
    pub(super) fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            match self.take_group(message) {
                Taken::Group(jobs) => self.commit(jobs),
                Taken::Close(jobs, reply) => return self.close(jobs, reply),
                Taken::Gone => return,
            }
            if self.state.failure().is_some() {
                match self.wait_for_recovery() {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(Some(reply)) => return self.close(Vec::new(), reply),
                    ControlFlow::Break(None) => return,
                }
            }
        }
    }

    /// What is queued behind `first`, as far as one group goes.
    fn take_group(&mut self, first: Message) -> Taken {
        let mut jobs = Vec::new();
        let mut bytes: usize = 0;
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Message::Append(job)) => {
                    bytes = bytes.saturating_add(job.entry.len());
                    jobs.push(job);
                }
                Ok(Message::Close(reply)) => return Taken::Close(jobs, reply),
                Err(TryRecvError::Empty) => return Taken::Group(jobs),
                Err(TryRecvError::Disconnected) if jobs.is_empty() => return Taken::Gone,
                Err(TryRecvError::Disconnected) => return Taken::Group(jobs),
            }
            if jobs.len() >= GROUP_RECORDS_MAX || bytes >= GROUP_BYTES_MAX {
                return Taken::Group(jobs);
            }
            next = self.queue.try_recv();
        }
    }

    /// Nothing is written after a failure: the log's end is not known then.
    fn commit(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() || self.state.failure().is_some() {
            return;
        }
        self.state.commit_begins();
        let (receipts, result) = self.log.commit(jobs.iter().map(|job| job.entry.as_slice()));
        self.state.commit_ends();
        self.note(&result);
        for (job, receipt) in jobs.into_iter().zip(receipts) {
            drop((job.waiting, job.bytes));
            // Whoever waited may have gone; the record stands.
            let _ = job.reply.send(receipt);
        }
    }

    fn note(&self, result: &Result<(), AuditError>) {
        let failure = result.as_ref().err().map(|error| Arc::from(error.chain()));
        if let Some(failure) = &failure {
            tracing::error!(%failure, "the audit log cannot be written; nothing is served until it can");
        }
        self.state.set_failure(failure);
    }

    /// Refuses everything and tries to resume, less and less often, until that
    /// works or the log is closed or abandoned.
    fn wait_for_recovery(&mut self) -> ControlFlow<Option<CloseReply>> {
        let mut wait = Duration::from_millis(RESUME_WAIT_MS_MIN);
        let mut next_try = Instant::now() + wait;
        loop {
            match self.queue.try_recv() {
                // Dropped, and so refused.
                Ok(Message::Append(_)) => continue,
                Ok(Message::Close(reply)) => return ControlFlow::Break(Some(reply)),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(None),
                Err(TryRecvError::Empty) => {}
            }
            if Instant::now() < next_try {
                std::thread::sleep(Duration::from_millis(FAILED_POLL_MS));
                continue;
            }
            self.state.commit_begins();
            let resumed = self.log.resume();
            self.state.commit_ends();
            self.note(&resumed);
            if resumed.is_ok() {
                tracing::info!("the audit log can be written again");
                return ControlFlow::Continue(());
            }
            wait = wait.saturating_mul(2).min(Duration::from_millis(RESUME_WAIT_MS_MAX));
            next_try = Instant::now() + wait;
        }
    }

    /// Commits `jobs` and what else is queued, gives the lock back, answers.
    fn close(mut self, jobs: Vec<Job>, reply: CloseReply) {
        self.queue.close();
        let mut replies = vec![reply];
        self.commit(jobs);
        while let Ok(message) = self.queue.try_recv() {
            match self.take_group(message) {
                Taken::Group(jobs) => self.commit(jobs),
                Taken::Gone => {}
                Taken::Close(jobs, reply) => {
                    self.commit(jobs);
                    replies.push(reply);
                }
            }
        }
        let failure = self.state.failure();
        self.state.set_failure(Some("it is closed".into()));
        drop(self);
        for reply in replies {
            let result =
                failure.as_deref().map_or(Ok(()), |failure| Err(AuditError::unwritable(failure)));
            // Whoever closed the log may not wait for it.
            let _ = reply.send(result);
        }
    }
}
