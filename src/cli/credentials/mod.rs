//! `hardline credentials`: what bootstrapping hands out. Works on the database directly, also while the server runs.
//!
//! Every command that shows something of the rows leaves a record of who read it, from where and what.

mod generate;
mod transfer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output};
use crate::model::{CredentialRow, Credentials, CredentialsType, IdType, Impi, Impu};
use crate::store::{
    CredentialError, CredentialRead, CredentialState, CredentialStore, Reading, RecordedRead, Reveal, SqliteStore,
    Store,
};
use crate::value::{MacAddress, OsRandom, Secret, Timestamp};
use generate::Alphabet;

/// How many devices are listed at once.
const PAGE: usize = 1_000;

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
}

#[derive(clap::Args)]
struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device's MAC address
    mac: MacAddress,
}

#[derive(clap::Args)]
struct SetArgs {
    #[command(flatten)]
    one: OneArgs,
    /// The private identity, such as user@ims.example.net
    #[arg(long, value_name = "ID")]
    impi: Option<String>,
    /// The public identity that goes with it, such as sip:user@ims.example.net
    #[arg(long, value_name = "ID")]
    impu: Option<String>,
    /// The row of the IMPI, and of the IMPU unless --impu-index says otherwise
    #[arg(long, value_name = "N", default_value_t = 1)]
    index: u8,
    /// The row of the IMPU
    #[arg(long, value_name = "N")]
    impu_index: Option<u8>,
    /// What the IMPI is: privateIdentity, username, …
    #[arg(long, default_value = "privateIdentity")]
    impi_type: IdType,
    /// What the IMPU is: publicIdentity, gruu, …
    #[arg(long, default_value = "publicIdentity")]
    impu_type: IdType,
    /// What the credentials are: password, preSharedKey, certificate, other
    #[arg(long, value_name = "TYPE", default_value = "password")]
    credentials_type: CredentialsType,
    /// A file that holds the credentials, one line break at its end left out; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    credentials_file: Option<PathBuf>,
    /// How the file spells them: text, hex or base64
    #[arg(long, default_value = "text")]
    encoding: String,
    /// Generate the credentials
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    made_of: MadeOf,
    /// What is shown to the other party
    #[arg(long, default_value = "")]
    display: String,
    /// The operators it is registered with, such as 1,2
    #[arg(long, default_value = "")]
    operators: String,
}

#[derive(clap::Args)]
struct MadeOf {
    /// What generated credentials are made of: alnum, hex, digits, readable, or the characters themselves
    #[arg(long, default_value = "alnum")]
    alphabet: Alphabet,
    /// How many characters are generated
    #[arg(long, default_value = "24", value_parser = generate::length)]
    length: usize,
}

#[derive(clap::Args)]
struct GenerateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device's MAC address
    #[arg(required_unless_present = "all")]
    mac: Option<MacAddress>,
    /// Every device that has credentials
    #[arg(long, conflicts_with = "mac")]
    all: bool,
    /// Only this row of the IMPI table; by default every row whose credentials are of the type
    #[arg(long, value_name = "N")]
    index: Option<u8>,
    /// Of what type the rows are: password, preSharedKey, or none for rows that have no credentials yet
    #[arg(long, value_name = "TYPE", default_value = "password")]
    credentials_type: CredentialsType,
    #[command(flatten)]
    made_of: MadeOf,
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
        Command::Import { file, skip_bad, .. } => import(store, &file, skip_bad, as_json).await,
        Command::Set(args) => set(store, *args, as_json).await,
        Command::Generate(args) => generate(store, *args, as_json).await,
        Command::List { .. } => list(store, as_json).await,
        Command::Show { one, reveal } => show(store, one.mac, reveal, as_json).await,
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
        Command::Reads { mac, limit, .. } => reads(&store.credential_reads(mac, limit).await?, as_json),
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

fn read_file(file: &Path) -> Result<zeroize::Zeroizing<String>, CliError> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    text.map(zeroize::Zeroizing::new)
        .map_err(|error| CliError::file(file, error))
}

async fn import(store: &SqliteStore, file: &Path, skip_bad: bool, as_json: bool) -> Result<(), CliError> {
    let mut read = transfer::read(&read_file(file)?);
    let mut known = HashMap::new();
    let mut rows = Vec::new();
    for (line, mac, row) in read.rows {
        let known = match known.get(&mac) {
            Some(known) => *known,
            None => {
                let found = store.device(mac).await?.is_some();
                known.insert(mac, found);
                found
            }
        };
        if known {
            rows.push((mac, row));
        } else {
            read.bad
                .push((line, format!("{mac} is not a known device: add it first")));
        }
    }
    read.bad.sort();
    let stored = if read.bad.is_empty() || skip_bad { rows.len() } else { 0 };
    if stored > 0 {
        store.put_credentials(rows, Timestamp::now()).await?;
    }
    for (line, reason) in &read.bad {
        eprintln!("hardline: {}:{line}: {reason}", file.display());
    }
    let bad: Vec<_> = read
        .bad
        .iter()
        .map(|(line, reason)| json!({"line": line, "error": reason}))
        .collect();
    said(
        as_json,
        &json!({"stored": stored, "bad": bad}),
        format!("{stored} rows stored, {} bad rows", read.bad.len()),
    )?;
    if read.bad.is_empty() || skip_bad {
        return Ok(());
    }
    eprintln!(
        "hardline: nothing of {} is stored: correct the rows, or pass --skip-bad",
        file.display()
    );
    Err(CliError::Reported(1))
}

async fn set(store: &SqliteStore, args: SetArgs, as_json: bool) -> Result<(), CliError> {
    let mac = args.one.mac;
    if args.impi.is_none() && args.impu.is_none() {
        return Err(CliError::Wrong("nothing to set: pass --impi, --impu, or both".into()));
    }
    let mut rows = Vec::new();
    if let Some(id) = args.impi {
        let (credentials_type, credentials) = if args.generate {
            (
                args.credentials_type,
                args.made_of.alphabet.draw(args.made_of.length, &mut OsRandom),
            )
        } else if let Some(file) = &args.credentials_file {
            let text = read_file(file)?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            let decoded = transfer::decode(text, &args.encoding).map_err(CliError::Wrong)?;
            (args.credentials_type, decoded)
        } else {
            (CredentialsType::None, Secret::default())
        };
        rows.push(CredentialRow::Impi(Impi {
            index: args.index,
            id_type: args.impi_type,
            id,
            credentials_type,
            credentials,
        }));
    } else if args.generate || args.credentials_file.is_some() {
        return Err(CliError::Wrong("credentials stand with an IMPI: pass --impi".into()));
    }
    if let Some(id) = args.impu {
        rows.push(CredentialRow::Impu(Impu {
            index: args.impu_index.unwrap_or(args.index),
            id_type: args.impu_type,
            id,
            impi: args.index,
            display: args.display,
            operators: args.operators,
            active: true,
            signalling_security: true,
            additional: String::new(),
        }));
    }
    for row in &rows {
        row.check()
            .map_err(|error| CliError::Wrong(format!("{} {error}", row.table())))?;
    }
    let stored = rows.len();
    let rows = rows.into_iter().map(|row| (mac, row)).collect();
    store.put_credentials(rows, Timestamp::now()).await?;
    said(
        as_json,
        &json!({"mac": mac, "stored": stored}),
        format!("{mac}: {stored} rows stored"),
    )
}

async fn generate(store: &SqliteStore, args: GenerateArgs, as_json: bool) -> Result<(), CliError> {
    let macs = match args.mac {
        Some(mac) => vec![mac],
        None => all(store).await?.into_iter().map(|state| state.mac).collect(),
    };
    let mut made = 0;
    for mac in macs {
        // The identities stay; to keep them they are read, and that is on record like any read.
        let Some(credentials) = read(store, mac, Reveal::Identities).await? else {
            return Err(nothing(mac));
        };
        let wanted = |impi: &Impi| match args.index {
            Some(index) => impi.index == index,
            None => impi.credentials_type == args.credentials_type,
        };
        let rows: Vec<_> = credentials
            .impis
            .into_iter()
            .filter(wanted)
            .map(|impi| {
                let fresh = Impi {
                    credentials: args.made_of.alphabet.draw(args.made_of.length, &mut OsRandom),
                    credentials_type: match args.credentials_type {
                        CredentialsType::None => CredentialsType::Password,
                        kind => kind,
                    },
                    ..impi
                };
                (mac, CredentialRow::Impi(fresh))
            })
            .collect();
        made += rows.len();
        if !rows.is_empty() {
            store.put_credentials(rows, Timestamp::now()).await?;
        }
    }
    if made == 0 {
        return Err(CliError::Failed(format!(
            "no IMPI of type {} was found: name another --credentials-type, or add one with hardline credentials set",
            args.credentials_type
        )));
    }
    said(as_json, &json!({"generated": made}), format!("{made} generated"))
}

/// The operator's name for the record: the user of this process, and whom it acts for.
fn operator() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let name = user.map_or_else(|| format!("uid {}", nix::unistd::getuid()), |user| user.name);
    match std::env::var("SUDO_USER") {
        Ok(behind) if !behind.is_empty() && behind.len() <= 64 => {
            format!("operator {name} for {}", output::printable(&behind))
        }
        _ => format!("operator {name}"),
    }
}

/// From where the operator reads: this machine, this process, and the terminal's peer where it is a remote one.
fn source() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned());
    let peer = std::env::var("SSH_CLIENT").ok().and_then(|text| {
        let address = text.split(' ').next()?.parse::<std::net::IpAddr>().ok()?;
        Some(format!(", ssh from {address}"))
    });
    format!(
        "command line of {}, process {}{}",
        host.unwrap_or_else(|| "this machine".into()),
        std::process::id(),
        peer.unwrap_or_default()
    )
}

async fn read(store: &SqliteStore, mac: MacAddress, reveal: Reveal) -> Result<Option<Credentials>, CliError> {
    let read = CredentialRead {
        mac,
        at: Timestamp::now(),
        who: operator(),
        source: source(),
        reveal,
        delivery: None,
    };
    Ok(match store.read_credentials(read).await? {
        Reading::Read(credentials) => Some(credentials),
        Reading::Nothing | Reading::Changed => None,
    })
}

async fn show(store: &SqliteStore, mac: MacAddress, reveal: bool, as_json: bool) -> Result<(), CliError> {
    let fields = if reveal {
        Reveal::Credentials
    } else {
        Reveal::Identities
    };
    let credentials = read(store, mac, fields).await?.ok_or_else(|| nothing(mac))?;
    let state = store.credential_state(mac).await?;
    let document = transfer::to_json(mac, &credentials, reveal);
    if as_json {
        return output::print_json(&document);
    }
    let mut rows = vec![["table", "row", "type", "id", "goes with", "credentials"].map(str::to_owned)];
    for row in &credentials.impus {
        let goes_with = if row.impi == 0 {
            "-".to_owned()
        } else {
            format!("impi {}", row.impi)
        };
        rows.push([
            "impu".into(),
            row.index.to_string(),
            row.id_type.to_string(),
            row.id.clone(),
            goes_with,
            String::new(),
        ]);
    }
    for row in &document["impis"].as_array().cloned().unwrap_or_default() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let shown = match (row.get("credentials"), text("encoding").as_str()) {
            (None, _) => text("credentials_type"),
            (Some(_), "hex") => format!("{} hex:{}", text("credentials_type"), text("credentials")),
            (Some(_), _) => format!(
                "{} {}",
                text("credentials_type"),
                output::printable(&text("credentials"))
            ),
        };
        rows.push([
            "impi".into(),
            row["index"].to_string(),
            text("id_type"),
            text("id"),
            String::new(),
            shown,
        ]);
    }
    output::print(&output::aligned(&rows))?;
    match state {
        Some(state) => output::print(&format!("{}\n", history(&state))),
        None => Ok(()),
    }
}

fn history(state: &CredentialState) -> String {
    let mut line = format!("changed {}, handed out {} times since", state.changed, state.deliveries);
    if let Some(at) = state.delivered {
        line.push_str(&format!(", last {at}"));
    }
    if let Some(at) = state.used {
        line.push_str(&format!(", in use since {at}"));
    }
    line
}

/// Every device's state, in pages.
async fn all(store: &SqliteStore) -> Result<Vec<CredentialState>, CliError> {
    let mut states = Vec::new();
    loop {
        let after = states.last().map(|state: &CredentialState| state.mac);
        let page = store.credential_states(after, PAGE).await?;
        if page.is_empty() {
            return Ok(states);
        }
        states.extend(page);
    }
}

async fn list(store: &SqliteStore, as_json: bool) -> Result<(), CliError> {
    let states = all(store).await?;
    if as_json {
        return states.iter().try_for_each(output::print_json);
    }
    let mut rows = vec![["mac", "impus", "impis", "history"].map(str::to_owned)];
    rows.extend(states.iter().map(|state| {
        [
            state.mac.to_string(),
            state.impus.to_string(),
            state.impis.to_string(),
            history(state),
        ]
    }));
    output::print(&output::aligned(&rows))
}

fn reads(reads: &[RecordedRead], as_json: bool) -> Result<(), CliError> {
    if as_json {
        return reads.iter().try_for_each(output::print_json);
    }
    let mut rows = vec![["at", "mac", "who", "from", "fields"].map(str::to_owned)];
    rows.extend(reads.iter().map(|read| {
        [
            read.at.to_string(),
            read.mac.to_string(),
            read.who.clone(),
            read.source.clone(),
            read.fields.clone(),
        ]
    }));
    output::print(&output::aligned(&rows))
}
