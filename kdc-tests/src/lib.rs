//! Interoperability with Kerberos software that shares no code with Hardline. Each file of `tests/` names its judge; here
//! is what starts and stops the judges.
//!
//! Debian packages: `krb5-kdc`, `krb5-admin-server` and `krb5-user` (MIT), `krb5-pkinit` and `faketime` (stock
//! clients), `libkrb5-dev` and `gcc` (the peer made of
//! libkrb5). Heimdal's packages conflict with MIT's: test.sh unpacks them into a folder that [`heimdal`] runs them from.
#![forbid(unsafe_code)]

pub mod clients;
pub mod heimdal;
pub mod mit;
pub mod peer;
pub mod process;
pub mod relay;
