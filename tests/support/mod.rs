//! What the tests against outside judges share.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unused_imports, reason = "each test binary uses its own part")]

pub mod bootstrap;
pub mod capture;
pub mod client;
pub mod crl;
pub mod databases;
pub mod dhcp;
pub mod fetch;
pub mod files;
pub mod kdc_tcp;
pub mod lint;
pub mod lossy;
pub mod peers;
pub mod server;
pub mod snmpd;

pub use capture::{Capture, assert_well_formed, field};
