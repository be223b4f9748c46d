//! `hardline simulate`: simulated devices against a running server.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::open::{ConfigArg, open_store};
use super::{CliError, output};
use crate::mib::MibDialect;
use crate::model::{Delivery, Family, Flow};
use crate::profile::{Oui, Profile};
use crate::service::server;
use crate::settings::Settings;
use crate::simulator::factory::MOST_DEVICES;
use crate::simulator::recruit::{self, RecruitError, Recruiter, Wanted};
use crate::simulator::{self, DeviceSpec, InService, Pace, Percentiles, Summary, Tally, Timers};
use crate::store::{CredentialStore, SqliteStore, Store};
use crate::value::Timestamp;

/// How many device records are stored at once.
const BATCH: usize = 1000;

/// How long a running server may take to see a changed device record.
const NOTICE: Duration = Duration::from_millis(1100);

/// Arguments of `hardline simulate`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The provisioning flow: secure, hybrid or basic
    #[arg(long)]
    flow: Flow,
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DEVICES)))]
    devices: u32,
    /// The number of the first device, which decides MAC addresses; runs at the same time need different ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u32,
    /// Devices that begin in a second, at most
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// Devices under way at the same time, at most
    #[arg(long, value_name = "C", default_value = "64")]
    concurrency: NonZeroUsize,
    /// The address family: v4 or v6
    #[arg(long, default_value = "v4")]
    family: Family,
    /// The MIB of the devices: ietf, cablelabs or euro
    #[arg(long, default_value = "ietf")]
    mib: MibDialect,
    /// How files are delivered: tftp or http
    #[arg(long, default_value = "tftp")]
    delivery: Delivery,
    /// HYBRID.1 and BASIC.1: the devices do not report their status
    #[arg(long)]
    no_status: bool,
    /// Secure flow: the devices have tickets already, and begin with the AP Request
    #[arg(long)]
    stored_tickets: bool,
    /// What the devices make of the points that public texts leave open: a profile's TOML; by default the installation's
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// The vendor's part of the devices' MAC addresses
    #[arg(long, value_name = "OUI")]
    oui: Option<Oui>,
    /// The devices go on after they are provisioned, until SIGINT or SIGTERM: they answer, and take Wake Ups
    #[arg(long)]
    stay: bool,
    /// The devices can bootstrap: the ones that speak the IETF MIB fetch credentials after they have passed
    #[arg(long)]
    bootstrap: bool,
    /// Multiplies every timer of the devices
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    timers: f64,
}

/// Runs `hardline simulate`.
///
/// # Errors
/// [`CliError`]; also where a device failed.
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    if args.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err(CliError::Wrong("--rate: expected a number above 0".into()));
    }
    if !(args.timers.is_finite() && (0.001..=1000.0).contains(&args.timers)) {
        return Err(CliError::Wrong("--timers: expected a factor from 0.001 to 1000".into()));
    }
    let settings = args.config.settings()?;
    let runtime = runtime()?;
    let (summary, in_service) = runtime.block_on(simulate(&args, &settings))?;
    if as_json {
        output::print_json(&summary)?;
    } else {
        output::print(&describe(&summary))?;
    }
    if args.stay {
        runtime.block_on(stay(in_service))?;
    }
    if summary.failed > 0 {
        Err(CliError::Reported(1))
    } else {
        Ok(())
    }
}

/// A runtime for many devices at once.
///
/// # Errors
/// [`CliError::Failed`] where the system gives no threads.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CliError::Failed(format!("no runtime: {error}")))
}

/// Has devices go on until somebody asks for the end.
///
/// # Errors
/// [`CliError`].
pub(super) async fn stay(in_service: Vec<InService>) -> Result<(), CliError> {
    let mut tasks = tokio::task::JoinSet::new();
    for device in in_service {
        // A device whose socket fails is one that lost its power.
        tasks.spawn(async move { drop(device.answer().await) });
    }
    told_to_stop().await
}

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// [`CliError::Failed`] where the system gives no signals.
pub(super) async fn told_to_stop() -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The profile that devices follow: that of `path`, else the installation's.
fn devices_profile(path: Option<&Path>, settings: &Settings) -> Result<Profile, CliError> {
    let Some(path) = path else {
        return Ok(server::profile(settings)?);
    };
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    toml::from_str(&text).map_err(|error| CliError::Wrong(format!("{}: {error}", path.display())))
}

async fn simulate(args: &Args, settings: &Settings) -> Result<(Summary, Vec<InService>), CliError> {
    let timers = Timers::default().scaled(args.timers);
    let mut recruiter = Recruiter::new(settings, timers)?;
    if args.bootstrap {
        recruiter = recruiter.with_bootstrapping();
    }
    let wanted = |index| Wanted {
        index,
        flow: args.flow,
        status: !args.no_status,
        family: args.family,
        mib: args.mib,
        delivery: args.delivery,
    };
    let wanted: Vec<Wanted> = (args.first..args.first.saturating_add(args.devices))
        .map(wanted)
        .collect();
    if let Some(oui) = args.oui {
        recruiter = recruiter.with_oui(oui);
    }
    let store = open_store(settings).await?;
    if args.stored_tickets {
        recruiter = recruiter.with_stored_tickets(&store).await?;
    }
    register(&recruiter, &store, &wanted).await?;
    store.close().await?;
    let devices = recruit_all(&recruiter, &wanted)?;
    tokio::time::sleep(NOTICE).await;

    let known = recruit::server(settings, devices_profile(args.profile.as_deref(), settings)?)?;
    let pace = Pace {
        concurrency: args.concurrency,
        rate: args.rate,
    };
    let mut tally = Tally::default();
    let mut in_service = Vec::new();
    let elapsed = provision_all(devices, &known, pace, |report, device| {
        tally.add(&report);
        in_service.extend(device.filter(|_| args.stay));
    })
    .await;
    Ok((tally.summary(elapsed), in_service))
}

/// Stores the records of the devices.
///
/// # Errors
/// [`CliError`].
pub(super) async fn register(
    recruiter: &Recruiter<'_>,
    store: &SqliteStore,
    wanted: &[Wanted],
) -> Result<(), CliError> {
    for batch in wanted.chunks(BATCH) {
        let records: Result<Vec<_>, RecruitError> = batch.iter().map(|&wanted| recruiter.record(wanted)).collect();
        store.put_devices(records?).await?;
        let credentials: Vec<_> = batch.iter().flat_map(|&wanted| recruiter.credentials(wanted)).collect();
        if !credentials.is_empty() {
            store.put_credentials(credentials, Timestamp::now()).await?;
        }
    }
    Ok(())
}

/// Makes the devices, with a progress bar on a terminal where it takes time.
///
/// # Errors
/// [`CliError`].
pub(super) fn recruit_all(recruiter: &Recruiter<'_>, wanted: &[Wanted]) -> Result<Vec<DeviceSpec>, CliError> {
    let bar = bar(wanted.len(), "making devices");
    let devices: Result<Vec<_>, RecruitError> = wanted
        .iter()
        .map(|&wanted| recruiter.device(wanted))
        .inspect(|_| bar.inc(1))
        .collect();
    bar.finish_and_clear();
    Ok(devices?)
}

/// Provisions the devices, with a progress bar on a terminal.
pub(super) async fn provision_all(
    devices: Vec<DeviceSpec>,
    server: &Arc<simulator::Server>,
    pace: Pace,
    mut each: impl FnMut(simulator::DeviceReport, Option<InService>),
) -> Duration {
    let bar = bar(devices.len(), "provisioning");
    let elapsed = simulator::run_and_stay(devices, server, pace, |report, device| {
        bar.inc(1);
        each(report, device);
    })
    .await;
    bar.finish_and_clear();
    elapsed
}

/// A progress bar on standard error; where that is no terminal, nothing is drawn.
fn bar(length: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn head(what: &str) -> [String; 7] {
    [what, "count", "mean ms", "p50", "p90", "p99", "max"].map(str::to_owned)
}

fn row(name: String, p: &Percentiles) -> [String; 7] {
    let number = |value: f64| format!("{value:.2}");
    [
        name,
        p.count.to_string(),
        number(p.mean),
        number(p.p50),
        number(p.p90),
        number(p.p99),
        number(p.max),
    ]
}

/// One distribution for people.
pub(super) fn percentile_table(what: &str, percentiles: &Percentiles) -> String {
    output::aligned(&[head(""), row(what.to_owned(), percentiles)])
}

/// The summary for people.
pub(super) fn describe(summary: &Summary) -> String {
    let mut rows = vec![head("step")];
    rows.extend(
        summary
            .steps
            .iter()
            .map(|step| row(step.step.to_string(), &step.milliseconds)),
    );
    rows.extend(summary.whole.iter().map(|whole| row("whole run".into(), whole)));
    let mut text = output::aligned(&rows);
    for (reason, count) in &summary.failures {
        text.push_str(&format!("{count} failed at {}\n", output::printable(reason)));
    }
    text.push_str(&format!(
        "{} of {} devices passed in {:.2} s: {:.1} devices/s\n",
        summary.passed, summary.devices, summary.seconds, summary.devices_per_second
    ));
    text
}

impl From<RecruitError> for CliError {
    fn from(error: RecruitError) -> Self {
        match error {
            RecruitError::Store(error) => error.into(),
            RecruitError::File { .. } | RecruitError::NoKey(_) | RecruitError::NoListener { .. } => {
                Self::Wrong(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}
