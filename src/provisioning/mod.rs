//! Floor 3: what to do next for a device; state machines without I/O.

mod names;

pub use names::{FileName, basic_file_name, own_file_name};
