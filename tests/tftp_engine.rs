//! The TFTP engine from outside: addresses and ports it answers from, relays, limits, and wrong packets at every point of a
//! transfer.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hardline::service::files::Outcome;
use hardline::service::tftp::{SourceLimits, TftpSettings, TransferPorts};
use support::files::{Services, http_settings, tftp_settings};
use support::{Capture, assert_well_formed, field};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A client that sends what a test wants.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

const SOON: Duration = Duration::from_secs(3);

impl Client {
    async fn new(from: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(from.parse().unwrap(), 0))
            .await
            .unwrap();
        Self { socket, server }
    }

    async fn request(&self, rest: &str) {
        let packet = [b"\0\x01", rest.as_bytes()].concat();
        self.socket.send_to(&packet, self.server).await.unwrap();
    }

    async fn send(&self, octets: &[u8], to: SocketAddr) {
        self.socket.send_to(octets, to).await.unwrap();
    }

    async fn ack(&self, block: u16, to: SocketAddr) {
        let [a, b] = block.to_be_bytes();
        self.send(&[0, 4, a, b], to).await;
    }

    async fn receive_within(&self, wait: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 70_000];
        let (length, from) = timeout(wait, self.socket.recv_from(&mut buffer)).await.ok()?.unwrap();
        buffer.truncate(length);
        Some((buffer, from))
    }

    async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        self.receive_within(SOON).await.expect("an answer")
    }

    /// The DATA packet `block`; copies of earlier ones are passed over.
    async fn block(&self, block: u16) -> (Vec<u8>, SocketAddr) {
        loop {
            let (packet, from) = self.receive().await;
            assert_eq!(packet[..2], [0, 3], "{packet:?}");
            let number = u16::from_be_bytes([packet[2], packet[3]]);
            if number == block {
                return (packet[4..].to_vec(), from);
            }
            assert!(number < block, "DATA {number} before DATA {block}");
        }
    }

    /// Fetches a file without options.
    async fn fetch(&self, name: &str) -> (Vec<u8>, SocketAddr) {
        self.request(&format!("{name}\0octet\0")).await;
        let (mut content, transfer) = self.block(1).await;
        let mut block = 1;
        let mut last = content.len();
        loop {
            self.ack(block, transfer).await;
            if last < 512 {
                return (content, transfer);
            }
            block += 1;
            let (payload, from) = self.block(block).await;
            assert_eq!(from, transfer, "a transfer keeps its port");
            last = payload.len();
            content.extend(payload);
        }
    }
}

fn free_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    // Below what the system hands out by itself.
    let start = 9_000 + (std::process::id() % 900) as u16;
    (start..start + 900)
        .find(|first| {
            let free = |port| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok();
            (*first..*first + count).all(free)
        })
        .map(|first| first..=first + count - 1)
        .expect("free ports")
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_answer_from_the_pool_and_from_more_than_one_port() {
    let pool = free_ports(4);
    let ports = TransferPorts::Pool(pool.clone());
    let server = Services::start_with(&["127.0.0.1:0"], &ports, tftp_settings(), http_settings());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let client = Client::new("127.0.0.1", server.tftp[0]).await;
        let (content, transfer) = client.fetch("config.bin").await;
        assert_eq!(content, server.memory.files["config.bin"]);
        assert!(pool.contains(&transfer.port()), "{transfer} is not of {pool:?}");
        seen.insert(transfer.port());
    }
    assert!(seen.len() > 1, "the same port each time: {seen:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_again_from_its_port_gets_another_transfer() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    let (_, first) = client.fetch("config.bin").await;
    let (_, second) = client.fetch("config.bin").await;
    assert_ne!(
        first, second,
        "late packets of the first would be taken for the second's"
    );
    client.request("config.bin\0octet\0").await;
    let (_, transfer) = client.block(1).await;
    let other = if transfer == first { second } else { first };
    client.ack(1, other).await;
    assert_eq!(client.receive_within(Duration::from_millis(50)).await, None);
    client.ack(1, transfer).await;
    client.block(2).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_the_heels_of_the_last_ack_begins_another_transfer() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    for round in 0..500 {
        // Each begins with block 1: the last block of the one before would be the answer to a repeated request.
        assert_eq!(client.fetch("config.bin").await.0.len(), 8_411, "{round}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fell_silent_and_asks_again_begins_anew() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    client.request("config.bin\0octet\0").await;
    let (_, first) = client.block(1).await;
    client.ack(1, first).await;
    client.block(2).await;
    // The device restarts here; what the server repeats meanwhile goes nowhere.
    client.block(2).await;
    client.request("config.bin\0octet\0").await;
    let (packet, second) = loop {
        let (packet, from) = client.receive().await;
        if from != first {
            break (packet, from);
        }
    };
    assert_eq!(packet[..4], [0, 3, 0, 1], "the first block, from another port");
    client.send(&[0, 5, 0, 0, 0], second).await;
    let outcomes = server.memory.outcome_of(2).await;
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { reason, .. } if reason.contains("anew"));
    assert!(outcomes.iter().any(|(_, outcome)| failed(outcome)), "{outcomes:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    let server = Services::start_with(
        &["0.0.0.0:0", "[::]:0"],
        &TransferPorts::Ephemeral,
        tftp_settings(),
        http_settings(),
    );
    for (from, asked, listener) in [
        ("127.0.0.1", "127.0.0.1", 0),
        ("127.0.0.1", "127.0.0.77", 0),
        ("127.0.0.3", "127.1.2.3", 0),
        ("::1", "::1", 1),
    ] {
        let asked: IpAddr = asked.parse().unwrap();
        let client = Client::new(from, SocketAddr::new(asked, server.tftp[listener].port())).await;
        let (content, transfer) = client.fetch("config.bin").await;
        assert_eq!((content.len(), transfer.ip()), (8_411, asked));
        client.request("missing\0octet\0").await;
        let (error, from) = client.receive().await;
        assert_eq!(
            (&error[..4], from.ip()),
            (&b"\0\x05\0\x01"[..], asked),
            "errors as well"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p29_addresses_are_believed_of_relays_only_and_never_echoed() {
    let settings = TftpSettings {
        relays: Arc::from(["127.0.0.9/32".parse().unwrap()]),
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let claims = "netaddr\x00198.51.100.7\0hwaddr\x0000:11:22:33:44:55\0";
    for (from, relayed) in [("127.0.0.9", true), ("127.0.0.8", false)] {
        let client = Client::new(from, server.tftp[0]).await;
        client.request(&format!("one\0octet\0{claims}")).await;
        let (packet, transfer) = client.receive().await;
        assert_eq!(packet[..4], *b"\0\x03\0\x01", "DATA 1 and no empty OACK");
        client.ack(1, transfer).await;
        client.request(&format!("one\0octet\0{claims}tsize\x000\0")).await;
        let (packet, transfer) = client.receive().await;
        assert_eq!(packet, b"\0\x06tsize\x001\0");
        client.ack(0, transfer).await;
        let (_, transfer) = client.block(1).await;
        client.ack(1, transfer).await;

        let outcomes = server.memory.outcome_of(if relayed { 2 } else { 4 }).await;
        let (request, _) = outcomes.last().unwrap();
        let believed = relayed.then(|| "198.51.100.7".parse::<IpAddr>().unwrap());
        assert_eq!(request.relayed, believed, "from {from}");
        assert_eq!(
            request.hardware.map(|mac| mac.to_string()),
            relayed.then(|| "00:11:22:33:44:55".into())
        );
        assert_eq!(request.client(), believed.unwrap_or(from.parse().unwrap()));

        // Nonsense is an error where it would be believed, and nothing where it is not.
        client.request("one\0octet\0netaddr\0nonsense\0").await;
        let (packet, transfer) = client.receive().await;
        let expected = if relayed { &b"\0\x05\0\x08"[..] } else { b"\0\x03\0\x01" };
        assert_eq!(packet[..4], *expected, "from {from}");
        client.ack(1, transfer).await;
    }
    server.stop().await;
}

/// What may come at any point of a transfer without moving it, besides an ERROR of the client itself.
fn wrong_packets() -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\0\0",
        b"\0\0\0\x01",
        b"\0\x01",
        b"\0\x01x",
        b"\0\x01config.bin\0octet",
        b"\0\x01config.bin\0octet\0blksize",
        b"\0\x01config.bin\0octet\0\0\0",
        b"\0\x01config.bin\0octet\0",
        b"\0\x02config.bin\0octet\0",
        b"\0\x03",
        b"\0\x03\0\x01",
        b"\0\x03\0\x01payload",
        b"\0\x04",
        b"\0\x04\0",
        b"\0\x04\0\x01x",
        b"\0\x06",
        b"\0\x06blksize\x00512\0",
        b"\0\x06blksize",
        b"\0\x07\0\x01",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    // Over-long ones.
    packets.push([b"\0\x01".to_vec(), vec![b'a'; 600], b"\0octet\0".to_vec()].concat());
    packets.push([b"\0\x04".to_vec(), vec![0; 60_000]].concat());
    packets.push(vec![0; 65_000]);
    // ACKs of blocks that are not in flight.
    packets.extend([20, 99, 0x7fff, 0x8000, 0xffff].map(|block: u16| [&[0, 4][..], &block.to_be_bytes()].concat()));
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_packets_at_any_point_from_any_port_disturb_nothing() {
    let server = Services::start();
    let address = server.tftp[0];
    let content = &server.memory.files["config.bin"];
    for (options, window) in [("", 1), ("blksize\x00600\0tsize\x000\0", 1), ("windowsize\x004\0", 4)] {
        let client = Client::new("127.0.0.1", address).await;
        let stranger = Client::new("127.0.0.2", address).await;
        let disturb = async |transfer: SocketAddr| {
            for packet in wrong_packets() {
                client.send(&packet, transfer).await;
                stranger.send(&packet, transfer).await;
                stranger.send(&packet, address).await;
            }
            stranger.send(b"\0\x05\0\0end\0", transfer).await;
        };
        let block_size = if options.contains("blksize") { 600 } else { 512 };
        client.request(&format!("config.bin\0octet\0{options}")).await;
        let (first, transfer) = client.receive().await;
        disturb(transfer).await;
        let mut got = Vec::new();
        let mut block = 0u16;
        if options.is_empty() {
            assert_eq!(first[..4], *b"\0\x03\0\x01");
            got.extend_from_slice(&first[4..]);
            block = 1;
        } else {
            assert_eq!(first[..2], *b"\0\x06");
        }
        client.ack(block, transfer).await;
        while got.len() < content.len() {
            let (packet, from) = client.receive().await;
            assert_eq!(from, transfer);
            if packet[..2] == *b"\0\x06" {
                continue;
            }
            assert_eq!(packet[..2], *b"\0\x03", "{packet:?}");
            let number = u16::from_be_bytes([packet[2], packet[3]]);
            // Garbage takes time: blocks may have been repeated meanwhile.
            if number != block + 1 {
                continue;
            }
            block = number;
            got.extend_from_slice(&packet[4..]);
            let over = packet.len() < 4 + block_size;
            if over || block.is_multiple_of(window) {
                if block.is_multiple_of(5) || over {
                    disturb(transfer).await;
                }
                client.ack(block, transfer).await;
            }
        }
        assert_eq!(got, *content, "{options:?}");
        // After the end, the same is answered by errors or nothing.
        disturb(transfer).await;
    }
    // The requests among the wrong packets that came to the listening port are transfers of their own, and come to nothing.
    let complete = |outcome: &Outcome| matches!(outcome, Outcome::Complete { bytes: 8_411, .. });
    let completed = || {
        server
            .memory
            .outcomes()
            .iter()
            .filter(|(_, outcome)| complete(outcome))
            .count()
    };
    let deadline = std::time::Instant::now() + SOON;
    while completed() < 3 && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(completed(), 3, "{:?}", server.memory.outcomes());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_bounded_half_open_transfers_and_relays_have_not() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 0,
            half_open: 5,
            exempt: Arc::from(["127.0.0.9/32".parse().unwrap()]),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let mut answered = Vec::new();
    for from in ["127.0.0.2", "127.0.0.9"] {
        let mut count = 0;
        let mut clients = Vec::new();
        for _ in 0..12 {
            let client = Client::new(from, server.tftp[0]).await;
            client.request("config.bin\0octet\0").await;
            if client.receive_within(Duration::from_millis(60)).await.is_some() {
                count += 1;
            }
            clients.push(client);
        }
        answered.push(count);
    }
    assert_eq!(answered, [5, 12]);
    let other = Client::new("127.0.0.3", server.tftp[0]).await;
    assert_eq!(other.fetch("config.bin").await.0.len(), 8_411);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_were_acknowledged_do_not_count_as_half_open() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 0,
            half_open: 3,
            exempt: Arc::default(),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    for _ in 0..10 {
        let client = Client::new("127.0.0.2", server.tftp[0]).await;
        client.fetch("config.bin").await;
        client.request("missing\0octet\0").await;
        client.receive().await;
        client.request("config.bin\0octet\0").await;
        let (_, transfer) = client.block(1).await;
        client.send(b"\0\x05\0\0enough\0", transfer).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_source_are_bounded_by_second() {
    let settings = TftpSettings {
        sources: SourceLimits {
            per_second: 20,
            half_open: 0,
            exempt: Arc::default(),
        },
        ..tftp_settings()
    };
    let server = Services::start_with(&["127.0.0.1:0"], &TransferPorts::Ephemeral, settings, http_settings());
    let noisy = Client::new("127.0.0.2", server.tftp[0]).await;
    let started = std::time::Instant::now();
    for _ in 0..200 {
        noisy.request("missing\0octet\0").await;
    }
    let mut answers = 0;
    while noisy.receive_within(Duration::from_millis(200)).await.is_some() {
        answers += 1;
    }
    let seconds = 2 + started.elapsed().as_secs();
    assert!(
        answers >= 20 && answers <= 20 * seconds,
        "{answers} answers in {seconds} s"
    );
    let quiet = Client::new("127.0.0.3", server.tftp[0]).await;
    assert_eq!(quiet.fetch("config.bin").await.0.len(), 8_411);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_and_a_broken_file_source_cost_one_client_only() {
    let server = Services::start();
    let broken = Client::new("127.0.0.1", server.tftp[0]).await;
    broken.request("panic\0octet\0").await;
    let late = Client::new("127.0.0.1", server.tftp[0]).await;
    assert_eq!(late.fetch("late").await.0, server.memory.files["config.bin"]);
    assert_eq!(late.fetch("config.bin").await.0, server.memory.files["config.bin"]);
    let (error, _) = broken.receive().await;
    assert_eq!(error[..4], *b"\0\x05\0\0", "busy, once the time is over");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_every_spelling_are_found_or_refused() {
    let server = Services::start();
    for (name, code) in [
        (&b"/one"[..], None),
        (b"//one", None),
        (b"./one", None),
        (b"/./one", None),
        (b"a b/\xc3\xa9", None),
        (b"../one", Some(1)),
        (b"/../../one", Some(1)),
        (b"x/../one", Some(1)),
        (b"..\\one", Some(1)),
        (b"\\one", Some(1)),
        (b"%2e%2e/one", Some(1)),
        (b"..%2fone", Some(1)),
        (b"one/", Some(2)),
        (b"one\n", Some(2)),
        (b"\x7fone", Some(2)),
        (b"\xc0\xaeone", Some(2)),
        (b"\xff\xff", Some(2)),
        (b".", Some(2)),
        (b"/", Some(2)),
    ] {
        let client = Client::new("127.0.0.1", server.tftp[0]).await;
        client
            .send(&[b"\0\x01", name, b"\0octet\0"].concat(), client.server)
            .await;
        let (packet, transfer) = client.receive().await;
        match code {
            None => {
                assert_eq!(packet[..4], *b"\0\x03\0\x01", "{name:?}");
                client.ack(1, transfer).await;
            }
            Some(code) => assert_eq!(packet[..4], [0, 5, 0, code], "{name:?}"),
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_65535_blocks_with_every_option() {
    let server = Services::start();
    let client = Client::new("127.0.0.1", server.tftp[0]).await;
    client
        .request("big\0octet\0blksize\x008\0windowsize\x0064\0tsize\x000\0timeout\x002\0")
        .await;
    let (oack, transfer) = client.receive().await;
    assert_eq!(
        oack,
        b"\0\x06blksize\x008\0timeout\x002\0tsize\x001500000\0windowsize\x0064\0"
    );
    client.ack(0, transfer).await;
    let mut content = Vec::new();
    let mut blocks = 0u64;
    loop {
        let (packet, _) = client.receive().await;
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        if number != (blocks + 1) as u16 {
            // A window that was repeated, or one of which a packet was lost.
            client.ack(blocks as u16, transfer).await;
            continue;
        }
        blocks += 1;
        content.extend_from_slice(&packet[4..]);
        let over = packet.len() < 12;
        if over || blocks.is_multiple_of(64) {
            client.ack(number, transfer).await;
        }
        if over {
            break;
        }
    }
    assert_eq!(content, server.memory.files["big"]);
    assert_eq!(blocks, 187_501, "block numbers rolled over twice");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tshark_finds_nothing_malformed_in_a_transfer() {
    let server = Services::start();
    let mut capture = Capture::new();
    for (address, from) in server.tftp.iter().zip(["127.0.0.1", "::1"]) {
        let client = Client::new(from, *address).await;
        let here = client.socket.local_addr().unwrap();
        let request = b"\0\x01config.bin\0octet\0blksize\x001428\0tsize\x000\0timeout\x002\0windowsize\x002\0";
        // tshark knows a request by the well-known port.
        let known = SocketAddr::new(address.ip(), 69);
        capture.udp(here, known, request);
        client.send(request, *address).await;
        let (oack, transfer) = client.receive().await;
        capture.udp(transfer, here, &oack);
        capture.udp(here, transfer, b"\0\x04\0\0");
        client.ack(0, transfer).await;
        for block in 1..=6u16 {
            let (data, _) = client.receive().await;
            capture.udp(transfer, here, &data);
            if block % 2 == 0 {
                capture.udp(here, transfer, &[&[0, 4][..], &block.to_be_bytes()].concat());
                client.ack(block, transfer).await;
            }
        }
        let error = b"\0\x01missing\0octet\0";
        capture.udp(here, known, error);
        client.send(error, *address).await;
        let (refused, from) = client.receive().await;
        capture.udp(from, here, &refused);
    }
    let packets = capture.dissect(&[]);
    let mut opcodes = Vec::new();
    for packet in &packets {
        assert_well_formed(packet);
        opcodes.extend(field(packet, "tftp.opcode"));
    }
    let expected = ["1", "6", "4", "3", "3", "4", "3", "3", "4", "3", "3", "4", "1", "5"];
    assert_eq!(opcodes, [expected, expected].concat(), "each packet is TFTP to tshark");
    server.stop().await;
}
