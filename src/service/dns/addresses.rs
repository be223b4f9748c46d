//! Which addresses the servers' names have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::provisioning::zones::{Infrastructure, KdcPorts};
use crate::settings::{Service, Settings, UrlHost};
use crate::value::{Fqdn, Timestamp};

/// What the zones of an installation are made of. `now` becomes their serial number.
pub fn infrastructure(settings: &Settings, now: Timestamp) -> Infrastructure {
    let dns = &settings.dns;
    let nameservers = settings.nameservers();
    let kdc: BTreeSet<u16> = settings.listeners(Service::Kdc).iter().map(SocketAddr::port).collect();
    Infrastructure {
        realm: settings.realm.clone(),
        domains: std::iter::once(&settings.domain).chain(&dns.zones).cloned().collect(),
        networks: dns.networks.clone(),
        hosts: hosts(settings, &nameservers),
        nameservers,
        contact: format!("hostmaster.{}", settings.domain)
            .parse()
            .unwrap_or_else(|_| settings.domain.clone()),
        kdc: settings.kdc_fqdn(),
        kdc_ports: KdcPorts {
            udp: kdc.clone(),
            tcp: kdc,
        },
        records: dns
            .records
            .iter()
            .map(|record| (record.owner.clone(), record.data.clone()))
            .collect(),
        ttl: dns.ttl,
        negative_ttl: dns.negative_ttl,
        serial: u32::try_from(now.unix()).unwrap_or(u32::MAX),
    }
}

/// Every server's name with the addresses that it listens on.
fn hosts(settings: &Settings, nameservers: &[Fqdn]) -> BTreeMap<Fqdn, BTreeSet<IpAddr>> {
    let mut hosts: BTreeMap<Fqdn, BTreeSet<IpAddr>> = BTreeMap::new();
    let mut add = |name: &Fqdn, services: &[Service]| {
        let listeners = services.iter().flat_map(|&service| settings.listeners(service));
        let addresses = listeners.flat_map(|listener| reached_at(listener.ip(), &settings.dns.addresses));
        let known = hosts.entry(name.clone()).or_default();
        known.extend(addresses);
    };
    add(&settings.kdc_fqdn(), &[Service::Kdc]);
    let provisioning = [
        Service::Keymgmt,
        Service::Fqdn,
        Service::Snmp,
        Service::Tftp,
        Service::Http,
    ];
    add(&settings.prov_fqdn(), &provisioning);
    for name in nameservers {
        add(name, &[Service::Dns]);
    }
    if let UrlHost::Name(name) = &settings.delivery.url_host {
        add(name, &[Service::Tftp, Service::Http]);
    }
    hosts.retain(|_, addresses| !addresses.is_empty());
    hosts
}

/// Where peers reach a listener on `address`: there, or for a wildcard at `named`, or else at the machine's interfaces.
fn reached_at(address: IpAddr, named: &[IpAddr]) -> Vec<IpAddr> {
    if !address.is_unspecified() {
        return vec![address];
    }
    let family = |candidate: &&IpAddr| candidate.is_ipv4() == address.is_ipv4();
    if !named.is_empty() {
        return named.iter().filter(family).copied().collect();
    }
    let all: Vec<IpAddr> = interfaces();
    let (loopback, public): (Vec<IpAddr>, Vec<IpAddr>) =
        all.iter().filter(family).copied().partition(IpAddr::is_loopback);
    if public.is_empty() { loopback } else { public }
}

/// The addresses of the machine's interfaces that others could use.
fn interfaces() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    };
    interfaces
        .filter_map(address)
        .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_the_named_addresses_of_its_family() {
        let named = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(reached_at("0.0.0.0".parse().unwrap(), &named), [named[0]]);
        assert_eq!(reached_at("::".parse().unwrap(), &named), [named[1]]);
        let own = "198.51.100.1".parse().unwrap();
        assert_eq!(reached_at(own, &named), [own]);
        let interfaces = reached_at("0.0.0.0".parse().unwrap(), &[]);
        assert!(
            !interfaces.is_empty() && interfaces.iter().all(IpAddr::is_ipv4),
            "{interfaces:?}"
        );
    }
}
