//! Who is at the other end: the PacketCable device profile, the same that the KDC judges by.

use std::cell::RefCell;
use std::sync::Arc;

use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::service::kdc::Chains;
use crate::value::{MacAddress, Timestamp, hex};
use crate::wire::cert::{
    CertError, CertPolicy, Certificate, ChainCache, DeviceIdentity, TrustAnchors, VerifiedDevice, chain_key,
};

/// Verified chains that are kept; each has about 4 kB.
const CHAINS: usize = 8_192;

/// Verifies device chains against the operator's roots and policy.
pub struct DeviceVerifier {
    anchors: TrustAnchors,
    policy: CertPolicy,
    chains: Chains,
}

/// A certificate that was refused: what the operator is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A fixed word for counters.
    pub word: &'static str,
    /// The MAC address that the certificate claims, where it claims one.
    pub mac: Option<MacAddress>,
    /// The reason, and the certificate's SHA-256 fingerprint.
    pub detail: String,
}

impl DeviceVerifier {
    /// A verifier that knows no chain yet.
    pub fn new(anchors: TrustAnchors, policy: CertPolicy) -> Self {
        Self {
            anchors,
            policy,
            chains: Chains::new(CHAINS),
        }
    }

    /// The roots, whose names a server lists in its CertificateRequest.
    pub fn roots(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors.certificates().iter()
    }

    /// Verifies a chain of DER certificates, the device's first, at `now`.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn verify<C: AsRef<[u8]>>(&self, chain: &[C], now: Timestamp) -> Result<DeviceIdentity, CertError> {
        let key = chain_key(chain);
        let device = match self.chains.get(&key) {
            Some(device) => device,
            None => {
                let device = Arc::new(VerifiedDevice::verify(chain, &self.anchors)?);
                self.chains.put(key, &device);
                device
            }
        };
        device.admit(&self.policy, now)
    }
}

impl Refused {
    /// Of a chain that was refused for `error`.
    pub fn new<C: AsRef<[u8]>>(chain: &[C], error: &CertError) -> Self {
        let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let mac = Certificate::parse(leaf, 0)
            .ok()
            .and_then(|leaf| leaf.common_names.iter().find_map(|name| name.parse().ok()));
        Self {
            word: word(error),
            mac,
            detail: format!("{error}; certificate SHA-256 {}", hex(&Sha256::digest(leaf))),
        }
    }

    /// Of a peer that sent no certificate.
    pub fn none() -> Self {
        Self {
            word: "no_certificate",
            mac: None,
            detail: "no certificate was presented".into(),
        }
    }
}

/// The description of the alert that a refused chain is answered with (RFC 5246 §7.2.2): unknown_ca,
/// certificate_expired, certificate_revoked or bad_certificate.
pub(super) fn alert(error: &CertError) -> u8 {
    match word(error) {
        // Where nobody can say whether it is revoked, its CA is not one to rely on.
        "untrusted_certificate" | "revocation_unknown" => 48,
        "expired_certificate" => 45,
        "revoked_certificate" => 44,
        _ => 42,
    }
}

/// A fixed word for a refused chain.
fn word(error: &CertError) -> &'static str {
    match error {
        CertError::IssuerUnknown(_) | CertError::NotTrusted(_) | CertError::TooLong | CertError::Signature { .. } => {
            "untrusted_certificate"
        }
        CertError::Expired { .. } => "expired_certificate",
        CertError::Revoked { .. } => "revoked_certificate",
        CertError::RevocationUnknown(_) | CertError::RevocationStale { .. } => "revocation_unknown",
        _ => "bad_certificate",
    }
}

thread_local! {
    /// Why the last chain was refused on this thread. rustls calls the verifier and reports its error within one poll of
    /// the handshake, so whoever sees the error finds its own reason here.
    static LAST_REFUSED: RefCell<Option<Refused>> = const { RefCell::new(None) };
}

/// Takes the reason for which [`RustlsVerifier`] refused the chain of the handshake that has just failed on this thread.
pub(super) fn last_refused() -> Option<Refused> {
    LAST_REFUSED.take()
}

/// A [`DeviceVerifier`] as rustls asks it.
pub(super) struct RustlsVerifier {
    devices: Arc<DeviceVerifier>,
    names: Vec<DistinguishedName>,
}

impl RustlsVerifier {
    pub(super) fn new(devices: Arc<DeviceVerifier>) -> Self {
        let names = devices.roots().map(|root| root.subject().to_vec().into()).collect();
        Self { devices, names }
    }
}

impl std::fmt::Debug for RustlsVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RustlsVerifier")
    }
}

impl ClientCertVerifier for RustlsVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<&[u8]> = std::iter::once(end_entity)
            .chain(intermediates)
            .map(AsRef::as_ref)
            .collect();
        let now = Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        match self.devices.verify(&chain, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                LAST_REFUSED.set(Some(Refused::new(&chain, &error)));
                Err(Error::InvalidCertificate(alerted(&error)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            // What devices of 2001 sign with; TLS 1.3 has no place for it.
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}

/// The error by which rustls sends the same alert.
fn alerted(error: &CertError) -> CertificateError {
    match alert(error) {
        48 => CertificateError::UnknownIssuer,
        45 => CertificateError::Expired,
        44 => CertificateError::Revoked,
        _ => CertificateError::BadEncoding,
    }
}

/// The signature of CertificateVerify, by OpenSSL: it takes RSA keys of 1024 bits, which devices have.
fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let (digest, pss) = match signed.scheme {
        SignatureScheme::RSA_PSS_SHA256 => (MessageDigest::sha256(), true),
        SignatureScheme::RSA_PSS_SHA384 => (MessageDigest::sha384(), true),
        SignatureScheme::RSA_PSS_SHA512 => (MessageDigest::sha512(), true),
        SignatureScheme::RSA_PKCS1_SHA256 => (MessageDigest::sha256(), false),
        SignatureScheme::RSA_PKCS1_SHA384 => (MessageDigest::sha384(), false),
        SignatureScheme::RSA_PKCS1_SHA512 => (MessageDigest::sha512(), false),
        SignatureScheme::RSA_PKCS1_SHA1 => (MessageDigest::sha1(), false),
        _ => return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()),
    };
    let leaf =
        Certificate::parse(certificate, 0).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let verified = || {
        let mut verifier = Verifier::new(digest, leaf.key())?;
        if pss {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        verifier.verify_oneshot(signed.signature(), message)
    };
    match verified() {
        Ok(true) => Ok(HandshakeSignatureValid::assertion()),
        // decrypt_error. An error of OpenSSL's is a signature that cannot be one.
        Ok(false) | Err(_) => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}
