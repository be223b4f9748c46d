//! Why a datagram gets no answer.

use super::ber::BerError;
use super::pdu::PduKind;
use super::usm::UsmStat;

/// Why a datagram is dropped, for one counter by reason and one line in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnmpDropReason {
    /// The octets are no SNMP message.
    #[error("malformed message: {0}")]
    Malformed(#[from] BerError),
    /// The message's version is not served; 0 is SNMPv1.
    #[error("SNMP version number {0} is not served")]
    Version(i32),
    /// The message's security model is not the user-based one (3).
    #[error("security model {0} is not served")]
    SecurityModel(i32),
    /// The message's flags ask for privacy without authentication (RFC 3412 §7.2 step 5d).
    #[error("the flags {0:#04x} ask for privacy without authentication")]
    Flags(u8),
    /// The message earned a report that it does not let itself be sent, or it is a report or response itself.
    #[error("refused without a report: {0:?}")]
    Unreported(UsmStat),
    /// A message in answer to this side's request earned a refusal, for which nothing is ever sent.
    #[error("refused: {0:?}")]
    Refused(UsmStat),
    /// The PDU has no place in this direction.
    #[error("{0:?} is not expected here")]
    UnexpectedPdu(PduKind),
}

impl SnmpDropReason {
    /// A short name for counters.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Version(_) => "version",
            Self::SecurityModel(_) => "security_model",
            Self::Flags(_) => "flags",
            Self::Unreported(stat) | Self::Refused(stat) => stat.label(),
            Self::UnexpectedPdu(_) => "unexpected_pdu",
        }
    }

    /// Where in the datagram the fault lies, where it lies in one place.
    pub const fn offset(&self) -> Option<usize> {
        match self {
            Self::Malformed(error) => Some(error.offset),
            _ => None,
        }
    }
}
