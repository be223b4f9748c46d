//! The ASN.1 of PKINIT's early drafts and of the Cryptographic Message Syntax beneath them.
//!
//! Sources: draft-ietf-cat-kerberos-pk-init-12 to -19 (fact sheet security §4.3, §4.4, CERTAIN), RFC 5652. Read as BER,
//! written as DER. Where senders differ, a field is an `Any` and is read by the code that knows the variants.

use rasn::types::{Any, BitString, GeneralString, GeneralizedTime, ObjectIdentifier, OctetString, SetOf};
use rasn::{AsnType, Decode, Decoder as _, Encode, Encoder as _};

use super::PkinitError;

/// Reads one BER value and refuses what follows it.
pub(super) fn read<T: Decode>(octets: &[u8], what: &'static str) -> Result<T, PkinitError> {
    let malformed = |reason: String| PkinitError::Malformed { what, reason };
    match rasn::ber::decode_with_remainder(octets) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(malformed(format!("{} octets too many", rest.len()))),
        Err(error) => Err(malformed(error.kind.to_string().chars().take(160).collect())),
    }
}

/// Writes one DER value.
pub(super) fn write<T: Encode>(value: &T) -> Result<Vec<u8>, PkinitError> {
    rasn::der::encode(value).map_err(|error| PkinitError::Internal(error.kind.to_string()))
}

/// AlgorithmIdentifier (RFC 5280 §4.1.1.2). NULL and absent parameters both occur.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AlgorithmIdentifier {
    pub algorithm: ObjectIdentifier,
    pub parameters: Option<Any>,
}

/// ContentInfo (RFC 5652 §3).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ContentInfo {
    pub content_type: ObjectIdentifier,
    #[rasn(tag(explicit(0)))]
    pub content: Any,
}

/// IssuerAndSerialNumber (RFC 5652 §10.2.4): the Name and the INTEGER as they stand, of any length.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct IssuerAndSerialNumber {
    pub issuer: Any,
    pub serial_number: Any,
}

/// EncapsulatedContentInfo (RFC 5652 §5.2).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EncapsulatedContentInfo {
    pub content_type: ObjectIdentifier,
    #[rasn(tag(explicit(0)))]
    pub content: Option<OctetString>,
}

/// SignedData (RFC 5652 §5.1). The certificates are a list here, not a set: their order as sent counts, the signer's
/// stands first.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedData {
    pub version: i64,
    pub digest_algorithms: SetOf<AlgorithmIdentifier>,
    pub encapsulated: EncapsulatedContentInfo,
    #[rasn(tag(0))]
    pub certificates: Option<Vec<Any>>,
    #[rasn(tag(1))]
    pub revocation_lists: Option<Vec<Any>>,
    pub signer_infos: SetOf<SignerInfo>,
}

/// SignerInfo (RFC 5652 §5.3). The sid is an IssuerAndSerialNumber, or a subjectKeyIdentifier under [0].
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SignerInfo {
    pub version: i64,
    pub signer: Any,
    pub digest_algorithm: AlgorithmIdentifier,
    #[rasn(tag(0))]
    pub signed_attributes: Option<SetOf<Attribute>>,
    pub signature_algorithm: AlgorithmIdentifier,
    pub signature: OctetString,
    #[rasn(tag(1))]
    pub unsigned_attributes: Option<SetOf<Attribute>>,
}

/// Attribute (RFC 5652 §5.3).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attribute {
    pub kind: ObjectIdentifier,
    pub values: SetOf<Any>,
}

/// EnvelopedData (RFC 5652 §6.1) without originatorInfo and unprotectedAttrs, which PKINIT does not use.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvelopedData {
    pub version: i64,
    pub recipient_infos: SetOf<KeyTransRecipientInfo>,
    pub encrypted: EncryptedContentInfo,
}

/// KeyTransRecipientInfo (RFC 5652 §6.2.1), its rid by issuer and serial number.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyTransRecipientInfo {
    pub version: i64,
    pub recipient: IssuerAndSerialNumber,
    pub key_encryption_algorithm: AlgorithmIdentifier,
    pub encrypted_key: OctetString,
}

/// EncryptedContentInfo (RFC 5652 §6.1).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct EncryptedContentInfo {
    pub content_type: ObjectIdentifier,
    pub content_encryption_algorithm: AlgorithmIdentifier,
    #[rasn(tag(0))]
    pub encrypted_content: Option<OctetString>,
}

/// PA-PK-AS-REQ, padata type 14. `signed_auth_pack` is a ContentInfo; drafts up to -12 print a bare SignedData.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct PaPkAsReq {
    #[rasn(tag(explicit(0)))]
    pub signed_auth_pack: Any,
    #[rasn(tag(explicit(1)))]
    pub trusted_certifiers: Option<Any>,
    #[rasn(tag(explicit(2)))]
    pub kdc_certificate: Option<IssuerAndSerialNumber>,
    #[rasn(tag(explicit(3)))]
    pub encryption_certificate: Option<IssuerAndSerialNumber>,
}

/// AuthPack. The authenticator has two forms: [`PkAuthenticator`] and [`NamedPkAuthenticator`].
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthPack {
    #[rasn(tag(explicit(0)))]
    pub authenticator: Any,
    #[rasn(tag(explicit(1)))]
    pub client_public_value: Option<SubjectPublicKeyInfo>,
}

/// PKAuthenticator of drafts -12 and later.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct PkAuthenticator {
    #[rasn(tag(explicit(0)))]
    pub cusec: i64,
    #[rasn(tag(explicit(1)))]
    pub ctime: GeneralizedTime,
    #[rasn(tag(explicit(2)))]
    pub nonce: i64,
    #[rasn(tag(explicit(3)))]
    pub checksum: Checksum,
}

/// PKAuthenticator of drafts -08 to -11: it names the KDC and has no checksum.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPkAuthenticator {
    #[rasn(tag(explicit(0)))]
    pub kdc_name: PrincipalName,
    #[rasn(tag(explicit(1)))]
    pub kdc_realm: GeneralString,
    #[rasn(tag(explicit(2)))]
    pub cusec: i64,
    #[rasn(tag(explicit(3)))]
    pub ctime: GeneralizedTime,
    #[rasn(tag(explicit(4)))]
    pub nonce: i64,
}

/// PrincipalName (RFC 4120 §5.2.2).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct PrincipalName {
    #[rasn(tag(explicit(0)))]
    pub name_type: i32,
    #[rasn(tag(explicit(1)))]
    pub components: Vec<GeneralString>,
}

/// Checksum (RFC 4120 §5.2.9).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    #[rasn(tag(explicit(0)))]
    pub kind: i32,
    #[rasn(tag(explicit(1)))]
    pub value: OctetString,
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct SubjectPublicKeyInfo {
    pub algorithm: AlgorithmIdentifier,
    pub public_key: BitString,
}

/// PA-PK-AS-REP, padata type 15.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
#[rasn(choice)]
pub(super) enum PaPkAsRep {
    /// A SignedData around [`KdcDhKeyInfo`].
    #[rasn(tag(explicit(0)))]
    DhSignedData(Any),
    /// An EnvelopedData around a SignedData around [`ReplyKeyPack`].
    #[rasn(tag(explicit(1)))]
    EncKeyPack(Any),
}

/// KdcDHKeyInfo.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct KdcDhKeyInfo {
    #[rasn(tag(explicit(0)))]
    pub public_key: BitString,
    #[rasn(tag(explicit(1)))]
    pub nonce: i64,
    #[rasn(tag(explicit(2)))]
    pub expiration: Option<GeneralizedTime>,
}

/// ReplyKeyPack.
#[derive(AsnType, Decode, Encode, Clone, PartialEq, Eq)]
pub(super) struct ReplyKeyPack {
    #[rasn(tag(explicit(0)))]
    pub key: EncryptionKey,
    #[rasn(tag(explicit(1)))]
    pub nonce: i64,
}

/// EncryptionKey (RFC 4120 §5.2.9).
#[derive(AsnType, Decode, Encode, Clone, PartialEq, Eq)]
pub(super) struct EncryptionKey {
    #[rasn(tag(explicit(0)))]
    pub kind: i32,
    #[rasn(tag(explicit(1)))]
    pub value: OctetString,
}

/// TypedData of a KRB-ERROR's e-data (fact sheet security §4.7, CERTAIN).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
pub(super) struct TypedData {
    #[rasn(tag(explicit(0)))]
    pub kind: i32,
    #[rasn(tag(explicit(1)))]
    pub value: OctetString,
}

/// What RFC 4556 made of the same messages (Appendix A): implicit octet strings around CMS, a bare SHA-1 as checksum.
pub(super) mod rfc4556 {
    use rasn::types::{Any, BitString, GeneralizedTime, OctetString};
    use rasn::{AsnType, Decode, Decoder as _, Encode, Encoder as _};

    use super::{Checksum, EncryptionKey, SubjectPublicKeyInfo};

    /// PA-PK-AS-REQ, padata type 16. What it holds are a ContentInfo and a SignerIdentifier.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct PaPkAsReq {
        #[rasn(tag(0))]
        pub signed_auth_pack: OctetString,
        #[rasn(tag(explicit(1)))]
        pub trusted_certifiers: Option<Any>,
        #[rasn(tag(2))]
        pub kdc_pk_id: Option<OctetString>,
    }

    /// AuthPack; `supported_kdfs` is RFC 8636's.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct AuthPack {
        #[rasn(tag(explicit(0)))]
        pub authenticator: PkAuthenticator,
        #[rasn(tag(explicit(1)))]
        pub client_public_value: Option<SubjectPublicKeyInfo>,
        #[rasn(tag(explicit(2)))]
        pub supported_cms_types: Option<Any>,
        #[rasn(tag(explicit(3)))]
        pub client_dh_nonce: Option<OctetString>,
        #[rasn(tag(explicit(4)))]
        pub supported_kdfs: Option<Any>,
    }

    /// PKAuthenticator; `freshness` is RFC 8070's, and what stands under [5] is read over.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct PkAuthenticator {
        #[rasn(tag(explicit(0)))]
        pub cusec: i64,
        #[rasn(tag(explicit(1)))]
        pub ctime: GeneralizedTime,
        #[rasn(tag(explicit(2)))]
        pub nonce: i64,
        #[rasn(tag(explicit(3)))]
        pub checksum: Option<OctetString>,
        #[rasn(tag(explicit(4)))]
        pub freshness: Option<Any>,
        #[rasn(tag(explicit(5)))]
        pub other_checksum: Option<Any>,
    }

    /// PA-PK-AS-REP, padata type 17.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    #[rasn(choice)]
    pub enum PaPkAsRep {
        #[rasn(tag(explicit(0)))]
        DhInfo(DhRepInfo),
        #[rasn(tag(1))]
        EncKeyPack(OctetString),
    }

    /// DHRepInfo.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct DhRepInfo {
        #[rasn(tag(0))]
        pub dh_signed_data: OctetString,
        #[rasn(tag(explicit(1)))]
        pub server_dh_nonce: Option<OctetString>,
    }

    /// KDCDHKeyInfo.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct KdcDhKeyInfo {
        #[rasn(tag(explicit(0)))]
        pub public_key: BitString,
        #[rasn(tag(explicit(1)))]
        pub nonce: i64,
        #[rasn(tag(explicit(2)))]
        pub expiration: Option<GeneralizedTime>,
    }

    /// ReplyKeyPack.
    #[derive(AsnType, Decode, Encode, Clone, PartialEq, Eq)]
    pub struct ReplyKeyPack {
        #[rasn(tag(explicit(0)))]
        pub key: EncryptionKey,
        #[rasn(tag(explicit(1)))]
        pub as_checksum: Checksum,
    }

    /// ExternalPrincipalIdentifier: a Name, an IssuerAndSerialNumber, a key identifier.
    #[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
    pub struct ExternalPrincipalIdentifier {
        #[rasn(tag(0))]
        pub subject_name: Option<OctetString>,
        #[rasn(tag(1))]
        pub issuer_and_serial: Option<OctetString>,
        #[rasn(tag(2))]
        pub subject_key_id: Option<OctetString>,
    }
}
