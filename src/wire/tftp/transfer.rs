//! The server's side of one transfer, as a state machine over block numbers. It holds no octet of the file.

use std::ops::Range;
use std::time::Duration;

use super::{ErrorCode, Negotiated, Negotiation};
use crate::value::Timestamp;

/// How long to wait, how often to repeat, when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait before the first retransmission, where the client asked for no other. It doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Retransmissions without progress before the transfer fails.
    pub retries: u8,
    /// The longest time from the request to the last ACK. It ends what never times out: a client that goes on slowly.
    pub lifetime: Duration,
}

impl Default for Pace {
    /// 1, 2, 4, 8, 8 seconds; an hour in all.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(8),
            retries: 5,
            lifetime: Duration::from_secs(3600),
        }
    }
}

impl Pace {
    /// The wait after `wait`.
    pub(super) fn next(&self, wait: Duration) -> Duration {
        wait.saturating_mul(2).min(self.longest.max(wait))
    }
}

/// What the owner of a transfer does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the OACK.
    OptionAck,
    /// Send these blocks in order: [`Transfer::wire_number`] numbers them, [`Transfer::octets`] fills them.
    Blocks(Range<u64>),
    /// Nothing, until a packet comes or [`Transfer::deadline`] passes.
    Wait,
    /// The client acknowledged the last block. The transfer is over.
    Done,
    /// The transfer is over without success.
    Failed(Failure),
}

/// Why a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The client fell silent. Where all but the last block is acknowledged, it may well have the file: the last ACK is
    /// the one that nobody repeats.
    #[error("the client fell silent after block {acknowledged} of {blocks}")]
    Silent {
        /// The last block it acknowledged; 0 for none.
        acknowledged: u64,
        /// The blocks of the file.
        blocks: u64,
    },
    /// The client sent an ERROR.
    #[error("the client ended the transfer with error {}", code.0)]
    Peer {
        /// Its code.
        code: ErrorCode,
    },
    /// The transfer outlived [`Pace::lifetime`].
    #[error("the transfer was too slow: block {acknowledged} of {blocks}")]
    TooSlow {
        /// The last block the client acknowledged.
        acknowledged: u64,
        /// The blocks of the file.
        blocks: u64,
    },
}

/// One transfer to one client. Blocks count from 1 and do not wrap here; on the wire they do.
#[derive(Debug, Clone)]
pub struct Transfer {
    size: u64,
    blocks: u64,
    parameters: Negotiated,
    pace: Pace,
    started: Timestamp,
    deadline: Timestamp,
    wait: Duration,
    retries_left: u8,
    /// The OACK was sent and its ACK is awaited.
    options_pending: bool,
    /// The last block acknowledged.
    acknowledged: u64,
    /// The last block sent since then.
    sent: u64,
    /// The last block ever sent.
    furthest: u64,
    /// The client acknowledged something: it exists, and wants this transfer.
    answered: bool,
    /// A duplicate ACK has already set off the window that follows `acknowledged`.
    rewound: bool,
    retransmissions: u32,
}

impl Transfer {
    /// A transfer of `size` octets, and the first thing to send.
    pub fn new(size: u64, negotiation: &Negotiation, pace: Pace, now: Timestamp) -> (Self, Action) {
        let parameters = negotiation.parameters;
        let wait = parameters.timeout.unwrap_or(pace.first);
        let mut transfer = Self {
            size,
            blocks: size / u64::from(parameters.block_size.max(1)) + 1,
            parameters,
            pace,
            started: now,
            deadline: now.plus(wait),
            wait,
            retries_left: pace.retries,
            options_pending: negotiation.granted.is_some(),
            acknowledged: 0,
            sent: 0,
            furthest: 0,
            answered: false,
            rewound: false,
            retransmissions: 0,
        };
        let first = if transfer.options_pending {
            Action::OptionAck
        } else {
            transfer.window()
        };
        (transfer, first)
    }

    /// An ACK came.
    ///
    /// One that repeats the last is ignored in lockstep, or every duplicate would double the traffic from there on (RFC
    /// 1123 §4.2.3.1, the Sorcerer's Apprentice). With a window it says that the window's first block is lost (RFC 7440
    /// §4) and repeats the window, once.
    pub fn acknowledge(&mut self, block: u16, now: Timestamp) -> Action {
        if now >= self.started.plus(self.pace.lifetime) {
            return Action::Failed(self.too_slow());
        }
        let ahead = u64::from(block.wrapping_sub(Self::wire_number(self.acknowledged)));
        if self.options_pending {
            if block != 0 {
                return Action::Wait;
            }
            self.options_pending = false;
        } else if ahead == 0 {
            if self.parameters.window == 1 || self.rewound || self.sent == self.acknowledged {
                return Action::Wait;
            }
            self.rewound = true;
            return self.window();
        } else if ahead > self.sent - self.acknowledged {
            return Action::Wait;
        } else {
            self.acknowledged += ahead;
            self.rewound = false;
        }
        self.answered = true;
        self.retries_left = self.pace.retries;
        self.wait = self.parameters.timeout.unwrap_or(self.pace.first);
        self.deadline = now.plus(self.wait);
        if self.acknowledged == self.blocks {
            Action::Done
        } else {
            self.window()
        }
    }

    /// The client repeated its request: while nothing is acknowledged, the answer to it was lost.
    pub fn repeat(&mut self, now: Timestamp) -> Action {
        if self.answered {
            return Action::Wait;
        }
        self.deadline = now.plus(self.wait);
        self.retransmit()
    }

    /// Time passed. Does nothing before [`Self::deadline`].
    pub fn tick(&mut self, now: Timestamp) -> Action {
        if now < self.deadline {
            return Action::Wait;
        }
        if now >= self.started.plus(self.pace.lifetime) {
            return Action::Failed(self.too_slow());
        }
        let Some(left) = self.retries_left.checked_sub(1) else {
            return Action::Failed(Failure::Silent {
                acknowledged: self.acknowledged,
                blocks: self.blocks,
            });
        };
        self.retries_left = left;
        self.wait = self.pace.next(self.wait);
        self.deadline = now.plus(self.wait);
        self.rewound = false;
        self.retransmit()
    }

    /// When [`Self::tick`] wants to be called.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// When the request came.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether something had to be sent again since the client's last word.
    pub fn is_repeating(&self) -> bool {
        self.retries_left < self.pace.retries
    }

    /// Whether the client has acknowledged anything yet: the OACK or a block.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// How many blocks and OACKs were sent again.
    pub fn retransmissions(&self) -> u32 {
        self.retransmissions
    }

    /// How many octets of the file are acknowledged.
    pub fn acknowledged_octets(&self) -> u64 {
        self.acknowledged
            .saturating_mul(self.parameters.block_size.into())
            .min(self.size)
    }

    /// The block's number in DATA and ACK: modulo 2^16, so that after 65,535 comes 0.
    pub fn wire_number(block: u64) -> u16 {
        block as u16
    }

    /// Where in the file the block's octets stand. Empty for the block that ends a file of whole blocks.
    pub fn octets(&self, block: u64) -> Range<u64> {
        let size = u64::from(self.parameters.block_size);
        let start = block.saturating_sub(1).saturating_mul(size).min(self.size);
        let end = start.saturating_add(size).min(self.size);
        start..end
    }

    fn retransmit(&mut self) -> Action {
        if self.options_pending {
            self.retransmissions = self.retransmissions.saturating_add(1);
            return Action::OptionAck;
        }
        self.window()
    }

    /// The blocks after the last acknowledged one, as many as the window holds.
    fn window(&mut self) -> Action {
        let first = self.acknowledged + 1;
        let last = (self.acknowledged + u64::from(self.parameters.window)).min(self.blocks);
        let again = (self.furthest.min(last) + 1).saturating_sub(first);
        self.retransmissions = self
            .retransmissions
            .saturating_add(u32::try_from(again).unwrap_or(u32::MAX));
        self.sent = last;
        self.furthest = self.furthest.max(last);
        Action::Blocks(first..last + 1)
    }

    fn too_slow(&self) -> Failure {
        Failure::TooSlow {
            acknowledged: self.acknowledged,
            blocks: self.blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Limits, RequestOptions, negotiate};
    use super::*;

    const START: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn begin(size: u64, asked: RequestOptions) -> (Transfer, Action) {
        Transfer::new(
            size,
            &negotiate(&asked, size, &Limits::default()),
            Pace::default(),
            START,
        )
    }

    fn windowed(window: u16) -> RequestOptions {
        RequestOptions {
            window: Some(window),
            ..RequestOptions::default()
        }
    }

    #[test]
    fn rfc_1350_lockstep_ends_with_a_short_block() {
        let (mut transfer, first) = begin(1024, RequestOptions::default());
        assert_eq!(first, Action::Blocks(1..2));
        assert_eq!(transfer.octets(1), 0..512);
        assert_eq!(transfer.acknowledge(1, START), Action::Blocks(2..3));
        assert_eq!(transfer.acknowledge(2, START), Action::Blocks(3..4));
        assert_eq!(
            transfer.octets(3),
            1024..1024,
            "a file of whole blocks ends with an empty one"
        );
        assert_eq!(transfer.acknowledge(3, START), Action::Done);
        assert_eq!((transfer.retransmissions(), transfer.acknowledged_octets()), (0, 1024));
    }

    #[test]
    fn rfc_1123_4_2_3_1_a_duplicate_ack_sends_nothing() {
        let (mut transfer, _) = begin(5000, RequestOptions::default());
        assert_eq!(transfer.acknowledge(1, START), Action::Blocks(2..3));
        for _ in 0..10 {
            assert_eq!(transfer.acknowledge(1, START), Action::Wait);
            assert_eq!(transfer.acknowledge(0, START), Action::Wait);
        }
        assert_eq!(
            transfer.acknowledge(3, START),
            Action::Wait,
            "a block that was not sent"
        );
        assert_eq!(transfer.acknowledge(2, START), Action::Blocks(3..4));
    }

    #[test]
    fn rfc_2347_the_oack_waits_for_ack_0() {
        let (mut transfer, first) = begin(
            10,
            RequestOptions {
                size: Some(0),
                timeout: Some(3),
                ..RequestOptions::default()
            },
        );
        assert_eq!(first, Action::OptionAck);
        assert_eq!(transfer.deadline(), START.plus(Duration::from_secs(3)));
        assert_eq!(transfer.acknowledge(1, START), Action::Wait);
        assert_eq!(transfer.repeat(START), Action::OptionAck);
        assert!(!transfer.is_answered());
        assert_eq!(transfer.acknowledge(0, START), Action::Blocks(1..2));
        assert!(transfer.is_answered());
        assert_eq!(transfer.acknowledge(1, START), Action::Done);
    }

    #[test]
    fn rfc_7440_4_a_gap_rewinds_the_window() {
        let (mut transfer, _) = begin(512 * 20, windowed(4));
        assert_eq!(transfer.acknowledge(0, START), Action::Blocks(1..5));
        assert_eq!(transfer.acknowledge(4, START), Action::Blocks(5..9));
        assert_eq!(transfer.acknowledge(6, START), Action::Blocks(7..11));
        assert_eq!(
            transfer.acknowledge(6, START),
            Action::Blocks(7..11),
            "block 7 was lost as well"
        );
        assert_eq!(transfer.acknowledge(6, START), Action::Wait, "once");
        assert_eq!(transfer.acknowledge(10, START), Action::Blocks(11..15));
        assert_eq!(transfer.retransmissions(), 2 + 4);
    }

    #[test]
    fn silence_backs_off_and_ends() {
        let (mut transfer, _) = begin(5000, RequestOptions::default());
        transfer.acknowledge(1, START);
        let mut now = START;
        let mut waits = Vec::new();
        loop {
            waits.push(transfer.deadline().since(now).as_secs());
            assert_eq!(transfer.tick(now), Action::Wait, "too early");
            now = transfer.deadline();
            match transfer.tick(now) {
                Action::Blocks(blocks) => assert_eq!(blocks, 2..3),
                end => {
                    assert_eq!(
                        end,
                        Action::Failed(Failure::Silent {
                            acknowledged: 1,
                            blocks: 10
                        })
                    );
                    break;
                }
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn a_client_that_goes_on_for_ever_is_left() {
        let (mut transfer, _) = begin(5000, RequestOptions::default());
        let late = START.plus(Pace::default().lifetime);
        assert!(matches!(
            transfer.acknowledge(1, late),
            Action::Failed(Failure::TooSlow { .. })
        ));
        assert!(matches!(transfer.tick(late), Action::Failed(Failure::TooSlow { .. })));
    }

    #[test]
    fn block_numbers_roll_over_to_0() {
        let (mut transfer, _) = begin(512 * 140_000, windowed(50));
        assert_eq!(transfer.acknowledge(0, START), Action::Blocks(1..51));
        let mut acknowledged = 0u64;
        while acknowledged < 140_001 {
            let step = (140_001 - acknowledged).min(50);
            acknowledged += step;
            let action = transfer.acknowledge(Transfer::wire_number(acknowledged), START);
            let expected = match acknowledged {
                140_001 => Action::Done,
                _ => Action::Blocks(acknowledged + 1..(acknowledged + 51).min(140_002)),
            };
            assert_eq!(action, expected);
        }
        assert_eq!(transfer.retransmissions(), 0);
    }

    proptest! {
        #[test]
        fn any_sequence_of_acks_and_time_keeps_within_the_file_and_ends(
            size in 0u64..200_000,
            window in prop::option::of(1u16..70),
            events in prop::collection::vec(prop_oneof![
                (0u16..400).prop_map(Some),
                any::<u16>().prop_map(Some),
                Just(None),
            ], 0..300),
        ) {
            let (mut transfer, _) = begin(size, RequestOptions { window, ..RequestOptions::default() });
            let mut now = START;
            for event in events {
                let action = match event {
                    Some(block) => transfer.acknowledge(block, now),
                    None => { now = transfer.deadline(); transfer.tick(now) }
                };
                match action {
                    Action::Blocks(blocks) => {
                        prop_assert!(blocks.end - blocks.start <= u64::from(window.unwrap_or(1)));
                        prop_assert!(blocks.end <= size / 512 + 2);
                        for block in blocks {
                            prop_assert!(transfer.octets(block).end <= size);
                        }
                    }
                    Action::Done | Action::Failed(_) => return Ok(()),
                    Action::OptionAck | Action::Wait => {}
                }
            }
            for _ in 0..=Pace::default().retries {
                now = transfer.deadline();
                if let Action::Failed(_) = transfer.tick(now) {
                    return Ok(());
                }
            }
            prop_assert!(false, "a silent client ends the transfer");
        }
    }
}
