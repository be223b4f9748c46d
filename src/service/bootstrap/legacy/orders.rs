//! What the worker is told when it starts: all it needs, and nothing else.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::super::{BootstrapError, Desk, Limits, ServerIdentity};
use crate::settings::{BootstrapLegacy, LegacySuite};
use crate::value::{Secret, hex};
use crate::wire::cert::{certificates_to_pem, key_to_pem};

/// The worker's orders, as JSON on the private socket.
#[derive(Serialize, Deserialize)]
pub struct Orders {
    /// The server's certificate and those above it, PEM.
    pub(super) chain: String,
    /// Its key, PEM; overwritten when this is dropped.
    pub(super) key: String,
    /// The suites, best first.
    pub(super) suites: Vec<LegacySuite>,
    /// The roots of device certificates, DER in hexadecimal digits: their names are what devices are asked for.
    pub(super) roots: Vec<String>,
    /// The operator's limits.
    pub(super) limits: Limits,
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Orders {
    /// The orders of these settings.
    ///
    /// # Errors
    /// [`BootstrapError::Identity`] where the certificate or key cannot be written as PEM.
    pub fn new(
        table: &BootstrapLegacy,
        identity: &ServerIdentity,
        limits: Limits,
        desk: &Desk,
    ) -> Result<Self, BootstrapError> {
        let wrong = |error: &dyn std::fmt::Display| BootstrapError::Identity(error.to_string());
        let key = key_to_pem(&identity.key).map_err(|error| wrong(&error))?;
        let key = std::str::from_utf8(key.expose()).map_err(|error| wrong(&error))?;
        Ok(Self {
            chain: certificates_to_pem(&identity.chain).map_err(|error| wrong(&error))?,
            key: key.to_owned(),
            suites: table.suites.clone(),
            roots: desk.roots().map(hex).collect(),
            limits,
        })
    }

    /// The orders as they are sent.
    pub(super) fn to_octets(&self) -> Secret {
        Secret::new(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The orders as they were sent; `None` where they are none.
    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        serde_json::from_slice(octets).ok()
    }
}
