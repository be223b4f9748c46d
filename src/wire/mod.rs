//! Floor 1: codecs and cryptography without I/O. Nothing here owns a socket, a clock, a task or a source of
//! randomness; time and random octets are arguments.

pub mod cert;
pub mod fqdn;
pub mod kerberos;
pub mod keymgmt;
pub mod pkinit;
pub mod snmp;
pub mod tftp;
pub mod tlv;
