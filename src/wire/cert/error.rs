//! What can be wrong with a certificate chain, and which Kerberos error says so.

use crate::value::Timestamp;

/// Why a chain is refused. Positions count from the end-entity certificate, which is 0.
///
/// The texts carry names from certificates: they are cut short and freed from control characters before they get here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// No certificate at all.
    #[error("the chain holds no certificate")]
    Empty,
    /// More certificates than any PacketCable chain needs.
    #[error("{0} certificates; at most {max} are read", max = super::MAX_CERTIFICATES)]
    TooMany(usize),
    /// A certificate is not X.509, or is not one that can be used.
    #[error("certificate {position}: {reason}")]
    Malformed {
        /// Which certificate, in the order given.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that is not RSA of 1024 to 4096 bits.
    #[error("certificate of '{subject}': its key is {found}; expected RSA of 1024 to 4096 bits")]
    Key {
        /// Whose certificate.
        subject: String,
        /// What the key is.
        found: String,
    },
    /// The issuer is neither in the message nor configured.
    #[error("the issuer '{0}' is neither among the certificates sent nor a configured root")]
    IssuerUnknown(String),
    /// The chain ends in a self-signed certificate that is not configured as a root.
    #[error("the chain ends in '{0}', which is not a configured root")]
    NotTrusted(String),
    /// A certificate's signature does not verify under the key of any certificate with its issuer's name.
    #[error("certificate {position} of the chain, '{subject}': its signature does not verify")]
    Signature {
        /// Its position in the chain.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// A certificate that signed another is not a CA's.
    #[error("'{subject}' signed a certificate but may not: {reason}")]
    NotAnAuthority {
        /// The would-be issuer.
        subject: String,
        /// Which constraint forbids it.
        reason: &'static str,
    },
    /// The chain is longer than PacketCable's hierarchies are.
    #[error("no root within {max} certificates above the end entity", max = super::MAX_AUTHORITIES)]
    TooLong,
    /// Outside its validity, where the policy enforces validity.
    #[error("the certificate of '{subject}' is valid from {not_before} to {not_after}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// First instant of its validity.
        not_before: Timestamp,
        /// Last instant of its validity.
        not_after: Timestamp,
    },
    /// A certificate is revoked: by a revocation list, or, where the policy refuses that, by the operator's word on the
    /// manufacturer.
    #[error("the certificate of '{subject}' is revoked since {since}")]
    Revoked {
        /// Whose certificate.
        subject: String,
        /// Since when.
        since: Timestamp,
    },
    /// No revocation list is of this CA, where the policy wants one.
    #[error("there is no revocation list of '{0}'")]
    RevocationUnknown(String),
    /// The revocation list is too old, where the policy refuses that.
    #[error("the revocation list of '{issuer}' is old: the next one was due at {due}")]
    RevocationStale {
        /// Whose list.
        issuer: String,
        /// When the next one was due.
        due: Timestamp,
    },
    /// The subject names no MAC address, or several.
    #[error("the subject '{0}' has no common name that is one MAC address")]
    NoMac(String),
    /// The KDC certificate is not the KDC's of the realm.
    #[error("the KDC certificate of '{subject}' does not name krbtgt/{realm}")]
    KdcName {
        /// Whose certificate.
        subject: String,
        /// The realm expected.
        realm: String,
    },
    /// The service provider is another one than expected.
    #[error("the service provider is '{found}', expected '{expected}'")]
    Organisation {
        /// The organisation attribute found, empty where there is none.
        found: String,
        /// The organisation expected.
        expected: String,
    },
}

impl CertError {
    /// The subject of the one certificate that is invalid or revoked, where that is what is wrong (errors 71 and 72).
    pub fn refused_subject(&self) -> Option<&str> {
        match self {
            Self::Signature { subject, .. }
            | Self::NotAnAuthority { subject, .. }
            | Self::Expired { subject, .. }
            | Self::Revoked { subject, .. } => Some(subject),
            _ => None,
        }
    }

    /// The Kerberos error number (early PKINIT drafts §3.1; fact sheet security §4.7, numbers CERTAIN, choice LIKELY):
    /// 62 not trusted, 65 key too weak, 70 cannot verify, 71 invalid, 72 revoked, 73 no revocation list, 74 only an old
    /// one, 75 client name mismatch, 76 KDC name mismatch. (63, 64 and 66 arise outside the chain itself: in the
    /// answering KDC's choice of its own certificate, and in the CMS signature.)
    pub fn krb_code(&self) -> i32 {
        match self {
            Self::NotTrusted(_) | Self::Organisation { .. } => 62,
            Self::Key { .. } => 65,
            Self::Empty | Self::TooMany(_) | Self::IssuerUnknown(_) | Self::TooLong => 70,
            Self::Malformed { .. } | Self::Signature { .. } | Self::NotAnAuthority { .. } | Self::Expired { .. } => 71,
            Self::Revoked { .. } => 72,
            Self::RevocationUnknown(_) => 73,
            Self::RevocationStale { .. } => 74,
            Self::NoMac(_) => 75,
            Self::KdcName { .. } => 76,
        }
    }
}
