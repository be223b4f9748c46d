//! Telling a device that is in service to bootstrap: one SET, SNMPv3 or SNMPv2c as its flow has it (seed 003 §6.6.5).

use std::sync::Arc;

use tokio::net::UdpSocket;

use super::SnmpService;
use super::manager::Asked;
use crate::model::{Attempt, Device, Family, Step, StepId};
use crate::value::{MacAddress, Timestamp};
use crate::wire::snmp::{ErrorStatus, Pdu, PduKind};
use crate::wire::tlv::trigger_varbinds;

impl SnmpService {
    /// Sets pktcEUECBData and pktcEUECBEnable of a device, through whichever of `sockets` has its family; what came of it,
    /// for the operator and for the device's ladder.
    ///
    /// # Errors
    /// Why the device was not told, and what helps.
    pub async fn bootstrap(&self, mac: MacAddress, sockets: &[Arc<UdpSocket>]) -> Result<String, String> {
        let store = &self.core.store;
        let unknown = || format!("{mac} is not a known device");
        let device = store
            .device(mac)
            .await
            .map_err(|error| error.to_string())?
            .ok_or_else(unknown)?;
        let attempt = store.attempt(mac).await.map_err(|error| error.to_string())?;
        let attempt = attempt.ok_or("the device was never provisioned: where it listens is not known")?;
        let told = self.tell_to_bootstrap(&device, &attempt, sockets).await;
        let now = Timestamp::now();
        let step = match &told {
            Ok(detail) => Step::ok(StepId::BOOTSTRAP_TRIGGER, now, detail.clone()),
            Err(reason) => Step::failed(StepId::BOOTSTRAP_TRIGGER, now, reason.clone()),
        };
        self.core.note(&attempt, vec![step]).await;
        told
    }

    async fn tell_to_bootstrap(
        &self,
        device: &Device,
        attempt: &Attempt,
        sockets: &[Arc<UdpSocket>],
    ) -> Result<String, String> {
        let family = Family::of(attempt.peer.ip());
        let socket = sockets.iter().find_map(|socket| {
            let local = socket.local_addr().ok()?.ip();
            (Family::of(local) == family).then_some((socket, local))
        });
        let (socket, local) =
            socket.ok_or_else(|| format!("[snmp] does not listen on an address of family {family}"))?;
        let url = self.core.files.triggers.url(device, local, &self.core.policy);
        let url = url.ok_or_else(|| {
            format!(
                "neither [bootstrap] nor [bootstrap_legacy] listens on an address of family {family}, and no url is set"
            )
        })?;
        let bindings = trigger_varbinds(&url).to_vec();
        match self
            .ask(attempt, PduKind::Set, bindings, StepId::BOOTSTRAP_TRIGGER, socket)
            .await
        {
            Asked::Response(
                Pdu {
                    kind:
                        PduKind::Response {
                            status: ErrorStatus::NoError,
                            ..
                        },
                    ..
                },
                _,
            ) => Ok(format!("told to bootstrap at {url}")),
            Asked::Response(
                Pdu {
                    kind: PduKind::Response { status, index },
                    ..
                },
                _,
            ) => Err(format!(
                "the device refused the SET of {url}: {status:?} at binding {index}"
            )),
            Asked::Response(..) => Err("the answer is no Response".to_owned()),
            Asked::Refused(reason) => Err(reason),
            Asked::Silent => Err(format!("no answer from {}", self.target(attempt.peer))),
        }
    }
}
