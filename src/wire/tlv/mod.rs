//! Device configuration files: their TLVs, their hash, their encryption, and what a strict device finds wrong with them.
//!
//! A device file (fact sheet provisioning §1, CERTAIN unless a line says otherwise) is a row of TLVs between the
//! delimiters `FE 01 01` and `FE 01 FF`. Types and lengths are one octet, the length of TLV 64 alone is two octets in
//! network byte order.

pub mod cipher;
mod encoded;
mod error;
mod file;
mod hash;
pub mod key;
mod receiver;
mod vendor;

pub use cipher::{CipherError, EncryptAlgorithm, FileForm, IvSource, Padding};
pub use encoded::Encoded;
pub use error::{DecodeError, EncodeError, TlvPath};
pub use file::{DeviceFile, Element, LONGEST_SHORT_VARBIND};
pub use hash::{BasicHashError, FileHash, HashAlgorithm};
pub use key::{FileKey, KeyObjectError, KeyPlacement};
pub use receiver::{NotificationReceiver, ReceiverKind, ReceiverSetting};
pub use vendor::{SubTlv, VendorSpecific};
