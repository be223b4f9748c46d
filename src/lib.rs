//! Hardline: the provisioning backend for PacketCable 2.0 eUEs and PacketCable 1.x eMTAs.
//!
//! The modules are floors; each imports only from the floors below it (docs/ARCHITECTURE.md draws them):
//!
//! | Floor | Modules | Holds |
//! |---|---|---|
//! | 5 | [`cli`], `main`; [`load`] | commands, wiring, supervision; load and conformance of TFTP servers |
//! | 4 | [`service`], [`simulator`] | sockets and timers |
//! | 3 | [`provisioning`], [`store`], [`template`] | decisions, persistence, configuration file templates |
//! | 2 | [`model`], [`profile`], [`settings`], [`text`] | devices, attempts, policy; the interop profile; hardline.toml; files in other languages |
//! | 1 | [`wire`] | codecs and cryptography without I/O |
//! | 0 | [`value`], [`mib`] | the value types and object identifiers that everything speaks |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod load;
pub mod mib;
pub mod model;
pub mod profile;
pub mod provisioning;
pub mod service;
pub mod settings;
pub mod simulator;
pub mod store;
pub mod template;
pub mod text;
pub mod value;
pub mod wire;
