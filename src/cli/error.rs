//! How a command ends badly.

use std::path::Path;
use std::process::ExitCode;

use crate::settings::SettingsError;
use crate::store::{MasterKeyError, StoreError};

/// Why a command did not do what was asked. Displays as one line for standard error.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Wrong use or wrong configuration: exit code 2.
    #[error("{0}")]
    Wrong(String),
    /// It ran and something failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It ran, and its own output says what failed: exit code of that output, 1 or 2.
    #[error("")]
    Reported(u8),
}

impl CliError {
    /// A file operation that failed.
    pub fn file(path: &Path, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }

    /// Prints the error and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let code = match &self {
            Self::Reported(code) => *code,
            Self::Wrong(_) => 2,
            Self::Failed(_) => 1,
        };
        if !matches!(self, Self::Reported(_)) {
            eprintln!("hardline: {self}");
        }
        ExitCode::from(code)
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<MasterKeyError> for CliError {
    fn from(error: MasterKeyError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}
