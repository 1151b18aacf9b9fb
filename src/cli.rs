//! The command line: one file per command; `main` calls [`run`].
//!
//! Flags only name settings; what they mean is `config`'s business. A command
//! prints its result on standard output and everything else on standard error.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub mod audit;
pub mod chat;
pub mod config;
pub mod flags;
pub mod keys;
pub mod model;
mod place;
pub mod policy;
pub mod serve;

/// A wrong command line, or settings that cannot be used.
pub const EXIT_USAGE: u8 = 2;

/// A gateway that stands between applications and Llama 2 and enforces the acceptable-use policy.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Box<serve::ServeArgs>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default command)
    Serve(Box<serve::ServeArgs>),
    /// Talk to a running gateway from the terminal
    Chat(chat::ChatArgs),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check, test and explain policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Look into a checkpoint: card, tokens, log-probabilities
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Check and read the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

/// Runs the command of this process.
///
/// # Errors
/// When a command could not do its work; `main` prints the chain.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(*args),
        Command::Chat(args) => chat::run(args),
        Command::Config(command) => config::run(command),
        Command::Policy(command) => policy::run(command),
        Command::Model(command) => model::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_command() {
        let cli = Cli::try_parse_from(["portcullis", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(cli.command.is_none());
        assert!(Cli::try_parse_from(["portcullis", "serve", "--workers", "2"]).is_ok());
        assert!(Cli::try_parse_from(["portcullis", "--listen", "a", "chat"]).is_err());
    }
}
