//! `[kdc.etypes]`: which encryption types are allowed to whom in the realm.

use serde::Deserialize;

use crate::wire::kerberos::EncType;

/// The encryption types of the realm, each list with the preferred first. `provisioning` decides by it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EtypePolicy {
    /// For devices: session keys, the secret part of replies, and tickets where the service has such a key.
    #[serde(deserialize_with = "read_etypes")]
    pub devices: Vec<EncType>,
    /// For services and every other client.
    #[serde(deserialize_with = "read_etypes")]
    pub services: Vec<EncType>,
}

impl Default for EtypePolicy {
    fn default() -> Self {
        Self {
            devices: vec![EncType::Des3CbcMd5],
            services: vec![
                EncType::Aes256Sha1,
                EncType::Aes128Sha1,
                EncType::Aes256Sha384,
                EncType::Aes128Sha256,
            ],
        }
    }
}

impl EtypePolicy {
    /// The types that a new key of one of this installation's services has: for devices and for everybody else.
    pub fn of_new_keys(&self) -> Vec<EncType> {
        let mut etypes: Vec<EncType> = self.devices.first().into_iter().copied().collect();
        etypes.extend(self.services.first().filter(|etype| !self.devices.contains(etype)));
        etypes
    }
}

/// A name or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Number(i32),
    Name(String),
}

fn read_etypes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<EncType>, D::Error> {
    let etype = |word: Word| match word {
        Word::Number(number) => number.to_string().parse(),
        Word::Name(name) => name.parse(),
    };
    Vec::<Word>::deserialize(deserializer)?
        .into_iter()
        .map(etype)
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}
