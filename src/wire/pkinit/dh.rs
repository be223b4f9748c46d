//! Diffie-Hellman: the groups, public values, key pairs, and the reply key from the shared secret.
//!
//! Sources: fact sheet security §4.4, profile P15, P16, P37; RFC 2409 §6.1, §6.2 (groups 1 and 2), RFC 3526 §3
//! (group 14). The primes are OpenSSL's own constants.
//!
//! What it costs on one core of a small server: in group 2 a key pair or a shared secret about 0.15 ms, in group 14 about
//! 0.5 ms; the validation of a peer's value, which is a Jacobi symbol and no exponentiation, less than a fifth of that. A KDC
//! that keeps its key pair for a while saves the first of the three.

use std::sync::LazyLock;

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use rasn::types::{Any, BitString};

use super::asn1::{self, AlgorithmIdentifier, SubjectPublicKeyInfo};
use super::jacobi::jacobi_symbol;
use super::{PkinitError, oid};
use crate::value::{Random, Secret};
use crate::wire::cert::der;

/// Length of private exponents in octets. Group 14 has a strength of 112 bits, which asks for 224; the others for less.
const EXPONENT_OCTETS: usize = 32;

/// A group with a safe prime p, generator 2, and q = (p - 1) / 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DhGroup {
    /// Oakley group 1, 768 bits: within reach of an attacker with means. Only where the operator allows it.
    Oakley1,
    /// Oakley group 2, 1024 bits: PacketCable's.
    Oakley2,
    /// The 2048-bit MODP group 14.
    Modp14,
}

struct Numbers {
    p: BigNum,
    q: BigNum,
    g: BigNum,
}

impl Numbers {
    fn of(prime: Result<BigNum, openssl::error::ErrorStack>) -> Self {
        let numbers = prime.and_then(|p| {
            let mut q = BigNum::new()?;
            q.rshift1(&p)?;
            Ok(Self {
                g: BigNum::from_u32(2)?,
                p,
                q,
            })
        });
        numbers.expect("OpenSSL has the memory for its own constants")
    }
}

static OAKLEY1: LazyLock<Numbers> = LazyLock::new(|| Numbers::of(BigNum::get_rfc2409_prime_768()));
static OAKLEY2: LazyLock<Numbers> = LazyLock::new(|| Numbers::of(BigNum::get_rfc2409_prime_1024()));
static MODP14: LazyLock<Numbers> = LazyLock::new(|| Numbers::of(BigNum::get_rfc3526_prime_2048()));

impl DhGroup {
    /// Every group known.
    pub const ALL: [Self; 3] = [Self::Oakley1, Self::Oakley2, Self::Modp14];

    fn numbers(self) -> &'static Numbers {
        match self {
            Self::Oakley1 => &OAKLEY1,
            Self::Oakley2 => &OAKLEY2,
            Self::Modp14 => &MODP14,
        }
    }

    /// The prime's length in octets: 96, 128 or 256.
    pub fn octets(self) -> usize {
        match self {
            Self::Oakley1 => 96,
            Self::Oakley2 => 128,
            Self::Modp14 => 256,
        }
    }

    /// The DER DomainParameters { p, g, q } (RFC 3279 §2.3.3).
    pub fn domain_parameters(self) -> Vec<u8> {
        let numbers = self.numbers();
        let integers = [&numbers.p, &numbers.g, &numbers.q].map(|number| der::unsigned_integer(&number.to_vec()));
        der::tlv(0x30, &integers.concat())
    }

    /// The group of a DomainParameters value. Only p and g decide: q follows from p, and what else stands there is the
    /// sender's affair.
    fn from_domain_parameters(parameters: &[u8]) -> Result<Self, PkinitError> {
        let integers: Vec<Any> = asn1::read(parameters, "DomainParameters")?;
        let mut magnitudes = integers
            .iter()
            .map(|integer| der::unsigned_magnitude(integer.as_bytes()));
        let (Some(Some(p)), Some(Some(g))) = (magnitudes.next(), magnitudes.next()) else {
            return Err(PkinitError::Malformed {
                what: "DomainParameters",
                reason: "p and g are not two positive INTEGERs".to_owned(),
            });
        };
        Self::ALL
            .into_iter()
            .find(|group| g == [2] && p.len() == group.octets() && p == group.numbers().p.to_vec())
            .ok_or(PkinitError::DhGroup { bits: p.len() * 8 })
    }
}

/// A peer's public value that has been validated: 1 < y < p - 1 and y^q = 1 (mod p).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhPublic {
    group: DhGroup,
    /// Big-endian, without leading zeros.
    value: Vec<u8>,
}

impl DhPublic {
    /// The group.
    pub fn group(&self) -> DhGroup {
        self.group
    }

    /// Validates `value`, big-endian, as a public value of `group`.
    ///
    /// Without the subgroup check, a key pair that is used for several clients would give away whether its exponent is even.
    ///
    /// # Errors
    /// `DhValue` where it is out of range or outside the subgroup.
    pub fn new(group: DhGroup, value: &[u8]) -> Result<Self, PkinitError> {
        let value = der::without_leading_zeros(value);
        if value.len() > group.octets() {
            return Err(PkinitError::DhValue("longer than the prime"));
        }
        let numbers = group.numbers();
        let y = BigNum::from_slice(value)?;
        let mut last = numbers.p.to_owned()?;
        last.sub_word(1)?;
        let one = BigNum::from_u32(1)?;
        if y <= one || y >= last {
            return Err(PkinitError::DhValue("not between 1 and p - 1"));
        }
        // By Euler's criterion y^q = (y/p), so the symbol says the same at a fraction of the exponentiation's cost.
        if jacobi_symbol(value, &numbers.p.to_vec()) != 1 {
            return Err(PkinitError::DhValue("not in the subgroup of the generator"));
        }
        Ok(Self {
            group,
            value: value.to_vec(),
        })
    }

    /// Reads the content of a BIT STRING: a DER INTEGER, or bare big-endian octets (profile P37).
    ///
    /// # Errors
    /// Those of [`DhPublic::new`].
    pub(super) fn from_bits(group: DhGroup, bits: &BitString) -> Result<Self, PkinitError> {
        let octets = bits.clone().into_vec();
        Self::new(group, der::unsigned_magnitude(&octets).unwrap_or(&octets))
    }

    /// The group of a clientPublicValue; its value is not looked at.
    pub(super) fn group_of(spki: &SubjectPublicKeyInfo) -> Result<DhGroup, PkinitError> {
        if !oid::is(&spki.algorithm.algorithm, oid::DH_PUBLIC_NUMBER) {
            return Err(PkinitError::Unsupported {
                what: "the algorithm of clientPublicValue",
                found: spki.algorithm.algorithm.to_string(),
            });
        }
        let parameters = spki.algorithm.parameters.as_ref().map_or(&[][..], Any::as_bytes);
        DhGroup::from_domain_parameters(parameters)
    }
}

/// A key pair: one's own half of an agreement. The KDC may use one for several clients for a while.
#[derive(Debug, Clone)]
pub struct DhKeyPair {
    group: DhGroup,
    exponent: Secret,
    /// Big-endian, without leading zeros.
    public: Vec<u8>,
}

impl DhKeyPair {
    /// A new pair in `group`, its exponent 256 bits long (the top bit set).
    ///
    /// # Errors
    /// `Internal` where OpenSSL fails.
    pub fn generate(group: DhGroup, random: &mut dyn Random) -> Result<Self, PkinitError> {
        let mut octets = vec![0; EXPONENT_OCTETS];
        random.fill(&mut octets);
        if let Some(top) = octets.first_mut() {
            *top |= 0x80;
        }
        let exponent = Secret::new(octets);
        let numbers = group.numbers();
        let public = power(&numbers.g, &exponent, &numbers.p)?.to_vec();
        Ok(Self {
            group,
            exponent,
            public,
        })
    }

    /// The group.
    pub fn group(&self) -> DhGroup {
        self.group
    }

    /// The public value, big-endian, without leading zeros.
    pub fn public_value(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret with `peer`, big-endian, padded to the prime's length.
    ///
    /// # Errors
    /// `DhValue` where the groups differ, `Internal` where OpenSSL fails.
    pub fn agree(&self, peer: &DhPublic) -> Result<Secret, PkinitError> {
        if peer.group != self.group {
            return Err(PkinitError::DhValue("of another group"));
        }
        let y = BigNum::from_slice(&peer.value)?;
        let mut shared = power(&y, &self.exponent, &self.group.numbers().p)?;
        let padded = shared.to_vec_padded(self.group.octets() as i32);
        shared.clear();
        Ok(Secret::new(padded?))
    }

    /// The public value for a BIT STRING: in a DER INTEGER, or bare (profile P37).
    pub(super) fn public_bits(&self, bare: bool) -> BitString {
        match bare {
            true => BitString::from_vec(self.public.clone()),
            false => BitString::from_vec(der::unsigned_integer(&self.public)),
        }
    }

    /// The clientPublicValue.
    pub(super) fn spki(&self, bare: bool) -> SubjectPublicKeyInfo {
        SubjectPublicKeyInfo {
            algorithm: AlgorithmIdentifier {
                algorithm: oid::identifier(oid::DH_PUBLIC_NUMBER),
                parameters: Some(Any::new(self.group.domain_parameters())),
            },
            public_key: self.public_bits(bare),
        }
    }
}

/// base^exponent mod p, in time that does not depend on the exponent's bits.
fn power(base: &BigNumRef, exponent: &Secret, p: &BigNumRef) -> Result<BigNum, PkinitError> {
    let mut x = BigNum::from_slice(exponent.expose())?;
    x.set_const_time();
    let mut result = BigNum::new()?;
    let outcome = result.mod_exp(base, &x, p, &mut *BigNumContext::new()?);
    x.clear();
    outcome?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{SeededRandom, hex};

    /// The primes are 2^n - 2^(n-64) - 1 + 2^64 (floor(2^(n-130) pi) + c): both ends are ones, and what follows the
    /// first 64 bits is pi. The last words before the ones are from the RFCs.
    #[test]
    fn rfc2409_6_and_rfc3526_3_primes() {
        for (group, tail) in [
            (DhGroup::Oakley1, "a63a3620"),
            (DhGroup::Oakley2, "ece65381"),
            (DhGroup::Modp14, "8aacaa68"),
        ] {
            let p = group.numbers().p.to_vec();
            assert_eq!(p.len(), group.octets());
            let text = hex(&p);
            assert!(
                text.starts_with("ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd1"),
                "{group:?}"
            );
            assert!(text.ends_with(&format!("{tail}ffffffffffffffff")), "{group:?}");
        }
    }

    #[test]
    fn every_group_has_a_safe_prime() {
        let context = &mut *BigNumContext::new().unwrap();
        for group in DhGroup::ALL {
            let numbers = group.numbers();
            assert!(numbers.p.is_prime(16, context).unwrap(), "{group:?} p");
            assert!(numbers.q.is_prime(16, context).unwrap(), "{group:?} q");
        }
    }

    #[test]
    fn both_sides_agree_and_validate_each_other() {
        for group in DhGroup::ALL {
            let mut random = SeededRandom::new(3);
            let ours = DhKeyPair::generate(group, &mut random).unwrap();
            let theirs = DhKeyPair::generate(group, &mut random).unwrap();
            let spki = theirs.spki(false);
            assert_eq!(DhPublic::group_of(&spki), Ok(group));
            let from_them = DhPublic::from_bits(group, &spki.public_key).unwrap();
            let from_us = DhPublic::from_bits(group, &ours.public_bits(true)).unwrap();
            let secret = ours.agree(&from_them).unwrap();
            assert!(secret.ct_eq(theirs.agree(&from_us).unwrap().expose()));
            assert_eq!(secret.len(), group.octets());
        }
    }

    #[test]
    fn values_that_give_something_away_are_refused() {
        for group in DhGroup::ALL {
            let p = group.numbers().p.to_vec();
            let mut last = group.numbers().p.to_owned().unwrap();
            last.sub_word(1).unwrap();
            // -4 is no square modulo a prime that is 3 modulo 4.
            let mut outside = group.numbers().p.to_owned().unwrap();
            outside.sub_word(4).unwrap();
            let too_long = [&[1], p.as_slice()].concat();
            for bad in [vec![], vec![0], vec![1], last.to_vec(), p, outside.to_vec(), too_long] {
                assert!(
                    matches!(DhPublic::new(group, &bad), Err(PkinitError::DhValue(_))),
                    "{group:?} {bad:02x?}"
                );
            }
            assert!(DhPublic::new(group, &[4]).is_ok());
        }
    }

    #[test]
    fn unknown_groups_are_refused() {
        let pair = DhKeyPair::generate(DhGroup::Oakley2, &mut SeededRandom::new(1)).unwrap();
        let mut other_generator = pair.spki(false);
        let p = DhGroup::Oakley2.numbers().p.to_vec();
        let parameters = [der::unsigned_integer(&p), der::unsigned_integer(&[3])].concat();
        other_generator.algorithm.parameters = Some(Any::new(der::tlv(0x30, &parameters)));
        assert_eq!(
            DhPublic::group_of(&other_generator),
            Err(PkinitError::DhGroup { bits: 1024 })
        );
    }

    #[test]
    fn pairs_of_two_groups_do_not_agree() {
        let mut random = SeededRandom::new(3);
        let ours = DhKeyPair::generate(DhGroup::Oakley2, &mut random).unwrap();
        let theirs = DhPublic::new(DhGroup::Modp14, &[4]).unwrap();
        assert!(ours.agree(&theirs).is_err());
    }
}
