use proptest::prelude::*;

use super::super::{Action, Limits, Transfer, negotiate};
use super::*;
use crate::value::{Random, SeededRandom};

const START: Timestamp = Timestamp::from_unix(1_700_000_000);

fn server() -> SocketAddr {
    "192.0.2.1:69".parse().unwrap()
}

fn transfer_port() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

fn begin(asked: RequestOptions) -> (Download, Vec<u8>) {
    let mut out = Vec::new();
    let download = Download::start(server(), "a/b.bin", asked, 1 << 20, Pace::default(), START, &mut out);
    (download, out)
}

fn receive(download: &mut Download, from: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let to = download.receive(from, packet, START, &mut out)?;
    assert_eq!(to, from);
    Some(out)
}

#[test]
fn a_device_asks_for_1448_over_ipv4_and_1428_over_ipv6() {
    let (_, request) = begin(Download::device_options(server().ip()));
    assert_eq!(request, b"\0\x01a/b.bin\0octet\0blksize\x001448\0");
    let options = Download::device_options("2001:db8::1".parse().unwrap());
    assert_eq!(options.block_size, Some(1428));
}

#[test]
fn a_server_that_knows_no_options_is_fetched_from_in_512_octets() {
    let (mut download, _) = begin(Download::device_options(server().ip()));
    let full = [&b"\0\x03\0\x01"[..], &[7; 512]].concat();
    assert_eq!(receive(&mut download, transfer_port(), &full).unwrap(), b"\0\x04\0\x01");
    assert_eq!(download.result(), None);
    assert_eq!(
        receive(&mut download, transfer_port(), b"\0\x03\0\x02end").unwrap(),
        b"\0\x04\0\x02"
    );
    assert_eq!(download.result().unwrap().unwrap(), [&[7; 512][..], b"end"].concat());
    let again = receive(&mut download, transfer_port(), b"\0\x03\0\x02end");
    assert_eq!(again.unwrap(), b"\0\x04\0\x02", "the last ACK was lost");
}

#[test]
fn a_third_port_gets_error_5_and_disturbs_nothing() {
    let (mut download, _) = begin(RequestOptions::default());
    receive(
        &mut download,
        transfer_port(),
        &[&b"\0\x03\0\x01"[..], &[7; 512]].concat(),
    )
    .unwrap();
    for stranger in ["192.0.2.1:40001", "192.0.2.2:40000"] {
        let answer = receive(&mut download, stranger.parse().unwrap(), b"\0\x03\0\x02no").unwrap();
        assert_eq!(&answer[..4], b"\0\x05\0\x05");
    }
    receive(&mut download, transfer_port(), b"\0\x03\0\x02").unwrap();
    assert_eq!(download.result().unwrap().unwrap().len(), 512);
}

#[test]
fn rfc_2347_what_was_not_asked_for_ends_in_error_8() {
    for granted in [
        &b"\0\x06blksize\x001449\0"[..],
        b"\0\x06tsize\x0010\0",
        b"\0\x06windowsize\x002\0",
        b"\0\x06timeout\x002\0",
        b"\0\x06color\0red\0",
        b"\0\x06blksize\x001\0",
    ] {
        let (mut download, _) = begin(Download::device_options(server().ip()));
        let answer = receive(&mut download, transfer_port(), granted).unwrap();
        assert_eq!(&answer[..4], b"\0\x05\0\x08", "{granted:?}");
        let error = download.result().unwrap().unwrap_err();
        assert!(
            matches!(error, DownloadError::Options(_) | DownloadError::UnknownOption(_)),
            "{error}"
        );
    }
}

#[test]
fn an_option_that_nobody_asked_for_is_named() {
    let (mut download, _) = begin(Download::device_options(server().ip()));
    receive(&mut download, transfer_port(), b"\0\x06hello\x001\0");
    let error = download.result().unwrap().unwrap_err().to_string();
    assert_eq!(error, "the server grants option 'hello', which was not asked for");
}

#[test]
fn what_does_not_belong_ends_in_error_4_and_an_error_is_not_answered() {
    for wrong in [&b"\0\x04\0\x01"[..], b"\0\x01f\0octet\0", b"\0\x09", b"\0\x03", b""] {
        let (mut download, _) = begin(RequestOptions::default());
        let answer = receive(&mut download, transfer_port(), wrong).unwrap();
        assert_eq!(&answer[..4], b"\0\x05\0\x04", "{wrong:?}");
        assert!(download.result().unwrap().is_err());
    }
    let (mut download, _) = begin(RequestOptions::default());
    assert_eq!(receive(&mut download, transfer_port(), b"\0\x05\0\x01gone\0"), None);
    let refused = DownloadError::Refused {
        code: ErrorCode::NOT_FOUND,
        message: "gone".into(),
    };
    assert_eq!(download.result(), Some(Err(&refused)));
}

#[test]
fn sizes_are_held_to() {
    let (mut download, _) = begin(RequestOptions::default());
    let long = [&b"\0\x03\0\x01"[..], &[7; 513]].concat();
    receive(&mut download, transfer_port(), &long).unwrap();
    assert_eq!(
        download.result(),
        Some(Err(&DownloadError::BlockSize { block: 1, length: 513 }))
    );

    let (mut download, _) = begin(RequestOptions {
        size: Some(0),
        ..RequestOptions::default()
    });
    receive(&mut download, transfer_port(), b"\0\x06tsize\x0010\0").unwrap();
    receive(&mut download, transfer_port(), b"\0\x03\0\x01short").unwrap();
    assert_eq!(
        download.result(),
        Some(Err(&DownloadError::Size { received: 5, told: 10 }))
    );

    let mut out = Vec::new();
    let options = RequestOptions::default();
    let mut download = Download::start(server(), "f", options, 3, Pace::default(), START, &mut out);
    receive(&mut download, transfer_port(), b"\0\x03\0\x01four").unwrap();
    assert_eq!(download.result(), Some(Err(&DownloadError::TooLong(3))));
}

#[test]
fn silence_repeats_the_request_and_then_ends() {
    let (mut download, request) = begin(RequestOptions::default());
    let mut out = Vec::new();
    let mut sent = 0;
    while download.result().is_none() {
        let now = download.deadline();
        if download.tick(now, &mut out).is_some() {
            sent += 1;
            assert_eq!(out, request);
        }
    }
    assert_eq!(sent, 5);
    assert_eq!(download.result(), Some(Err(&DownloadError::Silent { octets: 0 })));
}

/// Both machines over a network that drops, doubles and delays, as `random` decides. Whether the file arrived.
fn over_a_bad_network(size: usize, asked: RequestOptions, random: &mut SeededRandom, badness: u8) -> bool {
    let content: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
    let (mut download, request) = begin(asked);
    let negotiation = negotiate(&asked, size as u64, &Limits::default());
    let mut transfer = None;
    let mut now = START;
    // (arrival, to the server, datagram)
    let mut flying: Vec<(Timestamp, bool, Vec<u8>)> = vec![(now, true, request)];
    let mut over = false;
    for _ in 0..200_000 {
        let server_deadline = transfer.as_ref().filter(|_| !over).map(Transfer::deadline);
        let next = flying.iter().map(|&(at, ..)| at).chain(server_deadline);
        let open = download.result().is_none();
        let Some(next) = next.chain(open.then(|| download.deadline())).min() else {
            break;
        };
        now = now.max(next);
        let mut sent: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut out = Vec::new();
        let mut actions = Vec::new();
        if let Some(at) = flying.iter().position(|&(arrival, ..)| arrival <= now) {
            let (_, to_server, datagram) = flying.swap_remove(at);
            if !to_server {
                if download.receive(transfer_port(), &datagram, now, &mut out).is_some() {
                    sent.push((true, out));
                }
            } else if !over {
                match (Packet::decode(&datagram).unwrap(), &mut transfer) {
                    (Packet::Read(_), None) => {
                        let (begun, action) = Transfer::new(size as u64, &negotiation, Pace::default(), now);
                        transfer = Some(begun);
                        actions.push(action);
                    }
                    (Packet::Read(_), Some(transfer)) => actions.push(transfer.repeat(now)),
                    (Packet::Ack { block }, Some(transfer)) => actions.push(transfer.acknowledge(block, now)),
                    (other, _) => panic!("{other:?}"),
                }
            }
        } else {
            actions.extend(transfer.as_mut().filter(|_| !over).map(|transfer| transfer.tick(now)));
            if download.tick(now, &mut out).is_some() {
                sent.push((true, out));
            }
        }
        for action in actions {
            match (action, &transfer) {
                (Action::OptionAck, _) => {
                    let mut options = Vec::new();
                    negotiation.granted.unwrap().write(&mut options);
                    sent.push((false, [b"\0\x06", &options[..]].concat()));
                }
                (Action::Blocks(blocks), Some(transfer)) => sent.extend(blocks.map(|block| {
                    let header = [0, 3].into_iter().chain(Transfer::wire_number(block).to_be_bytes());
                    (
                        false,
                        header.chain(content[octets(transfer, block)].iter().copied()).collect(),
                    )
                })),
                (Action::Done | Action::Failed(_), _) => over = true,
                _ => {}
            }
        }
        for (to_server, datagram) in sent {
            let [fate, delay] = random.array();
            let copies = if fate < badness {
                0
            } else {
                1 + usize::from(fate > 255 - badness / 2)
            };
            for copy in 0..copies {
                let delay = Duration::from_millis(u64::from(delay) * 3 * (copy as u64 + 1));
                flying.push((now.plus(delay), to_server, datagram.clone()));
            }
        }
    }
    if let Some(Ok(received)) = download.result() {
        assert_eq!(received, content);
        return true;
    }
    assert!(download.result().is_some(), "the client is stuck");
    assert!(over || transfer.is_none(), "the server is stuck");
    false
}

#[test]
fn a_lossless_network_always_delivers() {
    for (seed, window) in [(1, None), (2, Some(1)), (3, Some(4)), (4, Some(16))] {
        for size in [0, 1, 511, 512, 513, 8_411, 100_000] {
            let asked = RequestOptions {
                window,
                size: Some(0),
                ..RequestOptions::default()
            };
            assert!(
                over_a_bad_network(size, asked, &mut SeededRandom::new(seed), 0),
                "{size} {window:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_bad_network_delivers_or_fails_and_never_hangs(
        seed in any::<u64>(),
        size in 0usize..30_000,
        window in prop::option::of(1u16..12),
        badness in 0u8..140,
    ) {
        let asked = RequestOptions { window, ..RequestOptions::default() };
        over_a_bad_network(size, asked, &mut SeededRandom::new(seed), badness);
    }

    #[test]
    fn hostile_datagrams_never_panic(
        datagrams in prop::collection::vec((0u8..7, prop::collection::vec(any::<u8>(), 0..40)), 0..20),
    ) {
        let (mut download, _) = begin(RequestOptions { window: Some(3), ..RequestOptions::default() });
        for (opcode, rest) in datagrams {
            let mut out = Vec::new();
            download.receive(transfer_port(), &[&[0, opcode][..], &rest].concat(), START, &mut out);
        }
    }
}

fn octets(transfer: &Transfer, block: u64) -> std::ops::Range<usize> {
    let part = transfer.octets(block);
    part.start as usize..part.end as usize
}
