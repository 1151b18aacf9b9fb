//! Where a gateway keeps its log and keys, for the commands that work on them.
//!
//! They take the gateway's own settings, so that nobody has to repeat its data
//! directory. Only what a command needs has to be right in them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::flags::{CONFIG_VARIABLE, given, path};
use crate::config::{self, Flag, Settings, Sources};

const POLICIES_VARIABLE: &str = "PORTCULLIS_POLICIES";

#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// YAML file with the gateway's settings
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE, value_parser = path())]
    config: Option<PathBuf>,
    /// Where the gateway keeps its log and keys [default: as in the settings, else portcullis-data]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_DATA_DIR", value_parser = path())]
    data_dir: Option<PathBuf>,
}

/// A gateway's place, and what is known of its policies.
#[derive(Debug)]
pub struct Place {
    pub data_dir: PathBuf,
    /// The names that keys may name; `None` without any settings.
    pub policies: Option<Vec<String>>,
}

impl PlaceArgs {
    /// # Errors
    /// The settings cannot be read, or do not say where the data is.
    pub fn data_dir(self) -> Result<PathBuf> {
        Ok(self.settings(&["data_dir"])?.data_dir)
    }

    /// # Errors
    /// As [`Self::data_dir`]; also when what is said of policies is wrong.
    pub fn place(self) -> Result<Place> {
        let from_environment = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .any(|name| name.starts_with(POLICIES_VARIABLE));
        let known = given(self.config.clone()).is_some() || from_environment;
        let settings = self.settings(&["data_dir", "policies"])?;
        let policies = known.then(|| settings.policies.into_keys().collect());
        Ok(Place { data_dir: settings.data_dir, policies })
    }

    fn settings(self, parts: &[&str]) -> Result<Settings> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut flags = Vec::new();
        // The variable has been read by now; a path need not be text.
        let data_dir = given(self.data_dir).map(std::path::absolute).transpose()?;
        flags.extend(data_dir.as_ref().map(|data_dir| {
            let value = data_dir.to_string_lossy().into_owned();
            Flag::new("--data-dir", "data_dir", vec![value])
        }));
        let sources = Sources { file: given(self.config), environment, flags };
        let mut settings = config::load_parts(&sources, parts)?.settings;
        if let Some(data_dir) = data_dir {
            settings.data_dir = data_dir;
        }
        Ok(settings)
    }
}
