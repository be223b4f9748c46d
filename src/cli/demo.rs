//! `hardline demo`: a server and simulated devices in one process on loopback.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde_json::{Map, Value, json};

use super::open::open_store;
use super::output::{Colour, coloured};
use super::simulate::told_to_stop;
use super::{CliError, init, output, simulate};
use crate::mib::MibDialect;
use crate::model::{Delivery, Family, Flow, StepId};
use crate::service::server;
use crate::settings::{Service, Settings};
use crate::simulator::recruit::{self, Recruiter, Wanted};
use crate::simulator::{DeviceReport, DeviceSpec, InService, Pace, Tally, Timers};
use crate::value::{OsRandom, Random, hex};

/// The port offsets that are tried in turn.
const OFFSETS: std::ops::RangeInclusive<u16> = 23..=60;

/// How long a device of the demo may take: on loopback it takes milliseconds.
const PROVISIONING: Duration = Duration::from_secs(60);

/// How many devices are under way at the same time.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// The flows and families that are shown.
const KINDS: [(Flow, Family); 6] = [
    (Flow::Secure, Family::V4),
    (Flow::Secure, Family::V6),
    (Flow::Hybrid, Family::V4),
    (Flow::Hybrid, Family::V6),
    (Flow::Basic, Family::V4),
    (Flow::Basic, Family::V6),
];

/// The steps that the table shows.
const STEPS: [StepId; 10] = [
    StepId::AS_REQUEST,
    StepId::AS_REPLY,
    StepId::AP_REQUEST,
    StepId::AP_REPLY,
    StepId::ENROLLMENT,
    StepId::SET,
    StepId::FILE_REQUEST,
    StepId::FILE_DELIVERED,
    StepId::STATUS,
    StepId::BOOTSTRAP,
];

/// Arguments of `hardline demo`.
#[derive(clap::Args)]
pub struct Args {
    /// How many devices of each flow and address family
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// Go on serving after the devices are done, until SIGINT or SIGTERM
    #[arg(long)]
    stay: bool,
}

/// What `hardline init` is told.
#[derive(clap::Parser)]
struct Init {
    #[command(flatten)]
    args: init::Args,
}

/// Runs `hardline demo`.
///
/// # Errors
/// [`CliError`]; also where a device failed.
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let folder = Folder::create()?;
    let settings = install(&folder.0, free_offset()?)?;
    simulate::runtime()?.block_on(serve(&args, &settings, as_json))
}

/// Shows the devices to a server, which goes on where that is wanted, and stops it.
async fn serve(args: &Args, settings: &Settings, as_json: bool) -> Result<(), CliError> {
    let timers = Timers {
        provisioning: PROVISIONING,
        ..Timers::default()
    };
    let recruiter = Recruiter::new(settings, timers)?.with_bootstrapping();
    let wanted = wanted(args.devices);
    let store = open_store(settings).await?;
    simulate::register(&recruiter, &store, &wanted).await?;
    store.close().await?;
    let devices = simulate::recruit_all(&recruiter, &wanted)?;

    let running = server::start(settings).await?;
    let mut in_service = Vec::new();
    let shown = tokio::select! {
        shown = show(devices, settings, &mut in_service, as_json) => shown,
        told = told_to_stop() => told.and(Err(CliError::Failed("interrupted".into()))),
    };
    if args.stay && !matches!(shown, Err(CliError::Wrong(_) | CliError::Failed(_))) {
        simulate::stay(in_service).await?;
    }
    running.stop().await;
    shown
}

/// Provisions the devices and prints what became of them.
async fn show(
    devices: Vec<DeviceSpec>,
    settings: &Settings,
    in_service: &mut Vec<InService>,
    as_json: bool,
) -> Result<(), CliError> {
    let known = recruit::server(settings, server::profile(settings)?)?;
    let pace = Pace {
        concurrency: CONCURRENCY,
        rate: None,
    };
    let mut tally = Tally::default();
    let mut reports = Vec::new();
    let elapsed = simulate::provision_all(devices, &known, pace, |report, device| {
        tally.add(&report);
        reports.push(report);
        in_service.extend(device);
    })
    .await;
    reports.sort_by_key(|report| report.mac);
    let summary = tally.summary(elapsed);
    if as_json {
        output::print_json(
            &json!({"config": settings.file, "listeners": listeners(settings), "devices": reports, "summary": summary}),
        )?;
    } else {
        output::print(&table(&reports))?;
        output::print(&simulate::describe(&summary))?;
    }
    if summary.failed > 0 {
        Err(CliError::Reported(1))
    } else {
        Ok(())
    }
}

/// An installation in `folder` as `hardline init` makes one.
fn install(folder: &Path, offset: u16) -> Result<Settings, CliError> {
    let offset = offset.to_string();
    let words = [
        "init".as_ref(),
        folder.as_os_str(),
        "--port-offset".as_ref(),
        offset.as_ref(),
    ];
    let init = Init::try_parse_from(words).map_err(|error| CliError::Failed(error.to_string()))?;
    init::install(&init.args)
}

/// `count` devices of each flow and family. Dialects take turns over all of them, `.1` and `.2` within each kind; every
/// second hybrid device fetches its file over HTTP.
fn wanted(count: u32) -> Vec<Wanted> {
    let kinds = KINDS
        .iter()
        .flat_map(|&kind| (0..count).map(move |number| (kind, number)));
    let device = |(index, ((flow, family), number)): (u32, ((Flow, Family), u32))| {
        let second = number % 2 == 1;
        Wanted {
            index,
            flow,
            status: second,
            family,
            mib: MibDialect::ALL[index as usize % MibDialect::ALL.len()],
            delivery: if flow == Flow::Hybrid && second {
                Delivery::Http
            } else {
                Delivery::Tftp
            },
        }
    };
    (0..).zip(kinds).map(device).collect()
}

/// Every listener: under the service's name over IPv4, with `_v6` after it over IPv6.
fn listeners(settings: &Settings) -> Map<String, Value> {
    let mut listeners = Map::new();
    for service in Service::ALL {
        for listener in settings.listeners(service) {
            let suffix = if listener.is_ipv6() { "_v6" } else { "" };
            listeners.insert(format!("{service}{suffix}"), json!(listener.to_string()));
        }
    }
    listeners
}

/// A row a device: milliseconds by step, and the result.
fn table(reports: &[DeviceReport]) -> String {
    let mut head: [String; 16] = Default::default();
    let names = ["device", "flow", "family", "MIB"].map(str::to_owned).into_iter();
    let names = names
        .chain(STEPS.map(|step| step.to_string()))
        .chain(["total ms".to_owned(), "result".to_owned()]);
    head.iter_mut().zip(names).for_each(|(cell, name)| *cell = name);
    let rows: Vec<_> = std::iter::once(head).chain(reports.iter().map(row)).collect();
    output::aligned(&rows)
}

fn row(report: &DeviceReport) -> [String; 16] {
    let milliseconds = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
    let step = |wanted: StepId| {
        let found = report.steps.iter().find(|step| step.step == wanted);
        found.map_or_else(|| "-".to_owned(), |step| milliseconds(step.took))
    };
    let flow = match report.flow {
        Flow::Secure => report.flow.to_string(),
        Flow::Hybrid | Flow::Basic => report.realm.clone(),
    };
    let result = match report.failure() {
        None => coloured("pass", Colour::Green),
        Some(reason) => coloured(&format!("fail at {}", output::printable(&reason)), Colour::Red),
    };
    let [a, b, c, d, e, f, g, h, i, j] = STEPS.map(step);
    let (mac, family, mib) = (
        report.mac.to_string(),
        report.family.to_string(),
        report.mib.to_string(),
    );
    [
        mac,
        flow,
        family,
        mib,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        milliseconds(report.took),
        result,
    ]
}

/// The first offset, in thousands, at which every port is free on both loopback addresses.
fn free_offset() -> Result<u16, CliError> {
    OFFSETS
        .map(|thousands| thousands * 1000)
        .find(|&offset| is_free(offset))
        .ok_or_else(|| {
            CliError::Failed("no ports are free on 127.0.0.1 and ::1; the demo needs both loopback addresses".into())
        })
}

fn is_free(offset: u16) -> bool {
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    loopback.into_iter().all(|address| {
        Service::ALL.into_iter().all(|service| {
            let socket = SocketAddr::new(address, service.standard_port() + offset);
            UdpSocket::bind(socket).is_ok() && TcpListener::bind(socket).is_ok()
        })
    })
}

/// A temporary folder of this user's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, CliError> {
        let mut name = [0; 8];
        OsRandom.fill(&mut name);
        let path = std::env::temp_dir().join(format!("hardline-demo-{}", hex(&name)));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| CliError::file(&path, error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_shows_every_flow_family_dialect_and_both_variants() {
        let wanted = wanted(2);
        assert_eq!(wanted.len(), 12);
        for flow in [Flow::Secure, Flow::Hybrid, Flow::Basic] {
            for dialect in MibDialect::ALL {
                assert!(
                    wanted.iter().any(|device| device.flow == flow && device.mib == dialect),
                    "{flow} {dialect}"
                );
            }
            for family in [Family::V4, Family::V6] {
                let kind: Vec<_> = wanted
                    .iter()
                    .filter(|device| (device.flow, device.family) == (flow, family))
                    .collect();
                assert_eq!(
                    kind.iter().map(|device| device.status).collect::<Vec<_>>(),
                    [false, true]
                );
            }
        }
        let over_http = wanted.iter().filter(|device| device.delivery == Delivery::Http).count();
        assert_eq!(over_http, 2);
    }
}
