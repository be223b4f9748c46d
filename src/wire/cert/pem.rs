//! PEM in and out (RFC 7468).

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use x509_parser::pem::Pem;

use crate::value::Secret;

/// A PEM text that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No certificate, or one that cannot be read.
    #[error("no readable certificate in the PEM text")]
    Certificate,
    /// No certificate revocation list, or one that cannot be read.
    #[error("no readable revocation list (X509 CRL, or DER)")]
    Crl,
    /// No RSA private key, or one that cannot be read (an encrypted one cannot).
    #[error("no readable RSA private key in the PEM text")]
    Key,
}

/// The DER certificates of a PEM text, in order: at least one.
///
/// # Errors
/// `Certificate` where there is none or one is damaged.
pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let certificates = X509::stack_from_pem(text).map_err(|_| PemError::Certificate)?;
    if certificates.is_empty() {
        return Err(PemError::Certificate);
    }
    certificates
        .iter()
        .map(|certificate| certificate.to_der().map_err(|_| PemError::Certificate))
        .collect()
}

/// The DER revocation lists of a file: PEM with any number of them, or one DER list. Nothing else may stand in it.
///
/// # Errors
/// `Crl` where there is none or one is damaged.
pub fn crls_from_file(octets: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    if octets.first() == Some(&0x30) {
        return Ok(vec![octets.to_vec()]);
    }
    let lists: Option<Vec<Vec<u8>>> = Pem::iter_from_buffer(octets)
        .map(|pem| pem.ok().filter(|pem| pem.label == "X509 CRL").map(|pem| pem.contents))
        .collect();
    lists.filter(|lists| !lists.is_empty()).ok_or(PemError::Crl)
}

/// DER certificates as one PEM text.
///
/// # Errors
/// `Certificate` where one of them is none.
pub fn certificates_to_pem<C: AsRef<[u8]>>(certificates: &[C]) -> Result<String, PemError> {
    certificates
        .iter()
        .map(|der| {
            let pem = X509::from_der(der.as_ref()).and_then(|certificate| certificate.to_pem());
            pem.ok().and_then(|pem| String::from_utf8(pem).ok())
        })
        .collect::<Option<String>>()
        .ok_or(PemError::Certificate)
}

/// The RSA private key of a PEM text, PKCS#8 or PKCS#1, not encrypted.
///
/// # Errors
/// `Key` where there is none.
pub fn key_from_pem(text: &[u8]) -> Result<PKey<Private>, PemError> {
    // An empty passphrase keeps OpenSSL from asking the terminal for one.
    PKey::private_key_from_pem_passphrase(text, b"")
        .ok()
        .filter(|key| key.rsa().is_ok())
        .ok_or(PemError::Key)
}

/// A private key as PEM text (PKCS#8, not encrypted).
///
/// # Errors
/// `Key` where OpenSSL cannot write it.
pub fn key_to_pem(key: &PKey<Private>) -> Result<Secret, PemError> {
    key.private_key_to_pem_pkcs8()
        .map(Secret::new)
        .map_err(|_| PemError::Key)
}
