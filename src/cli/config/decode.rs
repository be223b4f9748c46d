//! `hardline config decode`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::super::CliError;
use super::NamesRef;
use super::input;
use crate::mib::MibDialect;
use crate::template;
use crate::text::{FileView, docsis};
use crate::wire::tlv::{DeviceFile, FileKind};

/// Arguments of `hardline config decode`.
#[derive(clap::Args)]
pub struct Args {
    /// The file, in whatever form; - for standard input
    file: PathBuf,
    /// How to show it; json with --json
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Which MIB names mean that several MIBs have: ietf, cablelabs or euro
    #[arg(long, value_name = "DIALECT")]
    mib: Option<MibDialect>,
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// The forms that a file is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Our own language, that of templates
    Text,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// The language of the docsis encoder
    Docsis,
}

/// Runs `hardline config decode`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: &Args, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    let input = input::read(&args.file, names, args.mib)?;
    let failed = |error: &dyn std::fmt::Display| CliError::file(&args.file, error);
    let shape = if as_json { Shape::Json } else { args.format };
    let text = match shape {
        Shape::Text => match DeviceFile::decode(&input.octets) {
            Ok(file) if input.file.kind == FileKind::Device => template::decode_text(&file, names),
            _ => template::cable_modem_text(&input.file, names),
        },
        Shape::Json => {
            let view = FileView::new(&input.file, names);
            let text = match as_json {
                true => serde_json::to_string(&view),
                false => serde_json::to_string_pretty(&view),
            };
            text.map_err(|error| failed(&error))? + "\n"
        }
        Shape::Yaml => serde_yaml_ng::to_string(&FileView::new(&input.file, names)).map_err(|error| failed(&error))?,
        Shape::Docsis => docsis::write(&input.file, names),
    };
    input::write(&args.output, text.as_bytes())
}
