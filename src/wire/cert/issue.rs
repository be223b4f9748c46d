//! A look-alike certificate hierarchy (fact sheet security §5): both roots, a manufacturer CA, devices, a service
//! provider CA, a KDC and a bootstrapping server. RSA, SHA-1 or SHA-256.
//!
//! Everything but the keys is an argument, and PKCS#1 v1.5 signatures are deterministic: the same terms and keys give
//! the same certificate.

use std::net::IpAddr;

use openssl::asn1::{Asn1Object, Asn1Time};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameBuilder};

use super::provider::{KDC_PURPOSE, PKINIT_SAN, kdc_kerberos_name};
use crate::value::{Fqdn, MacAddress, Random, Realm, Timestamp};

/// Why a certificate could not be issued.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IssueError {
    /// OpenSSL refused a value: a name longer than 64 characters, most likely.
    #[error("the certificate cannot be made: {0}")]
    OpenSsl(#[from] ErrorStack),
    /// The realm cannot stand in a Kerberos name.
    #[error("the realm cannot be written as a Kerberos name")]
    Realm,
}

/// The digest of a certificate's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureDigest {
    /// sha1WithRSAEncryption, as the PacketCable hierarchies have it.
    #[default]
    Sha1,
    /// sha256WithRSAEncryption.
    Sha256,
}

/// What is the same about every certificate of one issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Serial number, 1 to 2^63 - 1.
    pub serial: u64,
    /// First instant of the validity, to the second.
    pub not_before: Timestamp,
    /// Last instant of the validity, to the second.
    pub not_after: Timestamp,
    /// The signature's digest.
    pub digest: SignatureDigest,
}

impl Terms {
    /// Terms with a random serial number, SHA-1, and `years` of 365 days of validity from `not_before`.
    pub fn new(random: &mut dyn Random, not_before: Timestamp, years: u32) -> Self {
        let mut serial = [0; 8];
        random.fill(&mut serial);
        Self {
            serial: (u64::from_be_bytes(serial) >> 1).max(1),
            not_before,
            not_after: Timestamp::from_unix(not_before.unix().saturating_add(i64::from(years) * 365 * 86_400)),
            digest: SignatureDigest::Sha1,
        }
    }
}

/// A certificate with its private key: an issued one, or one loaded to issue others.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The certificate's DER.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: PKey<Private>,
}

/// A new RSA key of `bits` (1024 or 2048 for devices, 2048 for CAs), public exponent 65537. The randomness is
/// OpenSSL's own.
///
/// # Errors
/// Where OpenSSL cannot make one.
pub fn generate_key(bits: u32) -> Result<PKey<Private>, IssueError> {
    Ok(Rsa::generate(bits).and_then(PKey::from_rsa)?)
}

/// The self-signed device root.
///
/// # Errors
/// See [`IssueError`].
pub fn mta_root(key: PKey<Private>, terms: &Terms) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, "CableLabs Look-alike"),
        (Nid::ORGANIZATIONALUNITNAME, "PacketCable"),
        (Nid::COMMONNAME, "PacketCable Root Device Certificate Authority"),
    ])?;
    issue(None, key, &name, terms, &authority_extensions(None)?)
}

/// A manufacturer CA for `company`, below the device root.
///
/// # Errors
/// See [`IssueError`].
pub fn manufacturer_ca(
    issuer: &Credential,
    key: PKey<Private>,
    company: &str,
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, company),
        (Nid::ORGANIZATIONALUNITNAME, "PacketCable"),
        (Nid::COMMONNAME, &format!("{company} PacketCable CA")),
    ])?;
    issue(Some(issuer), key, &name, terms, &authority_extensions(Some(0))?)
}

/// A device certificate: its common name is the MAC address in upper-case hexadecimal with colons.
///
/// # Errors
/// See [`IssueError`].
pub fn device(
    issuer: &Credential,
    key: PKey<Private>,
    mac: MacAddress,
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, "Look-alike Manufacturer"),
        (Nid::ORGANIZATIONALUNITNAME, "PacketCable"),
        (Nid::COMMONNAME, &mac.upper()),
    ])?;
    let usage = KeyUsage::new()
        .critical()
        .digital_signature()
        .key_encipherment()
        .build()?;
    issue(Some(issuer), key, &name, terms, &[usage])
}

/// The self-signed service provider root.
///
/// # Errors
/// See [`IssueError`].
pub fn provider_root(key: PKey<Private>, terms: &Terms) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, "CableLabs Look-alike"),
        (Nid::COMMONNAME, "CableLabs Service Provider Root CA"),
    ])?;
    issue(None, key, &name, terms, &authority_extensions(None)?)
}

/// The CA of the service provider `organisation`, below the service provider root (profile P35).
///
/// # Errors
/// See [`IssueError`].
pub fn provider_ca(
    issuer: &Credential,
    key: PKey<Private>,
    organisation: &str,
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, organisation),
        (Nid::COMMONNAME, "CableLabs Service Provider CA"),
    ])?;
    issue(Some(issuer), key, &name, terms, &authority_extensions(None)?)
}

/// A local system CA of `organisation` for `system`, below its service provider CA.
///
/// # Errors
/// See [`IssueError`].
pub fn local_system_ca(
    issuer: &Credential,
    key: PKey<Private>,
    organisation: &str,
    system: &str,
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, organisation),
        (Nid::ORGANIZATIONALUNITNAME, system),
        (Nid::COMMONNAME, "CableLabs Local System CA"),
    ])?;
    issue(Some(issuer), key, &name, terms, &authority_extensions(Some(0))?)
}

/// The certificate of the KDC `fqdn` of `realm`: id-pkinit-san krbtgt/REALM, its name as dNSName, and the purpose that
/// RFC 4556 has for KDCs.
///
/// # Errors
/// See [`IssueError`].
pub fn kdc(
    issuer: &Credential,
    key: PKey<Private>,
    organisation: &str,
    fqdn: &Fqdn,
    realm: &Realm,
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let name = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, organisation),
        (Nid::ORGANIZATIONALUNITNAME, "CableLabs Key Distribution Center"),
        (Nid::COMMONNAME, common_name(fqdn)),
    ])?;
    let kerberos_name = kdc_kerberos_name(realm).ok_or(IssueError::Realm)?;
    let context = X509Builder::new()?;
    let names = SubjectAlternativeName::new()
        .other_name2(Asn1Object::from_str(PKINIT_SAN)?, &kerberos_name)
        .dns(fqdn.as_str())
        .build(&context.x509v3_context(None, None))?;
    let usage = KeyUsage::new().critical().digital_signature().build()?;
    let purpose = ExtendedKeyUsage::new().other(KDC_PURPOSE).build()?;
    issue(Some(issuer), key, &name, terms, &[usage, purpose, names])
}

/// The certificate of a bootstrapping (HTTPS) server: every name as dNSName, every address as iPAddress. The first name
/// is the common name.
///
/// # Errors
/// See [`IssueError`].
pub fn bootstrap(
    issuer: &Credential,
    key: PKey<Private>,
    organisation: &str,
    names: &[Fqdn],
    addresses: &[IpAddr],
    terms: &Terms,
) -> Result<Credential, IssueError> {
    let subject = distinguished_name(&[
        (Nid::COUNTRYNAME, "US"),
        (Nid::ORGANIZATIONNAME, organisation),
        (Nid::COMMONNAME, names.first().map_or("bootstrap", common_name)),
    ])?;
    let mut alternatives = SubjectAlternativeName::new();
    for name in names {
        alternatives.dns(name.as_str());
    }
    for address in addresses {
        alternatives.ip(&address.to_string());
    }
    let context = X509Builder::new()?;
    let mut extensions = vec![
        KeyUsage::new()
            .critical()
            .digital_signature()
            .key_encipherment()
            .build()?,
        ExtendedKeyUsage::new().server_auth().build()?,
    ];
    if !(names.is_empty() && addresses.is_empty()) {
        extensions.push(alternatives.build(&context.x509v3_context(None, None))?);
    }
    issue(Some(issuer), key, &subject, terms, &extensions)
}

/// A domain name as a common name, which X.520 limits to 64 characters: a longer one keeps its end.
fn common_name(name: &Fqdn) -> &str {
    let text = name.as_str();
    text.get(text.len().saturating_sub(64)..).unwrap_or(text)
}

fn distinguished_name(attributes: &[(Nid, &str)]) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    for (attribute, value) in attributes {
        name.append_entry_by_nid(*attribute, value)?;
    }
    Ok(name.build())
}

/// basicConstraints and keyUsage of a CA with at most `path_length` CAs below it.
fn authority_extensions(path_length: Option<u32>) -> Result<Vec<X509Extension>, ErrorStack> {
    let mut constraints = BasicConstraints::new();
    constraints.critical().ca();
    if let Some(limit) = path_length {
        constraints.pathlen(limit);
    }
    Ok(vec![
        constraints.build()?,
        KeyUsage::new().critical().key_cert_sign().crl_sign().build()?,
    ])
}

/// Signs a certificate for `key` with the issuer's key, or with its own where there is no issuer.
fn issue(
    issuer: Option<&Credential>,
    key: PKey<Private>,
    subject: &X509Name,
    terms: &Terms,
    extensions: &[X509Extension],
) -> Result<Credential, IssueError> {
    let issuer_certificate = issuer.map(|issuer| X509::from_der(&issuer.certificate)).transpose()?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let serial = BigNum::from_slice(&terms.serial.to_be_bytes())?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let asn1_time = |instant: Timestamp| Asn1Time::from_unix(instant.unix());
    builder.set_not_before(&*asn1_time(terms.not_before)?)?;
    builder.set_not_after(&*asn1_time(terms.not_after)?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(
        issuer_certificate
            .as_ref()
            .map_or(subject, |issuer| issuer.subject_name()),
    )?;
    builder.set_pubkey(&key)?;
    for extension in extensions {
        builder.append_extension2(extension)?;
    }
    let own_id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(own_id)?;
    if let Some(certificate) = &issuer_certificate {
        let issuer_id = AuthorityKeyIdentifier::new()
            .keyid(false)
            .build(&builder.x509v3_context(Some(certificate), None))?;
        builder.append_extension(issuer_id)?;
    }
    let digest = match terms.digest {
        SignatureDigest::Sha1 => MessageDigest::sha1(),
        SignatureDigest::Sha256 => MessageDigest::sha256(),
    };
    builder.sign(issuer.map_or(&key, |issuer| &issuer.key), digest)?;
    Ok(Credential {
        certificate: builder.build().to_der()?,
        key,
    })
}
