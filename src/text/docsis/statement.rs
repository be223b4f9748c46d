//! The words of the language that stand for something else than a TLV of the dictionary.

use crate::wire::snmp::ber::{SEQUENCE, Writer};
use crate::wire::snmp::varbind::{Value, VarBind};

/// Names of TLVs whose value is the content of a file.
pub(super) const FROM_FILE: [(&str, u8); 4] = [
    ("ManufacturerCVC", 32),
    ("CoSignerCVC", 33),
    ("ManufacturerCVCChainFile", 81),
    ("CoSignerCVCChainFile", 82),
];

/// The name of the object that holds the content of a file: row 1 of the digit maps of RST
/// (`pktcEUERSTDMValue`, fact sheet provisioning §1.5).
pub(super) const DIGIT_MAP: &str = "DigitMap";
/// The object that [`DIGIT_MAP`] sets.
pub(super) const DIGIT_MAP_OBJECT: &[u32] = &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 8, 2, 1, 1, 3, 1, 1, 2, 1];

/// The octets of a variable binding as the `docsis` encoder writes them: where a string makes it long, the length of the
/// sequence has the form `82 xx xx` even if fewer octets would do.
pub(super) fn varbind_octets(varbind: &VarBind) -> Vec<u8> {
    let long = match &varbind.value {
        Value::OctetString(octets) => octets.len() + varbind.name.arcs().len() + 8 >= 0x7f,
        _ => false,
    };
    if !long {
        return varbind.encode();
    }
    let mut writer = Writer::new(varbind.size_hint() + 4);
    writer.raw(&varbind.value.encode());
    writer.raw(&Value::Oid(varbind.name.clone()).encode());
    let length = writer.written();
    match u16::try_from(length) {
        Ok(length) => {
            writer.raw(&length.to_be_bytes());
            writer.raw(&[SEQUENCE, 0x82]);
            writer.finish()
        }
        Err(_) => varbind.encode(),
    }
}
