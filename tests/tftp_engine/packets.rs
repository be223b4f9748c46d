//! Every packet of a transfer: wrong ones in between, names in every spelling, more blocks than numbers, and tshark.

use std::net::SocketAddr;
use std::time::Duration;

use hardline::service::files::Outcome;

use super::{Client, SOON};
use crate::support::files::Services;
use crate::support::{Capture, assert_well_formed, field};

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
