//! Object identifiers.

use std::fmt;
use std::str::FromStr;

/// An object identifier: 2 to 128 arcs of 32 bits (RFC 2578 §3.5). Orders lexicographically by arcs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(Box<[u32]>);

/// The text or the octets are not an object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidError {
    /// Fewer than two arcs or more than 128.
    #[error("an object identifier has 2 to 128 arcs; this one has {0}")]
    Length(usize),
    /// The first arc is above 2, or the second above 39 under 0 or 1.
    #[error("no object identifier starts with {0}.{1}")]
    Root(u32, u32),
    /// An arc of the text is no number of 32 bits.
    #[error("'{0}' is not an arc of an object identifier")]
    Arc(String),
    /// The BER content ends inside an arc, has an arc above 32 bits, or pads one with a leading 0x80.
    #[error("the object identifier's BER content is wrong at octet {0}")]
    Ber(usize),
}

impl Oid {
    /// Takes `arcs` as an object identifier.
    ///
    /// # Errors
    /// [`OidError::Length`] and [`OidError::Root`].
    pub fn new(arcs: &[u32]) -> Result<Self, OidError> {
        match *arcs {
            [first, second, ..] if arcs.len() <= 128 => {
                if first > 2 || (first < 2 && second > 39) {
                    return Err(OidError::Root(first, second));
                }
                Ok(Self(arcs.into()))
            }
            _ => Err(OidError::Length(arcs.len())),
        }
    }

    /// The arcs.
    pub fn arcs(&self) -> &[u32] {
        &self.0
    }

    /// This object identifier with `arcs` after it; the result may not exceed 128 arcs, what does is cut off.
    pub fn child(&self, arcs: &[u32]) -> Self {
        Self(self.0.iter().chain(arcs).take(128).copied().collect())
    }

    /// Whether `prefix` is this object identifier or an ancestor of it.
    pub fn starts_with(&self, prefix: &[u32]) -> bool {
        self.0.starts_with(prefix)
    }

    /// The BER content octets, without tag and length (X.690 §8.19).
    pub fn to_ber(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.0.len() + 8);
        let first = u64::from(self.0[0]) * 40 + u64::from(self.0[1]);
        for arc in std::iter::once(first).chain(self.0[2..].iter().map(|&arc| u64::from(arc))) {
            // Most arcs are small, and files have many names.
            if arc < 0x80 {
                octets.push(arc as u8);
                continue;
            }
            let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
            for group in (0..groups).rev() {
                let more = if group > 0 { 0x80 } else { 0 };
                octets.push((arc >> (7 * group)) as u8 & 0x7f | more);
            }
        }
        octets
    }

    /// Reads BER content octets, without tag and length.
    ///
    /// # Errors
    /// [`OidError::Ber`] with the offset, [`OidError::Length`].
    pub fn from_ber(octets: &[u8]) -> Result<Self, OidError> {
        let mut arcs = Vec::with_capacity(octets.len() + 1);
        let mut value = 0u64;
        let mut inside = false;
        for (at, &octet) in octets.iter().enumerate() {
            if !inside && octet == 0x80 {
                return Err(OidError::Ber(at));
            }
            value = value << 7 | u64::from(octet & 0x7f);
            if value > u64::from(u32::MAX) + 80 {
                return Err(OidError::Ber(at));
            }
            inside = octet & 0x80 != 0;
            if inside {
                continue;
            }
            if arcs.is_empty() {
                let first = (value / 40).min(2);
                arcs.push(first as u32);
                value -= first * 40;
            }
            arcs.push(u32::try_from(value).map_err(|_| OidError::Ber(at))?);
            value = 0;
        }
        if inside {
            return Err(OidError::Ber(octets.len()));
        }
        Self::new(&arcs)
    }
}

impl FromStr for Oid {
    type Err = OidError;

    /// Reads dotted decimal, with or without a leading dot.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dotted = text.strip_prefix('.').unwrap_or(text);
        let arc = |arc: &str| {
            let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
            arc.parse()
                .ok()
                .filter(|_| digits)
                .ok_or_else(|| OidError::Arc(arc.chars().take(40).collect()))
        };
        Self::new(&dotted.split('.').map(arc).collect::<Result<Vec<u32>, _>>()?)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arc) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_config_hash_of_the_cablelabs_mib() {
        let oid: Oid = "1.3.6.1.4.1.4491.2.2.1.1.2.7.0".parse().unwrap();
        assert_eq!(
            crate::value::hex(&oid.to_ber()),
            "2b06010401a30b0202010102070 0".replace(' ', "")
        );
        assert_eq!(Oid::from_ber(&oid.to_ber()), Ok(oid));
    }

    proptest! {
        #[test]
        fn ber_and_back(first in 0u32..3, second in 0u32..40, rest in prop::collection::vec(any::<u32>(), 0..20)) {
            let arcs: Vec<u32> = [first, second].into_iter().chain(rest).collect();
            let oid = Oid::new(&arcs).unwrap();
            prop_assert_eq!(Oid::from_ber(&oid.to_ber()), Ok(oid));
        }

        #[test]
        fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Oid::from_ber(&octets);
        }
    }
}
