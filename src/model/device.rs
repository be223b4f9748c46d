//! The device record.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mib::MibDialect;
use crate::value::{Fqdn, MacAddress, Timestamp};

/// How a device is provisioned (seed 003 §5.4; fact sheet provisioning §2.1, CERTAIN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// Kerberos, then SNMPv3.
    Secure,
    /// SNMPv2c enrollment and SET.
    Hybrid,
    /// A file fetched by the name that DHCP gave; its hash stands in the file.
    Basic,
}

/// The address family a device is provisioned over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`; an IPv4-mapped IPv6 address is IPv4.
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// The protocol by which a device fetches its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// TFTP, which every device has.
    #[default]
    Tftp,
    /// HTTP, for devices that say capability 5.4 = 1.
    Http,
}

/// The words of a closed set, read from text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not one of {allowed}")]
pub struct WordError {
    /// The text as given, cut to 40 characters.
    pub text: String,
    /// The words that are allowed.
    pub allowed: &'static str,
}

macro_rules! words {
    ($type:ty, $allowed:literal, $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(WordError { text: text.chars().take(40).collect(), allowed: $allowed }),
                }
            }
        }
    };
}

words!(
    Flow,
    "secure, hybrid, basic",
    Secure = "secure",
    Hybrid = "hybrid",
    Basic = "basic"
);
impl Flow {
    /// The word on the command line, in settings and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Hybrid => "hybrid",
            Self::Basic => "basic",
        }
    }
}

words!(Family, "v4, v6", V4 = "v4", V6 = "v6");
words!(Delivery, "tftp, http", Tftp = "tftp", Http = "http");

/// One device, as the operator entered it and as Hardline has come to know it. Its identity is its MAC address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The device's (eUE's or eMTA's) MAC address, not its cable modem's.
    pub mac: MacAddress,
    /// The name that DHCP gives it.
    pub fqdn: Fqdn,
    /// The flow it is provisioned by.
    pub flow: Flow,
    /// The MIB dialect it speaks.
    pub mib: MibDialect,
    /// The addresses that DHCP gave it. Where there are none, no source address is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The template of its configuration file; where there is none, the default of its flow and dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Values for the template's variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Attributes of its file that have another value than its template gives them, or none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Option<String>>,
    /// How its file is delivered.
    #[serde(default)]
    pub delivery: Delivery,
    /// SHA-1 of the public key that its certificate carried, once seen (profile P19): 40 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_sha1: Option<String>,
    /// When the record was first stored.
    #[serde(default)]
    pub created: Timestamp,
}

impl Device {
    /// The name of the template its file is made from: its own, or the default `<flow>-<dialect>`.
    pub fn template_name(&self) -> String {
        self.template
            .clone()
            .unwrap_or_else(|| format!("{}-{}", self.flow, self.mib))
    }

    /// Whether a datagram from `source` may come from this device: the address is one of the device's, or the
    /// operator named none. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn may_speak_from(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.addresses.is_empty() || self.addresses.iter().any(|address| address.to_canonical() == source)
    }
}
