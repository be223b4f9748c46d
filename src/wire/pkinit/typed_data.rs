//! What a KRB-ERROR of PKINIT carries in e-data: a sequence of typed data, whose numbers and contents the drafts
//! (-12 to -16, §3.2.2) and RFC 4556 (§3.2.2) have different.

use rasn::types::{Any, GeneralString, OctetString};

use super::asn1::rfc4556::ExternalPrincipalIdentifier;
use super::asn1::{AlgorithmIdentifier, PrincipalName, TypedData, write};
use super::identity::issuer_and_serial;
use super::{DhGroup, Dialect, PkinitError, PkinitRequest, oid};
use crate::wire::cert::{Certificate, TrustAnchors, der};
use crate::wire::kerberos::AuthorizationData;

/// TD-DH-PARAMETERS of drafts -16 to -18.
const TD_DH_PARAMETERS_DRAFT: i32 = 102;
/// TD-DH-PARAMETERS of RFC 4556.
const TD_DH_PARAMETERS: i32 = 109;
/// TD-TRUSTED-CERTIFIERS.
const TD_TRUSTED_CERTIFIERS: i32 = 104;
/// TD-CERTIFICATE-INDEX of the drafts, TD-INVALID-CERTIFICATES of RFC 4556.
const TD_CERTIFICATES: i32 = 105;
/// Name type of an X.500 name as a Kerberos name (RFC 4120 §6.2).
const NT_X500_PRINCIPAL: i32 = 6;

/// A sequence of one typed data.
fn only(kind: i32, value: Vec<u8>) -> Option<Vec<u8>> {
    let value = OctetString::from(value);
    write(&vec![TypedData { kind, value }]).ok()
}

/// The groups that a client shall use: in the drafts the DomainParameters of Oakley group 2, in RFC 4556 a sequence of
/// algorithms, the preferred first.
pub(super) fn dh_parameters(dialect: Dialect) -> Option<Vec<u8>> {
    let algorithm = |group: DhGroup| AlgorithmIdentifier {
        algorithm: oid::identifier(oid::DH_PUBLIC_NUMBER),
        parameters: Some(Any::new(group.domain_parameters())),
    };
    match dialect {
        Dialect::Draft => only(TD_DH_PARAMETERS_DRAFT, DhGroup::Oakley2.domain_parameters()),
        Dialect::Rfc4556 => only(TD_DH_PARAMETERS, write(&vec![algorithm(DhGroup::Modp14)]).ok()?),
    }
}

/// The CAs that this KDC trusts: in the drafts their names as Kerberos names, in RFC 4556 as identifiers of their
/// certificates.
pub(super) fn trusted_certifiers(dialect: Dialect, anchors: &TrustAnchors) -> Option<Vec<u8>> {
    let certificates = anchors.certificates().iter();
    let names = match dialect {
        Dialect::Draft => write(&certificates.map(x500_principal).collect::<Result<Vec<_>, _>>().ok()?),
        Dialect::Rfc4556 => write(&certificates.map(identifier).collect::<Result<Vec<_>, _>>().ok()?),
    };
    only(TD_TRUSTED_CERTIFIERS, names.ok()?)
}

/// The certificate at place `at` of those sent: in the drafts its index, in RFC 4556 its identifier.
pub(super) fn refused_certificate(dialect: Dialect, at: usize, certificate: &Certificate) -> Option<Vec<u8>> {
    let value = match dialect {
        Dialect::Draft => der::unsigned_integer(&(at as u64).to_be_bytes()),
        Dialect::Rfc4556 => write(&vec![identifier(certificate).ok()?]).ok()?,
    };
    only(TD_CERTIFICATES, value)
}

fn x500_principal(certificate: &Certificate) -> Result<PrincipalName, PkinitError> {
    // GeneralString holds ASCII; what a subject has beyond it stands there as a question mark.
    let text: String = certificate
        .subject_text()
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    let text = GeneralString::from_bytes(text.as_bytes()).map_err(|error| PkinitError::Internal(error.to_string()))?;
    Ok(PrincipalName {
        name_type: NT_X500_PRINCIPAL,
        components: vec![text],
    })
}

/// Names a certificate by its subject, its issuer and serial number, and its key identifier.
fn identifier(certificate: &Certificate) -> Result<ExternalPrincipalIdentifier, PkinitError> {
    Ok(ExternalPrincipalIdentifier {
        subject_name: Some(OctetString::from_slice(certificate.subject())),
        issuer_and_serial: Some(OctetString::from(write(&issuer_and_serial(certificate))?)),
        subject_key_id: certificate.subject_key_id.as_deref().map(OctetString::from_slice),
    })
}

/// AD-INITIAL-VERIFIED-CAS in an AD-IF-RELEVANT (RFC 4556 §3.2.3): the CAs by whose certificates the client was verified,
/// for services that care.
///
/// # Errors
/// `Internal` where a name cannot be written.
pub fn initial_verified_cas(request: &PkinitRequest) -> Result<AuthorizationData, PkinitError> {
    const AD_IF_RELEVANT: i32 = 1;
    const AD_INITIAL_VERIFIED_CAS: i32 = 9;
    let authorities = request.identity.device.path.authorities.iter();
    let identifiers = authorities.map(identifier).collect::<Result<Vec<_>, _>>()?;
    let element = |ad_type, data: Vec<u8>| AuthorizationData {
        ad_type,
        ad_data: data.into(),
    };
    let verified = element(AD_INITIAL_VERIFIED_CAS, write(&identifiers)?);
    Ok(element(AD_IF_RELEVANT, write(&vec![verified])?))
}
