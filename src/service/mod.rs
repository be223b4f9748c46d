//! Floor 4: sockets and timers. A service receives, asks the floors below what to do, stores that, and sends.

pub mod batch;
pub mod core;
pub mod delivery;
pub mod dns;
pub mod drops;
pub mod files;
pub mod fqdn;
pub mod http;
pub mod kdc;
pub mod keymgmt;
pub mod keys;
pub mod metrics;
pub mod mib_path;
pub mod orders;
pub mod rate;
pub mod resolver;
pub mod server;
pub mod shutdown;
pub mod snmp;
pub mod sockets;
pub mod static_files;
pub mod sweeper;
pub mod tftp;
pub mod udp;
pub mod vendors;
pub mod workers;
