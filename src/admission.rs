//! May this caller spend resources? First who it is, then how much it may use.
//!
//! ```text
//! bearer token ─ identify ─▶ Caller ─ admit(tokens, value) ─▶ Admitted<value> | Denied
//!                 keys                 limits                  holds a concurrency place
//! ```
//!
//! Without any key the gateway serves loopback callers only. A store whose keys
//! are all revoked is not that case: it serves nobody. Behind a reverse proxy on
//! the same machine every caller looks like loopback: make keys there.
//!
//! Knows no HTTP and no policy but its name. Called by `api`; `cli` manages keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Caller, CallerRole, Limits};

mod key_file;
mod keys;
mod limits;

pub use keys::{KeyEntry, KeyStore, KeyStoreError};
pub use limits::Permit;

use limits::Allowances;

/// The caller's name when the gateway runs without keys; no key may have it.
const LOCAL: &str = "local";

/// Where the keys lie: `<data-dir>/keys.json`.
pub fn keys_file_in(data_dir: &Path) -> PathBuf {
    data_dir.join("keys.json")
}

/// Who may call and how much. Shared by all workers.
#[derive(Debug)]
pub struct Gate {
    keys: Arc<KeyStore>,
    default_limits: Limits,
    allowances: Allowances,
}

impl Gate {
    /// An empty store makes the gateway serve loopback callers only. `default_limits` hold
    /// wherever a key sets none of its own.
    pub fn new(keys: Arc<KeyStore>, default_limits: Limits) -> Self {
        Self { keys, default_limits, allowances: Allowances::default() }
    }

    /// Whether callers need a key. Without keys, admin routes too are for loopback callers.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Finds the caller of a request. Without keys, a token that a client insists on sending is ignored.
    ///
    /// # Errors
    /// No key where one is needed, an unknown or revoked one, or a peer that is not loopback while no key exists.
    pub fn identify(&self, bearer: Option<&str>, peer_is_loopback: bool) -> Result<Caller, Denied> {
        let keys = self.keys.snapshot();
        if keys.is_empty() {
            return if peer_is_loopback { Ok(self.local()) } else { Err(Denied::LoopbackOnly) };
        }
        let entry = keys.find(bearer.ok_or(Denied::KeyMissing)?).ok_or(Denied::KeyUnknown)?;
        Ok(Caller {
            name: entry.name.as_str().into(),
            role: entry.role,
            policy: entry.policy.as_deref().map(Arc::from),
            limits: merge(&entry.limits, &self.default_limits),
        })
    }

    /// Finds the caller of an admin request. Without keys, a loopback caller passes.
    ///
    /// # Errors
    /// Those of [`Gate::identify`], and a caller without the admin role.
    pub fn identify_admin(
        &self,
        bearer: Option<&str>,
        peer_is_loopback: bool,
    ) -> Result<Caller, Denied> {
        // The role decides, or the absence of keys at the moment of the decision:
        // only the latter makes a caller named `local`.
        let caller = self.identify(bearer, peer_is_loopback)?;
        if caller.role == CallerRole::Admin || *caller.name == *LOCAL {
            return Ok(caller);
        }
        Err(Denied::NotAdmin)
    }

    /// Takes one request and `tokens` from the caller's allowance and a concurrency place.
    ///
    /// # Errors
    /// When a limit is reached; says after how long to try again.
    pub fn admit<T>(&self, caller: Caller, tokens: u32, value: T) -> Result<Admitted<T>, Denied> {
        let permit = self.allowances.take(&caller, tokens)?;
        Ok(Admitted { caller, value, permit })
    }

    fn local(&self) -> Caller {
        Caller {
            name: LOCAL.into(),
            role: CallerRole::User,
            policy: None,
            limits: self.default_limits.clone(),
        }
    }
}

fn merge(own: &Limits, default: &Limits) -> Limits {
    Limits {
        requests_per_minute: own.requests_per_minute.or(default.requests_per_minute),
        tokens_per_minute: own.tokens_per_minute.or(default.tokens_per_minute),
        concurrent_requests: own.concurrent_requests.or(default.concurrent_requests),
    }
}

/// A value with the caller who may spend on it. Dropping it gives the concurrency place back.
#[derive(Debug)]
pub struct Admitted<T> {
    caller: Caller,
    value: T,
    permit: Permit,
}

impl<T> Admitted<T> {
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub const fn get(&self) -> &T {
        &self.value
    }

    pub fn into_parts(self) -> (Caller, T, Permit) {
        (self.caller, self.value, self.permit)
    }
}

/// Why a caller may not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    #[error("an API key is needed: send `Authorization: Bearer <key>`")]
    KeyMissing,
    #[error("this API key is not known or was revoked")]
    KeyUnknown,
    #[error("no API keys are set up, so only loopback callers are served")]
    LoopbackOnly,
    #[error("this key does not have the admin role")]
    NotAdmin,
    #[error("the limit of {what} per minute is used up")]
    RateLimited { what: &'static str, retry_after: Duration },
    /// Waiting does not help.
    #[error(
        "this request may use {tokens} tokens, more than the {per_minute} per minute that the key allows"
    )]
    TooManyTokens { tokens: u32, per_minute: u32 },
    #[error("as many requests as this key may run at once are running")]
    TooManyConcurrent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::num::NonZeroU32;

    fn gate() -> (tempfile::TempDir, Arc<KeyStore>, Gate) {
        let directory = tempfile::tempdir().unwrap();
        let keys = Arc::new(KeyStore::open(&keys_file_in(directory.path())).unwrap());
        let defaults = Limits { requests_per_minute: NonZeroU32::new(9), ..Limits::default() };
        (directory, Arc::clone(&keys), Gate::new(keys, defaults))
    }

    fn create(keys: &KeyStore, name: &str, role: CallerRole, limits: Limits) -> String {
        keys.create(name, role, Some("strict".into()), limits).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn without_keys_only_loopback_is_served() {
        let (_directory, _keys, gate) = gate();
        assert!(!gate.has_keys());
        for bearer in [None, Some("sk-anything")] {
            assert_eq!(gate.identify(bearer, false).unwrap_err(), Denied::LoopbackOnly);
            assert_eq!(gate.identify_admin(bearer, false).unwrap_err(), Denied::LoopbackOnly);
            let caller = gate.identify(bearer, true).unwrap();
            assert_eq!((&*caller.name, caller.role), ("local", CallerRole::User));
            assert_eq!(caller.limits.requests_per_minute, NonZeroU32::new(9));
            gate.identify_admin(bearer, true).unwrap();
        }
    }

    #[test]
    fn with_keys_loopback_needs_one_too() {
        let (_directory, keys, gate) = gate();
        let user = create(&keys, "user", CallerRole::User, Limits::default());
        for loopback in [true, false] {
            assert_eq!(gate.identify(None, loopback).unwrap_err(), Denied::KeyMissing);
            assert_eq!(gate.identify(Some("pk-0"), loopback).unwrap_err(), Denied::KeyUnknown);
            assert_eq!(gate.identify_admin(Some(&user), loopback).unwrap_err(), Denied::NotAdmin);
            assert_eq!(
                gate.identify(Some(&user), loopback).unwrap().policy.as_deref(),
                Some("strict")
            );
        }
        let admin = create(&keys, "admin", CallerRole::Admin, Limits::default());
        assert_eq!(&*gate.identify_admin(Some(&admin), false).unwrap().name, "admin");
    }

    #[test]
    fn a_store_of_revoked_keys_serves_nobody() {
        let (_directory, keys, gate) = gate();
        let key = create(&keys, "user", CallerRole::User, Limits::default());
        keys.revoke("user").unwrap();
        assert!(gate.has_keys());
        assert_eq!(gate.identify(Some(&key), true).unwrap_err(), Denied::KeyUnknown);
        assert_eq!(gate.identify(None, true).unwrap_err(), Denied::KeyMissing);
    }

    #[test]
    fn a_key_s_limits_go_before_the_default_ones() {
        let (_directory, keys, gate) = gate();
        let one = NonZeroU32::new(1);
        let own =
            Limits { requests_per_minute: one, concurrent_requests: one, ..Limits::default() };
        let own = create(&keys, "own", CallerRole::User, own);
        let default = create(&keys, "default", CallerRole::User, Limits::default());

        let caller = gate.identify(Some(&own), false).unwrap();
        let admitted = gate.admit(caller.clone(), 5, "value").unwrap();
        assert_eq!((admitted.get(), &*admitted.caller().name), (&"value", "own"));
        assert_eq!(gate.admit(caller.clone(), 5, ()).unwrap_err(), Denied::TooManyConcurrent);
        drop(admitted);
        let denied = gate.admit(caller, 5, ()).unwrap_err();
        assert!(matches!(denied, Denied::RateLimited { what: "requests", .. }), "{denied:?}");

        let caller = gate.identify(Some(&default), false).unwrap();
        let admitted = (0..20).take_while(|_| gate.admit(caller.clone(), 0, ()).is_ok()).count();
        assert_eq!(admitted, 9);
    }
}
