//! What is shown of credentials, and the record of who had it shown.

use super::{nothing, transfer};
use crate::cli::rows::{self, PAGE};
use crate::cli::{CliError, output};
use crate::model::Credentials;
use crate::store::{CredentialRead, CredentialState, CredentialStore, Reading, RecordedRead, Reveal, SqliteStore};
use crate::value::{MacAddress, Timestamp};

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

/// Reads a device's rows, and puts that on record.
pub(super) async fn read(
    store: &SqliteStore,
    mac: MacAddress,
    reveal: Reveal,
) -> Result<Option<Credentials>, CliError> {
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

/// `hardline credentials show`.
pub(super) async fn show(store: &SqliteStore, mac: MacAddress, reveal: bool, as_json: bool) -> Result<(), CliError> {
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

/// Every device's state.
pub(super) async fn all(store: &SqliteStore) -> Result<Vec<CredentialState>, CliError> {
    let mut states = Vec::new();
    let fetch = async |after| store.credential_states(after, PAGE).await;
    let each = |state| {
        states.push(state);
        Ok(())
    };
    rows::pages(fetch, |state: &CredentialState| state.mac, each).await?;
    Ok(states)
}

/// `hardline credentials list`.
pub(super) async fn list(store: &SqliteStore, as_json: bool) -> Result<(), CliError> {
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

/// `hardline credentials reads`.
pub(super) fn reads(reads: &[RecordedRead], as_json: bool) -> Result<(), CliError> {
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
