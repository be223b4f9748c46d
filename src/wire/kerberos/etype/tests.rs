//! Vectors of RFC 3961 A, RFC 3962 B, RFC 8009 A and profile.md.

use super::derive::{Purpose, constant};
use super::*;
use crate::value::{SeededRandom, hex, unhex};
use proptest::prelude::*;

fn octets(text: &str) -> Vec<u8> {
    unhex(&text.replace(' ', "")).expect("hexadecimal")
}

#[test]
fn profile_p14_des3_cbc_md5_in_both_pad_forms() {
    let key = octets("0102020404070708080b0b0d0d0e0e101013131515161619");
    let confounder = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
    for (pad, expected) in [
        (
            PadForm::Uncovered,
            "a5e5f164fecebb87886bc6e7da50244246ef0a11b5d3d4ae9a0337a112ef9cecc6de2b58573b3d13",
        ),
        (
            PadForm::Covered,
            "a5e5f164fecebb8746443701449f4866574c121c050486c9058fab28a6dbbb8831e48ca1fc057011",
        ),
    ] {
        let ciphertext = des3_md5::encrypt(&key, &confounder, b"PacketCable", pad).expect("encrypts");
        assert_eq!(hex(&ciphertext), expected);
        let opened = des3_md5::decrypt(&key, &ciphertext).expect("verifies");
        assert!(opened.plaintext.expose().starts_with(b"PacketCable"));
    }
}

#[test]
fn p14_the_matching_pad_form_is_told() {
    let key = EncType::Des3CbcMd5.generate(&mut SeededRandom::new(1));
    let random = &mut SeededRandom::new(2);
    for (message, told) in [(&[0x04, 3, 1, 2, 0][..], true), (&[0x04, 6, 1, 2, 3, 4, 5, 0], false)] {
        for pad in [PadForm::Uncovered, PadForm::Covered] {
            let ciphertext = key.encrypt(KeyUsage(1), message, pad, random).expect("encrypts");
            let opened = key.decrypt(KeyUsage(2), &ciphertext).expect("type 5 has no usages");
            assert_eq!(opened.plaintext.expose(), message);
            assert_eq!(opened.pad, told.then_some(pad));
        }
    }
}

#[test]
fn rfc3961_a_3_derived_keys() {
    for (key, constant, expected) in [
        (
            "dce06b1f64c857a11c3db57c51899b2cc1791008ce973b92",
            "0000000155",
            "925179d04591a79b5d3192c4a7e9c289b049c71f6ee604cd",
        ),
        (
            "5e13d31c70ef765746578531cb51c15bf11ca82c97cee9f2",
            "00000001aa",
            "9e58e5a146d9942a101c469845d67a20e3c4259ed913f207",
        ),
        (
            "d3f8298ccb166438dcb9b93ee5a7629286a491f838f802fb",
            "6b65726265726f73",
            "2370da575d2a3da864cebfdc5204d56df779a7df43d9da43",
        ),
    ] {
        let derived = des3_sha1::derive_key(&octets(key), &octets(constant)).expect("derives");
        assert_eq!(hex(&derived[..]), expected);
    }
}

#[test]
fn rfc3961_a_4_des3_string_to_key() {
    for (salt, password, expected) in [
        (
            "ATHENA.MIT.EDUraeburn",
            "password",
            "850bb51358548cd05e86768c313e3bfef7511937dcf72c3e",
        ),
        (
            "WHITEHOUSE.GOVdanny",
            "potatoe",
            "dfcd233dd0a43204ea6dc437fb15e061b02979c1f74f377a",
        ),
        (
            "EXAMPLE.COMbuckaroo",
            "penny",
            "6d2fcdf2d6fbbc3ddcadb5da5710a23489b0d3b69d5d9d4a",
        ),
    ] {
        let key = EncType::Des3CbcSha1Kd
            .string_to_key(password.as_bytes(), salt.as_bytes(), None)
            .expect("makes a key");
        assert_eq!(hex(key.value.expose()), expected);
    }
}

#[test]
fn rfc3962_b_string_to_key() {
    for (iterations, password, salt, short, long) in [
        (
            1,
            &b"password"[..],
            &b"ATHENA.MIT.EDUraeburn"[..],
            "42263c6e89f4fc28b8df68ee09799f15",
            "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161",
        ),
        (
            1_200,
            b"password",
            b"ATHENA.MIT.EDUraeburn",
            "4c01cd46d632d01e6dbe230a01ed642a",
            "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a",
        ),
        (
            5,
            b"password",
            &[0x12, 0x34, 0x56, 0x78, 0x78, 0x56, 0x34, 0x12],
            "e9b23d52273747dd5c35cb55be619d8e",
            "97a4e786be20d81a382d5ebc96d5909cabcdadc87ca48f574504159f16c36e31",
        ),
    ] {
        let key = |etype: EncType| {
            etype
                .string_to_key(password, salt, Some(iterations))
                .expect("makes a key")
        };
        assert_eq!(hex(key(EncType::Aes128Sha1).value.expose()), short);
        assert_eq!(hex(key(EncType::Aes256Sha1).value.expose()), long);
    }
}

#[test]
fn rfc8009_a_string_to_key() {
    let salt = octets("10DF9DD783E5BC8ACEA1730E74355F61 415448454E412E4D49542E4544557261656275726E");
    let key = |etype: EncType| etype.string_to_key(b"password", &salt, None).expect("makes a key");
    assert_eq!(
        hex(key(EncType::Aes128Sha256).value.expose()),
        "089bca48b105ea6ea77ca5d2f39dc5e7"
    );
    assert_eq!(
        hex(key(EncType::Aes256Sha384).value.expose()),
        "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467"
    );
}

#[test]
fn rfc8009_a_checksums() {
    let data: Vec<u8> = (0..=0x14).collect();
    let usage = KeyUsage(2);
    let sum = |key: &str| {
        let key = octets(key);
        hex(&Sha2Variant::of_key_length(key.len())
            .checksum(&key, usage, &data)
            .expect("sums"))
    };
    assert_eq!(
        sum("3705D96080C17728A0E800EAB6E0D23C"),
        "d78367186643d67b411cba9139fc1dee"
    );
    assert_eq!(
        sum("6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52"),
        "45ee791567eefca37f4ac1e0222de80d43c3bfa06699672a"
    );
    assert_eq!(constant(usage, Purpose::Checksum), [0, 0, 0, 2, 0x99]);
}

#[test]
fn rfc8009_a_encryption() {
    let short_key = "3705D96080C17728A0E800EAB6E0D23C";
    let long_key = "6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52";
    for (key, plaintext, confounder, expected) in [
        (
            short_key,
            "",
            "7E5895EAF2672435BAD817F545A37148",
            "EF85FB890BB8472F4DAB20394DCA781DAD877EDA39D50C870C0D5A0A8E48C718",
        ),
        (
            short_key,
            "000102030405",
            "7BCA285E2FD4130FB55B1A5C83BC5B24",
            "84D7F30754ED987BAB0BF3506BEB09CFB55402CEF7E6877CE99E247E52D16ED4421DFDF8976C",
        ),
        (
            short_key,
            "000102030405060708090A0B0C0D0E0F",
            "56AB21713FF62C0A1457200F6FA9948F",
            "3517D640F50DDC8AD3628722B3569D2AE07493FA8263254080EA65C1008E8FC295FB4852E7D83E1E7C48C37EEBE6B0D3",
        ),
        (
            short_key,
            "000102030405060708090A0B0C0D0E0F1011121314",
            "A7A4E29A4728CE10664FB64E49AD3FAC",
            "720F73B18D9859CD6CCB4346115CD336C70F58EDC0C4437C5573544C31C813BCE1E6D072C186B39A413C2F92CA9B8334A287FFCBFC",
        ),
        (
            long_key,
            "",
            "F764E9FA15C276478B2C7D0C4E5F58E4",
            "41F53FA5BFE7026D91FAF9BE959195A058707273A96A40F0A01960621AC612748B9BBFBE7EB4CE3C",
        ),
        (
            long_key,
            "000102030405",
            "B80D3251C1F6471494256FFE712D0B9A",
            "4ED7B37C2BCAC8F74F23C1CF07E62BC7B75FB3F637B9F559C7F664F69EAB7B6092237526EA0D1F61CB20D69D10F2",
        ),
        (
            long_key,
            "000102030405060708090A0B0C0D0E0F",
            "53BF8A0D105265D4E276428624CE5E63",
            "BC47FFEC7998EB91E8115CF8D19DAC4BBBE2E163E87DD37F49BECA92027764F6\
             8CF51F14D798C2273F35DF574D1F932E40C4FF255B36A266",
        ),
        (
            long_key,
            "000102030405060708090A0B0C0D0E0F1011121314",
            "763E65367E864F02F55153C7E3B58AF1",
            "40013E2DF58E8751957D2878BCD2D6FE101CCFD556CB1EAE79DB3C3EE86429F2\
             B2A602AC86FEF6ECB647D6295FAE077A1FEB517508D2C16B4192E01F62",
        ),
    ] {
        let (key, plaintext) = (octets(key), octets(plaintext));
        let confounder: [u8; 16] = octets(confounder).try_into().expect("16 octets");
        let variant = Sha2Variant::of_key_length(key.len());
        let ciphertext = variant
            .encrypt(&key, KeyUsage(2), &confounder, &plaintext)
            .expect("encrypts");
        assert_eq!(hex(&ciphertext), expected.to_lowercase());
        let opened = variant.decrypt(&key, KeyUsage(2), &ciphertext).expect("verifies");
        assert_eq!(opened.expose(), plaintext);
    }
}

/// Known answers that MIT krb5 publishes with its crypto tests: key, usage, plaintext, ciphertext.
#[test]
fn mit_known_ciphertexts() {
    for (etype, usage, plaintext, key, ciphertext) in [
        (
            EncType::Des3CbcSha1Kd,
            2,
            "9 bytesss",
            "2FD0F725CE04100D2FC8A18098831F850B45D9EF850BD920",
            "CF9144EBC8697981075A8BAD8D74E5D7D591EB7D9770C7ADA25EE8C5B3D69444DFEC79A5B7A01482D9AF74E6",
        ),
        (
            EncType::Aes128Sha1,
            2,
            "9 bytesss",
            "9062430C8CDA3388922E6D6A509F5B7A",
            "68FB9679601F45C78857B2BF820FD6E53ECA8D42FD4B1D7024A09205ABB7CD2EC26C355D2F",
        ),
        (
            EncType::Aes128Sha1,
            4,
            "30 bytes bytes bytes bytes byt",
            "DCEEB70B3DE76562E689226C76429148",
            "C96081032D5D8EEB7E32B4089F789D0FAA481DEA74C0F97CBF3146DDFCF8E800\
             156ECB532FC203E30FF600B63B350939FECE510F02D7FF1E7BAC",
        ),
        (
            EncType::Aes256Sha1,
            1,
            "1",
            "B9477E1FF0329C0050E20CE6C72D2DFF27E8FE541AB0954429A9CB5B4F7B1E2A",
            "406150B97AEB76D43B36B62CC1ECDFBE6F40E95755E0BEB5C27825F3A4",
        ),
    ] {
        let key = EncryptionKey::new(etype, Secret::new(octets(key))).expect("key");
        let opened = key.decrypt(KeyUsage(usage), &octets(ciphertext)).expect("verifies");
        let (text, pad) = opened.plaintext.expose().split_at(plaintext.len());
        assert_eq!(text, plaintext.as_bytes());
        assert!(pad.iter().all(|octet| *octet == 0));
    }
}

/// Known answers that MIT krb5 publishes with its crypto tests.
#[test]
fn mit_known_checksums() {
    use crate::wire::kerberos::{Checksum, ChecksumType};
    for (etype, kind, usage, text, key, expected) in [
        (
            EncType::Des3CbcSha1Kd,
            ChecksumType::HmacSha1Des3Kd,
            2,
            "six seven",
            "7A25DF8992296DCEDA0E135BC4046E2375B3C14C98FBC162",
            "0eefc9c3e049aabc1ba5c401677d9ab699082bb4",
        ),
        (
            EncType::Aes128Sha1,
            ChecksumType::HmacSha1Aes128,
            3,
            "eight nine ten eleven twelve thirteen",
            "9062430C8CDA3388922E6D6A509F5B7A",
            "01a4b088d45628f6946614e3",
        ),
        (
            EncType::Aes256Sha1,
            ChecksumType::HmacSha1Aes256,
            4,
            "fourteen",
            "B1AE4CD8462AFF1677053CC9279AAC30B796FB81CE21474DD3DDBCFEA4EC76D7",
            "e08739e3279e2903ec8e3836",
        ),
    ] {
        let key = EncryptionKey::new(etype, Secret::new(octets(key))).expect("key");
        let random = &mut SeededRandom::new(1);
        let sum = Checksum::keyed(kind, &key, KeyUsage(usage), text.as_bytes(), random).expect("sums");
        assert_eq!(hex(&sum.checksum), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_type_opens_what_it_sealed(message in proptest::collection::vec(any::<u8>(), 0..200), seed: u64) {
        let random = &mut SeededRandom::new(seed);
        let message = der::wrap(0x04, &message);
        for etype in EncType::ALL {
            let key = etype.generate(random);
            let mut data = key.seal(None, KeyUsage(7), &message, PadForm::default(), random).expect("seals");
            let opened = key.open(&data, KeyUsage(7)).expect("opens");
            prop_assert_eq!(opened.plaintext.expose(), &message[..]);
            if etype != EncType::Des3CbcMd5 {
                prop_assert_eq!(key.open(&data, KeyUsage(8)).err(), Some(CryptoError::Integrity));
            }
            let other = etype.generate(random);
            prop_assert_eq!(other.open(&data, KeyUsage(7)).err(), Some(CryptoError::Integrity));
            data.etype += 1;
            prop_assert!(key.open(&data, KeyUsage(7)).is_err());
        }
    }

    #[test]
    fn hostile_ciphertext_is_refused(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
        for etype in EncType::ALL {
            let key = etype.generate(&mut SeededRandom::new(3));
            prop_assert!(key.decrypt(KeyUsage(1), &octets).is_err());
        }
    }
}
