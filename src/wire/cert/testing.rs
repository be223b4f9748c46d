//! Look-alike hierarchies for the tests of this floor: the keys are made once a run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use openssl::pkey::{PKey, Private};

use super::issue::{self, Credential, Terms};
use super::{TrustAnchors, certificates_to_pem};
use crate::value::{MacAddress, Realm, SeededRandom, Timestamp};

/// The instant that the tests take for the present: 2026-11-22T00:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_795_305_600);

/// The device of the tests.
pub(crate) const MAC: MacAddress = MacAddress([0x00, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);

/// Both hierarchies.
pub(crate) struct Hierarchy {
    pub mta_root: Credential,
    pub manufacturer: Credential,
    pub device: Credential,
    pub provider_root: Credential,
    pub provider: Credential,
    pub kdc: Credential,
}

static KEYS: LazyLock<Vec<PKey<Private>>> = LazyLock::new(|| {
    let sizes = [2048, 2048, 1024, 2048, 2048, 2048];
    sizes
        .into_iter()
        .map(|bits| issue::generate_key(bits).unwrap())
        .collect()
});

static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(|| {
    let mta_root = issue::mta_root(key(0), &terms()).unwrap();
    let manufacturer = issue::manufacturer_ca(&mta_root, key(1), "Example Devices", &terms()).unwrap();
    let device = issue::device(&manufacturer, key(2), MAC, &terms()).unwrap();
    let provider_root = issue::provider_root(key(3), &terms()).unwrap();
    let provider = issue::provider_ca(&provider_root, key(4), "Example Operator", &terms()).unwrap();
    let fqdn = "kdc.pktc.example.net".parse().unwrap();
    let kdc = issue::kdc(&provider, key(5), "Example Operator", &fqdn, &realm(), &terms()).unwrap();
    Hierarchy {
        mta_root,
        manufacturer,
        device,
        provider_root,
        provider,
        kdc,
    }
});

/// The hierarchy that the tests share.
pub(crate) fn hierarchy() -> &'static Hierarchy {
    &HIERARCHY
}

/// One of six RSA keys: 2048 bits, but 1024 for the third.
pub(crate) fn key(which: usize) -> PKey<Private> {
    KEYS[which].clone()
}

/// SHA-1, valid for 20 years from a year before [`NOW`].
pub(crate) fn terms() -> Terms {
    Terms::new(
        &mut SeededRandom::new(7),
        Timestamp::from_unix(NOW.unix() - 365 * 86_400),
        20,
    )
}

/// The realm of the KDC's certificate.
pub(crate) fn realm() -> Realm {
    "PKTC.EXAMPLE.NET".parse().unwrap()
}

/// Anchors of one certificate.
pub(crate) fn anchors(root: &Credential) -> TrustAnchors {
    TrustAnchors::from_der([&root.certificate]).unwrap()
}

/// Writes `octets` as a file of `folder`.
pub(crate) fn file(folder: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, octets).unwrap();
    path
}

/// Writes certificates as a PEM file of `folder`.
pub(crate) fn pem_file(folder: &Path, name: &str, certificates: &[&Credential]) -> PathBuf {
    let der: Vec<&[u8]> = certificates.iter().map(|c| c.certificate.as_slice()).collect();
    file(folder, name, certificates_to_pem(&der).unwrap().as_bytes())
}

/// Runs the openssl command line tool, an independent judge, and gives its output; it must succeed.
pub(crate) fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    output.stdout
}
