//! `hardline keytab`: service keys, exchanged with other Kerberos software, rotated and listed.

mod add;
mod format;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use self::add::AddArgs;
use self::format::Format;
use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output, pki};
use crate::settings::Settings;
use crate::store::{ServiceKey, SqliteStore, Store};
use crate::value::{OsRandom, Timestamp};
use crate::wire::kerberos::{EncType, EncryptionKey, KeytabEntry, Principal, PrincipalName};

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
    /// Write service keys to a file, which only its owner may read
    Export(FileArgs),
    /// Take the keys of mtaprovsrvr, mtafqdnmap and krbtgt from a file, or those of the principal that is named
    Import(FileArgs),
    /// Make keys for a client or service of the KDC that has none yet, from a password or random
    Add(AddArgs),
    /// Make new keys with the next version; the ones before open tickets until the last of these has expired
    Rotate(RotateArgs),
    /// List the keys, never their octets
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(clap::Args)]
struct FileArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The file's format: a keytab of MIT Kerberos, or PacketCable's service key file (records of version and key)
    #[arg(long, value_enum, default_value_t = Format::Mit)]
    format: Format,
    /// Only the keys of this principal, with or without its realm; a service key file holds one principal's
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

#[derive(clap::Args)]
struct RotateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The principals, with or without their realm; by default this installation's three
    #[arg(long, value_name = "NAME")]
    principal: Vec<String>,
    /// The encryption types of the new keys, as numbers; by default those of the version before
    #[arg(long, value_name = "N")]
    etype: Vec<i32>,
}

/// Runs `hardline keytab`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let config = match &args.command {
        Command::Export(args) | Command::Import(args) => &args.config,
        Command::Add(args) => &args.config,
        Command::Rotate(args) => &args.config,
        Command::List { config } => config,
    };
    let settings = config.settings()?;
    block_on(async {
        let store = open_store(&settings).await?;
        let result = match &args.command {
            Command::Export(args) => export(&settings, &store, args, as_json).await,
            Command::Import(args) => import(&settings, &store, args, as_json).await,
            Command::Add(args) => add::add(&settings, &store, args, as_json).await,
            Command::Rotate(args) => rotate(&settings, &store, args, as_json).await,
            Command::List { .. } => list(&settings, &store, as_json).await,
        };
        store.close().await?;
        result
    })
}

/// A principal of the command line; without a realm, one of the installation's.
fn principal(text: &str, settings: &Settings) -> Result<Principal, CliError> {
    let whole = if text.contains('@') {
        text.to_owned()
    } else {
        format!("{text}@{}", settings.realm)
    };
    let principal: Principal = whole
        .parse()
        .map_err(|error| CliError::Wrong(format!("--principal: {error}")))?;
    if principal.realm != settings.realm {
        return Err(CliError::Wrong(format!(
            "--principal {text}: this installation's realm is {}",
            settings.realm
        )));
    }
    Ok(principal)
}

async fn export(settings: &Settings, store: &SqliteStore, args: &FileArgs, as_json: bool) -> Result<(), CliError> {
    let only = args
        .principal
        .as_deref()
        .map(|text| principal(text, settings))
        .transpose()?;
    let keys = store.all_keys().await?;
    let wanted = |key: &ServiceKey| only.as_ref().is_none_or(|only| only.name == key.principal);
    let entries: Vec<KeytabEntry> = keys
        .into_iter()
        .filter(wanted)
        .map(|key| entry(settings, key))
        .collect();
    if let Some(only) = only.filter(|_| entries.is_empty()) {
        return Err(CliError::Failed(format!(
            "no key of {only} is known: hardline keytab list shows those that are"
        )));
    }
    let (written, left_out) = args.format.encode(entries, &args.file)?;
    pki::write(&args.file, &written.octets, 0o600)?;
    say(args, &written.keys, &left_out, as_json)
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

async fn import(settings: &Settings, store: &SqliteStore, args: &FileArgs, as_json: bool) -> Result<(), CliError> {
    let octets = fs::read(&args.file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| CliError::file(&args.file, error))?;
    let only = args
        .principal
        .as_deref()
        .map(|text| principal(text, settings))
        .transpose()?;
    let entries = args.format.decode(&octets, only.as_ref(), &args.file)?;
    let ours = |entry: &KeytabEntry| {
        let principal = &entry.principal;
        // Another principal, a client of the KDC say, is taken where it is asked for by name.
        let asked = match &only {
            Some(only) => only == principal,
            None => KINDS.contains(&principal.name.kind()),
        };
        principal.realm == settings.realm && asked && entry.key.enc_type().is_ok()
    };
    let (taken, skipped): (Vec<_>, Vec<_>) = entries.into_iter().partition(ours);
    if taken.is_empty() {
        return Err(CliError::Failed(format!(
            "{}: no key of {} in realm {} with a supported encryption type",
            args.file.display(),
            only.map_or_else(|| KINDS.join(", "), |only| only.to_string()),
            settings.realm
        )));
    }
    let key = |entry: &KeytabEntry| ServiceKey {
        principal: entry.principal.name.clone(),
        kvno: entry.kvno,
        etype: entry.key.etype,
        key: entry.key.value.clone(),
        created: entry.timestamp,
        forget: None,
    };
    replace(settings, store, taken.iter().map(key).collect()).await?;
    say(args, &taken, &skipped, as_json)
}

/// Adds keys that are in use from now on. What they replace is kept for as long as tickets under it may live.
async fn replace(settings: &Settings, store: &SqliteStore, keys: Vec<ServiceKey>) -> Result<(), CliError> {
    let now = Timestamp::now();
    store.replace_keys(keys, now.plus(settings.key_retention())).await?;
    store.forget_keys(now).await?;
    Ok(())
}

async fn rotate(settings: &Settings, store: &SqliteStore, args: &RotateArgs, as_json: bool) -> Result<(), CliError> {
    let named: Result<Vec<_>, _> = args.principal.iter().map(|text| principal(text, settings)).collect();
    let mut names: Vec<PrincipalName> = named?.into_iter().map(|principal| principal.name).collect();
    if names.is_empty() {
        names = settings.service_principals().to_vec();
    }
    let etypes: Result<Vec<EncType>, CliError> = args.etype.iter().map(|&number| etype(number)).collect();
    let etypes = etypes?;
    let mut fresh = Vec::new();
    for name in names {
        let before = store.keys(&name).await?;
        let Some(newest) = before.iter().map(|key| key.kvno).max() else {
            return Err(CliError::Failed(format!(
                "{name} has no key that could be replaced: hardline keytab list shows those that have"
            )));
        };
        let kvno = newest
            .checked_add(1)
            .ok_or_else(|| CliError::Failed(format!("{name}: no version follows {newest}")))?;
        let same = before.iter().filter(|key| key.kvno == newest);
        let types = match etypes.as_slice() {
            [] => same.filter_map(|key| EncType::from_number(key.etype)).collect(),
            chosen => chosen.to_vec(),
        };
        fresh.extend(types.into_iter().map(|etype| ServiceKey {
            principal: name.clone(),
            kvno,
            etype: etype.number(),
            key: etype.generate(&mut OsRandom).value,
            created: Timestamp::now(),
            forget: None,
        }));
    }
    replace(settings, store, fresh.clone()).await?;
    // What was replaced is shown as well: until when the versions before still open tickets.
    let mut shown = BTreeMap::new();
    for name in fresh.iter().map(|key| &key.principal) {
        for key in store.keys(name).await? {
            shown.insert((key.principal.to_string(), key.kvno, key.etype), key);
        }
    }
    show(settings, &shown.into_values().collect::<Vec<_>>(), as_json)
}

fn etype(number: i32) -> Result<EncType, CliError> {
    let known = EncType::ALL.map(|etype| etype.number().to_string()).join(", ");
    EncType::from_number(number)
        .ok_or_else(|| CliError::Wrong(format!("--etype {number}: the supported encryption types are {known}")))
}

async fn list(settings: &Settings, store: &SqliteStore, as_json: bool) -> Result<(), CliError> {
    show(settings, &store.all_keys().await?, as_json)
}

fn show(settings: &Settings, keys: &[ServiceKey], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let key = |key: &ServiceKey| {
            json!({
                "principal": key.principal.clone().at(&settings.realm).to_string(),
                "kvno": key.kvno,
                "etype": key.etype,
                "created": key.created.to_string(),
                "replaced": key.forget.is_some(),
                "forgotten": key.forget.map(|at| at.to_string()),
            })
        };
        return output::print_json(&json!({"keys": keys.iter().map(key).collect::<Vec<_>>()}));
    }
    let mut rows = vec![["principal", "kvno", "etype", "created", "use"].map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        [
            key.principal.clone().at(&settings.realm).to_string(),
            key.kvno.to_string(),
            format::etype_name(key.etype),
            key.created.to_string(),
            key.forget.map_or_else(
                || "current".to_owned(),
                |at| format!("replaced; opens tickets until {at}"),
            ),
        ]
    }));
    output::print(&output::aligned(&rows))
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
        let (principal, kvno) = (&entry.principal, entry.kvno);
        format!("{principal} kvno {kvno} etype {}{what}\n", entry.key.etype)
    };
    let keys = keys.iter().map(|entry| line(entry, ""));
    let text: String = keys
        .chain(skipped.iter().map(|entry| line(entry, " (skipped)")))
        .collect();
    output::print(&text)
}
