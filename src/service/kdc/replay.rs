//! What was answered and believed a short while ago, in memory: a repeated request gets the same answer, and an
//! Authenticator or a client's time serves once.
//!
//! What is forgotten here, by a restart or a full cache, costs nothing but work: a reply that is made again is sealed for
//! the same client. Device tickets, which begin an attempt, are remembered in the store as well.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::value::Timestamp;

/// Answers that are kept; each has one to four kilobytes.
const ANSWERS: usize = 8_192;
/// Proofs that are remembered; each has some hundred octets.
const PROOFS: usize = 262_144;

/// A bounded map whose entries expire; the oldest goes first.
struct Expiring<K, V> {
    capacity: usize,
    entries: HashMap<K, (Timestamp, V)>,
    order: VecDeque<K>,
}

impl<K: Eq + Hash + Copy, V> Expiring<K, V> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn get(&self, key: &K, now: Timestamp) -> Option<&V> {
        let (expires, value) = self.entries.get(key)?;
        (*expires > now).then_some(value)
    }

    /// Whether the key was not there, or had expired.
    fn put(&mut self, key: K, value: V, expires: Timestamp, now: Timestamp) -> bool {
        self.forget(now);
        let fresh = self.get(&key, now).is_none();
        if fresh && self.entries.insert(key, (expires, value)).is_none() {
            self.order.push_back(key);
        }
        fresh
    }

    /// Forgets what has expired at the old end, and what is too much.
    fn forget(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let over = self.entries.get(oldest).is_none_or(|(expires, _)| *expires <= now);
            if !over && self.order.len() < self.capacity {
                return;
            }
            self.entries.remove(oldest);
            self.order.pop_front();
        }
    }
}

/// The KDC's memory of the last minutes.
pub struct Replays {
    answers: Mutex<Expiring<[u8; 32], Vec<u8>>>,
    proofs: Mutex<Expiring<[u8; 32], ()>>,
}

impl Replays {
    /// A memory of nothing.
    pub fn new() -> Self {
        Self {
            answers: Mutex::new(Expiring::new(ANSWERS)),
            proofs: Mutex::new(Expiring::new(PROOFS)),
        }
    }

    /// The answer that the request with this digest got.
    pub fn answer(&self, digest: &[u8; 32], now: Timestamp) -> Option<Vec<u8>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(digest, now).cloned()
    }

    /// Keeps an answer until `expires`.
    pub fn answered(&self, digest: [u8; 32], answer: &[u8], expires: Timestamp, now: Timestamp) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.put(digest, answer.to_vec(), expires, now);
    }

    /// Whether this proof is new; it is remembered until `expires`.
    pub fn first(&self, proof: [u8; 32], expires: Timestamp, now: Timestamp) -> bool {
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.put(proof, (), expires, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_serves_once_until_it_expires_and_the_oldest_goes_first() {
        let at = Timestamp::from_unix;
        let mut proofs = Expiring::new(3);
        assert!(proofs.put(1, (), at(10), at(0)));
        assert!(!proofs.put(1, (), at(10), at(9)));
        assert!(proofs.put(1, (), at(20), at(10)));
        for key in 2..5 {
            assert!(proofs.put(key, (), at(30), at(11)));
        }
        assert!(proofs.get(&1, at(11)).is_none(), "the oldest makes room");
        assert!(proofs.entries.len() <= 3 && proofs.order.len() == proofs.entries.len());
    }

    #[test]
    fn the_same_request_gets_the_same_answer() {
        let (replays, at) = (Replays::new(), Timestamp::from_unix);
        assert_eq!(replays.answer(&[1; 32], at(0)), None);
        replays.answered([1; 32], b"answer", at(600), at(0));
        assert_eq!(replays.answer(&[1; 32], at(599)).as_deref(), Some(&b"answer"[..]));
        assert_eq!(replays.answer(&[1; 32], at(600)), None);
    }
}
