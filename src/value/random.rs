//! Where random octets come from: always an argument, so that a test or a fuzzer decides them.

use sha2::{Digest, Sha256};

/// A source of random octets. The server uses [`OsRandom`]; tests and fuzzers use [`SeededRandom`].
pub trait Random {
    /// Fills `octets`.
    fn fill(&mut self, octets: &mut [u8]);

    /// `N` random octets.
    fn array<const N: usize>(&mut self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut octets = [0; N];
        self.fill(&mut octets);
        octets
    }
}

impl<T: Random + ?Sized> Random for &mut T {
    fn fill(&mut self, octets: &mut [u8]) {
        (**self).fill(octets);
    }
}

/// The operating system's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, octets: &mut [u8]) {
        // Without the system's generator no key may be made: going on would be worse than stopping.
        getrandom::fill(octets).expect("the operating system gives random octets");
    }
}

/// A deterministic stream for tests: SHA-256 over a seed and a counter. Never for keys that protect anything.
#[derive(Debug, Clone)]
pub struct SeededRandom {
    seed: u64,
    counter: u64,
}

impl SeededRandom {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(self.counter.to_be_bytes())
                .finalize();
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
