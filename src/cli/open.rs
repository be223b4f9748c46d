//! What most commands begin with: the settings, and the database that they name.

use std::path::PathBuf;

use super::CliError;
use crate::settings::Settings;
use crate::store::{MasterKey, SqliteStore};

/// `--config`.
#[derive(clap::Args)]
pub struct ConfigArg {
    /// The settings that init wrote
    #[arg(long, value_name = "FILE", default_value = "hardline.toml")]
    pub config: PathBuf,
}

impl ConfigArg {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`CliError::Wrong`].
    pub fn settings(&self) -> Result<Settings, CliError> {
        Ok(Settings::load(&self.config)?)
    }
}

/// Opens the database of `settings`, on the present tokio runtime.
///
/// # Errors
/// [`CliError::Wrong`].
pub async fn open_store(settings: &Settings) -> Result<SqliteStore, CliError> {
    let key = MasterKey::load(&settings.master_key)?;
    let store = SqliteStore::open(&settings.database, key).await;
    store.map_err(|error| {
        CliError::Wrong(format!(
            "{}: database: {error}; make an installation with hardline init",
            settings.file.display()
        ))
    })
}

/// Runs a command's future on a runtime of one thread: commands do one thing at a time.
///
/// # Errors
/// Those of the future.
pub fn block_on<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| CliError::Failed(format!("no runtime: {error}")))?
        .block_on(future)
}
