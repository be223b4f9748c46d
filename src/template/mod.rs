//! Floor 3: configuration file templates.
//!
//! A template is text in a language of lines (docs of [`parse`] list them). A [`TemplateLibrary`] compiles its templates
//! once: names become object identifiers, what is the same for every device becomes octets, everything in `{{ }}`
//! becomes a compiled expression. Building a device's file then parses no template and does no I/O: it appends to one
//! buffer.

mod bounds;
mod build;
mod context;
mod declare;
mod docsis;
mod emit;
mod error;
mod expression;
mod failure;
mod finish;
mod fold;
mod intern;
mod library;
mod line;
mod link;
#[cfg(test)]
mod more_tests;
mod naming;
mod object;
mod overrides;
mod parse;
mod product;
mod quick;
mod scope;
mod serve;
mod shared;
mod shipped;
mod show;
mod statement;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use context::{Context, Fields, Inputs, Scalar, Site};
pub use error::{Place, TemplateError, TemplateReason};
pub use failure::{BuildError, BuildReason, FinishReason};
pub use library::{Language, Source, TemplateInfo, TemplateLibrary};
pub use naming::Resolved;
pub use overrides::{OverrideError, OverrideReason, Overrides};
pub use shared::SharedLibrary;
pub use show::{cable_modem_text, decode_text};
pub use value::{ValueError, ValueType};
