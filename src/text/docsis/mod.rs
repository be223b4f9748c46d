//! The text language of the open-source `docsis` encoder:
//!
//! ```text
//! Main
//! {
//!     NetworkAccess 1;                                    /* a setting: name, value, semicolon */
//!     UsServiceFlow { UsServiceFlowRef 1; … }             /* settings within a setting */
//!     SnmpMibObject sysContact.0 String "x";              /* TLV 11; in an MTA's file TLV 64 where it is long */
//!     SnmpWriteControl .1.3.6.1 1;                        /* TLV 10 */
//!     GenericTLV TlvCode 99 TlvLength 2 TlvValue 0x0102;  /* a TLV by number */
//!     ManufacturerCVC "cvc.der";                          /* the octets of a file, in pieces */
//! }
//! ```
//!
//! As a template, a value may have `{{ expressions }}`; everywhere else braces in quotes mean themselves.
//!
//! A file whose first setting is `MtaConfigDelimiter 1` is a device's. The MICs, the end mark and the hash are no part of
//! the text: whoever encodes it adds them.

mod cursor;
mod error;
mod generic;
mod lex;
mod read;
mod setting;
mod statement;
mod write;

pub use error::{ReadError, ReadReason};
pub use lex::Position;
pub use read::{read, read_octets, settings};
pub use setting::{Setting, SettingBody};
pub use write::write;

#[cfg(test)]
mod tests;
