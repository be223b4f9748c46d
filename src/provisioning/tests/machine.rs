//! Any order of events: the attempt stays one that goes on, ends, or is replaced.

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::pkinit::{a_grant, kdc};
use super::*;
use crate::model::{AttemptId, AttemptResult};
use crate::store::StoredFile;
use crate::wire::snmp::ErrorStatus;

static KDC: LazyLock<Kdc> = LazyLock::new(kdc);
static AP: LazyLock<Ap> = LazyLock::new(|| Ap::new(ApShape::default()));

/// What can happen to a device's attempt.
#[derive(Debug, Clone)]
enum Event {
    Ticket,
    Keys,
    /// An INFORM of either kind, from one of two ports.
    Inform {
        request_id: i32,
        v3: bool,
        moved: bool,
    },
    SetAnswered(u8),
    /// The newest attempt's file is asked for by some address.
    Asked {
        own: bool,
    },
    AskedByName,
    Transferred {
        whole: bool,
    },
    Status {
        request_id: i32,
        state: usize,
    },
    /// Time passes, and the sweeper looks.
    Passes(u32),
    /// The operator moves the device to another flow.
    Moved(Flow),
}

fn flow() -> impl Strategy<Value = Flow> {
    prop_oneof![Just(Flow::Secure), Just(Flow::Hybrid), Just(Flow::Basic)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Ticket),
        3 => Just(Event::Keys),
        4 => (0..3i32, any::<bool>(), any::<bool>())
            .prop_map(|(request_id, v3, moved)| Event::Inform { request_id, v3, moved }),
        3 => (0..4u8).prop_map(Event::SetAnswered),
        3 => any::<bool>().prop_map(|own| Event::Asked { own }),
        2 => Just(Event::AskedByName),
        3 => any::<bool>().prop_map(|whole| Event::Transferred { whole }),
        3 => (0..3i32, 0..7usize).prop_map(|(request_id, state)| Event::Status { request_id, state }),
        3 => (0..900u32).prop_map(Event::Passes),
        1 => flow().prop_map(Event::Moved),
    ]
}

/// One device as the server has it, with a clock.
struct World {
    device: Device,
    newest: Option<Attempt>,
    now: i64,
    random: SeededRandom,
    files: HashSet<String>,
    ended: HashSet<AttemptId>,
}

impl World {
    fn new(flow: Flow, seed: u64) -> Self {
        Self {
            device: device(flow),
            newest: None,
            now: 0,
            random: SeededRandom::new(seed),
            files: HashSet::new(),
            ended: HashSet::new(),
        }
    }

    fn now(&self) -> Timestamp {
        seconds(self.now)
    }

    /// What the store would do with a change, and what must hold of one.
    fn store(&mut self, change: Change) {
        if let Some(replaced) = change.replaced {
            let old = self.newest.as_ref().expect("something is replaced");
            assert_eq!((replaced.id, replaced.version), (old.id, old.version));
            assert_eq!(
                (replaced.phase, &replaced.result),
                (Phase::Ended, &Some(AttemptResult::Replaced))
            );
            assert!(self.ended.insert(replaced.id), "an attempt ends once");
            assert_ne!(change.attempt.as_ref().map(|new| new.id), Some(replaced.id));
        }
        if let Some((name, octets)) = change.file {
            assert!(self.files.insert(name.clone()), "each file has a name of its own");
            let file = change.attempt.as_ref().and_then(|attempt| attempt.file.as_ref());
            assert!(file.is_some_and(|file| file.name == name && file.size == octets.len()));
        }
        let Some(attempt) = change.attempt else {
            assert_eq!(change.ladder, self.newest.as_ref().map(|newest| newest.id));
            return;
        };
        match self.newest.as_ref() {
            Some(old) if old.id == attempt.id => assert_eq!(attempt.version, old.version),
            Some(old) => assert!(attempt.version == 0 && (old.phase == Phase::Ended || self.ended.contains(&old.id))),
            None => assert_eq!(attempt.version, 0),
        }
        assert_eq!(attempt.result.is_some(), attempt.phase == Phase::Ended);
        assert!(attempt.phase == Phase::Ended || attempt.deadline > self.now());
        if attempt.phase == Phase::Ended {
            self.ended.insert(attempt.id);
        }
        self.newest = Some(Attempt {
            version: attempt.version + 1,
            ..attempt
        });
    }

    fn store_where(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.store(change);
        }
    }

    fn keys(&mut self) {
        let engine = engine();
        let request = AP.request(MAC);
        let keying = keying(&AP, &request, &engine);
        let (newest, now) = (self.newest.clone(), self.now());
        match key(
            &self.device,
            newest,
            &keying,
            &Profile::default(),
            &policy(),
            now,
            &mut self.random,
        ) {
            Ok((change, _)) => self.store(change),
            Err(refused) => assert!(matches!(refused, KeyingRefused::Flow(_)), "{refused}"),
        }
    }

    fn inform(&mut self, request_id: i32, flow: Flow, moved: bool) -> EnrollDecision {
        let mut enrolling = enrolling(flow, request_id);
        if moved {
            enrolling.peer = address("192.0.2.7:50001");
        }
        let (newest, now) = (self.newest.clone(), self.now());
        let decision = enroll(
            &self.device,
            newest,
            &enrolling,
            &policy(),
            &maker(),
            now,
            &mut self.random,
        )
        .unwrap();
        match decision {
            EnrollDecision::Enrolled(change) => {
                self.store(*change);
                EnrollDecision::Enrolled(Box::default())
            }
            other => other,
        }
    }

    fn set_answered(&mut self, outcome: &SetOutcome) {
        let now = self.now();
        let change = self
            .newest
            .clone()
            .and_then(|newest| set_answered(newest, outcome, &policy(), now));
        self.store_where(change);
    }

    /// Whether the newest attempt's file is handed out.
    fn asked(&mut self, source: &str) -> bool {
        let Some(newest) = self.newest.clone().filter(|newest| newest.file.is_some()) else {
            return false;
        };
        let file = StoredFile {
            attempt: newest.id,
            mac: MAC,
            octets: Vec::new(),
        };
        let names = crate::settings::OneTimeNames::default();
        let allowed = may_fetch(&file, &self.device, Some(newest), Some(ip(source)), &names, self.now());
        let handed = allowed.is_ok();
        let change = allowed
            .ok()
            .map(|attempt| requested(attempt, Delivery::Tftp, peer(), &policy(), self.now()));
        self.store_where(change);
        handed
    }

    fn asked_by_name(&mut self) {
        if self.device.flow == Flow::Basic {
            let fetch = Fetch {
                size: 1,
                manner: Delivery::Tftp,
                peer: peer(),
            };
            let (newest, now) = (self.newest.clone(), self.now());
            let change = fetched_by_name(&self.device, newest, fetch, &policy(), now, &mut self.random);
            self.store(change);
        }
    }

    fn transferred(&mut self, transfer: Result<(u64, Duration), &str>) {
        let now = self.now();
        let change = self
            .newest
            .clone()
            .map(|newest| delivered(newest, transfer, &policy(), now));
        self.store_where(change);
    }

    fn status(&mut self, request_id: i32, state: ProvisioningState) {
        match report(self.newest.clone(), &status_of(request_id, state), self.now()) {
            StatusDecision::Recorded(change) => self.store(*change),
            StatusDecision::Known => {}
            StatusDecision::Refused(_) => assert!(self.newest.is_none()),
        }
    }

    fn passes(&mut self, time: u32) {
        self.now += i64::from(time);
        let now = self.now();
        let overdue = self
            .newest
            .clone()
            .filter(|newest| newest.deadline <= now)
            .and_then(in_progress);
        let change = overdue.map(|overdue| Change {
            attempt: Some(give_up(overdue)),
            ..Change::default()
        });
        self.store_where(change);
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Ticket => {
                let (newest, now) = (self.newest.clone(), self.now());
                let change = ticketed(Some(&self.device), newest, &a_grant(1), &KDC, now, &mut self.random);
                self.store_where(change);
            }
            Event::Keys => self.keys(),
            Event::Inform { request_id, v3, moved } => {
                let flow = if v3 { Flow::Secure } else { Flow::Hybrid };
                self.inform(request_id, flow, moved);
            }
            Event::SetAnswered(which) => self.set_answered(&match which {
                0 => SetOutcome::Accepted,
                1 => SetOutcome::Error {
                    status: ErrorStatus::NoAccess,
                    index: 1,
                },
                2 => SetOutcome::Unusable("a test".to_owned()),
                _ => SetOutcome::Silent,
            }),
            Event::Asked { own } => {
                let handed = self.asked(if own { "192.0.2.7" } else { "192.0.2.8" });
                assert!(own || !handed);
            }
            Event::AskedByName => self.asked_by_name(),
            Event::Transferred { whole: true } => self.transferred(Ok((1, Duration::ZERO))),
            Event::Transferred { whole: false } => self.transferred(Err("a test")),
            Event::Status { request_id, state } => {
                self.status(request_id, ProvisioningState::ALL[state]);
            }
            Event::Passes(time) => self.passes(time),
            Event::Moved(flow) => self.device.flow = flow,
        }
    }

    /// The device begins again from power-on, as its flow has it, and everything arrives.
    fn provisioned(&mut self) {
        const FRESH: i32 = 77;
        match self.device.flow {
            Flow::Secure => {
                self.happens(&Event::Ticket);
                self.keys();
                let decision = self.inform(FRESH, Flow::Secure, false);
                assert!(matches!(decision, EnrollDecision::Enrolled(_)), "{decision:?}");
            }
            Flow::Hybrid => {
                let decision = self.inform(FRESH, Flow::Hybrid, false);
                assert!(matches!(decision, EnrollDecision::Enrolled(_)), "{decision:?}");
            }
            Flow::Basic => self.asked_by_name(),
        }
        if self.device.flow != Flow::Basic {
            self.set_answered(&SetOutcome::Accepted);
            assert!(self.asked("192.0.2.7"));
        }
        self.transferred(Ok((1, Duration::ZERO)));
        assert_eq!(self.newest.as_ref().map(|newest| newest.phase), Some(Phase::Delivered));
        self.status(FRESH, ProvisioningState::Pass);
        let result = self.newest.as_ref().and_then(|newest| newest.result.clone());
        assert_eq!(result, Some(AttemptResult::Reported(ProvisioningState::Pass)));
    }
}

proptest! {
    #[test]
    fn no_order_of_events_leaves_a_device_stuck(
        flow in flow(),
        events in prop::collection::vec(event(), 0..24),
        seed in any::<u64>(),
    ) {
        let mut world = World::new(flow, seed);
        for event in &events {
            world.happens(event);
        }
        world.provisioned();
    }

    #[test]
    fn every_attempt_ends_where_nothing_more_is_heard(
        flow in flow(),
        events in prop::collection::vec(event(), 0..24),
        seed in any::<u64>(),
    ) {
        let mut world = World::new(flow, seed);
        for event in &events {
            world.happens(event);
        }
        world.passes(600);
        prop_assert!(world.newest.is_none_or(|newest| newest.result.is_some()));
    }
}
