//! Who gets which file: the device's own, and what lies in the static folder.

use std::sync::Arc;

use super::core::{Core, Decision};
use super::drops;
use super::files::{Content, FileRequest, FileSource, Outcome, Refusal};
use super::static_files::StaticRoot;
use crate::model::{Attempt, Delivery, Device, Flow, Phase, StepId};
use crate::provisioning::{self, Fetch, FileName};
use crate::settings::Service;
use crate::store::StoreError;
use crate::value::{MacAddress, OsRandom, Timestamp};

/// The files that TFTP and HTTP serve.
pub struct DeliveryService {
    core: Arc<Core>,
    shared: Option<StaticRoot>,
}

impl DeliveryService {
    /// The files of `core`, and those in the static folder where there is one.
    pub fn new(core: Arc<Core>, shared: Option<StaticRoot>) -> Self {
        Self { core, shared }
    }

    /// The file that was made for an attempt (secure and hybrid flow).
    async fn own(&self, mac: MacAddress, request: &FileRequest) -> Result<Content, Refused> {
        let file = self
            .core
            .store
            .file(mac, &request.name)
            .await?
            .ok_or(Refused::Unknown)?;
        let device = self.core.store.device(mac).await?.ok_or(Refused::Unknown)?;
        let (peer, manner) = (request.peer, request.protocol);
        let decide = |attempt: Option<Attempt>| match provisioning::may_fetch(&file, &device, attempt, peer.ip()) {
            Ok(_) if request.probe => Decision::only(Ok(())),
            Ok(attempt) => {
                let change = provisioning::requested(attempt, manner, peer, &self.core.policy, Timestamp::now());
                Decision::store(change, Ok(()))
            }
            Err(refused) => Decision::only(Err(Refused::Not(refused.to_string()))),
        };
        self.core.decide(mac, decide).await??;
        Ok(Content::from(file.octets))
    }

    /// The file of a device in the basic flow, made as it is asked for.
    async fn basic(&self, template: &str, mac: MacAddress, request: &FileRequest) -> Result<Content, Refused> {
        let device = self.core.store.device(mac).await?.ok_or(Refused::Unknown)?;
        let peer = request.peer;
        if device.flow != Flow::Basic {
            return Err(Refused::Not(format!(
                "the device's flow is {}: its file is told by SNMP SET",
                device.flow
            )));
        }
        if device.template_name() != template {
            return Err(Refused::Not(format!(
                "the device's template is {}",
                device.template_name()
            )));
        }
        if !device.may_speak_from(peer.ip()) {
            return Err(Refused::Not(format!(
                "{} is not one of the device's addresses",
                peer.ip()
            )));
        }
        let octets = self.core.files.basic(&device, peer.ip()).map_err(|error| {
            tracing::error!(%mac, %error, "a basic-flow file cannot be made");
            Refused::Failed(error.to_string())
        })?;
        if !request.probe {
            let fetch = Fetch {
                size: octets.len(),
                manner: request.protocol,
                peer,
            };
            self.begin_basic(&device, fetch).await?;
        }
        Ok(Content::from(octets))
    }

    async fn begin_basic(&self, device: &Device, fetch: Fetch) -> Result<(), StoreError> {
        let policy = &self.core.policy;
        let decide = |previous| {
            let now = Timestamp::now();
            Decision::store(
                provisioning::fetched_by_name(device, previous, fetch, policy, now, &mut OsRandom),
                (),
            )
        };
        self.core.decide(device.mac, decide).await
    }

    fn refuse(&self, mac: Option<MacAddress>, request: &FileRequest, refused: Refused) -> Refusal {
        let service = match request.protocol {
            Delivery::Tftp => Service::Tftp,
            Delivery::Http => Service::Http,
        };
        match refused {
            Refused::Unknown => Refusal::NotFound,
            Refused::Not(reason) => {
                drops::count(service, "file of another device", request.peer, 0);
                self.core.refuse(mac, request.peer, StepId::FILE_REQUEST, reason);
                Refusal::Forbidden
            }
            Refused::Failed(reason) => {
                self.core.refuse(mac, request.peer, StepId::FILE, reason);
                Refusal::Busy
            }
            Refused::Store(error) => {
                tracing::error!(peer = %request.peer, %error, "a file request cannot be stored");
                Refusal::Busy
            }
        }
    }
}

/// Why a file is not handed out.
enum Refused {
    Unknown,
    Not(String),
    Failed(String),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FileSource for DeliveryService {
    async fn open(&self, request: &FileRequest) -> Result<Content, Refusal> {
        let name = FileName::parse(&request.name);
        let opened = match name {
            Some(FileName::Own { mac, .. }) => self.own(mac, request).await,
            Some(FileName::Basic { template, mac }) => self.basic(template, mac, request).await,
            None => Err(Refused::Unknown),
        };
        match opened {
            Ok(octets) => Ok(octets),
            Err(Refused::Unknown) => {
                let shared = match &self.shared {
                    Some(root) => root.open(&request.name).await,
                    None => Err(Refusal::NotFound),
                };
                if let (Some(name), Err(Refusal::NotFound)) = (name, &shared) {
                    let reason = "no file of this name is made for the device".to_owned();
                    self.core
                        .refuse(Some(name.mac()), request.peer, StepId::FILE_REQUEST, reason);
                }
                shared
            }
            Err(refused) => Err(self.refuse(name.map(|name| name.mac()), request, refused)),
        }
    }

    async fn finished(&self, request: &FileRequest, outcome: &Outcome) {
        let Some(name) = FileName::parse(&request.name) else {
            return;
        };
        let transfer = match outcome {
            Outcome::Complete { bytes, elapsed, .. } => Ok((*bytes, *elapsed)),
            Outcome::Failed { reason, .. } => Err(reason.as_str()),
        };
        let policy = &self.core.policy;
        let decide = |attempt: Option<Attempt>| {
            let concerned = attempt.filter(|attempt| is_of(attempt, &name, request));
            let change = concerned.map(|attempt| provisioning::delivered(attempt, transfer, policy, Timestamp::now()));
            Decision { change, then: () }
        };
        if let Err(error) = self.core.decide(name.mac(), decide).await {
            tracing::error!(mac = %name.mac(), %error, "the end of a delivery cannot be stored");
        }
    }
}

/// Whether a delivery of `name` belongs to `attempt`.
fn is_of(attempt: &Attempt, name: &FileName<'_>, request: &FileRequest) -> bool {
    match name {
        FileName::Own { .. } => attempt.file.as_ref().is_some_and(|file| file.name == request.name),
        FileName::Basic { .. } => attempt.flow == Flow::Basic && attempt.phase == Phase::Told,
    }
}
