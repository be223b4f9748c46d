//! `hardline config diff`.

use std::path::PathBuf;

use serde_json::json;

use super::super::output::Colour;
use super::super::{CliError, output};
use super::NamesRef;
use super::input;
use crate::mib::MibDialect;
use crate::text;

/// Arguments of `hardline config diff`.
#[derive(clap::Args)]
pub struct Args {
    /// The first file, in whatever form
    old: PathBuf,
    /// The second file, in whatever form
    new: PathBuf,
    /// Which MIB names mean that several MIBs have: ietf, cablelabs or euro
    #[arg(long, value_name = "DIALECT")]
    mib: Option<MibDialect>,
}

/// Runs `hardline config diff`.
///
/// # Errors
/// [`CliError`]; [`CliError::Reported`] with 1 where the files differ.
pub fn run(args: &Args, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    let old = input::read(&args.old, names, args.mib)?;
    let new = input::read(&args.new, names, args.mib)?;
    let found = text::diff(&old.file, &new.file, names);
    if as_json {
        output::print_json(&json!({"same": found.is_empty(), "differences": found}))?;
    } else {
        let mut text = String::new();
        for difference in &found {
            let mut line = |sign: &str, value: &str, colour| {
                let line = format!("{sign} {} = {}", difference.name, output::printable(value));
                text.push_str(&output::coloured(&line, colour));
                text.push('\n');
            };
            difference.old.iter().for_each(|value| line("-", value, Colour::Red));
            difference.new.iter().for_each(|value| line("+", value, Colour::Green));
        }
        output::print(&text)?;
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(CliError::Reported(1)),
    }
}
