//! `[dns]` and `[resolver]`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_server::proto::rr::{RData, RecordType};
use ipnet::IpNet;
use serde::Deserialize;

use super::text::{Listen, read_duration};
use crate::value::Fqdn;

/// The networks whose reverse zones are answered where the settings name none: those that no public server answers for
/// (RFC 6303 §4, RFC 6598), for private addresses, loopback and examples.
const LOCAL_NETWORKS: [&str; 12] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::1/128",
    "2001:db8::/32",
    "fd00::/8",
    "fe80::/10",
];

/// `[dns]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Whether it runs; without a table it does not.
    #[serde(default = "super::services::yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Zones besides the realm's and the domain's: domains that devices' names lie in.
    pub zones: Vec<Fqdn>,
    /// Networks whose reverse zones are answered.
    pub networks: Vec<IpNet>,
    /// The zones' name servers; where none is named, `ns.<domain>`.
    pub nameservers: Vec<Fqdn>,
    /// The addresses that devices reach this installation at, in place of wildcard addresses that services listen on;
    /// where none is named, those of the machine's interfaces.
    pub addresses: Vec<IpAddr>,
    /// Further records.
    pub records: Vec<StaticRecord>,
    /// How long records may be cached.
    #[serde(deserialize_with = "read_duration")]
    pub ttl: Duration,
    /// How long it may be cached that a name does not exist: so long a device that was just added is not found.
    #[serde(deserialize_with = "read_duration")]
    pub negative_ttl: Duration,
    /// How many queries of one source address are taken in a second; 0 sets no limit.
    pub rate_per_source: u32,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            zones: Vec::new(),
            networks: LOCAL_NETWORKS
                .iter()
                .filter_map(|network| network.parse().ok())
                .collect(),
            nameservers: Vec::new(),
            addresses: Vec::new(),
            records: Vec::new(),
            ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(30),
            rate_per_source: 2_000,
        }
    }
}

/// A record of the operator's: `"name TYPE data"`, as in a zone file.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticRecord {
    /// Whose record.
    pub owner: Fqdn,
    /// What it says.
    pub data: RData,
}

/// What stands in a zone beside what Hardline makes: addresses, servers, texts. Names that lead to other names (CNAME,
/// DNAME) or to other servers (NS) would make answers that are not this server's alone.
const KINDS: [RecordType; 7] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::MX,
    RecordType::NAPTR,
    RecordType::PTR,
    RecordType::SRV,
    RecordType::TXT,
];

impl std::str::FromStr for StaticRecord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |reason: &dyn std::fmt::Display| {
            let text: String = text.chars().take(80).collect();
            format!(
                "'{text}' is no record: {reason}; expected \"name TYPE data\", such as \"ntp.example.net A 192.0.2.1\""
            )
        };
        let word = |text: &'_ str| {
            text.trim()
                .split_once(char::is_whitespace)
                .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        };
        let parts = word(text).and_then(|(owner, rest)| word(&rest).map(|(kind, data)| (owner, kind, data)));
        let (owner, kind, data) = parts.ok_or_else(|| wrong(&"a part is missing"))?;
        let owner = owner.parse().map_err(|error| wrong(&error))?;
        let kind = KINDS
            .into_iter()
            .find(|known| known.to_string().eq_ignore_ascii_case(&kind));
        let kind = kind.ok_or_else(|| wrong(&"the type is not A, AAAA, MX, NAPTR, PTR, SRV or TXT"))?;
        let data = RData::try_from_str(kind, &data).map_err(|error| wrong(&error))?;
        Ok(Self { owner, data })
    }
}

impl<'de> Deserialize<'de> for StaticRecord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// `[resolver]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resolver {
    /// The servers that are asked for names which others serve, as address or address:port; where none is named, the
    /// system's.
    pub servers: Vec<Listen>,
}

impl Resolver {
    /// The servers with their ports.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        let socket = |server: &Listen| SocketAddr::new(server.address, server.port.unwrap_or(53));
        self.servers.iter().map(socket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_in_a_zone_file() {
        for (text, kind) in [
            ("ntp.example.net A 192.0.2.1", RecordType::A),
            ("ntp.example.net.  aaaa  2001:db8::1", RecordType::AAAA),
            (
                "_sip._udp.example.net SRV 0 10 5060 pcscf.example.net.",
                RecordType::SRV,
            ),
            (
                r#"example.net NAPTR 10 50 "s" "SIP+D2U" "" _sip._udp.example.net."#,
                RecordType::NAPTR,
            ),
            (r#"example.net TXT "two words""#, RecordType::TXT),
            ("example.net MX 10 mail.example.net.", RecordType::MX),
        ] {
            let record: StaticRecord = text.parse().unwrap();
            assert_eq!(record.data.record_type(), kind, "{text}");
        }
        for (text, reason) in [
            ("ntp.example.net", "a part is missing"),
            ("ntp.example.net A", "a part is missing"),
            ("ntp.example.net A 192.0.2.256", "is no record"),
            ("ntp.example.net CNAME other.net.", "the type is not"),
            ("-.example.net A 192.0.2.1", "hyphen"),
        ] {
            let error = text.parse::<StaticRecord>().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_default_networks_are_all_read() {
        assert_eq!(Dns::default().networks.len(), LOCAL_NETWORKS.len());
    }
}
