//! `hardline lease`: the leases that this installation keeps, its lease sources, and one-time names. Works on the
//! database directly, also while the server runs, which sees every change within a second.

mod event;
mod transfer;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output};
use crate::model::Lease;
use crate::service::admin::{NameOrder, make_name};
use crate::service::server;
use crate::settings::Settings;
use crate::store::{SqliteStore, Store};
use crate::value::{MacAddress, OsRandom, Timestamp};

/// Arguments of `hardline lease`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add or replace one lease
    Add(Box<AddArgs>),
    /// List every lease
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show the lease of an address, or the leases of a device
    Show(OneArgs),
    /// Remove the lease of an address, or the leases of a device
    Remove(OneArgs),
    /// Add or replace the leases of a file: CSV with a header, or JSON lines
    Import {
        #[command(flatten)]
        config: ConfigArg,
        /// The file; - is standard input
        file: PathBuf,
        /// Store the good rows although there are bad ones
        #[arg(long)]
        skip_bad: bool,
    },
    /// Write every lease to a file: JSON lines where it ends in .jsonl or .json, CSV otherwise
    Export {
        #[command(flatten)]
        config: ConfigArg,
        /// The file; - is standard output
        file: PathBuf,
    },
    /// Ask every lease source of the settings whether it answers
    Sources {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Record what Kea's hook run_script tells: the hook point, and the lease in environment variables
    Event(event::Args),
    /// Make a one-time name for a device, to be handed out in DHCP
    Name(NameArgs),
}

/// Whom a command is about.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Address(IpAddr),
    Device(MacAddress),
}

fn whom(text: &str) -> Result<Whom, String> {
    let address = text.parse().map(Whom::Address);
    address
        .or_else(|_| text.parse().map(Whom::Device))
        .map_err(|_| format!("'{text}' is neither an address nor a MAC address"))
}

fn lifetime(text: &str) -> Result<u32, String> {
    let expected = |_| {
        format!(
            "expected 0 to {} seconds, or {} for a lease without end",
            u32::MAX - 1,
            u32::MAX
        )
    };
    text.parse().map_err(expected)
}

#[derive(clap::Args)]
struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The address, or the device's MAC address
    #[arg(value_parser = whom)]
    whom: Whom,
}

#[derive(clap::Args)]
struct AddArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The address
    #[arg(long, visible_alias = "ip", value_name = "ADDR")]
    address: IpAddr,
    /// The device that has it
    #[arg(long)]
    mac: MacAddress,
    /// The cable modem that the device is in or behind
    #[arg(long, value_name = "MAC")]
    cm: Option<MacAddress>,
    /// The relay agent that the device asked through
    #[arg(long, value_name = "ADDR")]
    relay: Option<IpAddr>,
    /// The client class
    #[arg(long)]
    class: Option<String>,
    /// When the device got it, such as 2026-11-25T21:57:46Z; now by default
    #[arg(long, value_name = "INSTANT")]
    obtained: Option<Timestamp>,
    /// When the device last renewed it
    #[arg(long, value_name = "INSTANT")]
    renewed: Option<Timestamp>,
    /// For how many seconds from when it was obtained or renewed it is good; 4294967295, as in DHCP, is for ever, which is
    /// the default
    #[arg(long, value_name = "SECONDS", conflicts_with = "expires", value_parser = lifetime)]
    lifetime: Option<u32>,
    /// When it ends
    #[arg(long, value_name = "INSTANT")]
    expires: Option<Timestamp>,
}

#[derive(clap::Args)]
struct NameArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device
    mac: MacAddress,
    /// The file of the static folder that the name stands for; by default the device's own basic-flow file
    #[arg(long)]
    file: Option<String>,
    /// End it with the first whole delivery
    #[arg(long)]
    single: bool,
    /// For how many seconds it is good; 60 by default
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u64>,
    /// The address it is bound to; by default that of the device's lease, if a lease source knows of one
    #[arg(long, visible_alias = "ip", value_name = "ADDR")]
    address: Option<IpAddr>,
}

/// Runs `hardline lease`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let config = match &args.command {
        Command::Event(args) => return event::run(args, as_json),
        Command::Add(args) => &args.config,
        Command::Name(args) => &args.config,
        Command::Show(one) | Command::Remove(one) => &one.config,
        Command::List { config }
        | Command::Import { config, .. }
        | Command::Export { config, .. }
        | Command::Sources { config } => config,
    };
    let settings = config.settings()?;
    block_on(async {
        let store = std::sync::Arc::new(open_store(&settings).await?);
        let result = work(&settings, &store, args.command, as_json).await;
        store.close().await?;
        result
    })
}

async fn work(
    settings: &Settings,
    store: &std::sync::Arc<SqliteStore>,
    command: Command,
    as_json: bool,
) -> Result<(), CliError> {
    match command {
        Command::Add(args) => add(store, *args, as_json).await,
        Command::List { .. } => list(store, as_json).await,
        Command::Show(one) => show(store, one.whom, as_json).await,
        Command::Remove(one) => remove(store, one.whom, as_json).await,
        Command::Import { file, skip_bad, .. } => transfer::import(store, &file, skip_bad, as_json).await,
        Command::Export { file, .. } => transfer::export(store, &file, as_json).await,
        Command::Sources { .. } => sources(settings, store, as_json).await,
        Command::Name(args) => name(settings, store, args, as_json).await,
        // Done before the database is opened, which it may not be allowed to.
        Command::Event(args) => event::run(&args, as_json),
    }
}

async fn add(store: &SqliteStore, args: AddArgs, as_json: bool) -> Result<(), CliError> {
    let obtained = args.obtained.unwrap_or_else(Timestamp::now);
    let mut lease = Lease {
        cm_mac: args.cm,
        relay: args.relay,
        class: args.class,
        renewed: args.renewed,
        expires: args.expires,
        ..Lease::new(args.address, args.mac, obtained)
    };
    // 32 bits of seconds, all of them set for a lease without end: RFC 2131 §3.3.
    if let Some(seconds) = args.lifetime.filter(|seconds| *seconds != u32::MAX) {
        let expires = lease.since(true).plus(Duration::from_secs(seconds.into()));
        if expires > Timestamp::LAST {
            return Err(CliError::Wrong(
                "--lifetime: the lease would end after the year 9999: leave it out for a lease without end".into(),
            ));
        }
        lease.expires = Some(expires);
    }
    store.put_leases(vec![lease.clone()]).await?;
    if as_json {
        return output::print_json(&lease);
    }
    output::print(&format!("{} of {} stored\n", lease.address, lease.mac))
}

/// The columns of a table of leases.
fn row(lease: &Lease) -> [String; 6] {
    let text = |instant: Option<Timestamp>| instant.map(|instant| instant.to_string()).unwrap_or_default();
    [
        lease.address.to_string(),
        lease.mac.to_string(),
        output::printable(lease.class.as_deref().unwrap_or_default()),
        lease.obtained.to_string(),
        text(lease.renewed),
        text(lease.expires),
    ]
}

fn header() -> [String; 6] {
    ["address", "mac", "class", "obtained", "renewed", "expires"].map(str::to_owned)
}

async fn list(store: &SqliteStore, as_json: bool) -> Result<(), CliError> {
    let mut rows = vec![header()];
    transfer::all(store, |lease| {
        if as_json {
            return output::print_json(&lease);
        }
        rows.push(row(&lease));
        Ok(())
    })
    .await?;
    if as_json {
        Ok(())
    } else {
        output::print(&output::aligned(&rows))
    }
}

async fn found(store: &SqliteStore, whom: Whom) -> Result<Vec<Lease>, CliError> {
    let (leases, what) = match whom {
        Whom::Address(address) => (Vec::from_iter(store.lease(address).await?), address.to_string()),
        Whom::Device(mac) => (store.leases_of(mac).await?, mac.to_string()),
    };
    if leases.is_empty() {
        let reason = format!("{what} has no lease in the table: hardline lease list shows those that have");
        return Err(CliError::Failed(reason));
    }
    Ok(leases)
}

async fn show(store: &SqliteStore, whom: Whom, as_json: bool) -> Result<(), CliError> {
    let leases = found(store, whom).await?;
    match (as_json, whom, leases.as_slice()) {
        (true, Whom::Address(_), [lease]) => output::print_json(lease),
        (true, ..) => output::print_json(&json!({"leases": leases})),
        (false, ..) => {
            let rows: Vec<_> = std::iter::once(header()).chain(leases.iter().map(row)).collect();
            output::print(&output::aligned(&rows))
        }
    }
}

async fn remove(store: &SqliteStore, whom: Whom, as_json: bool) -> Result<(), CliError> {
    let leases = found(store, whom).await?;
    for lease in &leases {
        store.remove_lease(lease.address).await?;
    }
    if as_json {
        let addresses: Vec<IpAddr> = leases.iter().map(|lease| lease.address).collect();
        return output::print_json(&json!({"removed": addresses}));
    }
    let lines = leases.iter().map(|lease| format!("{} removed\n", lease.address));
    output::print(&lines.collect::<String>())
}

async fn sources(settings: &Settings, store: &std::sync::Arc<SqliteStore>, as_json: bool) -> Result<(), CliError> {
    let leases = server::leases(settings, store).map_err(|error| CliError::Wrong(error.to_string()))?;
    let status = match &leases {
        Some(leases) => {
            leases.probe().await;
            // The first timeout may be a lost packet; the second one counts.
            if leases.status().iter().any(|source| source.up && source.failed > 0) {
                leases.probe().await;
            }
            leases.status()
        }
        None => Vec::new(),
    };
    if as_json {
        output::print_json(&json!({"sources": status}))?;
    } else if status.is_empty() {
        output::print("no lease source: requests for files are not verified against leases\n")?;
    } else {
        let line = |source: &crate::service::lease::SourceStatus| {
            let state = if source.up { "up" } else { "down" };
            let reason = source.reason.as_deref().unwrap_or_default();
            [
                source.name.clone(),
                source.kind.to_owned(),
                state.to_owned(),
                output::printable(reason),
            ]
        };
        output::print(&output::aligned(&status.iter().map(line).collect::<Vec<_>>()))?;
    }
    match status.iter().all(|source| source.up) {
        true => Ok(()),
        false => Err(CliError::Reported(1)),
    }
}

async fn name(
    settings: &Settings,
    store: &std::sync::Arc<SqliteStore>,
    args: NameArgs,
    as_json: bool,
) -> Result<(), CliError> {
    let leases = server::leases(settings, store).map_err(|error| CliError::Wrong(error.to_string()))?;
    let order = NameOrder {
        mac: args.mac,
        file: args.file,
        single: args.single,
        lifetime: args.lifetime,
        address: args.address,
    };
    let made = make_name(
        store.as_ref(),
        leases.as_deref(),
        order,
        Timestamp::now(),
        &mut OsRandom,
    )
    .await;
    let made = made.map_err(|error| CliError::Failed(error.to_string()))?;
    if as_json {
        return output::print_json(&made);
    }
    output::print(&format!("{}\n", made.name))
}
