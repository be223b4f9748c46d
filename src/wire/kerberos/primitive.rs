//! The primitive ASN.1 types of Kerberos (RFC 4120 §5.2), each mapped to one Rust type.

use crate::value::{Realm, Timestamp};
use rasn::de::Error as _;
use rasn::types::{Identifier, OctetString, Tag};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

/// Gives a type the encoding of an OCTET STRING under another universal tag, so that the type itself decides which
/// content octets it takes and these are repeated exactly.
macro_rules! asn1_by_octets {
    ($type:ty, $tag:expr) => {
        impl AsnType for $type {
            const TAG: Tag = $tag;
        }

        impl Decode for $type {
            fn decode_with_tag_and_constraints<D: Decoder>(
                decoder: &mut D,
                tag: Tag,
                constraints: &rasn::types::Constraints,
            ) -> Result<Self, D::Error> {
                let octets = OctetString::decode_with_tag_and_constraints(decoder, tag, constraints)?;
                <$type as Content>::from_content(&octets)
                    .ok_or_else(|| D::Error::custom(<$type as Content>::EXPECTED, decoder.codec()))
            }
        }

        impl Encode for $type {
            fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
                &self,
                encoder: &mut E,
                tag: Tag,
                constraints: &rasn::types::Constraints,
                identifier: Identifier,
            ) -> Result<(), E::Error> {
                OctetString::from(self.content()).encode_with_tag_and_constraints(encoder, tag, constraints, identifier)
            }
        }
    };
}

/// Gives `$type` the encoding of `$asn`, through `TryFrom<$asn>` (whose error is shown) and `From<&$type>`.
macro_rules! asn1_through {
    ($type:ty, $asn:ty) => {
        impl rasn::AsnType for $type {
            const TAG: rasn::types::Tag = <$asn as rasn::AsnType>::TAG;
        }

        impl rasn::Decode for $type {
            fn decode_with_tag_and_constraints<D: rasn::Decoder>(
                decoder: &mut D,
                tag: rasn::types::Tag,
                constraints: &rasn::types::Constraints,
            ) -> Result<Self, D::Error> {
                use rasn::de::Error as _;
                let asn = <$asn>::decode_with_tag_and_constraints(decoder, tag, constraints)?;
                <$type>::try_from(asn).map_err(|error| D::Error::custom(error, decoder.codec()))
            }
        }

        impl rasn::Encode for $type {
            fn encode_with_tag_and_constraints<'b, E: rasn::Encoder<'b>>(
                &self,
                encoder: &mut E,
                tag: rasn::types::Tag,
                constraints: &rasn::types::Constraints,
                identifier: rasn::types::Identifier,
            ) -> Result<(), E::Error> {
                <$asn>::from(self).encode_with_tag_and_constraints(encoder, tag, constraints, identifier)
            }
        }
    };
}
pub(super) use asn1_through;

/// How a type stands in the content octets of its element.
trait Content: Sized {
    /// What is said when the octets are something else.
    const EXPECTED: &'static str;
    /// Reads content octets.
    fn from_content(octets: &[u8]) -> Option<Self>;
    /// The content octets.
    fn content(&self) -> Vec<u8>;
}

/// KerberosString (RFC 4120 §5.2.1): GeneralString holding text. UTF-8 is taken, since peers put it there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KerberosString(pub String);

impl Content for KerberosString {
    const EXPECTED: &'static str = "a KerberosString holds text";

    fn from_content(octets: &[u8]) -> Option<Self> {
        std::str::from_utf8(octets).ok().map(|text| Self(text.to_owned()))
    }

    fn content(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }
}

asn1_by_octets!(KerberosString, Tag::GENERAL_STRING);

impl Content for Realm {
    const EXPECTED: &'static str = "a realm is a domain name";

    fn from_content(octets: &[u8]) -> Option<Self> {
        std::str::from_utf8(octets).ok()?.parse().ok()
    }

    fn content(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }
}

// Realm ::= KerberosString (RFC 4120 §5.2.2).
asn1_by_octets!(Realm, Tag::GENERAL_STRING);

impl Content for Timestamp {
    const EXPECTED: &'static str = "a KerberosTime is YYYYMMDDhhmmssZ";

    fn from_content(octets: &[u8]) -> Option<Self> {
        let (digits, zone) = octets.split_at_checked(14)?;
        if zone != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| {
            let field = digits.get(from..to)?;
            Some(
                field
                    .iter()
                    .fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0')),
            )
        };
        Timestamp::from_civil(
            i64::from(number(0, 4)?),
            number(4, 6)?,
            number(6, 8)?,
            number(8, 10)?,
            number(10, 12)?,
            number(12, 14)?,
        )
    }

    fn content(&self) -> Vec<u8> {
        // Years beyond four digits cannot be written; they are cut to the last instant that can.
        let (year, month, day, hour, minute, second) = Timestamp(self.0.clamp(0, LAST_TIME.0)).civil();
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z").into_bytes()
    }
}

/// 9999-12-31T23:59:59Z, the last instant that GeneralizedTime expresses.
const LAST_TIME: Timestamp = Timestamp::from_unix(253_402_300_799);

// KerberosTime (RFC 4120 §5.2.3): whole seconds, UTC. Microseconds travel beside it.
asn1_by_octets!(Timestamp, Tag::GENERALIZED_TIME);

/// A 32-bit number that some peers write signed and others unsigned (profile P36): nonces and sequence numbers.
///
/// The content octets of its INTEGER are kept, so that an answer repeats them exactly; comparison is modulo 2^32.
#[derive(Clone, Copy)]
pub struct Number32 {
    octets: [u8; 5],
    length: u8,
}

impl Number32 {
    /// `value` in the unsigned form of RFC 4120 (a leading zero octet where the top bit is set).
    pub fn new(value: u32) -> Self {
        Self::shortest(i64::from(value))
    }

    /// `value` in the signed form that RFC 1510's peers write (negative where the top bit is set).
    pub fn signed(value: u32) -> Self {
        Self::shortest(i64::from(value as i32))
    }

    fn shortest(value: i64) -> Self {
        let all = value.to_be_bytes();
        let mut octets: &[u8] = &all[3..];
        while let [first, second, ..] = octets {
            // An octet that only repeats the sign of the next is left out (X.690 §8.3.2).
            let redundant = (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0);
            if !redundant {
                break;
            }
            octets = &octets[1..];
        }
        Self::from_content(octets).unwrap_or(Self {
            octets: [0; 5],
            length: 1,
        })
    }

    /// The value modulo 2^32.
    pub fn value(self) -> u32 {
        let start = if self.octets[0] & 0x80 != 0 { u32::MAX } else { 0 };
        self.octets
            .iter()
            .take(usize::from(self.length))
            .fold(start, |value, octet| value << 8 | u32::from(*octet))
    }
}

impl PartialEq for Number32 {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Number32 {}

impl std::fmt::Debug for Number32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#010x}", self.value())
    }
}

impl From<u32> for Number32 {
    fn from(value: u32) -> Self {
        Self::new(value)
    }
}

impl Content for Number32 {
    const EXPECTED: &'static str = "a 32-bit INTEGER, signed or unsigned, has 1 to 5 octets";

    fn from_content(content: &[u8]) -> Option<Self> {
        let fits = match content {
            [] => false,
            [first, _, _, _, _] => matches!(first, 0 | 0xff),
            _ => content.len() < 5,
        };
        let mut octets = [0; 5];
        if !fits {
            return None;
        }
        octets.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
        Some(Self {
            octets,
            length: content.len() as u8,
        })
    }

    fn content(&self) -> Vec<u8> {
        self.octets.iter().take(usize::from(self.length)).copied().collect()
    }
}

asn1_by_octets!(Number32, Tag::INTEGER);

/// KerberosFlags (RFC 4120 §5.2.8): bit 0 is the most significant of the 32. Shorter strings count as zero filled,
/// bits beyond the 32nd are not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KerberosFlags(pub u32);

impl KerberosFlags {
    /// The flags whose bits, counted from the most significant, are `bits`.
    pub const fn of(bits: &[u32]) -> Self {
        let mut value = 0;
        let mut at = 0;
        while at < bits.len() {
            value |= 0x8000_0000 >> (bits[at] & 31);
            at += 1;
        }
        Self(value)
    }

    /// Whether bit `bit`, counted from the most significant, is set.
    pub const fn has(self, bit: u32) -> bool {
        self.0 & (0x8000_0000 >> (bit & 31)) != 0
    }
}

impl std::fmt::Debug for KerberosFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl Content for KerberosFlags {
    const EXPECTED: &'static str = "KerberosFlags is a BIT STRING with 0 to 7 unused bits";

    fn from_content(octets: &[u8]) -> Option<Self> {
        let (unused, bits) = octets.split_first()?;
        if *unused > 7 || (bits.is_empty() && *unused != 0) {
            return None;
        }
        let value = bits
            .iter()
            .chain(std::iter::repeat(&0))
            .take(4)
            .fold(0, |value, octet| value << 8 | u32::from(*octet));
        Some(Self(value))
    }

    fn content(&self) -> Vec<u8> {
        let [a, b, c, d] = self.0.to_be_bytes();
        vec![0, a, b, c, d]
    }
}

asn1_by_octets!(KerberosFlags, Tag::BIT_STRING);

#[cfg(test)]
mod tests {
    use super::super::der;
    use super::*;
    use crate::value::unhex;

    fn decoded<T: Decode>(hex: &str) -> Option<T> {
        der::decode("test", &unhex(hex)?).ok()
    }

    #[test]
    fn p36_a_nonce_keeps_its_spelling() {
        for (hex, value) in [
            ("02042560b4c9", 0x2560_b4c9),
            ("0204956924bf", 0x9569_24bf),
            ("020500956924bf", 0x9569_24bf),
            ("02040095219d", 0x0095_219d),
            ("0201ff", u32::MAX),
            ("020100", 0),
            ("0202ff00", 0xffff_ff00),
        ] {
            let number: Number32 = decoded(hex).expect(hex);
            assert_eq!(number.value(), value, "{hex}");
            assert_eq!(crate::value::hex(&der::encode(&number)), hex);
        }
        assert_eq!(Number32::new(0x9569_24bf), Number32::signed(0x9569_24bf));
        assert_eq!(der::encode(&Number32::signed(0x9569_24bf)).len(), 6);
        assert_eq!(der::encode(&Number32::new(0x9569_24bf)).len(), 7);
        assert_eq!(der::encode(&Number32::new(0)), [2, 1, 0]);
        for hex in ["0200", "020501956924bf", "0206000000000001"] {
            assert!(decoded::<Number32>(hex).is_none(), "{hex}");
        }
    }

    #[test]
    fn rfc4120_5_2_3_kerberos_time() {
        let time: Timestamp = decoded("180f31393835313130363231303632375a").expect("1985");
        assert_eq!(time, Timestamp::from_unix(500_159_187));
        assert_eq!(
            crate::value::hex(&der::encode(&time)),
            "180f31393835313130363231303632375a"
        );
        // Fractions and zones other than UTC are not KerberosTime.
        assert!(decoded::<Timestamp>("181131393835313130363231303632372e305a").is_none());
        assert!(decoded::<Timestamp>("180f313938353133303632313036323734").is_none());
    }

    #[test]
    fn flags_count_from_the_most_significant_bit() {
        let flags: KerberosFlags = decoded("03050040000010").expect("flags");
        assert!(flags.has(1) && flags.has(27) && !flags.has(0));
        assert_eq!(KerberosFlags::of(&[1, 27]), flags);
        assert_eq!(decoded::<KerberosFlags>("03020780"), Some(KerberosFlags::of(&[0])));
        assert_eq!(decoded::<KerberosFlags>("0300"), None);
    }
}
