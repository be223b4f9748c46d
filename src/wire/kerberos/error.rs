//! The error codes that travel in KRB-ERROR, and what may go wrong on our side.

use super::der::DerError;
use super::etype::CryptoError;

/// Defines the codes once: variant, number, the fixed text that goes out as e-text.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal, $text:literal;)*) => {
        /// An error code of KRB-ERROR (RFC 4120 §7.5.9; 62 to 76 as the early PKINIT drafts assign them, fact sheet
        /// security §4.7, CERTAIN). Each has one fixed text, so that nothing of the server's inside reaches a peer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum KrbErrorCode {
            $($(#[doc = $doc])* $name,)*
        }

        impl KrbErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub const fn number(self) -> i32 {
                match self { $(Self::$name => $number,)* }
            }

            /// The code of a number from the wire, or `None` for one that no source assigns.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The text for the peer (e-text).
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// KDC_ERR_NONE.
    None = 0, "no error";
    /// KDC_ERR_NAME_EXP.
    NameExpired = 1, "client entry expired";
    /// KDC_ERR_SERVICE_EXP.
    ServiceExpired = 2, "server entry expired";
    /// KDC_ERR_BAD_PVNO.
    BadProtocolVersion = 3, "protocol version not supported";
    /// KDC_ERR_C_OLD_MAST_KVNO.
    ClientOldMasterKey = 4, "client key under an old master key";
    /// KDC_ERR_S_OLD_MAST_KVNO.
    ServiceOldMasterKey = 5, "server key under an old master key";
    /// KDC_ERR_C_PRINCIPAL_UNKNOWN: also a MAC address that nobody knows.
    ClientUnknown = 6, "client unknown";
    /// KDC_ERR_S_PRINCIPAL_UNKNOWN.
    ServiceUnknown = 7, "server unknown";
    /// KDC_ERR_PRINCIPAL_NOT_UNIQUE.
    PrincipalNotUnique = 8, "principal not unique";
    /// KDC_ERR_NULL_KEY.
    NullKey = 9, "null key";
    /// KDC_ERR_CANNOT_POSTDATE.
    CannotPostdate = 10, "ticket may not be postdated";
    /// KDC_ERR_NEVER_VALID.
    NeverValid = 11, "requested start after end";
    /// KDC_ERR_POLICY.
    Policy = 12, "refused by policy";
    /// KDC_ERR_BADOPTION.
    BadOption = 13, "option cannot be met";
    /// KDC_ERR_ETYPE_NOSUPP.
    EncTypeUnsupported = 14, "no common encryption type";
    /// KDC_ERR_SUMTYPE_NOSUPP.
    ChecksumUnsupported = 15, "checksum type not supported";
    /// KDC_ERR_PADATA_TYPE_NOSUPP.
    PadataUnsupported = 16, "pre-authentication type not supported";
    /// KDC_ERR_TRTYPE_NOSUPP.
    TransitedUnsupported = 17, "transited type not supported";
    /// KDC_ERR_CLIENT_REVOKED.
    ClientRevoked = 18, "client refused";
    /// KDC_ERR_SERVICE_REVOKED.
    ServiceRevoked = 19, "server refused";
    /// KDC_ERR_TGT_REVOKED.
    TgtRevoked = 20, "ticket-granting ticket revoked";
    /// KDC_ERR_CLIENT_NOTYET.
    ClientNotYet = 21, "client not yet valid";
    /// KDC_ERR_SERVICE_NOTYET.
    ServiceNotYet = 22, "server not yet valid";
    /// KDC_ERR_KEY_EXPIRED.
    KeyExpired = 23, "key expired";
    /// KDC_ERR_PREAUTH_FAILED.
    PreauthFailed = 24, "pre-authentication failed";
    /// KDC_ERR_PREAUTH_REQUIRED.
    PreauthRequired = 25, "pre-authentication required";
    /// KDC_ERR_SERVER_NOMATCH.
    ServerMismatch = 26, "requested server and ticket differ";
    /// KDC_ERR_MUST_USE_USER2USER.
    UserToUserOnly = 27, "user to user only";
    /// KDC_ERR_PATH_NOT_ACCEPTED.
    PathRefused = 28, "transited path refused";
    /// KDC_ERR_SVC_UNAVAILABLE: also a provisioning server that did not answer the FQDN request.
    ServiceUnavailable = 29, "service unavailable, try again";
    /// KRB_AP_ERR_BAD_INTEGRITY.
    BadIntegrity = 31, "integrity check failed";
    /// KRB_AP_ERR_TKT_EXPIRED.
    TicketExpired = 32, "ticket expired";
    /// KRB_AP_ERR_TKT_NYV.
    TicketNotYetValid = 33, "ticket not yet valid";
    /// KRB_AP_ERR_REPEAT.
    Repeat = 34, "request is a replay";
    /// KRB_AP_ERR_NOT_US.
    NotUs = 35, "ticket is for another server";
    /// KRB_AP_ERR_BADMATCH.
    BadMatch = 36, "ticket and authenticator differ";
    /// KRB_AP_ERR_SKEW.
    Skew = 37, "clock skew too great";
    /// KRB_AP_ERR_BADADDR.
    BadAddress = 38, "wrong network address";
    /// KRB_AP_ERR_BADVERSION.
    BadVersion = 39, "protocol version mismatch";
    /// KRB_AP_ERR_MSG_TYPE.
    MessageType = 40, "unexpected message type";
    /// KRB_AP_ERR_MODIFIED.
    Modified = 41, "message modified";
    /// KRB_AP_ERR_BADORDER.
    BadOrder = 42, "message out of order";
    /// KRB_AP_ERR_BADKEYVER.
    BadKeyVersion = 44, "key version not available";
    /// KRB_AP_ERR_NOKEY.
    NoKey = 45, "service key not available";
    /// KRB_AP_ERR_MUT_FAIL.
    MutualFailed = 46, "mutual authentication failed";
    /// KRB_AP_ERR_BADDIRECTION.
    BadDirection = 47, "wrong direction";
    /// KRB_AP_ERR_METHOD.
    Method = 48, "another authentication method required";
    /// KRB_AP_ERR_BADSEQ.
    BadSequence = 49, "wrong sequence number";
    /// KRB_AP_ERR_INAPP_CKSUM.
    InappropriateChecksum = 50, "inappropriate checksum type";
    /// KRB_AP_PATH_NOT_ACCEPTED.
    ApPathRefused = 51, "transited path refused by the server";
    /// KRB_ERR_RESPONSE_TOO_BIG.
    ResponseTooBig = 52, "response too big, use TCP";
    /// KRB_ERR_GENERIC.
    Generic = 60, "request refused";
    /// KRB_ERR_FIELD_TOOLONG.
    FieldTooLong = 61, "field too long";
    /// KDC_ERR_CLIENT_NOT_TRUSTED.
    ClientNotTrusted = 62, "client certificate not trusted";
    /// KDC_ERR_KDC_NOT_TRUSTED.
    KdcNotTrusted = 63, "none of the client's trusted certifiers";
    /// KDC_ERR_INVALID_SIG.
    InvalidSignature = 64, "invalid signature";
    /// KDC_ERR_KEY_TOO_WEAK (KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED later).
    DhParametersRefused = 65, "Diffie-Hellman parameters not accepted";
    /// KDC_ERR_CERTIFICATE_MISMATCH.
    CertificateMismatch = 66, "certificate mismatch";
    /// KRB_AP_ERR_NO_TGT.
    NoTgt = 67, "no ticket-granting ticket";
    /// KDC_ERR_WRONG_REALM.
    WrongRealm = 68, "wrong realm";
    /// KRB_AP_ERR_USER_TO_USER_REQUIRED.
    UserToUserRequired = 69, "user to user required";
    /// KDC_ERR_CANT_VERIFY_CERTIFICATE.
    CannotVerifyCertificate = 70, "certificate cannot be verified";
    /// KDC_ERR_INVALID_CERTIFICATE.
    InvalidCertificate = 71, "invalid certificate";
    /// KDC_ERR_REVOKED_CERTIFICATE.
    RevokedCertificate = 72, "revoked certificate";
    /// KDC_ERR_REVOCATION_STATUS_UNKNOWN.
    RevocationUnknown = 73, "revocation status unknown";
    /// KDC_ERR_REVOCATION_STATUS_UNAVAILABLE.
    RevocationUnavailable = 74, "revocation status unavailable";
    /// KDC_ERR_CLIENT_NAME_MISMATCH.
    ClientNameMismatch = 75, "client name mismatch";
    /// KDC_ERR_KDC_NAME_MISMATCH.
    KdcNameMismatch = 76, "KDC name mismatch";
    /// KDC_ERR_INCONSISTENT_KEY_PURPOSE (RFC 4556).
    KeyPurpose = 77, "inconsistent key purpose";
    /// KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED (RFC 4556).
    CertificateDigest = 78, "digest in the certificate not accepted";
    /// KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED (RFC 4556).
    PaChecksumMissing = 79, "paChecksum must be included";
    /// KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED (RFC 4556).
    SignedDataDigest = 80, "digest in the signed data not accepted";
    /// KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED (RFC 4556).
    PublicKeyEncryption = 81, "public key encryption not supported";
}

/// A Kerberos message could not be read, opened or believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KerberosError {
    /// The octets do not decode.
    #[error("{message}: {source}")]
    Der {
        /// The message or part that was being read.
        message: &'static str,
        /// What is wrong with it.
        source: DerError,
    },
    /// pvno, tkt-vno or authenticator-vno is not 5.
    #[error("{message}: protocol version {found}, expected 5")]
    Version {
        /// The message.
        message: &'static str,
        /// The version it carries.
        found: i32,
    },
    /// msg-type does not belong to the message.
    #[error("{message}: msg-type {found}, expected {expected}")]
    MessageType {
        /// The message.
        message: &'static str,
        /// The type it should carry.
        expected: i32,
        /// The type it carries.
        found: i32,
    },
    /// An encrypted part or checksum did not verify or could not be processed.
    #[error("{message}: {source}")]
    Crypto {
        /// The message or part.
        message: &'static str,
        /// What went wrong.
        source: CryptoError,
    },
    /// An answer does not belong to what was asked.
    #[error("{message}: {field} differs from what was sent")]
    Mismatch {
        /// The message.
        message: &'static str,
        /// The field that differs.
        field: &'static str,
    },
}

impl KerberosError {
    /// A function that says which message a [`DerError`] happened in.
    pub(super) fn der(message: &'static str) -> impl Fn(DerError) -> Self {
        move |source| Self::Der { message, source }
    }

    /// A function that says which message a [`CryptoError`] happened in.
    pub(super) fn crypto(message: &'static str) -> impl Fn(CryptoError) -> Self {
        move |source| Self::Crypto { message, source }
    }
}

/// Refuses a message whose version is not 5 or whose type is not the expected one.
pub(super) fn check_header(
    message: &'static str,
    version: i32,
    expected: i32,
    found: i32,
) -> Result<(), KerberosError> {
    if version != 5 {
        return Err(KerberosError::Version {
            message,
            found: version,
        });
    }
    if found != expected {
        return Err(KerberosError::MessageType {
            message,
            expected,
            found,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_keeps_its_number() {
        for code in KrbErrorCode::ALL {
            assert_eq!(KrbErrorCode::from_number(code.number()), Some(*code));
            assert!(!code.text().is_empty() && code.text().is_ascii());
        }
        assert_eq!(KrbErrorCode::from_number(30), None);
        assert_eq!(KrbErrorCode::Skew.number(), 37);
    }
}
