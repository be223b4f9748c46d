//! AES in CBC with ciphertext stealing, IV zero, as RFC 3962 §5 and RFC 8009 §5 use it: the last two blocks are always
//! swapped, and a single block is plain CBC.

use aes::{Aes128, Aes256};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

/// Octets of a block.
pub(super) const BLOCK: usize = 16;
const ZERO_IV: [u8; BLOCK] = [0; BLOCK];

/// Encrypts whole blocks in place. `None` where the key has neither 16 nor 32 octets or data is no whole blocks.
pub(super) fn cbc_encrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    let length = data.len();
    match key.len() {
        16 => cbc::Encryptor::<Aes128>::new_from_slices(key, &ZERO_IV)
            .ok()?
            .encrypt_padded::<NoPadding>(data, length)
            .ok()
            .map(drop),
        _ => cbc::Encryptor::<Aes256>::new_from_slices(key, &ZERO_IV)
            .ok()?
            .encrypt_padded::<NoPadding>(data, length)
            .ok()
            .map(drop),
    }
}

fn cbc_decrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    match key.len() {
        16 => cbc::Decryptor::<Aes128>::new_from_slices(key, &ZERO_IV)
            .ok()?
            .decrypt_padded::<NoPadding>(data)
            .ok()
            .map(drop),
        _ => cbc::Decryptor::<Aes256>::new_from_slices(key, &ZERO_IV)
            .ok()?
            .decrypt_padded::<NoPadding>(data)
            .ok()
            .map(drop),
    }
}

/// Encrypts at least one block's worth of octets, of any length.
pub(super) fn cts_encrypt(key: &[u8], mut data: Vec<u8>) -> Option<Vec<u8>> {
    let length = data.len();
    data.resize(length.next_multiple_of(BLOCK), 0);
    cbc_encrypt(key, &mut data)?;
    if let Some(at) = data.len().checked_sub(2 * BLOCK) {
        let (one, two) = data.get_mut(at..)?.split_at_mut(BLOCK);
        one.swap_with_slice(two);
    }
    data.truncate(length);
    Some(data)
}

/// Decrypts what [`cts_encrypt`] made, in place. `None` where there is less than a block.
pub(super) fn cts_decrypt(key: &[u8], data: &mut Vec<u8>) -> Option<()> {
    let length = data.len();
    let Some(stolen) = length.checked_sub(BLOCK).filter(|rest| *rest > 0) else {
        return cbc_decrypt(key, data);
    };
    // The last octets are the shortened last but one block of CBC; what it lacks comes out of decrypting the last,
    // which stands before it.
    let tail = (stolen - 1) % BLOCK + 1;
    let swapped = length - tail - BLOCK;
    let last: [u8; BLOCK] = data.get(swapped..swapped + BLOCK)?.try_into().ok()?;
    let mut opened = last;
    cbc_decrypt(key, &mut opened)?;
    let mut whole: [u8; BLOCK] = opened;
    whole.get_mut(..tail)?.copy_from_slice(data.get(length - tail..)?);
    data.truncate(swapped);
    data.extend_from_slice(&whole);
    data.extend_from_slice(&last);
    cbc_decrypt(key, data)?;
    data.truncate(length);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{hex, unhex};

    #[test]
    fn rfc3962_b_ciphertext_stealing() {
        let key = b"chicken teriyaki";
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        for (length, expected) in [
            (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (31, "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"),
            (32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                48,
                "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc840\
                 9dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ] {
            let ciphertext = cts_encrypt(key, text[..length].to_vec()).expect("encrypts");
            assert_eq!(hex(&ciphertext), expected, "{length} octets");
            let mut plaintext = unhex(expected).expect("hex");
            cts_decrypt(key, &mut plaintext).expect("decrypts");
            assert_eq!(plaintext, text[..length]);
        }
    }
}
