//! `[fqdn]`: who may ask the MTA-FQDN service, and what it does about changed keys.

use serde::Deserialize;

use super::services::yes;
use super::text::Listen;
use crate::wire::kerberos::PrincipalName;

/// `[fqdn]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FqdnTable {
    /// Whether it runs; a service without a table does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Whether a device is refused whose public key is not the one it had before (a clone, or a repaired device that
    /// nobody has reset). Otherwise the change is noted among its refusals.
    pub refuse_changed_keys: bool,
    /// Who may ask.
    pub clients: FqdnClients,
}

/// The KDCs that the MTA-FQDN service answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FqdnClients {
    /// Whoever has a ticket for the service, except devices (`mta/…`): public texts do not give the name of a KDC as a
    /// client (profile P18).
    #[default]
    Any,
    /// These principals: by the first component of their name (`kdcquery`), or by the whole name
    /// (`kdcquery/kdc.example.net`).
    Named(Vec<String>),
}

impl FqdnClients {
    /// Whether `client` may ask.
    pub fn admit(&self, client: &PrincipalName) -> bool {
        match self {
            Self::Any => client.kind() != "mta",
            Self::Named(names) => {
                let whole = client.to_string();
                names.iter().any(|name| *name == whole || name == client.kind())
            }
        }
    }
}

impl<'de> Deserialize<'de> for FqdnClients {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "\"any\", or a list of principals such as [\"kdcquery\"]")]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        match Form::deserialize(deserializer)? {
            Form::Word(word) if word == "any" => Ok(Self::Any),
            Form::Word(_) => Err(serde::de::Error::custom(
                "expected \"any\", or a list of principals such as [\"kdcquery\"]",
            )),
            Form::List(names) => Ok(Self::Named(names)),
        }
    }
}
