//! Floor 0: object identifiers by name, module and MIB dialect.

pub mod dialect;

pub use dialect::{DialectOids, MibDialect};
