//! The device's SNMP entity without I/O: it sends INFORMs, and answers its manager's GETs and SET.

mod objects;
mod set;

pub use objects::SelfDescription;
pub use set::{Instruction, KeyForm, SetRefusal, read_set};

use super::fault::Fault;
use crate::value::{EngineId, Random, Timestamp};
use crate::wire::snmp::{
    self, ErrorStatus, LocalEngine, LocalizedKeys, Message, Notification, OutgoingRequest, Pdu, PduKind, RemoteEngine,
    Reply, Report, SaltSource, UsmStat, UsmStats, V3Message, VarBind, Verdict,
};

/// How the agent and its manager know each other.
#[derive(Debug)]
pub enum Security {
    /// SNMPv2c with this community, which the manager uses as well (profile P26).
    Community(String),
    /// SNMPv3 under the keys of an AP exchange.
    User(Box<UserSecurity>),
}

/// The agent's side of an SNMPv3 security association.
#[derive(Debug)]
pub struct UserSecurity {
    /// The user's name.
    pub user: String,
    /// The agent's own engine.
    pub engine: LocalEngine,
    /// The keys under the agent's engine: for the manager's requests.
    pub keys: LocalizedKeys,
    /// The manager's engine id.
    pub manager: EngineId,
    /// The manager's clock.
    pub manager_clock: RemoteEngine,
    /// The keys under the manager's engine: for INFORMs.
    pub manager_keys: LocalizedKeys,
    /// Where the salts of encrypted messages come from.
    pub salts: SaltSource,
    /// What the agent has refused.
    pub stats: UsmStats,
}

/// The agent.
#[derive(Debug)]
pub struct Agent {
    description: SelfDescription,
    security: Security,
    key_form: KeyForm,
    started: Timestamp,
    next_id: i32,
    inform: Option<Outstanding>,
    told: Option<Told>,
}

/// The INFORM that waits for its Response.
#[derive(Debug)]
struct Outstanding {
    pdu: Pdu,
    msg_ids: Vec<i32>,
}

/// The SET that was carried out, so that its duplicates are answered the same.
#[derive(Debug)]
struct Told {
    bindings: Vec<VarBind>,
}

/// What became of a datagram.
#[derive(Debug, Default)]
pub struct Reaction {
    /// The datagram to send back.
    pub answer: Option<Vec<u8>>,
    /// What it means for the flow.
    pub event: Option<Event>,
}

/// What a datagram means for the flow.
#[derive(Debug)]
pub enum Event {
    /// The outstanding INFORM was acknowledged.
    Acknowledged,
    /// The INFORM is to be sent again at once: the manager's clock was corrected.
    SendAgain,
    /// The manager read objects (steps eUE-16 and eUE-17): how many bindings it got.
    Asked(usize),
    /// The SET was accepted.
    Told(Box<Instruction>),
    /// What the manager did is wrong, and the run is over.
    Wrong(Fault),
}

impl Reaction {
    /// The datagram is passed over, as a device passes over what is not for it.
    fn ignored() -> Self {
        Self::default()
    }

    fn event(event: Event) -> Self {
        Self {
            answer: None,
            event: Some(event),
        }
    }
}

impl Agent {
    /// An agent that starts at `started`.
    pub fn new(
        description: SelfDescription,
        security: Security,
        key_form: KeyForm,
        started: Timestamp,
        random: &mut dyn Random,
    ) -> Self {
        let mut id = [0; 4];
        random.fill(&mut id);
        let next_id = i32::from_be_bytes(id) & 0x3fff_ffff;
        Self {
            description,
            security,
            key_form,
            started,
            next_id,
            inform: None,
            told: None,
        }
    }

    /// Its engine, where it speaks SNMPv3.
    pub fn engine(&self) -> Option<LocalEngine> {
        match &self.security {
            Security::User(user) => Some(user.engine.clone()),
            Security::Community(_) => None,
        }
    }

    /// Takes the keys of a new AP exchange; those before hold no longer.
    pub fn rekey(&mut self, security: UserSecurity) {
        self.security = Security::User(Box::new(security));
    }

    /// Begins an enrollment INFORM; [`Agent::inform`] gives its datagrams.
    pub fn enroll(&mut self, now: Timestamp) {
        self.begin(self.description.enrollment(), now);
    }

    /// Begins a status INFORM; [`Agent::inform`] gives its datagrams.
    pub fn report(&mut self, state: snmp::ProvisioningState, now: Timestamp) {
        self.begin(self.description.status(state), now);
    }

    fn begin(&mut self, notification: Notification, now: Timestamp) {
        let request_id = self.fresh_id();
        let pdu = notification.to_pdu(self.description.mib, request_id, self.up_time(now));
        self.inform = Some(Outstanding {
            pdu,
            msg_ids: Vec::new(),
        });
    }

    /// One more transmission of the INFORM that is outstanding: the same request-id, under SNMPv3 a msgID of its own
    /// (RFC 3412 §6.2). None where no INFORM is outstanding.
    pub fn inform(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let msg_id = self.fresh_id();
        let outstanding = self.inform.as_mut()?;
        Some(match &self.security {
            Security::Community(community) => snmp::encode_v2c(community.as_bytes(), &outstanding.pdu),
            Security::User(user) => {
                outstanding.msg_ids.push(msg_id);
                let request = OutgoingRequest {
                    msg_id,
                    user: user.user.as_bytes(),
                    keys: &user.manager_keys,
                    engine_id: &user.manager,
                    engine: &user.manager_clock,
                    context_engine_id: &user.engine.engine_id,
                };
                snmp::encode_request(&request, &outstanding.pdu, user.salts.next(), now)
            }
        })
    }

    /// Takes a datagram from the manager's address.
    pub fn receive(&mut self, datagram: &[u8], now: Timestamp) -> Reaction {
        match snmp::parse(datagram) {
            Err(reason) => Reaction::event(Event::Wrong(Fault::Snmp(reason))),
            Ok(Message::V2c(message)) => match &self.security {
                Security::Community(community) if message.community == community.as_bytes() => {
                    let community = community.clone();
                    self.take_v2c(&message.pdu, &community, now)
                }
                // An agent is silent about a community that it does not know (RFC 1157 §4.1).
                _ => Reaction::ignored(),
            },
            Ok(Message::V3(message)) => self.take_v3(&message, now),
        }
    }

    fn take_v2c(&mut self, pdu: &Pdu, community: &str, now: Timestamp) -> Reaction {
        if let PduKind::Response { .. } = pdu.kind {
            return self.acknowledged(pdu);
        }
        let (response, event) = self.carry_out(pdu, false, now);
        Reaction {
            answer: response.map(|response| snmp::encode_v2c(community.as_bytes(), &response)),
            event,
        }
    }

    fn take_v3(&mut self, message: &V3Message<'_>, now: Timestamp) -> Reaction {
        let Security::User(user) = &mut self.security else {
            return Reaction::ignored();
        };
        let waiting = self
            .inform
            .as_ref()
            .is_some_and(|inform| inform.msg_ids.contains(&message.msg_id));
        if waiting && !message.reportable {
            return match snmp::process_reply(message, &user.manager_keys, &user.manager, &user.manager_clock, now) {
                Reply::Accepted { scoped, engine, .. } => {
                    user.manager_clock = engine;
                    self.acknowledged(&scoped.pdu)
                }
                Reply::Report(report) => Self::reported(user, report),
                Reply::Drop(reason) => Reaction::event(Event::Wrong(Fault::Snmp(reason))),
            };
        }
        let known = (message.user == user.user.as_bytes()).then_some(&user.keys);
        match snmp::process(message, known, &user.engine, &user.stats, now) {
            Verdict::Drop(_) => Reaction::ignored(),
            Verdict::Report { stat, datagram } => {
                user.stats.count(stat);
                Reaction {
                    answer: Some(datagram),
                    event: None,
                }
            }
            Verdict::Request(request) => {
                let (response, event) = self.carry_out(&request.scoped.pdu, true, now);
                let Security::User(user) = &self.security else {
                    return Reaction::ignored();
                };
                let seal = |response: Pdu| {
                    snmp::encode_response(&request, &response, &user.keys, &user.engine, user.salts.next(), now)
                };
                Reaction {
                    answer: response.map(seal),
                    event,
                }
            }
        }
    }

    /// A report about the INFORM: a wrong clock is corrected once the report is authentic, anything else is final.
    fn reported(user: &mut UserSecurity, report: Report) -> Reaction {
        match (report.stat, report.engine) {
            (Some(UsmStat::NotInTimeWindows), Some(clock)) => {
                user.manager_clock = clock;
                Reaction::event(Event::SendAgain)
            }
            (stat, _) => Reaction::event(Event::Wrong(Fault::Reported(
                stat.map_or("nothing known", UsmStat::label),
            ))),
        }
    }

    /// A Response to the INFORM: request-id and bindings are the INFORM's (RFC 3416 §4.2.7).
    fn acknowledged(&mut self, response: &Pdu) -> Reaction {
        let Some(inform) = &self.inform else {
            return Reaction::ignored();
        };
        if response.request_id != inform.pdu.request_id {
            return Reaction::ignored();
        }
        if response.kind != PduKind::OK {
            return Reaction::event(Event::Wrong(Fault::InformRefused));
        }
        if response.bindings != inform.pdu.bindings {
            return Reaction::event(Event::Wrong(Fault::OtherBindings));
        }
        self.inform = None;
        Reaction::event(Event::Acknowledged)
    }

    /// Carries out a request of the manager whose sender is proven.
    fn carry_out(&mut self, request: &Pdu, secure: bool, now: Timestamp) -> (Option<Pdu>, Option<Event>) {
        if request.kind == PduKind::Set {
            let (response, event) = self.set(request, secure);
            return (Some(response), event);
        }
        let response = objects::answer(&self.description.objects(self.up_time(now)), request);
        let event = response.as_ref().map(|response| Event::Asked(response.bindings.len()));
        (response, event)
    }

    fn set(&mut self, request: &Pdu, secure: bool) -> (Pdu, Option<Event>) {
        match &self.told {
            Some(told) if told.bindings == request.bindings => {
                return (request.response(request.bindings.clone()), None);
            }
            // The objects are set in the one step that asks for them (RFC 4682, pktcMtaDevProvConfigHash).
            Some(_) => return (request.refusal(ErrorStatus::InconsistentValue, 1), None),
            None => {}
        }
        match read_set(&request.bindings, self.description.mib, secure, self.key_form) {
            Ok(instruction) => {
                self.told = Some(Told {
                    bindings: request.bindings.clone(),
                });
                (
                    request.response(request.bindings.clone()),
                    Some(Event::Told(Box::new(instruction))),
                )
            }
            Err(refusal) => {
                let response = request.refusal(refusal.status, refusal.index);
                (response, Some(Event::Wrong(Fault::Set(refusal))))
            }
        }
    }

    fn up_time(&self, now: Timestamp) -> u32 {
        // sysUpTime wraps at 2^32 hundredths of a second (RFC 3418 §2).
        (now.since(self.started).as_millis() / 10) as u32
    }

    /// A request-id or msgID: positive, each greater by one.
    fn fresh_id(&mut self) -> i32 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }
}
