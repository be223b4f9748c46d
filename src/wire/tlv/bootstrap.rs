//! The two objects of a device's file that tell it to bootstrap (fact sheet provisioning §7, CERTAIN).

use super::DeviceFile;
use crate::value::Oid;
use crate::wire::snmp::varbind::{Value, VarBind};

/// pktcEUECBEnable.0: TruthValue; true starts bootstrapping.
const ENABLE: &[u32] = &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 10, 3, 1, 1, 7, 0];
/// pktcEUECBData.0: the URI, at most 1023 octets.
const DATA: &[u32] = &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 10, 3, 1, 1, 8, 0];

/// The two objects, in the order in which they are to be set: where, then that it is to be done.
pub fn trigger_varbinds(url: &str) -> [VarBind; 2] {
    [
        VarBind::new(object(DATA), Value::OctetString(url.as_bytes().to_vec())),
        VarBind::new(object(ENABLE), Value::Integer(1)),
    ]
}

fn object(arcs: &[u32]) -> Oid {
    Oid::new(arcs).unwrap_or_else(|_| unreachable!("the constants of this file are object identifiers"))
}

/// Where a file tells its device to bootstrap: pktcEUECBData, where pktcEUECBEnable is true.
pub fn told_by(file: &DeviceFile) -> Option<String> {
    let find = |arcs: &[u32]| file.varbinds().find(|varbind| varbind.name.arcs() == arcs);
    match (&find(ENABLE)?.value, &find(DATA)?.value) {
        (Value::Integer(1), Value::OctetString(url)) => String::from_utf8(url.clone()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Element;
    use super::*;
    use crate::value::unhex;

    #[test]
    fn the_sample_of_the_fact_sheet_7() {
        let [_, enable] = trigger_varbinds("https://x/y");
        let file = DeviceFile {
            elements: vec![Element::varbind(enable)],
            trailing: Vec::new(),
        };
        let sample = unhex("0b163014060f2b06010401a30b02020a0301010700020101").unwrap();
        assert_eq!(file.encode().unwrap(), sample);
    }

    #[test]
    fn a_device_reads_what_it_is_told() {
        let mut file = DeviceFile {
            elements: vec![Element::Start, Element::End],
            trailing: Vec::new(),
        };
        assert_eq!(told_by(&file), None);
        for varbind in trigger_varbinds("https://x/y") {
            file.push(Element::varbind(varbind));
        }
        assert_eq!(told_by(&file).as_deref(), Some("https://x/y"));
    }
}
