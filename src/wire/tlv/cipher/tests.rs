//! The cipher against itself and against openssl.

use super::*;
use crate::value::{Secret, SeededRandom};
use proptest::prelude::*;
use std::process::{Command, Stdio};

fn forms() -> impl Iterator<Item = FileForm> {
    [IvSource::Prepended, IvSource::Zero, IvSource::KeyObject]
        .into_iter()
        .flat_map(|iv| [Padding::ZeroFill, Padding::Pkcs7, Padding::Residual].map(|padding| FileForm { iv, padding }))
}

#[test]
fn every_form_of_every_algorithm_comes_back() {
    let mut random = SeededRandom::new(1);
    for algorithm in EncryptAlgorithm::ALL {
        for form in forms() {
            for length in [0, 1, 7, 8, 15, 16, 17, 100, 1000] {
                let key = FileKey::generate(algorithm, form.iv, &mut random);
                let plain: Vec<u8> = (0..length).map(|at| at as u8 | 1).collect();
                let Ok(delivered) = encrypt(&plain, &key, form, &mut random) else {
                    panic!("{algorithm:?} {form:?}");
                };
                let opened = decrypt(&delivered, &key, form).unwrap();
                assert!(opened.starts_with(&plain) && opened[length..].iter().all(|&octet| octet == 0));
                assert!(opened.len() - length < algorithm.block_len(), "{form:?}");
                if form.padding == Padding::Residual && form.iv != IvSource::Prepended {
                    assert_eq!(delivered.len(), length);
                }
            }
        }
    }
}

#[test]
fn the_hash_of_the_same_pass_is_that_of_the_result() {
    let mut random = SeededRandom::new(7);
    for algorithm in EncryptAlgorithm::ALL {
        for form in forms() {
            for length in [0, 15, 16, 255, 256, 257, 1000] {
                let key = FileKey::generate(algorithm, form.iv, &mut random);
                for hash in [HashAlgorithm::Sha1, HashAlgorithm::Md5] {
                    let plain = vec![3; length];
                    let (delivered, found) = encrypt_and_hash(&plain, &key, form, &mut random, hash).unwrap();
                    assert_eq!(found, FileHash::of(&delivered, hash), "{algorithm:?} {form:?} {length}");
                }
            }
        }
    }
}

#[test]
fn p22_a_block_of_iv_then_ciphertext_of_the_zero_filled_file() {
    let mut random = SeededRandom::new(2);
    let key = FileKey::generate(EncryptAlgorithm::Aes128Cbc, IvSource::Prepended, &mut random);
    let length = |plain: usize| {
        let plain = vec![1; plain];
        encrypt(&plain, &key, FileForm::default(), &mut SeededRandom::new(3))
            .unwrap()
            .len()
    };
    assert_eq!((length(1), length(16), length(17)), (32, 32, 48));
}

#[test]
fn openssl_decrypts_what_we_encrypt() {
    let mut random = SeededRandom::new(4);
    let plain = b"\xfe\x01\x01\x0b\x12 not sixteen octets \xfe\x01\xff";
    for (algorithm, name, legacy) in [
        (EncryptAlgorithm::Des64Cbc, "-des-cbc", true),
        (EncryptAlgorithm::TripleDes192Cbc, "-des-ede3-cbc", false),
        (EncryptAlgorithm::Aes128Cbc, "-aes-128-cbc", false),
        (EncryptAlgorithm::Aes256Cbc, "-aes-256-cbc", false),
    ] {
        for padding in [Padding::ZeroFill, Padding::Pkcs7] {
            let form = FileForm {
                iv: IvSource::Prepended,
                padding,
            };
            let key = FileKey::generate(algorithm, form.iv, &mut random);
            let delivered = encrypt(plain, &key, form, &mut random).unwrap();
            let (iv, body) = delivered.split_at(algorithm.block_len());
            let mut command = Command::new("openssl");
            command.args(["enc", "-d", name, "-K", &crate::value::hex(key.octets().expose())]);
            command.args(["-iv", &crate::value::hex(iv)]);
            if padding == Padding::ZeroFill {
                command.arg("-nopad");
            }
            if legacy {
                command.args(["-provider", "legacy", "-provider", "default"]);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), body).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success() && output.stdout.starts_with(plain),
                "{name} {padding:?}"
            );
        }
    }
}

#[test]
fn what_is_no_ciphertext_is_refused() {
    let mut random = SeededRandom::new(5);
    let key = FileKey::generate(EncryptAlgorithm::Aes128Cbc, IvSource::Prepended, &mut random);
    let form = FileForm::default();
    assert_eq!(
        decrypt(&[0; 15], &key, form),
        Err(CipherError::Length { found: 15, block: 16 })
    );
    assert_eq!(
        decrypt(&[0; 31], &key, form),
        Err(CipherError::Length { found: 31, block: 16 })
    );
    let pkcs7 = FileForm {
        padding: Padding::Pkcs7,
        ..form
    };
    assert_eq!(decrypt(&[0; 16], &key, pkcs7), Err(CipherError::Pad));
    let from_object = FileForm {
        iv: IvSource::KeyObject,
        ..form
    };
    assert_eq!(decrypt(&[0; 32], &key, from_object), Err(CipherError::NoIv(16)));
    let short = FileKey::new(EncryptAlgorithm::Aes128Cbc, Secret::new(vec![0; 8]));
    assert!(matches!(
        decrypt(&[0; 32], &short, form),
        Err(CipherError::KeyLength { found: 8, .. })
    ));
}

proptest! {
    #[test]
    fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..100), number in 0i32..5) {
        let algorithm = EncryptAlgorithm::from_number(number).unwrap();
        for form in forms() {
            let key = FileKey::generate(algorithm, form.iv, &mut SeededRandom::new(6));
            let _ = decrypt(&octets, &key, form);
        }
    }
}
