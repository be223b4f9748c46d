//! The services, their tables and their ports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::bootstrap::{Bootstrap, BootstrapLegacy};
use super::etypes::EtypePolicy;
use super::text::{AgentPort, Listen, read_duration, read_networks, read_ports};
use crate::value::{Fqdn, unhex};
use crate::wire::cert::{
    CertPolicy, ExpiryPolicy, ManufacturerName, MissingPolicy, RevocationLists, RevokedManufacturers, StalePolicy,
};
use crate::wire::kerberos::PrincipalName;
use crate::wire::keymgmt::Ciphersuite;
use crate::wire::snmp::{AuthProtocol, PrivProtocol};

/// A service with a table of its own in hardline.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// The key distribution center, UDP and TCP.
    Kdc,
    /// Kerberized key management, UDP.
    Keymgmt,
    /// The MTA-FQDN service, UDP.
    Fqdn,
    /// SNMP notifications, UDP.
    Snmp,
    /// Files by TFTP, UDP.
    Tftp,
    /// Files by HTTP, TCP.
    Http,
    /// Names and addresses, UDP and TCP.
    Dns,
    /// The operator's programs, by HTTP: leases, one-time names, status.
    Admin,
    /// Credentials over TLS 1.2 and 1.3, TCP.
    Bootstrap,
    /// Credentials over the suites that PacketCable mandates, TCP.
    BootstrapLegacy,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 10] = [
        Self::Kdc,
        Self::Keymgmt,
        Self::Fqdn,
        Self::Snmp,
        Self::Tftp,
        Self::Http,
        Self::Dns,
        Self::Admin,
        Self::Bootstrap,
        Self::BootstrapLegacy,
    ];

    /// Its name: of its table, in logs and in the `ready` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kdc => "kdc",
            Self::Keymgmt => "keymgmt",
            Self::Fqdn => "fqdn",
            Self::Snmp => "snmp",
            Self::Tftp => "tftp",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Admin => "admin",
            Self::Bootstrap => "bootstrap",
            Self::BootstrapLegacy => "bootstrap_legacy",
        }
    }

    /// Its port before `port_offset` is added.
    pub const fn standard_port(self) -> u16 {
        match self {
            Self::Kdc => 88,
            Self::Keymgmt => 1293,
            Self::Fqdn => 2246,
            Self::Snmp => 162,
            Self::Tftp => 69,
            Self::Http => 80,
            Self::Dns => 53,
            Self::Admin => 8080,
            Self::Bootstrap => 443,
            Self::BootstrapLegacy => 4433,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

pub(super) fn yes() -> bool {
    true
}

/// What the tables of all services have.
pub(super) trait Listening {
    /// Whether the service runs, and where it listens.
    fn listening(&self) -> (bool, &[Listen]);
}

macro_rules! listening {
    ($($table:ty),+) => {$(
        impl Listening for $table {
            fn listening(&self) -> (bool, &[Listen]) {
                (self.enabled, &self.listen)
            }
        }
    )+};
}

listening!(
    Admin,
    Bootstrap,
    BootstrapLegacy,
    FqdnTable,
    Http,
    Kdc,
    Keymgmt,
    Snmp,
    Tftp,
    super::Dns
);

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

/// `[tftp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tftp {
    /// Whether it runs; a service without a table does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The ports that transfers go from; those that the system chooses where there are none.
    #[serde(deserialize_with = "read_ports")]
    pub transfer_ports: Option<RangeInclusive<u16>>,
    /// Networks of relays (CMTSs) whose `netaddr` and `hwaddr` options are believed, and which have no limits by source.
    #[serde(deserialize_with = "read_networks")]
    pub relays: Vec<IpNet>,
    /// Transfers at once, by listener.
    pub max_transfers: usize,
    /// Requests that are taken of one source in a second; 0 sets no limit.
    pub rate_per_source: u32,
    /// Transfers of one source at once whose client has acknowledged nothing; 0 sets no limit.
    pub half_open_per_source: u32,
    /// The largest block in octets, 8 to 65,464.
    pub max_block_size: u16,
    /// The largest window in blocks.
    pub max_window: u16,
    /// The wait before the first retransmission, where the client asked for no other. It doubles with each.
    #[serde(deserialize_with = "read_duration")]
    pub retransmit_after: Duration,
    /// Retransmissions without progress before a transfer fails.
    pub retries: u8,
    /// The longest time of a transfer.
    #[serde(deserialize_with = "read_duration")]
    pub lifetime: Duration,
    /// The shortest retransmission timeout in seconds that a client may ask for.
    pub min_timeout: u8,
    /// The longest.
    pub max_timeout: u8,
}

impl Default for Tftp {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            transfer_ports: None,
            relays: Vec::new(),
            max_transfers: 50_000,
            rate_per_source: 50_000,
            half_open_per_source: 16_384,
            max_block_size: 65_464,
            max_window: 64,
            retransmit_after: Duration::from_secs(1),
            retries: 5,
            lifetime: Duration::from_secs(3_600),
            min_timeout: 1,
            max_timeout: 255,
        }
    }
}

impl Tftp {
    /// Tells `wrong` of each value that cannot be: its key, what is the matter, what to do.
    pub(super) fn mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        if !(8..=65_464).contains(&self.max_block_size) {
            wrong(
                "tftp.max_block_size",
                "no client can have such blocks",
                "set 8 to 65464",
            );
        }
        if self.max_window == 0 {
            wrong("tftp.max_window", "0 blocks are none", "set 1 or more");
        }
        if self.max_transfers == 0 {
            wrong("tftp.max_transfers", "nobody could fetch a file", "set 1 or more");
        }
        if self.min_timeout == 0 || self.min_timeout > self.max_timeout {
            wrong(
                "tftp.min_timeout",
                "expected 1 to max_timeout seconds",
                "set min_timeout not above max_timeout",
            );
        }
    }
}

/// `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Whether it runs; a service without a table does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Connections at once, by listener.
    pub max_connections: usize,
    /// Connections of one source address at once; 0 sets no limit.
    pub connections_per_source: usize,
    /// The longest wait for the whole head of a request.
    #[serde(deserialize_with = "read_duration")]
    pub header_timeout: Duration,
    /// The longest wait for a client to take anything of a response.
    #[serde(deserialize_with = "read_duration")]
    pub stall_timeout: Duration,
    /// The longest life of a connection.
    #[serde(deserialize_with = "read_duration")]
    pub lifetime: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            max_connections: 4_096,
            connections_per_source: 1_024,
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(3_600),
        }
    }
}

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

/// `[kdc.expiry]`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expiry {
    /// Device certificates.
    pub device: ExpiryPolicy,
    /// The certificates of the authorities above them.
    pub ca: ExpiryPolicy,
}

/// `[kdc.crl]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crl {
    /// Files of certificate revocation lists, PEM or DER.
    pub files: Vec<PathBuf>,
    /// What is done about a list after the time at which the next one was due.
    pub stale: StalePolicy,
    /// What is done about certificates of a CA that no list is of.
    pub missing: MissingPolicy,
}

/// `[kdc]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kdc {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The KDC's certificate, PEM.
    pub certificate: PathBuf,
    /// Its RSA key, PEM.
    pub key: PathBuf,
    /// The certificates between it and the service provider root, the nearest first, PEM, each sent with it.
    pub chain: Vec<PathBuf>,
    /// The roots that device certificates chain to, PEM.
    pub device_roots: Vec<PathBuf>,
    /// What is done about certificates outside their validity.
    pub expiry: Expiry,
    /// Revocation lists.
    pub crl: Crl,
    /// When manufacturer CAs were revoked.
    #[serde(deserialize_with = "read_revoked")]
    pub revoked_manufacturers: RevokedManufacturers,
    /// Whether the KDC itself refuses devices of a revoked manufacturer; the MTA-FQDN service is told in any case.
    pub refuse_revoked: bool,
    /// How long a ticket is valid.
    #[serde(deserialize_with = "read_duration")]
    pub ticket_lifetime: Duration,
    /// How far a peer's clock may differ. It holds for key management and the MTA-FQDN service as well.
    #[serde(deserialize_with = "read_duration")]
    pub clock_skew: Duration,
    /// How long a Diffie-Hellman key of the KDC is used.
    #[serde(deserialize_with = "read_duration")]
    pub dh_key_lifetime: Duration,
    /// Whether the 768-bit group Oakley 1 is accepted (profile P16).
    pub allow_oakley_1: bool,
    /// The shortest Diffie-Hellman prime that a client of RFC 4556 may use, bits.
    pub stock_min_bits: usize,
    /// Whether a request that speaks both PKINITs is answered by RFC 4556's (profile P40).
    pub prefer_rfc4556: bool,
    /// The encryption types of the realm.
    pub etypes: EtypePolicy,
    /// The longest reply that is sent in a datagram, octets; a client with a longer one is told to come over TCP.
    pub udp_reply_max: usize,
    /// Which MTA-FQDN service answers for a provisioning server; where a server is not named here, this
    /// installation's own.
    pub fqdn_servers: BTreeMap<Fqdn, SocketAddr>,
    /// How long the answer of an MTA-FQDN service is awaited before the query is sent again.
    #[serde(deserialize_with = "read_duration")]
    pub fqdn_timeout: Duration,
    /// How often a query is sent again.
    pub fqdn_retries: u32,
    /// How many requests of one source address are taken in a second; 0 sets no limit.
    pub rate_per_source: u32,
}

impl Default for Kdc {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            certificate: "pki/kdc.crt.pem".into(),
            key: "pki/kdc.key.pem".into(),
            chain: vec!["pki/sp-ca.crt.pem".into()],
            device_roots: vec!["pki/mta-root.crt.pem".into()],
            expiry: Expiry::default(),
            crl: Crl::default(),
            revoked_manufacturers: RevokedManufacturers::default(),
            refuse_revoked: false,
            ticket_lifetime: Duration::from_secs(7 * 86_400),
            clock_skew: Duration::from_secs(300),
            dh_key_lifetime: Duration::from_secs(300),
            allow_oakley_1: false,
            stock_min_bits: 1024,
            prefer_rfc4556: false,
            etypes: EtypePolicy::default(),
            udp_reply_max: 16_384,
            fqdn_servers: BTreeMap::new(),
            fqdn_timeout: Duration::from_secs(1),
            fqdn_retries: 2,
            rate_per_source: 0,
        }
    }
}

impl Kdc {
    /// What the table says of certificates, as the certificate module takes it, with the revocation lists of its files.
    pub fn cert_policy(&self, lists: RevocationLists) -> CertPolicy {
        CertPolicy {
            end_entity: self.expiry.device,
            authority: self.expiry.ca,
            revoked_manufacturers: self.revoked_manufacturers.clone(),
            refuse_revoked: self.refuse_revoked,
            lists: Arc::new(lists.under(self.crl.stale, self.crl.missing)),
        }
    }
}

/// Dates by manufacturer.
fn read_revoked<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RevokedManufacturers, D::Error> {
    let dates = BTreeMap::<String, toml::value::Datetime>::deserialize(deserializer)?;
    let entry = |(name, date): (String, _)| {
        let instant = super::text::read_instant(date);
        let instant = instant.ok_or("expected a date and time with offset, such as 2026-01-31T00:00:00Z")?;
        Ok((manufacturer(&name)?, instant))
    };
    let entries: Result<_, &str> = dates.into_iter().map(entry).collect();
    entries.map(RevokedManufacturers).map_err(serde::de::Error::custom)
}

/// A manufacturer CA: a fingerprint as 64 hexadecimal digits, with or without the colons that certificate tools put
/// between them; `serial HEX of ISSUER`; or a subject.
fn manufacturer(text: &str) -> Result<ManufacturerName, &'static str> {
    let octets = |text: &str| unhex(&text.replace(':', "").to_ascii_lowercase());
    if let Some(fingerprint) = octets(text).and_then(|octets| octets.try_into().ok()) {
        return Ok(ManufacturerName::Fingerprint(fingerprint));
    }
    let Some(rest) = text.strip_prefix("serial ") else {
        return Ok(ManufacturerName::Subject(text.to_owned()));
    };
    let (serial, issuer) = rest.split_once(" of ").ok_or("expected 'serial HEX of ISSUER'")?;
    let even = if serial.replace(':', "").len() % 2 == 1 {
        format!("0{serial}")
    } else {
        serial.to_owned()
    };
    let serial = octets(&even).ok_or("expected the serial number in hexadecimal digits")?;
    let leading = serial.iter().take_while(|octet| **octet == 0).count();
    Ok(ManufacturerName::Serial {
        issuer: issuer.to_owned(),
        serial: serial.get(leading..).unwrap_or_default().to_vec(),
    })
}

/// A ciphersuite's word: authentication, then privacy.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SuiteWord {
    Sha1Aes128,
    Sha1Des,
    Sha1None,
    Md5Aes128,
    Md5Des,
    Md5None,
}

impl From<SuiteWord> for Ciphersuite {
    fn from(word: SuiteWord) -> Self {
        let (auth, privacy) = match word {
            SuiteWord::Sha1Aes128 => (AuthProtocol::Sha1, Some(PrivProtocol::Aes128)),
            SuiteWord::Sha1Des => (AuthProtocol::Sha1, Some(PrivProtocol::Des)),
            SuiteWord::Sha1None => (AuthProtocol::Sha1, None),
            SuiteWord::Md5Aes128 => (AuthProtocol::Md5, Some(PrivProtocol::Aes128)),
            SuiteWord::Md5Des => (AuthProtocol::Md5, Some(PrivProtocol::Des)),
            SuiteWord::Md5None => (AuthProtocol::Md5, None),
        };
        Self { auth, privacy }
    }
}

fn read_suites<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Ciphersuite>, D::Error> {
    Ok(Vec::<SuiteWord>::deserialize(deserializer)?
        .into_iter()
        .map(Ciphersuite::from)
        .collect())
}

/// `[keymgmt]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keymgmt {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The ciphersuites that are accepted. Among them, the device's order decides.
    #[serde(deserialize_with = "read_suites")]
    pub ciphersuites: Vec<Ciphersuite>,
    /// Whether devices are to acknowledge AP Replies by a Security Parameter Recovered (profile P3).
    pub ack_required: bool,
    /// Where Wake Ups to a device go.
    pub device_port: AgentPort,
    /// How long the AP Request that a Wake Up asks for is awaited before another one is sent; doubled each time.
    #[serde(deserialize_with = "read_duration")]
    pub wake_up_timeout: Duration,
    /// How often a Wake Up is sent again.
    pub wake_up_retries: u32,
    /// How long a Wake Up's nonce is good: the solicited-key window.
    #[serde(deserialize_with = "read_duration")]
    pub solicited_window: Duration,
}

impl Default for Keymgmt {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            ciphersuites: [
                SuiteWord::Sha1Aes128,
                SuiteWord::Md5Aes128,
                SuiteWord::Sha1Des,
                SuiteWord::Md5Des,
                SuiteWord::Sha1None,
                SuiteWord::Md5None,
            ]
            .map(Ciphersuite::from)
            .to_vec(),
            ack_required: false,
            device_port: AgentPort::Fixed(crate::wire::keymgmt::PORT),
            wake_up_timeout: Duration::from_secs(1),
            wake_up_retries: 4,
            solicited_window: Duration::from_secs(120),
        }
    }
}

/// `[snmp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snmp {
    /// Whether it runs; without a table it does not.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Where requests to a device go.
    pub agent_port: AgentPort,
    /// How long the response to a request is awaited before it is sent again.
    #[serde(deserialize_with = "read_duration")]
    pub request_timeout: Duration,
    /// How often a request is sent again.
    pub request_retries: u32,
    /// By what the time to wait is multiplied with each further request.
    pub request_backoff: u32,
    /// Whether a device is asked for its capabilities between enrollment and SET (steps 16 and 17).
    pub get_capabilities: bool,
}

impl Default for Snmp {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: Vec::new(),
            agent_port: AgentPort::Fixed(161),
            request_timeout: Duration::from_secs(2),
            request_retries: 4,
            request_backoff: 2,
            get_capabilities: false,
        }
    }
}
