//! A TFTP server of a hundred lines, sound but for one fault: the checks have to name each.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{image, load};

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It sends the present block again for an ACK of a block long acknowledged.
    OldAck,
    /// It grants a timeout and keeps its own.
    Timeout,
    /// It sends the last block again after it was acknowledged.
    AfterLast,
    /// It sends no empty last block.
    NoEmptyLast,
    /// It loses the first request and the first packet with block 3.
    Loses,
    /// One octet is another.
    Flip,
}

const FILE: &str = "image.bin";

/// The server, until it is dropped.
struct Faulty {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// One transfer in lockstep.
struct Transfer {
    socket: UdpSocket,
    client: SocketAddr,
    content: Vec<u8>,
    fault: Fault,
    block_size: usize,
    timeout: Duration,
    losses: Arc<AtomicBool>,
}

impl Transfer {
    fn blocks(&self) -> usize {
        let whole = self.content.len() / self.block_size;
        let cut = self.fault == Fault::NoEmptyLast && self.content.len().is_multiple_of(self.block_size);
        if cut { whole } else { whole + 1 }
    }

    fn send(&self, block: usize) {
        if self.fault == Fault::Loses && block == 3 && self.losses.swap(false, Ordering::Relaxed) {
            return;
        }
        let start = (block - 1) * self.block_size;
        let end = (start + self.block_size).min(self.content.len());
        let number = (block as u16).to_be_bytes();
        let packet = [&[0, 3][..], &number, &self.content[start..end]].concat();
        let _ = self.socket.send_to(&packet, self.client);
    }

    /// The next ACK, an ERROR as `Err`, or `None` where nothing came in time.
    fn acknowledged(&self, deadline: Instant) -> Option<Result<usize, ()>> {
        let mut buffer = [0; 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else {
                return None;
            };
            match &buffer[..length] {
                _ if from != self.client => drop(self.socket.send_to(b"\0\x05\0\x05no\0", from)),
                [0, 4, a, b] => return Some(Ok(u16::from_be_bytes([*a, *b]).into())),
                [0, 5, ..] => return Some(Err(())),
                _ => {}
            }
        }
    }

    fn run(self, oack: Option<Vec<u8>>) {
        let mut block = usize::from(oack.is_none());
        loop {
            for _ in 0..5 {
                match &oack {
                    Some(oack) if block == 0 => drop(self.socket.send_to(oack, self.client)),
                    _ => self.send(block),
                }
                let deadline = Instant::now() + self.timeout;
                let next = loop {
                    match self.acknowledged(deadline) {
                        None => break None,
                        Some(Err(())) => return,
                        Some(Ok(number)) if number == block & 0xffff => break Some(()),
                        Some(Ok(number)) if number + 1 < block && self.fault == Fault::OldAck => self.send(block),
                        Some(Ok(_)) => {}
                    }
                };
                if next.is_some() {
                    break;
                }
            }
            if block == self.blocks() {
                break;
            }
            block += 1;
        }
        if self.fault == Fault::AfterLast {
            std::thread::sleep(Duration::from_millis(50));
            self.send(block);
        }
    }
}

impl Faulty {
    fn start(fault: Fault, mut content: Vec<u8>) -> Self {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        if fault == Fault::Flip {
            content[700] ^= 1;
        }
        let (ended, losses) = (over.clone(), Arc::new(AtomicBool::new(true)));
        std::thread::spawn(move || {
            let mut running: HashMap<SocketAddr, std::thread::JoinHandle<()>> = HashMap::new();
            let mut ignored = fault != Fault::Loses;
            let mut buffer = [0; 2048];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, client)) = listener.recv_from(&mut buffer) else {
                    continue;
                };
                if !std::mem::replace(&mut ignored, true) {
                    continue;
                }
                let under_way = running.get(&client).is_some_and(|transfer| !transfer.is_finished());
                let refuse = |code: u8| drop(listener.send_to(&[0, 5, 0, code, b'x', 0], client));
                let Some(fields) = fields(&buffer[..length]) else {
                    continue;
                };
                match (buffer[1], fields.as_slice()) {
                    _ if under_way => {}
                    (1, [file, mode, options @ ..]) if file == FILE && mode.to_lowercase() == "octet" => {
                        let (transfer, oack) = transfer(options, client, &content, fault, &losses);
                        running.insert(client, std::thread::spawn(move || transfer.run(oack)));
                    }
                    (1, [file, _, ..]) if file == FILE => refuse(4),
                    (1, [_, _, ..]) => refuse(1),
                    (2, _) => refuse(2),
                    _ => {}
                }
            }
        });
        Self { address, over }
    }
}

/// The fields of a request that is whole.
fn fields(datagram: &[u8]) -> Option<Vec<String>> {
    let [0, _, fields @ .., 0] = datagram else {
        return None;
    };
    let fields = fields.split(|octet| *octet == 0);
    Some(
        fields
            .map(|field| String::from_utf8_lossy(field).into_owned())
            .collect(),
    )
}

fn transfer(
    options: &[String],
    client: SocketAddr,
    content: &[u8],
    fault: Fault,
    losses: &Arc<AtomicBool>,
) -> (Transfer, Option<Vec<u8>>) {
    let mut transfer = Transfer {
        socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
        client,
        content: content.to_vec(),
        fault,
        block_size: 512,
        timeout: Duration::from_secs(1),
        losses: losses.clone(),
    };
    let mut oack = vec![0, 6];
    for pair in options.chunks_exact(2) {
        let name = pair[0].to_lowercase();
        let answer = match (name.as_str(), pair[1].parse::<usize>()) {
            ("blksize", Ok(size @ 8..=65_464)) => {
                transfer.block_size = size;
                size
            }
            ("timeout", Ok(seconds @ 1..=255)) => {
                let kept = Duration::from_secs(seconds as u64);
                let own = Duration::from_millis(300);
                transfer.timeout = if fault == Fault::Timeout { own } else { kept };
                seconds
            }
            ("tsize", Ok(_)) => content.len(),
            ("windowsize", Ok(1..)) => 1,
            _ => continue,
        };
        oack.extend_from_slice(format!("{name}\0{answer}\0").as_bytes());
    }
    let granted = oack.len() > 2;
    (transfer, granted.then_some(oack))
}

/// The checks that do not end in OK, each as "RESULT feature: reason".
fn found(fault: Fault, length: usize) -> Vec<String> {
    let content = image()[..length].to_vec();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), &content).unwrap();
    let server = Faulty::start(fault, content);
    let (address, folder) = (server.address.to_string(), folder.path().to_str().unwrap().to_owned());
    let (_, report) = load(&[&address, "--conformance", "--compare", &folder]);
    let checks = report["checks"].as_array().unwrap().iter();
    let field = |check: &serde_json::Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let others = checks.filter(|check| check["result"] != "OK").map(|check| {
        let [result, feature, reason] = ["result", "feature", "reason"].map(|name| field(check, name));
        format!("{result} {feature}: {reason}")
    });
    others.collect()
}

/// What no check can say of a file this short, and of a server that grants windows of one block only.
fn expected(more: &[&str]) -> Vec<String> {
    let skipped = [
        "SKIP block-roll-over: the file has no more than 524288 octets",
        "SKIP windowsize-gap: windowsize 4 is not granted",
    ];
    let mut all: Vec<String> = skipped.iter().chain(more).map(|line| (*line).to_owned()).collect();
    all.sort();
    all
}

/// Faults and losses of a server, and what is said of each: nothing else, and no check is left out for it.
#[test]
fn each_fault_is_named_and_makes_no_other_check_fail() {
    let cases: [(Fault, usize, &[&str]); 7] = [
        (Fault::None, 8_704, &[]),
        (Fault::Loses, 8_704, &[]),
        (
            Fault::OldAck,
            8_704,
            &["FAIL old-ack: ACK 1 after DATA 3 set off DATA 3 of 512 octets once more"],
        ),
        (
            Fault::AfterLast,
            8_700,
            &["FAIL last-ack-ends: after the last ACK came DATA 17 of 508 octets"],
        ),
        (
            Fault::Timeout,
            8_704,
            &["FAIL timeout: timeout 3 is granted, but DATA 1 came again after 0.3 s"],
        ),
        (
            Fault::NoEmptyLast,
            8_704,
            &[
                "FAIL octet-read: the empty last block is missing: 8704 octets fill 17 blocks, and DATA 18 of 0 octets has \
                 to follow",
                "FAIL last-block-empty: the empty last block is missing: 8704 octets fill 8 blocks of 1088",
            ],
        ),
        (
            Fault::Flip,
            8_704,
            &["FAIL octet-read: the folder's file differs from octet 700 on: it has 8704 octets, 8704 came"],
        ),
    ];
    std::thread::scope(|scope| {
        let running = cases.map(|(fault, length, said)| {
            let found = scope.spawn(move || found(fault, length));
            (found, expected(said))
        });
        for (found, expected) in running {
            let mut found = found.join().unwrap();
            found.sort();
            assert_eq!(found, expected);
        }
    });
}
