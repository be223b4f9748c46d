//! The objects that a device's agent lets its manager read (steps eUE-16 and eUE-17).

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::mib::dialect::{self, MibDialect};
use crate::simulator::device::DeviceSpec;
use crate::value::{MacAddress, Oid};
use crate::wire::snmp::{Notification, Pdu, PduKind, ProvisioningState, Value, VarBind};

/// The software that simulated devices say they run.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// More bindings than this stand in no answer: they would not fit into a datagram.
const MOST_BINDINGS: usize = 64;

/// `ifIndex.1` (RFC 2863 §6).
const IF_INDEX_1: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 1];
/// `sysObjectID.0` (RFC 3418 §2).
const SYS_OBJECT_ID: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 2, 0];
/// `sysName.0` (RFC 3418 §2).
const SYS_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 5, 0];

/// What the device says of itself.
#[derive(Debug, Clone)]
pub struct SelfDescription {
    /// The dialect of its MTA MIB.
    pub mib: MibDialect,
    /// Its MAC address.
    pub mac: MacAddress,
    /// Its name.
    pub name: String,
    /// sysDescr.0.
    pub sys_descr: String,
    /// pktcMtaDevSwCurrentVers.0.
    pub sw_version: String,
    /// pktcMtaDevTypeIdentifier.0: a copy of DHCP option 60.
    pub type_identifier: String,
    /// pktcMtaDevCorrelationId.0.
    pub correlation_id: u32,
}

impl SelfDescription {
    /// How `device` describes itself: an eUE of PacketCable 2.0 under the IETF MIB, an eMTA of 1.5 under the others.
    /// The type identifier is the string of DHCP option 60 (fact sheet provisioning §4.3): version, TGT no, HTTP yes,
    /// all three flows, and of the eUE whether it can bootstrap.
    pub fn of(device: &DeviceSpec) -> Self {
        let (model, type_identifier) = match device.mib {
            MibDialect::Ietf if device.bootstrap.is_some() => ("eUE", "pktc2.0:0510010102030100040101120200071a0101"),
            MibDialect::Ietf => ("eUE", "pktc2.0:0510010102030100040101120200071a0100"),
            MibDialect::CableLabs | MibDialect::Euro => ("eMTA", "pktc1.5:050d01010103010004010112020007"),
        };
        Self {
            mib: device.mib,
            mac: device.mac,
            name: device.fqdn.to_string(),
            sys_descr: format!(
                "Simulated {model} <<HW_REV: 1.0; VENDOR: Hardline; BOOTR: 1.0; SW_REV: {VERSION}; MODEL: S1>>"
            ),
            sw_version: VERSION.to_owned(),
            type_identifier: type_identifier.to_owned(),
            correlation_id: device.correlation_id(),
        }
    }

    /// The enrollment notification (step eUE-15).
    pub fn enrollment(&self) -> Notification {
        Notification::Enrollment {
            sys_descr: self.sys_descr.clone(),
            sw_version: self.sw_version.clone(),
            type_identifier: self.type_identifier.clone(),
            mac: self.mac,
            correlation_id: self.correlation_id,
        }
    }

    /// The status notification (step eUE-25).
    pub fn status(&self, state: ProvisioningState) -> Notification {
        Notification::Status {
            mac: self.mac,
            correlation_id: self.correlation_id,
            state,
        }
    }

    /// The value of pktcMtaDevCorrelationId.0: Unsigned32, in the CableLabs MIB Integer32.
    fn correlation_value(&self) -> Value {
        match self.mib {
            MibDialect::CableLabs => Value::Integer(self.correlation_id.cast_signed()),
            MibDialect::Ietf | MibDialect::Euro => Value::Unsigned32(self.correlation_id),
        }
    }

    /// Every readable object, `up_time` hundredths of a second after the agent's start.
    pub fn objects(&self, up_time: u32) -> BTreeMap<Oid, Value> {
        let oids = self.mib.oids();
        let vendor = [1, 3, 6, 1, 4, 1, 4491];
        let mut objects = BTreeMap::from([
            (dialect::oid(dialect::SYS_DESCR), Value::text(&self.sys_descr)),
            (
                dialect::oid(SYS_OBJECT_ID),
                Oid::new(&vendor).map_or(Value::Null, Value::Oid),
            ),
            (dialect::oid(dialect::SYS_UP_TIME), Value::TimeTicks(up_time)),
            (dialect::oid(SYS_NAME), Value::text(&self.name)),
            (dialect::oid(IF_INDEX_1), Value::Integer(1)),
            (
                dialect::oid(dialect::IF_PHYS_ADDRESS_1),
                Value::OctetString(self.mac.0.to_vec()),
            ),
            (dialect::oid(oids.mac_address), Value::OctetString(self.mac.0.to_vec())),
            (dialect::oid(oids.sw_current_vers), Value::text(&self.sw_version)),
            (dialect::oid(oids.type_identifier), Value::text(&self.type_identifier)),
            (dialect::oid(oids.correlation_id), self.correlation_value()),
            (
                dialect::oid(oids.provisioning_state),
                Value::Integer(ProvisioningState::InProgress as i32),
            ),
        ]);
        if let Some(hardware) = oids.hardware_version {
            objects.insert(dialect::oid(hardware), Value::text("1.0"));
        }
        objects
    }
}

/// The response to a GET, GETNEXT or GETBULK (RFC 3416 §4.2.1 to §4.2.3); none for any other PDU.
pub fn answer(objects: &BTreeMap<Oid, Value>, request: &Pdu) -> Option<Pdu> {
    let bindings = match request.kind {
        PduKind::Get => request.bindings.iter().map(|asked| get(objects, &asked.name)).collect(),
        PduKind::GetNext => request
            .bindings
            .iter()
            .map(|asked| next(objects, &asked.name))
            .collect(),
        PduKind::GetBulk {
            non_repeaters,
            max_repetitions,
        } => bulk(
            objects,
            &request.bindings,
            non_repeaters as usize,
            max_repetitions as usize,
        ),
        _ => return None,
    };
    Some(request.response(bindings))
}

fn get(objects: &BTreeMap<Oid, Value>, name: &Oid) -> VarBind {
    let value = objects.get(name).cloned().unwrap_or(Value::NoSuchObject);
    VarBind::new(name.clone(), value)
}

fn next(objects: &BTreeMap<Oid, Value>, name: &Oid) -> VarBind {
    let mut after = objects.range((Bound::Excluded(name.clone()), Bound::Unbounded));
    match after.next() {
        Some((name, value)) => VarBind::new(name.clone(), value.clone()),
        None => VarBind::new(name.clone(), Value::EndOfMibView),
    }
}

fn bulk(objects: &BTreeMap<Oid, Value>, asked: &[VarBind], once: usize, repetitions: usize) -> Vec<VarBind> {
    let (single, repeated) = asked.split_at(once.min(asked.len()));
    let mut bindings: Vec<VarBind> = single.iter().map(|asked| next(objects, &asked.name)).collect();
    let mut row: Vec<Oid> = repeated.iter().map(|asked| asked.name.clone()).collect();
    for _ in 0..repetitions.min(MOST_BINDINGS) {
        if row.is_empty() || bindings.len() + row.len() > MOST_BINDINGS {
            break;
        }
        let step: Vec<VarBind> = row.iter().map(|name| next(objects, name)).collect();
        row = step.iter().map(|binding| binding.name.clone()).collect();
        let ended = step.iter().all(|binding| binding.value == Value::EndOfMibView);
        bindings.extend(step);
        if ended {
            break;
        }
    }
    bindings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> BTreeMap<Oid, Value> {
        let description = SelfDescription {
            mib: MibDialect::CableLabs,
            mac: MacAddress([2, 0, 0, 0, 0, 9]),
            name: "mta9.example.net".into(),
            sys_descr: "MTA".into(),
            sw_version: "1.0".into(),
            type_identifier: "pktc1.5:".into(),
            correlation_id: 7,
        };
        description.objects(100)
    }

    fn ask(kind: PduKind, names: &[&str]) -> Vec<VarBind> {
        let bindings = names.iter().map(|name| VarBind::unset(name.parse().unwrap())).collect();
        answer(&objects(), &Pdu::new(kind, 1, bindings)).unwrap().bindings
    }

    #[test]
    fn rfc3416_4_2_1_a_missing_object_is_named_so() {
        let got = ask(PduKind::Get, &["1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.99.0"]);
        assert_eq!(got[0].value, Value::text("MTA"));
        assert_eq!(got[1].value, Value::NoSuchObject);
    }

    #[test]
    fn rfc3416_4_2_3_bulk_walks_and_stops_at_the_end() {
        let kind = PduKind::GetBulk {
            non_repeaters: 1,
            max_repetitions: 200,
        };
        let got = ask(kind, &["1.3.6.1.2.1.1.1", "1.3.6.1.2.1.1"]);
        assert_eq!(got[0].name, got[1].name);
        assert_eq!(got.len(), 1 + objects().len() + 1);
        assert_eq!(got.last().map(|binding| &binding.value), Some(&Value::EndOfMibView));
    }

    #[test]
    fn correlation_ids_have_the_type_of_their_mib() {
        let name: Oid = dialect::oid(MibDialect::CableLabs.oids().correlation_id);
        assert_eq!(objects().get(&name), Some(&Value::Integer(7)));
    }
}
