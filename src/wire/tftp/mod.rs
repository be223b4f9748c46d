//! TFTP without I/O: packets, the server's side of a transfer and the client's (RFC 1350, 2347, 2348, 2349, 7440;
//! fact sheet provisioning §9).
//!
//! Integers are big-endian. Nothing here is allocated for a packet beyond the caller's buffer.

mod download;
mod option;
mod packet;
mod transfer;

pub use download::{Download, DownloadError};
pub use option::{Limits, Negotiated, Negotiation, OptionError, OptionList, RequestOptions, negotiate};
pub use packet::{ErrorCode, Mode, Packet, PacketError, Request};
pub use transfer::{Action, Failure, Pace, Transfer};

/// The UDP port that requests are sent to (RFC 1350 §4).
pub const PORT: u16 = 69;

/// The block size where none was negotiated (RFC 1350 §2).
pub const DEFAULT_BLOCK_SIZE: u16 = 512;

/// The block size that a device asks for over IPv4 (seed 003; fact sheet provisioning §2.5, CERTAIN).
pub const BLOCK_SIZE_IPV4: u16 = 1448;

/// The block size that a device asks for over IPv6 (seed 003; fact sheet provisioning §2.5, CERTAIN).
pub const BLOCK_SIZE_IPV6: u16 = 1428;

/// The longest request in octets (RFC 2347, "the maximum size of a request packet").
pub const MAX_REQUEST: usize = 512;

/// Octets before the payload of a DATA packet: opcode and block number.
pub const DATA_HEADER: usize = 4;
