//! The Jacobi symbol of two public numbers, by shifts and subtractions alone. For a prime below it is the Legendre symbol:
//! whether a number is a square, and so whether it is in the subgroup of order (p - 1) / 2.

use std::cmp::Ordering;

/// A number of 64-bit limbs, the least significant first, with no zero limb at its end.
type Limbs = Vec<u64>;

/// (a/n) of two big-endian numbers: 1, -1, or 0 where they have a common factor. `n` is odd. Takes time that depends on
/// the numbers: not for secrets.
pub(super) fn jacobi_symbol(a: &[u8], n: &[u8]) -> i32 {
    let (mut a, mut n) = (limbs(a), limbs(n));
    let mut symbol = 1;
    loop {
        let Some(zeros) = trailing_zeros(&a) else {
            return if n == [1] { symbol } else { 0 };
        };
        shift_right(&mut a, zeros);
        // (2/n) is -1 where n is 3 or 5 modulo 8.
        if zeros % 2 == 1 && matches!(low(&n) % 8, 3 | 5) {
            symbol = -symbol;
        }
        // Both are odd now. Reciprocity: (a/n) and (n/a) differ where both are 3 modulo 4.
        if compare(&a, &n) == Ordering::Less {
            if low(&a) % 4 == 3 && low(&n) % 4 == 3 {
                symbol = -symbol;
            }
            std::mem::swap(&mut a, &mut n);
        }
        subtract(&mut a, &n);
    }
}

fn limbs(octets: &[u8]) -> Limbs {
    let limb = |chunk: &[u8]| chunk.iter().fold(0, |limb, octet| limb << 8 | u64::from(*octet));
    let mut limbs: Limbs = octets.rchunks(8).map(limb).collect();
    trim(&mut limbs);
    limbs
}

fn trim(limbs: &mut Limbs) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

fn low(limbs: &[u64]) -> u64 {
    limbs.first().copied().unwrap_or(0)
}

/// `None` for zero.
fn trailing_zeros(limbs: &[u64]) -> Option<usize> {
    let whole = limbs.iter().position(|limb| *limb != 0)?;
    let partial = limbs.get(whole)?.trailing_zeros();
    Some(whole * 64 + partial as usize)
}

fn shift_right(limbs: &mut Limbs, bits: usize) {
    limbs.drain(..(bits / 64).min(limbs.len()));
    let bits = bits % 64;
    if bits > 0 {
        let mut carry = 0;
        for limb in limbs.iter_mut().rev() {
            (*limb, carry) = (*limb >> bits | carry, *limb << (64 - bits));
        }
    }
    trim(limbs);
}

fn compare(one: &[u64], two: &[u64]) -> Ordering {
    one.len()
        .cmp(&two.len())
        .then_with(|| one.iter().rev().cmp(two.iter().rev()))
}

/// Subtracts `less`, which is not greater, from `limbs`.
fn subtract(limbs: &mut Limbs, less: &[u64]) {
    let mut borrow = false;
    let all = less.iter().copied().chain(std::iter::repeat(0));
    for (limb, other) in limbs.iter_mut().zip(all) {
        let (difference, first) = limb.overflowing_sub(other);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (difference, first || second);
    }
    trim(limbs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::bn::{BigNum, BigNumContext};
    use proptest::prelude::*;

    #[test]
    fn small_numbers() {
        // Against the definition, for odd primes.
        for prime in [3u64, 5, 7, 11, 13, 101, 65_537] {
            for a in 0..prime.min(300) {
                let square = (1..prime).any(|root| root * root % prime == a);
                let expected = if a == 0 {
                    0
                } else if square {
                    1
                } else {
                    -1
                };
                assert_eq!(
                    jacobi_symbol(&a.to_be_bytes(), &prime.to_be_bytes()),
                    expected,
                    "({a}/{prime})"
                );
            }
        }
        assert_eq!(jacobi_symbol(&[], &[1]), 1);
        assert_eq!(jacobi_symbol(&[6], &[15]), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Euler's criterion, by OpenSSL's exponentiation in the group that PacketCable uses.
        #[test]
        fn it_is_the_power_of_half_the_order(octets in proptest::collection::vec(any::<u8>(), 1..128)) {
            let p = BigNum::get_rfc2409_prime_1024().unwrap();
            let mut q = BigNum::new().unwrap();
            q.rshift1(&p).unwrap();
            let mut power = BigNum::new().unwrap();
            let y = BigNum::from_slice(&octets).unwrap();
            power.mod_exp(&y, &q, &p, &mut BigNumContext::new().unwrap()).unwrap();
            let one = BigNum::from_u32(1).unwrap();
            let symbol = jacobi_symbol(&octets, &p.to_vec());
            prop_assert_eq!(symbol == 1, power == one);
            prop_assert_eq!(symbol == 0, power.num_bits() == 0);
        }
    }
}
