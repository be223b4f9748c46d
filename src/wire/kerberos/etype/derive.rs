//! Key derivation of the simplified profile: n-fold and DR (RFC 3961 §5.1).

use super::KeyUsage;

/// Stretches or folds `input` to `length` octets (RFC 3961 §5.1). Neither may be zero; both are small.
pub(super) fn n_fold(input: &[u8], length: usize) -> Vec<u8> {
    let size = input.len().max(1);
    let total = lcm(size, length.max(1));
    let bits = size * 8;
    let mut sums = vec![0u32; length];
    for at in 0..total {
        // Copy number n of the input is rotated right by 13 n bits; this is the octet at position `at` of all copies.
        let shift = 13 * (at / size) % bits;
        let first_bit = (at % size * 8 + bits - shift) % bits;
        let octet = |index: usize| u32::from(input.get(index % size).copied().unwrap_or(0));
        let pair = octet(first_bit / 8) << 8 | octet(first_bit / 8 + 1);
        if let Some(sum) = sums.get_mut(at % length) {
            *sum += pair >> (8 - first_bit % 8) & 0xff;
        }
    }
    carried(sums)
}

/// Adds up with end-around carry: each sum keeps its low octet and gives the rest to its left neighbour.
fn carried(mut sums: Vec<u32>) -> Vec<u8> {
    while sums.iter().any(|sum| *sum > 0xff) {
        let carries: Vec<u32> = sums.iter().map(|sum| sum >> 8).collect();
        let from_right = carries.iter().cycle().skip(1);
        for (sum, carry) in sums.iter_mut().zip(from_right) {
            *sum = (*sum & 0xff) + carry;
        }
    }
    sums.into_iter().map(|sum| sum as u8).collect()
}

fn lcm(one: usize, two: usize) -> usize {
    let (mut a, mut b) = (one, two);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    one / a * two
}

/// DR: encrypts the folded constant, then each result again, until `length` octets are there (RFC 3961 §5.1).
/// `encrypt` enciphers one block in place.
pub(super) fn derive_random(
    constant: &[u8],
    block: usize,
    length: usize,
    mut encrypt: impl FnMut(&mut [u8]) -> Option<()>,
) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut current = if constant.len() == block {
        constant.to_vec()
    } else {
        n_fold(constant, block)
    };
    let mut output = zeroize::Zeroizing::new(Vec::with_capacity(length + block));
    while output.len() < length {
        encrypt(&mut current)?;
        output.extend_from_slice(&current);
    }
    output.truncate(length);
    Some(output)
}

/// Which of a usage's three keys is meant (RFC 3961 §5.3).
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Kc.
    Checksum = 0x99,
    /// Ke.
    Encryption = 0xaa,
    /// Ki.
    Integrity = 0x55,
}

/// The well-known constant: the usage, most significant octet first, and the purpose (RFC 3961 §5.3).
pub(super) fn constant(usage: KeyUsage, purpose: Purpose) -> [u8; 5] {
    let [a, b, c, d] = usage.0.to_be_bytes();
    [a, b, c, d, purpose as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hex;

    #[test]
    fn rfc3961_a_1_n_fold() {
        for (input, length, expected) in [
            ("012345", 8, "be072631276b1955"),
            ("password", 7, "78a07b6caf85fa"),
            ("Rough Consensus, and Running Code", 8, "bb6ed30870b7f0e0"),
            ("password", 21, "59e4a8ca7c0385c3c37b3f6d2000247cb6e6bd5b3e"),
            (
                "MASSACHVSETTS INSTITVTE OF TECHNOLOGY",
                24,
                "db3b0d8f0b061e603282b308a50841229ad798fab9540c1b",
            ),
            ("Q", 21, "518a54a2 15a8452a 518a54a2 15a8452a 518a54a2 15"),
            ("ba", 21, "fb25d531 ae897449 9f52fd92 ea9857c4 ba24cf29 7e"),
            ("kerberos", 8, "6b65726265726f73"),
            ("kerberos", 16, "6b65726265726f737b9b5b2b93132b93"),
            ("kerberos", 21, "8372c236344e5f1550cd0747e15d62ca7a5a3bcea4"),
            (
                "kerberos",
                32,
                "6b65726265726f737b9b5b2b93132b935c9bdcdad95c9899c4cae4dee6d6cae4",
            ),
        ] {
            assert_eq!(
                hex(&n_fold(input.as_bytes(), length)),
                expected.replace(' ', ""),
                "{input}"
            );
        }
    }
}
