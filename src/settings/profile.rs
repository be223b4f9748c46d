//! `[profile]`: the interop profile, and what is learned of devices.

use std::path::PathBuf;

use serde::Deserialize;

/// `[profile]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileSettings {
    /// The file of the interop profile; where there is none, the built-in `pktc-2.0`.
    pub path: Option<PathBuf>,
    /// Whether the server tries other ways than the profile's on devices of vendors that it does not know, and remembers
    /// what verified.
    pub learn: bool,
    /// The file of what is tried; where there is none, the built-in one.
    pub candidates: Option<PathBuf>,
}

impl Default for ProfileSettings {
    fn default() -> Self {
        Self {
            path: None,
            learn: true,
            candidates: None,
        }
    }
}
