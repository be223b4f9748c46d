//! `[kdc]`: the realm's tickets, and which device certificates are good.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::etypes::EtypePolicy;
use super::services::yes;
use super::text::{Listen, read_duration, read_instant};
use crate::value::{Fqdn, unhex};
use crate::wire::cert::{
    CertPolicy, ExpiryPolicy, ManufacturerName, MissingPolicy, RevocationLists, RevokedManufacturers, StalePolicy,
};

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
        let instant = read_instant(date);
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
