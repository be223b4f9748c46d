//! `hardline check`: everything that `serve` would stumble over, all at once.

mod certificates;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use serde_json::json;

use super::open::{ConfigArg, block_on};
use super::output::{Colour, coloured};
use super::{CliError, output};
use crate::mib::Names;
use crate::service::dynamic::CmtsSecrets;
use crate::service::lookup::Lookups;
use crate::service::sockets::std_udp;
use crate::service::{mib_path, server, templates};
use crate::settings::{Service, Settings, SettingsError, VerifyMode};
use crate::store::{MasterKey, SqliteStore, Store};

/// Arguments of `hardline check`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The server runs on these settings: ports that are in use are no mistake. For an edited file, before SIGHUP
    #[arg(long)]
    running: bool,
}

/// Prints every problem with its remedy.
///
/// # Errors
/// [`CliError::Reported`] with exit code 2 where there is one.
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let (problems, warnings) = match Settings::load_all(&args.config.config) {
        Ok(settings) => problems(&settings, args.running)?,
        Err(errors) => (errors, Vec::new()),
    };
    if as_json {
        let line = |problem: &SettingsError| {
            json!({
                "file": problem.file,
                "line": problem.place.map(|(line, _)| line),
                "key": problem.key,
                "problem": problem.problem,
                "remedy": problem.remedy,
            })
        };
        let list = |found: &[SettingsError]| found.iter().map(line).collect::<Vec<_>>();
        output::print_json(&json!({
            "ok": problems.is_empty(), "problems": list(&problems), "warnings": list(&warnings),
        }))?;
    } else if problems.is_empty() {
        let lines = warnings.iter().map(|warning| format!("warning: {warning}\n"));
        output::print(&lines.collect::<String>())?;
        output::print(&format!(
            "{}: {}\n",
            args.config.config.display(),
            coloured("ok", Colour::Green)
        ))?;
    } else {
        output::print(
            &problems
                .iter()
                .map(|problem| format!("{problem}\n"))
                .collect::<String>(),
        )?;
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(CliError::Reported(2))
    }
}

/// Collects what is wrong beyond the settings themselves.
struct Checker<'a> {
    settings: &'a Settings,
    /// The server runs, and holds its ports.
    running: bool,
    problems: Vec<SettingsError>,
}

/// The problems, and what is only to be known.
fn problems(settings: &Settings, running: bool) -> Result<(Vec<SettingsError>, Vec<SettingsError>), CliError> {
    let mut checker = Checker {
        settings,
        running,
        problems: Vec::new(),
    };
    block_on(checker.database())?;
    block_on(checker.lookups())?;
    let bootstraps = settings.bootstrap.enabled || settings.bootstrap_legacy.enabled;
    if settings.kdc.enabled {
        checker.kdc_certificates();
    }
    if bootstraps {
        checker.bootstrap();
    }
    if settings.kdc.enabled || bootstraps {
        checker.device_roots();
        checker.revocation_lists();
    }
    if settings.admin.enabled {
        checker.admin_token();
    }
    checker.paths();
    checker.profile();
    checker.mib_modules();
    checker.ports();
    let warnings = checker.warnings();
    Ok((checker.problems, warnings))
}

impl Checker<'_> {
    fn wrong(&mut self, key: &str, problem: impl Into<String>, remedy: &str) {
        self.problems.push(SettingsError {
            file: self.settings.file.clone(),
            place: None,
            key: key.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// The interop profile and the candidates, which the server would not start with.
    fn profile(&mut self) {
        let profile = server::profile(self.settings).err();
        let candidates = server::candidates(self.settings).err();
        for (key, error) in [("profile.path", profile), ("profile.candidates", candidates)] {
            if let Some(error) = error {
                self.wrong(key, error.to_string(), "correct the file, or name another one");
            }
        }
    }

    async fn database(&mut self) -> Result<(), CliError> {
        let settings = self.settings;
        let key = match MasterKey::load(&settings.master_key) {
            Ok(key) => key,
            Err(error) => {
                self.wrong(
                    "master_key",
                    error.to_string(),
                    "without its own key the database cannot be used",
                );
                return Ok(());
            }
        };
        let store = match SqliteStore::open(&settings.database, key).await {
            Ok(store) => store,
            Err(error) => {
                self.wrong(
                    "database",
                    error.to_string(),
                    "name the database that hardline init made",
                );
                return Ok(());
            }
        };
        for principal in settings.service_principals() {
            match store.keys(&principal).await {
                Ok(keys) if !keys.is_empty() => {}
                Ok(_) => {
                    let problem = format!("there is no key of {principal}@{}", settings.realm);
                    self.wrong("database", problem, "import one with hardline keytab import");
                }
                Err(error) => self.wrong(
                    "database",
                    error.to_string(),
                    "restore master.key and database together",
                ),
            }
        }
        let store = Arc::new(store);
        self.lease_sources(&store).await;
        Ok(store.close().await?)
    }

    /// Whether each lease source can be asked.
    async fn lease_sources(&mut self, store: &Arc<SqliteStore>) {
        let leases = match server::leases(self.settings, store) {
            Ok(Some(leases)) => leases,
            Ok(None) => return,
            Err(error) => return self.wrong("lease_source", error.to_string(), "correct the source"),
        };
        leases.probe().await;
        for source in leases.status() {
            if source.failed > 0 {
                let reason = source.reason.unwrap_or_else(|| "it does not answer in time".into());
                self.wrong(
                    "lease_source",
                    format!("'{}': {reason}", source.name),
                    "start it, or correct the source; hardline lease sources shows them all",
                );
            }
        }
    }

    fn admin_token(&mut self) {
        if let Err(error) = server::admin_token(self.settings) {
            self.wrong(
                "admin.token_file",
                error.to_string(),
                "restore the file, or write a token of your own to it, mode 0600",
            );
        }
    }

    /// What works, but not as it may be meant.
    fn warnings(&self) -> Vec<SettingsError> {
        let verify = self.settings.verify.clone().unwrap_or_default();
        let blind = self.settings.cmts.iter().filter(|cmts| !cmts.netaddr);
        let warning = |cmts: &crate::settings::Cmts| SettingsError {
            file: self.settings.file.clone(),
            place: None,
            key: "cmts".into(),
            problem: format!(
                "verification by address cannot work behind '{}', whose requests do not say for whom",
                cmts.name
            ),
            remedy: "set netaddr on both sides, or give its devices one-time names or names of the form name@mac"
                .into(),
        };
        let verifies = self.settings.verifies() && verify.mode != VerifyMode::Off;
        blind.filter(|_| verifies).map(warning).collect()
    }

    fn paths(&mut self) {
        let statics = &self.settings.delivery.static_root;
        if !statics.is_dir() {
            self.wrong(
                "delivery.static_root",
                format!("{} is no folder", statics.display()),
                "make it",
            );
        }
    }

    fn mib_modules(&mut self) {
        let remedy = "correct the module, or take it off the path";
        match mib_path::names(&self.settings.mib.path) {
            Ok((names, warnings)) => {
                for warning in warnings {
                    self.wrong("mib.path", warning, remedy);
                }
                self.templates(&names);
            }
            Err(error) => self.wrong("mib.path", error.to_string(), remedy),
        }
    }

    fn templates(&mut self, names: &Names) {
        if let Err(error) = templates::library(self.settings, names) {
            for line in error.lines() {
                self.wrong(
                    "templates.path",
                    line,
                    "correct the template; until then no library is taken into use",
                );
            }
        }
        if let Err(error) = CmtsSecrets::load(&self.settings.cable_modem) {
            self.wrong(
                "cable_modem",
                error.to_string(),
                "restore the file, or name another one",
            );
        }
    }

    /// On a runtime: pools of connections belong to one.
    async fn lookups(&mut self) -> Result<(), CliError> {
        if let Err(error) = Lookups::new(&self.settings.lookup) {
            self.wrong("lookup", error.to_string(), "correct the table");
        }
        Ok(())
    }

    fn ports(&mut self) {
        for service in Service::ALL {
            let key = format!("{service}.listen");
            for socket in self.settings.listeners(service) {
                if service.has_udp() {
                    self.udp_port(&key, socket);
                }
                if service.has_tcp() {
                    self.port(&key, socket, "TCP", TcpListener::bind(socket).map(drop));
                }
            }
        }
        for &socket in &self.settings.metrics.listen {
            self.port("metrics.listen", socket, "TCP", TcpListener::bind(socket).map(drop));
        }
        self.transfer_ports();
    }

    /// The pool, on the address of each listener; of each the first port that cannot be had.
    fn transfer_ports(&mut self) {
        let Some(pool) = self.settings.tftp.transfer_ports.clone() else {
            return;
        };
        for listener in self.settings.listeners(Service::Tftp) {
            let mut sockets = pool.clone().map(|port| SocketAddr::new(listener.ip(), port));
            let _ = sockets.find(|socket| !self.udp_port("tftp.transfer_ports", *socket));
        }
    }

    fn udp_port(&mut self, key: &str, socket: SocketAddr) -> bool {
        let bound = std_udp(socket).map(drop).map_err(|error| error.source);
        self.port(key, socket, "UDP", bound)
    }

    /// Whether it can be had.
    fn port(&mut self, key: &str, socket: SocketAddr, kind: &str, bound: std::io::Result<()>) -> bool {
        let Err(error) = bound else { return true };
        let remedy = match error.kind() {
            ErrorKind::AddrInUse if self.running => return true,
            ErrorKind::AddrInUse => {
                "stop the process that holds it, or change the port; where it is the server of these settings, check --running"
            }
            ErrorKind::PermissionDenied => "grant CAP_NET_BIND_SERVICE, or take a port from 1024 on (port_offset)",
            ErrorKind::AddrNotAvailable => "give an interface of this machine the address, or name another",
            _ => "name another address or port",
        };
        self.wrong(key, format!("{kind} {socket}: {error}"), remedy);
        false
    }
}
