//! The packets.

use super::option::OptionList;
use super::{DATA_HEADER, MAX_REQUEST};

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// A packet, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: send me a file.
    Read(Request<'a>),
    /// WRQ: take a file.
    Write(Request<'a>),
    /// DATA.
    Data {
        /// The block number, modulo 2^16.
        block: u16,
        /// The octets; fewer than the block size in the last block.
        payload: &'a [u8],
    },
    /// ACK.
    Ack {
        /// The number of the last block received in sequence, modulo 2^16.
        block: u16,
    },
    /// ERROR: ends a transfer and is never answered.
    Error {
        /// Why.
        code: ErrorCode,
        /// Text for people, as received.
        message: &'a [u8],
    },
    /// OACK: the options that the server takes (RFC 2347).
    OptionAck(OptionList<'a>),
}

/// The body of RRQ and WRQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name: any octets but NUL, at least one.
    pub file: &'a [u8],
    /// The transfer mode.
    pub mode: Mode,
    /// The options asked for.
    pub options: OptionList<'a>,
}

/// A transfer mode (RFC 1350 §1), read without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Octets as they are.
    Octet,
    /// Lines in network form; not served.
    Netascii,
    /// To a user; obsolete, not served.
    Mail,
    /// Any other word.
    Unknown,
}

/// An error code (RFC 1350 §5 and appendix, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// See the message.
    pub const UNDEFINED: Self = Self(0);
    /// There is no such file.
    pub const NOT_FOUND: Self = Self(1);
    /// The file is not for this client.
    pub const ACCESS: Self = Self(2);
    /// There is no room for the file.
    pub const FULL: Self = Self(3);
    /// The operation is not known or not served.
    pub const ILLEGAL: Self = Self(4);
    /// No transfer is under way with that address and port.
    pub const UNKNOWN_TRANSFER: Self = Self(5);
    /// The options cannot be agreed on (RFC 2347).
    pub const OPTIONS: Self = Self(8);
}

/// Why a datagram is no TFTP packet. Offsets count octets from the datagram's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The packet ends inside a field.
    #[error("the packet ends inside {field}, which starts at octet {offset}")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// The opcode is none of 1 to 6.
    #[error("no packet has the opcode {0}")]
    Opcode(u16),
    /// The request has no file name.
    #[error("the file name at octet 2 is empty")]
    NoFile,
    /// The request is longer than RFC 2347 allows.
    #[error("a request has at most {MAX_REQUEST} octets; this one has {0}")]
    TooLong(usize),
    /// An option has no name.
    #[error("the option at octet {offset} has no name")]
    OptionName {
        /// Where it starts.
        offset: usize,
    },
    /// Octets follow the end of an ACK.
    #[error("octets follow the packet's end at octet {offset}")]
    Trailing {
        /// Where it ends.
        offset: usize,
    },
}

impl PacketError {
    /// Where in the datagram the fault lies.
    pub fn offset(&self) -> usize {
        match *self {
            Self::Truncated { offset, .. } | Self::OptionName { offset } | Self::Trailing { offset } => offset,
            Self::Opcode(_) => 0,
            Self::NoFile => 2,
            Self::TooLong(_) => MAX_REQUEST,
        }
    }

    /// A short fixed word for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Opcode(_) => "opcode",
            Self::NoFile => "no_file_name",
            Self::TooLong(_) => "request_too_long",
            Self::OptionName { .. } => "option_name",
            Self::Trailing { .. } => "trailing_octets",
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`PacketError`].
    pub fn decode(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let (opcode, rest) = number(datagram, 0, "opcode")?;
        match opcode {
            RRQ => Request::decode(datagram, rest).map(Self::Read),
            WRQ => Request::decode(datagram, rest).map(Self::Write),
            DATA => number(rest, 2, "block number").map(|(block, payload)| Self::Data { block, payload }),
            ACK => match number(rest, 2, "block number")? {
                (block, []) => Ok(Self::Ack { block }),
                _ => Err(PacketError::Trailing { offset: 4 }),
            },
            ERROR => {
                let (code, text) = number(rest, 2, "error code")?;
                // Some senders leave the terminator out; the text decides nothing.
                let message = text.split(|&octet| octet == 0).next().unwrap_or_default();
                Ok(Self::Error {
                    code: ErrorCode(code),
                    message,
                })
            }
            OACK => OptionList::decode(rest, 2).map(Self::OptionAck),
            other => Err(PacketError::Opcode(other)),
        }
    }

    /// The octets before the payload of a DATA packet.
    pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
        let ([a, b], [c, d]) = (DATA.to_be_bytes(), block.to_be_bytes());
        [a, b, c, d]
    }

    /// Writes the packet over whatever `out` held.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let mut number = |number: u16| out.extend_from_slice(&number.to_be_bytes());
        match *self {
            Self::Read(request) => {
                number(RRQ);
                request.encode(out);
            }
            Self::Write(request) => {
                number(WRQ);
                request.encode(out);
            }
            Self::Data { block, payload } => {
                number(DATA);
                number(block);
                out.extend_from_slice(payload);
            }
            Self::Ack { block } => {
                number(ACK);
                number(block);
            }
            Self::Error { code, message } => {
                number(ERROR);
                number(code.0);
                out.extend_from_slice(message);
                out.push(0);
            }
            Self::OptionAck(options) => {
                number(OACK);
                out.extend_from_slice(options.octets());
            }
        }
    }
}

impl<'a> Request<'a> {
    fn decode(datagram: &'a [u8], rest: &'a [u8]) -> Result<Self, PacketError> {
        if datagram.len() > MAX_REQUEST {
            return Err(PacketError::TooLong(datagram.len()));
        }
        let mut offset = 2;
        let (file, rest) = text(rest, offset, "file name")?;
        if file.is_empty() {
            return Err(PacketError::NoFile);
        }
        offset += file.len() + 1;
        let (mode, rest) = text(rest, offset, "mode")?;
        offset += mode.len() + 1;
        Ok(Self {
            file,
            mode: Mode::read(mode),
            options: OptionList::decode(rest, offset)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.file);
        out.push(0);
        out.extend_from_slice(self.mode.word());
        out.push(0);
        out.extend_from_slice(self.options.octets());
    }
}

impl Mode {
    fn read(word: &[u8]) -> Self {
        [Self::Octet, Self::Netascii, Self::Mail]
            .into_iter()
            .find(|mode| mode.word().eq_ignore_ascii_case(word))
            .unwrap_or(Self::Unknown)
    }

    fn word(self) -> &'static [u8] {
        match self {
            Self::Octet => b"octet",
            Self::Netascii => b"netascii",
            Self::Mail => b"mail",
            Self::Unknown => b"unknown",
        }
    }
}

/// A number of two octets and what follows it.
fn number<'a>(octets: &'a [u8], offset: usize, field: &'static str) -> Result<(u16, &'a [u8]), PacketError> {
    let (number, rest) = octets
        .split_first_chunk()
        .ok_or(PacketError::Truncated { field, offset })?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// Octets up to a NUL, and what follows it.
pub(super) fn text<'a>(
    octets: &'a [u8],
    offset: usize,
    field: &'static str,
) -> Result<(&'a [u8], &'a [u8]), PacketError> {
    let end = octets
        .iter()
        .position(|&octet| octet == 0)
        .ok_or(PacketError::Truncated { field, offset })?;
    let (text, rest) = octets.split_at_checked(end).unwrap_or_default();
    Ok((text, rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_2347_a_request_with_options() {
        let datagram = b"\0\x01mta.cfg\0OcTeT\0blksize\x001448\0TSIZE\x000\0";
        let Ok(Packet::Read(request)) = Packet::decode(datagram) else {
            panic!("a read request");
        };
        assert_eq!(request.file, b"mta.cfg");
        assert_eq!(request.mode, Mode::Octet);
        let options: Vec<_> = request.options.iter().collect();
        assert_eq!(options, [(&b"blksize"[..], &b"1448"[..]), (b"TSIZE", b"0")]);
    }

    #[test]
    fn rfc_1350_5_each_packet() {
        assert_eq!(
            Packet::decode(b"\0\x03\x01\x02ab"),
            Ok(Packet::Data {
                block: 0x102,
                payload: b"ab"
            })
        );
        assert_eq!(Packet::decode(b"\0\x04\xff\xff"), Ok(Packet::Ack { block: 0xffff }));
        let error = Packet::Error {
            code: ErrorCode::NOT_FOUND,
            message: b"no",
        };
        assert_eq!(Packet::decode(b"\0\x05\0\x01no\0"), Ok(error));
        assert_eq!(Packet::decode(b"\0\x05\0\x01no"), Ok(error), "without its terminator");
    }

    #[test]
    fn what_is_no_packet_is_refused_where_it_is_wrong() {
        use PacketError::*;
        let long = [b"\0\x01".to_vec(), vec![b'a'; 600]].concat();
        for (datagram, error) in [
            (
                &b""[..],
                Truncated {
                    field: "opcode",
                    offset: 0,
                },
            ),
            (
                b"\0",
                Truncated {
                    field: "opcode",
                    offset: 0,
                },
            ),
            (b"\0\0", Opcode(0)),
            (b"\0\x07", Opcode(7)),
            (b"\0\x01\0octet\0", NoFile),
            (
                b"\0\x01file",
                Truncated {
                    field: "file name",
                    offset: 2,
                },
            ),
            (
                b"\0\x01file\0octet",
                Truncated {
                    field: "mode",
                    offset: 7,
                },
            ),
            (
                b"\0\x01f\0octet\0blksize",
                Truncated {
                    field: "option name",
                    offset: 10,
                },
            ),
            (
                b"\0\x01f\0octet\0blksize\x00512",
                Truncated {
                    field: "option value",
                    offset: 18,
                },
            ),
            (b"\0\x01f\0octet\0\x00512\0", OptionName { offset: 10 }),
            (
                b"\0\x03\0",
                Truncated {
                    field: "block number",
                    offset: 2,
                },
            ),
            (b"\0\x04\0\x01x", Trailing { offset: 4 }),
            (&long, TooLong(602)),
        ] {
            assert_eq!(Packet::decode(datagram), Err(error), "{datagram:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_octets_never_panic_and_what_decodes_encodes_the_same(
            opcode in 0u8..8,
            rest in prop::collection::vec(prop_oneof![Just(0u8), Just(b'a'), any::<u8>()], 0..80),
        ) {
            let datagram = [&[0, opcode][..], &rest].concat();
            if let Ok(packet) = Packet::decode(&datagram) {
                let mut again = vec![0xee];
                packet.encode(&mut again);
                let unknown_mode =
                    matches!(packet, Packet::Read(r) | Packet::Write(r) if r.mode == Mode::Unknown);
                if unknown_mode {
                    return Ok(());
                }
                prop_assert_eq!(Packet::decode(&again), Ok(packet));
            }
        }
    }
}
