//! What can be wrong with a PKINIT exchange, and what the peer is told.

use super::{Dialect, typed_data};
use crate::value::Timestamp;
use crate::wire::cert::{CertError, TrustAnchors};

/// Why a PKINIT request or reply is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkinitError {
    /// Not the ASN.1 that was expected.
    #[error("{what}: {reason}")]
    Malformed {
        /// The structure that was being read.
        what: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A digest or signature algorithm that is not supported.
    #[error("the digest or signature algorithm is {0}, which is not supported")]
    Digest(String),
    /// The authenticator has no checksum, which RFC 4556 demands.
    #[error("paChecksum is missing")]
    ChecksumMissing,
    /// A content type, algorithm or version that is not supported.
    #[error("{what} is {found}, which is not supported")]
    Unsupported {
        /// The field.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// The client's time is outside the window.
    #[error("the client's time {client} is off by more than the allowed skew")]
    Skew {
        /// The time in the authenticator.
        client: Timestamp,
    },
    /// The nonce is not the expected one.
    #[error("the nonce is {found:08x}, expected {expected:08x}")]
    Nonce {
        /// The nonce found.
        found: u32,
        /// The nonce expected.
        expected: u32,
    },
    /// The authenticator's checksum is of an unknown type.
    #[error("paChecksum has type {0}, expected 7, 10 or 14")]
    ChecksumType(i32),
    /// The authenticator's checksum does not match the request body.
    #[error("paChecksum does not match the request body")]
    Checksum,
    /// The authenticator names another KDC.
    #[error("the authenticator names the KDC of realm '{0}'")]
    KdcName(String),
    /// The client asked for a reply signed by a certificate that this KDC does not have.
    #[error("the client wants the reply signed by another KDC certificate")]
    KdcCertificate,
    /// The signer's certificate is not in the message.
    #[error("the signer's certificate is not among the {0} certificates sent")]
    SignerUnknown(usize),
    /// A certificate or the chain is refused.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// The CMS signature does not verify under the signer's key.
    #[error("the signature does not verify under the key of '{0}'")]
    Signature(String),
    /// The Diffie-Hellman group is unknown or too weak.
    #[error("the Diffie-Hellman group ({bits} bits) is not accepted")]
    DhGroup {
        /// The length of the prime.
        bits: usize,
    },
    /// The Diffie-Hellman public value is out of range or in the wrong group.
    #[error("the Diffie-Hellman public value is {0}")]
    DhValue(&'static str),
    /// The reply is of the other kind than the request asked for.
    #[error("the reply is {0}, which the request did not ask for")]
    ReplyKind(&'static str),
    /// The encrypted key pack is for somebody else, or does not decrypt.
    #[error("the encrypted key pack does not open: {0}")]
    Envelope(&'static str),
    /// A private key does not fit its certificate, or the like: nothing the peer did.
    #[error("cryptographic operation failed here: {0}")]
    Internal(String),
}

impl PkinitError {
    /// The error number of the KRB-ERROR that tells the client (fact sheet security §4.7: numbers CERTAIN, choice
    /// LIKELY; RFC 4556 §3.1.3): 15 checksum type, 24 authenticator or structure wrong, 37 skew, 60 ours, 64 signature, 65
    /// Diffie-Hellman, 66 certificate mismatch, 70 signer's certificate missing, 76 KDC name, 79 checksum missing, 80
    /// digest; a certificate's own number otherwise.
    pub fn krb_code(&self) -> i32 {
        match self {
            Self::ChecksumType(_) => 15,
            Self::Malformed { .. } | Self::Unsupported { .. } | Self::Nonce { .. } | Self::Checksum => 24,
            Self::Skew { .. } => 37,
            Self::Internal(_) | Self::ReplyKind(_) | Self::Envelope(_) => 60,
            Self::Signature(_) => 64,
            Self::DhGroup { .. } | Self::DhValue(_) => 65,
            Self::KdcCertificate => 66,
            Self::SignerUnknown(_) => 70,
            Self::KdcName(_) => 76,
            Self::ChecksumMissing => 79,
            Self::Digest(_) => 80,
            Self::Certificate(error) => error.krb_code(),
        }
    }

    /// The KRB-ERROR's e-data for a client that speaks `dialect`, a DER SEQUENCE OF TypedData: for error 65 from
    /// Diffie-Hellman the groups that are accepted, for error 70 the names of `anchors`; nothing otherwise.
    pub fn e_data(&self, dialect: Dialect, anchors: &TrustAnchors) -> Option<Vec<u8>> {
        match self {
            Self::DhGroup { .. } | Self::DhValue(_) => typed_data::dh_parameters(dialect),
            Self::Certificate(_) | Self::SignerUnknown(_) if self.krb_code() == 70 => {
                typed_data::trusted_certifiers(dialect, anchors)
            }
            _ => None,
        }
    }
}

impl From<openssl::error::ErrorStack> for PkinitError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        // The stack's own Display lists files and lines of OpenSSL; the reasons say enough.
        let reasons: Vec<&str> = error.errors().iter().filter_map(|error| error.reason()).collect();
        Self::Internal(reasons.join(", "))
    }
}
