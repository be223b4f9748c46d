//! `hardline credentials`: what bootstrapping hands out. Works on the database directly, also while the server runs.
//!
//! Every command that shows something of the rows leaves a record of who read it, from where and what.

mod generate;
mod set;
mod show;
mod transfer;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output};
use crate::provisioning::bootstrap;
use crate::store::{CredentialError, CredentialStore, SqliteStore};
use crate::value::{MacAddress, Timestamp};
use generate::GenerateArgs;
use set::SetArgs;

/// Arguments of `hardline credentials`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add or replace the rows of a file: CSV with a header, or JSON lines
    Import {
        #[command(flatten)]
        config: ConfigArg,
        /// The file; - is standard input
        file: PathBuf,
        /// Store the good rows although there are bad ones
        #[arg(long)]
        skip_bad: bool,
    },
    /// Add or replace a device's IMPI, an IMPU, or both
    Set(Box<SetArgs>),
    /// Give a device's IMPI, or every IMPI of a kind, a fresh password or key
    Generate(Box<GenerateArgs>),
    /// List the devices that have credentials, with what was handed out; shows no identity and no secret
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show a device's rows; their secrets only with --reveal. The read is recorded
    Show {
        #[command(flatten)]
        one: OneArgs,
        /// Show passwords, keys and certificates as well
        #[arg(long)]
        reveal: bool,
    },
    /// Remove a device's rows
    Remove {
        #[command(flatten)]
        one: OneArgs,
        /// Only this row of the IMPU table
        #[arg(long, value_name = "N", conflicts_with = "impi")]
        impu: Option<u8>,
        /// Only this row of the IMPI table
        #[arg(long, value_name = "N")]
        impi: Option<u8>,
    },
    /// Note that a device's credentials are in use, which ends the policy "acknowledged"
    Used(OneArgs),
    /// Show who read credentials, when, from where, and which fields
    Reads {
        #[command(flatten)]
        config: ConfigArg,
        /// Only those of this device
        mac: Option<MacAddress>,
        /// How many, the newest first
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Print the built-in template of the document, to be copied and changed, or its schema
    Template {
        /// The schema (XSD) of what the built-in template makes
        #[arg(long)]
        schema: bool,
    },
}

#[derive(clap::Args)]
struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device's MAC address
    mac: MacAddress,
}

impl From<CredentialError> for CliError {
    fn from(error: CredentialError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs `hardline credentials`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let config = match &args.command {
        Command::Template { schema: false } => return output::print(bootstrap::BUILT_IN),
        Command::Template { schema: true } => return output::print(bootstrap::SCHEMA),
        Command::Import { config, .. } | Command::List { config } | Command::Reads { config, .. } => config,
        Command::Set(args) => &args.one.config,
        Command::Generate(args) => &args.config,
        Command::Show { one, .. } | Command::Remove { one, .. } | Command::Used(one) => &one.config,
    };
    let settings = config.settings()?;
    block_on(async {
        let store = open_store(&settings).await?;
        let result = work(&store, args.command, as_json).await;
        store.close().await?;
        result
    })
}

async fn work(store: &SqliteStore, command: Command, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Import { file, skip_bad, .. } => transfer::import(store, &file, skip_bad, as_json).await,
        Command::Set(args) => set::set(store, *args, as_json).await,
        Command::Generate(args) => generate::generate(store, *args, as_json).await,
        Command::List { .. } => show::list(store, as_json).await,
        Command::Show { one, reveal } => show::show(store, one.mac, reveal, as_json).await,
        Command::Remove { one, impu, impi } => {
            let row = impu.map(|row| ("impu", row)).or(impi.map(|row| ("impi", row)));
            let removed = store.remove_credentials(one.mac, row, Timestamp::now()).await?;
            if removed == 0 {
                return Err(nothing(one.mac));
            }
            said(
                as_json,
                &json!({"mac": one.mac, "removed": removed}),
                format!("{removed} rows removed"),
            )
        }
        Command::Used(one) => {
            if !store.credentials_used(one.mac, Timestamp::now()).await? {
                return Err(nothing(one.mac));
            }
            said(
                as_json,
                &json!({"mac": one.mac, "done": "used"}),
                format!("{} noted as in use", one.mac),
            )
        }
        Command::Reads { mac, limit, .. } => show::reads(&store.credential_reads(mac, limit).await?, as_json),
        Command::Template { .. } => Ok(()),
    }
}

fn nothing(mac: MacAddress) -> CliError {
    CliError::Failed(format!(
        "{mac} has no such credentials: hardline credentials list shows who has some"
    ))
}

fn said(as_json: bool, document: &serde_json::Value, line: String) -> Result<(), CliError> {
    if as_json {
        output::print_json(document)
    } else {
        output::print(&(line + "\n"))
    }
}
