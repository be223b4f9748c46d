//! Device configuration files: their TLVs, their hash, their encryption, and what a strict device finds wrong with them.
//!
//! A device file (fact sheet provisioning §1, CERTAIN unless a line says otherwise) is a row of TLVs between the
//! delimiters `FE 01 01` and `FE 01 FF`. Types and lengths are one octet, the length of TLV 64 alone is two octets in
//! network byte order.
//!
//! A cable modem's file (§8) is a row of TLVs that ends in its two message integrity checks and `FF`; [`ConfigFile`]
//! holds a file of either kind as a tree, and the [`Definition`]s say what its TLVs mean.

mod advice;
mod bootstrap;
pub mod check;
pub mod cipher;
pub mod conform;
mod decode;
mod dictionary;
mod encoded;
mod error;
mod file;
mod finding;
mod fragment;
mod hash;
pub mod key;
mod kind;
mod lint;
mod lint_modem;
pub mod mic;
mod realm;
mod receiver;
mod secret;
mod tree;
mod typed;
mod vendor;

pub use bootstrap::{told_by, trigger_varbinds};
pub use check::{Requirements, check_device_file};
pub use cipher::{CipherError, EncryptAlgorithm, FileForm, IvSource, Padding};
pub use dictionary::{Definition, Form};
pub use encoded::{Canonical, Encoded};
pub use error::{DecodeError, EncodeError, TlvPath};
pub use file::{DeviceFile, Element, LONGEST_SHORT_VARBIND};
pub use finding::{FileFlow, Finding, Severity};
pub use fragment::{LONGEST_FRAGMENT, fragments};
pub use hash::{BasicHashError, FileHash, HashAlgorithm};
pub use key::{FileKey, KeyObjectError, KeyPlacement};
pub use kind::FileKind;
pub use lint::{Lint, lint_device};
pub use lint_modem::lint_modem;
pub use mic::{CmtsMicList, CmtsVerdict, ExtendedMic, MicError, MicReport};
pub use realm::{RealmRow, realm_row, realm_rows};
pub use receiver::{NotificationReceiver, ReceiverKind, ReceiverSetting};
pub use secret::{SecretError, SharedSecret, SharedSecrets};
pub use tree::{Body, ConfigFile, Place, Tlv};
pub use typed::{TypedError, printable};
pub use vendor::{SubTlv, VendorSpecific};

#[cfg(test)]
pub(crate) mod tests {
    //! What tests make files of.
    pub(crate) use super::file::tests::{any_file_octets, any_file_value};
    pub(crate) use super::tree::tests::any_modem_octets;

    use super::Element;
    use crate::mib::Names;
    use crate::wire::snmp::varbind::{Value, VarBind};

    /// An object of a device file, by its name.
    pub(super) fn set(name: &str, index: &[u32], value: Value) -> Element {
        let object = Names::embedded().resolve(name).unwrap();
        Element::varbind(VarBind::new(object.oid.child(index), value))
    }
}
