//! Floor 0: object identifiers by name, module and MIB dialect.

pub mod dialect;
mod embedded;
mod instance;
mod load;
mod names;
mod object;
mod search;
mod source;

pub use dialect::{DialectOids, MibDialect};
pub use instance::{IndexValue, InstanceError};
pub use names::{LoadError, NameError, Names};
pub use object::{Access, Base, IndexForm, IndexPart, Kind, Object, Syntax};
pub use source::ModuleFile;
