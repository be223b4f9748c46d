//! Floor 3: configuration file templates.
//!
//! A template is text in a language of lines (docs of [`parse`] list them). A [`TemplateLibrary`] compiles its templates
//! once: names become object identifiers, constant values become elements, everything in `{{ }}` becomes a compiled
//! expression. Building a device's file then parses no text and does no I/O.

mod build;
mod context;
mod error;
mod expression;
mod library;
mod line;
mod parse;
mod shipped;
mod show;
mod statement;
#[cfg(test)]
mod tests;
mod value;

pub use build::{BuildError, BuildReason};
pub use context::{Context, Site};
pub use error::{Place, TemplateError, TemplateReason};
pub use library::TemplateLibrary;
pub use show::{FileView, decode_text};
pub use value::{ValueError, ValueType};
