//! What follows from the settings: sockets, names, principals.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::services::Listening;
use super::{Listen, Service, Settings};
use crate::model::Family;
use crate::value::Fqdn;
use crate::wire::kerberos::PrincipalName;

impl Settings {
    /// The table of a service.
    pub(super) fn table(&self, service: Service) -> &dyn Listening {
        match service {
            Service::Kdc => &self.kdc,
            Service::Keymgmt => &self.keymgmt,
            Service::Fqdn => &self.fqdn,
            Service::Snmp => &self.snmp,
            Service::Tftp => &self.tftp,
            Service::Http => &self.http,
            Service::Dns => &self.dns,
            Service::Admin => &self.admin,
            Service::Bootstrap => &self.bootstrap,
            Service::BootstrapLegacy => &self.bootstrap_legacy,
        }
    }

    /// Where a service listens; nowhere where it is not enabled.
    pub fn listeners(&self, service: Service) -> Vec<SocketAddr> {
        let (enabled, listen) = self.table(service).listening();
        let port = service.standard_port().saturating_add(self.port_offset);
        let socket = |listen: &Listen| SocketAddr::new(listen.address, listen.port.unwrap_or(port));
        listen.iter().filter(|_| enabled).map(socket).collect()
    }

    /// The first listener of a service in one family.
    pub fn listener(&self, service: Service, family: Family) -> Option<SocketAddr> {
        self.listeners(service)
            .into_iter()
            .find(|socket| Family::of(socket.ip()) == family)
    }

    /// The name of the provisioning server: `prov.<domain>`.
    pub fn prov_fqdn(&self) -> Fqdn {
        self.host("prov")
    }

    /// The name of the KDC: `kdc.<domain>`.
    pub fn kdc_fqdn(&self) -> Fqdn {
        self.host("kdc")
    }

    fn host(&self, label: &str) -> Fqdn {
        // A domain so long that no label fits before it has no hosts; it stands for itself.
        format!("{label}.{}", self.domain)
            .parse()
            .unwrap_or_else(|_| self.domain.clone())
    }

    /// The zones' name servers: those that the settings name, else `ns.<domain>`.
    pub fn nameservers(&self) -> Vec<Fqdn> {
        if self.dns.nameservers.is_empty() {
            vec![self.host("ns")]
        } else {
            self.dns.nameservers.clone()
        }
    }

    /// How long a service key that was replaced still opens tickets: until the longest ticket under it has expired, by
    /// the clock of a peer that is as far off as is allowed.
    pub fn key_retention(&self) -> Duration {
        self.kdc.ticket_lifetime + self.kdc.clock_skew * 2
    }

    /// The principals whose keys this installation holds: key management, the MTA-FQDN service, the ticket-granting
    /// service.
    pub fn service_principals(&self) -> [PrincipalName; 3] {
        let prov = self.prov_fqdn();
        [
            PrincipalName::mtaprovsrvr(&prov),
            PrincipalName::mtafqdnmap(&prov),
            PrincipalName::krbtgt(&self.realm),
        ]
    }

    /// The folder of the certificates that init made: `pki` beside the settings.
    pub fn pki(&self) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join("pki")
    }

    /// The MTA-FQDN service that answers for the provisioning server `prov`: the one of `kdc.fqdn_servers`, else,
    /// for this installation's own name, its own listener, of `family` where it has one.
    pub fn fqdn_server(&self, prov: &Fqdn, family: Family) -> Option<SocketAddr> {
        let named = self.kdc.fqdn_servers.get(prov).copied();
        let own = || {
            let listener = self.listener(Service::Fqdn, family);
            listener.or_else(|| self.listeners(Service::Fqdn).into_iter().next())
        };
        named.or_else(|| (*prov == self.prov_fqdn()).then(own).flatten())
    }
}
