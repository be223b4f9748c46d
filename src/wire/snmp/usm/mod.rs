//! The user-based security model (RFC 3414, RFC 3826): keys, message authentication, privacy, engines and their
//! clocks. Nothing here knows how a message is laid out.

mod auth;
mod engine;
mod keys;
mod privacy;

pub use auth::{AuthKey, AuthProtocol, MAC_LENGTH};
pub use engine::{LocalEngine, MAX_BOOTS, OutsideWindow, RemoteEngine, TIME_WINDOW, UsmStat, UsmStats};
pub use keys::{KeyError, LocalizedKeys, SecurityLevel, localize, password_to_key};
pub use privacy::{PrivKey, PrivProtocol, Salt, SaltSource};
