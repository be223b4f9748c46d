//! One worker: two sockets, a table of transfers, and the file source's answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::request::{Refused, acceptable, refusal_error};
use super::table::{Entry, Stage, Table, TransferId};
use super::{Sockets, TftpSettings};
use crate::service::drops;
use crate::service::files::{Bytes, FileRequest, FileSource, Outcome, Refusal};
use crate::service::shutdown;
use crate::settings::Service;
use crate::value::Timestamp;
use crate::wire::tftp::{Action, ErrorCode, Failure, Packet, RequestOptions, Transfer, negotiate};

/// Room for one datagram. The longest that is any good has 512 octets; what is cut off here is too long anyway.
const DATAGRAM: usize = 1024;

/// Datagrams taken from one socket before the other, time and the file source have their turn.
const BATCH: usize = 64;

/// How long the file source may take to hear of the last outcomes when the service stops.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// What the file source was asked, and its answer.
enum Answer {
    Opened {
        request: FileRequest,
        id: TransferId,
        result: Result<Bytes, Refusal>,
    },
    Reported,
}

pub(super) struct Worker<S> {
    requests: UdpSocket,
    transfers: UdpSocket,
    source: Arc<S>,
    settings: TftpSettings,
    clock: Clock,
    table: Table,
    questions: JoinSet<Answer>,
    /// The packet being built.
    packet: Vec<u8>,
}

/// A clock that neither stands still nor jumps when the system's is set.
struct Clock {
    started: Instant,
    base: Timestamp,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed())
    }

    fn instant(&self, at: Timestamp) -> Instant {
        self.started + at.since(self.base)
    }
}

impl<S: FileSource> Worker<S> {
    pub(super) fn new(sockets: Sockets, source: Arc<S>, settings: TftpSettings) -> Self {
        Self {
            requests: sockets.requests,
            transfers: sockets.transfers,
            source,
            settings,
            clock: Clock {
                started: Instant::now(),
                base: Timestamp::now(),
            },
            table: Table::default(),
            questions: JoinSet::new(),
            packet: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut buffer = [0; DATAGRAM];
        loop {
            let alarm = self.table.next_alarm().map(|at| self.clock.instant(at));
            tokio::select! {
                () = shutdown::requested(&mut shutdown) => break,
                Ok(()) = self.requests.readable() => self.take_requests(&mut buffer).await,
                Ok(()) = self.transfers.readable() => self.take_replies(&mut buffer).await,
                Some(answer) = self.questions.join_next() => {
                    // A file source that panicked leaves its entry to the alarm.
                    if let Ok(Answer::Opened { request, id, result }) = answer {
                        self.opened(request, id, result).await;
                    }
                }
                () = tokio::time::sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => {
                    self.tick().await;
                }
            }
        }
        self.stop().await;
    }

    async fn take_requests(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let Some((datagram, client)) = received(self.requests.try_recv_from(buffer), buffer) else {
                return;
            };
            self.request(datagram, client).await;
        }
    }

    async fn take_replies(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let Some((datagram, client)) = received(self.transfers.try_recv_from(buffer), buffer) else {
                return;
            };
            self.reply(datagram, client).await;
        }
    }

    /// A datagram on the listening port.
    async fn request(&mut self, datagram: &[u8], client: SocketAddr) {
        match Packet::decode(datagram) {
            Err(error) => drops::count(Service::Tftp, error.reason(), client, error.offset()),
            Ok(Packet::Read(request)) => match acceptable(&request, client) {
                Ok((request, options)) => self.begin(request, options).await,
                Err(refused) => self.refuse(client, refused).await,
            },
            Ok(Packet::Write(_)) => self.refuse(client, Refused::WRITE).await,
            Ok(Packet::Error { .. }) => drops::count(Service::Tftp, "stray_error", client, 0),
            Ok(_) => self.refuse(client, Refused::STRAY).await,
        }
    }

    async fn refuse(&mut self, client: SocketAddr, refused: Refused) {
        drops::count(Service::Tftp, refused.reason, client, 0);
        self.send_error(client, refused.code, refused.message).await;
    }

    async fn begin(&mut self, request: FileRequest, options: RequestOptions) {
        let client = request.peer;
        let now = self.clock.now();
        if let Some(entry) = self.table.get_mut(client)
            && entry.request == request
            && entry.options == options
        {
            metrics::counter!("hardline_tftp_repeated_requests_total").increment(1);
            if let Stage::Sending { transfer, .. } = &mut entry.stage {
                let action = transfer.repeat(now);
                self.perform(client, action).await;
            }
            return;
        }
        if !self.make_room(client) {
            return self.refuse(client, Refused::FULL).await;
        }
        metrics::counter!("hardline_tftp_requests_total").increment(1);
        let open_until = now.plus(self.settings.open_timeout);
        let (id, replaced) = self.table.insert(request.clone(), options, now, open_until);
        if let Some(replaced) = replaced {
            self.failed(replaced, "the client asked for something else");
        }
        let (source, limit) = (Arc::clone(&self.source), self.settings.open_timeout);
        self.questions.spawn(async move {
            let answer = tokio::time::timeout(limit, source.open(&request)).await;
            Answer::Opened {
                request,
                id,
                result: answer.unwrap_or(Err(Refusal::Busy)),
            }
        });
    }

    /// Whether one more transfer fits, after the oldest half-open one gave way where it must.
    fn make_room(&mut self, client: SocketAddr) -> bool {
        // Questions count too: an outcome that is not recorded yet still takes memory.
        if self.questions.len() >= self.settings.max_transfers.saturating_mul(2) {
            return false;
        }
        if self.table.len() < self.settings.max_transfers || self.table.contains(client) {
            return true;
        }
        let Some(oldest) = self.table.remove_oldest_half_open() else {
            return false;
        };
        drops::count(Service::Tftp, "evicted", oldest.request.peer, 0);
        self.failed(oldest, "gave way to newer requests");
        true
    }

    /// The file source answered.
    async fn opened(&mut self, request: FileRequest, id: TransferId, result: Result<Bytes, Refusal>) {
        let now = self.clock.now();
        let client = request.peer;
        let Some(entry) = self.table.get_mut(client).filter(|entry| entry.id == id) else {
            return self.opened_in_vain(request, result);
        };
        let content = match result {
            Ok(content) => content,
            Err(refusal) => {
                self.table.remove(client);
                let (code, message) = refusal_error(refusal);
                metrics::counter!("hardline_tftp_refused_total", "error" => code.0.to_string()).increment(1);
                return self.send_error(client, code, message).await;
            }
        };
        let size = content.len() as u64;
        let negotiation = negotiate(&entry.options, size, &self.settings.limits);
        let (transfer, first) = Transfer::new(size, &negotiation, self.settings.pace, now);
        entry.stage = Stage::Sending {
            transfer,
            content,
            granted: negotiation.granted,
        };
        self.table.set_alarm(client);
        self.perform(client, first).await;
    }

    /// The file source allowed a request that has gone meanwhile; it hears that nothing came of it.
    fn opened_in_vain(&mut self, request: FileRequest, result: Result<Bytes, Refusal>) {
        if result.is_ok() {
            let reason = "the request was gone when the file was ready".to_owned();
            let outcome = Outcome::Failed {
                reason,
                bytes: 0,
                retransmissions: 0,
                elapsed: Duration::ZERO,
            };
            self.report(request, outcome, "failed");
        }
    }

    /// A datagram on the transfers' port.
    async fn reply(&mut self, datagram: &[u8], client: SocketAddr) {
        let packet = match Packet::decode(datagram) {
            Ok(packet) => packet,
            Err(error) => return drops::count(Service::Tftp, error.reason(), client, error.offset()),
        };
        let now = self.clock.now();
        let transfer = self.table.get_mut(client).map(|entry| &mut entry.stage);
        match (packet, transfer) {
            (Packet::Ack { block }, Some(Stage::Sending { transfer, .. })) => {
                let action = transfer.acknowledge(block, now);
                self.perform(client, action).await;
            }
            (Packet::Error { code, .. }, Some(Stage::Sending { .. })) => {
                if let Some(entry) = self.table.remove(client) {
                    self.failed(entry, &Failure::Peer { code }.to_string());
                }
            }
            (Packet::Error { .. }, _) => drops::count(Service::Tftp, "stray_error", client, 0),
            (_, None) => self.refuse(client, Refused::STRAY).await,
            // What only a server sends, or a request, or an ACK of nothing: it disturbs the transfer as little as a
            // stranger's would.
            (_, Some(_)) => drops::count(Service::Tftp, "out_of_place", client, 0),
        }
    }

    async fn tick(&mut self) {
        let now = self.clock.now();
        while let Some(client) = self.table.due(now) {
            let Some(entry) = self.table.get_mut(client) else {
                continue;
            };
            match &mut entry.stage {
                Stage::Opening(_) => {
                    self.table.remove(client);
                    self.refuse(client, Refused::SLOW).await;
                }
                Stage::Sending { transfer, .. } => {
                    let action = transfer.tick(now);
                    self.table.set_alarm(client);
                    self.perform(client, action).await;
                }
            }
        }
    }

    async fn perform(&mut self, client: SocketAddr, action: Action) {
        match action {
            Action::Wait => {}
            Action::OptionAck => self.send_option_ack(client).await,
            Action::Blocks(blocks) => {
                let Some(Entry {
                    stage: Stage::Sending { transfer, content, .. },
                    ..
                }) = self.table.get_mut(client)
                else {
                    return;
                };
                for block in blocks {
                    let payload = content.get(transfer.octets(block)).unwrap_or_default();
                    Packet::Data {
                        block: Transfer::wire_number(block),
                        payload,
                    }
                    .encode(&mut self.packet);
                    send(&self.transfers, &self.packet, client).await;
                }
            }
            Action::Done => {
                if let Some(entry) = self.table.remove(client) {
                    self.complete(entry);
                }
            }
            Action::Failed(failure) => {
                if let Some(entry) = self.table.remove(client) {
                    self.failed(entry, &failure.to_string());
                }
            }
        }
    }

    async fn send_option_ack(&mut self, client: SocketAddr) {
        let Some(Entry {
            stage: Stage::Sending {
                granted: Some(granted), ..
            },
            ..
        }) = self.table.get_mut(client)
        else {
            return;
        };
        granted.encode_option_ack(&mut self.packet);
        send(&self.transfers, &self.packet, client).await;
    }

    /// ERRORs go from the transfers' port, as any answer does.
    async fn send_error(&mut self, client: SocketAddr, code: ErrorCode, message: &str) {
        Packet::Error {
            code,
            message: message.as_bytes(),
        }
        .encode(&mut self.packet);
        send(&self.transfers, &self.packet, client).await;
    }

    fn complete(&mut self, entry: Entry) {
        let Stage::Sending { transfer, .. } = &entry.stage else {
            return;
        };
        let outcome = Outcome::Complete {
            bytes: transfer.acknowledged_octets(),
            retransmissions: transfer.retransmissions(),
            elapsed: self.clock.now().since(entry.since),
        };
        self.report(entry.request, outcome, "complete");
    }

    /// A request that was not opened yet failed without the file source having allowed it: there is nothing to report.
    fn failed(&mut self, entry: Entry, reason: &str) {
        let Stage::Sending { transfer, .. } = &entry.stage else {
            return;
        };
        let outcome = Outcome::Failed {
            reason: reason.to_owned(),
            bytes: transfer.acknowledged_octets(),
            retransmissions: transfer.retransmissions(),
            elapsed: self.clock.now().since(entry.since),
        };
        self.report(entry.request, outcome, "failed");
    }

    fn report(&mut self, request: FileRequest, outcome: Outcome, result: &'static str) {
        let (Outcome::Complete {
            retransmissions,
            elapsed,
            bytes,
        }
        | Outcome::Failed {
            retransmissions,
            elapsed,
            bytes,
            ..
        }) = &outcome;
        metrics::counter!("hardline_tftp_transfers_total", "result" => result).increment(1);
        metrics::counter!("hardline_tftp_bytes_total").increment(*bytes);
        metrics::counter!("hardline_tftp_retransmissions_total").increment((*retransmissions).into());
        metrics::histogram!("hardline_tftp_transfer_seconds", "result" => result).record(elapsed.as_secs_f64());
        let source = Arc::clone(&self.source);
        self.questions.spawn(async move {
            source.finished(&request, &outcome).await;
            Answer::Reported
        });
    }

    async fn stop(mut self) {
        for entry in self.table.drain() {
            self.send_error(entry.request.peer, ErrorCode::UNDEFINED, "the server stops; ask again")
                .await;
            self.failed(entry, "the server stopped");
        }
        let reports = async {
            while let Some(answer) = self.questions.join_next().await {
                if let Ok(Answer::Opened { request, result, .. }) = answer {
                    self.opened_in_vain(request, result);
                }
            }
        };
        let _ = tokio::time::timeout(LAST_REPORTS, reports).await;
    }
}

/// The datagram in `buffer`, or `None` where there is none now.
fn received(result: io::Result<(usize, SocketAddr)>, buffer: &[u8]) -> Option<(&[u8], SocketAddr)> {
    match result {
        Ok((length, client)) => Some((buffer.get(..length)?, client)),
        Err(error) => {
            if error.kind() != io::ErrorKind::WouldBlock {
                metrics::counter!("hardline_tftp_socket_errors_total").increment(1);
            }
            None
        }
    }
}

/// Sends; what the system does not take is lost like any datagram, and is sent again in time.
async fn send(socket: &UdpSocket, packet: &[u8], client: SocketAddr) {
    if let Err(error) = socket.send_to(packet, client).await {
        metrics::counter!("hardline_tftp_socket_errors_total").increment(1);
        tracing::debug!(%client, %error, "a datagram was not sent");
    }
}
