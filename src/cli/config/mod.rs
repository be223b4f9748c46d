//! `hardline config`: configuration files of devices and cable modems, written, read, checked and compared.

mod cipher;
mod decode;
mod diff;
mod encode;
mod hash;
mod input;
mod lint;
mod mic;

use clap::Subcommand;

use super::CliError;
use super::mib::NamesArg;
use crate::mib::Names;

/// Arguments of `hardline config`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: NamesArg,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a file from text, JSON, YAML or the docsis encoder's language
    Encode(encode::Args),
    /// Show a file as text, JSON, YAML or in the docsis encoder's language
    Decode(decode::Args),
    /// Find what is wrong with files; exit code 1 where something is
    Lint(lint::Args),
    /// Show in what two files differ; exit code 1 where they do
    Diff(diff::Args),
    /// Encrypt a device's file for the secure flow
    Encrypt(cipher::EncryptArgs),
    /// Decrypt a device's file
    Decrypt(cipher::DecryptArgs),
    /// Show, check or insert the hash of a device's file
    Hash(hash::Args),
    /// Check or compute the message integrity checks of a cable modem's file
    Mic(mic::Args),
}

/// Runs `hardline config`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let names = || args.names.names();
    let settings = || args.names.settings();
    match args.command {
        Command::Encode(args) => encode::run(&args, settings()?.as_ref(), &names()?, as_json),
        Command::Decode(args) => decode::run(&args, &names()?, as_json),
        Command::Lint(args) => lint::run(&args, settings()?.as_ref(), &names()?, as_json),
        Command::Diff(args) => diff::run(&args, &names()?, as_json),
        Command::Encrypt(args) => cipher::encrypt(&args, as_json),
        Command::Decrypt(args) => cipher::decrypt(&args, as_json),
        Command::Hash(args) => hash::run(&args, &names()?, as_json),
        Command::Mic(args) => mic::run(&args, settings()?.as_ref(), as_json),
    }
}

/// The names by which a command speaks of objects.
type NamesRef<'a> = &'a Names;
