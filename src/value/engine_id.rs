//! SNMP engine identifiers.

use std::fmt;

/// An snmpEngineID: 5 to 32 octets, neither all zero nor all ones (RFC 3411 §5, SnmpEngineID).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineId(Box<[u8]>);

/// The octets are not an engine id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an engine id has 5 to 32 octets, neither all 00 nor all ff; this one has {length}")]
pub struct EngineIdError {
    /// How many octets there were.
    pub length: usize,
}

impl EngineId {
    /// Takes `octets` as an engine id.
    ///
    /// # Errors
    /// Fewer than 5 or more than 32 octets, or all of them 00 or ff.
    pub fn new(octets: &[u8]) -> Result<Self, EngineIdError> {
        let dull = octets.iter().all(|&b| b == 0) || octets.iter().all(|&b| b == 0xff);
        if !(5..=32).contains(&octets.len()) || dull {
            return Err(EngineIdError { length: octets.len() });
        }
        Ok(Self(octets.into()))
    }

    /// An engine id under the CableLabs enterprise number 4491 with eight octets of the operator's or the system's
    /// choice: `80 00 11 8b 05` and the octets (RFC 3411 §5, format 5).
    pub fn cablelabs(octets: [u8; 8]) -> Self {
        let mut id = vec![0x80, 0x00, 0x11, 0x8b, 0x05];
        id.extend_from_slice(&octets);
        Self(id.into())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::hex(&self.0))
    }
}

impl fmt::Debug for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for EngineId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EngineId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let octets = super::unhex(&text).ok_or_else(|| serde::de::Error::custom("an engine id is hexadecimal text"))?;
        Self::new(&octets).map_err(serde::de::Error::custom)
    }
}
