//! Floor 0: value types, each parsed once at the edge and never again a string inside.

mod engine_id;
mod fqdn;
mod mac;
mod oid;
mod random;
mod realm;
mod secret;
mod timestamp;

pub use engine_id::{EngineId, EngineIdError};
pub use fqdn::{Fqdn, FqdnError};
pub use mac::{MacAddress, MacAddressError};
pub use oid::{Oid, OidError};
pub use random::{OsRandom, Random, SeededRandom};
pub use realm::{Realm, RealmError};
pub use secret::Secret;
pub use timestamp::{Timestamp, TimestampError, rfc3339};

/// Lower-case hexadecimal text of `bytes`, without separators.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes that an even number of hexadecimal digits spells, or `None` where `text` is anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
