//! The KDC (UDP and TCP 88): AS exchanges with PKINIT (seed 003 eUE-9 and eUE-10).

mod chain_cache;
mod dh_pairs;
mod fqdn_client;
mod tcp;

pub use fqdn_client::{FqdnClient, FqdnServers};
pub use tcp::serve_tcp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::chain_cache::Chains;
use self::dh_pairs::DhPairs;
use super::core::{Core, Decision};
use super::drops;
use super::rate::RateLimit;
use super::workers::Workers;
use crate::model::StepId;
use crate::provisioning::{self, AsRefused, AsRequest, DeviceFacts, Grant, Granting, Kdc};
use crate::settings::Service;
use crate::store::StoreError;
use crate::value::{OsRandom, Timestamp};
use crate::wire::kerberos::{KrbErrorCode, ServiceKey};
use crate::wire::pkinit::{DhKeyPair, PkinitRequest};

const SERVICE: Service = Service::Kdc;
/// Verified chains that are kept.
const CHAINS: usize = 50_000;
/// Requests that may wait for public-key work.
const QUEUE: usize = 4_096;

/// The KDC.
pub struct KdcService {
    core: Arc<Core>,
    kdc: Arc<Kdc>,
    chains: Arc<Chains>,
    pairs: Arc<DhPairs>,
    workers: Workers,
    fqdn: FqdnClient,
    rate: RateLimit,
}

/// How a request ends that is not answered with a ticket.
enum Ended {
    /// With an error for the device.
    Refused(AsRefused),
    /// In silence: the device asks again.
    Silent(&'static str),
}

impl From<AsRefused> for Ended {
    fn from(refused: AsRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an AS exchange cannot be stored");
        Self::Silent("store")
    }
}

impl KdcService {
    /// The KDC over `core`. `dh_lifetime` is how long a Diffie-Hellman pair of its own is used.
    pub fn new(core: Arc<Core>, kdc: Kdc, fqdn: FqdnClient, dh_lifetime: Duration, rate: RateLimit) -> Arc<Self> {
        Arc::new(Self {
            core,
            kdc: Arc::new(kdc),
            chains: Arc::new(Chains::new(CHAINS)),
            pairs: Arc::new(DhPairs::new(dh_lifetime)),
            workers: Workers::new(QUEUE),
            fqdn,
            rate,
        })
    }

    /// Answers one request; `None` is silence.
    pub async fn answer(self: Arc<Self>, request: Vec<u8>, peer: SocketAddr) -> Option<Vec<u8>> {
        match self.exchange(&request, peer).await {
            Ok(reply) => Some(reply),
            Err(Ended::Silent(reason)) => {
                drops::count(SERVICE, reason, peer, 0);
                None
            }
            Err(Ended::Refused(refused)) => {
                // A request that failed before its certificate was verified is shown with the device that it claims.
                let mac = refused.mac.or_else(|| provisioning::claimed_device(&request));
                drops::refused(SERVICE, refused.code.text(), peer, mac, &refused.reason);
                self.core.refuse(mac, peer, StepId::AS_REQUEST, refused.reason.clone());
                Some(refused.message(&self.kdc, Timestamp::now()))
            }
        }
    }

    async fn exchange(&self, datagram: &[u8], peer: SocketAddr) -> Result<Vec<u8>, Ended> {
        let asked = Timestamp::now();
        if datagram.first() != Some(&0x6a) && datagram.first() != Some(&0x6c) {
            return Err(Ended::Silent("not a KDC request"));
        }
        if !self.rate.admits(peer.ip(), Instant::now()) {
            return Err(Ended::Silent("too many requests of one source"));
        }
        let request = provisioning::check(datagram, &self.kdc)?;
        if let Some(answer) = self
            .core
            .store
            .answer(request.digest)
            .await?
            .filter(|answer| !answer.is_empty())
        {
            return Ok(answer);
        }
        let service_keys = self.core.keys.of(&request.service).await?;
        let Some(service_key) = service_keys.first().cloned() else {
            let reason = format!(
                "no key is known for {}: import one, or correct the device's DHCP option 122.3",
                request.service
            );
            return Err(AsRefused::new(KrbErrorCode::ServiceUnknown, reason).into());
        };
        let (request, pkinit) = self.authenticate(request).await?;
        let facts = self.facts(&request, &pkinit, peer).await?;
        let mac = pkinit.identity.mac;
        let grant = self.grant(request, pkinit, facts, service_key, (peer, asked)).await?;
        let device = self.core.store.device(mac).await?;
        let decide = |previous| {
            let now = Timestamp::now();
            let change = provisioning::ticketed(device.as_ref(), previous, &grant, &self.kdc, now, &mut OsRandom);
            Decision { change, then: () }
        };
        match self.core.decide(mac, decide).await {
            Ok(()) => Ok(grant.reply),
            // Two copies of the request were worked on at once; the device gets the answer of the other.
            Err(StoreError::Seen) => {
                let answer = self.core.store.answer(grant.digest).await?;
                answer.ok_or(Ended::Silent("repeated while being answered"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn authenticate(&self, request: AsRequest) -> Result<(AsRequest, PkinitRequest), Ended> {
        let (kdc, chains) = (self.kdc.clone(), self.chains.clone());
        let work = move || {
            let opened = provisioning::authenticate(&request, &kdc, &*chains, Timestamp::now());
            opened.map(|opened| (request, opened))
        };
        Ok(self
            .workers
            .run(work)
            .await
            .ok_or(Ended::Silent("too much public-key work waiting"))??)
    }

    /// Asks the provisioning server that the device named. A device that this server provisions itself is looked up
    /// first, so that an unknown one costs no exchange.
    async fn facts(&self, request: &AsRequest, pkinit: &PkinitRequest, peer: SocketAddr) -> Result<DeviceFacts, Ended> {
        let mac = pkinit.identity.mac;
        if request.prov_server == self.core.policy.prov_fqdn && self.core.store.device(mac).await?.is_none() {
            return Err(
                AsRefused::new(KrbErrorCode::ClientUnknown, "the MAC address is unknown")
                    .of(mac)
                    .into(),
            );
        }
        let identity = &pkinit.identity;
        self.fqdn
            .ask(&self.core, &request.prov_server, identity)
            .await
            .map_err(|refused| {
                tracing::debug!(%peer, %mac, reason = %refused.reason, "the MTA-FQDN exchange failed");
                Ended::Refused(refused.of(mac))
            })
    }

    async fn grant(
        &self,
        request: AsRequest,
        pkinit: PkinitRequest,
        facts: DeviceFacts,
        service_key: ServiceKey,
        (source, asked): (SocketAddr, Timestamp),
    ) -> Result<Grant, Ended> {
        let (kdc, pairs) = (self.kdc.clone(), self.pairs.clone());
        let work = move || {
            let now = Timestamp::now();
            let pair: Option<Arc<DhKeyPair>> = provisioning::group(&pkinit)
                .map(|group| pairs.get(group, now))
                .transpose()
                .map_err(|error| AsRefused::new(KrbErrorCode::Generic, error.to_string()))?;
            let granting = Granting {
                service_key: &service_key,
                pair: pair.as_deref(),
                source,
                asked,
            };
            provisioning::grant(&request, &pkinit, &facts, &granting, &kdc, now, &mut OsRandom)
        };
        Ok(self
            .workers
            .run(work)
            .await
            .ok_or(Ended::Silent("too much public-key work waiting"))??)
    }
}
