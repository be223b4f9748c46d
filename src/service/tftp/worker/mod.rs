//! One worker: its sockets, its table of transfers, and the file source's answers.

mod clock;
mod ending;
mod inboxes;
mod sending;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

use self::clock::Clock;
use self::inboxes::{Inboxes, REQUEST_BATCHES};
use self::sending::{Line, Then};
use super::counters::Counters;
use super::ports::Sockets;
use super::request::{Refused, acceptable, refusal_error};
use super::table::{Place, Stage, Table, TransferId};
use super::{Served, Serving};
use crate::service::batch::{BATCH, Local};
use crate::service::files::{FileRequest, FileSource, Opened, Refusal};
use crate::service::{drops, opening};
use crate::settings::Service;
use crate::value::Timestamp;
use crate::wire::tftp::{ErrorCode, Failure, Packet, RequestOptions, Transfer, negotiate};

/// With so many transfers under way, a turn that found only a few datagrams is followed by a rest, in which more of them come:
/// to be woken for each one costs more than to serve it. After the rest they are looked for at once.
const MANY: usize = 32;

/// What counts as a few.
const FEW: usize = BATCH / 2;

/// How long such a rest is. A round trip through a cable network takes milliseconds, so that no client waits noticeably longer.
const REST: Duration = Duration::from_micros(100);

/// Batches that are taken from one port while there is more, before requests are looked at.
const FULL_BATCHES: usize = 64;

/// Turns after which the runtime looks at the sockets again even where there is more to do.
const TURNS: u32 = 8;

/// How long the file source may take to hear of the last outcomes when the service stops.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// No alarm is set.
const NEVER: Duration = Duration::from_secs(86_400);

/// What the workers of a service have in common.
pub(super) struct Shared<S> {
    pub(super) served: Served<S>,
    /// How many workers share the transfers of a listening address.
    pub(super) workers: usize,
    /// Where the file source is asked, if it does not answer at once.
    pub(super) runtime: Handle,
}

/// What the file source was asked, and its answer.
enum Answer<D> {
    Opened {
        request: Arc<FileRequest>,
        id: TransferId,
        result: Result<Opened<D>, Refusal>,
    },
    Reported,
}

type Question<D> = Pin<Box<dyn Future<Output = Answer<D>> + Send>>;

struct Worker<S: FileSource> {
    requests: UdpSocket,
    line: Line,
    /// The port of the next transfers.
    next_port: usize,
    shared: Shared<S>,
    /// What is served, as of this turn.
    serving: Arc<Serving<S>>,
    clock: Clock,
    table: Table<S::Delivery>,
    questions: JoinSet<Answer<S::Delivery>>,
    counters: Counters,
}

/// What a worker does after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It waits until the runtime wakes it.
    Wait,
    /// It looks at its sockets again.
    Look,
}

/// Runs a worker on this thread until nothing is served any more.
pub(super) fn run<S: FileSource>(sockets: Sockets, shared: Shared<S>) -> io::Result<()> {
    let Some(serving) = shared.served.borrow().clone() else {
        return Ok(());
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let worker = Worker::new(sockets, shared, serving)?;
        // The worker shares its turns out by itself.
        tokio::task::unconstrained(worker.run()).await;
        Ok(())
    })
}

impl<S: FileSource> Worker<S> {
    fn new(sockets: Sockets, shared: Shared<S>, serving: Arc<Serving<S>>) -> io::Result<Self> {
        let registered = |socket: StdUdpSocket| UdpSocket::from_std(socket);
        let counters = Counters::new();
        let ports: io::Result<_> = sockets.transfers.into_iter().map(registered).collect();
        Ok(Self {
            serving,
            requests: registered(sockets.requests)?,
            line: Line::new(ports?, counters.socket_errors.clone()),
            next_port: 0,
            shared,
            clock: Clock::new(),
            table: Table::default(),
            questions: JoinSet::new(),
            counters,
        })
    }

    async fn run(mut self) {
        let mut inboxes = Inboxes::new(self.counters.socket_errors.clone());
        let mut alarm = pin!(tokio::time::sleep(NEVER));
        let (mut turn, mut after) = (0u32, After::Wait);
        loop {
            turn = turn.wrapping_add(1);
            let due = turn.is_multiple_of(TURNS);
            if due {
                tokio::task::yield_now().await;
            }
            let answer = if due || after == After::Wait {
                match self.woken(alarm.as_mut()).await {
                    Some(answer) => answer,
                    None => break,
                }
            } else {
                self.questions.try_join_next().and_then(Result::ok)
            };
            after = self.turn(answer, after == After::Look, &mut inboxes);
        }
        self.stop().await;
    }

    /// Serves what is there: what the runtime has heard of, and, where it says `all`, what came since.
    fn turn(&mut self, answer: Option<Answer<S::Delivery>>, all: bool, inboxes: &mut Inboxes) -> After {
        // What is under way comes first: a flood of requests must not delay it. But the requests are received before it:
        // a client's last ACK, which it sent before it asked again from the same port, is then among the replies.
        let asked = inboxes.receive_requests(&self.requests, all);
        let mut replies = 0;
        for port in 0..self.line.ports.len() {
            replies += self.take_replies(port, all || asked > 0, inboxes);
        }
        self.take_requests(inboxes);
        if let Some(answer) = answer {
            self.answered(answer);
            self.take_answers();
        }
        self.tick();
        self.line.flush();
        let taken = asked + replies;
        if taken == 0 || self.table.len() < MANY {
            return After::Wait;
        }
        if taken < FEW {
            std::thread::sleep(REST);
        }
        After::Look
    }

    /// Waits until there is something to do: `None` says to stop, else there may be an answer of the file source.
    async fn woken(&mut self, mut alarm: Pin<&mut Sleep>) -> Option<Option<Answer<S::Delivery>>> {
        let at = self.table.next_alarm().map(|at| self.clock.instant(at));
        if let Some(at) = at
            && at != alarm.deadline()
        {
            alarm.as_mut().reset(at);
        }
        let (answer, changes) = {
            let mut changed = pin!(self.shared.served.changed());
            poll_fn(|context| {
                if let Poll::Ready(changes) = changed.as_mut().poll(context) {
                    return Poll::Ready((None, Some(changes)));
                }
                let mut ready = self.requests.poll_recv_ready(context).is_ready();
                for port in &self.line.ports {
                    ready |= port.poll_recv_ready(context).is_ready();
                }
                ready |= at.is_some() && alarm.as_mut().poll(context).is_ready();
                match self.questions.poll_join_next(context) {
                    // A file source that panicked leaves its entry to the alarm.
                    Poll::Ready(Some(answer)) => Poll::Ready((answer.ok(), None)),
                    _ if ready => Poll::Ready((None, None)),
                    _ => Poll::Pending,
                }
            })
            .await
        };
        if let Some(changes) = changes {
            changes.ok()?;
            self.serving = self.shared.served.borrow_and_update().clone()?;
        }
        Some(answer)
    }

    fn take_requests(&mut self, inboxes: &Inboxes) {
        for (inbox, received) in inboxes.requests() {
            // One port for the whole batch: its answers go out together.
            self.next_port = (self.next_port + 1) % self.line.ports.len().max(1);
            for (received, datagram) in (0..received).filter_map(|index| inbox.get(index)) {
                self.request(datagram, received.from, received.local);
            }
        }
    }

    /// What came to one port.
    fn take_replies(&mut self, port: usize, all: bool, inboxes: &mut Inboxes) -> usize {
        let mut taken = 0;
        for _ in 0..FULL_BATCHES {
            let Some(socket) = self.line.ports.get(port) else { break };
            let received = inboxes.receive_replies(socket, all);
            let now = self.clock.now();
            for (received, datagram) in (0..received).filter_map(|index| inboxes.replies.get(index)) {
                self.reply(datagram, received.from, port, now);
            }
            taken += received;
            if received < BATCH {
                break;
            }
        }
        taken
    }

    /// The answers of the file source that are there as well. As many as requests are taken in a turn, else those who begin at
    /// once would wait for turns that serve those who have begun.
    fn take_answers(&mut self) {
        for _ in 0..REQUEST_BATCHES * BATCH {
            match self.questions.try_join_next() {
                Some(Ok(answer)) => self.answered(answer),
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    /// A datagram on the listening port.
    fn request(&mut self, datagram: &[u8], client: SocketAddr, local: Option<Local>) {
        if !self.serving.sources.admits(client.ip(), Instant::now().into_std()) {
            return drops::count(Service::Tftp, "rate_of_source", client, 0);
        }
        let place = Place {
            port: self.next_port,
            local,
        };
        let from_relay = || self.serving.settings.is_relay(client.ip());
        match Packet::decode(datagram) {
            Err(error) => drops::count(Service::Tftp, error.reason(), client, error.offset()),
            Ok(Packet::Read(request)) => match acceptable(&request, client, from_relay()) {
                Ok((request, options)) => self.begin(request, options, place),
                Err(refused) => self.refuse(client, place, refused),
            },
            Ok(Packet::Write(_)) => self.refuse(client, place, Refused::WRITE),
            Ok(Packet::Error { .. }) => drops::count(Service::Tftp, "stray_error", client, 0),
            Ok(_) => self.refuse(client, place, Refused::STRAY),
        }
    }

    fn refuse(&mut self, client: SocketAddr, place: Place, refused: Refused) {
        drops::refused(Service::Tftp, refused.reason, client, None, &refused.detail());
        self.line.send_error(client, place, refused.code, &refused.message);
    }

    fn begin(&mut self, request: FileRequest, options: RequestOptions, place: Place) {
        let client = request.peer;
        let now = self.clock.now();
        if let Some(entry) = self.table.get_mut(client)
            && *entry.request == request
            && entry.options == options
            && !entry.is_abandoned()
        {
            self.counters.repeated.increment(1);
            if let Stage::Sending { transfer, .. } = &mut entry.stage {
                let action = transfer.repeat(now);
                let then = self.line.perform(entry, action);
                self.finish(client, then);
            }
            return;
        }
        let place = self.away_from_last(client, place);
        if !self.serving.sources.opens(client.ip()) {
            return drops::count(Service::Tftp, "half_open_of_source", client, 0);
        }
        if !self.make_room(client) {
            self.serving.sources.answered(client.ip());
            return self.refuse(client, place, Refused::FULL);
        }
        self.counters.requests.increment(1);
        let open_until = now.plus(self.serving.settings.open_timeout);
        let request = Arc::new(request);
        let (id, replaced) = self.table.insert(request.clone(), options, place, now, open_until);
        if let Some(replaced) = replaced {
            self.failed(*replaced, "the client asked anew");
        }
        let source = self.serving.source.clone();
        let question = Box::pin(async move {
            let result = opening::to_the_end(&*source, &request).await;
            Answer::Opened { request, id, result }
        });
        match self.ask(question) {
            Some(answer) => self.answered(answer),
            None => self.table.set_alarm(client),
        }
    }

    /// `place`, or one of another port where the client's last transfer, which is not over yet, goes from that: what is still
    /// on its way, an ERROR about the last one among it, must not be taken for the new one's (RFC 1350 §4).
    fn away_from_last(&self, client: SocketAddr, place: Place) -> Place {
        match self.table.get(client) {
            Some(last) if last.place.port == place.port => Place {
                port: (place.port + 1) % self.line.ports.len().max(1),
                ..place
            },
            _ => place,
        }
    }

    /// Asks the file source. What it has at hand it answers at once, without a task; else the answer comes later.
    fn ask(&mut self, mut question: Question<S::Delivery>) -> Option<Answer<S::Delivery>> {
        let runtime = self.shared.runtime.clone();
        let _within = runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| question.as_mut().poll(&mut context)));
        match polled {
            Ok(Poll::Ready(answer)) => Some(answer),
            Ok(Poll::Pending) => {
                self.questions.spawn_on(question, &runtime);
                None
            }
            // The entry is left to its alarm.
            Err(_) => None,
        }
    }

    /// This worker's share of the transfers.
    fn most_transfers(&self) -> usize {
        self.serving.settings.max_transfers.div_ceil(self.shared.workers).max(1)
    }

    /// Whether one more transfer fits, after the oldest half-open one gave way where it must.
    fn make_room(&mut self, client: SocketAddr) -> bool {
        let most = self.most_transfers();
        // Questions count too: an outcome that is not recorded yet still takes memory.
        if self.questions.len() >= most.saturating_mul(2) {
            return false;
        }
        if self.table.len() < most || self.table.contains(client) {
            return true;
        }
        let Some(oldest) = self.table.remove_oldest_half_open() else {
            return false;
        };
        drops::count(Service::Tftp, "evicted", oldest.request.peer, 0);
        self.failed(*oldest, "gave way to newer requests");
        true
    }

    /// The file source answered.
    fn answered(&mut self, answer: Answer<S::Delivery>) {
        let Answer::Opened { request, id, result } = answer else {
            return;
        };
        let now = self.clock.now();
        let client = request.peer;
        let Some(entry) = self.table.get_mut(client).filter(|entry| entry.id == id) else {
            return self.opened_in_vain(request, result);
        };
        let Opened { content, delivery } = match result {
            Ok(opened) => opened,
            Err(refusal) => {
                let place = entry.place;
                self.remove(client);
                let (code, message) = refusal_error(refusal);
                metrics::counter!("hardline_tftp_refused_total", "error" => code.0.to_string()).increment(1);
                return self.line.send_error(client, place, code, message);
            }
        };
        let negotiation = negotiate(&entry.options, content.size(), &self.serving.settings.limits);
        let (transfer, first) = Transfer::new(content.size(), &negotiation, self.serving.settings.pace, now);
        entry.stage = Stage::Sending {
            transfer,
            content,
            delivery,
            granted: negotiation.granted,
        };
        let then = self.line.perform(entry, first);
        self.table.set_alarm(client);
        self.finish(client, then);
    }

    /// A datagram on a transfer port.
    fn reply(&mut self, datagram: &[u8], client: SocketAddr, port: usize, now: Timestamp) {
        let packet = match Packet::decode(datagram) {
            Ok(packet) => packet,
            Err(error) => return drops::count(Service::Tftp, error.reason(), client, error.offset()),
        };
        let Some(entry) = self.table.get_mut(client) else {
            return match packet {
                Packet::Error { .. } => drops::count(Service::Tftp, "stray_error", client, 0),
                _ => self.refuse(client, Place { port, local: None }, Refused::STRAY),
            };
        };
        if entry.place.port != port {
            // Late packets of the client's last transfer, which went from another port.
            return drops::count(Service::Tftp, "other_port", client, 0);
        }
        match (packet, &mut entry.stage) {
            (Packet::Ack { block }, Stage::Sending { transfer, .. }) => {
                let half_open = !transfer.is_answered();
                let action = transfer.acknowledge(block, now);
                if half_open && transfer.is_answered() {
                    self.serving.sources.answered(client.ip());
                }
                let then = self.line.perform(entry, action);
                self.finish(client, then);
            }
            (Packet::Error { code, .. }, Stage::Sending { .. }) => {
                self.finish(client, Then::Failed(Failure::Peer { code }));
            }
            (Packet::Error { .. }, Stage::Opening(_)) => drops::count(Service::Tftp, "stray_error", client, 0),
            // What only a server sends, or a request, or an ACK of nothing: it disturbs the transfer as little as a
            // stranger's would.
            _ => drops::count(Service::Tftp, "out_of_place", client, 0),
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        while let Some(client) = self.table.due(now) {
            let Some(entry) = self.table.get_mut(client) else {
                continue;
            };
            match &mut entry.stage {
                Stage::Opening(_) => {
                    let place = entry.place;
                    self.remove(client);
                    self.refuse(client, place, Refused::SLOW);
                }
                Stage::Sending { transfer, .. } => {
                    let action = transfer.tick(now);
                    let then = self.line.perform(entry, action);
                    self.table.set_alarm(client);
                    self.finish(client, then);
                }
            }
        }
    }

    /// What is left to do after a transfer's packets were sent.
    fn finish(&mut self, client: SocketAddr, then: Then) {
        if matches!(then, Then::Nothing) {
            return;
        }
        let Some(entry) = self.table.remove(client) else {
            return;
        };
        match then {
            Then::Nothing => {}
            Then::Done => self.complete(*entry),
            Then::Failed(failure) => self.failed(*entry, &failure.to_string()),
            Then::Unreadable(error) => {
                self.line
                    .send_error(client, entry.place, ErrorCode::UNDEFINED, "the file cannot be read");
                tracing::warn!(name = entry.request.name, %error, "a file cannot be read any more");
                self.failed(*entry, &format!("the file cannot be read: {error}"));
            }
        }
    }
}
