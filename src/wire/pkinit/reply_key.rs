//! From the Diffie-Hellman shared secret to the reply key (fact sheet security §4.4, profile P15 and P37).

use crate::value::Secret;
use crate::wire::cert::der;

/// How the drafts turn the secret into a key of 24 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyKeyForm {
    /// The leading 192 bits; the low bit of each octet becomes odd parity (drafts -09 to -17).
    #[default]
    Leading192,
    /// The leading 168 bits through the DES3 random-to-key of RFC 3961 §6.3.1 (drafts -18 and -19).
    RandomToKey168,
}

/// What stands at the front of a secret that is shorter than the prime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPadding {
    /// Zero octets, up to the prime's length.
    #[default]
    PrimeLength,
    /// Nothing: leading zero octets are left out.
    Stripped,
}

/// How the reply key is derived. Not to be learned from the client's messages: the KDC speaks first under this key.
/// No weak-key correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplyKeyRule {
    /// Which bits, and how.
    pub form: ReplyKeyForm,
    /// How a short secret is padded.
    pub padding: SecretPadding,
}

impl ReplyKeyRule {
    /// The reply key, 24 octets, from the shared secret padded to the prime's length (96 octets or more). A secret that
    /// is shorter than a key once it is stripped is filled up with zeros at its end.
    pub fn derive(&self, secret: &Secret) -> Secret {
        let octets = match self.padding {
            SecretPadding::PrimeLength => secret.expose(),
            SecretPadding::Stripped => der::without_leading_zeros(secret.expose()),
        };
        let leading = |count: usize| octets.iter().copied().chain(std::iter::repeat(0)).take(count);
        Secret::new(match self.form {
            ReplyKeyForm::Leading192 => leading(24).map(odd_parity).collect(),
            ReplyKeyForm::RandomToKey168 => random_to_key(leading(21)),
        })
    }
}

/// `octet` with its low bit set so that the number of ones is odd.
pub(super) fn odd_parity(octet: u8) -> u8 {
    let upper = octet & 0xfe;
    upper | u8::from(upper.count_ones().is_multiple_of(2))
}

/// RFC 3961 §6.3.1: of each seven octets, the low bits make up an eighth; then parity.
fn random_to_key(octets: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    let mut low_bits = 0u8;
    for (at, octet) in octets.enumerate() {
        key.push(odd_parity(octet));
        low_bits |= (octet & 1) << (at % 7 + 1);
        if at % 7 == 6 {
            key.push(odd_parity(low_bits));
            low_bits = 0;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{hex, unhex};

    const fn rule(form: ReplyKeyForm, padding: SecretPadding) -> ReplyKeyRule {
        ReplyKeyRule { form, padding }
    }

    /// The DK intermediate values of RFC 3961 A.3 are what random-to-key takes, its keys what it gives.
    #[test]
    fn rfc3961_a3_random_to_key() {
        for (random, key) in [
            (
                "935079d14490a75c3093c4a6e8c3b049c71e6ee705",
                "925179d04591a79b5d3192c4a7e9c289b049c71f6ee604cd",
            ),
            (
                "9f58e5a047d894101c469845d67ae3c5249ed812f2",
                "9e58e5a146d9942a101c469845d67a20e3c4259ed913f207",
            ),
        ] {
            let secret = Secret::new(unhex(random).unwrap());
            let derived = rule(ReplyKeyForm::RandomToKey168, SecretPadding::PrimeLength).derive(&secret);
            assert_eq!(hex(derived.expose()), key);
        }
    }

    #[test]
    fn the_leading_192_bits_keep_seven_of_each_eight() {
        let secret = Secret::new((0..128).collect());
        let key = ReplyKeyRule::default().derive(&secret);
        assert_eq!(hex(key.expose()), "010102020404070708080b0b0d0d0e0e1010131315151616");
        for (octet, key) in (0u8..24).zip(key.expose()) {
            assert_eq!(octet & 0xfe, key & 0xfe);
            assert_eq!(key.count_ones() % 2, 1);
        }
    }

    #[test]
    fn p37_a_short_secret_is_padded_or_stripped() {
        let mut octets = vec![0; 2];
        octets.extend(2..128);
        let secret = Secret::new(octets);
        let padded = rule(ReplyKeyForm::Leading192, SecretPadding::PrimeLength).derive(&secret);
        let stripped = rule(ReplyKeyForm::Leading192, SecretPadding::Stripped).derive(&secret);
        assert!(padded.expose().starts_with(&[1, 1, 2]));
        assert!(stripped.expose().starts_with(&[2, 2, 4]));
        let nothing = rule(ReplyKeyForm::Leading192, SecretPadding::Stripped).derive(&Secret::new(vec![0; 128]));
        assert_eq!(nothing.len(), 24);
    }
}
