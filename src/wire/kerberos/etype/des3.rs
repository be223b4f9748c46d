//! Triple DES: CBC, parity, and keys from random octets (RFC 3961 §6.3).

use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use des::TdesEde3;

const ZERO_IV: [u8; 8] = [0; 8];

/// Encrypts whole blocks of 8 octets in place, IV zero. `None` where key (24 octets) or data have the wrong length.
pub(in crate::wire::kerberos) fn cbc_encrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    let length = data.len();
    cbc::Encryptor::<TdesEde3>::new_from_slices(key, &ZERO_IV)
        .ok()?
        .encrypt_padded::<NoPadding>(data, length)
        .ok()
        .map(drop)
}

/// Decrypts whole blocks of 8 octets in place, IV zero. `None` where key (24 octets) or data have the wrong length.
pub(in crate::wire::kerberos) fn cbc_decrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    cbc::Decryptor::<TdesEde3>::new_from_slices(key, &ZERO_IV)
        .ok()?
        .decrypt_padded::<NoPadding>(data)
        .ok()
        .map(drop)
}

/// Sets the lowest bit of each octet so that its number of ones is odd.
pub(super) fn parity(key: &mut [u8]) {
    for octet in key {
        let even = (*octet >> 1).count_ones().is_multiple_of(2);
        *octet = *octet & 0xfe | u8::from(even);
    }
}

/// Spreads 168 random bits over three DES keys: seven octets each, their lowest bits gathered in an eighth, then
/// parity (RFC 3961 §6.3.1).
pub(super) fn random_to_key(seed: &[u8; 21]) -> zeroize::Zeroizing<[u8; 24]> {
    let mut key = zeroize::Zeroizing::new([0; 24]);
    for (part, seven) in key.chunks_exact_mut(8).zip(seed.chunks_exact(7)) {
        let gathered = seven
            .iter()
            .zip(1..)
            .fold(0, |octet, (from, bit)| octet | (from & 1) << bit);
        for (to, from) in part.iter_mut().zip(seven.iter().chain([&gathered])) {
            *to = *from;
        }
    }
    parity(&mut key[..]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{hex, unhex};

    #[test]
    fn rfc3961_a_3_random_to_key() {
        // DR and DK of the same line: the first is the input, the second the output.
        let seed = unhex("935079d14490a75c3093c4a6e8c3b049c71e6ee705").expect("hex");
        let key = random_to_key(&seed.try_into().expect("21 octets"));
        assert_eq!(hex(&key[..]), "925179d04591a79b5d3192c4a7e9c289b049c71f6ee604cd");
    }
}
