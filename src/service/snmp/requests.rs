//! Requests to devices: who waits for which answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::value::{OsRandom, Random};

/// Answers that may wait for one request; more are dropped, since only one is needed.
const ANSWERS: usize = 4;

/// The requests that wait for an answer, by their number: msgID and request-id, which are the same here.
#[derive(Default)]
pub struct Requests(Mutex<HashMap<i32, Waiting>>);

struct Waiting {
    peer: SocketAddr,
    answers: mpsc::Sender<Vec<u8>>,
}

/// A request that waits. Its number is free again when this is dropped.
pub struct Request<'a> {
    /// msgID and request-id.
    pub number: i32,
    /// The datagrams that came back under that number from the peer.
    pub answers: mpsc::Receiver<Vec<u8>>,
    requests: &'a Requests,
}

impl Requests {
    /// A request to `peer` under a number of its own.
    pub fn begin(&self, peer: SocketAddr) -> Request<'_> {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = loop {
            let number = i32::from_be_bytes(OsRandom.array()) & i32::MAX;
            if number != 0 && !waiting.contains_key(&number) {
                break number;
            }
        };
        waiting.insert(number, Waiting { peer, answers: sender });
        Request {
            number,
            answers,
            requests: self,
        }
    }

    /// Hands a datagram to the request that waits for it; whether there is one.
    pub fn answer(&self, number: i32, peer: SocketAddr, datagram: &[u8]) -> bool {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get(&number) {
            Some(entry) if entry.peer == peer => {
                let _ = entry.answers.try_send(datagram.to_vec());
                true
            }
            _ => false,
        }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.requests
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }
}
