//! TEMP.
use clap::Parser;
#[derive(Parser)]
enum Top {
    #[command(subcommand)]
    Policy(portcullis::cli::policy::PolicyCommand),
}
fn main() -> anyhow::Result<std::process::ExitCode> {
    let Top::Policy(command) = Top::parse();
    portcullis::cli::policy::run(command)
}
