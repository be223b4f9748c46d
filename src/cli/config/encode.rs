//! `hardline config encode`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{CliError, output};
use super::NamesRef;
use super::hash::{Algorithm, dialect_of};
use super::input::{self, Input, SecretArgs};
use super::mic::{SealArgs, seal};
use crate::mib::MibDialect;
use crate::settings::Settings;
use crate::text::Format;
use crate::wire::tlv::{DeviceFile, FileKind, SharedSecrets, mic};

/// Arguments of `hardline config encode`.
#[derive(clap::Args)]
pub struct Args {
    /// The file, in whatever form: its content tells which; - for standard input
    file: PathBuf,
    /// Where to write the result; - for standard output
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// Which MIB names mean that several MIBs have, and which MIB's hash is inserted: ietf, cablelabs or euro
    #[arg(long, value_name = "DIALECT")]
    mib: Option<MibDialect>,
    /// Insert the hash of the basic flow into a device's file
    #[arg(long)]
    hash: bool,
    /// Which hash
    #[arg(long, value_enum, default_value_t = Algorithm::Sha1, requires = "hash")]
    hash_algorithm: Algorithm,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    seal: SealArgs,
    /// Leave a cable modem's file without MICs, end mark and padding where it has none
    #[arg(long, conflicts_with = "secret_files")]
    no_mic: bool,
}

/// Runs `hardline config encode`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: &Args, settings: Option<&Settings>, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    let input = input::read(&args.file, names, args.mib)?;
    let octets = match input.file.kind {
        FileKind::Device => device(args, &input)?,
        FileKind::CableModem => modem(args, settings, &input)?,
    };
    input::write(&args.output, &octets)?;
    if args.output.as_os_str() == "-" {
        return Ok(());
    }
    if as_json {
        let kind = input.file.kind.as_str();
        return output::print_json(&json!({"file": args.output, "kind": kind, "octets": octets.len()}));
    }
    output::print(&format!(
        "{}: {} octets, a {} file from {}\n",
        args.output.display(),
        octets.len(),
        input.file.kind,
        input.format
    ))
}

fn device(args: &Args, input: &Input) -> Result<Vec<u8>, CliError> {
    if !args.hash {
        return Ok(input.octets.clone());
    }
    let failed = |error: &dyn std::fmt::Display| CliError::file(&args.file, error);
    let mut file = DeviceFile::decode(&input.octets).map_err(|error| failed(&error))?;
    let dialect = dialect_of(&file, args.mib)?;
    file.insert_basic_flow_hash(dialect, args.hash_algorithm.into())
        .map_err(|error| failed(&error))?;
    file.encode().map_err(|error| failed(&error))
}

fn modem(args: &Args, settings: Option<&Settings>, input: &Input) -> Result<Vec<u8>, CliError> {
    if args.hash {
        return Err(CliError::Wrong(
            "--hash is for device files; a cable modem's file has MICs".to_owned(),
        ));
    }
    let secrets = args.secrets.secrets(settings)?;
    let has_mics = input.file.get(6).is_some() && input.file.get(7).is_some();
    // What keeps every octet is taken at its word, unless the command says what it is to be sealed with.
    let is_asked = secrets.are_named || args.seal.is_asked() || !has_mics && !args.no_mic;
    if let Some(secret) = secrets.current.as_ref().filter(|_| is_asked) {
        return seal(&args.file, &input.file, secret, secrets.list, &args.seal);
    }
    if args.seal.is_asked() {
        return Err(CliError::Wrong(
            "--mic-list and --emic need a secret: give it by --secret-file, or in secrets of [cable_modem]".to_owned(),
        ));
    }
    if !has_mics && !args.no_mic {
        eprintln!(
            "hardline: {}: without its CMTS MIC a CMTS refuses the file: give the secret shared with it by --secret-file, or in \
             secrets of [cable_modem]",
            args.file.display()
        );
        // What keeps every octet is taken at its word; the others leave the MICs to whoever encodes.
        if matches!(input.format, Format::Docsis | Format::Text) {
            let octets = input.file.encode_without_secret();
            return octets.map_err(|error| CliError::file(&args.file, error));
        }
    }
    let report = mic::verify(&input.octets, &SharedSecrets::default());
    if report.is_ok_and(|report| report.cm == Some(false)) {
        eprintln!(
            "hardline: {}: the CM MIC is not that of the file: compute it anew by --secret-file",
            args.file.display()
        );
    }
    Ok(input.octets.clone())
}
