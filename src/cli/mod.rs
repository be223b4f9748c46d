//! Floor 5: commands and wiring. One file a command; each returns what `main` turns into an exit code.

mod check;
mod config;
mod credentials;
mod csv;
mod demo;
mod device;
mod error;
mod init;
mod keytab;
mod lease;
mod load;
mod mib;
mod open;
mod output;
mod pki;
mod profile;
mod rows;
mod serve;
mod simulate;
mod template;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "legacy-tls")]
use crate::service::bootstrap;

pub use error::CliError;

/// Provisioning backend for PacketCable 2.0 eUEs and PacketCable 1.x eMTAs.
#[derive(Parser)]
#[command(name = "hardline", version, propagate_version = true)]
struct Cli {
    /// Write one JSON document, or JSON lines, to standard output
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new installation in a folder
    Init(init::Args),
    /// Run every enabled service in the foreground
    Serve(serve::Args),
    /// Validate settings, certificates, keys, database and ports
    Check(check::Args),
    /// Add, look at and change devices
    Device(device::Args),
    /// Add, look at and change leases, and make one-time names
    Lease(lease::Args),
    /// The IMS credentials that bootstrapping hands out
    Credentials(credentials::Args),
    /// Issue look-alike certificates
    Pki(pki::Args),
    /// Exchange service keys with other Kerberos tools, rotate and list them
    Keytab(keytab::Args),
    /// Look at what was learned of vendors
    Profile(profile::Args),
    /// Write, read, check and compare configuration files
    Config(config::Args),
    /// Find and show the objects of MIB modules
    Mib(mib::Args),
    /// Check, list and show templates, and make files from them
    Template(template::Args),
    /// Check other servers, and put load on them
    Load(load::Args),
    /// Provision simulated devices by a running server
    Simulate(simulate::Args),
    /// Run a server and simulated devices in one process on loopback
    Demo(demo::Args),
}

/// Runs the command that the process' arguments name. Exit code 0: done; 1: it ran and something failed; 2: wrong use
/// or wrong configuration.
pub fn main() -> ExitCode {
    #[cfg(feature = "legacy-tls")]
    if let Some(ended) = worker() {
        return ended;
    }
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Init(args) => init::run(args, cli.json),
        Command::Serve(args) => serve::run(args, cli.json),
        Command::Check(args) => check::run(args, cli.json),
        Command::Device(args) => device::run(args, cli.json),
        Command::Lease(args) => lease::run(args, cli.json),
        Command::Credentials(args) => credentials::run(args, cli.json),
        Command::Pki(args) => pki::run(args, cli.json),
        Command::Keytab(args) => keytab::run(args, cli.json),
        Command::Profile(args) => profile::run(args, cli.json),
        Command::Config(args) => config::run(args, cli.json),
        Command::Mib(args) => mib::run(args, cli.json),
        Command::Template(args) => template::run(args, cli.json),
        Command::Load(args) => load::run(args, cli.json),
        Command::Simulate(args) => simulate::run(args, cli.json),
        Command::Demo(args) => demo::run(args, cli.json),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

/// Runs the process for the legacy suites to its end, where this is one: `bootstrap-worker --user USER`, as `serve` starts
/// it. Nobody else does, and it needs nothing of what the other commands' arguments take to be known.
#[cfg(feature = "legacy-tls")]
fn worker() -> Option<ExitCode> {
    let args: Vec<_> = std::env::args_os().skip(1).take(4).collect();
    let [command, flag, user] = args.as_slice() else {
        return None;
    };
    if command != bootstrap::legacy::WORKER || flag != "--user" {
        return None;
    }
    let ended = bootstrap::legacy::run_worker(user.to_str()?);
    let failed = |error| CliError::Failed(format!("{}: {error}", bootstrap::legacy::WORKER)).report();
    Some(ended.map_or_else(failed, |()| ExitCode::SUCCESS))
}
