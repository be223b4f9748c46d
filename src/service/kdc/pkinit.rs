//! AS by PKINIT: the device's claim, its proof in the workers' queue, what its provisioning server says of it, and the ticket.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Ended, KdcService};
use crate::model::Device;
use crate::provisioning::{self, AsRequest, DeviceFacts, Grant, Granting, KdcRefused};
use crate::service::core::Decision;
use crate::store::StoreError;
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::kerberos::{KrbErrorCode, ServiceKey};
use crate::wire::pkinit::{Claim, DhKeyPair, Dialect, PkinitRequest};

const FAILED: Ended = Ended::Silent("public-key work failed");

impl KdcService {
    pub(super) async fn as_by_pkinit(
        &self,
        request: AsRequest,
        (peer, asked): (SocketAddr, Timestamp),
    ) -> Result<Vec<u8>, Ended> {
        let claim = provisioning::claim(&request, &self.kdc, &*self.chains, asked)?;
        let seat = self.seat(peer).await?;
        let mac = claim.mac();
        let device = self.core.store.device(mac).await?;
        if self.is_ours(&request) {
            provisioning::admit(mac, device.as_ref(), peer.ip())?;
        }
        let begins_attempt = begins_attempt(&request);
        if begins_attempt && let Some(answer) = self.stored_answer(request.digest).await? {
            return Ok(answer);
        }
        let service_keys = self.service_keys(&request.service).await?;
        let (request, pkinit) = self.prove(request, claim).await?;
        // Another installation's server may take its time: nobody's turn waits for it. Our own is asked in turn.
        let kept = Some(seat).filter(|_| self.is_ours(&request));
        let facts = self.facts(&request, &pkinit, device.as_ref(), peer).await?;
        let _seat = match kept {
            Some(seat) => seat,
            None => self.seat(peer).await?,
        };
        let grant = self.grant(request, pkinit, facts, service_keys, (peer, asked)).await?;
        if begins_attempt {
            return self.record(mac, device.as_ref(), grant).await;
        }
        Ok(grant.reply)
    }

    /// Whether the device is provisioned by this installation, and so is in its own store.
    fn is_ours(&self, request: &AsRequest) -> bool {
        request
            .prov_server
            .as_ref()
            .is_none_or(|server| *server == self.core.policy.prov_fqdn)
    }

    async fn stored_answer(&self, digest: [u8; 32]) -> Result<Option<Vec<u8>>, Ended> {
        let answer = self.core.store.answer(digest).await?;
        Ok(answer.filter(|answer| !answer.is_empty()))
    }

    /// Begins the device's attempt, durably, before the ticket goes out.
    async fn record(&self, mac: MacAddress, device: Option<&Device>, grant: Grant) -> Result<Vec<u8>, Ended> {
        let decide = |previous| {
            let now = Timestamp::now();
            let change = provisioning::ticketed(device, previous, &grant, &self.kdc, now, &mut OsRandom);
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

    async fn prove(&self, request: AsRequest, claim: Claim) -> Result<(AsRequest, PkinitRequest), Ended> {
        let (kdc, chains) = (self.kdc.clone(), self.chains.clone());
        let work = move || {
            let proven = provisioning::prove(&request, &claim, &kdc, &*chains, Timestamp::now());
            proven.map(|proven| (request, proven))
        };
        Ok(self.workers.run(work).await.ok_or(FAILED)??)
    }

    /// What is known of the device: a device's provisioning server is asked, as the flow has it; a stock client names none,
    /// and is looked up here.
    async fn facts(
        &self,
        request: &AsRequest,
        pkinit: &PkinitRequest,
        device: Option<&Device>,
        peer: SocketAddr,
    ) -> Result<DeviceFacts, Ended> {
        let identity = &pkinit.identity;
        let mac = identity.mac;
        let Some(prov_server) = &request.prov_server else {
            let device = device
                .ok_or_else(|| KdcRefused::new(KrbErrorCode::ClientUnknown, "the MAC address is unknown").of(mac))?;
            return Ok(DeviceFacts {
                fqdn: device.fqdn.clone(),
                addresses: device.addresses.clone(),
            });
        };
        self.fqdn
            .ask(&self.core, prov_server, identity)
            .await
            .map_err(|refused| {
                tracing::debug!(%peer, %mac, reason = %refused.reason, "the MTA-FQDN exchange failed");
                refused.of(mac).into()
            })
    }

    async fn grant(
        &self,
        request: AsRequest,
        pkinit: PkinitRequest,
        facts: DeviceFacts,
        service_keys: Arc<[ServiceKey]>,
        (source, asked): (SocketAddr, Timestamp),
    ) -> Result<Grant, Ended> {
        let (kdc, pairs) = (self.kdc.clone(), self.pairs.clone());
        let work = move || {
            let now = Timestamp::now();
            let pair: Option<Arc<DhKeyPair>> = provisioning::group(&pkinit)
                .map(|group| pairs.get(group, now))
                .transpose()
                .map_err(|error| KdcRefused::new(KrbErrorCode::Generic, error.to_string()))?;
            let granting = Granting {
                service_keys: &service_keys,
                pair: pair.as_deref(),
                source,
                asked,
            };
            provisioning::grant(&request, &pkinit, &facts, &granting, &kdc, now, &mut OsRandom)
        };
        Ok(self.workers.run(work).await.ok_or(FAILED)??)
    }
}

/// Whether the ticket begins a device's attempt: a device asks for its provisioning server's ticket, or for a
/// ticket-granting ticket to get it; a stock client that asks for the latter is no device.
fn begins_attempt(request: &AsRequest) -> bool {
    request.dialect == Dialect::Draft || request.service.kind() == "mtaprovsrvr"
}
