//! `[mib]`: what names and templates are read from.

use std::path::PathBuf;

use serde::Deserialize;

/// `[mib]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MibSettings {
    /// Folders, each with those within it, and files of MIB modules beside the built-in ones.
    pub path: Vec<PathBuf>,
}
