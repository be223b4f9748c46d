//! What a simulated device is, and what DHCP would have told it about its server.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::backoff::Timers;
use super::bootstrap::Bootstrapping;
use crate::mib::MibDialect;
use crate::model::{ConfigUrl, Family, Flow};
use crate::profile::Profile;
use crate::value::{EngineId, Fqdn, MacAddress, Realm};
use crate::wire::cert::TrustAnchors;
use crate::wire::kerberos::{EncryptionKey, Ticket};
use crate::wire::keymgmt::Ciphersuite;
use crate::wire::pkinit::Identity;
use crate::wire::snmp::{AuthProtocol, PrivProtocol};

/// One simulated device.
#[derive(Debug, Clone)]
pub struct DeviceSpec {
    /// Its MAC address.
    pub mac: MacAddress,
    /// The name that DHCP gave it.
    pub fqdn: Fqdn,
    /// The address that DHCP gave it; its sockets are bound to it.
    pub address: IpAddr,
    /// The MIB dialect it speaks.
    pub mib: MibDialect,
    /// What its flow needs.
    pub flow: FlowSpec,
    /// What it has for certificate bootstrapping, where it can do that; it says so in its capabilities.
    pub bootstrap: Option<Bootstrapping>,
    /// Its timers.
    pub timers: Timers,
}

/// What a device has for its flow.
#[derive(Debug, Clone)]
pub enum FlowSpec {
    /// Kerberos, then SNMPv3.
    Secure(Box<SecureSpec>),
    /// SNMPv2c.
    Hybrid {
        /// Whether it reports its status: `HYBRID.2` and not `HYBRID.1` (profile P25).
        status: bool,
        /// The community of its INFORMs.
        community: String,
    },
    /// A file fetched by its name.
    Basic {
        /// Whether it reports its status: `BASIC.2` and not `BASIC.1` (profile P25).
        status: bool,
        /// The community of its INFORM.
        community: String,
        /// Where DHCP said that the file lies.
        file: ConfigUrl,
    },
}

/// What a device of the secure flow has.
#[derive(Debug, Clone)]
pub struct SecureSpec {
    /// How it obtains its ticket.
    pub ticket: TicketSource,
    /// The ciphersuites it offers, best first.
    pub suites: Vec<Ciphersuite>,
}

/// Where a device's ticket comes from.
#[derive(Debug, Clone)]
pub enum TicketSource {
    /// From the KDC, steps eUE-9 and eUE-10.
    Kdc {
        /// Its certificate, its manufacturer CA's, and its key.
        identity: Arc<Identity>,
        /// Whether it asks over TCP; over UDP it changes to TCP where the KDC says so.
        tcp: bool,
    },
    /// From its memory: it begins with the AP Request (seed 003 Table 5, note 3).
    Stored(Box<StoredTicket>),
}

/// A ticket for the provisioning server that a device kept from an earlier run.
#[derive(Debug, Clone)]
pub struct StoredTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// Its session key.
    pub session_key: EncryptionKey,
    /// The organisation of the service provider whose KDC issued it, which the file must name.
    pub organisation: String,
}

/// What all devices know of their server.
#[derive(Debug)]
pub struct Server {
    /// The Kerberos realm (DHCP option 122 sub-option 6).
    pub realm: Realm,
    /// The provisioning server's name (sub-option 3).
    pub prov_fqdn: Fqdn,
    /// The service provider root that devices were made with (pktcMtaDevTelephonyRootCertificate).
    pub provider_root: TrustAnchors,
    /// Where the services are over IPv4.
    pub v4: Option<Endpoints>,
    /// Where the services are over IPv6.
    pub v6: Option<Endpoints>,
    /// The addresses of names that stand in URLs, in place of DNS (steps eUE-20 and eUE-21).
    pub hosts: BTreeMap<Fqdn, Vec<IpAddr>>,
    /// How these devices see what the public sources leave open.
    pub profile: Profile,
}

/// The addresses of one family's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The KDC.
    pub kdc: SocketAddr,
    /// Key management.
    pub keymgmt: SocketAddr,
    /// The SNMP entity that takes INFORMs.
    pub snmp: SocketAddr,
    /// The DNS server; where there is none, names need no resolving.
    pub dns: Option<SocketAddr>,
}

impl DeviceSpec {
    /// The address family it is provisioned over.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Its flow.
    pub fn flow(&self) -> Flow {
        match self.flow {
            FlowSpec::Secure(_) => Flow::Secure,
            FlowSpec::Hybrid { .. } => Flow::Hybrid,
            FlowSpec::Basic { .. } => Flow::Basic,
        }
    }

    /// Whether it reports its status at the end (step eUE-25).
    pub fn reports_status(&self) -> bool {
        match self.flow {
            FlowSpec::Secure(_) => true,
            FlowSpec::Hybrid { status, .. } | FlowSpec::Basic { status, .. } => status,
        }
    }

    /// The realm by which DHCP chose its flow (fact sheet provisioning §2.1).
    pub fn dhcp_realm(&self, server: &Server) -> String {
        match self.flow {
            FlowSpec::Secure(_) => server.realm.to_string(),
            FlowSpec::Hybrid { status, .. } => format!("HYBRID.{}", if status { 2 } else { 1 }),
            FlowSpec::Basic { status, .. } => format!("BASIC.{}", if status { 2 } else { 1 }),
        }
    }

    /// The engine id of its agent: the CableLabs enterprise and its MAC address.
    pub fn engine_id(&self) -> EngineId {
        let [a, b, c, d, e, f] = self.mac.0;
        EngineId::cablelabs([a, b, c, 0xff, 0xfe, d, e, f])
    }

    /// Its correlation id: a number that it keeps from reset to result, here made of its MAC address.
    pub fn correlation_id(&self) -> u32 {
        let [_, _, c, d, e, f] = self.mac.0;
        // The CableLabs MIB has an Integer32 here.
        u32::from_be_bytes([c & 0x7f, d, e, f])
    }
}

impl Server {
    /// Where the services of `family` are.
    pub fn endpoints(&self, family: Family) -> Option<Endpoints> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// The address of `family` that `host` has.
    pub fn resolve(&self, host: &Fqdn, family: Family) -> Option<IpAddr> {
        let addresses = self.hosts.get(host)?;
        addresses.iter().copied().find(|&address| Family::of(address) == family)
    }
}

/// Every ciphersuite that a modern device offers, best first.
pub fn all_suites() -> Vec<Ciphersuite> {
    let suite = |auth, privacy| Ciphersuite { auth, privacy };
    vec![
        suite(AuthProtocol::Sha1, Some(PrivProtocol::Aes128)),
        suite(AuthProtocol::Sha1, Some(PrivProtocol::Des)),
        suite(AuthProtocol::Md5, Some(PrivProtocol::Des)),
        suite(AuthProtocol::Md5, None),
    ]
}
