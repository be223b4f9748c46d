//! From an end-entity certificate up to a configured root.

use super::{CertError, Certificate};

/// How many certificates of one message are read: a device sends two or three.
pub const MAX_CERTIFICATES: usize = 8;

/// How many CA certificates may stand above the end entity, the root among them
/// (service provider root, service provider CA, local system CA: fact sheet security §5).
pub const MAX_AUTHORITIES: usize = 3;

/// The roots that chains are verified against. A CA below the real root may stand here as well.
#[derive(Debug, Clone, Default)]
pub struct TrustAnchors(Vec<Certificate>);

impl TrustAnchors {
    /// Anchors from DER certificates.
    ///
    /// # Errors
    /// `Malformed` or `Key` for the first certificate that cannot be used, by its position.
    pub fn from_der<C: AsRef<[u8]>>(certificates: impl IntoIterator<Item = C>) -> Result<Self, CertError> {
        certificates
            .into_iter()
            .enumerate()
            .map(|(position, certificate)| Certificate::parse(certificate.as_ref(), position))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The anchors' certificates, in the order given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }
}

/// A chain whose names and signatures hold, up to and with its anchor. Dates have not been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPath {
    /// The end-entity certificate.
    pub leaf: Certificate,
    /// The authorities above it, nearest first; the last is the anchor. Never empty.
    pub authorities: Vec<Certificate>,
}

impl VerifiedPath {
    /// Finds the way from `leaf` to an anchor through `others`, which may stand in any order and hold strangers.
    ///
    /// Where several certificates bear the issuer's name, anchors are tried first, then those that expire last.
    /// The number of signatures verified is at most [`MAX_AUTHORITIES`] times the number of certificates at hand.
    ///
    /// # Errors
    /// See [`CertError`]; `IssuerUnknown`, `NotTrusted`, `Signature`, `NotAnAuthority` and `TooLong` arise here.
    pub fn build(leaf: &Certificate, others: &[Certificate], anchors: &TrustAnchors) -> Result<Self, CertError> {
        let mut authorities: Vec<Certificate> = Vec::new();
        while authorities.len() < MAX_AUTHORITIES {
            let below = authorities.last().unwrap_or(leaf);
            let anchor = issuers(below, anchors.certificates()).find(|anchor| below.is_signed_by(anchor));
            if let Some(anchor) = anchor {
                authorities.push(anchor.clone());
                return Ok(Self {
                    leaf: leaf.clone(),
                    authorities,
                });
            }
            let issuer = next_issuer(below, authorities.len(), others, anchors)?;
            check_authority(issuer, authorities.len())?;
            authorities.push(issuer.clone());
        }
        Err(CertError::TooLong)
    }

    /// Every certificate, the end entity first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.authorities)
    }

    /// The certificate directly below the anchor: the end entity itself where the anchor issued it.
    pub fn below_anchor(&self) -> &Certificate {
        self.authorities.iter().rev().nth(1).unwrap_or(&self.leaf)
    }
}

/// Reads the certificates of a message.
///
/// # Errors
/// `Empty`, `TooMany`, and what [`Certificate::parse`] says.
pub(crate) fn parse_all<C: AsRef<[u8]>>(chain: &[C]) -> Result<Vec<Certificate>, CertError> {
    match chain.len() {
        0 => Err(CertError::Empty),
        count if count > MAX_CERTIFICATES => Err(CertError::TooMany(count)),
        _ => (0..)
            .zip(chain)
            .map(|(position, certificate)| Certificate::parse(certificate.as_ref(), position))
            .collect(),
    }
}

/// The certificates of `among` that bear the name of `below`'s issuer.
fn issuers<'a>(below: &Certificate, among: &'a [Certificate]) -> impl Iterator<Item = &'a Certificate> {
    among
        .iter()
        .filter(move |candidate| candidate.subject() == below.issuer())
}

/// The certificate among `others` that signed `below`, which stands at `position` of the chain.
fn next_issuer<'a>(
    below: &Certificate,
    position: usize,
    others: &'a [Certificate],
    anchors: &TrustAnchors,
) -> Result<&'a Certificate, CertError> {
    if below.is_self_issued() {
        return Err(CertError::NotTrusted(below.subject_text()));
    }
    let mut candidates: Vec<&Certificate> = issuers(below, others).collect();
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.not_after));
    let nobody = candidates.is_empty() && issuers(below, anchors.certificates()).next().is_none();
    if nobody {
        return Err(CertError::IssuerUnknown(below.issuer_text()));
    }
    candidates
        .into_iter()
        .find(|candidate| below.is_signed_by(candidate))
        .ok_or_else(|| CertError::Signature {
            position,
            subject: below.subject_text(),
        })
}

/// Whether `issuer`, with `below` authorities between it and the end entity, may sign certificates.
///
/// Lenient (fact sheet security §5): one of basicConstraints and keyUsage may be missing. Not both: a device
/// certificate with neither could otherwise vouch for any other MAC address.
fn check_authority(issuer: &Certificate, below: usize) -> Result<(), CertError> {
    let constraints = &issuer.constraints;
    let refuse = |reason| {
        Err(CertError::NotAnAuthority {
            subject: issuer.subject_text(),
            reason,
        })
    };
    match (constraints.ca, constraints.cert_sign) {
        (Some(false), _) => refuse("basicConstraints say it is no CA"),
        (_, Some(false)) => refuse("keyUsage lacks keyCertSign"),
        (None, None) => refuse("neither basicConstraints nor keyUsage say it is a CA"),
        _ if constraints.path_length.is_some_and(|limit| (limit as usize) < below) => {
            refuse("its pathLenConstraint is exceeded")
        }
        _ => Ok(()),
    }
}
