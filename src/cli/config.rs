//! `portcullis config`: what is set, where it comes from, whether it can be used.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;

use super::EXIT_USAGE;
use super::flags::SettingsArgs;
use crate::config::{self, Resolved, keys, show};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the resolved settings as YAML, each with its origin; secrets are never printed
    Show {
        #[command(flatten)]
        settings: Box<SettingsArgs>,
        /// Print JSON instead
        #[arg(long)]
        json: bool,
    },
    /// Say whether the settings can be used; exit status 2 when not
    Check {
        #[command(flatten)]
        settings: Box<SettingsArgs>,
    },
    /// Print the reference of all settings as a Markdown table
    Keys,
}

/// Runs one of the commands.
///
/// # Errors
/// When the result cannot be printed.
pub fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Show { settings, json } => {
            let Some(resolved) = resolve(*settings) else { return Ok(EXIT_USAGE.into()) };
            let text = if json {
                serde_json::to_string_pretty(&show::json(&resolved))? + "\n"
            } else {
                show::yaml(&resolved)
            };
            std::io::stdout().write_all(text.as_bytes())?;
        }
        ConfigCommand::Check { settings } => {
            if resolve(*settings).is_none() {
                return Ok(EXIT_USAGE.into());
            }
            writeln!(std::io::stdout(), "the configuration can be used")?;
        }
        ConfigCommand::Keys => std::io::stdout().write_all(keys::markdown().as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings, or `None` after all problems have been printed.
pub(super) fn resolve(settings: SettingsArgs) -> Option<Resolved> {
    match config::load(&settings.sources()) {
        Ok(resolved) => Some(resolved),
        Err(error) => {
            eprintln!("error: {error}");
            None
        }
    }
}
