//! The SNMP entity (UDP 162 in, requests out): enrollment and status INFORMs in, the SET of the file out.

mod bootstrap;
mod manager;
mod requests;
mod security;
mod under_way;

pub use manager::Retries;
pub use security::{session_keys, verified_keys};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

use self::requests::Requests;
use self::under_way::UnderWay;
use super::core::{Core, Decision};
use super::drops;
use super::udp::Datagram;
use crate::model::{Device, Enrollment, Flow, SnmpSession, StepId};
use crate::provisioning::{self, EnrollDecision, Enrolling, LearnedKeys, Status, StatusDecision};
use crate::settings::Service;
use crate::store::StoreError;
use crate::value::{MacAddress, OsRandom, Secret, Timestamp};
use crate::wire::keymgmt::UserName;
use crate::wire::snmp::{
    self, ErrorStatus, LocalizedKeys, Message, Notification, NotificationError, Pdu, PduKind, SaltSource,
    SecurityLevel, UsmStats, V2cMessage, V3Message, Verdict,
};

const SERVICE: Service = Service::Snmp;

/// The entity.
pub struct SnmpService {
    core: Arc<Core>,
    stats: Mutex<UsmStats>,
    salts: SaltSource,
    requests: Requests,
    under_way: UnderWay,
    retries: Retries,
    /// The port of devices' agents; `None` sends requests where the device's INFORM came from.
    agent_port: Option<u16>,
}

/// Who sent a notification, as far as its flow proves it.
struct Sender<'a> {
    peer: SocketAddr,
    local: SocketAddr,
    /// The community of an SNMPv2c message.
    community: Option<&'a [u8]>,
    manner: &'static str,
    /// What proves it, for an SNMPv3 message.
    proof: Option<&'a Proof>,
}

/// What proves the sender of an SNMPv3 message.
struct Proof {
    /// The MAC address of the user.
    mac: MacAddress,
    /// The subkey of the session whose keys the message verified under.
    subkey: Secret,
    /// How those keys are derived.
    keys: LearnedKeys,
}

/// What is done about a notification.
enum Done {
    /// Acknowledge it.
    Acknowledge,
    /// Acknowledge it, then go on with the device.
    CarryOn(MacAddress),
    /// Stay silent.
    Silent,
}

impl SnmpService {
    /// The entity over `core`.
    pub fn new(core: Arc<Core>, retries: Retries, agent_port: Option<u16>) -> Arc<Self> {
        Arc::new(Self {
            core,
            stats: Mutex::default(),
            salts: SaltSource::new(&mut OsRandom),
            requests: Requests::default(),
            under_way: UnderWay::default(),
            retries,
            agent_port,
        })
    }

    /// Handles one datagram; what it returns is sent back. The response leaves only after what it acknowledges is
    /// stored.
    pub async fn handle(self: Arc<Self>, datagram: Datagram, socket: Arc<UdpSocket>) -> Option<Vec<u8>> {
        match snmp::parse(&datagram.payload) {
            Ok(Message::V3(message)) => self.v3(&message, &datagram, &socket).await,
            Ok(Message::V2c(message)) => self.v2c(&message, &datagram, &socket).await,
            Err(reason) => {
                drops::count(SERVICE, reason.label(), datagram.peer, reason.offset().unwrap_or(0));
                None
            }
        }
    }

    async fn v3(
        self: &Arc<Self>,
        message: &V3Message<'_>,
        from: &Datagram,
        socket: &Arc<UdpSocket>,
    ) -> Option<Vec<u8>> {
        let engine = &self.core.engine;
        let ours = message.is_for(&engine.engine_id) || message.is_discovery();
        if !ours && self.requests.answer(message.msg_id, from.peer, &from.payload) {
            return None;
        }
        let user = UserName::new(message.user).ok();
        let mac = user.as_ref().and_then(UserName::mac);
        let session = match mac {
            Some(mac) => self.session(mac, message.user).await?,
            None => None,
        };
        let found = match &session {
            Some((session, type_identifier)) => {
                Some(self.keys(message, mac?, session, type_identifier.as_deref()).await?)
            }
            None => None,
        };
        let keys = found.as_ref().map(|(keys, _)| keys.clone());
        let stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        let request = match snmp::process(message, keys.as_ref(), engine, &stats, Timestamp::now()) {
            Verdict::Request(request) => request,
            Verdict::Report { stat, datagram } => {
                self.stats.lock().unwrap_or_else(PoisonError::into_inner).count(stat);
                if !message.is_discovery() {
                    drops::count(SERVICE, stat.label(), from.peer, 0);
                    self.refused_report(mac, from.peer, stat.label());
                }
                return Some(datagram);
            }
            Verdict::Drop(reason) => {
                drops::count(SERVICE, reason.label(), from.peer, reason.offset().unwrap_or(0));
                return None;
            }
        };
        let (mac, (keys, learned)) = (mac?, found?);
        let subkey = session?.0.subkey;
        let manner = match request.level {
            SecurityLevel::AuthPriv => "SNMPv3 authPriv",
            _ => "SNMPv3 authNoPriv",
        };
        let sender = Sender {
            peer: from.peer,
            local: from.local,
            community: None,
            manner,
            proof: Some(&Proof {
                mac,
                subkey,
                keys: learned,
            }),
        };
        let response = self.respond(&request.scoped.pdu, &sender, socket).await?;
        Some(snmp::encode_response(
            &request,
            &response,
            &keys,
            engine,
            self.salts.next(),
            Timestamp::now(),
        ))
    }

    async fn v2c(self: &Arc<Self>, message: &V2cMessage, from: &Datagram, socket: &Arc<UdpSocket>) -> Option<Vec<u8>> {
        if let PduKind::Response { .. } = message.pdu.kind {
            if !self.requests.answer(message.pdu.request_id, from.peer, &from.payload) {
                drops::count(SERVICE, "response to nothing asked", from.peer, 0);
            }
            return None;
        }
        let sender = Sender {
            peer: from.peer,
            local: from.local,
            community: Some(&message.community),
            manner: "SNMPv2c",
            proof: None,
        };
        let response = self.respond(&message.pdu, &sender, socket).await?;
        Some(snmp::encode_v2c(&message.community, &response))
    }

    /// The device's newest session, where the user is that session's, and the device's type identifier. The outer `None`
    /// means that the store failed and nothing can be said.
    async fn session(&self, mac: MacAddress, user: &[u8]) -> Option<Option<(SnmpSession, Option<String>)>> {
        let attempt = match self.core.store.attempt(mac).await {
            Ok(attempt) => attempt,
            Err(error) => {
                tracing::error!(%mac, %error, "a session cannot be read");
                return None;
            }
        };
        let session = attempt.and_then(|attempt| Some((attempt.session?, attempt.type_identifier)));
        Some(session.filter(|(session, _)| session.user.as_bytes() == user))
    }

    /// The session's keys at the server's engine, and how they are derived: as the device has shown before; where it has
    /// shown nothing yet, by the way under which the message verifies, else by the one that comes first. `None` means
    /// that the store failed.
    async fn keys(
        &self,
        message: &V3Message<'_>,
        mac: MacAddress,
        session: &SnmpSession,
        type_identifier: Option<&str>,
    ) -> Option<(LocalizedKeys, LearnedKeys)> {
        let Core { vendors, profile, .. } = &*self.core;
        let recipes = match &session.learned.keys {
            Some(recipe) => vec![recipe.clone()],
            None => match vendors.of(mac, profile).await {
                Ok(known) => known.ways(type_identifier).keys(),
                Err(error) => {
                    tracing::error!(%mac, %error, "what is known of vendors cannot be read");
                    return None;
                }
            },
        };
        let (keys, recipe, unsettled) = verified_keys(message, session, recipes, &self.core.engine.engine_id)?;
        let unsettled = unsettled || session.learned.unsettled;
        Some((keys, LearnedKeys { recipe, unsettled }))
    }

    /// Answers a request that has passed what security it has; `None` is silence.
    async fn respond(self: &Arc<Self>, pdu: &Pdu, sender: &Sender<'_>, socket: &Arc<UdpSocket>) -> Option<Pdu> {
        match pdu.kind {
            PduKind::Inform => match self.notified(pdu, sender).await {
                Ok(Done::Acknowledge) => Some(pdu.acknowledgement()),
                Ok(Done::CarryOn(mac)) => {
                    self.carry_on(mac, socket.clone());
                    Some(pdu.acknowledgement())
                }
                Ok(Done::Silent) => None,
                Err(error) => {
                    // Unacknowledged, the device sends it again; acknowledged, it would be lost.
                    tracing::error!(peer = %sender.peer, %error, "an INFORM could not be stored");
                    None
                }
            },
            // The entity has no objects of its own to show or to set.
            kind if kind.is_confirmed() && sender.proof.is_some() => Some(pdu.refusal(ErrorStatus::NoAccess, 1)),
            _ => {
                drops::count(SERVICE, "not an INFORM", sender.peer, 0);
                None
            }
        }
    }

    async fn notified(&self, pdu: &Pdu, sender: &Sender<'_>) -> Result<Done, StoreError> {
        let received = match Notification::from_pdu(pdu) {
            Ok(received) => received,
            // Another notification, an event for example: it came, and nothing follows from it.
            Err(NotificationError::Foreign(_)) => return Ok(Done::Acknowledge),
            Err(error) => {
                drops::count(SERVICE, "notification", sender.peer, 0);
                tracing::debug!(peer = %sender.peer, %error, "an INFORM is not usable");
                return Ok(Done::Silent);
            }
        };
        let mac = received.notification.mac();
        let step = match received.notification {
            Notification::Enrollment { .. } => StepId::ENROLLMENT,
            Notification::Status { .. } => StepId::STATUS,
        };
        let device = self.core.store.device(mac).await?;
        let device = match admit(device, mac, sender) {
            Ok(device) => device,
            Err(reason) => {
                drops::count(SERVICE, "not the device's", sender.peer, 0);
                self.core.refuse(Some(mac), sender.peer, step, reason.to_owned());
                return Ok(Done::Silent);
            }
        };
        match received.notification {
            Notification::Enrollment {
                sys_descr,
                sw_version,
                type_identifier,
                correlation_id,
                ..
            } => {
                let community = sender
                    .community
                    .map(|community| String::from_utf8_lossy(community).into_owned());
                let enrollment = Enrollment {
                    sys_descr,
                    sw_version,
                    type_identifier,
                    correlation_id,
                    community,
                    request_id: pdu.request_id,
                };
                self.enrolled(&device, enrollment, sender).await
            }
            Notification::Status {
                state, correlation_id, ..
            } => {
                let status = Status {
                    state,
                    correlation_id,
                    peer: sender.peer,
                    manner: sender.manner,
                    subkey: sender.proof.map(|proof| proof.subkey.clone()),
                };
                self.reported(&device, &status).await
            }
        }
    }

    async fn enrolled(&self, device: &Device, enrollment: Enrollment, sender: &Sender<'_>) -> Result<Done, StoreError> {
        let Core { policy, files, .. } = &*self.core;
        let (peer, local, manner) = (sender.peer, sender.local, sender.manner);
        let known = self.core.vendors.of(device.mac, &self.core.profile).await?;
        let enrolling = Enrolling {
            enrollment,
            peer,
            local,
            manner,
            subkey: sender.proof.map(|proof| proof.subkey.clone()),
            keys: sender.proof.map(|proof| proof.keys.clone()),
            inputs: self.core.inputs_of(device, peer.ip()).await,
            ways: known.ways(None),
        };
        let decide = |attempt| {
            match provisioning::enroll(
                device,
                attempt,
                &enrolling,
                policy,
                files,
                Timestamp::now(),
                &mut OsRandom,
            ) {
                Ok(EnrollDecision::Enrolled(change)) => Decision::store(*change, Ok(Done::CarryOn(device.mac))),
                Ok(EnrollDecision::Again) => Decision::only(Ok(Done::CarryOn(device.mac))),
                Ok(EnrollDecision::Late) => Decision::only(Ok(Done::Acknowledge)),
                Ok(EnrollDecision::Refused(reason)) => Decision::only(Err(reason.to_owned())),
                // The device did its part: it is acknowledged, and the attempt has ended with the reason.
                Err(error) => Decision::store(*error.change, Ok(Done::Acknowledge)),
            }
        };
        match self.core.decide(device.mac, decide).await? {
            Ok(done) => {
                // What this one may have shown holds for the next one at once.
                if sender.proof.is_some() {
                    self.core.vendors.learned(device.mac);
                }
                Ok(done)
            }
            Err(reason) => {
                self.core.refuse(Some(device.mac), peer, StepId::ENROLLMENT, reason);
                Ok(Done::Silent)
            }
        }
    }

    async fn reported(&self, device: &Device, status: &Status) -> Result<Done, StoreError> {
        let decide = |attempt| match provisioning::report(attempt, status, Timestamp::now()) {
            StatusDecision::Recorded(change) => Decision::store(*change, Ok(Done::Acknowledge)),
            StatusDecision::Known => Decision::only(Ok(Done::Acknowledge)),
            StatusDecision::Refused(reason) => Decision::only(Err(reason)),
        };
        match self.core.decide(device.mac, decide).await? {
            Ok(done) => {
                tracing::info!(mac = %device.mac, state = %status.state, "the device reports how provisioning went");
                Ok(done)
            }
            Err(reason) => {
                self.core
                    .refuse(Some(device.mac), status.peer, StepId::STATUS, reason.to_owned());
                Ok(Done::Silent)
            }
        }
    }

    fn refused_report(&self, mac: Option<MacAddress>, peer: SocketAddr, stat: &str) {
        if let Some(mac) = mac {
            self.core.refuse(
                Some(mac),
                peer,
                StepId::ENROLLMENT,
                format!("answered with a report of {stat}"),
            );
        }
    }
}

/// Whether `sender` may speak for the device that its notification names.
fn admit(device: Option<Device>, mac: MacAddress, sender: &Sender<'_>) -> Result<Device, &'static str> {
    let device = device.ok_or("the MAC address in the INFORM is not a known device's")?;
    match sender.proof {
        Some(proof) if proof.mac != mac => return Err("the MAC address in the INFORM is not the SNMPv3 user's"),
        None if device.flow == Flow::Secure => return Err("the device's flow is secure, the INFORM is SNMPv2c"),
        _ => {}
    }
    if !device.may_speak_from(sender.peer.ip()) {
        return Err("the INFORM's source address is not one of the device's");
    }
    Ok(device)
}
