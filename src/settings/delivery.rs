//! `[delivery]`: how configuration files are made and fetched.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::lease::OneTimeNames;
use super::text::{UrlHost, read_duration};
use crate::mib::MibDialect;
use crate::model::Delivery;
use crate::wire::tlv::EncryptAlgorithm;

/// How the file of a secure device is encrypted, where its template does not say otherwise (profile P24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileEncryption {
    /// AES-128 where the device's MIB has the EncryptAlg object, DES otherwise.
    #[default]
    Dialect,
    /// DES, 64-bit key.
    Des,
    /// Triple DES, 192-bit key.
    #[serde(rename = "3des")]
    TripleDes,
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 256-bit key.
    Aes256,
    /// Clear.
    None,
}

impl std::str::FromStr for FileEncryption {
    type Err = serde::de::value::Error;

    /// Reads the word of hardline.toml.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use serde::de::IntoDeserializer;
        Self::deserialize(text.into_deserializer())
    }
}

impl FileEncryption {
    /// The algorithm for a device of this dialect. A MIB without EncryptAlg has no algorithm but DES.
    pub fn algorithm(self, dialect: MibDialect) -> EncryptAlgorithm {
        let any = dialect.oids().prov_config_encrypt_alg.is_some();
        match self {
            Self::None => EncryptAlgorithm::None,
            _ if !any => EncryptAlgorithm::Des64Cbc,
            Self::Des => EncryptAlgorithm::Des64Cbc,
            Self::TripleDes => EncryptAlgorithm::TripleDes192Cbc,
            Self::Dialect | Self::Aes128 => EncryptAlgorithm::Aes128Cbc,
            Self::Aes256 => EncryptAlgorithm::Aes256Cbc,
        }
    }
}

/// `[delivery]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// The folder of static files.
    pub static_root: PathBuf,
    /// The protocol of devices that are added without one.
    pub protocol: Delivery,
    /// How files of the secure flow are encrypted.
    pub encryption: FileEncryption,
    /// How long a device has for its attempt, counted anew with each step (pktcMtaDevProvisioningTimer).
    #[serde(deserialize_with = "read_duration")]
    pub provisioning_timer: Duration,
    /// What stands as host in a file's URL.
    pub url_host: UrlHost,
    /// How long ended attempts, their ladders and files are kept.
    #[serde(deserialize_with = "read_duration")]
    pub keep: Duration,
    /// `[delivery.names]`.
    pub names: OneTimeNames,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            static_root: "static".into(),
            protocol: Delivery::Tftp,
            encryption: FileEncryption::Dialect,
            provisioning_timer: Duration::from_secs(600),
            url_host: UrlHost::Address,
            keep: Duration::from_secs(30 * 86_400),
            names: OneTimeNames::default(),
        }
    }
}
