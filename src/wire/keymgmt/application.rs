//! The application-specific data of SNMPv3: an engine, its clock, and the user.

use std::fmt;

use super::DecodeError;
use super::reader::Reader;
use crate::value::{EngineId, MacAddress};

/// What stands before the MAC address in a device's user name (profile P11).
const USER_PREFIX: &str = "MTA-Prov-";

/// An SNMPv3 user name exactly as its sender wrote it: 1 to 32 octets of UTF-8 (usmUserName, RFC 3414 §5).
///
/// Devices are expected to name themselves `MTA-Prov-` and their MAC address; [`UserName::mac`] reads it in any
/// spelling and case, and the name itself stays verbatim, as USM compares it octet by octet (profile P11).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName(String);

/// The text is no user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an SNMPv3 user name has 1 to 32 octets of UTF-8")]
pub struct UserNameError;

impl UserName {
    /// Takes `octets` verbatim.
    ///
    /// # Errors
    /// No octet, more than 32, or not UTF-8.
    pub fn new(octets: &[u8]) -> Result<Self, UserNameError> {
        match std::str::from_utf8(octets) {
            Ok(text) if (1..=32).contains(&text.len()) => Ok(Self(text.to_owned())),
            _ => Err(UserNameError),
        }
    }

    /// The name that the device with the address `mac` gives itself: `MTA-Prov-00:11:22:AA:BB:CC`.
    pub fn of_device(mac: MacAddress) -> Self {
        Self(format!("{USER_PREFIX}{}", mac.upper()))
    }

    /// The name as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The MAC address in the name, or `None` where it does not follow the pattern.
    pub fn mac(&self) -> Option<MacAddress> {
        self.0.strip_prefix(USER_PREFIX)?.parse().ok()
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The application-specific data for SNMPv3 (fact sheet security §1.2): of the device's agent in an AP Request, of the
/// server's SNMP entity in an AP Reply (profile P12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnmpParameters {
    /// The sender's engine.
    pub engine_id: EngineId,
    /// That engine's snmpEngineBoots.
    pub engine_boots: u32,
    /// That engine's snmpEngineTime in seconds.
    pub engine_time: u32,
    /// The user that the keys are for; a reply repeats the request's.
    pub user: UserName,
}

impl SnmpParameters {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let engine_id = Self::read_engine(reader)?;
        let engine_boots = reader.u32("engine boots")?;
        let engine_time = reader.u32("engine time")?;
        let offset = reader.at();
        let length = reader.u8("user name length")?;
        let user = UserName::new(reader.take(length.into(), "user name")?).map_err(|_| DecodeError::Field {
            field: "user name",
            offset,
            reason: "not 1 to 32 octets of UTF-8",
        })?;
        Ok(Self {
            engine_id,
            engine_boots,
            engine_time,
            user,
        })
    }

    fn read_engine(reader: &mut Reader<'_>) -> Result<EngineId, DecodeError> {
        let offset = reader.at();
        let length = reader.u8("engine id length")?;
        EngineId::new(reader.take(length.into(), "engine id")?).map_err(|_| DecodeError::Field {
            field: "engine id",
            offset,
            reason: "not 5 to 32 octets, or all of them 00 or ff",
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let engine = self.engine_id.as_bytes();
        let user = self.user.as_str().as_bytes();
        // Both types hold at most 32 octets.
        out.push(engine.len() as u8);
        out.extend_from_slice(engine);
        out.extend_from_slice(&self.engine_boots.to_be_bytes());
        out.extend_from_slice(&self.engine_time.to_be_bytes());
        out.push(user.len() as u8);
        out.extend_from_slice(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_the_user_name_stays_verbatim_and_its_mac_is_read_in_any_case() {
        let mac = MacAddress([0x00, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);
        assert_eq!(UserName::of_device(mac).as_str(), "MTA-Prov-00:11:22:AA:BB:CC");
        let lower = UserName::new(b"MTA-Prov-00:11:22:aa:bb:Cc").unwrap();
        assert_eq!(lower.mac(), Some(mac));
        assert_eq!(lower.as_str(), "MTA-Prov-00:11:22:aa:bb:Cc");
        assert_ne!(lower, UserName::of_device(mac));
        assert_eq!(UserName::new(b"operator").unwrap().mac(), None);
        assert_eq!(UserName::new(b"MTA-Prov-00:11:22").unwrap().mac(), None);
    }

    #[test]
    fn a_user_name_has_1_to_32_octets_of_utf8() {
        for wrong in [&b""[..], &[b'a'; 33], &[0xff, 0xfe]] {
            assert_eq!(UserName::new(wrong), Err(UserNameError));
        }
    }
}
