//! PacketCable's two notifications, in the three MIB dialects (RFC 4682; fact sheet provisioning §2.3, CERTAIN).

use std::fmt;

use super::pdu::{Pdu, PduKind};
use super::varbind::{Value, VarBind};
use crate::mib::dialect::{DialectOids, IF_PHYS_ADDRESS_1, MibDialect, SNMP_TRAP_OID, SYS_DESCR, SYS_UP_TIME, oid};
use crate::value::{MacAddress, Oid};

/// What a device reports of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// pktcMtaDevProvisioningEnrollment: the device asks to be provisioned (step eUE-15).
    Enrollment {
        /// sysDescr: the device's hardware, software and vendor as text.
        sys_descr: String,
        /// pktcMtaDevSwCurrentVers: the software that runs.
        sw_version: String,
        /// pktcMtaDevTypeIdentifier: the DHCP option 60 string, with the device's capabilities.
        type_identifier: String,
        /// The device's MAC address.
        mac: MacAddress,
        /// pktcMtaDevCorrelationId: a number drawn for this attempt.
        correlation_id: u32,
    },
    /// pktcMtaDevProvisioningStatus: how provisioning ended (step eUE-25).
    Status {
        /// The device's MAC address.
        mac: MacAddress,
        /// pktcMtaDevCorrelationId: the number of the enrollment.
        correlation_id: u32,
        /// pktcMtaDevProvisioningState.
        state: ProvisioningState,
    },
}

/// pktcMtaDevProvisioningState (fact sheet provisioning §1.6, CERTAIN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum ProvisioningState {
    /// The file was read and is in effect in full.
    Pass = 1,
    /// Provisioning goes on.
    InProgress = 2,
    /// A mandatory parameter is wrong or missing, and the file was rejected; so is one with the wrong hash (P21).
    FailConfigFileError = 3,
    /// Optional parameters were wrong or unknown; the rest is in effect.
    PassWithWarnings = 4,
    /// The file is valid and could not be taken in full.
    PassWithIncompleteParsing = 5,
    /// The device failed in itself.
    FailureInternalError = 6,
    /// Anything else.
    FailureOtherReason = 7,
}

/// A notification with what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The MIB that the device speaks.
    pub dialect: MibDialect,
    /// sysUpTime in hundredths of a second, where the device sent it.
    pub up_time: Option<u32>,
    /// What it reports.
    pub notification: Notification,
}

/// The PDU carries no notification of PacketCable, or a broken one. It is acknowledged all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// There is no snmpTrapOID.
    #[error("the notification does not say which it is: snmpTrapOID is missing")]
    NoTrapOid,
    /// It is another notification, such as an event (1.3.6.1.2.1.182.0.1).
    #[error("the notification {0} is neither enrollment nor status")]
    Foreign(Oid),
    /// An object that belongs to it is missing.
    #[error("the notification lacks {0}")]
    Missing(&'static str),
    /// An object has a value of the wrong type, size or range.
    #[error("the notification's {0} has an unusable value")]
    Value(&'static str),
}

impl ProvisioningState {
    /// Every state, by number.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::InProgress,
        Self::FailConfigFileError,
        Self::PassWithWarnings,
        Self::PassWithIncompleteParsing,
        Self::FailureInternalError,
        Self::FailureOtherReason,
    ];

    /// Whether the device works: one of the three kinds of pass.
    pub fn is_pass(self) -> bool {
        matches!(
            self,
            Self::Pass | Self::PassWithWarnings | Self::PassWithIncompleteParsing
        )
    }

    /// The state with this number, 1 to 7.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i32 == number)
    }

    /// The enumeration's label in RFC 4682.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::InProgress => "inProgress",
            Self::FailConfigFileError => "failConfigFileError",
            Self::PassWithWarnings => "passWithWarnings",
            Self::PassWithIncompleteParsing => "passWithIncompleteParsing",
            Self::FailureInternalError => "failureInternalError",
            Self::FailureOtherReason => "failureOtherReason",
        }
    }
}

impl fmt::Display for ProvisioningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl Notification {
    /// Reads the notification in an InformRequest or trap. Objects are found by name and not by place, whatever their
    /// instance; others may stand among them.
    ///
    /// # Errors
    /// [`NotificationError`].
    pub fn from_pdu(pdu: &Pdu) -> Result<Received, NotificationError> {
        let objects = Objects(&pdu.bindings);
        let trap = match objects.find(SNMP_TRAP_OID) {
            Some(Value::Oid(trap)) => trap,
            Some(_) => return Err(NotificationError::Value("snmpTrapOID")),
            None => return Err(NotificationError::NoTrapOid),
        };
        let is = |arcs: &[u32]| trap.arcs() == arcs;
        let foreign = || NotificationError::Foreign(trap.clone());
        let dialect = MibDialect::ALL
            .into_iter()
            .find(|dialect| is(dialect.oids().enrollment) || is(dialect.oids().status))
            .ok_or_else(foreign)?;
        let oids = dialect.oids();
        let notification = if is(oids.enrollment) {
            objects.enrollment(oids)?
        } else {
            objects.status(oids)?
        };
        let up_time = match objects.find(SYS_UP_TIME) {
            Some(Value::TimeTicks(ticks)) => Some(*ticks),
            _ => None,
        };
        Ok(Received {
            dialect,
            up_time,
            notification,
        })
    }

    /// The InformRequest of this notification, its objects in the MIB's order. `up_time` is sysUpTime in hundredths of
    /// a second.
    pub fn to_pdu(&self, dialect: MibDialect, request_id: i32, up_time: u32) -> Pdu {
        let oids = dialect.oids();
        let text = |arcs, text: &str| VarBind::new(oid(arcs), Value::text(text));
        let octets = |arcs, mac: &MacAddress| VarBind::new(oid(arcs), Value::OctetString(mac.0.to_vec()));
        let correlation = |id: u32| {
            let value = match dialect {
                // The same 32 bits, in the CableLabs MIB as an Integer32.
                MibDialect::CableLabs => Value::Integer(id.cast_signed()),
                MibDialect::Ietf | MibDialect::Euro => Value::Unsigned32(id),
            };
            VarBind::new(oid(oids.correlation_id), value)
        };
        let (trap, objects) = match self {
            Self::Enrollment {
                sys_descr,
                sw_version,
                type_identifier,
                mac,
                correlation_id,
            } => (
                oids.enrollment,
                vec![
                    text(SYS_DESCR, sys_descr),
                    text(oids.sw_current_vers, sw_version),
                    text(oids.type_identifier, type_identifier),
                    octets(oids.mac_address, mac),
                    correlation(*correlation_id),
                ],
            ),
            Self::Status {
                mac,
                correlation_id,
                state,
            } => (
                oids.status,
                vec![
                    octets(oids.mac_address, mac),
                    correlation(*correlation_id),
                    VarBind::new(oid(oids.provisioning_state), Value::Integer(*state as i32)),
                ],
            ),
        };
        let mut bindings = vec![
            VarBind::new(oid(SYS_UP_TIME), Value::TimeTicks(up_time)),
            VarBind::new(oid(SNMP_TRAP_OID), Value::Oid(oid(trap))),
        ];
        bindings.extend(objects);
        Pdu::new(PduKind::Inform, request_id, bindings)
    }

    /// The device's MAC address.
    pub fn mac(&self) -> MacAddress {
        match self {
            Self::Enrollment { mac, .. } | Self::Status { mac, .. } => *mac,
        }
    }
}

/// The bindings of a notification.
struct Objects<'a>(&'a [VarBind]);

impl<'a> Objects<'a> {
    /// The value of the first instance of the object whose instance `arcs` names.
    fn find(&self, arcs: &[u32]) -> Option<&'a Value> {
        let object = arcs.split_last().map_or(arcs, |(_, object)| object);
        self.0
            .iter()
            .find(|binding| binding.name.starts_with(object))
            .map(|binding| &binding.value)
    }

    fn enrollment(&self, oids: &DialectOids) -> Result<Notification, NotificationError> {
        Ok(Notification::Enrollment {
            sys_descr: self.text(SYS_DESCR, "sysDescr")?,
            sw_version: self.text(oids.sw_current_vers, "pktcMtaDevSwCurrentVers")?,
            type_identifier: self.text(oids.type_identifier, "pktcMtaDevTypeIdentifier")?,
            mac: self.mac(oids)?,
            correlation_id: self.correlation_id(oids)?,
        })
    }

    fn status(&self, oids: &DialectOids) -> Result<Notification, NotificationError> {
        let name = "pktcMtaDevProvisioningState";
        let state = match self.find(oids.provisioning_state) {
            Some(Value::Integer(number)) => ProvisioningState::from_number(*number),
            Some(_) => None,
            None => return Err(NotificationError::Missing(name)),
        };
        Ok(Notification::Status {
            mac: self.mac(oids)?,
            correlation_id: self.correlation_id(oids)?,
            state: state.ok_or(NotificationError::Value(name))?,
        })
    }

    fn text(&self, arcs: &[u32], name: &'static str) -> Result<String, NotificationError> {
        let value = self.find(arcs).ok_or(NotificationError::Missing(name))?;
        let octets = value.as_octets().ok_or(NotificationError::Value(name))?;
        Ok(String::from_utf8_lossy(octets).into_owned())
    }

    /// The MAC address, under the dialect's object or under ifPhysAddress.
    fn mac(&self, oids: &DialectOids) -> Result<MacAddress, NotificationError> {
        let name = "MAC address";
        let value = self
            .find(oids.mac_address)
            .or_else(|| self.find(IF_PHYS_ADDRESS_1))
            .ok_or(NotificationError::Missing(name))?;
        let octets = value.as_octets().and_then(|octets| octets.try_into().ok());
        octets.map(MacAddress).ok_or(NotificationError::Value(name))
    }

    fn correlation_id(&self, oids: &DialectOids) -> Result<u32, NotificationError> {
        let name = "pktcMtaDevCorrelationId";
        match self.find(oids.correlation_id) {
            Some(Value::Unsigned32(id)) => Ok(*id),
            Some(Value::Integer(id)) => Ok(id.cast_unsigned()),
            Some(_) => Err(NotificationError::Value(name)),
            None => Err(NotificationError::Missing(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddress = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);

    fn enrollment() -> Notification {
        Notification::Enrollment {
            sys_descr: "An eUE <<HW_REV: 1; VENDOR: Example>>".into(),
            sw_version: "1.2.3".into(),
            type_identifier: "pktc2.0:0508010102030101040101".into(),
            mac: MAC,
            correlation_id: 0x8000_0001,
        }
    }

    fn status(state: ProvisioningState) -> Notification {
        Notification::Status {
            mac: MAC,
            correlation_id: 7,
            state,
        }
    }

    #[test]
    fn notifications_and_back_in_every_dialect() {
        for dialect in MibDialect::ALL {
            let states = ProvisioningState::ALL.map(status);
            for notification in [enrollment()].into_iter().chain(states) {
                let received = Notification::from_pdu(&notification.to_pdu(dialect, 1, 4711));
                let expected = Received {
                    dialect,
                    up_time: Some(4711),
                    notification,
                };
                assert_eq!(received, Ok(expected));
            }
        }
    }

    #[test]
    fn rfc_4682_the_order_of_the_objects() {
        let names = |notification: Notification| -> Vec<String> {
            let pdu = notification.to_pdu(MibDialect::Ietf, 1, 0);
            pdu.bindings.iter().map(|binding| binding.name.to_string()).collect()
        };
        let enrollment = names(enrollment()).join(" ");
        assert_eq!(
            enrollment,
            "1.3.6.1.2.1.1.3.0 1.3.6.1.6.3.1.1.4.1.0 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.140.1.1.3.0 \
             1.3.6.1.2.1.140.1.1.7.0 1.3.6.1.2.1.2.2.1.6.1 1.3.6.1.2.1.140.1.3.3.0"
        );
        let status = names(status(ProvisioningState::Pass)).join(" ");
        assert_eq!(
            status,
            "1.3.6.1.2.1.1.3.0 1.3.6.1.6.3.1.1.4.1.0 1.3.6.1.2.1.2.2.1.6.1 1.3.6.1.2.1.140.1.3.3.0 \
             1.3.6.1.2.1.140.1.1.8.0"
        );
    }

    #[test]
    fn objects_count_by_name_among_others_at_any_instance() {
        let mut pdu = enrollment().to_pdu(MibDialect::Ietf, 1, 0);
        pdu.bindings.reverse();
        pdu.bindings
            .push(VarBind::unset("1.3.6.1.2.1.2.2.1.7.1".parse().unwrap()));
        for binding in &mut pdu.bindings {
            if binding.name.arcs() == IF_PHYS_ADDRESS_1 {
                binding.name = "1.3.6.1.2.1.2.2.1.6.16".parse().unwrap();
            }
        }
        assert_eq!(Notification::from_pdu(&pdu).unwrap().notification, enrollment());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let pdu = |change: fn(&mut Pdu)| {
            let mut pdu = status(ProvisioningState::Pass).to_pdu(MibDialect::CableLabs, 1, 0);
            change(&mut pdu);
            Notification::from_pdu(&pdu).unwrap_err()
        };
        assert_eq!(pdu(|pdu| pdu.bindings.clear()), NotificationError::NoTrapOid);
        assert_eq!(
            pdu(|pdu| drop(pdu.bindings.pop())),
            NotificationError::Missing("pktcMtaDevProvisioningState")
        );
        assert_eq!(
            pdu(|pdu| pdu.bindings[4].value = Value::Integer(8)),
            NotificationError::Value("pktcMtaDevProvisioningState")
        );
        assert_eq!(
            pdu(|pdu| pdu.bindings[2].value = Value::OctetString(vec![0; 7])),
            NotificationError::Value("MAC address")
        );
        let event: Oid = "1.3.6.1.2.1.182.0.1".parse().unwrap();
        let mut foreign = enrollment().to_pdu(MibDialect::Euro, 1, 0);
        foreign.bindings[1].value = Value::Oid(event.clone());
        assert_eq!(Notification::from_pdu(&foreign), Err(NotificationError::Foreign(event)));
    }

    proptest! {
        #[test]
        fn any_pdu_is_read_or_refused(pdu in super::super::pdu::tests::any_pdu()) {
            let _ = Notification::from_pdu(&pdu);
        }
    }
}
