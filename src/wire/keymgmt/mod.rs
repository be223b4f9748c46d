//! Kerberized key management over UDP 1293: the six messages for the SNMPv3 domain of interpretation, their HMACs, and
//! the SNMPv3 keys that an AP exchange yields (fact sheet security §1 and §2; profile P1 to P13, P30, P31).
//!
//! Every integer is big-endian. The Kerberos parts (KRB-AP-REQ, KRB-AP-REP, KRB-ERROR) are opaque DER octets here;
//! [`crate::wire::kerberos`] opens and makes them, and makes the AP Reply's subkey.
//!
//! A message with an HMAC is read as [`Sealed`]: its fields are there, and whoever acts on them calls
//! [`Sealed::verify`] first, with the session key that the ticket gave.

mod application;
mod derive;
mod hmac;
mod message;
mod reader;
mod suite;

pub use application::{SnmpParameters, UserName};
pub use derive::{EngineKeys, KeyLayout, KeyRecipe, Localisation, derive_keys, p_sha1};
pub use hmac::{HmacCoverage, HmacKeyRule, HmacKeys, HmacRecipe, RecoveredRule, Sealed};
pub use message::{ApReply, ApRequest, ErrorReply, Message, Recovered, Rekey, WakeUp};
pub use suite::{Ciphersuite, SuiteId, SuiteIds, choose_suite};

/// The UDP port of both ends (fact sheet security §1.1, CERTAIN).
pub const PORT: u16 = 1293;

/// The version octet: major 1, minor 0 (fact sheet security §1.1, CERTAIN).
pub const VERSION: u8 = 0x10;

/// Octets of the header: message id, domain of interpretation, version.
pub const HEADER_LENGTH: usize = 3;

/// Octets of the HMAC-SHA-1 at the end of a sealed message.
pub const HMAC_LENGTH: usize = 20;

/// The domain of interpretation SNMPv3; the only one that provisioning uses.
pub const DOI_SNMPV3: u8 = 2;

/// The domain of interpretation IPsec, for call signalling; refused as [`DecodeError::IpsecDoi`].
pub const DOI_IPSEC: u8 = 1;

/// Why a datagram is no key-management message for us. Offsets count octets from the datagram's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The datagram ends inside a field.
    #[error("the datagram ends inside {field}, which starts at octet {offset}")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// Octets follow the last field.
    #[error("octets follow the message's end at octet {offset}")]
    Trailing {
        /// Where the message ends.
        offset: usize,
    },
    /// The first octet names no message.
    #[error("no key-management message has the id {0}")]
    MessageId(u8),
    /// The message is for IPsec, whose security associations are the call agent's business.
    #[error("the domain of interpretation is IPsec; only SNMPv3 is served here")]
    IpsecDoi,
    /// The second octet names no domain of interpretation.
    #[error("the domain of interpretation {0} is unknown")]
    Doi(u8),
    /// The third octet is not [`VERSION`].
    #[error("the version octet is {0:#04x}; only 0x10 (1.0) is known")]
    Version(u8),
    /// The Kerberos part is not the DER element that the message carries.
    #[error("the Kerberos part at octet {offset} does not start with the tag {expected:#04x}, or its length is wrong")]
    Kerberos {
        /// The application tag that belongs here.
        expected: u8,
        /// Where the part starts.
        offset: usize,
    },
    /// A field's value is outside what the field may hold.
    #[error("{field} at octet {offset}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl DecodeError {
    /// Where in the datagram the fault lies.
    pub fn offset(&self) -> usize {
        match *self {
            Self::Truncated { offset, .. }
            | Self::Trailing { offset }
            | Self::Kerberos { offset, .. }
            | Self::Field { offset, .. } => offset,
            Self::MessageId(_) => 0,
            Self::IpsecDoi | Self::Doi(_) => 1,
            Self::Version(_) => 2,
        }
    }

    /// A short fixed word for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Trailing { .. } => "trailing_octets",
            Self::MessageId(_) => "message_id",
            Self::IpsecDoi => "ipsec_doi",
            Self::Doi(_) => "doi",
            Self::Version(_) => "version",
            Self::Kerberos { .. } => "kerberos_part",
            Self::Field { .. } => "field",
        }
    }
}

/// What of a message to send does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More ciphersuites than the count octet can say.
    #[error("an AP Request lists at most 255 ciphersuites; this one has {0}")]
    Suites(usize),
    /// The HMAC rule asks for a key that the exchange does not have.
    #[error("the HMAC rule asks for a subkey in the Authenticator, and there is none")]
    NoHmacKey,
    /// The principal is empty, longer than 255 octets, or not printable ASCII.
    #[error("a server principal is 1 to 255 printable ASCII characters")]
    Principal,
}
