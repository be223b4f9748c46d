//! What is longer than one TLV can hold: certificates in TLVs 32, 33, 81 and 82, and the files of eSAFE devices (eMTA in
//! 216, eDVA in 220), in pieces that stand one after another in order (fact sheet provisioning §8, CERTAIN).

use super::dictionary::{Definition, Form};
use super::tree::{ConfigFile, Tlv};

/// The longest piece, in octets.
pub const LONGEST_FRAGMENT: usize = 254;

impl ConfigFile {
    /// What the TLVs of type `kind` carry together; `None` where there is none.
    pub fn joined(&self, kind: u8) -> Option<Vec<u8>> {
        let mut pieces = self.tlvs.iter().filter(|tlv| tlv.kind == kind).peekable();
        pieces.peek()?;
        Some(pieces.filter_map(Tlv::as_octets).flatten().copied().collect())
    }

    /// Replaces the TLVs of type `kind` by pieces of `octets`, where the first of them stands or else at the end of the
    /// settings.
    pub fn set_joined(&mut self, kind: u8, octets: &[u8]) {
        let at = self.tlvs.iter().position(|tlv| tlv.kind == kind);
        self.tlvs.retain(|tlv| tlv.kind != kind);
        let at = at.unwrap_or_else(|| self.settings_end());
        self.tlvs.splice(at..at, fragments(kind, octets));
    }

    /// The types whose TLVs carry something longer in pieces, as far as the file has them, in the order of the first.
    pub fn joined_kinds(&self) -> Vec<u8> {
        let table = Definition::of_file(self.kind);
        let mut kinds = Vec::new();
        for tlv in &self.tlvs {
            let definition = Definition::find(table, tlv.kind);
            if definition.is_some_and(|definition| definition.form == Form::Fragment) && !kinds.contains(&tlv.kind) {
                kinds.push(tlv.kind);
            }
        }
        kinds
    }
}

/// `octets` in TLVs of type `kind`.
pub fn fragments(kind: u8, octets: &[u8]) -> impl Iterator<Item = Tlv> {
    octets
        .chunks(LONGEST_FRAGMENT)
        .map(move |piece| Tlv::octets(kind, piece))
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
    use super::*;

    #[test]
    fn a_long_certificate_and_a_device_file_come_back_whole() {
        let certificate: Vec<u8> = (0..700u32).map(|at| at as u8).collect();
        let device = ConfigFile::new(FileKind::Device).encode().unwrap();
        let mut file = ConfigFile::new(FileKind::CableModem);
        file.tlvs.push(Tlv::octets(3, [1]));
        file.set_joined(81, &certificate);
        file.set_joined(216, &device);
        file.tlvs.push(Tlv::octets(18, [1]));
        let octets = file.encode().unwrap();
        let read = ConfigFile::decode(&octets).unwrap();
        let lengths: Vec<usize> = read.tlvs.iter().map(|tlv| tlv.value().unwrap().len()).collect();
        assert_eq!(lengths, [1, 254, 254, 192, 6, 1]);
        assert_eq!(read.joined_kinds(), [81, 216]);
        assert_eq!(read.joined(81), Some(certificate));
        assert_eq!(read.joined(216).as_deref(), Some(device.as_slice()));
        assert_eq!(read.joined(220), None);
        file.set_joined(81, b"short");
        assert_eq!(file.tlvs[1], Tlv::octets(81, *b"short"));
    }
}
