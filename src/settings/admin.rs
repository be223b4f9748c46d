//! `[admin]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::services::yes;
use super::text::Listen;

/// `[admin]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens. It speaks plain HTTP: keep it on loopback, or behind a proxy that speaks TLS.
    pub listen: Vec<Listen>,
    /// The file with the token that every request carries, mode 0600.
    pub token_file: PathBuf,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            token_file: "admin.token".into(),
        }
    }
}
