//! `hardline simulate`: simulated devices against a running server.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::open::{ConfigArg, open_store};
use super::{CliError, output};
use crate::mib::MibDialect;
use crate::model::{Delivery, Family, Flow};
use crate::service::server;
use crate::settings::Settings;
use crate::simulator::factory::MOST_DEVICES;
use crate::simulator::recruit::{self, RecruitError, Recruiter, Wanted};
use crate::simulator::{self, DeviceSpec, Pace, Percentiles, Summary, Tally, Timers};
use crate::store::Store;

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
    let summary = runtime()?.block_on(simulate(&args, &settings))?;
    if as_json {
        output::print_json(&summary)?;
    } else {
        output::print(&describe(&summary))?;
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

async fn simulate(args: &Args, settings: &Settings) -> Result<Summary, CliError> {
    let timers = Timers::default().scaled(args.timers);
    let mut recruiter = Recruiter::new(settings, timers)?;
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
    let store = open_store(settings).await?;
    if args.stored_tickets {
        recruiter = recruiter.with_stored_tickets(&store).await?;
    }
    register(&recruiter, &store, &wanted).await?;
    store.close().await?;
    let devices = recruit_all(&recruiter, &wanted)?;
    tokio::time::sleep(NOTICE).await;

    let known = recruit::server(settings, server::profile(settings)?)?;
    let pace = Pace {
        concurrency: args.concurrency,
        rate: args.rate,
    };
    let mut tally = Tally::default();
    let elapsed = provision_all(devices, &known, pace, |report| tally.add(&report)).await;
    Ok(tally.summary(elapsed))
}

/// Stores the records of the devices.
///
/// # Errors
/// [`CliError`].
pub(super) async fn register(recruiter: &Recruiter<'_>, store: &dyn Store, wanted: &[Wanted]) -> Result<(), CliError> {
    for batch in wanted.chunks(BATCH) {
        let records: Result<Vec<_>, RecruitError> = batch.iter().map(|&wanted| recruiter.record(wanted)).collect();
        store.put_devices(records?).await?;
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
    mut each: impl FnMut(simulator::DeviceReport),
) -> Duration {
    let bar = bar(devices.len(), "provisioning");
    let elapsed = simulator::run(devices, server, pace, |report| {
        bar.inc(1);
        each(report);
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

/// The summary for people.
pub(super) fn describe(summary: &Summary) -> String {
    let row = |name: String, p: &Percentiles| {
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
    };
    let mut rows = vec![["step", "count", "mean ms", "p50", "p90", "p99", "max"].map(str::to_owned)];
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
