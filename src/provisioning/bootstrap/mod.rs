//! Bootstrapping: who may fetch credentials, what the document says, and what tells a device to ask (seed 003 §6.6.5).

mod authorise;
mod document;
mod trigger;

pub use authorise::{Allowed, Facts, Refusal, Rules, authorise, is_blocked};
pub use document::{BUILT_IN, Document, DocumentError, Facing, SCHEMA};
pub use trigger::Triggers;
