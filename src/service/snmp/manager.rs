//! The manager's side: asking devices, and telling them where their file is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::SnmpService;
use super::security::{Answer, Security};
use crate::model::{Attempt, Phase, Step, StepId};
use crate::provisioning::{self, LearnedKeys, SetOutcome};
use crate::service::core::Decision;
use crate::store::Change;
use crate::template::Inputs;
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::snmp::{ErrorStatus, Pdu, PduKind, Value, VarBind};

/// How requests to devices are repeated.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How long the first transmission waits for its answer.
    pub nominal: Duration,
    /// By what the wait is multiplied with each further transmission.
    pub backoff: u32,
    /// How many transmissions follow the first.
    pub count: u32,
}

/// What became of a request.
pub(super) enum Asked {
    /// A Response, and for SNMPv3 how the keys are derived under which it came.
    Response(Pdu, Option<LearnedKeys>),
    Refused(String),
    Silent,
}

impl SnmpService {
    /// Carries an enrolled device on: asks its capabilities where the operator wants that, and tells it where its file
    /// is. Does nothing where another task is at it already.
    pub fn carry_on(self: &Arc<Self>, mac: MacAddress, socket: Arc<UdpSocket>) {
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(error) = service.tell(mac, &socket).await {
                tracing::error!(%mac, %error, "the device cannot be told where its file is");
            }
        });
    }

    async fn tell(&self, mac: MacAddress, socket: &UdpSocket) -> Result<(), crate::store::StoreError> {
        let Some(mut attempt) = self.core.store.attempt(mac).await? else {
            return Ok(());
        };
        if !matches!(attempt.phase, Phase::Enrolled | Phase::Told) {
            return Ok(());
        }
        let Some(_busy) = self.under_way.begin(attempt.id) else {
            return Ok(());
        };
        if attempt.file.is_none() {
            self.ask_capabilities(&attempt, socket).await;
            if !self.make_file(mac, socket).await? {
                return Ok(());
            }
            match self.core.store.attempt(mac).await? {
                Some(newest) if newest.id == attempt.id => attempt = newest,
                _ => return Ok(()),
            }
        }
        let (outcome, keys) = self.set(&attempt, socket).await;
        let id = attempt.id;
        let known = self.core.vendors.of(mac, &self.core.profile).await?;
        self.core
            .decide(mac, |newest| {
                let newest = newest.filter(|newest| newest.id == id);
                let (policy, now) = (&self.core.policy, Timestamp::now());
                let change = newest.and_then(|newest| provisioning::set_answered(newest, &outcome, policy, now));
                let change = change.map(|change| match &keys {
                    Some(keys) => provisioning::settle(change, keys, &known.ways(None), now),
                    None => change,
                });
                Decision { change, then: () }
            })
            .await
    }

    /// eUE-18 after the capabilities are known; whether there is a file now.
    async fn make_file(&self, mac: MacAddress, socket: &UdpSocket) -> Result<bool, crate::store::StoreError> {
        let Some(device) = self.core.store.device(mac).await? else {
            return Ok(false);
        };
        let Ok(local) = socket.local_addr() else {
            return Ok(false);
        };
        let device_address = self.core.store.attempt(mac).await?.map(|attempt| attempt.peer.ip());
        let inputs = match device_address {
            Some(address) => self.core.inputs_of(&device, address).await,
            None => Inputs::default(),
        };
        let request = provisioning::FileRequest { local, inputs: &inputs };
        self.core
            .decide(mac, |attempt| {
                let Some(attempt) = attempt.filter(|a| a.phase == Phase::Enrolled && a.file.is_none()) else {
                    return Decision::only(false);
                };
                let mut change = Change {
                    attempt: Some(attempt),
                    ..Change::default()
                };
                let (policy, files) = (&self.core.policy, &self.core.files);
                let made = provisioning::make_file(
                    &mut change,
                    &device,
                    request,
                    policy,
                    files,
                    Timestamp::now(),
                    &mut OsRandom,
                );
                match made {
                    Ok(()) => Decision::store(change, true),
                    Err(error) => Decision::store(*error.change, false),
                }
            })
            .await
    }

    /// eUE-19.
    async fn set(&self, attempt: &Attempt, socket: &UdpSocket) -> (SetOutcome, Option<LearnedKeys>) {
        match self.file_bindings(attempt).await {
            Ok(bindings) => match self.ask(attempt, PduKind::Set, bindings, StepId::SET, socket).await {
                Asked::Response(pdu, keys) => (set_outcome(&pdu), keys),
                Asked::Refused(reason) => (SetOutcome::Unusable(reason), None),
                Asked::Silent => (SetOutcome::Silent, None),
            },
            Err(reason) => (SetOutcome::Unusable(reason), None),
        }
    }

    async fn file_bindings(&self, attempt: &Attempt) -> Result<Vec<VarBind>, String> {
        let device = match self.core.store.device(attempt.mac).await {
            Ok(Some(device)) => device,
            _ => return Err("the device is no longer known".to_owned()),
        };
        let file = attempt.file.as_ref().ok_or("the attempt has no file")?;
        let placement = self.core.profile.key_placement;
        provisioning::file_varbinds(device.mib, file, placement).map_err(|error| error.to_string())
    }

    /// eUE-16 and eUE-17: one GETBULK whose non-repeaters are the capability scalars. It is optional, so a device that
    /// does not answer goes on without.
    async fn ask_capabilities(&self, attempt: &Attempt, socket: &UdpSocket) {
        let Ok(Some(device)) = self.core.store.device(attempt.mac).await else {
            return;
        };
        let oids = device.mib.oids();
        // The object without its instance: GETBULK answers with the next, which is the instance.
        let scalar = |arcs: &'static [u32]| VarBind::unset(crate::mib::dialect::oid(&arcs[..arcs.len() - 1]));
        let asked = [oids.type_identifier, oids.sw_current_vers, oids.enabled]
            .map(scalar)
            .to_vec();
        let kind = PduKind::GetBulk {
            non_repeaters: asked.len() as u32,
            max_repetitions: 0,
        };
        let names = format!("GETBULK of {} capability objects", asked.len());
        let sent = Step::ok(StepId::GET, Timestamp::now(), names);
        let step = match self.ask(attempt, kind, asked, StepId::GET, socket).await {
            Asked::Response(pdu, _) => {
                let text = |binding: &VarBind| match &binding.value {
                    Value::OctetString(_) => {
                        String::from_utf8_lossy(binding.value.as_octets().unwrap_or_default()).into_owned()
                    }
                    other => format!("{other:?}"),
                };
                let values = pdu.bindings.iter().map(text).collect::<Vec<_>>().join(", ");
                Step::ok(StepId::GET_RESPONSE, Timestamp::now(), values)
            }
            Asked::Refused(reason) => Step::failed(StepId::GET_RESPONSE, Timestamp::now(), reason),
            Asked::Silent => Step::failed(StepId::GET_RESPONSE, Timestamp::now(), "no answer"),
        };
        self.core.note(attempt, vec![sent, step]).await;
    }

    /// Sends a request until it is answered or given up.
    pub(super) async fn ask(
        &self,
        attempt: &Attempt,
        kind: PduKind,
        bindings: Vec<VarBind>,
        step: StepId,
        socket: &UdpSocket,
    ) -> Asked {
        let known = match self.core.vendors.of(attempt.mac, &self.core.profile).await {
            Ok(known) => known,
            Err(error) => return Asked::Refused(error.to_string()),
        };
        let ways = known.ways(attempt.type_identifier.as_deref());
        let Some(mut security) = Security::of(attempt, &ways, &self.core.engine.engine_id) else {
            return Asked::Refused("the attempt has neither SNMPv3 keys nor a community".to_owned());
        };
        let target = self.target(attempt.peer);
        let mut request = self.requests.begin(target);
        let pdu = Pdu::new(kind, request.number, bindings);
        let mut wait = self.retries.nominal;
        for transmission in 1..=self.retries.count + 1 {
            if transmission > 1 {
                let Some(newest) = self.current(attempt).await else {
                    return Asked::Silent;
                };
                // A device that got other keys meanwhile is asked under those.
                if is_rekeyed(attempt, &newest)
                    && let Some(other) = Security::of(&newest, &ways, &self.core.engine.engine_id)
                {
                    security = other;
                }
                self.core.note(attempt, vec![retry(step, target, transmission)]).await;
            }
            if transmission > 2 {
                security.fall_back();
            }
            let deadline = Instant::now() + wait;
            // A device that keeps naming another time is not chased for as long as it does.
            let mut corrections = 2;
            self.send(&security, &pdu, target, socket).await;
            while let Ok(Some(datagram)) = timeout_at(deadline, request.answers.recv()).await {
                match security.read(request.number, &datagram, Timestamp::now()) {
                    Answer::Response(Pdu {
                        kind: PduKind::Response { status, .. },
                        ..
                    }) if status == ErrorStatus::NoAccess && security.fall_back() => {
                        self.send(&security, &pdu, target, socket).await;
                    }
                    Answer::Response(response) => return Asked::Response(response, security.keys()),
                    Answer::OtherKeys if security.fall_back() => {
                        self.send(&security, &pdu, target, socket).await;
                    }
                    Answer::Again if corrections > 0 => {
                        corrections -= 1;
                        self.send(&security, &pdu, target, socket).await;
                    }
                    Answer::Report(stat) => {
                        return Asked::Refused(format!(
                            "report of {}",
                            stat.map_or("another kind", |stat| stat.label())
                        ));
                    }
                    Answer::Again | Answer::OtherKeys | Answer::Nothing => {}
                }
            }
            wait = wait.saturating_mul(self.retries.backoff);
        }
        Asked::Silent
    }

    /// The attempt as it is now, where it still waits for what it is being asked or told: the device may have begun
    /// again, or fetched its file although its answer was lost.
    async fn current(&self, attempt: &Attempt) -> Option<Attempt> {
        match self.core.store.attempt(attempt.mac).await {
            Ok(newest) => newest.filter(|newest| newest.id == attempt.id && newest.phase == attempt.phase),
            // A store that cannot be read says nothing about the device.
            Err(_) => Some(attempt.clone()),
        }
    }

    async fn send(&self, security: &Security, pdu: &Pdu, target: SocketAddr, socket: &UdpSocket) {
        let datagram = security.encode(pdu.request_id, pdu, self.salts.next(), Timestamp::now());
        // What the system refuses to send now is sent again like what was lost.
        if let Err(error) = socket.send_to(&datagram, target).await {
            tracing::debug!(%target, %error, "a request could not be sent");
        }
    }

    /// Where a device listens: at its agent's port, or where its INFORM came from.
    pub(super) fn target(&self, peer: SocketAddr) -> SocketAddr {
        self.agent_port.map_or(peer, |port| SocketAddr::new(peer.ip(), port))
    }
}

fn set_outcome(answer: &Pdu) -> SetOutcome {
    match answer.kind {
        PduKind::Response {
            status: ErrorStatus::NoError,
            ..
        } => SetOutcome::Accepted,
        PduKind::Response { status, index } => SetOutcome::Error { status, index },
        _ => SetOutcome::Unusable("the answer is no Response".to_owned()),
    }
}

/// Whether an AP exchange gave the device other keys between the two states of its attempt.
fn is_rekeyed(before: &Attempt, now: &Attempt) -> bool {
    match (&before.session, &now.session) {
        (Some(before), Some(now)) => !before.subkey.ct_eq(now.subkey.expose()),
        _ => false,
    }
}

fn retry(step: StepId, target: SocketAddr, transmission: u32) -> Step {
    Step::retry(
        step,
        Timestamp::now(),
        format!("no answer from {target}, transmission {transmission}"),
    )
}
