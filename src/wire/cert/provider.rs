//! The service provider side, as a device judges it: root, service provider CA, optional local system CA, KDC
//! (fact sheet security §5).

use rasn::types::GeneralString;
use rasn::{AsnType, Decode, Decoder as _, Encode, Encoder as _};

use super::{CertError, CertPolicy, CertWarning, Certificate, TrustAnchors, VerifiedPath};
use crate::value::{Realm, Timestamp};

/// id-pkinit-san, the otherName that carries a Kerberos name (fact sheet security §5, CERTAIN).
pub const PKINIT_SAN: &str = "1.3.6.1.5.2.2";

/// id-pkinit-KPKdc, the purpose of a KDC's certificate (RFC 4556 §3.2.4).
pub const KDC_PURPOSE: &str = "1.3.6.1.5.2.3.5";

/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
const ANY_PURPOSE: &str = "2.5.29.37.0";

/// Whether stock PKINIT clients take the certificate for a KDC's by its purpose (RFC 4556 §3.2.4): it has the purpose,
/// or it states none, since its id-pkinit-san says the same.
pub fn check_kdc_purpose(certificate: &Certificate) -> bool {
    let purposes = certificate.constraints.purposes.as_ref();
    purposes.is_none_or(|purposes| {
        purposes
            .iter()
            .any(|purpose| purpose == KDC_PURPOSE || purpose == ANY_PURPOSE)
    })
}

/// KerberosName ::= SEQUENCE { realm [0] Realm, principalName [1] PrincipalName } of id-pkinit-san.
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
struct KerberosName {
    #[rasn(tag(explicit(0)))]
    realm: GeneralString,
    #[rasn(tag(explicit(1)))]
    principal: PrincipalName,
}

/// PrincipalName ::= SEQUENCE { name-type [0] Int32, name-string [1] SEQUENCE OF KerberosString } (RFC 4120 §5.2.2).
#[derive(AsnType, Decode, Encode, Debug, Clone, PartialEq, Eq)]
struct PrincipalName {
    #[rasn(tag(explicit(0)))]
    name_type: i32,
    #[rasn(tag(explicit(1)))]
    components: Vec<GeneralString>,
}

/// A service provider's server, by its verified certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIdentity {
    /// The chain, up to the service provider root.
    pub path: VerifiedPath,
    /// The organisation name of the certificate directly below the root (profile P35); empty where it has none.
    pub organisation: String,
    /// What was odd and accepted.
    pub warnings: Vec<CertWarning>,
}

impl ProviderIdentity {
    /// Verifies a chain of DER certificates, the server's first, at `now`.
    ///
    /// # Errors
    /// See [`CertError`].
    pub fn verify<C: AsRef<[u8]>>(
        chain: &[C],
        anchors: &TrustAnchors,
        policy: &CertPolicy,
        now: Timestamp,
    ) -> Result<Self, CertError> {
        let certificates = super::chain::parse_all(chain)?;
        let (leaf, others) = certificates.split_first().ok_or(CertError::Empty)?;
        Self::verify_parsed(leaf, others, anchors, policy, now)
    }

    /// The same for certificates that have been read already; `others` may hold `leaf` as well.
    ///
    /// # Errors
    /// See [`CertError`].
    pub fn verify_parsed(
        leaf: &Certificate,
        others: &[Certificate],
        anchors: &TrustAnchors,
        policy: &CertPolicy,
        now: Timestamp,
    ) -> Result<Self, CertError> {
        let path = VerifiedPath::build(leaf, others, anchors)?;
        let warnings = policy.judge(&path, now)?;
        let organisation = path.below_anchor().organisation.clone().unwrap_or_default();
        Ok(Self {
            path,
            organisation,
            warnings,
        })
    }

    /// Checks that the certificate is the KDC's of `realm`: its id-pkinit-san names krbtgt/REALM in REALM.
    ///
    /// # Errors
    /// `KdcName` where it does not.
    pub fn check_kdc_of(&self, realm: &Realm) -> Result<(), CertError> {
        let leaf = &self.path.leaf;
        if names_kdc_of(leaf, realm) {
            return Ok(());
        }
        Err(CertError::KdcName {
            subject: leaf.subject_text(),
            realm: realm.to_string(),
        })
    }

    /// Checks that the service provider is `organisation` (pktcMtaDevRealmOrgName, fact sheet security §5, CERTAIN).
    ///
    /// # Errors
    /// `Organisation` where it is another.
    pub fn check_organisation(&self, organisation: &str) -> Result<(), CertError> {
        if self.organisation == organisation {
            return Ok(());
        }
        Err(CertError::Organisation {
            found: self
                .organisation
                .chars()
                .filter(|c| !c.is_control())
                .take(160)
                .collect(),
            expected: organisation.to_owned(),
        })
    }
}

/// Whether the certificate's id-pkinit-san is krbtgt/REALM in REALM; realms compare without case, name types do not
/// matter.
pub fn names_kdc_of(certificate: &Certificate, realm: &Realm) -> bool {
    let expected = realm.as_str().as_bytes();
    let is_realm = |text: &GeneralString| text.as_bytes().eq_ignore_ascii_case(expected);
    certificate
        .other_names
        .iter()
        .filter(|(oid, _)| oid == PKINIT_SAN)
        .filter_map(|(_, value)| rasn::ber::decode::<KerberosName>(value).ok())
        .any(|name| match name.principal.components.as_slice() {
            [service, instance] => is_realm(&name.realm) && service.as_bytes() == b"krbtgt" && is_realm(instance),
            _ => false,
        })
}

/// The DER KerberosName krbtgt/REALM (name type 2, profile P18) in REALM.
pub(super) fn kdc_kerberos_name(realm: &Realm) -> Option<Vec<u8>> {
    let general = |text: &str| GeneralString::from_bytes(text.as_bytes()).ok();
    let name = KerberosName {
        realm: general(realm.as_str())?,
        principal: PrincipalName {
            name_type: 2,
            components: vec![general("krbtgt")?, general(realm.as_str())?],
        },
    };
    rasn::der::encode(&name).ok()
}
