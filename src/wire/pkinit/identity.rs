//! One's own certificate with its private key: the KDC's, or a device's.

use openssl::pkey::{PKey, Private};

use super::PkinitError;
use super::asn1::{IssuerAndSerialNumber, read};
use crate::wire::cert::{CertError, Certificate, der, parse_all};

/// A certificate chain and the private key of its first certificate, read once and used for every message.
#[derive(Debug, Clone)]
pub struct Identity {
    chain: Vec<Certificate>,
    leaf: Certificate,
    key: PKey<Private>,
}

impl Identity {
    /// From DER certificates, one's own first, and its private key. The others are sent along; leave the root out.
    ///
    /// # Errors
    /// `Certificate` where one cannot be read, `Internal` where the key is another certificate's.
    pub fn new<C: AsRef<[u8]>>(chain: &[C], key: PKey<Private>) -> Result<Self, PkinitError> {
        let chain = parse_all(chain)?;
        let leaf = chain.first().ok_or(CertError::Empty)?.clone();
        if !key.public_eq(leaf.key()) {
            return Err(PkinitError::Internal(format!(
                "the private key does not fit the certificate of '{}'",
                leaf.subject_text()
            )));
        }
        Ok(Self { chain, leaf, key })
    }

    /// One's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.leaf
    }

    /// The certificates that are sent, one's own first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The private key.
    pub(crate) fn key(&self) -> &PKey<Private> {
        &self.key
    }
}

/// How CMS names a certificate.
pub(super) fn issuer_and_serial(certificate: &Certificate) -> IssuerAndSerialNumber {
    IssuerAndSerialNumber {
        issuer: certificate.issuer().to_vec().into(),
        serial_number: der::tlv(0x02, certificate.serial()).into(),
    }
}

/// Whether `name` is `certificate`'s. Serial numbers may be of any length (profile P40) and padded.
pub(super) fn names(name: &IssuerAndSerialNumber, certificate: &Certificate) -> bool {
    let serial = der::content(0x02, name.serial_number.as_bytes()).map(der::without_leading_zeros);
    name.issuer.as_bytes() == certificate.issuer() && serial == Some(der::without_leading_zeros(certificate.serial()))
}

/// Whether the DER SignerIdentifier (RFC 5652 §5.3) is `certificate`'s: by issuer and serial number, or by the key
/// identifier that the certificate carries. Heimdal tags the latter explicitly.
pub(super) fn identifies(signer: &[u8], certificate: &Certificate) -> bool {
    let explicit = || der::content(0x04, der::content(0xa0, signer)?);
    match der::content(0x80, signer).or_else(explicit) {
        Some(key_id) => certificate.subject_key_id.as_deref() == Some(key_id),
        None => read(signer, "SignerIdentifier").is_ok_and(|name| names(&name, certificate)),
    }
}
