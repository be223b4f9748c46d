//! `hardline serve`: every enabled service, in the foreground.

use std::io::IsTerminal as _;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::open::ConfigArg;
use super::{CliError, output};
use crate::mib::Names;
use crate::service::server::{self, StartError};
use crate::service::templates;
use crate::settings::{LogFormat, LogSettings, Settings};
use crate::template::TemplateLibrary;

/// Libraries whose lines tell an operator nothing: how MIB modules load, and what strangers send to the DNS server.
const QUIET: &str = "mib_rs=warn,hickory_server=off,hickory_proto=off,hickory_net=off,hickory_resolver=off";

/// Arguments of `hardline serve`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs until SIGTERM or SIGINT. Prints one line `ready` with each service and its addresses once all listen.
///
/// # Errors
/// [`CliError::Wrong`] where the configuration does not let it start.
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let settings = args.config.settings()?;
    log_to_stderr(&settings.log)?;
    raise_descriptors();
    // The allocator asks for huge pages, which make 15 MB of heap 40. Where the system has none there is nothing to refuse.
    let _ = nix::sys::prctl::set_thp_disable(true);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("no runtime: {error}")))?;
    runtime.block_on(serve(&args, settings, as_json))
}

async fn serve(args: &Args, mut settings: Settings, as_json: bool) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    let mut running = server::start(&settings).await?;
    if as_json {
        output::print_json(&serde_json::json!({"ready": running.listeners_by_name()}))?;
    } else {
        output::print(&format!("{}\n", running.ready_line()))?;
    }
    // Where no service manager listens there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {}
        }
        // Nothing is given up before the new settings are known to be usable.
        let usable = |fresh: Settings| Ok(server::rehearse(&fresh).map(|()| fresh)?);
        let fresh = match Settings::load(&args.config.config)
            .map_err(CliError::from)
            .and_then(usable)
        {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(%error, "not reloaded: the settings in use stay");
                continue;
            }
        };
        let _ = sd_notify::notify(&[NotifyState::Reloading]);
        let before = running.library();
        let (names, library) = reread(&fresh, &before);
        let mut kept = running.pause().await;
        running = match server::start_with(&fresh, names, library, &mut kept).await {
            Ok(started) => {
                tracing::info!("reloaded");
                settings = fresh;
                started
            }
            Err(error) => {
                tracing::error!(%error, "not reloaded: going on with the settings before");
                server::start_with(&settings, before.0, before.1, &mut kept).await?
            }
        };
        kept.end().await;
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    running.stop().await;
    Ok(())
}

/// MIB names and templates read anew. Where anything in them is wrong, those in use stay, both of them: templates are
/// compiled with the names.
fn reread(settings: &Settings, before: &(Arc<Names>, Arc<TemplateLibrary>)) -> (Arc<Names>, Arc<TemplateLibrary>) {
    let names = match server::names(settings) {
        Ok(names) => Arc::new(names),
        Err(error) => {
            tracing::error!(%error, "the MIB modules and templates in use stay");
            return before.clone();
        }
    };
    match templates::library(settings, &names) {
        Ok(library) => (names, Arc::new(library)),
        Err(error) => {
            templates::refused(&error);
            before.clone()
        }
    }
}

/// Each connection is a descriptor, and the usual limit of 1,024 is there for programs that cannot count further.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the number of descriptors stays limited");
    }
}

/// Logs go to standard error: standard output is for the `ready` line and JSON.
fn log_to_stderr(settings: &LogSettings) -> Result<(), CliError> {
    let filter = tracing_subscriber::EnvFilter::try_new(format!("{QUIET},{}", settings.level))
        .map_err(|error| CliError::Wrong(format!("[log] level: {error}; write error, warn, info or debug")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        Self::Wrong(error.to_string())
    }
}
