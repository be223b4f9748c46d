//! The exchanges that cost no public-key operation: AS by a long-term key, and TGS. Nothing of them is stored.

use std::net::SocketAddr;

use super::{Ended, KdcService};
use crate::model::{Phase, Step, StepId};
use crate::provisioning::{self, KeyRequest, TgsOpened, TgsRequest};
use crate::service::core::Core;
use crate::store::StoreError;
use crate::value::{Fqdn, OsRandom, Timestamp};
use crate::wire::kerberos::PrincipalName;

impl KdcService {
    pub(super) async fn as_by_key(
        &self,
        request: &KeyRequest,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<Vec<u8>, Ended> {
        let client_keys = self.core.keys.of(&request.client).await?;
        let service_keys = self.core.keys.of(&request.service).await?;
        let source = peer.ip().to_canonical();
        let reply = provisioning::grant_by_key(
            request,
            &client_keys,
            &service_keys,
            source,
            &self.kdc,
            now,
            &mut OsRandom,
        )?;
        if let Some(proof) = request.proof_hash()
            && !self.replays.first(proof, self.remembered(now), now)
        {
            return Err(request.replayed().into());
        }
        Ok(reply)
    }

    pub(super) async fn tgs(&self, request: &TgsRequest, peer: SocketAddr, now: Timestamp) -> Result<Vec<u8>, Ended> {
        let tgt_keys = self
            .core
            .keys
            .of(&PrincipalName::krbtgt(&self.kdc.policy.realm))
            .await?;
        let opened = provisioning::open_tgs(request, &tgt_keys, peer.ip().to_canonical(), &self.kdc, now)?;
        if !self.replays.first(opened.replay_hash(), self.remembered(now), now) {
            return Err(opened.replayed().into());
        }
        let service_keys = self.core.keys.of(&request.service).await?;
        let reply = provisioning::grant_service(request, &opened, &service_keys, &self.kdc, now, &mut OsRandom)?;
        self.note_ticket(request, &opened, peer, now);
        Ok(reply)
    }

    /// Adds the steps eUE-11 and eUE-12 to the ladder of a device that fetches its provisioning server's ticket this way.
    /// Nothing waits for them.
    fn note_ticket(&self, request: &TgsRequest, opened: &TgsOpened, peer: SocketAddr, asked: Timestamp) {
        let client = &opened.client().name;
        let name = client.instance().and_then(|instance| instance.parse::<Fqdn>().ok());
        let (Some(name), "mta", "mtaprovsrvr") = (name, client.kind(), request.service.kind()) else {
            return;
        };
        let service = &request.service;
        let steps = vec![
            Step::ok(
                StepId::TGS_REQUEST,
                asked,
                format!("TGS Request from {peer} for {service}"),
            ),
            Step::ok(
                StepId::TGS_REPLY,
                Timestamp::now(),
                format!("ticket for {service} as {}", opened.client()),
            ),
        ];
        let core = self.core.clone();
        tokio::spawn(async move {
            if let Err(error) = note_steps(&core, &name, steps).await {
                tracing::error!(%name, %error, "the steps of a TGS exchange cannot be noted");
            }
        });
    }
}

/// Adds steps to the attempt of the device with this name, where it has a ticket and goes on from there.
async fn note_steps(core: &Core, name: &Fqdn, steps: Vec<Step>) -> Result<(), StoreError> {
    let Some(device) = core.store.devices_named(name, 1).await?.pop() else {
        return Ok(());
    };
    let attempt = core.store.attempt(device.mac).await?;
    if let Some(attempt) = attempt.filter(|attempt| attempt.phase == Phase::Ticketed) {
        core.note(&attempt, steps).await;
    }
    Ok(())
}
