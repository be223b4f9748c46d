//! `hardline keytab add`: keys of a principal that is in no keytab yet, from a password or random.

use std::fs;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{ConfigArg, principal, replace, show};
use crate::cli::CliError;
use crate::settings::Settings;
use crate::store::{ServiceKey, SqliteStore, Store};
use crate::value::{OsRandom, Secret, Timestamp};
use crate::wire::kerberos::{EncType, Principal};

/// Arguments of `hardline keytab add`.
#[derive(clap::Args)]
pub(super) struct AddArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    /// The principal, with or without its realm
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// Make the keys from the first line of this file, with the salt that every client takes; without it they are random
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The encryption types, by number or name; by default those of kdc.etypes.services
    #[arg(long, value_name = "E")]
    etype: Vec<EncType>,
}

/// Adds keys with the version after the principal's newest.
pub(super) async fn add(
    settings: &Settings,
    store: &SqliteStore,
    args: &AddArgs,
    as_json: bool,
) -> Result<(), CliError> {
    let principal = principal(&args.principal, settings)?;
    let password = args.password_file.as_ref().map(password).transpose()?;
    let newest = store.keys(&principal.name).await?.iter().map(|key| key.kvno).max();
    let kvno = newest
        .unwrap_or(0)
        .checked_add(1)
        .ok_or_else(|| CliError::Failed(format!("{principal}: no version follows its newest")))?;
    let etypes: &[EncType] = match args.etype.as_slice() {
        [] => &settings.kdc.etypes.services,
        chosen => chosen,
    };
    let key = |etype: &EncType| {
        let key = match &password {
            Some(password) => {
                etype
                    .string_to_key(password.as_bytes(), &default_salt(&principal), None)
                    .map_err(|error| CliError::Failed(error.to_string()))?
                    .value
            }
            None => etype.generate(&mut OsRandom).value,
        };
        Ok(new_key(&principal, kvno, *etype, key))
    };
    let keys: Vec<ServiceKey> = etypes.iter().map(key).collect::<Result<_, CliError>>()?;
    replace(settings, store, keys).await?;
    show(settings, &store.keys(&principal.name).await?, as_json)
}

fn new_key(principal: &Principal, kvno: u32, etype: EncType, key: Secret) -> ServiceKey {
    ServiceKey {
        principal: principal.name.clone(),
        kvno,
        etype: etype.number(),
        key,
        created: Timestamp::now(),
        forget: None,
    }
}

/// The first line of a file.
fn password(path: &PathBuf) -> Result<Zeroizing<String>, CliError> {
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| CliError::file(path, error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(CliError::file(path, "its first line holds no password")),
    }
}

/// The salt that a client takes where it is told none: its realm and the components of its name (RFC 4120 §4).
fn default_salt(principal: &Principal) -> Vec<u8> {
    let components = principal.name.components().iter().map(String::as_str);
    std::iter::once(principal.realm.as_str())
        .chain(components)
        .collect::<String>()
        .into_bytes()
}
