//! `hardline credentials set`: a device's IMPI, an IMPU, or both.

use std::path::PathBuf;

use serde_json::json;

use super::generate::MadeOf;
use super::{OneArgs, said, transfer};
use crate::cli::CliError;
use crate::cli::rows::text as read_text;
use crate::model::{CredentialRow, CredentialsType, IdType, Impi, Impu};
use crate::store::{CredentialStore, SqliteStore};
use crate::value::{Secret, Timestamp};

/// Arguments of `hardline credentials set`.
#[derive(clap::Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
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

/// Runs it.
pub(super) async fn set(store: &SqliteStore, args: SetArgs, as_json: bool) -> Result<(), CliError> {
    let mac = args.one.mac;
    if args.impi.is_none() && args.impu.is_none() {
        return Err(CliError::Wrong("nothing to set: pass --impi, --impu, or both".into()));
    }
    let mut rows = Vec::new();
    if let Some(id) = args.impi {
        let (credentials_type, credentials) = if args.generate {
            (args.credentials_type, args.made_of.draw())
        } else if let Some(file) = &args.credentials_file {
            let text = read_text(file)?;
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
