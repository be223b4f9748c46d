//! Mistakes that no single key of hardline.toml can tell.

use std::net::IpAddr;

use super::{Service, Settings, SettingsError};

/// Whether one port cannot be opened on both addresses.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let any = one.is_unspecified() || other.is_unspecified();
    one.is_ipv4() == other.is_ipv4() && (any || one == other)
}

/// What every UDP reply of the KDC may have: an error with its data.
const UDP_REPLY_LEAST: usize = 512;

impl Settings {
    /// What no single key can tell.
    pub(super) fn mistakes(&self, text: &str) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        let mut wrong = |key: &str, problem: &str, remedy: &str| {
            errors.push(SettingsError::at_key(&self.file, text, key, problem, remedy));
        };
        self.listen_mistakes(&mut wrong);
        self.transfer_port_mistakes(&mut wrong);
        self.kdc_mistakes(&mut wrong);
        self.bootstrap_mistakes(&mut wrong);
        self.tftp.mistakes(&mut wrong);
        self.lookup_mistakes(&mut wrong);
        self.lease_mistakes(&mut wrong);
        self.zero_mistakes(&mut wrong);
        if self.keymgmt.enabled && self.keymgmt.ciphersuites.is_empty() {
            wrong("keymgmt.ciphersuites", "no ciphersuite is left", "name at least one");
        }
        if self.organisation.is_empty() || self.organisation.len() > 64 {
            wrong(
                "organisation",
                "expected 1 to 64 octets",
                "name the operator as its certificate does",
            );
        }
        errors
    }

    /// Where the services listen.
    fn listen_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        for service in Service::ALL {
            let (enabled, listen) = self.table(service).listening();
            let key = format!("{service}.listen");
            if enabled && listen.is_empty() {
                wrong(
                    &key,
                    "the service is enabled and listens nowhere",
                    "add an address, or set enabled = false",
                );
            }
            if service.standard_port().checked_add(self.port_offset).is_none() {
                wrong(
                    "port_offset",
                    &format!("the port of {service} would exceed 65535"),
                    "lower it",
                );
                break;
            }
            let sockets = self.listeners(service);
            if (1..sockets.len()).any(|at| sockets[..at].contains(&sockets[at])) {
                wrong(&key, "the same listener stands there twice", "remove one");
            }
        }
    }

    /// The pool of transfer ports, which every listener of `[tftp]` opens on its own address.
    fn transfer_port_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        const KEY: &str = "tftp.transfer_ports";
        let Some(pool) = &self.tftp.transfer_ports else {
            return;
        };
        let transfers = self.listeners(Service::Tftp);
        for service in Service::ALL.into_iter().filter(|service| service.has_udp()) {
            let mut others = self.listeners(service).into_iter();
            let taken = others.find(|other| {
                let meets = transfers.iter().any(|own| overlap(own.ip(), other.ip()));
                meets && pool.contains(&other.port())
            });
            if let Some(taken) = taken {
                let (first, last) = (pool.start(), pool.end());
                let problem = format!("the pool {first}-{last} holds the port that {service} listens on, {taken}");
                wrong(KEY, &problem, "take a range without it");
                return;
            }
        }
        let shared = transfers.iter().enumerate().find_map(|(at, own)| {
            let mut before = transfers.iter().take(at);
            before.find(|before| overlap(before.ip(), own.ip())).zip(Some(own))
        });
        if let Some((one, other)) = shared {
            let problem = format!("{one} and {other} cannot both open the pool on one address");
            wrong(
                KEY,
                &problem,
                "leave one listener of the address, or remove transfer_ports",
            );
        }
    }

    /// What the KDC issues, and whose certificates it and the bootstrapping believe.
    fn kdc_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        let etypes = &self.kdc.etypes;
        if self.kdc.enabled && (etypes.devices.is_empty() || etypes.services.is_empty()) {
            wrong(
                "kdc.etypes",
                "no encryption type is left",
                "name at least one in each list",
            );
        }
        if self.kdc.enabled && self.kdc.udp_reply_max < UDP_REPLY_LEAST {
            wrong("kdc.udp_reply_max", "not even an error would fit", "set 512 or more");
        }
        let asks_for_certificates = self.kdc.enabled || self.bootstrap.enabled || self.bootstrap_legacy.enabled;
        if asks_for_certificates && self.kdc.device_roots.is_empty() {
            wrong(
                "kdc.device_roots",
                "no device certificate could be trusted",
                "name at least one root certificate",
            );
        }
    }

    /// Where lookups are asked.
    fn lookup_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        for (name, lookup) in &self.lookup {
            let sources = [lookup.sql.is_some() && lookup.query.is_some(), lookup.http.is_some()];
            if sources != [true, false] && sources != [false, true] {
                wrong(
                    &format!("lookup.{name}"),
                    "one of sql with query, and http, says where it is asked",
                    "set sql and query, or http",
                );
            }
        }
    }

    /// Numbers and durations that may not be zero.
    fn zero_mistakes(&self, wrong: &mut dyn FnMut(&str, &str, &str)) {
        if self.snmp.request_backoff == 0 {
            wrong(
                "snmp.request_backoff",
                "0 leaves no time between requests",
                "set 1 or more",
            );
        }
        if self.http.max_connections == 0 {
            wrong("http.max_connections", "nobody could fetch a file", "set 1 or more");
        }
        for (key, value) in [
            ("kdc.ticket_lifetime", self.kdc.ticket_lifetime),
            ("kdc.dh_key_lifetime", self.kdc.dh_key_lifetime),
            ("kdc.fqdn_timeout", self.kdc.fqdn_timeout),
            ("keymgmt.wake_up_timeout", self.keymgmt.wake_up_timeout),
            ("keymgmt.solicited_window", self.keymgmt.solicited_window),
            ("snmp.request_timeout", self.snmp.request_timeout),
            ("tftp.retransmit_after", self.tftp.retransmit_after),
            ("tftp.lifetime", self.tftp.lifetime),
            ("http.header_timeout", self.http.header_timeout),
            ("http.stall_timeout", self.http.stall_timeout),
            ("http.lifetime", self.http.lifetime),
            ("delivery.provisioning_timer", self.delivery.provisioning_timer),
            ("dns.ttl", self.dns.ttl),
            ("dns.negative_ttl", self.dns.negative_ttl),
        ] {
            if value.is_zero() {
                wrong(key, "the duration is zero", "set a longer one");
            }
        }
    }
}
