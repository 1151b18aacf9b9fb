//! What becomes of changed policy files: a metric, a line in the log, a record.
//! Called by `app` for the watcher and SIGHUP, and by `api` for the admin route.

use super::Pipeline;
use crate::audit::Entry;
use crate::audit::record::{LoadedException, LoadedPolicy};
use crate::policy::{Engine, Reload};

impl Pipeline {
    /// Counts, logs and records what a reload did, whoever asked for it.
    pub async fn note_reload(&self, reloads: &[(String, Reload)]) {
        for (name, reload) in reloads {
            let Some(entry) = entry(self, name, reload) else { continue };
            if let Err(error) = self.ledger.append(entry).await {
                self.metrics.audit_failed();
                tracing::error!(%error, "cannot record the reload of a policy");
            }
        }
    }
}

fn entry(pipeline: &Pipeline, name: &str, reload: &Reload) -> Option<Entry> {
    match reload {
        Reload::Unchanged => None,
        Reload::Changed { before, engine } => {
            let (version, digest) = (engine.version(), engine.digest());
            pipeline.metrics.policy_loaded(name, version, digest);
            tracing::info!(policy = name, version, %digest, "a changed policy is in force");
            let policy = LoadedPolicy {
                name: engine.name().to_owned(),
                version: version.to_owned(),
                digest,
            };
            let exceptions = loaded_exceptions(engine);
            Some(Entry::PolicyChanged { policy, before: *before, exceptions })
        }
        Reload::Rejected(error) => {
            pipeline.metrics.policy_reload_failed(name);
            tracing::error!(
                policy = name,
                problems = error.count,
                "a changed policy file was not taken over; the policy before stays in force\n{error}"
            );
            let errors = u32::try_from(error.count).unwrap_or(u32::MAX);
            Some(Entry::PolicyRejected { name: name.to_owned(), errors })
        }
    }
}

/// The exceptions of a policy, as the log names them.
pub(crate) fn loaded_exceptions(engine: &Engine) -> Vec<LoadedException> {
    let told = engine.exceptions().iter().map(|exception| LoadedException {
        policy: engine.name().to_owned(),
        id: exception.id.to_string(),
        author: exception.author.to_string(),
        expires: exception.expires.to_string(),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::compile_text_on;
    use time::macros::date;

    #[test]
    fn the_log_names_exceptions_and_who_answers_for_them() {
        let text = "policy: mine\nextends: shipped\nexceptions: [{ id: e, author: jo, reason: why, expires: 2027-01-31, rules: [spam/*] }]\n";
        let compiled = compile_text_on("x", text, date!(2026 - 12 - 01)).unwrap();
        let expected = LoadedException {
            policy: "mine".to_owned(),
            id: "e".to_owned(),
            author: "jo".to_owned(),
            expires: "2027-01-31".to_owned(),
        };
        assert_eq!(loaded_exceptions(&compiled.engine), [expected]);
    }
}
