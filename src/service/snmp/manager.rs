//! The manager's side: asking devices, and telling them where their file is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::SnmpService;
use super::security::{Answer, Security};
use crate::model::{Attempt, Phase, Step, StepId};
use crate::provisioning::{self, SetOutcome};
use crate::service::core::Decision;
use crate::store::Change;
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
enum Asked {
    Response(Pdu),
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
        let outcome = self.set(&attempt, socket).await;
        let id = attempt.id;
        self.core
            .decide(mac, |newest| {
                let newest = newest.filter(|newest| newest.id == id);
                let policy = &self.core.policy;
                let change =
                    newest.and_then(|newest| provisioning::set_answered(newest, &outcome, policy, Timestamp::now()));
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
                    local,
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
    async fn set(&self, attempt: &Attempt, socket: &UdpSocket) -> SetOutcome {
        let device = match self.core.store.device(attempt.mac).await {
            Ok(Some(device)) => device,
            _ => return SetOutcome::Unusable("the device is no longer known".to_owned()),
        };
        let Some(file) = &attempt.file else {
            return SetOutcome::Unusable("the attempt has no file".to_owned());
        };
        let placement = self.core.profile.key_placement;
        let bindings = match provisioning::file_varbinds(device.mib, file, placement) {
            Ok(bindings) => bindings,
            Err(error) => return SetOutcome::Unusable(error.to_string()),
        };
        match self.ask(attempt, PduKind::Set, bindings, StepId::SET, socket).await {
            Asked::Response(Pdu {
                kind:
                    PduKind::Response {
                        status: ErrorStatus::NoError,
                        ..
                    },
                ..
            }) => SetOutcome::Accepted,
            Asked::Response(Pdu {
                kind: PduKind::Response { status, index },
                ..
            }) => SetOutcome::Error { status, index },
            Asked::Response(_) => SetOutcome::Unusable("the answer is no Response".to_owned()),
            Asked::Refused(reason) => SetOutcome::Unusable(reason),
            Asked::Silent => SetOutcome::Silent,
        }
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
            Asked::Response(pdu) => {
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
    async fn ask(
        &self,
        attempt: &Attempt,
        kind: PduKind,
        bindings: Vec<VarBind>,
        step: StepId,
        socket: &UdpSocket,
    ) -> Asked {
        let security = Security::of(attempt, &self.core.profile.keys, &self.core.engine.engine_id);
        let Some(mut security) = security else {
            return Asked::Refused("the attempt has neither SNMPv3 keys nor a community".to_owned());
        };
        let target = self.target(attempt.peer);
        let mut request = self.requests.begin(target);
        let pdu = Pdu::new(kind, request.number, bindings);
        let mut wait = self.retries.nominal;
        for transmission in 1..=self.retries.count + 1 {
            if transmission > 1 {
                if !self.is_current(attempt).await {
                    return Asked::Silent;
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
                    Answer::Response(response) => return Asked::Response(response),
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
                    Answer::Again | Answer::Nothing => {}
                }
            }
            wait = wait.saturating_mul(self.retries.backoff);
        }
        Asked::Silent
    }

    /// Whether the attempt still waits for what it is being asked or told: the device may have begun again, or fetched
    /// its file although its answer was lost.
    async fn is_current(&self, attempt: &Attempt) -> bool {
        match self.core.store.attempt(attempt.mac).await {
            Ok(Some(newest)) => newest.id == attempt.id && newest.phase == attempt.phase,
            // A store that cannot be read says nothing about the device.
            Ok(None) => false,
            Err(_) => true,
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
    fn target(&self, peer: SocketAddr) -> SocketAddr {
        self.agent_port.map_or(peer, |port| SocketAddr::new(peer.ip(), port))
    }
}

fn retry(step: StepId, target: SocketAddr, transmission: u32) -> Step {
    Step::retry(
        step,
        Timestamp::now(),
        format!("no answer from {target}, transmission {transmission}"),
    )
}
