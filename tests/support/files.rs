//! The TFTP and HTTP services over files in memory, and stock programs to fetch them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardline::service::files::{Bytes, Content, FileRequest, FileSource, Opened, Outcome, Refusal};
use hardline::service::http::{self, HttpSettings};
use hardline::service::tftp::{self, Serving, TftpListener, TftpSettings, TransferPorts};
use hardline::wire::tftp::Pace;
use tokio::sync::watch;
use tokio::time::timeout;

/// Files in memory, and what became of them.
#[derive(Default)]
pub struct Memory {
    pub files: HashMap<&'static str, Bytes>,
    outcomes: Mutex<Vec<(FileRequest, Outcome)>>,
}

impl Memory {
    fn new() -> Self {
        let content = |size: usize| Bytes::from_iter((0..size).map(|at| (at * 31 / 7) as u8));
        let files = [
            ("empty", 0),
            ("one", 1),
            ("block", 512),
            ("config.bin", 8_411),
            ("a b/é", 100),
            ("big", 1_500_000),
        ];
        Self {
            files: files.map(|(name, size)| (name, content(size))).into(),
            outcomes: Mutex::default(),
        }
    }

    pub fn outcomes(&self) -> Vec<(FileRequest, Outcome)> {
        self.outcomes.lock().unwrap().clone()
    }

    /// The outcomes, once there are `count` of them.
    pub async fn outcome_of(&self, count: usize) -> Vec<(FileRequest, Outcome)> {
        for _ in 0..200 {
            if self.outcomes().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.outcomes()
    }
}

impl FileSource for Memory {
    type Delivery = ();

    async fn open(&self, request: &FileRequest) -> Result<Opened<()>, Refusal> {
        let content = match request.name.as_str() {
            "forbidden" => Err(Refusal::Forbidden),
            "busy" => Err(Refusal::Busy),
            "slow" => std::future::pending().await,
            "panic" => panic!("a file source may have a fault"),
            // Later than the services wait.
            "tardy" => {
                tokio::time::sleep(Duration::from_millis(900)).await;
                Ok(self.files["config.bin"].clone().into())
            }
            "late" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(self.files["config.bin"].clone().into())
            }
            name => self
                .files
                .get(name)
                .cloned()
                .map(Content::from)
                .ok_or(Refusal::NotFound),
        };
        content.map(|content| Opened { content, delivery: () })
    }

    async fn finished(&self, request: &FileRequest, (): (), outcome: &Outcome) {
        self.outcomes.lock().unwrap().push((request.clone(), outcome.clone()));
    }
}

/// The services, on a free port of each address.
pub struct Services {
    pub memory: Arc<Memory>,
    pub tftp: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    serving: watch::Sender<Option<Arc<Serving<Memory>>>>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Settings with short times.
pub fn tftp_settings() -> TftpSettings {
    TftpSettings {
        pace: Pace {
            first: Duration::from_millis(100),
            ..Pace::default()
        },
        max_transfers: 100,
        open_timeout: Duration::from_millis(500),
        ..TftpSettings::default()
    }
}

/// Settings with short times.
pub fn http_settings() -> HttpSettings {
    HttpSettings {
        header_timeout: Duration::from_secs(1),
        stall_timeout: Duration::from_secs(1),
        open_timeout: Duration::from_millis(500),
        ..HttpSettings::default()
    }
}

impl Services {
    /// On the loopback addresses of both families.
    pub fn start() -> Self {
        let any = ["127.0.0.1:0", "[::1]:0"];
        Self::start_with(&any, &TransferPorts::Ephemeral, tftp_settings(), http_settings())
    }

    pub fn start_with(addresses: &[&str], ports: &TransferPorts, tftp: TftpSettings, http: HttpSettings) -> Self {
        let memory = Arc::new(Memory::new());
        let (stop, stopped) = watch::channel(false);
        let addresses = addresses.iter().map(|address| address.parse::<SocketAddr>().unwrap());
        let bind = |address| TftpListener::bind(address, 2, ports).unwrap();
        let listeners: Vec<_> = addresses.clone().map(bind).collect();
        let tcp: Vec<_> = addresses.map(|address| http::bind(address).unwrap()).collect();
        let local = |listener: &tokio::net::TcpListener| listener.local_addr().unwrap();
        let (serving, served) = watch::channel(Some(Arc::new(Serving::new(Arc::clone(&memory), tftp))));
        Self {
            tftp: listeners.iter().map(TftpListener::address).collect(),
            http: tcp.iter().map(local).collect(),
            tasks: vec![
                tokio::spawn(tftp::run(listeners, served)),
                tokio::spawn(http::run(tcp, Arc::clone(&memory), http, stopped)),
            ],
            memory,
            serving,
            stop,
        }
    }

    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        self.serving.send_replace(None);
        for task in self.tasks {
            timeout(Duration::from_secs(5), task)
                .await
                .expect("stops within 5 s")
                .unwrap();
        }
    }
}

/// Runs a stock program to its end.
pub async fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let program = program.to_owned();
    tokio::task::spawn_blocking(move || command.output().unwrap_or_else(|error| panic!("{program}: {error}")))
        .await
        .unwrap()
}

pub fn assert_complete(outcome: &(FileRequest, Outcome), name: &str, size: u64) {
    assert_eq!(outcome.0.name, name);
    assert!(
        matches!(&outcome.1, Outcome::Complete { bytes, .. } if *bytes == size),
        "{outcome:?}"
    );
}
