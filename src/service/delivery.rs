//! Who gets which file: the device's own, what lies in the static folder, and what a one-time name stands for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Decision};
use super::drops;
use super::dynamic::Asker;
use super::files::{Content, FileRequest, FileSource, Opened, Outcome, Refusal};
use super::static_files::StaticRoot;
use super::usage::{Told, Usage};
use super::verify::{Busy, Checked, Verifier};
use crate::model::{Attempt, Delivery, Device, Flow, Phase, StepId};
use crate::provisioning::{self, Client, Doubt, Fetch, FileName, Owner, Verdict};
use crate::settings::{OneTimeNames, Service};
use crate::store::{OneTimeName, StoreError};
use crate::template::Fields;
use crate::value::{MacAddress, OsRandom, Timestamp};

/// How long a delivery by a name for a single download may take before another address may begin one.
const STALE: Duration = Duration::from_secs(120);

/// The files that TFTP and HTTP serve.
pub struct DeliveryService {
    core: Arc<Core>,
    shared: Option<StaticRoot>,
    verifier: Verifier,
    usage: Arc<Usage>,
    names: OneTimeNames,
}

/// What is remembered of a delivery until it ends.
pub struct UnderWay {
    told: Told,
    what: What,
}

/// What is delivered.
#[derive(Debug, Clone, Copy)]
enum What {
    /// The file of an attempt.
    Own(MacAddress),
    /// The file of a device in the basic flow.
    Basic(MacAddress),
    /// A file of the static folder.
    Shared,
    /// What a one-time name stands for: a device's own file, or a file of the static folder.
    OneTime([u8; 32], Option<MacAddress>),
}

/// Why a file is not handed out.
enum Refused {
    Unknown,
    Not(String),
    Unverified(Doubt),
    Busy(&'static str),
    Failed(String),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Self {
        Self::Busy("too many questions wait for the lease sources")
    }
}

/// The address that the client itself has, as far as it is known.
fn address(client: Client) -> Option<IpAddr> {
    match client {
        Client::At(address) => Some(address),
        Client::Device(_) | Client::BehindCmts => None,
    }
}

/// Who asks, as templates see it.
fn asker(checked: &Checked) -> Asker {
    let lease = checked.lease.as_deref();
    let named = match checked.client {
        Client::Device(mac) => Some(mac),
        Client::At(_) | Client::BehindCmts => None,
    };
    Asker {
        address: address(checked.client).or(lease.map(|lease| lease.address)),
        mac: named.or(lease.map(|lease| lease.mac)),
        lease: lease.map(Fields::from),
        relay: lease.and_then(|lease| lease.relay),
    }
}

impl DeliveryService {
    /// The files of `core`, and those in the static folder where there is one, for whom `verifier` lets have them.
    pub fn new(
        core: Arc<Core>,
        shared: Option<StaticRoot>,
        verifier: Verifier,
        usage: Arc<Usage>,
        names: OneTimeNames,
    ) -> Self {
        Self {
            core,
            shared,
            verifier,
            usage,
            names,
        }
    }

    /// Verifies the request, and opens what it may have. What is known of it goes into `told`.
    async fn decide(&self, request: &FileRequest, told: &mut Told) -> Result<(Content, What), Refused> {
        let parsed = FileName::parse(&request.name);
        if let Some(FileName::OneTime { .. }) = parsed
            && let Some(stored) = self.core.store.name(OneTimeName::digest_of(&request.name)).await?
        {
            told.mac = Some(stored.mac);
            let checked = self
                .verify(request, &request.name, Owner::Token(stored.mac), told)
                .await?;
            return self.one_time(&stored, request, &checked).await;
        }
        // The name that is verified is the one that is opened: a tftp root may be asked for files by its own path.
        let name = self.shared.as_ref().and_then(|root| root.prefixed(&request.name));
        let name = name.unwrap_or(&request.name);
        let owner = match parsed {
            Some(FileName::Own { mac, .. }) => Owner::Token(mac),
            Some(FileName::Basic { mac, .. }) => Owner::Device(mac),
            Some(FileName::OneTime { .. }) | None => self.core.named_device(name).map_or(Owner::Nobody, Owner::Device),
        };
        told.mac = owner.mac();
        let checked = self.verify(request, name, owner, told).await?;
        let opened = match parsed {
            Some(FileName::Own { mac, .. }) => self
                .own(mac, request, checked.client)
                .await
                .map(|file| (file, What::Own(mac))),
            Some(FileName::Basic { template, mac }) if !self.core.makes_modem_files(template) => {
                let file = self.basic(Some(template), mac, request, &checked).await;
                file.map(|file| (file, What::Basic(mac)))
            }
            Some(FileName::Basic { .. } | FileName::OneTime { .. }) | None => Err(Refused::Unknown),
        };
        match opened {
            Err(Refused::Unknown) => {
                let file = self.named(name, request, &asker(&checked)).await;
                file.map(|file| (file, What::Shared))
            }
            opened => opened,
        }
    }

    /// A file that a template makes under its name, or one of the static folder.
    async fn named(&self, name: &str, request: &FileRequest, asker: &Asker) -> Result<Content, Refused> {
        match self.core.named_file(name, asker).await {
            Ok(Some(octets)) => Ok(Content::from(octets)),
            Ok(None) => self.shared(name).await,
            Err(error) => {
                tracing::error!(file = name, peer = %request.peer, %error, "a file cannot be made");
                Err(Refused::Failed(error.to_string()))
            }
        }
    }

    /// What verification found, where it does not refuse.
    async fn verify(
        &self,
        request: &FileRequest,
        name: &str,
        owner: Owner,
        told: &mut Told,
    ) -> Result<Checked, Refused> {
        let checked = self.verifier.check(request, name, owner).await?;
        told.verdict = checked.verdict.word();
        told.client = address(checked.client).filter(|client| *client != request.peer.ip().to_canonical());
        told.class = self.verifier.class_word(checked.lease.as_deref());
        told.mac = told.mac.or(checked.lease.as_ref().map(|lease| lease.mac));
        told.doubt = checked.verdict.doubt().map(|doubt| doubt.to_string().into());
        match checked.verdict {
            Verdict::Refused(doubt) => Err(Refused::Unverified(doubt)),
            _ => Ok(checked),
        }
    }

    async fn shared(&self, name: &str) -> Result<Content, Refused> {
        let Some(root) = &self.shared else {
            return Err(Refused::Unknown);
        };
        root.open(name).await.map_err(|refusal| match refusal {
            Refusal::NotFound => Refused::Unknown,
            Refusal::Forbidden => Refused::Not("the file in the static folder is not readable".into()),
            Refusal::Busy => Refused::Busy("the static folder cannot be read"),
        })
    }

    /// The file that was made for an attempt (secure and hybrid flow).
    async fn own(&self, mac: MacAddress, request: &FileRequest, client: Client) -> Result<Content, Refused> {
        let file = self
            .core
            .store
            .file(mac, &request.name)
            .await?
            .ok_or(Refused::Unknown)?;
        let device = self.core.store.device(mac).await?.ok_or(Refused::Unknown)?;
        let (peer, manner) = (request.peer, request.protocol);
        let decide = |attempt: Option<Attempt>| {
            let now = Timestamp::now();
            match provisioning::may_fetch(&file, &device, attempt, address(client), &self.names, now) {
                Ok(_) if request.probe => Decision::only(Ok(())),
                Ok(attempt) => {
                    let change = provisioning::requested(attempt, manner, peer, &self.core.policy, now);
                    Decision::store(change, Ok(()))
                }
                Err(refused) => Decision::only(Err(Refused::Not(refused.to_string()))),
            }
        };
        self.core.decide(mac, decide).await??;
        Ok(Content::from(file.octets))
    }

    /// The file of a device in the basic flow, made as it is asked for. `template` is what the name says.
    async fn basic(
        &self,
        template: Option<&str>,
        mac: MacAddress,
        request: &FileRequest,
        checked: &Checked,
    ) -> Result<Content, Refused> {
        let client = checked.client;
        let device = self.core.store.device(mac).await?.ok_or(Refused::Unknown)?;
        let peer = request.peer;
        if device.flow != Flow::Basic {
            return Err(Refused::Not(format!(
                "the device's flow is {}: its file is told by SNMP SET",
                device.flow
            )));
        }
        if template.is_some_and(|template| template != device.template_name()) {
            return Err(Refused::Not(format!(
                "the device's template is {}",
                device.template_name()
            )));
        }
        if let Some(address) = address(client).filter(|&address| !device.may_speak_from(address)) {
            return Err(Refused::Not(format!("{address} is not one of the device's addresses")));
        }
        let source = address(client).unwrap_or(peer.ip());
        let failed = |error: String| {
            tracing::error!(%mac, error, "a basic-flow file cannot be made");
            Refused::Failed(error)
        };
        let inputs = self.core.inputs_for(&device, &asker(checked)).await;
        let inputs = inputs.map_err(|error| failed(error.to_string()))?;
        let octets = self.core.files.basic(&device, source, inputs, &self.core.policy);
        let octets = octets.map_err(|error| failed(error.to_string()))?;
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

    /// What a one-time name stands for.
    async fn one_time(
        &self,
        stored: &OneTimeName,
        request: &FileRequest,
        checked: &Checked,
    ) -> Result<(Content, What), Refused> {
        let client = checked.client;
        let now = Timestamp::now();
        provisioning::may_use(stored, address(client), now).map_err(|refused| Refused::Not(refused.to_string()))?;
        if stored.single && !request.probe {
            let by = address(client).unwrap_or(request.peer.ip()).to_canonical();
            let stale = Timestamp(now.0.saturating_sub(i64::try_from(STALE.as_micros()).unwrap_or(0)));
            if !self.core.store.claim_name(stored.digest, by, now, stale).await? {
                return Err(Refused::Not(
                    "the name is in use, or was used: it is for a single download".into(),
                ));
            }
        }
        let opened = match &stored.file {
            Some(file) => {
                let asker = asker(checked);
                let mac = asker.mac.or(Some(stored.mac));
                self.named(file, request, &Asker { mac, ..asker }).await
            }
            None => self.basic(None, stored.mac, request, checked).await,
        };
        let device = stored.file.is_none().then_some(stored.mac);
        match opened {
            Ok(file) => Ok((file, What::OneTime(stored.digest, device))),
            Err(refused) => {
                if stored.single && !request.probe {
                    self.core.store.release_name(stored.digest, None).await?;
                }
                Err(refused)
            }
        }
    }

    /// Tells of a refusal, and gives what the client is told.
    fn refuse(&self, request: &FileRequest, told: &Told, refused: Refused) -> Refusal {
        let service = match request.protocol {
            Delivery::Tftp => Service::Tftp,
            Delivery::Http => Service::Http,
        };
        let note = |step, reason: &str| self.core.refuse(told.mac, request.peer, step, reason.to_owned());
        match refused {
            Refused::Unknown => {
                if told.mac.is_some() {
                    note(StepId::FILE_REQUEST, "no file of this name is made for the device");
                }
                self.usage.refused(request, told, "not_found", "there is no such file");
                Refusal::NotFound
            }
            Refused::Not(reason) => {
                drops::count(service, "not_its_file", request.peer, 0);
                note(StepId::FILE_REQUEST, &reason);
                self.usage.refused(request, told, "not_its_file", &reason);
                Refusal::Forbidden
            }
            Refused::Unverified(doubt) => {
                let reason = doubt.to_string();
                drops::refused(service, doubt.word(), request.peer, told.mac, &reason);
                note(StepId::FILE_REQUEST, &reason);
                self.usage.refused(request, told, doubt.word(), &reason);
                Refusal::Forbidden
            }
            Refused::Busy(reason) => {
                drops::count(service, "busy", request.peer, 0);
                self.usage.refused(request, told, "busy", reason);
                Refusal::Busy
            }
            Refused::Failed(reason) => {
                note(StepId::FILE, &reason);
                self.usage.refused(request, told, "not_made", &reason);
                Refusal::Busy
            }
            Refused::Store(error) => {
                tracing::error!(peer = %request.peer, %error, "a file request cannot be stored");
                self.usage.refused(request, told, "store", "the database failed");
                Refusal::Busy
            }
        }
    }

    /// Records the end of a delivery with the device's attempt.
    async fn record(&self, mac: MacAddress, is_of: impl Fn(&Attempt) -> bool, outcome: &Outcome) {
        let policy = &self.core.policy;
        let change = |attempt: Attempt| {
            let now = Timestamp::now();
            match outcome {
                Outcome::Complete { bytes, elapsed, .. } => {
                    provisioning::delivered(attempt, Ok((*bytes, *elapsed)), policy, now)
                }
                Outcome::Failed { reason, .. } => provisioning::delivered(attempt, Err(reason), policy, now),
                Outcome::Answered { with, bytes, .. } => {
                    provisioning::answered(&attempt, &format!("{}: {bytes} octets", with.reason()), now)
                }
            }
        };
        let decide = |attempt: Option<Attempt>| Decision {
            change: attempt.filter(|attempt| is_of(attempt)).map(change),
            then: (),
        };
        if let Err(error) = self.core.decide(mac, decide).await {
            tracing::error!(%mac, %error, "the end of a delivery cannot be stored");
        }
    }
}

impl FileSource for DeliveryService {
    type Delivery = Box<UnderWay>;

    async fn open(&self, request: &FileRequest) -> Result<Opened<Self::Delivery>, Refusal> {
        let mut told = Told::new();
        let opened = self.decide(request, &mut told).await;
        self.usage.requested(request, &told);
        match opened {
            Ok((content, what)) => Ok(Opened {
                content,
                delivery: Box::new(UnderWay { told, what }),
            }),
            Err(refused) => Err(self.refuse(request, &told, refused)),
        }
    }

    async fn finished(&self, request: &FileRequest, delivery: Self::Delivery, outcome: &Outcome) {
        let UnderWay { told, what } = *delivery;
        self.usage.finished(request, &told, outcome);
        if request.probe {
            // It took no name and began no attempt.
            return;
        }
        let is_told = |attempt: &Attempt| attempt.flow == Flow::Basic && attempt.phase == Phase::Told;
        match what {
            What::Own(mac) => {
                let is_of = |attempt: &Attempt| attempt.file.as_ref().is_some_and(|file| file.name == request.name);
                self.record(mac, is_of, outcome).await;
            }
            What::Basic(mac) => self.record(mac, is_told, outcome).await,
            What::OneTime(digest, mac) => {
                let delivered = matches!(outcome, Outcome::Complete { .. }).then(Timestamp::now);
                if let Err(error) = self.core.store.release_name(digest, delivered).await {
                    tracing::error!(%error, "the use of a one-time name cannot be stored");
                }
                if let Some(mac) = mac {
                    self.record(mac, is_told, outcome).await;
                }
            }
            What::Shared => {}
        }
    }
}
