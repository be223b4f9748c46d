//! One certificate, read once.

use std::fmt;
use std::ops::Range;

use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use super::{CertError, der};
use crate::value::Timestamp;
use crate::wire::kerberos::split_der;

/// Public exponents longer than this serve only to keep a verifier busy.
const MAX_EXPONENT_OCTETS: usize = 8;

/// A certificate with an RSA key, parsed into what the PacketCable profiles look at (fact sheet security §5).
///
/// The signature has not been looked at: [`Certificate::is_signed_by`] does that.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    subject: Range<usize>,
    issuer: Range<usize>,
    serial: Range<usize>,
    spki: Range<usize>,
    key_bits: Range<usize>,
    signature: Range<usize>,
    digest: Option<MessageDigest>,
    key: PKey<Public>,
    /// First instant of the validity period.
    pub not_before: Timestamp,
    /// Last instant of the validity period.
    pub not_after: Timestamp,
    /// Every common name of the subject, in order.
    pub common_names: Vec<String>,
    /// The first organisation name of the subject.
    pub organisation: Option<String>,
    /// What the extensions say.
    pub constraints: Constraints,
    /// otherName values of the subjectAltName: the type's arcs in dotted form, and the value's DER.
    pub other_names: Vec<(String, Vec<u8>)>,
    /// The subjectKeyIdentifier, where there is one.
    pub subject_key_id: Option<Vec<u8>>,
}

/// The extensions that decide what a key may do (RFC 5280 §4.2.1.3, §4.2.1.9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// basicConstraints' cA; `None` where the extension is absent.
    pub ca: Option<bool>,
    /// basicConstraints' pathLenConstraint.
    pub path_length: Option<u32>,
    /// keyUsage's keyCertSign; `None` where the extension is absent.
    pub cert_sign: Option<bool>,
    /// keyUsage's cRLSign; `None` where the extension is absent.
    pub crl_sign: Option<bool>,
    /// keyUsage's digitalSignature; `None` where the extension is absent.
    pub digital_signature: Option<bool>,
    /// extendedKeyUsage's purposes in dotted form; `None` where the extension is absent.
    pub purposes: Option<Vec<String>>,
}

/// Whether what stands around the signed part is what belongs there: the SEQUENCE, the signature algorithm octet for octet
/// as the signed part has it after its serial number (RFC 5280 §4.1.1.2), the BIT STRING. None of it is signed, and the
/// parser overlooks wrong identifier octets.
fn is_framed(certificate: &[u8], tbs: &[u8], serial: &[u8]) -> bool {
    let (Some(tbs), Some(serial)) = (span(certificate, tbs), span(certificate, serial)) else {
        return false;
    };
    let (Some(after_tbs), Some(after_serial)) = (certificate.get(tbs.end..), certificate.get(serial.end..)) else {
        return false;
    };
    let Ok((algorithm, signature)) = split_der(after_tbs) else {
        return false;
    };
    certificate.first() == Some(&0x30) && after_serial.starts_with(algorithm) && signature.first() == Some(&0x03)
}

impl Certificate {
    /// Reads one DER certificate. `position` is only for the error.
    ///
    /// # Errors
    /// `Malformed` where it is no X.509 certificate or bears a critical extension that is not understood
    /// (RFC 5280 §4.2), `Key` where its key is not RSA of 1024 to 4096 bits.
    pub fn parse(bytes: &[u8], position: usize) -> Result<Self, CertError> {
        let malformed = |reason: &str| CertError::Malformed {
            position,
            reason: printable(reason),
        };
        let (rest, parsed) =
            X509Certificate::from_der(bytes).map_err(|error| malformed(&format!("not X.509: {error}")))?;
        if !rest.is_empty() {
            return Err(malformed("octets follow the certificate"));
        }
        let tbs = &parsed.tbs_certificate;
        let whole = parsed.signature_value.unused_bits == 0;
        if !whole || !is_framed(bytes, tbs.as_ref(), tbs.raw_serial()) {
            return Err(malformed("two different signature algorithms, or a wrong frame"));
        }
        let spans = |part: &[u8]| span(bytes, part).ok_or_else(|| malformed("indefinite lengths"));
        let (constraints, other_names) = extensions(&parsed).map_err(malformed)?;
        Ok(Self {
            tbs: spans(tbs.as_ref())?,
            subject: spans(tbs.subject.as_raw())?,
            issuer: spans(tbs.issuer.as_raw())?,
            serial: spans(tbs.raw_serial())?,
            spki: spans(tbs.subject_pki.raw)?,
            key_bits: spans(&tbs.subject_pki.subject_public_key.data)?,
            signature: spans(&parsed.signature_value.data)?,
            digest: signature_digest(&parsed.signature_algorithm.algorithm.to_id_string()),
            key: rsa_key(&parsed)?,
            not_before: Timestamp::from_unix(tbs.validity.not_before.timestamp()),
            not_after: Timestamp::from_unix(tbs.validity.not_after.timestamp()),
            common_names: tbs.subject.iter_common_name().map(|cn| text(cn.as_slice())).collect(),
            organisation: tbs.subject.iter_organization().map(|o| text(o.as_slice())).next(),
            constraints,
            other_names,
            subject_key_id: subject_key_id(&parsed),
            der: bytes.to_vec(),
        })
    }

    /// The certificate's DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject's DER Name.
    pub fn subject(&self) -> &[u8] {
        &self.der[self.subject.clone()]
    }

    /// The issuer's DER Name.
    pub fn issuer(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// The serial number's content octets (two's complement, big-endian), of any length.
    pub fn serial(&self) -> &[u8] {
        &self.der[self.serial.clone()]
    }

    /// The subject's public key.
    pub fn key(&self) -> &PKey<Public> {
        &self.key
    }

    /// The subject as text, for people: at most 160 characters, control characters replaced.
    pub fn subject_text(&self) -> String {
        name_text(self.subject())
    }

    /// The issuer as text, likewise.
    pub fn issuer_text(&self) -> String {
        name_text(self.issuer())
    }

    /// SHA-1 over the DER SubjectPublicKeyInfo: the key hash of the MTA-FQDN exchange (profile P19).
    pub fn spki_sha1(&self) -> [u8; 20] {
        Sha1::digest(&self.der[self.spki.clone()]).into()
    }

    /// SHA-1 over the content of the key's BIT STRING: the alternative key hash of profile P19.
    pub fn key_bits_sha1(&self) -> [u8; 20] {
        Sha1::digest(&self.der[self.key_bits.clone()]).into()
    }

    /// SHA-256 over the whole certificate: its name in the operator's data.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether this certificate's signature verifies under `issuer`'s key: RSA PKCS#1 v1.5 with SHA-1 or the SHA-2
    /// family over the octets of tbsCertificate as received. Nothing else about the issuer is looked at.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let signature = &self.der[self.signature.clone()];
        let tbs = &self.der[self.tbs.clone()];
        verifies(self.digest, &issuer.key, signature, tbs)
    }

    /// The last common name of the issuer.
    pub fn issuer_common_name(&self) -> Option<String> {
        let (_, issuer) = X509Name::from_der(self.issuer()).ok()?;
        issuer.iter_common_name().map(|cn| text(cn.as_slice())).last()
    }

    /// The content of the first otherName of `oid` (dotted) in the subjectAltName.
    pub fn other_name(&self, oid: &str) -> Option<&[u8]> {
        self.other_names
            .iter()
            .find(|(found, _)| found == oid)
            .map(|(_, value)| value.as_slice())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.subject_text())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Where `part` lies within `whole`, or `None` where it is not a slice of it.
pub(super) fn span(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// Whether `signature` over `signed` verifies under `key`: RSA PKCS#1 v1.5 with `digest`, which is `None` for algorithms
/// that are not verified.
pub(super) fn verifies(digest: Option<MessageDigest>, key: &PKey<Public>, signature: &[u8], signed: &[u8]) -> bool {
    let Some(digest) = digest else { return false };
    Verifier::new(digest, key)
        .and_then(|mut verifier| verifier.verify_oneshot(signature, signed))
        .unwrap_or(false)
}

/// The digest of a signature algorithm (RFC 3279 §2.2.1, RFC 4055 §5), `None` for those that are not verified.
pub(super) fn signature_digest(oid: &str) -> Option<MessageDigest> {
    match oid {
        "1.2.840.113549.1.1.5" => Some(MessageDigest::sha1()),
        "1.2.840.113549.1.1.11" => Some(MessageDigest::sha256()),
        "1.2.840.113549.1.1.12" => Some(MessageDigest::sha384()),
        "1.2.840.113549.1.1.13" => Some(MessageDigest::sha512()),
        _ => None,
    }
}

/// The RSA key, built from its numbers: OpenSSL's own decoders take ten times as long.
fn rsa_key(parsed: &X509Certificate<'_>) -> Result<PKey<Public>, CertError> {
    let refused = |found: &str| CertError::Key {
        subject: name_text(parsed.subject().as_raw()),
        found: found.to_owned(),
    };
    let Ok(PublicKey::RSA(rsa)) = parsed.public_key().parsed() else {
        return Err(refused("not RSA"));
    };
    let modulus = der::without_leading_zeros(rsa.modulus);
    let exponent = der::without_leading_zeros(rsa.exponent);
    let bits = (modulus.len() * 8).saturating_sub(modulus.first().map_or(0, |first| first.leading_zeros() as usize));
    if !(1024..=4096).contains(&bits) {
        return Err(refused(&format!("RSA of {bits} bits")));
    }
    let usable = exponent.len() <= MAX_EXPONENT_OCTETS && exponent.last().is_some_and(|low| low % 2 == 1);
    if !usable || exponent == [1] {
        return Err(refused("RSA with an unusable public exponent"));
    }
    BigNum::from_slice(modulus)
        .and_then(|n| Rsa::from_public_components(n, BigNum::from_slice(exponent)?))
        .and_then(PKey::from_rsa)
        .map_err(|_| refused("RSA that OpenSSL does not take"))
}

type OtherNames = Vec<(String, Vec<u8>)>;

/// What the extensions say, or why they forbid using the certificate.
fn extensions(parsed: &X509Certificate<'_>) -> Result<(Constraints, OtherNames), &'static str> {
    let mut constraints = Constraints::default();
    let mut other_names = Vec::new();
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(basic) if constraints.ca.is_none() => {
                constraints.ca = Some(basic.ca);
                constraints.path_length = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) if constraints.cert_sign.is_none() => {
                constraints.cert_sign = Some(usage.key_cert_sign());
                constraints.crl_sign = Some(usage.crl_sign());
                constraints.digital_signature = Some(usage.digital_signature());
            }
            ParsedExtension::BasicConstraints(_) | ParsedExtension::KeyUsage(_) => return Err("an extension twice"),
            ParsedExtension::SubjectAlternativeName(names) => {
                other_names.extend(names.general_names.iter().filter_map(|name| match name {
                    // What follows the type is the value's explicit tag [0].
                    GeneralName::OtherName(oid, value) => {
                        Some((oid.to_id_string(), der::content(0xa0, value)?.to_vec()))
                    }
                    _ => None,
                }))
            }
            // Whether a purpose or a policy fits is left open: devices carry odd ones or none (fact sheet security §5).
            ParsedExtension::ExtendedKeyUsage(usage) if constraints.purposes.is_none() => {
                constraints.purposes = Some(purposes(usage));
            }
            ParsedExtension::ExtendedKeyUsage(_) | ParsedExtension::CertificatePolicies(_) => {}
            _ if extension.critical => return Err("a critical extension that is not understood"),
            _ => {}
        }
    }
    Ok((constraints, other_names))
}

/// The purposes of an extendedKeyUsage (RFC 5280 §4.2.1.12) in dotted form.
fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    const ID_KP: &str = "1.3.6.1.5.5.7.3";
    let known = [
        (usage.any, "2.5.29.37.0".to_owned()),
        (usage.server_auth, format!("{ID_KP}.1")),
        (usage.client_auth, format!("{ID_KP}.2")),
        (usage.code_signing, format!("{ID_KP}.3")),
        (usage.email_protection, format!("{ID_KP}.4")),
        (usage.time_stamping, format!("{ID_KP}.8")),
        (usage.ocsp_signing, format!("{ID_KP}.9")),
    ];
    let known = known
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, purpose)| purpose);
    known
        .chain(usage.other.iter().map(|purpose| purpose.to_id_string()))
        .collect()
}

/// The key identifier that the certificate carries (RFC 5280 §4.2.1.2).
fn subject_key_id(parsed: &X509Certificate<'_>) -> Option<Vec<u8>> {
    parsed
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

/// A DER Name as text for people.
pub(super) fn name_text(name: &[u8]) -> String {
    X509Name::from_der(name).map_or_else(|_| "?".to_owned(), |(_, name)| printable(&name.to_string()))
}

/// An attribute's octets as text, whichever string type it has; octets that are no UTF-8 are replaced.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// `text` cut to 160 characters, control characters replaced: it comes from a stranger and goes to a log.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(160)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
