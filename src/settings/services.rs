//! The services, their names and their ports, and what all their tables have.

use std::fmt;

use super::text::Listen;
use super::{Admin, Bootstrap, BootstrapLegacy, Dns, FqdnTable, Http, Kdc, Keymgmt, Snmp, Tftp};

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

    /// Whether it listens on UDP.
    pub const fn has_udp(self) -> bool {
        !matches!(self, Self::Http | Self::Admin | Self::Bootstrap | Self::BootstrapLegacy)
    }

    /// Whether it listens on TCP.
    pub const fn has_tcp(self) -> bool {
        !self.has_udp() || matches!(self, Self::Kdc | Self::Dns)
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
    Dns,
    FqdnTable,
    Http,
    Kdc,
    Keymgmt,
    Snmp,
    Tftp
);
