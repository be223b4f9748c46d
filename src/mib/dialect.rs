//! The three MTA MIBs in the field: the same objects under different arcs, with different sizes (fact sheet
//! provisioning §2.3, CERTAIN unless a line says otherwise).

use std::fmt;
use std::str::FromStr;

use crate::value::Oid;

/// `sysDescr.0` (RFC 3418 §2).
pub const SYS_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1, 0];
/// `sysUpTime.0` (RFC 3418 §2).
pub const SYS_UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
/// `snmpTrapOID.0` (RFC 3418 §2).
pub const SNMP_TRAP_OID: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];
/// `ifPhysAddress.1` (RFC 2863 §6): the MAC address in the notifications of the IETF and the Euro MIB.
pub const IF_PHYS_ADDRESS_1: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 6, 1];

/// Which MTA MIB a device implements.
///
/// Written `ietf`, `cablelabs` and `euro` on the command line, in settings and in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MibDialect {
    /// PKTC-IETF-MTA-MIB, 1.3.6.1.2.1.140 (RFC 4682): PacketCable 2.0 eUEs.
    #[default]
    Ietf,
    /// PKTC-MTA-MIB, 1.3.6.1.4.1.4491.2.2.1: PacketCable 1.0 and 1.5 eMTAs.
    CableLabs,
    /// PKTC-EXCENTIS-MTA-MIB, 1.3.6.1.4.1.7432.1: EuroPacketCable eMTAs.
    Euro,
}

/// The text names no MIB dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a MIB dialect: expected ietf, cablelabs or euro")]
pub struct MibDialectError(pub String);

/// The objects of one dialect that provisioning touches, as whole arcs: scalars carry their instance `.0`,
/// notifications have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialectOids {
    /// `pktcMtaDevProvisioningEnrollment`, the enrollment notification (step 15).
    pub enrollment: &'static [u32],
    /// `pktcMtaDevProvisioningStatus`, the status notification (step 25).
    pub status: &'static [u32],
    /// `pktcMtaDevSwCurrentVers.0`, text.
    pub sw_current_vers: &'static [u32],
    /// `pktcMtaDevTypeIdentifier.0`, text: the DHCP option 60 string.
    pub type_identifier: &'static [u32],
    /// The MAC address as the notifications carry it, 6 octets: `ifPhysAddress.1` or `pktcMtaDevMacAddress.0`.
    pub mac_address: &'static [u32],
    /// `pktcMtaDevCorrelationId.0`: Unsigned32, in the CableLabs MIB Integer32.
    pub correlation_id: &'static [u32],
    /// `pktcMtaDevProvisioningState.0`, an enumeration 1 to 7 (fact sheet provisioning §1.6).
    pub provisioning_state: &'static [u32],
    /// `pktcMtaDevConfigFile.0`, a URL.
    pub config_file: &'static [u32],
    /// `pktcMtaDevProvConfigHash.0`: 20 octets, in the CableLabs MIB 16 or 20.
    pub prov_config_hash: &'static [u32],
    /// `pktcMtaDevProvConfigKey.0`: 32 octets, in the CableLabs and Euro MIBs 0 or 8.
    pub prov_config_key: &'static [u32],
    /// `pktcMtaDevProvConfigEncryptAlg.0`, an enumeration 0 to 4; only the IETF MIB has it.
    pub prov_config_encrypt_alg: Option<&'static [u32]>,
    /// `pktcMtaDevEnabled.0`, a TruthValue.
    pub enabled: &'static [u32],
    /// `pktcMtaDevResetNow.0`, a TruthValue.
    pub reset_now: &'static [u32],
    /// `pktcMtaDevHardwareVersion.0`, text, obsolete; only the CableLabs MIB has it.
    pub hardware_version: Option<&'static [u32]>,
}

const IETF: DialectOids = DialectOids {
    enrollment: &[1, 3, 6, 1, 2, 1, 140, 0, 1],
    status: &[1, 3, 6, 1, 2, 1, 140, 0, 2],
    sw_current_vers: &[1, 3, 6, 1, 2, 1, 140, 1, 1, 3, 0],
    type_identifier: &[1, 3, 6, 1, 2, 1, 140, 1, 1, 7, 0],
    mac_address: IF_PHYS_ADDRESS_1,
    correlation_id: &[1, 3, 6, 1, 2, 1, 140, 1, 3, 3, 0],
    provisioning_state: &[1, 3, 6, 1, 2, 1, 140, 1, 1, 8, 0],
    config_file: &[1, 3, 6, 1, 2, 1, 140, 1, 2, 9, 0],
    prov_config_hash: &[1, 3, 6, 1, 2, 1, 140, 1, 2, 11, 0],
    prov_config_key: &[1, 3, 6, 1, 2, 1, 140, 1, 2, 12, 0],
    prov_config_encrypt_alg: Some(&[1, 3, 6, 1, 2, 1, 140, 1, 2, 13, 0]),
    enabled: &[1, 3, 6, 1, 2, 1, 140, 1, 1, 6, 0],
    reset_now: &[1, 3, 6, 1, 2, 1, 140, 1, 1, 1, 0],
    hardware_version: None,
};

const CABLELABS: DialectOids = DialectOids {
    enrollment: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 2, 0, 1],
    status: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 2, 0, 2],
    sw_current_vers: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 14, 0],
    type_identifier: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 8, 0],
    mac_address: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 4, 0],
    correlation_id: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 3, 4, 0],
    provisioning_state: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 9, 0],
    config_file: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 2, 5, 0],
    prov_config_hash: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 2, 7, 0],
    prov_config_key: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 2, 8, 0],
    prov_config_encrypt_alg: None,
    enabled: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 7, 0],
    reset_now: &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 1, 0],
    hardware_version: Some(&[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1, 1, 1, 3, 0]),
};

const EURO: DialectOids = DialectOids {
    enrollment: &[1, 3, 6, 1, 4, 1, 7432, 1, 2, 0, 1],
    status: &[1, 3, 6, 1, 4, 1, 7432, 1, 2, 0, 2],
    sw_current_vers: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 1, 3, 0],
    type_identifier: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 1, 7, 0],
    mac_address: IF_PHYS_ADDRESS_1,
    correlation_id: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 3, 3, 0],
    provisioning_state: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 1, 8, 0],
    config_file: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 2, 7, 0],
    prov_config_hash: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 2, 9, 0],
    prov_config_key: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 2, 10, 0],
    prov_config_encrypt_alg: None,
    enabled: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 1, 6, 0],
    reset_now: &[1, 3, 6, 1, 4, 1, 7432, 1, 1, 1, 1, 0],
    hardware_version: None,
};

impl MibDialect {
    /// Every dialect, in the order in which an unknown device is tried.
    pub const ALL: [Self; 3] = [Self::Ietf, Self::CableLabs, Self::Euro];

    /// The arcs of this dialect's objects.
    pub const fn oids(self) -> &'static DialectOids {
        match self {
            Self::Ietf => &IETF,
            Self::CableLabs => &CABLELABS,
            Self::Euro => &EURO,
        }
    }

    /// The arcs that all objects of this dialect begin with.
    pub fn root(self) -> &'static [u32] {
        let DialectOids {
            enabled, enrollment, ..
        } = self.oids();
        let shared = enabled.iter().zip(*enrollment).take_while(|(a, b)| a == b).count();
        enabled.get(..shared).unwrap_or_default()
    }

    /// The dialect's name in settings and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ietf => "ietf",
            Self::CableLabs => "cablelabs",
            Self::Euro => "euro",
        }
    }
}

/// The object identifier that the arcs of a constant of this module spell.
///
/// # Panics
/// Where `arcs` is no object identifier; no constant of this module is such, which a test proves.
pub fn oid(arcs: &'static [u32]) -> Oid {
    Oid::new(arcs).expect("the constants of this module are object identifiers")
}

impl FromStr for MibDialect {
    type Err = MibDialectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| MibDialectError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for MibDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_of(oids: &DialectOids) -> Vec<&'static [u32]> {
        let mut all = vec![
            oids.enrollment,
            oids.status,
            oids.sw_current_vers,
            oids.type_identifier,
            oids.mac_address,
            oids.correlation_id,
            oids.provisioning_state,
            oids.config_file,
            oids.prov_config_hash,
            oids.prov_config_key,
            oids.enabled,
            oids.reset_now,
        ];
        all.extend(oids.prov_config_encrypt_alg);
        all.extend(oids.hardware_version);
        all
    }

    #[test]
    fn every_constant_is_an_oid_and_no_dialect_uses_one_twice() {
        for dialect in MibDialect::ALL {
            let mut seen: Vec<Oid> = all_of(dialect.oids()).into_iter().map(oid).collect();
            let count = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), count, "{dialect}");
        }
        for constant in [SYS_DESCR, SYS_UP_TIME, SNMP_TRAP_OID, IF_PHYS_ADDRESS_1] {
            oid(constant);
        }
    }

    #[test]
    fn the_hash_objects_of_the_fact_sheet() {
        let hash = |dialect: MibDialect| oid(dialect.oids().prov_config_hash).to_string();
        assert_eq!(hash(MibDialect::Ietf), "1.3.6.1.2.1.140.1.2.11.0");
        assert_eq!(hash(MibDialect::CableLabs), "1.3.6.1.4.1.4491.2.2.1.1.2.7.0");
        assert_eq!(hash(MibDialect::Euro), "1.3.6.1.4.1.7432.1.1.2.9.0");
    }

    #[test]
    fn names_read_back_in_either_case() {
        for dialect in MibDialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
            assert_eq!(dialect.to_string().to_uppercase().parse(), Ok(dialect));
            assert_eq!(serde_json::to_string(&dialect).unwrap(), format!("\"{dialect}\""));
        }
        assert!("docsis".parse::<MibDialect>().is_err());
    }
}
