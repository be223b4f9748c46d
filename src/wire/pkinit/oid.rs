//! Object identifiers of CMS and PKINIT (fact sheet security §4.3, §4.4, CERTAIN; RFC 3279, RFC 3370, RFC 5754).

use rasn::types::ObjectIdentifier;

/// id-data.
pub(super) const DATA: &[u32] = &[1, 2, 840, 113549, 1, 7, 1];
/// id-signedData.
pub(super) const SIGNED_DATA: &[u32] = &[1, 2, 840, 113549, 1, 7, 2];
/// id-envelopedData.
pub(super) const ENVELOPED_DATA: &[u32] = &[1, 2, 840, 113549, 1, 7, 3];
/// id-contentType, the signed attribute.
pub(super) const CONTENT_TYPE: &[u32] = &[1, 2, 840, 113549, 1, 9, 3];
/// id-messageDigest, the signed attribute.
pub(super) const MESSAGE_DIGEST: &[u32] = &[1, 2, 840, 113549, 1, 9, 4];
/// rsaEncryption.
pub(super) const RSA_ENCRYPTION: &[u32] = &[1, 2, 840, 113549, 1, 1, 1];
/// sha1WithRSAEncryption.
pub(super) const SHA1_WITH_RSA: &[u32] = &[1, 2, 840, 113549, 1, 1, 5];
/// sha256WithRSAEncryption.
pub(super) const SHA256_WITH_RSA: &[u32] = &[1, 2, 840, 113549, 1, 1, 11];
/// sha384WithRSAEncryption.
pub(super) const SHA384_WITH_RSA: &[u32] = &[1, 2, 840, 113549, 1, 1, 12];
/// sha512WithRSAEncryption.
pub(super) const SHA512_WITH_RSA: &[u32] = &[1, 2, 840, 113549, 1, 1, 13];
/// id-sha1.
pub(super) const SHA1: &[u32] = &[1, 3, 14, 3, 2, 26];
/// id-sha256.
pub(super) const SHA256: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
/// id-sha384.
pub(super) const SHA384: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 2];
/// id-sha512.
pub(super) const SHA512: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 3];
/// des-ede3-cbc.
pub(super) const DES_EDE3_CBC: &[u32] = &[1, 2, 840, 113549, 3, 7];
/// dhpublicnumber.
pub(super) const DH_PUBLIC_NUMBER: &[u32] = &[1, 2, 840, 10046, 2, 1];
/// id-pkauthdata.
pub(super) const PK_AUTH_DATA: &[u32] = &[1, 3, 6, 1, 5, 2, 3, 1];
/// id-pkauthdata as one client of 2003 misspells it (profile P40).
pub(super) const PK_AUTH_DATA_MISSPELT: &[u32] = &[1, 2, 6, 1, 5, 2, 3, 1];
/// id-pkdhkeydata.
pub(super) const PK_DH_KEY_DATA: &[u32] = &[1, 3, 6, 1, 5, 2, 3, 2];
/// id-pkrkeydata.
pub(super) const PK_REPLY_KEY_DATA: &[u32] = &[1, 3, 6, 1, 5, 2, 3, 3];

/// One of the constants above as a value that encodes.
pub(super) fn identifier(arcs: &'static [u32]) -> ObjectIdentifier {
    ObjectIdentifier::new_unchecked(std::borrow::Cow::Borrowed(arcs))
}

/// Whether `found` is one of the constants above.
pub(super) fn is(found: &ObjectIdentifier, arcs: &[u32]) -> bool {
    let found: &[u32] = found.as_ref();
    found == arcs
}
