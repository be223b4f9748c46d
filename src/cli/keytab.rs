//! `hardline keytab`: service keys in the format of MIT Kerberos.

use std::fs;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output, pki};
use crate::settings::Settings;
use crate::store::{ServiceKey, Store};
use crate::value::Timestamp;
use crate::wire::kerberos::{EncryptionKey, KeytabEntry, encode_keytab, parse_keytab};

/// The kinds of principal whose keys this program uses.
const KINDS: [&str; 3] = ["mtaprovsrvr", "mtafqdnmap", "krbtgt"];

/// Arguments of `hardline keytab`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write every service key to a keytab, which only its owner may read
    Export(FileArgs),
    /// Take the keys of mtaprovsrvr, mtafqdnmap and krbtgt from a keytab
    Import(FileArgs),
}

#[derive(clap::Args)]
struct FileArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The keytab
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

/// Runs `hardline keytab`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    match args.command {
        Command::Export(args) => {
            let settings = args.config.settings()?;
            block_on(export(&settings, args, as_json))
        }
        Command::Import(args) => {
            let settings = args.config.settings()?;
            block_on(import(&settings, args, as_json))
        }
    }
}

async fn export(settings: &Settings, args: FileArgs, as_json: bool) -> Result<(), CliError> {
    let store = open_store(settings).await?;
    let entries: Vec<KeytabEntry> = store
        .all_keys()
        .await?
        .into_iter()
        .map(|key| entry(settings, key))
        .collect();
    store.close().await?;
    let octets = encode_keytab(&entries).map_err(|error| CliError::file(&args.file, error))?;
    pki::write(&args.file, &octets, 0o600)?;
    say(&args, &entries, &[], as_json)
}

fn entry(settings: &Settings, key: ServiceKey) -> KeytabEntry {
    KeytabEntry {
        principal: key.principal.at(&settings.realm),
        timestamp: Timestamp::from_unix(key.created.unix()),
        kvno: key.kvno,
        key: EncryptionKey {
            etype: key.etype,
            value: key.key,
        },
    }
}

async fn import(settings: &Settings, args: FileArgs, as_json: bool) -> Result<(), CliError> {
    let octets = fs::read(&args.file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| CliError::file(&args.file, error))?;
    let entries = parse_keytab(&octets).map_err(|error| CliError::file(&args.file, error))?;
    let ours = |entry: &KeytabEntry| {
        let principal = &entry.principal;
        principal.realm == settings.realm && KINDS.contains(&principal.name.kind()) && entry.key.enc_type().is_ok()
    };
    let (taken, skipped): (Vec<_>, Vec<_>) = entries.into_iter().partition(ours);
    if taken.is_empty() {
        return Err(CliError::Failed(format!(
            "{}: no key of {} in realm {} with a supported encryption type",
            args.file.display(),
            KINDS.join(", "),
            settings.realm
        )));
    }
    let key = |entry: &KeytabEntry| ServiceKey {
        principal: entry.principal.name.clone(),
        kvno: entry.kvno,
        etype: entry.key.etype,
        key: entry.key.value.clone(),
        created: entry.timestamp,
    };
    let store = open_store(settings).await?;
    store.put_keys(taken.iter().map(key).collect()).await?;
    store.close().await?;
    say(&args, &taken, &skipped, as_json)
}

/// Says which keys went; never the keys.
fn say(args: &FileArgs, keys: &[KeytabEntry], skipped: &[KeytabEntry], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let list = |entries: &[KeytabEntry]| -> Vec<serde_json::Value> {
            let key = |entry: &KeytabEntry| json!({"principal": entry.principal.to_string(), "kvno": entry.kvno, "etype": entry.key.etype});
            entries.iter().map(key).collect()
        };
        return output::print_json(&json!({"file": args.file, "keys": list(keys), "skipped": list(skipped)}));
    }
    let line = |entry: &KeytabEntry, what: &str| {
        format!(
            "{} kvno {} etype {}{what}\n",
            entry.principal, entry.kvno, entry.key.etype
        )
    };
    let keys = keys.iter().map(|entry| line(entry, ""));
    let text: String = keys
        .chain(skipped.iter().map(|entry| line(entry, " (skipped)")))
        .collect();
    output::print(&text)
}
