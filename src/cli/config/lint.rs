//! `hardline config lint`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::super::output::Colour;
use super::super::{CliError, output};
use super::NamesRef;
use super::hash::dialect_of;
use super::input::{self, Input, SecretArgs};
use crate::mib::{MibDialect, dialect};
use crate::settings::Settings;
use crate::wire::tlv::{
    ConfigFile, DeviceFile, FileFlow, FileKind, Lint, Requirements, Severity, SharedSecrets, lint_device, lint_modem,
    realm_rows,
};

/// Arguments of `hardline config lint`.
#[derive(clap::Args)]
pub struct Args {
    /// The files, each in whatever form
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The flow that a device's file is for; by default basic where the file holds a hash, secure where it names a realm
    #[arg(long, value_enum)]
    flow: Option<Flow>,
    /// The device's MIB: ietf, cablelabs or euro; by default that of the file's objects
    #[arg(long, value_name = "DIALECT")]
    mib: Option<MibDialect>,
    /// The realm that the device is given by DHCP
    #[arg(long)]
    realm: Option<String>,
    /// The organisation of the service provider's certificate
    #[arg(long, visible_alias = "organization")]
    organisation: Option<String>,
    #[command(flatten)]
    secrets: SecretArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flow {
    Secure,
    Hybrid,
    Basic,
}

impl From<Flow> for FileFlow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Secure => Self::Secure,
            Flow::Hybrid => Self::Hybrid,
            Flow::Basic => Self::Basic,
        }
    }
}

/// Runs `hardline config lint`.
///
/// # Errors
/// [`CliError`]; [`CliError::Reported`] where a file has an error.
pub fn run(args: &Args, settings: Option<&Settings>, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    let secrets = args.secrets.secrets(settings)?.all;
    let mut errors = 0;
    let mut reports = Vec::new();
    for path in &args.files {
        let (kind, found) = match input::read(path, names, args.mib) {
            Ok(input) => (Some(input.file.kind), lint(args, &input, &secrets, names)),
            Err(CliError::Failed(error)) => (None, vec![unreadable(path, &error)]),
            Err(error) => return Err(error),
        };
        errors += found.iter().filter(|lint| lint.severity == Severity::Error).count();
        if as_json {
            reports.push(json!({
                "file": path,
                "kind": kind.map(FileKind::as_str),
                "findings": found.iter().map(to_json).collect::<Vec<_>>(),
            }));
        } else {
            output::print(&shown(path, &found))?;
        }
    }
    if as_json {
        for report in &reports {
            output::print_json(report)?;
        }
    }
    match errors {
        0 => Ok(()),
        _ => Err(CliError::Reported(1)),
    }
}

fn unreadable(path: &Path, error: &str) -> Lint {
    let name = format!("{}: ", path.display());
    Lint {
        severity: Severity::Error,
        offset: None,
        path: None,
        message: error.strip_prefix(&name).unwrap_or(error).to_owned(),
    }
}

fn lint(args: &Args, input: &Input, secrets: &SharedSecrets, names: NamesRef<'_>) -> Vec<Lint> {
    // Whoever says what device it is for says that it is no modem's, even where it does not begin as it should.
    let is_for_device =
        args.flow.is_some() || args.mib.is_some() || args.realm.is_some() || args.organisation.is_some();
    let as_device = match input.file.kind {
        FileKind::CableModem if is_for_device => ConfigFile::decode_as(FileKind::Device, &input.octets).ok(),
        _ => None,
    };
    let file = as_device.as_ref().unwrap_or(&input.file);
    if file.kind == FileKind::CableModem {
        return lint_modem(&input.octets, file, secrets, names);
    }
    let device = DeviceFile::decode(&input.octets).unwrap_or_default();
    // A file that sets no object of an MTA MIB is wrong in every dialect; the others of a row of files are looked at.
    let dialect = dialect_of(&device, args.mib).unwrap_or(MibDialect::Ietf);
    let requirements = Requirements {
        flow: args.flow.map_or_else(|| flow_of(&device, dialect), Into::into),
        dialect,
        realm: args.realm.as_deref(),
        organisation: args.organisation.as_deref(),
    };
    lint_device(file, requirements, names)
}

/// The flow that a file looks made for.
fn flow_of(file: &DeviceFile, dialect: MibDialect) -> FileFlow {
    let hashed = MibDialect::ALL
        .iter()
        .any(|dialect| file.get(&dialect::oid(dialect.oids().prov_config_hash)).is_some());
    match (hashed, realm_rows(file, dialect).is_empty()) {
        (true, _) => FileFlow::Basic,
        (false, false) => FileFlow::Secure,
        (false, true) => FileFlow::Hybrid,
    }
}

fn word(severity: Severity) -> (&'static str, Colour) {
    match severity {
        Severity::Error => ("error", Colour::Red),
        Severity::Warning => ("warning", Colour::Yellow),
    }
}

fn to_json(lint: &Lint) -> serde_json::Value {
    json!({
        "severity": word(lint.severity).0,
        "offset": lint.offset,
        "tlv": lint.path.map(|path| path.to_string()),
        "message": lint.message,
    })
}

/// One line a finding, aligned.
fn shown(path: &Path, found: &[Lint]) -> String {
    let name = path.display();
    if found.is_empty() {
        return format!("{name}: {}\n", output::coloured("nothing to be found", Colour::Green));
    }
    let place = |lint: &Lint| match (lint.offset, lint.path) {
        (Some(offset), Some(path)) => format!("offset {offset}, TLV {path}"),
        _ => String::new(),
    };
    let width = found.iter().map(|lint| place(lint).len()).max().unwrap_or_default();
    let line = |lint: &Lint| {
        let (word, colour) = word(lint.severity);
        let severity = output::coloured(&format!("{word:7}"), colour);
        let message = output::printable(&lint.message);
        format!("{name}: {severity} {:width$}  {message}\n", place(lint))
    };
    found.iter().map(line).collect()
}
