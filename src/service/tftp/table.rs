//! The transfers of one worker: found by client, woken by time, bounded in number. No I/O.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::service::batch::Local;
use crate::service::files::{Content, FileRequest};
use crate::value::Timestamp;
use crate::wire::tftp::{RequestOptions, Transfer};

/// Tells transfers of the same client apart.
pub(super) type TransferId = u64;

/// Which of the worker's ports, and which address of this machine, a client is answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// An index among the worker's ports.
    pub(super) port: usize,
    /// The address, where the port's socket has none of its own.
    pub(super) local: Option<Local>,
}

/// A request, and how far it has come.
#[derive(Debug)]
pub(super) struct Entry<D> {
    pub(super) id: TransferId,
    pub(super) request: Arc<FileRequest>,
    pub(super) options: RequestOptions,
    pub(super) place: Place,
    pub(super) since: Timestamp,
    pub(super) stage: Stage<D>,
}

/// How far a request has come.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "entries are being sent most of the time, and a box would cost more"
)]
pub(super) enum Stage<D> {
    /// The file source is being asked; given up at the time.
    Opening(Timestamp),
    /// The file is being sent.
    Sending {
        transfer: Transfer,
        content: Content,
        /// What the file source wants to know again at the end.
        delivery: D,
        /// The options of the OACK, if there is one.
        granted: Option<RequestOptions>,
    },
}

impl<D> Entry<D> {
    fn deadline(&self) -> Timestamp {
        match &self.stage {
            Stage::Opening(until) => *until,
            Stage::Sending { transfer, .. } => transfer.deadline(),
        }
    }

    /// Whether the client went on with the transfer and then fell silent: when it asks again, it does not mean this one.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(&self.stage, Stage::Sending { transfer, .. } if transfer.is_answered() && transfer.is_repeating())
    }

    pub(super) fn is_half_open(&self) -> bool {
        !matches!(&self.stage, Stage::Sending { transfer, .. } if transfer.is_answered())
    }
}

/// The transfers.
#[derive(Debug)]
pub(super) struct Table<D> {
    entries: HashMap<SocketAddr, Box<Entry<D>>>,
    /// One alarm for each entry, never later than its deadline; deadlines move on with each ACK, and an alarm that rings
    /// too early is set anew.
    alarms: BinaryHeap<Reverse<(Timestamp, TransferId, SocketAddr)>>,
    /// In the order of arrival; entries that have gone or were acknowledged are passed over.
    half_open: VecDeque<(TransferId, SocketAddr)>,
    next_id: TransferId,
}

impl<D> Default for Table<D> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            alarms: BinaryHeap::new(),
            half_open: VecDeque::new(),
            next_id: 0,
        }
    }
}

impl<D> Table<D> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, client: SocketAddr) -> bool {
        self.entries.contains_key(&client)
    }

    pub(super) fn get(&self, client: SocketAddr) -> Option<&Entry<D>> {
        self.entries.get(&client).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, client: SocketAddr) -> Option<&mut Entry<D>> {
        self.entries.get_mut(&client).map(Box::as_mut)
    }

    /// Takes in a new request, in the place of any from the same client, which is given back. Unless it goes on at once,
    /// [`Self::set_alarm`] follows.
    pub(super) fn insert(
        &mut self,
        request: Arc<FileRequest>,
        options: RequestOptions,
        place: Place,
        since: Timestamp,
        open_until: Timestamp,
    ) -> (TransferId, Option<Box<Entry<D>>>) {
        let client = request.peer;
        let id = self.next_id;
        self.next_id += 1;
        self.half_open.push_back((id, client));
        let entry = Entry {
            id,
            request,
            options,
            place,
            since,
            stage: Stage::Opening(open_until),
        };
        let replaced = self.entries.insert(client, Box::new(entry));
        self.tidy();
        (id, replaced)
    }

    /// The entry wants an alarm, or an earlier one than it had.
    pub(super) fn set_alarm(&mut self, client: SocketAddr) {
        if let Some(entry) = self.entries.get(&client) {
            self.alarms.push(Reverse((entry.deadline(), entry.id, client)));
        }
    }

    pub(super) fn remove(&mut self, client: SocketAddr) -> Option<Box<Entry<D>>> {
        self.entries.remove(&client)
    }

    /// Removes the oldest request whose client has acknowledged nothing.
    pub(super) fn remove_oldest_half_open(&mut self) -> Option<Box<Entry<D>>> {
        while let Some((id, client)) = self.half_open.pop_front() {
            if self
                .entries
                .get(&client)
                .is_some_and(|entry| entry.id == id && entry.is_half_open())
            {
                return self.entries.remove(&client);
            }
        }
        None
    }

    /// When [`Self::due`] wants to be asked next.
    pub(super) fn next_alarm(&self) -> Option<Timestamp> {
        self.alarms.peek().map(|Reverse((at, ..))| *at)
    }

    /// A client whose deadline has passed. Its alarm is gone: the caller removes the entry, or moves its deadline and
    /// calls [`Self::set_alarm`].
    pub(super) fn due(&mut self, now: Timestamp) -> Option<SocketAddr> {
        while self.next_alarm().is_some_and(|at| at <= now) {
            let Some(Reverse((_, id, client))) = self.alarms.pop() else {
                break;
            };
            match self
                .entries
                .get(&client)
                .filter(|entry| entry.id == id)
                .map(|entry| entry.deadline())
            {
                Some(deadline) if deadline <= now => return Some(client),
                Some(deadline) => self.alarms.push(Reverse((deadline, id, client))),
                None => {}
            }
        }
        None
    }

    /// Every entry, for the end.
    pub(super) fn drain(&mut self) -> Vec<Entry<D>> {
        self.entries.drain().map(|(_, entry)| *entry).collect()
    }

    /// Drops what refers to entries that are gone, once there is more of it than of entries.
    fn tidy(&mut self) {
        let bound = 2 * self.entries.len() + 64;
        let entries = &self.entries;
        let lives = |id: TransferId, client: &SocketAddr| entries.get(client).filter(|entry| entry.id == id);
        if self.half_open.len() > bound {
            self.half_open
                .retain(|(id, client)| lives(*id, client).is_some_and(|entry| entry.is_half_open()));
        }
        if self.alarms.len() > bound {
            self.alarms
                .retain(|Reverse((_, id, client))| lives(*id, client).is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Delivery;
    use crate::wire::tftp::{Limits, Pace, negotiate};

    const START: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn client(port: u16) -> SocketAddr {
        SocketAddr::new("192.0.2.9".parse().unwrap(), port)
    }

    fn later(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn insert(table: &mut Table<()>, port: u16) -> Option<Box<Entry<()>>> {
        let request = FileRequest {
            name: "f".into(),
            peer: client(port),
            relayed: None,
            hardware: None,
            protocol: Delivery::Tftp,
            probe: false,
        };
        let place = Place { port: 0, local: None };
        let (options, request) = (RequestOptions::default(), Arc::new(request));
        let (_, replaced) = table.insert(request, options, place, START, later(5));
        table.set_alarm(client(port));
        replaced
    }

    fn send(table: &mut Table<()>, port: u16) {
        let negotiation = negotiate(&RequestOptions::default(), 2000, &Limits::default());
        let (transfer, _) = Transfer::new(2000, &negotiation, Pace::default(), START);
        let entry = table.get_mut(client(port)).unwrap();
        entry.stage = Stage::Sending {
            transfer,
            delivery: (),
            content: Content::from(vec![0; 2000]),
            granted: None,
        };
        table.set_alarm(client(port));
    }

    fn acknowledge(table: &mut Table<()>, port: u16, block: u16, now: Timestamp) {
        let Stage::Sending { transfer, .. } = &mut table.get_mut(client(port)).unwrap().stage else {
            panic!("a transfer");
        };
        transfer.acknowledge(block, now);
    }

    #[test]
    fn the_oldest_without_an_ack_gives_way_first() {
        let mut table = Table::default();
        for port in 1..=4 {
            assert!(insert(&mut table, port).is_none());
            send(&mut table, port);
        }
        acknowledge(&mut table, 1, 1, START);
        table.remove(client(2));
        assert_eq!(
            table.remove_oldest_half_open().map(|entry| entry.request.peer),
            Some(client(3))
        );
        assert_eq!(
            table.remove_oldest_half_open().map(|entry| entry.request.peer),
            Some(client(4))
        );
        assert!(table.remove_oldest_half_open().is_none());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn alarms_ring_when_due_and_follow_the_acks() {
        let mut table = Table::default();
        insert(&mut table, 1);
        send(&mut table, 1);
        assert_eq!(table.next_alarm(), Some(later(1)));
        assert_eq!(table.due(START), None);
        acknowledge(&mut table, 1, 1, later(1));
        assert_eq!(table.due(later(1)), None);
        assert_eq!(table.next_alarm(), Some(later(2)));
        assert_eq!(table.due(later(2)), Some(client(1)));
    }

    #[test]
    fn a_new_request_replaces_the_clients_old_one_and_its_alarms() {
        let mut table = Table::default();
        insert(&mut table, 1);
        assert!(insert(&mut table, 1).is_some());
        assert_eq!(table.due(later(5)), Some(client(1)));
        assert_eq!(table.due(later(60)), None);
    }

    #[test]
    fn what_refers_to_gone_entries_stays_bounded() {
        let mut table = Table::default();
        for round in 0..10_000 {
            insert(&mut table, round);
            send(&mut table, round);
            table.remove(client(round));
        }
        assert!(table.half_open.len() < 100 && table.alarms.len() < 200);
    }
}
