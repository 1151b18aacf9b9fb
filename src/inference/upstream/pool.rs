//! The servers that run one model: where they are, how busy, how healthy.
//!
//! The one with the fewest requests under way is tried first. Each has its own
//! circuit breaker, so that a dead server costs its callers nothing for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use recloser::{AsyncRecloser, Recloser};
use reqwest::Url;

/// When a server is left alone, and how it comes back.
#[derive(Debug, Clone)]
pub struct BreakerConfig {
    /// Requests over which failures are counted; no verdict before they are full.
    pub window_requests: usize,
    /// Share of failures that opens the breaker, in (0, 1].
    pub failure_rate_max: f32,
    /// How long the server is left alone.
    pub open_ms: u64,
    /// Requests let through after that, which decide.
    pub probe_requests: usize,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { window_requests: 8, failure_rate_max: 0.5, open_ms: 10_000, probe_requests: 1 }
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    targets: Vec<Arc<Target>>,
    /// Breaks ties, so that idle servers take turns.
    turn: AtomicUsize,
}

/// One server.
#[derive(Debug)]
pub(super) struct Target {
    base: Url,
    pub breaker: AsyncRecloser,
    outstanding: AtomicUsize,
}

/// A request under way at a server.
#[derive(Debug)]
pub(super) struct Lease(Arc<Target>);

impl Pool {
    pub(super) fn new(urls: &[Url], breaker: &BreakerConfig) -> Result<Self, String> {
        if urls.is_empty() {
            return Err("`upstream` needs at least one address".to_owned());
        }
        let target = |url: &Url| {
            let breaker = Recloser::custom()
                .error_rate(breaker.failure_rate_max)
                .closed_len(breaker.window_requests.max(1))
                .half_open_len(breaker.probe_requests.max(1))
                .open_wait(Duration::from_millis(breaker.open_ms))
                .build();
            let (base, outstanding) = (base_url(url)?, AtomicUsize::new(0));
            Ok(Arc::new(Target { base, breaker: breaker.into(), outstanding }))
        };
        let targets = urls.iter().map(target).collect::<Result<_, String>>()?;
        Ok(Self { targets, turn: AtomicUsize::new(0) })
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().map(|target| &**target)
    }

    /// All servers, the least busy first.
    pub(super) fn ranked(&self) -> Vec<Arc<Target>> {
        let mut ranked = self.targets.clone();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ranked.len().max(1);
        ranked.rotate_left(turn);
        // Stable: servers that are equally busy keep the rotated order.
        ranked.sort_by_cached_key(|target| target.outstanding.load(Ordering::Relaxed));
        ranked
    }

    pub(super) fn outstanding(&self) -> usize {
        self.targets.iter().map(|target| target.outstanding.load(Ordering::Relaxed)).sum()
    }

    /// For people.
    pub(super) fn addresses(&self) -> String {
        let addresses: Vec<&str> = self.targets.iter().map(|target| target.base.as_str()).collect();
        addresses.join(", ")
    }
}

impl Target {
    /// The address of an API path.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // `base_url` made sure that there is a path to extend.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Without the path: for the log.
    pub(super) fn authority(&self) -> &str {
        self.base.authority()
    }

    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }
}

impl Lease {
    /// Counts a failure after the server had begun well.
    pub(super) async fn failed_later(&self) {
        let _ = self.0.breaker.call(std::future::ready(Err::<(), ()>(()))).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds `/v1` unless the path names a version already.
fn base_url(url: &Url) -> Result<Url, String> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("the scheme `{}` is not `http` or `https`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address must not carry a user name or password; \
                    use `api_key_env` or `api_key_file`"
            .to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("the address of `{}` must end with its path", url.authority()));
    }
    let versioned = url.path_segments().into_iter().flatten().any(is_version);
    let mut base = url.clone();
    if !versioned && let Ok(mut segments) = base.path_segments_mut() {
        segments.pop_if_empty().push("v1");
    }
    Ok(base)
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Result<String, String> {
        base_url(&url.parse().unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn the_version_may_be_left_out() {
        for url in ["http://h:1", "http://h:1/", "http://h:1/v1"] {
            assert_eq!(base(url).unwrap(), "http://h:1/v1");
        }
        assert_eq!(base("http://h/api/").unwrap(), "http://h/api/v1");
        assert_eq!(base("https://h/v1beta/openai/").unwrap(), "https://h/v1beta/openai/");
        let pool = Pool::new(&["http://h/v1/".parse().unwrap()], &BreakerConfig::default());
        let pool = pool.unwrap();
        let url = pool.targets().next().unwrap().url(&["chat", "completions"]);
        assert_eq!(url.as_str(), "http://h/v1/chat/completions");
    }

    #[test]
    fn addresses_with_secrets_or_other_schemes_are_refused() {
        for url in ["ftp://h/", "http://user:secret@h/", "http://h/?key=secret", "http://h/#a"] {
            let error = base(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Pool::new(&[], &BreakerConfig::default()).is_err());
    }

    #[test]
    fn the_least_busy_server_is_tried_first() {
        let urls = ["http://a", "http://b", "http://c"].map(|url| url.parse().unwrap());
        let pool = Pool::new(&urls, &BreakerConfig::default()).unwrap();
        let first = pool.ranked();
        let _busy = (first[0].lease(), first[0].lease(), first[1].lease());
        for _ in 0..3 {
            let ranked = pool.ranked();
            assert!(Arc::ptr_eq(&ranked[0], &first[2]));
            assert!(Arc::ptr_eq(&ranked[2], &first[0]));
        }
        assert_eq!(pool.outstanding(), 3);
        drop(_busy);
        let turns: Vec<_> = (0..3).map(|_| pool.ranked().remove(0)).collect();
        assert!(!Arc::ptr_eq(&turns[0], &turns[1]) && !Arc::ptr_eq(&turns[1], &turns[2]));
    }
}
