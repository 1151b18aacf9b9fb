//! `portcullis keys`: make, list and revoke API keys.
//!
//! Works on the keys file; a running gateway takes changes over within seconds.
//! Called by `cli`.

use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde_json::json;

use super::place::{Place, PlaceArgs};
use crate::admission::{KeyEntry, KeyStore, keys_file_in};
use crate::domain::{CallerRole, Limits};
use crate::policy::Store;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it; it cannot be shown again
    New {
        /// Who uses the key: 1 to 64 of a-z 0-9 . _ -
        name: String,
        /// What the key may do
        #[arg(long, value_enum, default_value_t = Role::User)]
        role: Role,
        /// The policy that judges this caller, if not the default one
        #[arg(long)]
        policy: Option<String>,
        /// Requests per minute, if not the default limit
        #[arg(long)]
        requests_per_minute: Option<NonZeroU32>,
        /// Prompt and completion tokens per minute, if not the default limit
        #[arg(long)]
        tokens_per_minute: Option<NonZeroU32>,
        /// Requests at once, if not the default limit
        #[arg(long)]
        concurrent: Option<NonZeroU32>,
        #[command(flatten)]
        place: PlaceArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the keys, revoked ones included
    List {
        #[command(flatten)]
        place: PlaceArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key useless, for good
    Revoke {
        name: String,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The /v1 API
    User,
    /// Also the admin routes
    Admin,
}

impl From<Role> for CallerRole {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

/// # Errors
/// The keys file cannot be read or written, the name is taken or not known.
pub fn run(command: KeysCommand) -> Result<ExitCode> {
    run_to(command, &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

fn run_to(command: KeysCommand, out: &mut impl Write) -> Result<()> {
    match command {
        KeysCommand::New {
            name,
            role,
            policy,
            requests_per_minute,
            tokens_per_minute,
            concurrent,
            place,
            json,
        } => {
            let place = place.place()?;
            if let Some(policy) = &policy {
                check_policy(policy, &place)?;
            }
            let limits =
                Limits { requests_per_minute, tokens_per_minute, concurrent_requests: concurrent };
            let key = KeyStore::open(&keys_file_in(&place.data_dir))?.create(
                &name,
                role.into(),
                policy,
                limits,
            )?;
            let key = key.expose_secret();
            if json {
                writeln!(out, "{}", json!({ "name": name, "key": key }))?;
            } else {
                writeln!(out, "{key}")?;
                // Beside the key, so that `KEY=$(portcullis keys new NAME)` holds the key alone.
                eprintln!(
                    "This is the key of `{name}`. It is not stored: keep it now, it cannot be shown again."
                );
            }
        }
        KeysCommand::List { place, json } => {
            let keys = KeyStore::open(&keys_file_in(&place.data_dir()?))?.list();
            if json {
                writeln!(out, "{}", json!(keys.iter().map(to_json).collect::<Vec<_>>()))?;
            } else {
                write_table(&keys, out)?;
            }
        }
        KeysCommand::Revoke { name, place } => {
            KeyStore::open(&keys_file_in(&place.data_dir()?))?.revoke(&name)?;
            writeln!(
                out,
                "The key `{name}` is revoked; a running gateway refuses it within seconds."
            )?;
        }
    }
    Ok(())
}

/// A caller whose policy is not configured is never served: better said now.
fn check_policy(policy: &str, place: &Place) -> Result<()> {
    let Some(known) = &place.policies else {
        eprintln!(
            "warning: without the gateway's settings (--config) nobody can say whether the policy \
             `{policy}` is configured; until it is, requests with this key are refused"
        );
        return Ok(());
    };
    if policy == Store::DEFAULT || known.iter().any(|name| name == policy) {
        return Ok(());
    }
    let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => bail!("no policy `{policy}` is configured; name its file in `policies` first"),
        names => bail!("no policy `{policy}` is configured; there are {}", names.join(", ")),
    }
}

fn to_json(key: &KeyEntry) -> serde_json::Value {
    json!({
        "name": key.name,
        "role": key.role,
        "policy": key.policy,
        "limits": key.limits,
        "created": key.created,
        "revoked": key.revoked,
    })
}

fn write_table(keys: &[KeyEntry], out: &mut impl Write) -> io::Result<()> {
    if keys.is_empty() {
        return writeln!(
            out,
            "No keys: the gateway serves loopback callers only. Make one with `portcullis keys new NAME`."
        );
    }
    let header = ["NAME", "ROLE", "POLICY", "REQ/MIN", "TOK/MIN", "AT ONCE", "CREATED", "REVOKED"]
        .map(String::from);
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(keys.iter().map(row)).collect();
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(key: &KeyEntry) -> [String; 8] {
    let role = match key.role {
        CallerRole::User => "user",
        CallerRole::Admin => "admin",
    };
    [
        key.name.clone(),
        role.into(),
        or_dash(key.policy.as_ref()),
        or_dash(key.limits.requests_per_minute),
        or_dash(key.limits.tokens_per_minute),
        or_dash(key.limits.concurrent_requests),
        key.created.clone(),
        or_dash(key.revoked.as_ref()),
    ]
}

fn or_dash(cell: Option<impl Display>) -> String {
    cell.map_or_else(|| "-".into(), |cell| cell.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::path::Path;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: KeysCommand,
    }

    fn keys(data_dir: &Path, line: &str) -> Result<String> {
        let words = ["keys"].into_iter().chain(line.split(' '));
        let data_dir = ["--data-dir".as_ref(), data_dir.as_os_str()];
        let line = Line::try_parse_from(words.map(AsRef::as_ref).chain(data_dir))?;
        let mut out = Vec::new();
        run_to(line.command, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn a_key_is_made_listed_and_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        assert!(keys(&data_dir, "list").unwrap().contains("loopback callers only"));
        let made =
            keys(&data_dir, "new ci --role admin --policy strict --tokens-per-minute 5").unwrap();
        assert!(made.starts_with("pk-"));
        assert!(keys(&data_dir, "new ci").is_err());
        assert!(keys(&data_dir, "new ci2 --concurrent 0").is_err());
        keys(&data_dir, "revoke ci").unwrap();
        assert!(keys(&data_dir, "revoke nobody").is_err());

        let listed: serde_json::Value =
            serde_json::from_str(&keys(&data_dir, "list --json").unwrap()).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(
            (
                &listed[0]["name"],
                &listed[0]["role"],
                &listed[0]["policy"],
                &listed[0]["limits"]["tokens_per_minute"]
            ),
            (&json!("ci"), &json!("admin"), &json!("strict"), &json!(5))
        );
        assert!(listed[0]["revoked"].is_string());
        let table = keys(&data_dir, "list").unwrap();
        assert!(
            table.lines().nth(1).unwrap().starts_with("ci    admin  strict  -        5"),
            "{table}"
        );
        assert!(!table.contains("pk-"));
    }

    #[test]
    fn the_settings_say_where_the_keys_are_and_which_policies_exist() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("portcullis.yaml");
        let policy = directory.path().join("strict.yaml");
        std::fs::write(&policy, "").unwrap();
        // What has nothing to do with keys may be out of reach, or wrong.
        let yaml = "data_dir: kept\npolicies: {strict: strict.yaml}\nlisten: nowhere\n\
                    backends: {a: {upstream: 'http://127.0.0.1:1', api_key_env: NO_SUCH_KEY}}\n";
        std::fs::write(&file, yaml).unwrap();
        let run = |line: &str| {
            let words = ["keys"].into_iter().chain(line.split(' '));
            let config = ["--config".as_ref(), file.as_os_str()];
            let line = Line::try_parse_from(words.map(AsRef::as_ref).chain(config)).unwrap();
            let mut out = Vec::new();
            run_to(line.command, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let refused = run("new ci --policy strickt").unwrap_err().to_string();
        assert!(refused.contains("no policy `strickt` is configured; there are `strict`"));
        assert!(run("list").unwrap().contains("No keys"), "nothing was made");
        run("new ci --policy strict").unwrap();
        run("new plain --policy default").unwrap();
        assert!(keys_file_in(&directory.path().join("kept")).is_file());
        assert!(run("list").unwrap().contains("strict"));
        run("revoke ci").unwrap();

        let elsewhere = directory.path().join("elsewhere");
        let line = format!("list --data-dir {}", elsewhere.display());
        assert!(run(&line).unwrap().contains("No keys"), "the flag wins");

        std::fs::remove_file(&policy).unwrap();
        let refused = run("new other").unwrap_err().to_string();
        assert!(refused.contains("policies.strict: there is no file"), "{refused}");
        std::fs::write(&file, "data_dir: [\n").unwrap();
        assert!(run("list").unwrap_err().to_string().contains("portcullis.yaml"));
    }

    #[test]
    fn json_carries_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let made = keys(directory.path(), "new ci --json").unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        assert!(made["key"].as_str().unwrap().starts_with("pk-"));
    }
}
