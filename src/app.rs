//! Composition root. SKELETON.
use crate::config::Settings;
#[derive(Debug)]
pub struct Application {}
impl Application {
    pub async fn build(_settings: Settings) -> anyhow::Result<Self> { Ok(Self{}) }
    pub fn announce(&self) {}
    pub async fn run_until_stopped(self) -> anyhow::Result<()> { Ok(()) }
}
