//! eUE-18: the file.

use super::*;
use crate::model::{ConfigUrl, Family, ServedFile};
use crate::profile::HashOver;
use crate::template::Inputs;
use crate::wire::tlv::{
    DeviceFile, EncryptAlgorithm, FileForm, FileHash, FileKey, HashAlgorithm, IvSource, Padding, cipher,
};

/// The file of an attempt of `device` that enrolls at `local`, and its octets.
fn made(
    device: &Device,
    local: SocketAddr,
    policy: &Policy,
    maker: &FileMaker,
) -> Result<(ServedFile, Vec<u8>), FileError> {
    made_by(device, local, policy, maker, &mut SeededRandom::new(3))
}

fn made_by(
    device: &Device,
    local: SocketAddr,
    policy: &Policy,
    maker: &FileMaker,
    random: &mut SeededRandom,
) -> Result<(ServedFile, Vec<u8>), FileError> {
    let mut change = Change {
        attempt: Some(begin(device, None, Phase::Enrolled, peer(), policy, NOW, random).0),
        ..Change::default()
    };
    let request = FileRequest {
        local,
        inputs: &Inputs::default(),
    };
    make_file(&mut change, device, request, policy, maker, NOW, random)?;
    let file = change.attempt.unwrap().file.unwrap();
    let (name, octets) = change.file.unwrap();
    assert_eq!((name, octets.len()), (file.name.clone(), file.size));
    Ok((file, octets))
}

fn made_at(local: &str, policy: &Policy, maker: &FileMaker) -> String {
    made(&device(Flow::Secure), address(local), policy, maker)
        .unwrap()
        .0
        .url
}

fn with_encryption(encryption: FileEncryption) -> FileMaker {
    FileMaker { encryption, ..maker() }
}

fn speaking(mib: MibDialect) -> Device {
    Device {
        mib,
        ..device(Flow::Secure)
    }
}

#[test]
fn a_fresh_name_and_key_for_each_attempt() {
    let random = &mut SeededRandom::new(3);
    let device = device(Flow::Secure);
    let files: Vec<_> = (0..3)
        .map(|_| made_by(&device, local(), &policy(), &maker(), random).unwrap())
        .collect();
    for (one, (file, octets)) in files.iter().enumerate() {
        assert!(
            matches!(FileName::parse(&file.name), Some(FileName::Own { mac: MAC, .. })),
            "{}",
            file.name
        );
        assert!(file.url.ends_with(&file.name));
        for (other, other_octets) in &files[one + 1..] {
            assert_ne!(file.name, other.name);
            assert!(!file.key.ct_eq(other.key.expose()));
            assert_ne!(octets, other_octets);
        }
    }
}

#[test]
fn p24_the_cipher_follows_the_dialect_and_the_operator() {
    use EncryptAlgorithm as E;
    use FileEncryption as F;
    for (encryption, ietf, others) in [
        (F::Dialect, E::Aes128Cbc, E::Des64Cbc),
        (F::Des, E::Des64Cbc, E::Des64Cbc),
        (F::TripleDes, E::TripleDes192Cbc, E::Des64Cbc),
        (F::Aes128, E::Aes128Cbc, E::Des64Cbc),
        (F::Aes256, E::Aes256Cbc, E::Des64Cbc),
        (F::None, E::None, E::None),
    ] {
        for mib in MibDialect::ALL {
            let (file, octets) = made(&speaking(mib), local(), &policy(), &with_encryption(encryption)).unwrap();
            let expected = if mib == MibDialect::Ietf { ietf } else { others };
            assert_eq!(file.algorithm, expected, "{mib} {encryption:?}");
            assert_eq!(file.key.len(), expected.key_len(), "{mib} {encryption:?}");
            let key = FileKey::from_material(file.algorithm, &file.key);
            let plain = cipher::decrypt(&octets, &key, FileForm::default()).unwrap();
            let content = DeviceFile::decode(&plain).expect("the device reads it");
            assert!(!content.elements.is_empty());
        }
    }
}

#[test]
fn p24_a_devices_own_variable_goes_before_the_operators_choice() {
    let named = |word: &str| Device {
        vars: BTreeMap::from([("encryption".to_owned(), word.to_owned())]),
        ..device(Flow::Secure)
    };
    let algorithm = |word| made(&named(word), local(), &policy(), &maker()).map(|(file, _)| file.algorithm);
    assert_eq!(algorithm("3des").unwrap(), EncryptAlgorithm::TripleDes192Cbc);
    assert_eq!(algorithm("none").unwrap(), EncryptAlgorithm::None);
    let error = algorithm("rot13").unwrap_err();
    assert!(error.to_string().contains("rot13"), "{error}");
}

#[test]
fn hybrid_and_basic_files_are_clear() {
    let (file, octets) = made(
        &device(Flow::Hybrid),
        local(),
        &policy(),
        &with_encryption(FileEncryption::Aes256),
    )
    .unwrap();
    assert!(file.algorithm == EncryptAlgorithm::None && file.key.is_empty());
    let basic = maker()
        .basic(&device(Flow::Basic), peer().ip(), Inputs::default(), &policy())
        .unwrap()
        .to_vec();
    for octets in [octets, basic] {
        assert!(octets.starts_with(&[0xfe, 1, 1]) && octets.ends_with(&[0xfe, 1, 0xff]));
    }
}

#[test]
fn p21_the_hash_covers_what_is_delivered() {
    let (file, octets) = made(&device(Flow::Secure), local(), &policy(), &maker()).unwrap();
    assert_eq!(file.hash, FileHash::of(&octets, HashAlgorithm::Sha1).octets());
    assert_eq!(file.hash.len(), 20);
}

#[test]
fn p21_alternative_over_the_plaintext() {
    let mut maker = maker();
    maker.profile.hash_over = HashOver::Plaintext;
    let (file, octets) = made(&device(Flow::Secure), local(), &policy(), &maker).unwrap();
    let key = FileKey::from_material(file.algorithm, &file.key);
    let padded = cipher::decrypt(&octets, &key, FileForm::default()).unwrap();
    let end = padded.iter().rposition(|&octet| octet == 0xff).unwrap();
    assert_eq!(file.hash, FileHash::of(&padded[..=end], HashAlgorithm::Sha1).octets());
}

#[test]
fn p22_every_form_is_one_that_the_told_key_opens() {
    for iv in [IvSource::Prepended, IvSource::Zero, IvSource::KeyObject] {
        for padding in [Padding::ZeroFill, Padding::Pkcs7, Padding::Residual] {
            let mut maker = maker();
            maker.profile.file_form = FileForm { iv, padding };
            let (file, octets) = made(&device(Flow::Secure), local(), &policy(), &maker).unwrap();
            let key = FileKey::from_material(file.algorithm, &file.key);
            let plain = cipher::decrypt(&octets, &key, maker.profile.file_form).unwrap();
            assert!(DeviceFile::decode(&plain).is_ok(), "{iv:?} {padding:?}");
        }
    }
}

#[test]
fn urls_name_the_address_that_the_device_spoke_to() {
    assert!(made_at("192.0.2.1:162", &policy(), &maker()).starts_with("tftp://192.0.2.1/001122aabbcc-"));
    assert!(made_at("[2001:db8::1]:162", &policy(), &maker()).starts_with("tftp://[2001:db8::1]/"));
    // On another address than the file service, its first listener of the family serves.
    assert!(made_at("192.0.2.99:162", &policy(), &maker()).starts_with("tftp://192.0.2.1/"));
}

#[test]
fn urls_follow_the_family_of_the_enrollment() {
    // The attempt began over IPv4; the device enrolled over IPv6.
    let (file, _) = made(&device(Flow::Secure), address("[2001:db8::1]:162"), &policy(), &maker()).unwrap();
    let url: ConfigUrl = file.url.parse().unwrap();
    assert!(matches!(url.host(), crate::model::UrlHost::Address(ip) if Family::of(*ip) == Family::V6));
}

#[test]
fn urls_with_ports_of_their_own_and_by_http() {
    let mut maker = maker();
    maker.endpoints.tftp = vec![address("192.0.2.1:10069")];
    maker.endpoints.http = vec![address("192.0.2.1:80"), address("[2001:db8::1]:10080")];
    assert!(made_at("192.0.2.1:162", &policy(), &maker).starts_with("tftp://192.0.2.1:10069/"));
    let device = Device {
        delivery: Delivery::Http,
        ..device(Flow::Secure)
    };
    let url = |local| made(&device, address(local), &policy(), &maker).unwrap().0.url;
    assert!(url("192.0.2.1:162").starts_with("http://192.0.2.1/001122aabbcc-"));
    assert!(url("[2001:db8::1]:162").starts_with("http://[2001:db8::1]:10080/"));
}

#[test]
fn urls_with_the_operators_name() {
    let policy = Policy {
        url_host: Some("files.example.net".parse().unwrap()),
        ..policy()
    };
    for local in ["192.0.2.1:162", "[2001:db8::1]:162"] {
        assert!(made_at(local, &policy, &maker()).starts_with("tftp://files.example.net/"));
    }
}

#[test]
fn urls_never_name_a_wildcard() {
    let mut maker = maker();
    maker.endpoints.tftp = vec![address("0.0.0.0:69"), address("[::]:69")];
    assert!(made_at("192.0.2.1:162", &policy(), &maker).starts_with("tftp://192.0.2.1/"));
    for local in ["0.0.0.0:162", "[::]:162"] {
        assert!(
            made_at(local, &policy(), &maker).starts_with("tftp://prov.pktc.example.net/"),
            "{local}"
        );
    }
}

#[test]
fn a_family_that_nothing_is_served_on_is_an_error_that_names_the_remedy() {
    let mut maker = maker();
    maker.endpoints.tftp.retain(|listener| listener.is_ipv4());
    let error = made(&device(Flow::Secure), address("[2001:db8::1]:162"), &policy(), &maker).unwrap_err();
    assert!(
        error.to_string().contains("no tftp listener has the family v6"),
        "{error}"
    );
}
