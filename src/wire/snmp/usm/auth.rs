//! Message authentication: HMAC-MD5-96 and HMAC-SHA-96 (RFC 3414 §6 and §7).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::keys::KeyError;
use crate::value::Secret;

/// The length of msgAuthenticationParameters in an authenticated message: 96 bits.
pub const MAC_LENGTH: usize = 12;

/// How messages are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthProtocol {
    /// HMAC-MD5-96 with a key of 16 octets (key management ciphersuite 0x21, profile P13).
    Md5,
    /// HMAC-SHA-96 with a key of 20 octets (key management ciphersuite 0x22, profile P13).
    Sha1,
}

impl AuthProtocol {
    /// The length of a key, in octets.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
        }
    }
}

/// A localised authentication key: good for messages under one authoritative engine.
#[derive(Debug, Clone)]
pub struct AuthKey {
    protocol: AuthProtocol,
    octets: Secret,
}

impl AuthKey {
    /// Takes `octets` as an already localised key.
    ///
    /// # Errors
    /// [`KeyError`] where there are not exactly [`AuthProtocol::key_length`] octets.
    pub fn new(protocol: AuthProtocol, octets: &[u8]) -> Result<Self, KeyError> {
        if octets.len() != protocol.key_length() {
            return Err(KeyError::Length {
                expected: protocol.key_length(),
                found: octets.len(),
            });
        }
        Ok(Self {
            protocol,
            octets: Secret::from(octets),
        })
    }

    /// The protocol that the key is for.
    pub fn protocol(&self) -> AuthProtocol {
        self.protocol
    }

    /// The key's octets.
    pub fn octets(&self) -> &Secret {
        &self.octets
    }

    /// The message authentication code over `parts`, one after the other, cut to 96 bits.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
        match self.protocol {
            AuthProtocol::Md5 => mac::<Hmac<Md5>>(self.octets.expose(), parts),
            AuthProtocol::Sha1 => mac::<Hmac<Sha1>>(self.octets.expose(), parts),
        }
    }

    /// Whether the message `whole`, whose authentication parameters start at `offset`, was made with this key
    /// (RFC 3414 §6.3.2 and §7.3.2). Takes the same time wherever the codes differ.
    pub(crate) fn verifies(&self, whole: &[u8], offset: usize) -> bool {
        let after = offset.saturating_add(MAC_LENGTH);
        let (Some(before), Some(carried), Some(rest)) =
            (whole.get(..offset), whole.get(offset..after), whole.get(after..))
        else {
            return false;
        };
        self.mac(&[before, &[0; MAC_LENGTH], rest]).ct_eq(carried).into()
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
    // HMAC takes keys of every length.
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    let code = mac.finalize().into_bytes();
    let mut cut = [0; MAC_LENGTH];
    cut.copy_from_slice(&code[..MAC_LENGTH]);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hex;

    fn code(protocol: AuthProtocol, octet: u8, text: &str) -> String {
        let key = AuthKey::new(protocol, &vec![octet; protocol.key_length()]).unwrap();
        hex(&key.mac(&[text.as_bytes()]))
    }

    #[test]
    fn rfc_2202_2_hmac_md5() {
        assert_eq!(code(AuthProtocol::Md5, 0x0b, "Hi There"), "9294727a3638bb1c13f48ef8");
        assert_eq!(
            code(AuthProtocol::Md5, 0x0c, "Test With Truncation"),
            "56461ef2342edc00f9bab995"
        );
    }

    #[test]
    fn rfc_2202_3_hmac_sha1() {
        assert_eq!(code(AuthProtocol::Sha1, 0x0b, "Hi There"), "b617318655057264e28bc0b6");
        assert_eq!(
            code(AuthProtocol::Sha1, 0x0c, "Test With Truncation"),
            "4c1a03424b55e07fe7f27be1"
        );
    }

    #[test]
    fn rfc_3414_6_3_2_the_code_is_computed_over_zeros_in_its_own_place() {
        let key = AuthKey::new(AuthProtocol::Md5, &[7; 16]).unwrap();
        let mut whole = [1u8; 40];
        let code = key.mac(&[&whole[..10], &[0; 12], &whole[22..]]);
        whole[10..22].copy_from_slice(&code);
        assert!(key.verifies(&whole, 10));
        assert!(!key.verifies(&whole, 11));
        assert!(!key.verifies(&whole, 35));
        assert!(!key.verifies(&whole, usize::MAX));
        for at in 0..whole.len() {
            let mut changed = whole;
            changed[at] ^= 1;
            assert!(!key.verifies(&changed, 10), "octet {at}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let found = |length| KeyError::Length {
            expected: 20,
            found: length,
        };
        assert_eq!(AuthKey::new(AuthProtocol::Sha1, &[0; 16]).unwrap_err(), found(16));
    }
}
