//! Floor 2: configuration files as text, in the languages of others: that of the open-source `docsis` encoder, JSON and
//! YAML. Our own language is that of the templates, one floor above.

mod diff;
pub mod docsis;
mod format;
mod object;
mod view;

pub use diff::{Difference, diff};
pub use format::Format;
pub use object::{ObjectError, Resolver};
pub use view::{FileView, ViewError};
