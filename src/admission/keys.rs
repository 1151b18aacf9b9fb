//! API keys: made once, shown once, known by their SHA-256.
//!
//! A key is 256 random bits, so a plain hash of it cannot be searched; a slow
//! password hash would only let strangers burn our time. A presented key is
//! compared with every entry in constant time.
//!
//! Knows no limits and no HTTP. Called by [`Gate`](crate::admission::Gate),
//! `cli` (create, list, revoke) and `app` (refresh).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use secrecy::SecretString;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::admission::key_file::{self, Fingerprint, Lock, WrittenKey};
use crate::domain::{CallerRole, Digest, Limits};

/// Revoked ones included: their names stay taken, as the audit log speaks of them.
pub(super) const KEYS_MAX: usize = 4096;

const PREFIX: &str = "pk-";
const SECRET_BYTES: usize = 32;
/// Longer tokens are not hashed.
const BEARER_BYTES_MAX: usize = 512;

/// What is known of a key; never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub name: String,
    pub role: CallerRole,
    pub policy: Option<String>,
    pub limits: Limits,
    /// RFC 3339.
    pub created: String,
    pub revoked: Option<String>,
}

/// Why keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct KeyStoreError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl KeyStoreError {
    pub(super) const fn new(message: String) -> Self {
        Self { message, source: None }
    }

    pub(super) fn io(message: String, error: std::io::Error) -> Self {
        Self::with_source(message, error)
    }

    pub(super) fn with_source(
        message: String,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { message, source: Some(Box::new(source)) }
    }
}

/// The keys file: names, SHA-256 of keys, roles, limits.
#[derive(Debug)]
pub struct KeyStore {
    path: PathBuf,
    keys: ArcSwap<KeySet>,
    /// Of the file that `keys` came from.
    seen: Mutex<Option<Fingerprint>>,
}

impl KeyStore {
    /// Reads the file; an absent one is an empty store.
    ///
    /// # Errors
    /// The file cannot be read, or is not a keys file.
    pub fn open(path: &Path) -> Result<Self, KeyStoreError> {
        // Before the file: should it change in between, the next refresh reads it again.
        let seen = key_file::fingerprint(path)?;
        let keys = KeySet::new(key_file::read(path)?);
        Ok(Self {
            path: path.to_owned(),
            keys: ArcSwap::from_pointee(keys),
            seen: Mutex::new(seen),
        })
    }

    /// Makes a key; the returned secret is shown once and never stored.
    ///
    /// # Errors
    /// The name is taken or not one, or the file cannot be written.
    pub fn create(
        &self,
        name: &str,
        role: CallerRole,
        policy: Option<String>,
        limits: Limits,
    ) -> Result<SecretString, KeyStoreError> {
        key_file::check_name(name).map_err(KeyStoreError::new)?;
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| {
            KeyStoreError::with_source("the system gives no random bytes".into(), error)
        })?;
        let key = format!("{PREFIX}{}", hex::encode(secret));
        let created = now()?;
        let digest = Digest::of(key.as_bytes());
        self.change(|keys| {
            if keys.iter().any(|key| key.name == name) {
                return Err(KeyStoreError::new(format!("the name `{name}` is taken")));
            }
            keys.push(WrittenKey {
                name: name.into(),
                digest,
                role,
                policy,
                limits,
                created,
                revoked: None,
            });
            Ok(())
        })?;
        Ok(key.into())
    }

    /// In the order of creation, revoked ones included.
    pub fn list(&self) -> Vec<KeyEntry> {
        self.keys.load().keys.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// Makes a key useless for good. Running gateways notice within seconds.
    ///
    /// # Errors
    /// No key has the name, it is revoked already, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), KeyStoreError> {
        let now = now()?;
        self.change(|keys| {
            let key = keys.iter_mut().find(|key| key.name == name).ok_or_else(|| {
                KeyStoreError::new(format!("no key is named `{}`", name.escape_debug()))
            })?;
            if let Some(when) = &key.revoked {
                return Err(KeyStoreError::new(format!("the key `{name}` was revoked at {when}")));
            }
            key.revoked = Some(now);
            Ok(())
        })
    }

    /// Reads the file again if it changed (called now and then while serving); says whether it did.
    ///
    /// # Errors
    /// The file is bad, or has no keys any more: the old keys stay in force, and the next call
    /// says so again.
    pub fn refresh(&self) -> Result<bool, KeyStoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = key_file::fingerprint(&self.path)?;
        if found == *seen {
            return Ok(false);
        }
        let keys = KeySet::new(key_file::read(&self.path)?);
        if keys.is_empty() && !self.is_empty() {
            // To lose all keys must not turn into being open to loopback callers.
            return Err(KeyStoreError::new(format!(
                "the keys file `{}` has no keys any more",
                self.path.display()
            )));
        }
        self.keys.store(Arc::new(keys));
        *seen = found;
        Ok(true)
    }

    /// No key was ever made.
    pub fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    pub(super) fn snapshot(&self) -> Arc<KeySet> {
        self.keys.load_full()
    }

    /// Changes what is in the file now, not what was in it when it was opened.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<WrittenKey>) -> Result<(), KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = Lock::acquire(&self.path)?;
        let mut keys = key_file::read(&self.path)?;
        change(&mut keys)?;
        key_file::write(&self.path, keys.clone())?;
        *seen = key_file::fingerprint(&self.path)?;
        self.keys.store(Arc::new(KeySet::new(keys)));
        Ok(())
    }
}

/// The keys of one moment.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<(Digest, KeyEntry)>,
}

impl KeySet {
    fn new(written: Vec<WrittenKey>) -> Self {
        let keys = written
            .into_iter()
            .map(|key| {
                let WrittenKey { name, digest, role, policy, limits, created, revoked } = key;
                (digest, KeyEntry { name, role, policy, limits, created, revoked })
            })
            .collect();
        Self { keys }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entry of a key that is in force. Looks at every entry, whichever fits.
    pub(super) fn find(&self, bearer: &str) -> Option<&KeyEntry> {
        if bearer.len() > BEARER_BYTES_MAX {
            return None;
        }
        let presented = Digest::of(bearer.as_bytes());
        let mut found = u64::MAX;
        for (index, (digest, entry)) in (0_u64..).zip(&self.keys) {
            let in_force = Choice::from(u8::from(entry.revoked.is_none()));
            found.conditional_assign(&index, digest.0.ct_eq(&presented.0) & in_force);
        }
        self.keys.get(usize::try_from(found).ok()?).map(|(_, entry)| entry)
    }
}

fn now() -> Result<String, KeyStoreError> {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339)
        .map_err(|error| KeyStoreError::with_source("the clock shows no valid date".into(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::num::NonZeroU32;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::open(&directory.path().join("data/keys.json")).unwrap();
        (directory, store)
    }

    fn create(store: &KeyStore, name: &str) -> String {
        let key = store.create(name, CallerRole::User, None, Limits::default()).unwrap();
        key.expose_secret().to_owned()
    }

    #[test]
    fn a_key_is_found_until_it_is_revoked_and_never_stored() {
        let (_directory, store) = store();
        assert!(store.is_empty());
        let (alice, bob) = (create(&store, "alice"), create(&store, "bob"));
        assert_eq!(alice.len(), PREFIX.len() + 2 * SECRET_BYTES);
        assert_ne!(alice, bob);
        assert_eq!(store.snapshot().find(&alice).unwrap().name, "alice");
        assert_eq!(store.snapshot().find(&bob).unwrap().name, "bob");
        for wrong in [
            "",
            "pk-",
            alice.trim_start_matches(PREFIX),
            &alice.to_uppercase(),
            &"x".repeat(BEARER_BYTES_MAX + 1),
        ] {
            assert!(store.snapshot().find(wrong).is_none());
        }
        let file = std::fs::read_to_string(&store.path).unwrap();
        assert!(!file.contains(alice.trim_start_matches(PREFIX)));
        assert_eq!(std::fs::metadata(&store.path).unwrap().permissions().mode() & 0o777, 0o600);

        store.revoke("alice").unwrap();
        assert!(store.snapshot().find(&alice).is_none());
        assert!(store.revoke("alice").unwrap_err().to_string().contains("was revoked at"));
        assert!(store.revoke("carol").unwrap_err().to_string().contains("no key is named `carol`"));
        assert!(!store.is_empty());
        assert_eq!(store.list().iter().filter(|key| key.revoked.is_some()).count(), 1);
    }

    #[test]
    fn what_was_created_is_read_back() {
        let (_directory, store) = store();
        let limits = Limits { tokens_per_minute: NonZeroU32::new(7), ..Limits::default() };
        store.create("ops", CallerRole::Admin, Some("strict".into()), limits.clone()).unwrap();
        let entry = KeyStore::open(&store.path).unwrap().list().remove(0);
        assert_eq!(
            (entry.role, entry.policy.as_deref(), entry.limits),
            (CallerRole::Admin, Some("strict"), limits)
        );
        assert!(OffsetDateTime::parse(&entry.created, &Rfc3339).is_ok());
    }

    #[test]
    fn names_are_checked_and_never_used_twice() {
        let (_directory, store) = store();
        create(&store, "a.b_c-1");
        store.revoke("a.b_c-1").unwrap();
        for name in ["", "A", "a b", "a\n", "é", "local", &"a".repeat(65), "a.b_c-1"] {
            assert!(
                store.create(name, CallerRole::User, None, Limits::default()).is_err(),
                "{name:?}"
            );
        }
        assert!(
            store.create("x", CallerRole::User, Some("../p".into()), Limits::default()).is_err()
        );
        assert_eq!(store.list().len(), 1);
    }

    #[test]
    fn another_process_s_keys_come_in_by_refresh_and_are_not_overwritten() {
        let (_directory, command) = store();
        create(&command, "first");
        let gateway = KeyStore::open(&command.path).unwrap();
        assert!(!gateway.refresh().unwrap());
        let second = create(&command, "second");
        assert!(gateway.snapshot().find(&second).is_none());
        assert!(gateway.refresh().unwrap());
        assert!(gateway.snapshot().find(&second).is_some());
        assert!(!gateway.refresh().unwrap());

        // A store with an old view adds to what is in the file.
        let stale = KeyStore::open(&command.path).unwrap();
        create(&command, "third");
        create(&stale, "fourth");
        assert_eq!(KeyStore::open(&command.path).unwrap().list().len(), 4);
    }

    #[test]
    fn concurrent_runs_lose_no_key() {
        let (_directory, store) = store();
        let path = &store.path;
        std::thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || create(&KeyStore::open(path).unwrap(), &format!("key-{n}")));
            }
        });
        assert_eq!(KeyStore::open(path).unwrap().list().len(), 8);
    }

    #[test]
    fn a_bad_or_emptied_file_keeps_the_old_keys_and_says_so_each_time() {
        let (_directory, store) = store();
        let key = create(&store, "a");
        let good = std::fs::read_to_string(&store.path).unwrap();
        let mut twice: serde_json::Value = serde_json::from_str(&good).unwrap();
        let mut again = twice["keys"][0].clone();
        again["digest"] = Digest([7; 32]).to_string().into();
        twice["keys"].as_array_mut().unwrap().push(again.clone());
        let same_name = twice.to_string();
        again["name"] = "b".into();
        again["digest"] = twice["keys"][0]["digest"].clone();
        twice["keys"][1] = again;
        let same_key = twice.to_string();
        for bad in [
            "",
            "{",
            "[]",
            r#"{"version": 1, "keys": []}"#,
            r#"{"version": 2, "keys": []}"#,
            &good.replace("\"role\"", "\"rule\""),
            &good.replace("sha256:", "sha512:"),
            &good.replace("\"a\"", "\"A\""),
            &same_name,
            &same_key,
        ] {
            std::fs::write(&store.path, bad).unwrap();
            assert!(store.refresh().is_err(), "{bad}");
            assert!(store.refresh().is_err(), "{bad}");
            assert!(store.snapshot().find(&key).is_some());
            let empties = bad.contains("\"version\": 1, \"keys\": []");
            assert_eq!(KeyStore::open(&store.path).is_ok(), empties, "{bad}");
        }
        std::fs::remove_file(&store.path).unwrap();
        assert!(store.refresh().is_err());
        std::fs::write(&store.path, good).unwrap();
        store.refresh().unwrap();
        assert!(store.snapshot().find(&key).is_some());
    }
}
