//! `hardline device`: the device records and their attempts. Works on the database directly, also while the server
//! runs, which sees every change within a second.

mod ladder;
mod order;
mod transfer;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output, profile};
use crate::mib::MibDialect;
use crate::model::{Attempt, Delivery, Device, Family, Flow, OrderKind};
use crate::profile::{Oui, Vendor};
use crate::provisioning::basic_file_name;
use crate::service::server;
use crate::settings::{Service, Settings, UrlHost};
use crate::store::{SqliteStore, Store};
use crate::template::Overrides;
use crate::value::{Fqdn, MacAddress, Timestamp};

/// Arguments of `hardline device`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add or replace one device
    Add(Box<AddArgs>),
    /// List every device
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show one device
    Show(OneArgs),
    /// Remove one device with its attempts
    Remove(OneArgs),
    /// End a device's attempt and forget its file and keys, so that it can begin afresh
    Reset(OneArgs),
    /// Have a running server wake the device up, so that it asks for new SNMPv3 keys
    Rekey {
        #[command(flatten)]
        one: OneArgs,
        /// How long the outcome is waited for, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        timeout: u64,
    },
    /// Have a running server tell the device, by SNMP SET, to fetch its credentials
    Bootstrap {
        #[command(flatten)]
        one: OneArgs,
        /// How long the outcome is waited for, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        timeout: u64,
    },
    /// Add or replace the devices of a file: CSV with a header, or JSON lines
    Import {
        #[command(flatten)]
        config: ConfigArg,
        /// The file; - is standard input
        file: PathBuf,
        /// Store the good rows although there are bad ones
        #[arg(long)]
        skip_bad: bool,
    },
    /// Write every device to a file: JSON lines where it ends in .jsonl or .json, CSV otherwise
    Export {
        #[command(flatten)]
        config: ConfigArg,
        /// The file; - is standard output
        file: PathBuf,
    },
    /// Show a device's attempts, step by step
    Attempts {
        #[command(flatten)]
        one: OneArgs,
        /// How many attempts, and how many refusals, at most, the newest first
        #[arg(long, value_name = "N", default_value_t = 10)]
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
struct AddArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device's MAC address, not its cable modem's
    #[arg(long)]
    mac: MacAddress,
    /// The name that DHCP gives it
    #[arg(long)]
    fqdn: Fqdn,
    /// The provisioning flow: secure, hybrid or basic
    #[arg(long)]
    flow: Flow,
    /// The MIB that it speaks: ietf, cablelabs or euro
    #[arg(long, default_value = "ietf")]
    mib: MibDialect,
    /// An address that DHCP gave it; may be given several times
    #[arg(long, value_name = "ADDR")]
    ip: Vec<IpAddr>,
    /// The template of its configuration file
    #[arg(long)]
    template: Option<String>,
    /// A value for the template; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// An attribute of its file with another value than the template gives it; may be given several times
    #[arg(long = "override", value_name = "ATTRIBUTE=VALUE", value_parser = variable)]
    overrides: Vec<(String, String)>,
    /// An attribute that its file has not, although the template gives it one; may be given several times
    #[arg(long = "without", value_name = "ATTRIBUTE")]
    without: Vec<String>,
    /// How its file is delivered: tftp or http; by default what the settings say
    #[arg(long)]
    delivery: Option<Delivery>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.into(), value.into()))
        .ok_or_else(|| format!("'{text}' is not NAME=VALUE"))
}

/// Runs `hardline device`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let config = match &args.command {
        Command::Add(args) => &args.config,
        Command::List { config } | Command::Import { config, .. } | Command::Export { config, .. } => config,
        Command::Show(one)
        | Command::Remove(one)
        | Command::Reset(one)
        | Command::Attempts { one, .. }
        | Command::Rekey { one, .. }
        | Command::Bootstrap { one, .. } => &one.config,
    };
    let settings = config.settings()?;
    block_on(async {
        let store = open_store(&settings).await?;
        let result = work(&settings, &store, args.command, as_json).await;
        store.close().await?;
        result
    })
}

async fn work(settings: &Settings, store: &SqliteStore, command: Command, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::Add(args) => add(settings, store, *args, as_json).await,
        Command::List { .. } => list(store, as_json).await,
        Command::Show(one) => show(settings, store, one.mac, as_json).await,
        Command::Remove(one) => {
            let known = store.remove_device(one.mac).await?;
            done(known, one.mac, "removed", as_json)
        }
        Command::Reset(one) => {
            let known = store.reset_device(one.mac, Timestamp::now()).await?;
            done(known, one.mac, "reset", as_json)
        }
        Command::Rekey { one, timeout } => {
            let device = known(store, one.mac).await?;
            if device.flow != Flow::Secure {
                return Err(CliError::Failed(format!(
                    "{} is in the {} flow: only devices of the secure flow have keys",
                    device.mac, device.flow
                )));
            }
            order::carry_out(store, one.mac, OrderKind::Rekey, Duration::from_secs(timeout), as_json).await
        }
        Command::Bootstrap { one, timeout } => {
            let mac = known(store, one.mac).await?.mac;
            order::carry_out(store, mac, OrderKind::Bootstrap, Duration::from_secs(timeout), as_json).await
        }
        Command::Import { file, skip_bad, .. } => {
            transfer::import(store, &file, settings.delivery.protocol, skip_bad, as_json).await
        }
        Command::Export { file, .. } => transfer::export(store, &file, as_json).await,
        Command::Attempts { one, limit } => {
            let attempts = store.attempts(one.mac, limit).await?;
            let refusals = store.refusals(one.mac, limit).await?;
            // A device that nobody entered has refusals, and they are what its operator looks for.
            if refusals.is_empty() {
                known(store, one.mac).await?;
            }
            if as_json {
                return output::print_json(&ladder::json(one.mac, &attempts, &refusals));
            }
            output::print(&ladder::text(&attempts, &refusals))
        }
    }
}

fn unknown(mac: MacAddress) -> CliError {
    CliError::Failed(format!(
        "{mac} is not a known device: hardline device list shows those that are"
    ))
}

async fn known(store: &SqliteStore, mac: MacAddress) -> Result<Device, CliError> {
    store.device(mac).await?.ok_or_else(|| unknown(mac))
}

fn done(known: bool, mac: MacAddress, what: &str, as_json: bool) -> Result<(), CliError> {
    if !known {
        return Err(unknown(mac));
    }
    if as_json {
        return output::print_json(&json!({"mac": mac, "done": what}));
    }
    output::print(&format!("{mac} {what}\n"))
}

async fn add(settings: &Settings, store: &SqliteStore, args: AddArgs, as_json: bool) -> Result<(), CliError> {
    let mut vars = BTreeMap::new();
    for (name, value) in args.vars {
        if vars.insert(name.clone(), value).is_some() {
            return Err(CliError::Wrong(format!("--var {name} is given twice")));
        }
    }
    let mut overrides = BTreeMap::new();
    let changes = args.overrides.into_iter().map(|(name, value)| (name, Some(value)));
    for (name, value) in changes.chain(args.without.into_iter().map(|name| (name, None))) {
        if overrides.insert(name.clone(), value).is_some() {
            return Err(CliError::Wrong(format!("{name} is changed twice")));
        }
    }
    if !overrides.is_empty() {
        // What cannot be changed so would fail every file of the device.
        let names = server::names(settings)?;
        Overrides::compile(&overrides, &names).map_err(|error| CliError::Wrong(error.to_string()))?;
    }
    let device = Device {
        mac: args.mac,
        fqdn: args.fqdn,
        flow: args.flow,
        mib: args.mib,
        addresses: args.ip,
        template: args.template,
        vars,
        overrides,
        delivery: args.delivery.unwrap_or(settings.delivery.protocol),
        public_key_sha1: None,
        created: Timestamp::now(),
    };
    let mac = device.mac;
    store.put_devices(vec![device]).await?;
    if as_json {
        return show(settings, store, mac, true).await;
    }
    output::print(&format!("{mac} stored\n"))
}

async fn list(store: &SqliteStore, as_json: bool) -> Result<(), CliError> {
    let mut rows = vec![["mac", "flow", "mib", "fqdn", "addresses"].map(str::to_owned)];
    transfer::all(store, |device| {
        if as_json {
            return output::print_json(&device);
        }
        let addresses: Vec<String> = device.addresses.iter().map(ToString::to_string).collect();
        rows.push([
            device.mac.to_string(),
            device.flow.to_string(),
            device.mib.to_string(),
            device.fqdn.to_string(),
            addresses.join(" "),
        ]);
        Ok(())
    })
    .await?;
    if as_json {
        Ok(())
    } else {
        output::print(&output::aligned(&rows))
    }
}

async fn show(settings: &Settings, store: &SqliteStore, mac: MacAddress, as_json: bool) -> Result<(), CliError> {
    let device = known(store, mac).await?;
    let attempt = store.attempt(mac).await?;
    let mut record = serde_json::to_value(&device).map_err(|error| CliError::Failed(format!("JSON: {error}")))?;
    if device.flow == Flow::Basic {
        record["config_url"] = json!(config_url(settings, &device));
    }
    if let Some(attempt) = &attempt {
        record["attempt"] = ladder::attempt_json(attempt);
    }
    let shown = attempt.as_ref().and_then(|attempt| attempt.session.as_ref());
    let shown = shown.map(|session| &session.learned);
    let vendor = vendor_of(store, &device, attempt.as_ref()).await?;
    if as_json {
        record["profile"] = json!({
            "shown": shown,
            "vendor": vendor.as_ref().map(profile::vendor_json),
        });
        return output::print_json(&record);
    }
    if let Some(shown) = shown {
        record["profile"] = json!(profile::describe(shown));
    }
    if let Some(vendor) = &vendor {
        let learned = profile::describe(&vendor.learned);
        record["vendor"] = json!(format!("{} {}: {learned}", vendor.oui, vendor.type_identifier));
    }
    record["created"] = json!(device.created.to_string());
    let mut rows = Vec::new();
    for (name, value) in record.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push([name.clone(), output::printable(&text)]);
    }
    output::print(&output::aligned(&rows))
}

/// What is known of the device's vendor, where it has said which one that is.
async fn vendor_of(
    store: &SqliteStore,
    device: &Device,
    attempt: Option<&Attempt>,
) -> Result<Option<Vendor>, CliError> {
    let Some(type_identifier) = attempt.and_then(|attempt| attempt.type_identifier.as_ref()) else {
        return Ok(None);
    };
    let known = store.vendors(Some(Oui::of(device.mac))).await?;
    Ok(known
        .into_iter()
        .find(|vendor| vendor.type_identifier == *type_identifier))
}

/// Where a device in the basic flow fetches its file; `None` where no listener has an address that could be named.
fn config_url(settings: &Settings, device: &Device) -> Option<String> {
    let (service, scheme) = match device.delivery {
        Delivery::Tftp => (Service::Tftp, "tftp"),
        Delivery::Http => (Service::Http, "http"),
    };
    let families: &[Family] = match device.addresses.first() {
        Some(&address) => &[Family::of(address)],
        None => &[Family::V4, Family::V6],
    };
    let listener = families.iter().find_map(|&family| settings.listener(service, family))?;
    let standard = listener.port() == service.standard_port();
    let host = match &settings.delivery.url_host {
        UrlHost::Name(name) if standard => name.to_string(),
        UrlHost::Name(name) => format!("{name}:{}", listener.port()),
        UrlHost::Address if listener.ip().is_unspecified() => return None,
        UrlHost::Address if !standard => listener.to_string(),
        UrlHost::Address => match listener {
            SocketAddr::V4(listener) => listener.ip().to_string(),
            SocketAddr::V6(listener) => format!("[{}]", listener.ip()),
        },
    };
    Some(format!("{scheme}://{host}/{}", basic_file_name(device)))
}
