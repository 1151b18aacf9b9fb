//! May this caller spend resources? Keys and limits. SKELETON.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Caller, CallerRole, Limits};

/// Who may call and how much. Shared by all workers.
#[derive(Debug)]
pub struct Gate {}

impl Gate {
    /// `keys` is `None` when the gateway runs without keys (loopback callers only).
    pub fn new(_keys: Arc<KeyStore>, _default_limits: Limits) -> Self {
        todo!()
    }

    /// Whether callers need a key. Without keys, admin routes too are for loopback callers.
    pub fn has_keys(&self) -> bool {
        todo!()
    }

    /// Finds the caller of a request.
    ///
    /// # Errors
    /// No key where one is needed, an unknown or revoked one, or a peer that is not loopback while no key exists.
    pub fn identify(
        &self,
        _bearer: Option<&str>,
        _peer_is_loopback: bool,
    ) -> Result<Caller, Denied> {
        todo!()
    }

    /// Takes one request and `tokens` from the caller's allowance and a concurrency place.
    ///
    /// # Errors
    /// When a limit is reached; says after how long to try again.
    pub fn admit<T>(
        &self,
        _caller: Caller,
        _tokens: u32,
        _value: T,
    ) -> Result<Admitted<T>, Denied> {
        todo!()
    }
}

/// A value with the caller who may spend on it. Dropping it gives the concurrency place back.
#[derive(Debug)]
pub struct Admitted<T> {
    caller: Caller,
    value: T,
    permit: Permit,
}

/// A concurrency place; given back on drop.
#[derive(Debug)]
pub struct Permit {}

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

/// The keys file: names, SHA-256 of keys, roles, limits.
#[derive(Debug)]
pub struct KeyStore {}

/// What is known of a key; never the key itself.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    pub name: String,
    pub role: CallerRole,
    pub policy: Option<String>,
    pub limits: Limits,
    /// RFC 3339.
    pub created: String,
    pub revoked: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyStoreError(pub(crate) String);

impl KeyStore {
    /// Reads the file; an absent one is an empty store.
    pub fn open(_path: &Path) -> Result<Self, KeyStoreError> {
        todo!()
    }

    /// Makes a key; the returned secret is shown once and never stored.
    pub fn create(
        &self,
        _name: &str,
        _role: CallerRole,
        _policy: Option<String>,
        _limits: Limits,
    ) -> Result<secrecy::SecretString, KeyStoreError> {
        todo!()
    }

    pub fn list(&self) -> Vec<KeyEntry> {
        todo!()
    }

    pub fn revoke(&self, _name: &str) -> Result<(), KeyStoreError> {
        todo!()
    }

    /// Reads the file again if it changed (called now and then while serving).
    pub fn refresh(&self) -> Result<bool, KeyStoreError> {
        todo!()
    }

    pub fn is_empty(&self) -> bool {
        todo!()
    }
}
