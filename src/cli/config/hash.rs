//! `hardline config hash`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::super::output::Colour;
use super::super::{CliError, output};
use super::NamesRef;
use super::input;
use crate::mib::{MibDialect, dialect};
use crate::value::hex;
use crate::wire::tlv::{BasicHashError, DeviceFile, FileHash, FileKind, HashAlgorithm};

/// Arguments of `hardline config hash`.
#[derive(clap::Args)]
pub struct Args {
    /// A device's file, clear or encrypted
    file: PathBuf,
    /// Insert the hash of the basic flow, instead of one that is there
    #[arg(long, requires = "output")]
    insert: bool,
    /// Take the hashes of the basic flow out
    #[arg(long, requires = "output", conflicts_with = "insert")]
    remove: bool,
    /// Which MIB's hash: ietf, cablelabs or euro; by default that of the file's other objects
    #[arg(long, value_name = "DIALECT")]
    mib: Option<MibDialect>,
    /// Which hash
    #[arg(long, value_enum, default_value_t = Algorithm::Sha1)]
    algorithm: Algorithm,
    /// Where to write the file
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The hashes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// SHA-1
    Sha1,
    /// MD5, which only the CableLabs MIB has room for
    Md5,
}

impl From<Algorithm> for HashAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Md5 => Self::Md5,
        }
    }
}

/// The dialect that was asked for, or the one whose objects the file sets.
///
/// # Errors
/// [`CliError::Wrong`] where the file does not say.
pub fn dialect_of(file: &DeviceFile, asked: Option<MibDialect>) -> Result<MibDialect, CliError> {
    let roots: [(MibDialect, &[u32]); 3] = [
        (MibDialect::Ietf, &[1, 3, 6, 1, 2, 1, 140]),
        (MibDialect::CableLabs, &[1, 3, 6, 1, 4, 1, 4491, 2, 2, 1]),
        (MibDialect::Euro, &[1, 3, 6, 1, 4, 1, 7432, 1]),
    ];
    let sets = |root: &[u32]| file.varbinds().any(|varbind| varbind.name.starts_with(root));
    let found = roots
        .into_iter()
        .find(|(_, root)| sets(root))
        .map(|(dialect, _)| dialect);
    asked.or(found).ok_or_else(|| {
        CliError::Wrong(
            "the file sets no object of an MTA MIB, which would say its dialect: give it by --mib".to_owned(),
        )
    })
}

/// Runs `hardline config hash`.
///
/// # Errors
/// [`CliError`]; [`CliError::Reported`] where the file holds a hash that is wrong.
pub fn run(args: &Args, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    match &args.output {
        Some(to) => rewrite(args, to, as_json),
        None => show(args, names, as_json),
    }
}

/// Writes the file without the hashes in it, and with the right one where it is to be inserted.
fn rewrite(args: &Args, to: &Path, as_json: bool) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::file(&args.file, error);
    let octets = input::octets(&args.file)?;
    let mut file = DeviceFile::decode(&octets).map_err(|error| failed(&error))?;
    file.trailing.clear();
    let is_hash = |element: &crate::wire::tlv::Element| {
        let of = |dialect: MibDialect| dialect::oid(dialect.oids().prov_config_hash);
        let varbind = element.as_varbind();
        varbind.is_some_and(|varbind| MibDialect::ALL.iter().any(|&dialect| of(dialect) == varbind.name))
    };
    let dialect = dialect_of(&file, args.mib);
    file.elements.retain(|element| !is_hash(element));
    if args.insert {
        file.insert_basic_flow_hash(dialect?, args.algorithm.into())
            .map_err(|error| failed(&error))?;
    }
    let octets = file.encode().map_err(|error| failed(&error))?;
    input::write(to, &octets)?;
    match (to.as_os_str() != "-", as_json) {
        (false, _) => Ok(()),
        (true, true) => output::print_json(&json!({"file": to, "octets": octets.len()})),
        (true, false) => output::print(&format!("{}: {} octets\n", to.display(), octets.len())),
    }
}

/// Shows the hash of the whole, and what the hashes within are worth.
fn show(args: &Args, names: NamesRef<'_>, as_json: bool) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::file(&args.file, error);
    // What is delivered may be encrypted: its hash is that of any octets.
    let octets = input::content(&args.file)?;
    let whole = FileHash::of(&octets, args.algorithm.into());
    let within = match FileKind::of(&octets) {
        FileKind::Device => within(&DeviceFile::decode(&octets).map_err(|error| failed(&error))?),
        FileKind::CableModem => Vec::new(),
    };
    let wrong = within.iter().any(|(_, verdict)| verdict.is_err());
    if as_json {
        let all: Vec<_> = within
            .iter()
            .map(|(dialect, verdict)| {
                json!({
                    "mib": dialect.as_str(),
                    "object": names.display(&dialect::oid(dialect.oids().prov_config_hash)),
                    "right": verdict.is_ok(),
                    "reason": verdict.as_ref().err().map(ToString::to_string),
                })
            })
            .collect();
        output::print_json(&json!({"hash": hex(whole.octets()), "octets": octets.len(), "in_file": all}))?;
    } else {
        let mut text = format!(
            "{}  the {} octets, as a SET brings it\n",
            hex(whole.octets()),
            octets.len()
        );
        for (dialect, verdict) in &within {
            let object = names.display(&dialect::oid(dialect.oids().prov_config_hash));
            let shown = match verdict {
                Ok(()) => output::coloured("right", Colour::Green),
                Err(error) => output::coloured(&error.to_string(), Colour::Red),
            };
            text.push_str(&format!("{object}: {shown}\n"));
        }
        output::print(&text)?;
    }
    match wrong {
        true => Err(CliError::Reported(1)),
        false => Ok(()),
    }
}

/// What the hashes within a file are worth.
fn within(file: &DeviceFile) -> Vec<(MibDialect, Result<(), BasicHashError>)> {
    MibDialect::ALL
        .into_iter()
        .map(|dialect| (dialect, file.verify_basic_flow_hash(dialect)))
        .filter(|(_, verdict)| {
            !matches!(
                verdict,
                Err(BasicHashError::Missing(_) | BasicHashError::Dialect { .. })
            )
        })
        .collect()
}
