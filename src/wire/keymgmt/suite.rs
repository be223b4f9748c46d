//! Ciphersuites for SNMPv3: what a device offers and what the server picks.

use crate::wire::snmp::{AuthProtocol, PrivProtocol};

/// HMAC-MD5-96 (fact sheet security §1.2, CERTAIN).
const AUTH_MD5: u8 = 0x21;
/// HMAC-SHA-96 (fact sheet security §1.2, CERTAIN).
const AUTH_SHA1: u8 = 0x22;
/// No privacy (fact sheet security §1.2, CERTAIN).
const PRIVACY_NONE: u8 = 0x20;
/// DES-CBC (fact sheet security §1.2, CERTAIN).
const PRIVACY_DES: u8 = 0x21;

/// One entry of a ciphersuite list as it stands on the wire, known to us or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SuiteId {
    /// The authentication algorithm's id.
    pub authentication: u8,
    /// The encryption transform's id.
    pub privacy: u8,
}

/// Authentication and privacy of an SNMPv3 security association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ciphersuite {
    /// The authentication protocol; authentication is always on.
    pub auth: AuthProtocol,
    /// The privacy protocol, if any.
    pub privacy: Option<PrivProtocol>,
}

impl std::fmt::Display for Ciphersuite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let auth = match self.auth {
            AuthProtocol::Md5 => "HMAC-MD5",
            AuthProtocol::Sha1 => "HMAC-SHA1",
        };
        let privacy = match self.privacy {
            None => "no privacy",
            Some(PrivProtocol::Des) => "DES-CBC",
            Some(PrivProtocol::Aes128) => "AES-128-CFB",
        };
        write!(f, "{auth} and {privacy}")
    }
}

/// The ids that the public sources do not fix (profile P13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuiteIds {
    /// The encryption transform id of AES-128-CFB (RFC 3826).
    pub aes128: u8,
}

impl Default for SuiteIds {
    fn default() -> Self {
        Self { aes128: 0x24 }
    }
}

impl SuiteIds {
    /// The ciphersuite that `id` names, or `None` where one of its halves is unknown.
    pub fn suite(&self, id: SuiteId) -> Option<Ciphersuite> {
        let auth = match id.authentication {
            AUTH_MD5 => AuthProtocol::Md5,
            AUTH_SHA1 => AuthProtocol::Sha1,
            _ => return None,
        };
        let privacy = match id.privacy {
            PRIVACY_NONE => None,
            PRIVACY_DES => Some(PrivProtocol::Des),
            other if other == self.aes128 => Some(PrivProtocol::Aes128),
            _ => return None,
        };
        Some(Ciphersuite { auth, privacy })
    }

    /// How `suite` stands on the wire.
    pub fn id(&self, suite: Ciphersuite) -> SuiteId {
        let authentication = match suite.auth {
            AuthProtocol::Md5 => AUTH_MD5,
            AuthProtocol::Sha1 => AUTH_SHA1,
        };
        let privacy = match suite.privacy {
            None => PRIVACY_NONE,
            Some(PrivProtocol::Des) => PRIVACY_DES,
            Some(PrivProtocol::Aes128) => self.aes128,
        };
        SuiteId {
            authentication,
            privacy,
        }
    }
}

/// The server's choice: the first entry of the device's ordered list that is known and among `allowed` (fact sheet
/// security §1.2). Unknown entries are passed over. `None` where nothing is in common.
pub fn choose_suite(offered: &[SuiteId], ids: SuiteIds, allowed: &[Ciphersuite]) -> Option<Ciphersuite> {
    offered
        .iter()
        .filter_map(|&id| ids.suite(id))
        .find(|suite| allowed.contains(suite))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(authentication: u8, privacy: u8) -> SuiteId {
        SuiteId {
            authentication,
            privacy,
        }
    }

    const MD5_DES: Ciphersuite = Ciphersuite {
        auth: AuthProtocol::Md5,
        privacy: Some(PrivProtocol::Des),
    };
    const SHA1_AES: Ciphersuite = Ciphersuite {
        auth: AuthProtocol::Sha1,
        privacy: Some(PrivProtocol::Aes128),
    };
    const SHA1_NONE: Ciphersuite = Ciphersuite {
        auth: AuthProtocol::Sha1,
        privacy: None,
    };

    #[test]
    fn p13_ids_and_back() {
        let ids = SuiteIds::default();
        for (wire, suite) in [
            (id(0x21, 0x21), MD5_DES),
            (id(0x22, 0x24), SHA1_AES),
            (id(0x22, 0x20), SHA1_NONE),
        ] {
            assert_eq!(ids.suite(wire), Some(suite));
            assert_eq!(ids.id(suite), wire);
        }
        assert_eq!(ids.suite(id(0x23, 0x20)), None);
        assert_eq!(ids.suite(id(0x21, 0x22)), None);
        let moved = SuiteIds { aes128: 0x22 };
        assert_eq!(moved.suite(id(0x22, 0x22)), Some(SHA1_AES));
        assert_eq!(moved.suite(id(0x22, 0x24)), None);
    }

    #[test]
    fn p13_the_first_known_and_allowed_entry_of_the_device_wins() {
        let offered = [id(0x77, 0x20), id(0x22, 0x24), id(0x21, 0x21)];
        let ids = SuiteIds::default();
        assert_eq!(choose_suite(&offered, ids, &[MD5_DES, SHA1_AES]), Some(SHA1_AES));
        assert_eq!(choose_suite(&offered, ids, &[MD5_DES]), Some(MD5_DES));
        assert_eq!(choose_suite(&offered, ids, &[SHA1_NONE]), None);
        assert_eq!(choose_suite(&[], ids, &[MD5_DES]), None);
    }
}
