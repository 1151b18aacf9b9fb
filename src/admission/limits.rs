//! How much a caller may use: requests and tokens per minute, requests at once.
//!
//! Per minute means GCRA (governor): a full minute's worth may go at once, then
//! the allowance grows back steadily. Limits differ from key to key, so each
//! caller has limiters of its own; they are remade when its limits change.
//!
//! Knows no keys. Called by [`Gate`](crate::admission::Gate).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::admission::{Denied, keys};
use crate::domain::{Caller, Limits};

/// Every key is a caller, and so is `local`; beyond that, idle ones are forgotten.
const CALLERS_MAX: usize = keys::KEYS_MAX + 1;

/// A concurrency place; given back on drop.
#[derive(Debug)]
pub struct Permit {
    running: Arc<AtomicU32>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is left to every caller.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    callers: RwLock<HashMap<Arc<str>, Arc<Allowance>>>,
}

impl Allowances {
    /// Takes a place, a request and `tokens`. A place that was taken comes back
    /// when the rest fails; a request that fails for its tokens still counts.
    pub(super) fn take(&self, caller: &Caller, tokens: u32) -> Result<Permit, Denied> {
        let allowance = self.of(caller);
        let permit = allowance.enter()?;
        allowance.spend(tokens)?;
        Ok(permit)
    }

    fn of(&self, caller: &Caller) -> Arc<Allowance> {
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(&caller.name).filter(|known| known.limits == caller.limits)
        {
            return Arc::clone(known);
        }
        drop(callers);
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        let known = callers.get(&caller.name);
        if let Some(known) = known.filter(|known| known.limits == caller.limits) {
            return Arc::clone(known);
        }
        // Requests that run under the old limits still count.
        let running = known.map(|known| Arc::clone(&known.running)).unwrap_or_default();
        if callers.len() >= CALLERS_MAX {
            callers.retain(|_, known| known.running.load(Ordering::Acquire) > 0);
        }
        let allowance = Arc::new(Allowance::new(caller.limits.clone(), running));
        callers.insert(Arc::clone(&caller.name), Arc::clone(&allowance));
        allowance
    }
}

#[derive(Debug)]
struct Allowance {
    limits: Limits,
    requests: Option<DefaultDirectRateLimiter>,
    tokens: Option<DefaultDirectRateLimiter>,
    running: Arc<AtomicU32>,
}

impl Allowance {
    fn new(limits: Limits, running: Arc<AtomicU32>) -> Self {
        let limiter = |per_minute: Option<NonZeroU32>| {
            per_minute.map(|n| RateLimiter::direct(Quota::per_minute(n)))
        };
        Self {
            requests: limiter(limits.requests_per_minute),
            tokens: limiter(limits.tokens_per_minute),
            limits,
            running,
        }
    }

    fn enter(&self) -> Result<Permit, Denied> {
        let places = self.limits.concurrent_requests.map_or(u32::MAX, NonZeroU32::get);
        self.running
            .try_update(Ordering::AcqRel, Ordering::Acquire, |running| {
                (running < places).then(|| running.saturating_add(1))
            })
            .map_err(|_| Denied::TooManyConcurrent)?;
        Ok(Permit { running: Arc::clone(&self.running) })
    }

    fn spend(&self, tokens: u32) -> Result<(), Denied> {
        if let Some(requests) = &self.requests {
            requests.check().map_err(|until| limited("requests", &until))?;
        }
        if let (Some(limiter), Some(needed)) = (&self.tokens, NonZeroU32::new(tokens)) {
            let per_minute = self.limits.tokens_per_minute.map_or(u32::MAX, NonZeroU32::get);
            limiter
                .check_n(needed)
                .map_err(|_| Denied::TooManyTokens { tokens, per_minute })?
                .map_err(|until| limited("tokens", &until))?;
        }
        Ok(())
    }
}

fn limited(
    what: &'static str,
    until: &governor::NotUntil<<DefaultClock as Clock>::Instant>,
) -> Denied {
    Denied::RateLimited { what, retry_after: until.wait_time_from(DefaultClock::default().now()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CallerRole;
    use std::time::Duration;

    fn caller(requests: u32, tokens: u32, concurrent: u32) -> Caller {
        Caller {
            name: "a".into(),
            role: CallerRole::User,
            policy: None,
            limits: Limits {
                requests_per_minute: NonZeroU32::new(requests),
                tokens_per_minute: NonZeroU32::new(tokens),
                concurrent_requests: NonZeroU32::new(concurrent),
            },
        }
    }

    #[test]
    fn requests_are_counted_and_come_back_with_time() {
        let allowances = Allowances::default();
        let caller = caller(600, 0, 0);
        let denied = (0..=620).find_map(|_| allowances.take(&caller, 1).err()).unwrap();
        let Denied::RateLimited { what: "requests", retry_after } = denied else {
            panic!("{denied:?}")
        };
        // One comes back each tenth of a second.
        assert!(
            retry_after > Duration::ZERO && retry_after <= Duration::from_millis(100),
            "{retry_after:?}"
        );
        std::thread::sleep(retry_after);
        allowances.take(&caller, 1).unwrap();
    }

    #[test]
    fn tokens_are_counted_apart_from_requests() {
        let allowances = Allowances::default();
        let caller = caller(0, 100, 0);
        allowances.take(&caller, 90).unwrap();
        allowances.take(&caller, 0).unwrap();
        let denied = allowances.take(&caller, 90).unwrap_err();
        let Denied::RateLimited { what: "tokens", retry_after } = denied else {
            panic!("{denied:?}")
        };
        assert!(
            retry_after > Duration::from_secs(40) && retry_after <= Duration::from_secs(60),
            "{retry_after:?}"
        );
        assert_eq!(
            allowances.take(&caller, 101).unwrap_err(),
            Denied::TooManyTokens { tokens: 101, per_minute: 100 }
        );
    }

    #[test]
    fn a_place_comes_back_when_its_permit_is_dropped_also_after_a_denial() {
        let allowances = Allowances::default();
        let caller = caller(0, 10, 2);
        let first = allowances.take(&caller, 1).unwrap();
        assert!(allowances.take(&caller, 11).is_err());
        let _second = allowances.take(&caller, 1).unwrap();
        assert_eq!(allowances.take(&caller, 1).unwrap_err(), Denied::TooManyConcurrent);
        drop(first);
        allowances.take(&caller, 1).unwrap();
    }

    #[test]
    fn running_requests_count_on_when_limits_change() {
        let allowances = Allowances::default();
        let _running = allowances.take(&caller(0, 0, 1), 1).unwrap();
        assert_eq!(allowances.take(&caller(5, 0, 1), 1).unwrap_err(), Denied::TooManyConcurrent);
        allowances.take(&caller(5, 0, 2), 1).unwrap();
    }

    #[test]
    fn concurrent_takers_never_exceed_the_places() {
        let allowances = Allowances::default();
        let caller = caller(0, 0, 3);
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Ok(permit) = allowances.take(&caller, 1) {
                            most.fetch_max(
                                permit.running.load(Ordering::Acquire),
                                Ordering::AcqRel,
                            );
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(allowances.of(&caller).running.load(Ordering::Acquire), 0);
    }
}
