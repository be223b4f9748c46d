//! CMS SignedData with one signer, as PKINIT uses it (RFC 5652 §5; fact sheet security §4.3, profile P17, P40).

use openssl::hash::MessageDigest;
use openssl::sign::{Signer, Verifier};
use rasn::types::{Any, ObjectIdentifier, OctetString, SetOf};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::asn1::{
    AlgorithmIdentifier, Attribute, ContentInfo, EncapsulatedContentInfo, SignedData, SignerInfo, read, write,
};
use super::identity::{Identity, identifies, issuer_and_serial};
use super::{PkinitError, oid};
use crate::wire::cert::{Certificate, chain_key, der, parse_all};

/// The digest of a CMS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmsDigest {
    /// SHA-1 (profile P17).
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl CmsDigest {
    fn oid(self) -> &'static [u32] {
        match self {
            Self::Sha1 => oid::SHA1,
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
        }
    }

    fn openssl(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }

    fn of(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(content).to_vec(),
            Self::Sha256 => Sha256::digest(content).to_vec(),
            Self::Sha384 => Sha384::digest(content).to_vec(),
            Self::Sha512 => Sha512::digest(content).to_vec(),
        }
    }

    /// The digest that a digest or signature algorithm names, `Ok(None)` for rsaEncryption, which names none.
    fn named(algorithm: &AlgorithmIdentifier) -> Result<Option<Self>, PkinitError> {
        match algorithm.algorithm.as_ref() {
            oid::SHA1 | oid::SHA1_WITH_RSA => Ok(Some(Self::Sha1)),
            oid::SHA256 | oid::SHA256_WITH_RSA => Ok(Some(Self::Sha256)),
            oid::SHA384 | oid::SHA384_WITH_RSA => Ok(Some(Self::Sha384)),
            oid::SHA512 | oid::SHA512_WITH_RSA => Ok(Some(Self::Sha512)),
            oid::RSA_ENCRYPTION => Ok(None),
            _ => Err(PkinitError::Digest(algorithm.algorithm.to_string())),
        }
    }
}

/// How one signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SignatureShape {
    pub digest: CmsDigest,
    /// With the attributes contentType and messageDigest, as RFC 5652 §5.3 wants; the drafts' clients have none.
    pub signed_attributes: bool,
}

/// A SignedData that has been read. Nothing has been verified.
#[derive(Debug)]
pub(super) struct Signed {
    pub content_type: ObjectIdentifier,
    pub content: OctetString,
    certificates: Vec<Any>,
    signer: SignerInfo,
}

/// The certificates of a SignedData, the signer's set apart.
pub(super) struct Certificates {
    pub signer: Certificate,
    pub all: Vec<Certificate>,
}

impl Signed {
    /// Reads a ContentInfo around a SignedData, or a bare SignedData (as drafts up to -12 print it, and as it stands in
    /// an EnvelopedData).
    pub fn read(octets: &[u8]) -> Result<Self, PkinitError> {
        // A ContentInfo begins with an OBJECT IDENTIFIER, a SignedData with an INTEGER.
        let signed: SignedData = match read::<ContentInfo>(octets, "ContentInfo") {
            Ok(info) if oid::is(&info.content_type, oid::SIGNED_DATA) => read(info.content.as_bytes(), "SignedData")?,
            Ok(info) => {
                return Err(PkinitError::Unsupported {
                    what: "the content type",
                    found: info.content_type.to_string(),
                });
            }
            Err(_) => read(octets, "SignedData")?,
        };
        let missing = |what| PkinitError::Malformed {
            what: "SignedData",
            reason: String::from(what),
        };
        let mut signers = signed.signer_infos.into_vec();
        let (Some(signer), true) = (signers.pop(), signers.is_empty()) else {
            return Err(missing("there is not exactly one SignerInfo"));
        };
        Ok(Self {
            content_type: signed.encapsulated.content_type,
            content: signed
                .encapsulated
                .content
                .ok_or_else(|| missing("there is no content"))?,
            certificates: signed.certificates.unwrap_or_default(),
            signer,
        })
    }

    /// Refuses a content type that is none of `accepted`.
    pub fn expect_content(&self, accepted: &[&[u32]]) -> Result<(), PkinitError> {
        match accepted.iter().any(|arcs| oid::is(&self.content_type, arcs)) {
            true => Ok(()),
            false => Err(PkinitError::Unsupported {
                what: "the signed content's type",
                found: self.content_type.to_string(),
            }),
        }
    }

    /// What names the signer and every certificate sent, for a cache of verified chains.
    pub fn chain_key(&self) -> [u8; 32] {
        let sent = std::iter::once(&self.signer.signer).chain(&self.certificates);
        let parts: Vec<&[u8]> = sent.map(Any::as_bytes).collect();
        chain_key(&parts)
    }

    /// Reads the certificates and finds the signer's among them.
    pub fn certificates(&self) -> Result<Certificates, PkinitError> {
        let all = parse_all(&self.certificates)?;
        let signer = all
            .iter()
            .find(|certificate| identifies(self.signer.signer.as_bytes(), certificate))
            .cloned();
        signer
            .map(|signer| Certificates { signer, all })
            .ok_or(PkinitError::SignerUnknown(self.certificates.len()))
    }

    /// The digest that the signature is over.
    pub fn digest(&self) -> Result<CmsDigest, PkinitError> {
        let named_by_digest = CmsDigest::named(&self.signer.digest_algorithm)?;
        let named_by_signature = CmsDigest::named(&self.signer.signature_algorithm)?;
        match (named_by_digest, named_by_signature) {
            (Some(one), Some(other)) if one != other => Err(PkinitError::Unsupported {
                what: "the signature's algorithm",
                found: "two different digests".to_owned(),
            }),
            (one, other) => Ok(one.or(other).unwrap_or_default()),
        }
    }

    /// Verifies the signature under the key of `certificate`: RSA PKCS#1 v1.5 over the content's octets, or over the
    /// signed attributes where there are any.
    pub fn verify(&self, certificate: &Certificate) -> Result<(), PkinitError> {
        let digest = self.digest()?;
        let signed = match &self.signer.signed_attributes {
            None => self.content.to_vec(),
            Some(attributes) => self.check_attributes(attributes, digest)?,
        };
        let good = Verifier::new(digest.openssl(), certificate.key())
            .and_then(|mut verifier| verifier.verify_oneshot(&self.signer.signature, &signed))
            .unwrap_or(false);
        match good {
            true => Ok(()),
            false => Err(PkinitError::Signature(certificate.subject_text())),
        }
    }

    /// Checks that the signed attributes are about this content, and gives the octets that were signed (RFC 5652 §5.4).
    fn check_attributes(&self, attributes: &SetOf<Attribute>, digest: CmsDigest) -> Result<Vec<u8>, PkinitError> {
        let content_type = write(&self.content_type)?;
        let message_digest = der::tlv(0x04, &digest.of(&self.content));
        let holds = |kind: &[u32], value: &[u8]| {
            let mut of_kind = attributes.iter().filter(|attribute| oid::is(&attribute.kind, kind));
            let values = of_kind.next().map(|attribute| attribute.values.to_vec());
            of_kind.next().is_none() && matches!(values.as_deref(), Some([only]) if only.as_bytes() == value)
        };
        if !holds(oid::CONTENT_TYPE, &content_type) || !holds(oid::MESSAGE_DIGEST, &message_digest) {
            return Err(PkinitError::Signature(
                "signed attributes about something else".to_owned(),
            ));
        }
        write(attributes)
    }
}

/// Signs `content` as `signer` and gives the DER SignedData (version 3, the signer's chain in its order).
pub(super) fn sign(
    content_type: &'static [u32],
    content: Vec<u8>,
    signer: &Identity,
    shape: SignatureShape,
) -> Result<Vec<u8>, PkinitError> {
    let signed_attributes = match shape.signed_attributes {
        true => Some(attributes_of(content_type, &content, shape.digest)?),
        false => None,
    };
    let to_sign = match &signed_attributes {
        Some(attributes) => &write(attributes)?,
        None => &content,
    };
    let signature = Signer::new(shape.digest.openssl(), signer.key())?.sign_oneshot_to_vec(to_sign)?;
    let signer_info = SignerInfo {
        version: 1,
        signer: Any::new(write(&issuer_and_serial(signer.certificate()))?),
        digest_algorithm: algorithm(shape.digest.oid()),
        signed_attributes,
        signature_algorithm: algorithm(oid::RSA_ENCRYPTION),
        signature: OctetString::from(signature),
        unsigned_attributes: None,
    };
    let certificates = signer
        .chain()
        .iter()
        .map(|certificate| Any::new(certificate.der().to_vec()));
    write(&SignedData {
        version: 3,
        digest_algorithms: SetOf::from_vec(vec![algorithm(shape.digest.oid())]),
        encapsulated: EncapsulatedContentInfo {
            content_type: oid::identifier(content_type),
            content: Some(OctetString::from(content)),
        },
        certificates: Some(certificates.collect()),
        revocation_lists: None,
        signer_infos: SetOf::from_vec(vec![signer_info]),
    })
}

/// A ContentInfo of `content_type` around the DER `content`.
pub(super) fn content_info(content_type: &'static [u32], content: Vec<u8>) -> Result<Vec<u8>, PkinitError> {
    write(&ContentInfo {
        content_type: oid::identifier(content_type),
        content: Any::new(content),
    })
}

/// An algorithm with NULL parameters.
pub(super) fn algorithm(arcs: &'static [u32]) -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        algorithm: oid::identifier(arcs),
        parameters: Some(Any::new(der::tlv(0x05, &[]))),
    }
}

fn attributes_of(
    content_type: &'static [u32],
    content: &[u8],
    digest: CmsDigest,
) -> Result<SetOf<Attribute>, PkinitError> {
    let attribute = |kind, value| Attribute {
        kind: oid::identifier(kind),
        values: SetOf::from_vec(vec![Any::new(value)]),
    };
    Ok(SetOf::from_vec(vec![
        attribute(oid::CONTENT_TYPE, write(&oid::identifier(content_type))?),
        attribute(oid::MESSAGE_DIGEST, der::tlv(0x04, &digest.of(content))),
    ]))
}
