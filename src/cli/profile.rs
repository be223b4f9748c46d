//! `hardline profile`: what the server has learned of vendors, and what it tries.

use clap::Subcommand;
use serde_json::{Value, json};

use super::open::{ConfigArg, block_on, open_store};
use super::{CliError, output};
use crate::profile::{Candidates, Learned, Oui, Vendor};
use crate::settings::Settings;
use crate::store::{SqliteStore, Store};

/// Arguments of `hardline profile`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the vendors that are known, and what their devices do
    Vendors {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Forget what is known of a vendor, so that the server learns it anew
    Forget {
        #[command(flatten)]
        config: ConfigArg,
        /// The vendor's part of its MAC addresses
        oui: Oui,
        /// Its type identifier; by default all of them
        type_identifier: Option<String>,
    },
    /// Print what is tried on devices of vendors that are not known, as the file for [profile] candidates
    Candidates {
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Runs `hardline profile`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    match args.command {
        Command::Vendors { config } => {
            let settings = config.settings()?;
            let vendors = block_on(read(&settings, async |store| Ok(store.vendors(None).await?)))?;
            show(&vendors, as_json)
        }
        Command::Forget {
            config,
            oui,
            type_identifier,
        } => {
            let settings = config.settings()?;
            let forgotten = block_on(read(&settings, async |store| {
                Ok(store.forget_vendor(oui, type_identifier.as_deref()).await?)
            }))?;
            if forgotten == 0 {
                return Err(CliError::Failed(format!(
                    "nothing is known of {oui} {}: hardline profile vendors lists what is",
                    type_identifier.unwrap_or_default()
                )));
            }
            if as_json {
                return output::print_json(&json!({"oui": oui, "forgotten": forgotten}));
            }
            output::print(&format!("{oui}: {forgotten} forgotten\n"))
        }
        Command::Candidates { config } => candidates(&config.settings()?, as_json),
    }
}

async fn read<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&SqliteStore) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let store = open_store(settings).await?;
    let result = work(&store).await;
    store.close().await?;
    result
}

fn show(vendors: &[Vendor], as_json: bool) -> Result<(), CliError> {
    if as_json {
        return output::print_json(&json!({"vendors": vendors.iter().map(vendor_json).collect::<Vec<_>>()}));
    }
    let mut rows = vec![["oui", "type identifier", "learned from", "at", "its devices"].map(str::to_owned)];
    rows.extend(vendors.iter().map(|vendor| {
        [
            vendor.oui.to_string(),
            output::printable(&vendor.type_identifier),
            vendor.mac.to_string(),
            vendor.at.to_string(),
            describe(&vendor.learned),
        ]
    }));
    output::print(&output::aligned(&rows))
}

/// A vendor as JSON.
pub(super) fn vendor_json(vendor: &Vendor) -> Value {
    json!({
        "oui": vendor.oui,
        "type_identifier": vendor.type_identifier,
        "learned": vendor.learned,
        "learned_from": vendor.mac,
        "at": vendor.at.to_string(),
    })
}

/// What was learned, in words.
pub(super) fn describe(learned: &Learned) -> String {
    let word = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    };
    let mut parts = Vec::new();
    if let Some(hmac) = &learned.hmac {
        let (key, coverage) = (serde_json::to_value(hmac.key), serde_json::to_value(hmac.coverage));
        parts.push(format!("HMAC by {} over {}", word(key), word(coverage)));
    }
    if let Some(keys) = &learned.keys {
        let (layout, localisation) = (
            serde_json::to_value(&keys.layout),
            serde_json::to_value(keys.localisation),
        );
        let open = if learned.unsettled { " (as far as shown)" } else { "" };
        parts.push(format!(
            "keys by label '{}', {}, {}{open}",
            keys.label,
            word(layout),
            word(localisation)
        ));
    }
    if let Some(pad) = learned.pad {
        parts.push(format!("pad {}", word(serde_json::to_value(pad))));
    }
    if let Some(user) = &learned.user_name {
        parts.push(format!("user {user}"));
    }
    output::printable(&parts.join("; "))
}

fn candidates(settings: &Settings, as_json: bool) -> Result<(), CliError> {
    let text = match &settings.profile.candidates {
        None => Candidates::SHIPPED.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?,
    };
    let read = Candidates::parse(&text).map_err(|error| CliError::Wrong(format!("[profile] candidates: {error}")))?;
    if as_json {
        return output::print_json(&json!({
            "learn": settings.profile.learn, "hmac": read.hmac, "keys": read.keys,
        }));
    }
    output::print(&text)
}
