//! Privacy: DES in CBC mode (RFC 3414 §8) and AES-128 in CFB mode (RFC 3826).

use std::sync::atomic::{AtomicU64, Ordering};

use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use zeroize::Zeroizing;

use super::keys::KeyError;
use crate::value::{Random, Secret};

/// The length of a privacy key: DES key and pre-IV, or an AES-128 key.
const KEY_LENGTH: usize = 16;
const DES_BLOCK: usize = 8;

/// How messages are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivProtocol {
    /// DES-CBC (key management ciphersuite 0x21, profile P13).
    Des,
    /// AES-128-CFB with feedback of whole blocks (profile P13).
    Aes128,
}

/// A localised privacy key of 16 octets: for DES, 8 of key and 8 of pre-IV (RFC 3414 §8.1.1.1); for AES, the key.
#[derive(Debug, Clone)]
pub struct PrivKey {
    protocol: PrivProtocol,
    octets: Secret,
}

/// The part of an initialisation vector that travels in a message. No two messages under the same key may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub u64);

/// Gives every message its own [`Salt`]: a counter that starts at random, so that neither a restart nor another
/// node under the same engine id repeats the salts of this one (RFC 3826 §3.1.2.1).
#[derive(Debug)]
pub struct SaltSource(AtomicU64);

impl SaltSource {
    /// Starts at a random number.
    pub fn new(random: &mut dyn Random) -> Self {
        let mut start = [0; 8];
        random.fill(&mut start);
        Self(AtomicU64::new(u64::from_be_bytes(start)))
    }

    /// The next salt.
    pub fn next(&self) -> Salt {
        Salt(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The octets cannot have been encrypted under the key's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecryptable;

impl PrivKey {
    /// Takes the first 16 of `octets` as an already localised key; a key localised with SHA-1 has 20 (RFC 3414 §8.2.1).
    ///
    /// # Errors
    /// [`KeyError`] where there are fewer than 16.
    pub fn new(protocol: PrivProtocol, octets: &[u8]) -> Result<Self, KeyError> {
        let used = octets.get(..KEY_LENGTH).ok_or(KeyError::Length {
            expected: KEY_LENGTH,
            found: octets.len(),
        })?;
        Ok(Self {
            protocol,
            octets: Secret::from(used),
        })
    }

    /// The protocol that the key is for.
    pub fn protocol(&self) -> PrivProtocol {
        self.protocol
    }

    /// The key's 16 octets.
    pub fn octets(&self) -> &Secret {
        &self.octets
    }

    /// Encrypts `data` in place and gives msgPrivacyParameters. For DES, zero octets fill the last block
    /// (RFC 3414 §8.1.1.2); `boots` and `time` are those in the message.
    pub(crate) fn encrypt(&self, boots: u32, time: u32, salt: Salt, data: &mut Vec<u8>) -> [u8; 8] {
        match self.protocol {
            PrivProtocol::Des => {
                data.resize(data.len().next_multiple_of(DES_BLOCK), 0);
                // The salt is the engine's boots and a counter of 32 bits (RFC 3414 §8.1.1.1).
                let parameters = (u64::from(boots) << 32 | salt.0 & 0xffff_ffff).to_be_bytes();
                let (key, iv) = self.des(parameters);
                let (blocks, _) = Array::slice_as_chunks_mut(data);
                cbc::Encryptor::<des::Des>::new(&Array(*key), &Array(*iv)).encrypt_blocks(blocks);
                parameters
            }
            PrivProtocol::Aes128 => {
                let parameters = salt.0.to_be_bytes();
                let (key, iv) = self.aes(boots, time, parameters);
                cfb_mode::Encryptor::<aes::Aes128>::new(&Array(*key), &Array(iv)).encrypt(data);
                parameters
            }
        }
    }

    /// Decrypts `data` in place; `parameters` is msgPrivacyParameters. For DES the filling stays at the end.
    pub(crate) fn decrypt(
        &self,
        boots: u32,
        time: u32,
        parameters: &[u8],
        data: &mut [u8],
    ) -> Result<(), Undecryptable> {
        let parameters: [u8; 8] = parameters.try_into().map_err(|_| Undecryptable)?;
        match self.protocol {
            PrivProtocol::Des => {
                let (key, iv) = self.des(parameters);
                let (blocks, rest) = Array::slice_as_chunks_mut(data);
                if !rest.is_empty() {
                    return Err(Undecryptable);
                }
                cbc::Decryptor::<des::Des>::new(&Array(*key), &Array(*iv)).decrypt_blocks(blocks);
            }
            PrivProtocol::Aes128 => {
                let (key, iv) = self.aes(boots, time, parameters);
                cfb_mode::Decryptor::<aes::Aes128>::new(&Array(*key), &Array(iv)).decrypt(data);
            }
        }
        Ok(())
    }

    /// The DES key, and the initialisation vector: the pre-IV XOR the salt (RFC 3414 §8.1.1.1).
    fn des(&self, salt: [u8; 8]) -> (Zeroizing<[u8; 8]>, Zeroizing<[u8; 8]>) {
        let (mut key, mut iv) = (Zeroizing::new([0; 8]), Zeroizing::new(salt));
        let (key_half, pre_iv) = self.octets.expose().split_at(8);
        key.copy_from_slice(key_half);
        iv.iter_mut().zip(pre_iv).for_each(|(octet, pre)| *octet ^= pre);
        (key, iv)
    }

    /// The AES key, and the initialisation vector: boots, time, salt (RFC 3826 §3.1.2.1).
    fn aes(&self, boots: u32, time: u32, salt: [u8; 8]) -> (Zeroizing<[u8; 16]>, [u8; 16]) {
        let mut key = Zeroizing::new([0; 16]);
        key.copy_from_slice(self.octets.expose());
        let iv = u128::from(boots) << 96 | u128::from(time) << 64 | u128::from(u64::from_be_bytes(salt));
        (key, iv.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{SeededRandom, hex, unhex};
    use proptest::prelude::*;

    fn key(protocol: PrivProtocol, octets: &str) -> PrivKey {
        PrivKey::new(protocol, &unhex(octets).unwrap()).unwrap()
    }

    #[test]
    fn rfc_3414_8_1_1_fips_81_cbc_with_the_pre_iv_taken_apart() {
        // FIPS 81's key and text; its initialisation vector 1234567890abcdef is pre-IV XOR (boots, counter).
        let key = key(PrivProtocol::Des, "0123456789abcdef1234567290abcdea");
        let mut data = b"Now is the time for all ".to_vec();
        let parameters = key.encrypt(0x0000_000a, 99, Salt(0xffff_ffff_0000_0005), &mut data);
        assert_eq!(hex(&parameters), "0000000a00000005");
        assert_eq!(hex(&data), "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6");
        key.decrypt(0x0a, 99, &parameters, &mut data).unwrap();
        assert_eq!(data, b"Now is the time for all ");
    }

    #[test]
    fn rfc_3826_3_1_2_1_sp_800_38a_cfb128_with_the_iv_from_boots_time_and_salt() {
        let key = key(PrivProtocol::Aes128, "2b7e151628aed2a6abf7158809cf4f3c");
        let mut data = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51").unwrap();
        let parameters = key.encrypt(0x0001_0203, 0x0405_0607, Salt(0x0809_0a0b_0c0d_0e0f), &mut data);
        assert_eq!(hex(&parameters), "08090a0b0c0d0e0f");
        assert_eq!(
            hex(&data),
            "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
        );
    }

    #[test]
    fn rfc_3414_8_3_2_octets_that_nobody_encrypted() {
        let key = key(PrivProtocol::Des, "00000000000000000000000000000000");
        assert_eq!(key.decrypt(0, 0, &[0; 8], &mut [0; 15]), Err(Undecryptable));
        assert_eq!(key.decrypt(0, 0, &[0; 7], &mut [0; 16]), Err(Undecryptable));
        assert!(PrivKey::new(PrivProtocol::Des, &[0; 15]).is_err());
    }

    #[test]
    fn salts_do_not_repeat() {
        let source = SaltSource::new(&mut SeededRandom::new(1));
        assert_ne!(source.next(), source.next());
    }

    proptest! {
        #[test]
        fn data_and_back(
            aes: bool, octets: [u8; 16], boots: u32, time: u32, salt: u64,
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let protocol = if aes { PrivProtocol::Aes128 } else { PrivProtocol::Des };
            let key = PrivKey::new(protocol, &octets).unwrap();
            let mut sealed = data.clone();
            let parameters = key.encrypt(boots, time, Salt(salt), &mut sealed);
            key.decrypt(boots, time, &parameters, &mut sealed).unwrap();
            prop_assert_eq!(&sealed[..data.len()], &data[..]);
            prop_assert!(sealed.len() - data.len() < 8 && sealed[data.len()..].iter().all(|&b| b == 0));
        }
    }
}
