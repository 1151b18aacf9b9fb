//! How many threads candle computes with, and how long they spin.
//!
//! candle takes both from the environment when it computes for the first time,
//! and has no other switch. Its default is to spin for most of a millisecond
//! between two products, which is fine on an idle machine; where the cores are
//! shared, or fewer than they seem, threads then wait for each other, and a
//! small model becomes a hundred times slower. `main` calls this first.

use std::num::NonZeroUsize;

/// Spins before a waiting thread sleeps: a few microseconds.
const SPIN_LIMIT: &str = "50";

/// Sets the number of threads (`None`: one for each core) and a short spin. What the environment
/// says already stays. Returns whether it could: only in a process that has one thread, which is
/// checked on Linux and assumed to be false elsewhere.
pub fn configure_threads(threads: Option<NonZeroUsize>) -> bool {
    if !is_single_threaded() {
        return false;
    }
    set_default("CANDLE_BARRIER_POOL_SPIN_LIMIT", SPIN_LIMIT);
    if let Some(threads) = threads {
        set_default("RAYON_NUM_THREADS", &threads.to_string());
        set_default("CANDLE_NUM_THREADS", &threads.to_string());
    }
    true
}

fn set_default(name: &str, value: &str) {
    if std::env::var_os(name).is_some() {
        return;
    }
    #[expect(unsafe_code, reason = "candle has no other switch")]
    // SAFETY: nobody reads the environment at the same time, since there is no other thread.
    unsafe {
        std::env::set_var(name, value);
    }
}

fn is_single_threaded() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line == "Threads:\t1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_keeps_its_environment() {
        // The test harness runs each test in a thread beside its main one.
        assert!(!configure_threads(NonZeroUsize::new(3)));
        assert_ne!(std::env::var("CANDLE_NUM_THREADS").as_deref(), Ok("3"));
    }
}
