//! The bounded queue between callers and the model's thread.
//!
//! Callers take a place before they render a prompt, so that work for which
//! there is no room is never begun. First come, first served: a request with
//! many choices is not overtaken for ever by small ones. A request whose reader
//! went away leaves as soon as anyone looks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::request::Job;
use crate::inference::Load;

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// What a request is taken to need before one has finished.
const FIRST_GUESS_SECONDS: f64 = 5.0;
/// Weight of the latest request in the running mean of their durations.
const LATEST_WEIGHT: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Queue {
    slots: usize,
    waiting_requests_max: usize,
    state: Mutex<State>,
    /// Told when a job came, or the queue closed.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    /// Places taken whose prompts are being rendered.
    reserved: usize,
    /// INVARIANT: at most `slots`; one per choice that generates.
    slots_busy: usize,
    running: usize,
    seconds_per_request: f64,
    closed: bool,
}

/// Why there is no place.
#[derive(Debug, PartialEq)]
pub(super) enum NoPlace {
    Full { retry_after: Duration },
    Closed,
}

/// A job's permission to run: one lease per choice.
#[derive(Debug)]
pub(super) struct Admitted {
    pub job: Job,
    pub leases: Vec<Lease>,
    pub run: Run,
}

impl Queue {
    pub(super) fn new(slots: usize, waiting_requests_max: usize) -> Arc<Self> {
        let state = State {
            waiting: VecDeque::new(),
            reserved: 0,
            slots_busy: 0,
            running: 0,
            seconds_per_request: FIRST_GUESS_SECONDS,
            closed: false,
        };
        let (state, changed) = (Mutex::new(state), Notify::new());
        Arc::new(Self { slots: slots.max(1), waiting_requests_max, state, changed })
    }

    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// A place for one request, or how long to stay away. A free slot counts as a place.
    pub(super) fn reserve(self: &Arc<Self>) -> Result<Place, NoPlace> {
        let mut state = self.lock();
        if state.closed {
            return Err(NoPlace::Closed);
        }
        state.forget_abandoned();
        let free = self.slots.saturating_sub(state.slots_busy);
        if state.waiting.len() + state.reserved >= self.waiting_requests_max + free {
            return Err(NoPlace::Full { retry_after: state.retry_after(self.slots) });
        }
        state.reserved += 1;
        Ok(Place { queue: Arc::clone(self), taken: false })
    }

    /// The next job, once there are slots for all of its choices.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let mut state = self.lock();
        state.forget_abandoned();
        let choices = state.waiting.front()?.choices();
        if state.slots_busy + choices > self.slots {
            return None;
        }
        let job = state.waiting.pop_front()?;
        state.slots_busy += choices;
        state.running += 1;
        drop(state);
        let leases = (0..choices).map(|_| Lease { queue: Arc::clone(self) }).collect();
        let run = Run { queue: Arc::clone(self), begun: Instant::now() };
        Some(Admitted { job, leases, run })
    }

    /// Lets nobody in any more and drops who waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for job in waiting {
            job.refuse();
        }
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Returns at once when something changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn load(&self) -> Load {
        let state = self.lock();
        Load { queued: state.waiting.len() + state.reserved, running: state.running }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the counts half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_abandoned(&mut self) {
        self.waiting.retain(|job| !job.is_abandoned());
    }

    #[expect(clippy::cast_precision_loss, reason = "queues are short")]
    fn retry_after(&self, slots: usize) -> Duration {
        let ahead = (self.waiting.len() + self.reserved + 1) as f64;
        let seconds = self.seconds_per_request * ahead / slots as f64;
        Duration::try_from_secs_f64(seconds.ceil())
            .unwrap_or(RETRY_AFTER_MAX)
            .clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

/// Room for one request; given back unless a job takes it.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    /// A job has it now.
    taken: bool,
}

impl Place {
    /// Queues the job. When the queue closed meanwhile, its reader is told.
    pub(super) fn submit(mut self, job: Job) {
        let mut state = self.queue.lock();
        if state.closed {
            drop(state);
            return job.refuse();
        }
        state.waiting.push_back(job);
        state.reserved -= 1;
        self.taken = true;
        drop(state);
        self.queue.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.queue.lock().reserved -= 1;
        }
    }
}

/// One slot, held by one choice.
#[derive(Debug)]
pub(super) struct Lease {
    queue: Arc<Queue>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.queue.lock().slots_busy -= 1;
    }
}

/// One running request; its duration feeds the estimate for those turned away.
#[derive(Debug)]
pub(super) struct Run {
    queue: Arc<Queue>,
    begun: Instant,
}

impl Drop for Run {
    fn drop(&mut self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut state = self.queue.lock();
        state.running -= 1;
        state.seconds_per_request += LATEST_WEIGHT * (seconds - state.seconds_per_request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::embedded::request::tests::job;

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let queue = Queue::new(2, 1);
        let places: Vec<_> = (0..3).map(|_| queue.reserve().unwrap()).collect();
        assert!(matches!(
            queue.reserve(),
            Err(NoPlace::Full { retry_after }) if retry_after >= RETRY_AFTER_MIN
        ));
        drop(places);
        assert!(queue.reserve().is_ok());
    }

    #[test]
    fn requests_wait_until_all_their_choices_have_slots() {
        let queue = Queue::new(2, 4);
        let (wide, _wide_events) = job(2);
        let (narrow, _narrow_events) = job(1);
        let (first, _first_events) = job(1);
        for job in [first, wide, narrow] {
            queue.reserve().unwrap().submit(job);
        }
        let running = queue.admit().unwrap();
        assert!(queue.admit().is_none(), "the wide one needs both, and is not overtaken");
        assert_eq!(queue.load(), Load { queued: 2, running: 1 });
        drop(running);
        assert_eq!(queue.admit().unwrap().leases.len(), 2);
    }

    #[test]
    fn abandoned_requests_give_up_their_place() {
        let queue = Queue::new(1, 1);
        let (running, _events) = job(1);
        queue.reserve().unwrap().submit(running);
        let _running = queue.admit().unwrap();
        let (waiting, events) = job(1);
        queue.reserve().unwrap().submit(waiting);
        assert!(queue.reserve().is_err());
        drop(events);
        assert!(queue.reserve().is_ok());
    }

    #[test]
    fn closing_tells_those_who_wait() {
        let queue = Queue::new(1, 1);
        let place = queue.reserve().unwrap();
        let (late, mut late_events) = job(1);
        let (waiting, mut events) = job(1);
        queue.reserve().unwrap().submit(waiting);
        queue.close();
        place.submit(late);
        assert!(matches!(events.try_recv(), Ok(Err(_))));
        assert!(matches!(late_events.try_recv(), Ok(Err(_))));
        assert_eq!(queue.reserve().unwrap_err(), NoPlace::Closed);
    }
}
