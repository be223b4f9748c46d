//! The server's side: starts the worker, answers it, and starts it again where it ends.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::super::ask::Answering;
use super::super::{BootstrapError, Desk};
use super::channel::{Downward, ENDS, Upward, next};
use super::orders::Orders;
use super::worker::{MOST_SOCKETS, WORKER};
use crate::service::shutdown;

/// This program, even where its file was replaced since it started.
const PROGRAM: &str = "/proc/self/exe";
/// How long the worker may take to listen.
const STARTING: Duration = Duration::from_secs(10);
/// How long it may take to stop before it is killed.
const STOPPING: Duration = Duration::from_secs(3);
/// The wait before it is started again; it doubles each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A worker that ran so long did not fail at its start: the wait begins anew.
const SETTLED: Duration = Duration::from_secs(30);
/// Questions of the worker that are under way at once.
const IN_FLIGHT: usize = 1_024;
/// Answers that are written at once, where so many wait.
const AT_ONCE: usize = 32;

/// Keeps the worker running.
pub struct Keeper {
    orders: Orders,
    listeners: Vec<TcpListener>,
    desk: Desk,
    user: String,
    worker: Worker,
}

/// A worker that listens.
struct Worker {
    process: Child,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    since: Instant,
}

impl Keeper {
    /// Starts the first worker; it listens when this returns.
    ///
    /// # Errors
    /// [`BootstrapError::Legacy`].
    pub async fn start(
        orders: Orders,
        listeners: Vec<TcpListener>,
        desk: Desk,
        user: &str,
    ) -> Result<Self, BootstrapError> {
        if listeners.len() > MOST_SOCKETS {
            return Err(BootstrapError::Legacy(format!(
                "at most {MOST_SOCKETS} listeners are possible"
            )));
        }
        let worker = start(&orders, &listeners, user).await.map_err(BootstrapError::Legacy)?;
        Ok(Self {
            orders,
            listeners,
            desk,
            user: user.to_owned(),
            worker,
        })
    }

    /// Answers the worker until `stop` holds `true`, and starts it again where it ends before.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wait = FIRST_WAIT;
        loop {
            let since = self.worker.since;
            let stopped = attend(&mut self.worker, &self.desk, &mut stop).await;
            end(&mut self.worker.process).await;
            if stopped {
                return;
            }
            if since.elapsed() >= SETTLED {
                wait = FIRST_WAIT;
            }
            tracing::error!(?wait, "the process for the legacy suites ended: it is started again");
            metrics::counter!("hardline_bootstrap_legacy_restarts_total").increment(1);
            loop {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = shutdown::requested(&mut stop) => return,
                }
                wait = (wait * 2).min(LONGEST_WAIT);
                match start(&self.orders, &self.listeners, &self.user).await {
                    Ok(worker) => {
                        self.worker = worker;
                        break;
                    }
                    Err(error) => tracing::error!(error, ?wait, "the process for the legacy suites does not start"),
                }
            }
        }
    }
}

/// Starts a worker, hands it the sockets and its orders, and waits until it listens.
async fn start(orders: &Orders, listeners: &[TcpListener], user: &str) -> Result<Worker, String> {
    let failed = |error: std::io::Error| format!("the process does not start: {error}");
    let (near, far) = StdUnixStream::pair().map_err(failed)?;
    let process = Command::new(PROGRAM)
        .arg0("hardline")
        .args([WORKER, "--user", user])
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(far)))
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut process = process;
    match introduce(near, orders, listeners).await {
        Ok((reader, writer)) => Ok(Worker {
            process,
            reader,
            writer,
            since: Instant::now(),
        }),
        Err(error) => {
            end(&mut process).await;
            Err(error)
        }
    }
}

async fn introduce(
    near: StdUnixStream,
    orders: &Orders,
    listeners: &[TcpListener],
) -> Result<(BufReader<OwnedReadHalf>, OwnedWriteHalf), String> {
    let failed = |error: std::io::Error| format!("the private socket: {error}");
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(&near, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)
        .map_err(|error| format!("the private socket: {error}"))?;
    near.set_nonblocking(true).map_err(failed)?;
    let (reader, mut writer) = UnixStream::from_std(near).map_err(failed)?.into_split();
    let mut reader = BufReader::new(reader);
    let octets = zeroize::Zeroizing::new(Downward::Orders(orders.to_octets()).to_octets());
    writer.write_all(&octets).await.map_err(failed)?;
    let first = tokio::time::timeout(STARTING, next(&mut reader)).await;
    match first.ok().flatten().as_deref().and_then(Upward::from_octets) {
        Some(Upward::Ready) => Ok((reader, writer)),
        _ => Err("the process does not listen; it says why on standard error".into()),
    }
}

/// Answers a worker until it ends, or is told to; whether it was told to.
async fn attend(worker: &mut Worker, desk: &Desk, stop: &mut watch::Receiver<bool>) -> bool {
    let (sender, mut frames) = mpsc::channel::<Vec<u8>>(IN_FLIGHT);
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    let Worker { reader, writer, .. } = worker;
    let listening = async {
        while let Some(frame) = next(reader).await.as_deref().and_then(Upward::from_octets) {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                break;
            };
            let (desk, sender) = (desk.clone(), sender.clone());
            tokio::spawn(async move {
                if let Some(frame) = reply(&desk, frame).await {
                    // Where the worker is gone, so is whoever asked.
                    let _ = sender.send(frame.to_octets()).await;
                }
                drop(permit);
            });
        }
    };
    let writing = async {
        let mut waiting = Vec::new();
        while frames.recv_many(&mut waiting, AT_ONCE).await > 0 {
            let octets = zeroize::Zeroizing::new(waiting.concat());
            waiting.clear();
            if writer.write_all(&octets).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = listening => return false,
        () = writing => return false,
        () = shutdown::requested(stop) => {}
    }
    // The listener's futures are gone with their select; what was asked before is not answered any more.
    let _ = worker.writer.write_all(&Downward::Stop.to_octets()).await;
    true
}

async fn reply(desk: &Desk, frame: Upward) -> Option<Downward> {
    match frame {
        Upward::Judge { id, peer, chain } => {
            let alert = desk.judge(&chain, peer).err().unwrap_or(0);
            Some(Downward::Verdict { id, alert })
        }
        Upward::Ask { id, ask } => Some(Downward::Answer {
            id,
            answer: desk.answer(ask).await,
        }),
        Upward::Ended { end, peer } => {
            match ENDS.get(usize::from(end)) {
                Some(&"no_certificate") => desk.refused_certificate(&super::super::verifier::Refused::none(), peer),
                Some(word) => desk.dropped(word, peer),
                None => {}
            }
            None
        }
        Upward::Ready => None,
    }
}

/// Waits for a process to end, and kills it where it does not.
async fn end(process: &mut Child) {
    let deadline = Instant::now() + STOPPING;
    while matches!(process.try_wait(), Ok(None)) {
        if Instant::now() >= deadline {
            let _ = process.kill();
            let _ = process.wait();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
