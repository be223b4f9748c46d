//! The worker: listens on sockets that it was handed, ends TLS, and asks the server for everything else.

use std::collections::HashMap;
use std::io::{BufReader, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use openssl::ssl::ErrorCode;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_openssl::SslStream;

use super::super::alert::{Alerting, HANDSHAKE_FAILURE, Rewrite};
use super::super::ask::{Answer, Answering, Ask};
use super::super::http;
use super::super::limits::{Limits, source_of};
use super::channel::{Downward, ENDS, Upward, next_blocking};
use super::orders::Orders;
use super::privileges;
use super::tls::{Handshake, Terminal};
use crate::service::connections::part;
use crate::service::gate::{Gate, Pass};

/// The command that is the worker.
pub const WORKER: &str = "bootstrap-worker";

/// Listening sockets that can be handed over at once.
pub(super) const MOST_SOCKETS: usize = 64;
/// How long an answer of the server is awaited.
const ANSWER: Duration = Duration::from_secs(20);
/// How long connections may go on when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The wait after the system refused to accept a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs the worker until the server stops it or is gone. Standard input is the private socket.
///
/// # Errors
/// Why it cannot start; the server reports it.
pub fn run(user: &str) -> Result<(), String> {
    privileges::give_up(user)?;
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let mut socket = UnixStream::from(socket.map_err(|error| format!("the private socket: {error}"))?);
    let sockets = receive_sockets(&socket)?;
    let orders = match next_blocking(&mut socket).as_deref().and_then(Downward::from_octets) {
        Some(Downward::Orders(orders)) => Orders::from_octets(orders.expose()),
        _ => None,
    };
    let orders = orders.ok_or("the server's orders cannot be read")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(serve(socket, sockets, orders))
}

/// The listening sockets, which come with the first octet.
fn receive_sockets(socket: &UnixStream) -> Result<Vec<OwnedFd>, String> {
    let mut octet = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut octet)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .map_err(|error| format!("the private socket: {error}"))?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    Ok(sockets)
}

async fn serve(socket: UnixStream, sockets: Vec<OwnedFd>, orders: Orders) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let (stop, stopping) = watch::channel(false);
    let server = Server::new(socket.try_clone().map_err(failed)?);
    let judge = {
        let server = server.clone();
        move |peer, chain| server.judge(peer, chain)
    };
    let terminal = Arc::new(Terminal::new(&orders, judge)?);
    let limits = orders.limits;
    drop(orders);
    let gate = Gate::new(limits.connections);
    for socket in sockets {
        let listener = TcpListener::from(socket);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let connections = Connections {
            terminal: Arc::clone(&terminal),
            server: server.clone(),
            gate: Arc::clone(&gate),
            limits,
        };
        tokio::spawn(connections.accept(listener, stopping.clone()));
    }
    server.say(&Upward::Ready);
    let (done, ended) = oneshot::channel();
    let listening = server.clone();
    std::thread::spawn(move || {
        listening.listen(socket, &stop);
        // Nobody waits any more where the whole has ended.
        let _ = done.send(());
    });
    let _ = ended.await;
    let deadline = tokio::time::Instant::now() + LAST_ANSWERS;
    while gate.is_busy() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The other end of the private socket. Its answers are read by a thread of their own, so that a handshake may wait for one
/// where it cannot do otherwise.
#[derive(Clone)]
struct Server(Arc<Private>);

struct Private {
    socket: Mutex<UnixStream>,
    last: AtomicU32,
    verdicts: Mutex<HashMap<u32, mpsc::SyncSender<u8>>>,
    answers: Mutex<HashMap<u32, oneshot::Sender<Answer>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Private {
            socket: Mutex::new(socket),
            last: AtomicU32::new(0),
            verdicts: Mutex::default(),
            answers: Mutex::default(),
        }))
    }

    fn say(&self, frame: &Upward) {
        // Where the server is gone, the listening thread sees it too, and this process ends.
        let _ = locked(&self.0.socket).write_all(&frame.to_octets());
    }

    fn next_id(&self) -> u32 {
        self.0.last.fetch_add(1, Ordering::Relaxed)
    }

    /// 0, or the alert that the chain is refused with. Waits: OpenSSL asks in the middle of a handshake.
    fn judge(&self, peer: SocketAddr, chain: Arc<Vec<Vec<u8>>>) -> u8 {
        let (sender, verdict) = mpsc::sync_channel(1);
        let id = self.next_id();
        locked(&self.0.verdicts).insert(id, sender);
        self.say(&Upward::Judge { id, peer, chain });
        let alert = verdict.recv_timeout(ANSWER).unwrap_or(HANDSHAKE_FAILURE);
        locked(&self.0.verdicts).remove(&id);
        alert
    }

    fn ended(&self, word: &str, peer: SocketAddr) {
        if let Some(end) = ENDS.iter().position(|end| *end == word) {
            let end = u8::try_from(end).unwrap_or(u8::MAX);
            self.say(&Upward::Ended { end, peer });
        }
    }

    /// Takes what the server says, until it says stop or nothing any more.
    fn listen(&self, socket: UnixStream, stop: &watch::Sender<bool>) {
        let mut socket = BufReader::new(socket);
        while let Some(frame) = next_blocking(&mut socket).as_deref().and_then(Downward::from_octets) {
            match frame {
                Downward::Verdict { id, alert } => {
                    let waiting = locked(&self.0.verdicts).remove(&id);
                    if let Some(waiting) = waiting {
                        let _ = waiting.try_send(alert);
                    }
                }
                Downward::Answer { id, answer } => {
                    let waiting = locked(&self.0.answers).remove(&id);
                    if let Some(waiting) = waiting {
                        let _ = waiting.send(answer);
                    }
                }
                Downward::Stop => {
                    let _ = stop.send(true);
                    return;
                }
                Downward::Orders(_) => {}
            }
        }
        // Without the server there is nothing to serve, nor to wait for.
        std::process::exit(0);
    }
}

impl Answering for Server {
    async fn answer(&self, ask: Ask) -> Answer {
        let (sender, answer) = oneshot::channel();
        let id = self.next_id();
        locked(&self.0.answers).insert(id, sender);
        self.say(&Upward::Ask { id, ask });
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(answer)) => answer,
            _ => {
                locked(&self.0.answers).remove(&id);
                Answer::refusal(503, "the document cannot be served now")
            }
        }
    }
}

#[derive(Clone)]
struct Connections {
    terminal: Arc<Terminal>,
    server: Server,
    gate: Arc<Gate>,
    limits: Limits,
}

impl Connections {
    async fn accept(self, listener: tokio::net::TcpListener, mut stop: watch::Receiver<bool>) {
        let stopping = stop.clone();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.gate.admit(source_of(peer.ip()), self.limits.per_source) {
                    Ok(pass) => {
                        tokio::spawn(self.clone().connection(stream, peer, pass, stopping.clone()));
                    }
                    Err(limit) => self.server.ended(limit, peer),
                },
                // The server counts nothing of this; what is wrong here is its own limit of descriptors.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, _pass: Pass, stop: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        // What a handshake needs is given back when it is over: the connection may wait for long.
        let Some((stream, handshake)) = Box::pin(self.handshake(stream, peer)).await else {
            return;
        };
        let who = move |stream: &Secured| handshake.client(stream.ssl());
        if let Err(fault) = http::serve(stream, who, &self.limits, self.server.clone(), stop).await {
            self.server.ended(fault, peer);
        }
    }

    /// The stream of a peer that proved who it is, and what is known of its handshake.
    async fn handshake(&self, stream: TcpStream, peer: SocketAddr) -> Option<(Secured, Arc<Handshake>)> {
        let deadline = tokio::time::Instant::now() + self.limits.handshake;
        // OpenSSL takes its share of memory when a peer begins to speak, and not before.
        match tokio::time::timeout_at(deadline, stream.peek(&mut [0])).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return self.failed("connection_lost", peer),
            Err(_) => return self.failed("handshake_timeout", peer),
        }
        let Ok((ssl, handshake)) = self.terminal.begin(peer) else {
            return self.failed("connection_lost", peer);
        };
        // OpenSSL has one alert for every refusal of ours.
        let stream = Alerting::new(stream, Verdict(Arc::clone(&handshake)));
        let Ok(mut stream) = SslStream::new(ssl, stream) else {
            return self.failed("connection_lost", peer);
        };
        match tokio::time::timeout_at(deadline, Pin::new(&mut stream).accept()).await {
            Ok(Ok(())) => return Some((stream, handshake)),
            Err(_) => self.server.ended("handshake_timeout", peer),
            Ok(Err(error)) => {
                if handshake.alert().is_none() {
                    self.server.ended(fault(&error), peer);
                }
                part(stream.get_mut()).await;
            }
        }
        None
    }

    fn failed<T>(&self, word: &str, peer: SocketAddr) -> Option<T> {
        self.server.ended(word, peer);
        None
    }
}

/// A stream behind its handshake.
type Secured = SslStream<Alerting<TcpStream, Verdict>>;

/// The alert that was decided on, in place of OpenSSL's.
struct Verdict(Arc<Handshake>);

impl Rewrite for Verdict {
    fn description(&self, alert: u8) -> u8 {
        self.0.alert().unwrap_or(alert)
    }
}

/// A fixed word for a handshake that failed before a certificate was judged.
fn fault(error: &openssl::ssl::Error) -> &'static str {
    let reason = |text: &str| {
        let errors = error
            .ssl_error()
            .map(openssl::error::ErrorStack::errors)
            .unwrap_or_default();
        errors
            .iter()
            .any(|error| error.reason().is_some_and(|reason| reason.contains(text)))
    };
    match error.code() {
        ErrorCode::SSL if reason("peer did not return a certificate") => "no_certificate",
        ErrorCode::SSL if reason("alert") => "alert_received",
        ErrorCode::SSL if reason("no shared cipher") || reason("unsupported protocol") => "incompatible",
        ErrorCode::SSL => "malformed",
        _ => "connection_lost",
    }
}
