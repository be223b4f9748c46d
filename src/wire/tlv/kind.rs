//! Device file or cable modem's file: told by the first TLV.

use std::fmt;

/// The two kinds of configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// An eUE's or eMTA's file, between the delimiters `FE 01 01` and `FE 01 FF`.
    Device,
    /// A cable modem's file, which ends in `FF`.
    CableModem,
}

impl FileKind {
    /// The kind of a file: one that starts with `FE 01 01` is a device's (fact sheet provisioning §1.1, CERTAIN).
    pub fn of(octets: &[u8]) -> Self {
        match octets {
            [0xfe, 0x01, 0x01, ..] => Self::Device,
            _ => Self::CableModem,
        }
    }

    /// Whether a TLV of the file itself has a length of two octets: TLV 64 of a device's file, TLVs 103 and 104
    /// (DOCSIS 4.0) of a cable modem's.
    pub fn is_wide(self, kind: u8) -> bool {
        match self {
            Self::Device => kind == 64,
            Self::CableModem => matches!(kind, 103 | 104),
        }
    }

    /// Its name in listings and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::CableModem => "cable-modem",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
