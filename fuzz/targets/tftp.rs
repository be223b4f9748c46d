//! A series of packets of one client: a request begins a transfer, acknowledgements carry it on.

use std::time::Duration;

use hardline::wire::tftp::{Action, Limits, Pace, Packet, RequestOptions, Transfer, negotiate};

use super::world::NOW;

/// The file's octets.
const SIZE: u64 = 70_000;

pub fn run(data: &[u8]) {
    let mut transfer: Option<Transfer> = None;
    let mut now = NOW;
    for message in super::series(data) {
        now = now.plus(Duration::from_millis(700));
        match (Packet::decode(message), &mut transfer) {
            (Ok(Packet::Read(request) | Packet::Write(request)), _) => {
                let Ok(options) = RequestOptions::read(request.options, message.len() % 2 == 0) else {
                    continue;
                };
                let negotiation = negotiate(&options, SIZE, &Limits::default());
                transfer = Some(Transfer::new(SIZE, &negotiation, Pace::default(), now).0);
            }
            (Ok(Packet::Ack { block }), Some(transfer)) => {
                let _: Action = transfer.acknowledge(block, now);
            }
            (_, Some(transfer)) => drop(transfer.tick(now)),
            _ => {}
        }
        if let Some(transfer) = &transfer {
            assert!(transfer.acknowledged_octets() <= SIZE);
        }
    }
}
