//! `portcullis serve`: the gateway, until a signal ends it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::flags::SettingsArgs;
use super::{EXIT_USAGE, config};
use crate::app::Application;
use crate::model;
use crate::telemetry::log;

#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the gateway cannot start, or could not stop in order.
pub fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let Some(resolved) = config::resolve(args.settings) else { return Ok(EXIT_USAGE.into()) };
    let settings = resolved.settings;
    // Still the only thread: candle takes the number from the environment, once for the process.
    model::configure_threads(settings.model_threads());
    log::init(settings.log.format, &settings.log.level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("portcullis")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let application = Application::build(settings).await?;
        application.announce();
        application.run_until_stopped().await?;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
