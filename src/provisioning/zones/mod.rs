//! The zones that the DNS service answers for (pkt-eue-2; seed 003 §6.1.2, eUE-5 to eUE-8): what each name in them is.
//!
//! The infrastructure's records are made once, from the settings. Devices' records are not held here: a name says only
//! which device to look for, so that a device is answered from the moment it is stored.

mod infrastructure;
mod reverse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};

use crate::value::Fqdn;
pub use infrastructure::{Infrastructure, KdcPorts};
use reverse::Reverse;

/// One zone.
#[derive(Debug, Clone)]
pub struct Zone {
    origin: LowerName,
    is_reverse: bool,
    ttl: u32,
    fixed: Arc<Fixed>,
}

/// The infrastructure's records of all zones, by owner. A name that only lies between others owns none.
type Fixed = BTreeMap<LowerName, Vec<Record>>;

/// What a name of a zone is.
#[derive(Debug, PartialEq)]
pub enum Owner<'a> {
    /// The infrastructure's: these are all its records, none where names only lie below it.
    Infrastructure(&'a [Record]),
    /// A name that a device may have.
    Device(Fqdn),
    /// The reverse name of an address, which devices may have; with what the infrastructure has there.
    Address(IpAddr, &'a [Record]),
    /// A name between the zone's own and those of addresses.
    Between,
    /// Nothing can have this name.
    Nobody,
}

impl Zone {
    /// The zone's own name.
    pub fn origin(&self) -> &LowerName {
        &self.origin
    }

    /// How long devices' records may be cached, in seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// What `name`, which lies in this zone, is.
    pub fn owner(&self, name: &LowerName) -> Owner<'_> {
        let fixed = self.fixed.get(name).map(Vec::as_slice);
        if self.is_reverse {
            return match reverse::address(name) {
                Reverse::Address(address) => Owner::Address(address, fixed.unwrap_or_default()),
                _ if *name == self.origin => Owner::Infrastructure(fixed.unwrap_or_default()),
                Reverse::Part => Owner::Between,
                Reverse::No => Owner::Nobody,
            };
        }
        match fixed {
            Some(records) => Owner::Infrastructure(records),
            None => name.to_string().parse().map_or(Owner::Nobody, Owner::Device),
        }
    }

    /// The address records of the names that `answers` lead to, as far as they are the infrastructure's (RFC 2782:
    /// a client of an SRV record asks for them next; RFC 1035 §3.3.11).
    pub fn additional(&self, answers: &[Record]) -> Vec<Record> {
        let targets = answers.iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(&srv.target),
            RData::NS(ns) => Some(&ns.0),
            RData::MX(mx) => Some(&mx.exchange),
            RData::NAPTR(naptr) => Some(&naptr.replacement),
            _ => None,
        });
        let mut names: Vec<LowerName> = targets.map(absolute).collect();
        names.sort();
        names.dedup();
        let records = names.iter().filter_map(|name| self.fixed.get(name)).flatten();
        records
            .filter(|record| matches!(record.record_type(), RecordType::A | RecordType::AAAA))
            .cloned()
            .collect()
    }
}

/// `name` in lower case, with its final dot: names compare so.
fn absolute(name: &Name) -> LowerName {
    let mut name = name.clone();
    name.set_fqdn(true);
    LowerName::new(&name)
}

/// A domain name in the DNS library's form.
pub fn dns_name(name: &Fqdn) -> Name {
    // A name of at most 253 octets of plain labels always fits; the root stands for nothing that exists.
    Name::from_ascii(format!("{name}.")).unwrap_or_else(|_| Name::root())
}
