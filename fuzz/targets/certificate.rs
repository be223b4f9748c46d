//! Certificates, chains and revocation lists.

use std::sync::{Arc, LazyLock};

use hardline::wire::cert::{
    CertPolicy, Certificate, ProviderIdentity, RevocationList, TrustAnchors, VerifiedDevice, certificates_from_pem,
    crls_from_file,
};

use super::world::{self, NOW};

static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(world::anchors);
static DEVICE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let device = include_bytes!("../../fixtures/heimdal-as-req/device.pem");
    let manufacturer = include_bytes!("../../fixtures/heimdal-as-req/mfr-ca.pem");
    let pem = [&device[..], manufacturer].concat();
    certificates_from_pem(&pem).expect("PEM")
});

pub fn run(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data, 0) {
        assert_eq!(certificate.der(), data);
        assert!(certificate.subject_text().chars().count() <= 160);
    }
    // A chain whose leaf, or whose authority, is what came.
    for chain in [[data, &DEVICE[1]], [&DEVICE[0], data]] {
        if let Ok(device) = VerifiedDevice::verify(&chain, &ANCHORS) {
            // Who has no CA's key has no certificate but those that there are.
            assert_eq!(device.path.leaf.der(), DEVICE[0]);
            assert_eq!(device.mac, world::MAC);
            let _ = Arc::new(device).admit(&CertPolicy::default(), NOW);
        }
    }
    let _ = ProviderIdentity::verify(&[data], &ANCHORS, &CertPolicy::default(), NOW);
    for list in crls_from_file(data).unwrap_or_default() {
        if let Ok(list) = RevocationList::parse(&list) {
            assert!(ANCHORS.certificates().iter().all(|root| !list.is_signed_by(root)));
        }
    }
}
