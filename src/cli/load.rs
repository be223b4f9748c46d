//! `hardline load tftp`: conformance and load of a TFTP server, this one or any other.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ipnet::Ipv4Net;
use serde::Serialize;

use super::output::{self, Colour};
use super::{CliError, simulate};
use crate::load::conformance::{self, Checked, Outcome, Target};
use crate::load::{self, Folder, LoadReport, Names, Pattern, Plan, Sources};
use crate::value::MacAddress;
use crate::wire::tftp::{PORT, Pace, RequestOptions};

/// Arguments of `hardline load`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(clap::Subcommand)]
enum Protocol {
    /// Check what a TFTP server conforms to, or download from it by many sessions at once
    Tftp(Box<TftpArgs>),
}

/// Arguments of `hardline load tftp`.
#[derive(clap::Args)]
pub struct TftpArgs {
    /// The server: a name or an address, with its port where that is not 69
    #[arg(value_name = "HOST[:PORT]")]
    server: String,
    // In a help text, {n} is a line break.
    /// The name asked for. In braces, n, mac, mac: and ip stand for the device's number, its MAC address and its address, as
    /// in cm-{mac}.bin. Without it, every file of --compare in turn
    #[arg(long, value_name = "NAME", required_unless_present = "compare")]
    file: Option<String>,
    /// Check the server feature by feature instead, with --file or the largest file of --compare
    #[arg(long, conflicts_with_all = [
        "sessions", "downloads", "devices", "block_size", "window", "tsize", "timeout", "netaddr", "hwaddr", "mac", "source",
        "loss", "seed", "patience", "retries", "threads", "server_pid",
    ])]
    conformance: bool,
    /// The folder that has each file as it must come
    #[arg(long, value_name = "DIR")]
    compare: Option<PathBuf>,
    /// Sessions at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sessions: u32,
    /// Downloads of each session, one after the other; one, or with --compare and without --file as many as there are files
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    downloads: Option<u32>,
    /// Devices that the sessions play in turn, rounded up to a multiple of the sessions
    #[arg(long, value_name = "D")]
    devices: Option<u32>,
    /// Ask for this block size in octets
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u16).range(8..=65_464))]
    block_size: Option<u16>,
    /// Ask for this window in blocks
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u16).range(1..))]
    window: Option<u16>,
    /// Ask for the file's size, and hold the server to it
    #[arg(long)]
    tsize: bool,
    /// Ask the server to retransmit after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(1..))]
    timeout: Option<u8>,
    /// Send the option netaddr, as a relay does: this address for the first device, the following for the others
    #[arg(long, value_name = "ADDR")]
    netaddr: Option<IpAddr>,
    /// Send the option hwaddr, as a relay does: the MAC address of the device
    #[arg(long)]
    hwaddr: bool,
    /// The MAC address of the first device
    #[arg(long, value_name = "MAC", default_value = "02:00:00:00:00:00")]
    mac: MacAddress,
    /// Send from this address; or from a network, such as 127.16.0.0/16, an address for each device
    #[arg(long, value_name = "ADDR|NETWORK")]
    source: Option<String>,
    /// Lose this share of the packets in each direction, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    loss: f64,
    /// Decides which packets are lost
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Milliseconds until a client sends again; doubled each time
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    patience: u64,
    /// How often a client sends again without progress before it gives up
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u8,
    /// Threads that send, where --source is a network
    #[arg(long, value_name = "N", default_value_t = 1, requires = "source")]
    threads: usize,
    /// The server's process on this machine, to report what it used
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

/// The longest file that is taken.
const LONGEST: usize = 1 << 31;

/// Runs `hardline load`.
///
/// # Errors
/// [`CliError`]; also where a download or a check failed.
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let Protocol::Tftp(args) = args.protocol;
    let server = server(&args.server)?;
    if args.conformance {
        return check(&args, server, as_json);
    }
    let plan = plan(&args, server)?;
    let total = u64::from(plan.sessions) * u64::from(plan.downloads);
    let bar = bar(total);
    let report = load::run(plan, args.server_pid, &|| bar.inc(1));
    bar.finish_and_clear();
    let report = report.map_err(|error| CliError::Failed(error.to_string()))?;
    if as_json {
        output::print_json(&report)?;
    } else {
        output::print(&describe(&report))?;
    }
    if report.failed > 0 {
        Err(CliError::Reported(1))
    } else {
        Ok(())
    }
}

fn wrong(text: impl Into<String>) -> CliError {
    CliError::Wrong(text.into())
}

fn server(text: &str) -> Result<SocketAddr, CliError> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let with_port = if text.contains(':') {
        text.to_owned()
    } else {
        format!("{text}:{PORT}")
    };
    let mut addresses = with_port
        .to_socket_addrs()
        .map_err(|error| wrong(format!("{text}: {error}: expected HOST, HOST:PORT or [ADDRESS]:PORT")))?;
    addresses
        .next()
        .ok_or_else(|| wrong(format!("{text}: the name has no address")))
}

fn folder_names(args: &TftpArgs) -> Result<Vec<String>, CliError> {
    let Some(path) = &args.compare else {
        return Ok(Vec::new());
    };
    let names = Folder::new(path.clone())
        .names()
        .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    if names.is_empty() {
        return Err(wrong(format!("{}: there is no file to compare with", path.display())));
    }
    Ok(names)
}

fn plan(args: &TftpArgs, server: SocketAddr) -> Result<Plan, CliError> {
    if !(args.loss.is_finite() && (0.0..100.0).contains(&args.loss)) {
        return Err(wrong("--loss: expected 0 to below 100 percent"));
    }
    let listed = folder_names(args)?;
    let one_each = if args.file.is_none() {
        listed.len().div_ceil(args.sessions as usize) as u32
    } else {
        1
    };
    let names = match &args.file {
        Some(file) => Names::Pattern(
            file.parse::<Pattern>()
                .map_err(|error| wrong(format!("--file: {error}")))?,
        ),
        None => Names::List(listed),
    };
    let devices = args.devices.unwrap_or(args.sessions);
    let devices = devices
        .checked_next_multiple_of(args.sessions)
        .ok_or_else(|| wrong("--devices: too many"))?
        .max(args.sessions);
    Ok(Plan {
        server,
        names,
        sessions: args.sessions,
        downloads: args.downloads.unwrap_or(one_each),
        devices,
        options: RequestOptions {
            block_size: args.block_size,
            timeout: args.timeout,
            size: args.tsize.then_some(0),
            window: args.window,
            client_address: None,
            client_mac: None,
        },
        relayed: args.netaddr,
        hardware: args.hwaddr.then_some(args.mac),
        mac: args.mac,
        pace: Pace {
            first: Duration::from_millis(args.patience),
            longest: Duration::from_millis(args.patience).max(Pace::default().longest),
            retries: args.retries,
            lifetime: Pace::default().lifetime,
        },
        longest: LONGEST,
        folder: args.compare.clone().map(Folder::new),
        sources: sources(args, server, devices)?,
        loss: args.loss / 100.0,
        seed: args.seed,
        threads: args.threads,
    })
}

fn sources(args: &TftpArgs, server: SocketAddr, devices: u32) -> Result<Sources, CliError> {
    let Some(text) = &args.source else {
        return Ok(Sources::Own(None));
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        if args.threads > 1 {
            return Err(wrong(format!(
                "--threads: {address} is one address, from which one thread sends: give a network, such as 127.16.0.0/16"
            )));
        }
        if address.is_ipv4() != server.is_ipv4() {
            return Err(wrong(format!(
                "--source: {address} and {} are of different families",
                server.ip()
            )));
        }
        return Ok(Sources::Own(Some(address)));
    }
    let network: Ipv4Net = text
        .parse()
        .map_err(|_| wrong(format!("--source: '{text}' is no address and no IPv4 network")))?;
    if !server.is_ipv4() {
        return Err(wrong("--source: a network of sources is for IPv4 servers only"));
    }
    let room = 1u64 << (32 - network.prefix_len());
    if u64::from(devices) + 2 > room {
        return Err(wrong(format!(
            "--source: {network} has no {devices} addresses for devices"
        )));
    }
    Ok(Sources::Network(network.trunc()))
}

/// A progress bar on standard error; where that is no terminal, nothing is drawn.
fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message("downloading");
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn describe(report: &LoadReport) -> String {
    let mut text = String::new();
    for (reason, count) in &report.failures {
        text.push_str(&format!("{count} failed: {}\n", output::printable(reason)));
    }
    if let Some(percentiles) = &report.milliseconds {
        text.push_str(&simulate::percentile_table("download", percentiles));
    }
    text.push_str(&format!(
        "{} of {} downloads passed by {} sessions in {:.2} s: {:.1} downloads/s, {:.2} MB/s, {} repetitions\n",
        report.passed,
        report.downloads,
        report.sessions,
        report.seconds,
        report.downloads_per_second,
        report.bytes_per_second / 1e6,
        report.repetitions,
    ));
    if let Some(server) = &report.server {
        let rate = server
            .downloads_per_cpu_second
            .map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        text.push_str(&format!(
            "the server used {:.2} s of CPU time, {rate} downloads a CPU second, and {:.1} MB of memory more\n",
            server.cpu_seconds,
            server.memory_growth as f64 / 1e6,
        ));
    }
    text
}

#[derive(Serialize)]
struct Conformance<'a> {
    address: String,
    file: &'a str,
    passed: usize,
    failed: usize,
    skipped: usize,
    checks: &'a [Checked],
}

fn check(args: &TftpArgs, server: SocketAddr, as_json: bool) -> Result<(), CliError> {
    let size = |name: &String| {
        let path = args.compare.as_ref().map(|folder| folder.join(name));
        path.and_then(|path| path.metadata().ok())
            .map_or(0, |metadata| metadata.len())
    };
    let largest = folder_names(args)?.into_iter().max_by_key(size);
    let file = args.file.clone().or(largest).unwrap_or_default();
    let path = args
        .compare
        .as_ref()
        .map(|folder| folder.join(file.trim_start_matches('/')));
    let content = path
        .map(|path| std::fs::read(&path).map_err(|error| wrong(format!("{}: {error}", path.display()))))
        .transpose()?;
    let bar = bar(conformance::count() as u64).with_message("checking");
    let checks = conformance::run(Target::new(server, file.clone(), content), &|checked| {
        bar.inc(1);
        if !as_json {
            bar.suspend(|| drop(output::print(&line(checked))));
        }
    });
    bar.finish_and_clear();
    let count = |outcome| checks.iter().filter(|checked| checked.result == outcome).count();
    let (passed, failed, skipped) = (count(Outcome::Ok), count(Outcome::Fail), count(Outcome::Skip));
    if as_json {
        output::print_json(&Conformance {
            address: server.to_string(),
            file: &file,
            passed,
            failed,
            skipped,
            checks: &checks,
        })?;
    } else {
        output::print(&format!("{passed} OK, {failed} FAIL, {skipped} skipped\n"))?;
    }
    if failed > 0 { Err(CliError::Reported(1)) } else { Ok(()) }
}

fn line(checked: &Checked) -> String {
    let (word, colour) = match checked.result {
        Outcome::Ok => ("OK  ", Colour::Green),
        Outcome::Fail => ("FAIL", Colour::Red),
        Outcome::Skip => ("SKIP", Colour::Yellow),
    };
    let word = output::coloured(word, colour);
    let text = format!(
        "{word}  {:<24}  {:<20}  {}",
        checked.feature,
        checked.source,
        output::printable(&checked.reason)
    );
    text.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_in_every_usual_way() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:69"),
            ("127.0.0.1:6969", "127.0.0.1:6969"),
            ("::1", "[::1]:69"),
            ("[::1]", "[::1]:69"),
            ("[::1]:6969", "[::1]:6969"),
        ] {
            assert_eq!(server(text).unwrap().to_string(), expected);
        }
        assert!(server("127.0.0.1:x").is_err());
    }
}
