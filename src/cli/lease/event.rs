//! `hardline lease event`: what Kea's hook `run_script` calls. It hands the event to the running server over the admin
//! API, or writes it to the database where it may.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::cli::open::{ConfigArg, block_on, open_store};
use crate::cli::{CliError, output};
use crate::service::admin::{AdminToken, record_event};
use crate::service::lease::{LeaseEvent, event_from_kea};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer of the server in octets that is shown.
const MAX_ANSWER: usize = 64 << 10;

/// Arguments of `hardline lease event`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The hook point that Kea names, such as leases4_committed
    hook: String,
    /// The admin API of the running server, such as http://127.0.0.1:8080; without it the database of the settings is
    /// written
    #[arg(long, requires = "token_file")]
    url: Option<String>,
    /// The file with the token of the admin API
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

/// Reads the event from the environment, and hands it on.
pub(super) fn run(args: &Args, as_json: bool) -> Result<(), CliError> {
    let read = |name: &str| std::env::var(name).ok();
    counted(&args.hook, &read)?;
    let events = event_from_kea(&args.hook, &read).map_err(|error| CliError::Wrong(error.to_string()))?;
    let count = events.len();
    if !events.is_empty() {
        match (&args.url, &args.token_file) {
            (Some(url), Some(token)) => {
                let token = AdminToken::load(token).map_err(|error| CliError::file(token, error))?;
                block_on(post(url, &token, &events))?;
            }
            _ => {
                let settings = args.config.settings()?;
                block_on(async {
                    let store = open_store(&settings).await?;
                    let mut result = Ok(());
                    for event in events {
                        result = result.and(record_event(&store, event).await);
                    }
                    store.close().await?;
                    Ok(result?)
                })?;
            }
        }
    }
    if as_json {
        return output::print_json(&json!({"recorded": count}));
    }
    output::print(&format!("{count} events recorded\n"))
}

/// The server was not reached: why, down to what the system says.
fn unreachable(url: &str, error: &dyn std::error::Error) -> CliError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let reason = causes.last().map(ToString::to_string).unwrap_or_default();
    CliError::Failed(format!(
        "{url}: the admin API is not reached: {reason}: start hardline serve with [admin], or correct --url"
    ))
}

/// Refuses what is no environment of a hook point that tells of lists: each list has its number of leases.
fn counted(hook: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<(), CliError> {
    let version = match hook {
        "leases4_committed" => 4,
        "leases6_committed" => 6,
        _ => return Ok(()),
    };
    let names = ["LEASES", "DELETED_LEASES"].map(|list| format!("{list}{version}_SIZE"));
    for name in &names {
        if let Some(value) = read(name)
            && value.parse::<usize>().is_err()
        {
            let value = output::printable(&value);
            return Err(CliError::Wrong(format!(
                "{hook}: {name} is '{value}', expected a number of leases: call this from Kea's hook run_script"
            )));
        }
    }
    if names.iter().all(|name| read(name).is_none()) {
        let names = names.join(" and ");
        return Err(CliError::Wrong(format!(
            "{hook}: {names} are missing: call this from Kea's hook run_script"
        )));
    }
    Ok(())
}

async fn post(url: &str, token: &AdminToken, events: &[LeaseEvent]) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("{url}: {error}"));
    let body = serde_json::to_vec(events).map_err(|error| failed(&error))?;
    let mut authorization = HeaderValue::from_bytes(token.authorization().expose()).map_err(|error| failed(&error))?;
    authorization.set_sensitive(true);
    let request = hyper::Request::post(format!("{}/leases/events", url.trim_end_matches('/')))
        .header(AUTHORIZATION, authorization)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| failed(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client
            .request(request)
            .await
            .map_err(|error| unreachable(url, &error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| failed(&error))?.to_bytes();
        match status.is_success() {
            true => Ok(()),
            false => Err(failed(&format!(
                "{status}: {}",
                output::printable(&String::from_utf8_lossy(&body))
            ))),
        }
    };
    let late = || Err(failed(&format!("no answer within {PATIENCE:?}")));
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| late())
}
