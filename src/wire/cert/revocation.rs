//! Certificate revocation lists (RFC 5280 §5), and what an operator decides about them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use openssl::hash::MessageDigest;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::certificate::{name_text, printable, signature_digest, span, verifies};
use super::{CertError, CertWarning, Certificate, VerifiedPath};
use crate::value::Timestamp;
use crate::wire::kerberos::split_der;

/// Issuers of one list whose signature was looked at. Certificates of one name are few: a CA and its renewals.
const ISSUERS: usize = 16;

/// A revocation list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// It is no certificate revocation list.
    #[error("not a certificate revocation list: {0}")]
    Malformed(String),
    /// It speaks of a part of its issuer's certificates, or changes another list (RFC 5280 §5.2.4, §5.2.5).
    #[error("the list of '{0}' has a critical extension: lists of a part, and of changes, are not supported")]
    Partial(String),
    /// Its signature does not verify under the key of the CA that it names.
    #[error("the list of '{0}': its signature does not verify under that CA's key")]
    Signature(String),
}

/// One list. Its signature has not been looked at: that takes its issuer's certificate.
pub struct RevocationList {
    der: Vec<u8>,
    tbs: Range<usize>,
    signature: Range<usize>,
    issuer: Range<usize>,
    digest: Option<MessageDigest>,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When the next one is due, where it says so.
    pub next_update: Option<Timestamp>,
    /// Since when certificates are revoked, by the content octets of their serial numbers.
    revoked: BTreeMap<Vec<u8>, Timestamp>,
    /// Whether its signature verified, by the fingerprint of the certificate it was tried with.
    verified: Mutex<BTreeMap<[u8; 32], bool>>,
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationList({}, {})", self.issuer_text(), self.this_update)
    }
}

impl RevocationList {
    /// Reads one DER list.
    ///
    /// # Errors
    /// `Malformed`, `Partial`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CrlError> {
        let malformed = |reason: &str| CrlError::Malformed(printable(reason));
        let (rest, list) = CertificateRevocationList::from_der(bytes).map_err(|error| malformed(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("octets follow it"));
        }
        let tbs = &list.tbs_cert_list;
        let spans = |part: &[u8]| span(bytes, part).ok_or_else(|| malformed("indefinite lengths"));
        let issuer = name_text(tbs.issuer.as_raw());
        let entries = &tbs.revoked_certificates;
        let critical = |extensions: &[x509_parser::prelude::X509Extension<'_>]| {
            extensions.iter().any(|extension| extension.critical)
        };
        if critical(list.extensions()) || entries.iter().any(|entry| critical(entry.extensions())) {
            return Err(CrlError::Partial(issuer));
        }
        let tbs_span = spans(tbs.as_ref())?;
        let issuer_span = spans(tbs.issuer.as_raw())?;
        // What frames the signed part is not signed, and the parser overlooks wrong identifier octets: the algorithm is
        // octet for octet the one that stands before the issuer, then comes the BIT STRING.
        let framed = bytes.get(tbs_span.end..).and_then(|after| split_der(after).ok());
        let framed = framed.is_some_and(|(algorithm, signature)| {
            let before = bytes.get(..issuer_span.start).unwrap_or_default();
            before.ends_with(algorithm) && signature.first() == Some(&0x03)
        });
        let framed = framed && bytes.first() == Some(&0x30) && list.signature_value.unused_bits == 0;
        if !framed {
            return Err(malformed("two different signature algorithms, or a wrong frame"));
        }
        Ok(Self {
            signature: spans(&list.signature_value.data)?,
            issuer: issuer_span,
            digest: signature_digest(&list.signature_algorithm.algorithm.to_id_string()),
            this_update: Timestamp::from_unix(list.last_update().timestamp()),
            next_update: list.next_update().map(|time| Timestamp::from_unix(time.timestamp())),
            revoked: entries
                .iter()
                .map(|entry| {
                    let since = Timestamp::from_unix(entry.revocation_date.timestamp());
                    (entry.raw_serial().to_vec(), since)
                })
                .collect(),
            verified: Mutex::default(),
            tbs: tbs_span,
            der: bytes.to_vec(),
        })
    }

    /// The issuer's DER Name.
    pub fn issuer(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// The issuer as text, for people.
    pub fn issuer_text(&self) -> String {
        name_text(self.issuer())
    }

    /// How many certificates it names.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// Whether another list was due at `now`.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.next_update.is_some_and(|next| next < now)
    }

    /// Whether `issuer` made this list: it bears the name, may sign lists (RFC 5280 §6.3.3 (f)), and its key verifies the
    /// signature. Each certificate is tried once.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        if issuer.subject() != self.issuer() || issuer.constraints.crl_sign == Some(false) {
            return false;
        }
        let fingerprint = issuer.fingerprint();
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = verified.get(&fingerprint) {
            return *known;
        }
        let (signature, tbs) = (&self.der[self.signature.clone()], &self.der[self.tbs.clone()]);
        let holds = verifies(self.digest, issuer.key(), signature, tbs);
        if verified.len() < ISSUERS {
            verified.insert(fingerprint, holds);
        }
        holds
    }

    fn since(&self, certificate: &Certificate) -> Option<Timestamp> {
        self.revoked.get(certificate.serial()).copied()
    }
}

/// What is done about a list after the time at which the next one was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StalePolicy {
    /// What its issuer certified is refused: who is revoked since is not known.
    #[default]
    Enforce,
    /// The list goes on being used, and that is said.
    Warn,
    /// The list goes on being used.
    Ignore,
}

/// What is done about certificates of a CA that no list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingPolicy {
    /// They count as not revoked.
    #[default]
    Ignore,
    /// They are refused.
    Refuse,
}

/// The operator's lists, and the decisions about them.
#[derive(Debug, Default)]
pub struct RevocationLists {
    lists: Vec<RevocationList>,
    /// About lists whose time is over.
    stale: StalePolicy,
    /// About CAs without a list.
    missing: MissingPolicy,
}

impl RevocationLists {
    /// These lists. Those of the `known` CAs are verified now, the others when a chain brings their issuer's
    /// certificate.
    ///
    /// # Errors
    /// `Signature` for a list that no known CA of its issuer's name has signed.
    pub fn new(lists: Vec<RevocationList>, known: &[Certificate]) -> Result<Self, CrlError> {
        for list in &lists {
            let mut namesakes = known.iter().filter(|known| known.subject() == list.issuer()).peekable();
            if namesakes.peek().is_some() && !namesakes.any(|known| list.is_signed_by(known)) {
                return Err(CrlError::Signature(list.issuer_text()));
            }
        }
        Ok(Self {
            lists,
            ..Self::default()
        })
    }

    /// The same lists under these decisions.
    pub fn under(self, stale: StalePolicy, missing: MissingPolicy) -> Self {
        Self { stale, missing, ..self }
    }

    /// The lists.
    pub fn lists(&self) -> &[RevocationList] {
        &self.lists
    }

    /// Judges every certificate of a verified chain below its anchor.
    ///
    /// # Errors
    /// `Revoked`; `RevocationStale` and `RevocationUnknown` where the operator refuses these.
    pub(super) fn judge(&self, path: &VerifiedPath, now: Timestamp) -> Result<Vec<CertWarning>, CertError> {
        if self.lists.is_empty() && self.missing == MissingPolicy::Ignore {
            return Ok(Vec::new());
        }
        let mut warnings = Vec::new();
        for (certificate, issuer) in path.certificates().zip(&path.authorities) {
            warnings.extend(self.judge_one(certificate, issuer, now)?);
        }
        Ok(warnings)
    }

    fn judge_one(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Option<CertWarning>, CertError> {
        let own = self.lists.iter().filter(|list| list.is_signed_by(issuer));
        let Some(list) = own.max_by_key(|list| list.this_update) else {
            return match self.missing {
                MissingPolicy::Ignore => Ok(None),
                MissingPolicy::Refuse => Err(CertError::RevocationUnknown(issuer.subject_text())),
            };
        };
        if let Some(since) = list.since(certificate).filter(|since| *since <= now) {
            return Err(CertError::Revoked {
                subject: certificate.subject_text(),
                since,
            });
        }
        let Some(due) = list.next_update.filter(|_| list.is_stale(now)) else {
            return Ok(None);
        };
        let issuer = issuer.subject_text();
        match self.stale {
            StalePolicy::Ignore => Ok(None),
            StalePolicy::Warn => Ok(Some(CertWarning::StaleList { issuer, due })),
            StalePolicy::Enforce => Err(CertError::RevocationStale { issuer, due }),
        }
    }
}

/// How an operator names a manufacturer CA.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ManufacturerName {
    /// By the SHA-256 fingerprint of its certificate.
    Fingerprint([u8; 32]),
    /// By its subject: the whole name as this program writes it, or the common name alone.
    Subject(String),
    /// By its issuer, likewise, and the content octets of its serial number.
    Serial {
        /// The issuer.
        issuer: String,
        /// The serial number, without leading zeros.
        serial: Vec<u8>,
    },
}

impl ManufacturerName {
    fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => *fingerprint == certificate.fingerprint(),
            Self::Subject(name) => {
                *name == certificate.subject_text() || certificate.common_names.iter().any(|own| own == name)
            }
            Self::Serial { issuer, serial } => {
                let own = super::der::without_leading_zeros(certificate.serial());
                own == serial.as_slice()
                    && (*issuer == certificate.issuer_text()
                        || certificate.issuer_common_name() == Some(issuer.clone()))
            }
        }
    }
}

/// Since when manufacturer CAs are revoked, by the operator's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedManufacturers(pub BTreeMap<ManufacturerName, Timestamp>);

impl RevokedManufacturers {
    /// Since when `certificate` is revoked; the earliest time where several names are its own.
    pub fn since(&self, certificate: &Certificate) -> Option<Timestamp> {
        let own = self.0.iter().filter(|(name, _)| name.names(certificate));
        own.map(|(_, since)| *since).min()
    }
}
