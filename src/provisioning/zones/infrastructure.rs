//! The infrastructure's own records: the realm's KDC, the servers, the name servers, and what the operator adds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::proto::rr::rdata::{A, AAAA, NS, PTR, SOA, SRV};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use ipnet::IpNet;

use super::{Fixed, Zone, absolute, dns_name, reverse};
use crate::value::{Fqdn, Realm};

/// How long a secondary would wait, retry and last, in seconds. Zones are not transferred; the numbers are RIPE-203's.
const REFRESH: i32 = 86_400;
const RETRY: i32 = 7_200;
const EXPIRE: i32 = 3_600_000;

/// The ports that a KDC is found at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KdcPorts {
    /// UDP.
    pub udp: BTreeSet<u16>,
    /// TCP.
    pub tcp: BTreeSet<u16>,
}

/// What the zones are made of.
#[derive(Debug, Clone)]
pub struct Infrastructure {
    /// The Kerberos realm: it is a zone, in which the KDC is found (RFC 4120 §7.2.3.2).
    pub realm: Realm,
    /// Further zones: the servers' domain, the devices' domains.
    pub domains: Vec<Fqdn>,
    /// Networks whose reverse zones are answered.
    pub networks: Vec<IpNet>,
    /// Every server by name, with its addresses.
    pub hosts: BTreeMap<Fqdn, BTreeSet<IpAddr>>,
    /// The zones' name servers, the first of them the primary.
    pub nameservers: Vec<Fqdn>,
    /// The mailbox of the zones' master, as a domain name (RFC 1035 §3.3.13).
    pub contact: Fqdn,
    /// The KDC's name.
    pub kdc: Fqdn,
    /// Where the KDC listens; empty where it is not this installation's.
    pub kdc_ports: KdcPorts,
    /// The operator's own records. Where they have a type that the infrastructure has at the same name, they replace it.
    pub records: Vec<(Fqdn, RData)>,
    /// How long records may be cached.
    pub ttl: Duration,
    /// How long it may be cached that there is no record.
    pub negative_ttl: Duration,
    /// The zones' serial number.
    pub serial: u32,
}

impl Infrastructure {
    /// The zones, each once.
    pub fn zones(&self) -> Vec<Zone> {
        let realm: Option<Fqdn> = self.realm.as_str().parse().ok();
        let forward: BTreeSet<Name> = realm.iter().chain(&self.domains).map(dns_name).collect();
        let backward: BTreeSet<Name> = self.networks.iter().copied().flat_map(reverse::zones).collect();
        let fixed = Arc::new(self.fixed(&forward, &backward));
        let zone = |origin: Name, is_reverse| Zone {
            origin: LowerName::new(&origin),
            is_reverse,
            ttl: seconds(self.ttl),
            fixed: fixed.clone(),
        };
        let backward = backward.into_iter().map(|origin| zone(origin, true));
        forward
            .into_iter()
            .map(|origin| zone(origin, false))
            .chain(backward)
            .collect()
    }

    fn fixed(&self, forward: &BTreeSet<Name>, backward: &BTreeSet<Name>) -> Fixed {
        let mut fixed = Fixed::new();
        for origin in forward.iter().chain(backward) {
            self.put(&mut fixed, origin.clone(), self.soa());
            for server in &self.nameservers {
                self.put(&mut fixed, origin.clone(), RData::NS(NS(dns_name(server))));
            }
        }
        for (host, addresses) in &self.hosts {
            for address in addresses {
                self.put(&mut fixed, dns_name(host), address_data(*address));
                self.put(&mut fixed, Name::from(*address), RData::PTR(PTR(dns_name(host))));
            }
        }
        for (protocol, ports) in [("udp", &self.kdc_ports.udp), ("tcp", &self.kdc_ports.tcp)] {
            let owner = Name::from_ascii(format!("_kerberos._{protocol}.{}.", self.realm));
            for &port in owner.iter().flat_map(|_| ports) {
                let srv = SRV::new(0, 0, port, dns_name(&self.kdc));
                self.put(&mut fixed, owner.clone().unwrap_or_default(), RData::SRV(srv));
            }
        }
        self.replace(&mut fixed);
        let origins: BTreeSet<LowerName> = forward.iter().map(LowerName::new).collect();
        fill_between(&mut fixed, &origins);
        fixed
    }

    fn put(&self, fixed: &mut Fixed, owner: Name, data: RData) {
        let ttl = match data {
            RData::SOA(_) => seconds(self.negative_ttl),
            _ => seconds(self.ttl),
        };
        fixed
            .entry(absolute(&owner))
            .or_default()
            .push(Record::from_rdata(owner, ttl, data));
    }

    /// The operator's records, in place of what the infrastructure has of the same name and type.
    fn replace(&self, fixed: &mut Fixed) {
        let replaced: BTreeSet<(LowerName, RecordType)> = self
            .records
            .iter()
            .map(|(owner, data)| (absolute(&dns_name(owner)), data.record_type()))
            .collect();
        for (owner, kind) in &replaced {
            if let Some(records) = fixed.get_mut(owner) {
                records.retain(|record| record.record_type() != *kind);
            }
        }
        for (owner, data) in &self.records {
            self.put(fixed, dns_name(owner), data.clone());
        }
    }

    fn soa(&self) -> RData {
        let primary = self.nameservers.first().unwrap_or(&self.contact);
        RData::SOA(SOA::new(
            dns_name(primary),
            dns_name(&self.contact),
            self.serial,
            REFRESH,
            RETRY,
            EXPIRE,
            seconds(self.negative_ttl),
        ))
    }
}

/// Names between a zone's own and another one's exist without records (RFC 8020 §2).
fn fill_between(fixed: &mut Fixed, origins: &BTreeSet<LowerName>) {
    let owners: Vec<LowerName> = fixed.keys().cloned().collect();
    for owner in owners {
        let Some(origin) = origins
            .iter()
            .filter(|origin| origin.zone_of(&owner))
            .max_by_key(|origin| origin.num_labels())
        else {
            continue;
        };
        let mut above = owner.base_name();
        while owner != *origin && above != *origin && origin.zone_of(&above) {
            fixed.entry(above.clone()).or_default();
            above = above.base_name();
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    // RFC 2181 §8: at most 2^31 - 1.
    u32::try_from(duration.as_secs())
        .unwrap_or(u32::MAX)
        .min(i32::MAX as u32)
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}
