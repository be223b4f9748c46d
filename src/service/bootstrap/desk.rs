//! Who asked gets an answer: facts, decision, record, document.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::ask::{Answer, Answering, Ask};
use super::verifier::{DeviceVerifier, Refused, alert};
use crate::model::{Attempt, Credentials, Device, Outcome, Step, StepId};
use crate::provisioning::bootstrap::{Document, Facts, Refusal, Rules, authorise};
use crate::service::core::Core;
use crate::service::drops;
use crate::service::lease::{Found, Key, Leases};
use crate::service::rate::RateLimit;
use crate::settings::Service;
use crate::store::{CredentialRead, CredentialState, CredentialStore, Delivering, Reading, Reveal, StoreError};
use crate::value::{MacAddress, Timestamp};
use crate::wire::cert::Certificate;

/// How often a decision is made again after another request of the same device came first.
const TRIES: usize = 8;

/// What both listeners share.
pub struct Shared {
    /// The device records, attempts and refusals.
    pub core: Arc<Core>,
    /// The credentials.
    pub credentials: Arc<dyn CredentialStore>,
    /// The operator's rules.
    pub rules: Rules,
    /// The document's template.
    pub document: Document,
    /// Who devices are.
    pub devices: Arc<DeviceVerifier>,
    /// Where leases are asked for, if anywhere.
    pub leases: Option<Arc<Leases>>,
    /// Whether a device that takes it gets the document compressed.
    pub gzip: bool,
    /// How often each device may ask.
    pub rate: RateLimit<MacAddress>,
}

/// Answers the requests of one of the two services.
#[derive(Clone)]
pub struct Desk {
    service: Service,
    shared: Arc<Shared>,
}

/// What a request comes to that no document answers.
enum Turned {
    Away(Refusal),
    Failed(String),
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Desk {
    /// The desk of `service`.
    pub fn new(service: Service, shared: Arc<Shared>) -> Self {
        Self { service, shared }
    }

    /// Notes a certificate that was refused in the handshake, once: counted, logged, and kept for the operator.
    pub fn refused_certificate(&self, refused: &Refused, peer: SocketAddr) {
        self.note(refused.word, refused.mac, peer, &refused.detail);
    }

    /// Judges a chain that another process was shown, and notes it where it is refused.
    ///
    /// # Errors
    /// The description of the TLS alert that the peer is to get.
    pub fn judge(&self, chain: &[Vec<u8>], peer: SocketAddr) -> Result<(), u8> {
        self.shared
            .devices
            .verify(chain, Timestamp::now())
            .map(drop)
            .map_err(|error| {
                self.refused_certificate(&Refused::new(chain, &error), peer);
                alert(&error)
            })
    }

    /// The roots of device certificates, DER.
    pub fn roots(&self) -> impl Iterator<Item = &[u8]> {
        self.shared.devices.roots().map(Certificate::der)
    }

    /// Notes something that ended a connection without a certificate having been refused.
    pub fn dropped(&self, word: &'static str, peer: SocketAddr) {
        drops::count(self.service, word, peer, 0);
    }

    fn note(&self, word: &'static str, mac: Option<MacAddress>, peer: SocketAddr, detail: &str) {
        drops::refused(self.service, word, peer, mac, detail);
        self.shared.core.refuse(mac, peer, StepId::BOOTSTRAP, detail.to_owned());
    }

    async fn respond(&self, ask: &Ask) -> Answer {
        let now = Timestamp::now();
        // The certificate held in the handshake; whether it still does is asked anew with each request.
        let identity = match self.shared.devices.verify(&ask.client.chain, now) {
            Ok(identity) => identity,
            Err(error) => {
                self.refused_certificate(&Refused::new(&ask.client.chain, &error), ask.client.peer);
                return Answer::refusal(403, "the certificate is not accepted");
            }
        };
        for warning in &identity.warnings {
            tracing::warn!(mac = %identity.mac, peer = %ask.client.peer, %warning, "accepted all the same");
        }
        match self.serve(identity.mac, ask, now).await {
            Ok(answer) => {
                metrics::counter!("hardline_bootstrap_documents_total", "service" => self.service.name()).increment(1);
                answer
            }
            Err(Turned::Away(refusal)) => {
                let detail = format!("{} {:?}: {refusal}", ask.method, ask.path);
                self.note(refusal.word(), Some(identity.mac), ask.client.peer, &detail);
                Answer::refusal(refusal.status(), told(refusal))
            }
            Err(Turned::Failed(reason)) => {
                tracing::error!(mac = %identity.mac, peer = %ask.client.peer, reason, "the document cannot be served");
                Answer::refusal(500, "the document cannot be served now")
            }
        }
    }

    async fn serve(&self, mac: MacAddress, ask: &Ask, now: Timestamp) -> Result<Answer, Turned> {
        let shared = &self.shared;
        // Before anything is looked up or put on record: each read costs a commit.
        if !shared.rate.admits(mac, Instant::now()) {
            return Err(Turned::Away(Refusal::TooOften));
        }
        let device = shared.core.store.device(mac).await?;
        for _ in 0..TRIES {
            let state = self.state(device.as_ref()).await?;
            let facts = Facts {
                device: device.as_ref(),
                method: &ask.method,
                source: ask.client.peer.ip(),
                lease: self.lease(device.as_ref(), ask.client.peer.ip()).await,
                state: state.as_ref(),
                since: self.since(device.as_ref()).await?,
                now,
            };
            let allowed = authorise(&shared.rules, &facts).map_err(Turned::Away)?;
            let read = CredentialRead {
                mac,
                at: now,
                who: format!("device {mac}"),
                source: format!("{} over {}", ask.client.peer, ask.client.tls),
                reveal: Reveal::Credentials,
                delivery: Some(Delivering {
                    decided_on: allowed.decided_on,
                    step: step(ask, now),
                }),
            };
            match shared.credentials.read_credentials(read).await? {
                Reading::Changed => {}
                Reading::Nothing => return Err(Turned::Away(Refusal::Nothing)),
                Reading::Read(credentials) => {
                    let Some(device) = &device else { break };
                    return self.document(device, &credentials, ask, now);
                }
            }
        }
        Err(Turned::Failed("its credentials kept changing".into()))
    }

    async fn state(&self, device: Option<&Device>) -> Result<Option<CredentialState>, StoreError> {
        match device {
            Some(device) if self.shared.rules.needs_state(device) => {
                self.shared.credentials.credential_state(device.mac).await
            }
            _ => Ok(None),
        }
    }

    /// Who has the lease of `source`, where that matters and lease sources are asked. Where none of them answers nobody has.
    async fn lease(&self, device: Option<&Device>, source: IpAddr) -> Option<Option<MacAddress>> {
        let device = device.filter(|device| self.shared.rules.needs_lease(device))?;
        let leases = self.shared.leases.as_ref()?;
        let found = leases.find(Key::address(source), |lease| lease.mac == device.mac).await;
        Some(match found {
            Found::Lease(lease) if !lease.is_over(Timestamp::now()) => Some(lease.mac),
            _ => None,
        })
    }

    /// When the device was last provisioned, or told to bootstrap.
    async fn since(&self, device: Option<&Device>) -> Result<Option<Timestamp>, StoreError> {
        let Some(device) = device.filter(|device| self.shared.rules.needs_history(device)) else {
            return Ok(None);
        };
        let newest = self.shared.core.store.attempts(device.mac, 1).await?;
        Ok(newest.first().and_then(|(attempt, steps)| opened(attempt, steps)))
    }

    fn document(
        &self,
        device: &Device,
        credentials: &Credentials,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<Answer, Turned> {
        let text = self.shared.document.render(device, credentials, now);
        let text = zeroize::Zeroizing::new(text.map_err(|error| Turned::Failed(error.to_string()))?);
        let gzip = self.shared.gzip && ask.gzip;
        let body = if gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
            packed.map_err(|error| Turned::Failed(error.to_string()))?
        } else {
            text.as_bytes().to_vec()
        };
        Ok(Answer {
            status: 200,
            gzip,
            body: Bytes::from(body),
        })
    }
}

impl Answering for Desk {
    async fn answer(&self, ask: Ask) -> Answer {
        self.respond(&ask).await
    }
}

/// What the device is told: not more than it needs to know.
fn told(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Method => "only GET is answered",
        Refusal::Nothing => "there is no document for this device",
        Refusal::TooOften => "this device asks too often",
        _ => "this device may not have its document",
    }
}

fn step(ask: &Ask, now: Timestamp) -> Step {
    Step::ok(
        StepId::BOOTSTRAP,
        now,
        format!("credentials to {} over {}", ask.client.peer, ask.client.tls),
    )
}

/// When the window of an attempt opened: with its success, or with the order to bootstrap after it.
fn opened(attempt: &Attempt, steps: &[Step]) -> Option<Timestamp> {
    let passed = attempt
        .result
        .as_ref()
        .is_some_and(crate::model::AttemptResult::is_pass);
    let opens = |step: &&Step| {
        let told = step.step == StepId::BOOTSTRAP_TRIGGER;
        let provisioned = passed && matches!(step.step, StepId::STATUS | StepId::FILE_DELIVERED);
        step.outcome == Outcome::Ok && (told || provisioned)
    };
    steps.iter().filter(opens).map(|step| step.at).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, AttemptResult, Family, Flow, Phase};
    use crate::value::SeededRandom;

    #[test]
    fn the_window_opens_with_success_or_with_the_order() {
        let at = Timestamp::from_unix;
        let attempt = |result| Attempt {
            id: AttemptId::new(at(0), &mut SeededRandom::new(1)),
            mac: MacAddress([0; 6]),
            flow: Flow::Hybrid,
            family: Family::V4,
            started: at(0),
            deadline: at(100),
            phase: Phase::Ended,
            result,
            peer: "192.0.2.1:161".parse().unwrap(),
            session: None,
            enrollment: None,
            type_identifier: None,
            file: None,
            version: 1,
        };
        let delivered = attempt(Some(AttemptResult::Delivered));
        let failed = attempt(Some(AttemptResult::TimedOut));
        let ladder = [
            Step::ok(StepId::FILE_DELIVERED, at(10), ""),
            Step::failed(StepId::STATUS, at(20), ""),
        ];
        assert_eq!(opened(&delivered, &ladder), Some(at(10)));
        assert_eq!(opened(&failed, &ladder), None);
        let told = [Step::ok(StepId::BOOTSTRAP_TRIGGER, at(50), "")];
        assert_eq!(opened(&failed, &told), Some(at(50)));
    }
}
