//! What the operator decides about certificates.

use std::fmt;
use std::sync::Arc;

use super::{CertError, Certificate, RevocationLists, RevokedManufacturers};
use crate::value::Timestamp;

/// What to do about a certificate outside its validity. Many roots and manufacturer CAs of 2000 and 2001 have
/// expired while their devices are still in use (fact sheet security §5, LIKELY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryPolicy {
    /// Refuse it.
    #[default]
    Enforce,
    /// Accept it and say so.
    Warn,
    /// Accept it.
    Ignore,
}

/// The operator's decisions. The default enforces validity everywhere and knows no revocation.
#[derive(Debug, Clone, Default)]
pub struct CertPolicy {
    /// For end-entity certificates: the device's, the KDC's.
    pub end_entity: ExpiryPolicy,
    /// For CA certificates, the anchor among them.
    pub authority: ExpiryPolicy,
    /// When manufacturer certificates were revoked, by the operator's word. The KDC passes the time on in the
    /// MTA-FQDN request, where the provisioning server weighs it (fact sheet security §3.1).
    pub revoked_manufacturers: RevokedManufacturers,
    /// Refuse devices of a revoked manufacturer at the KDC already.
    pub refuse_revoked: bool,
    /// Revocation lists. What they name is refused.
    pub lists: Arc<RevocationLists>,
}

/// Something odd that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertWarning {
    /// A certificate outside its validity, by its subject.
    OutsideValidity {
        /// Whose certificate.
        subject: String,
        /// The last instant of its validity.
        not_after: Timestamp,
    },
    /// A revocation list is used after the time at which the next one was due.
    StaleList {
        /// Whose list.
        issuer: String,
        /// When the next one was due.
        due: Timestamp,
    },
    /// The end entity's keyUsage does not allow signatures, yet it signed.
    NoDigitalSignature,
    /// The end entity's certificate is a CA's.
    EndEntityIsAuthority,
}

impl fmt::Display for CertWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideValidity { subject, not_after } => {
                write!(
                    f,
                    "the certificate of '{subject}', valid to {not_after}, is outside its validity"
                )
            }
            Self::StaleList { issuer, due } => {
                write!(
                    f,
                    "the revocation list of '{issuer}' is old: the next one was due at {due}"
                )
            }
            Self::NoDigitalSignature => f.write_str("keyUsage does not allow digital signatures"),
            Self::EndEntityIsAuthority => f.write_str("the end-entity certificate is a CA's"),
        }
    }
}

impl ExpiryPolicy {
    /// Judges one certificate's dates at `now`.
    fn judge(self, certificate: &Certificate, now: Timestamp) -> Result<Option<CertWarning>, CertError> {
        let valid = (certificate.not_before..=certificate.not_after).contains(&now);
        match self {
            _ if valid => Ok(None),
            Self::Ignore => Ok(None),
            Self::Warn => Ok(Some(CertWarning::OutsideValidity {
                subject: certificate.subject_text(),
                not_after: certificate.not_after,
            })),
            Self::Enforce => Err(CertError::Expired {
                subject: certificate.subject_text(),
                not_before: certificate.not_before,
                not_after: certificate.not_after,
            }),
        }
    }
}

impl CertPolicy {
    /// Judges a verified chain at `now`: its dates, what revocation lists say of it, and what is odd about its end entity.
    ///
    /// # Errors
    /// `Expired` where a certificate is outside its validity and its kind's policy enforces that; `Revoked`,
    /// `RevocationStale`, `RevocationUnknown`.
    pub(super) fn judge(&self, path: &super::VerifiedPath, now: Timestamp) -> Result<Vec<CertWarning>, CertError> {
        let mut warnings = Vec::new();
        warnings.extend(self.end_entity.judge(&path.leaf, now)?);
        for authority in &path.authorities {
            warnings.extend(self.authority.judge(authority, now)?);
        }
        warnings.extend(self.lists.judge(path, now)?);
        if path.leaf.constraints.digital_signature == Some(false) {
            warnings.push(CertWarning::NoDigitalSignature);
        }
        if path.leaf.constraints.ca == Some(true) {
            warnings.push(CertWarning::EndEntityIsAuthority);
        }
        Ok(warnings)
    }
}
