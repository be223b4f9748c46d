//! Kerberized key management (UDP 1293): AP Requests in, AP Replies and Error Replies out.

use std::net::SocketAddr;
use std::sync::Arc;

use super::core::{Core, Decision};
use super::drops;
use super::udp::Datagram;
use crate::model::{Device, StepId};
use crate::provisioning::{self, Keying, KeyingRefused};
use crate::settings::Service;
use crate::store::StoreError;
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::kerberos::{
    ApReqExpectation, ApReqOpened, KeyUsage, KrbError, KrbErrorCode, Principal, PrincipalName, open_ap_req,
};
use crate::wire::keymgmt::{ApRequest, Ciphersuite, ErrorReply, HmacKeys, Message, Sealed};

const SERVICE: Service = Service::Keymgmt;

/// Key management for the SNMPv3 domain of interpretation.
pub struct KeymgmtService {
    core: Arc<Core>,
    /// This server as a Kerberos service.
    principal: Principal,
    /// The ciphersuites that the operator allows.
    suites: Vec<Ciphersuite>,
}

/// How an AP Request ends that is not answered with an AP Reply.
enum Ended {
    /// With an Error Reply, which tells the device to get another ticket or another time.
    Error(KrbErrorCode, String),
    /// In silence: nothing proves who sent it (profile P30).
    Silent(&'static str),
}

impl KeymgmtService {
    /// Key management over `core`, with the ciphersuites that the operator allows.
    pub fn new(core: Arc<Core>, suites: Vec<Ciphersuite>) -> Arc<Self> {
        let principal = PrincipalName::mtaprovsrvr(&core.policy.prov_fqdn).at(&core.policy.realm);
        Arc::new(Self {
            core,
            principal,
            suites,
        })
    }

    /// Handles one datagram; what it returns is sent back.
    pub async fn handle(self: Arc<Self>, datagram: Datagram) -> Option<Vec<u8>> {
        let peer = datagram.peer;
        let request = match Message::decode(&datagram.payload) {
            Ok(Message::ApRequest(request)) => request,
            // The server asks for no acknowledgement, so this one answers an AP Reply of another life.
            Ok(Message::Recovered(_)) => {
                drops::count(SERVICE, "security parameter recovered, not asked for", peer, 0);
                return None;
            }
            Ok(_) => {
                drops::count(SERVICE, "a message that only servers send", peer, 0);
                return None;
            }
            Err(error) => {
                drops::count(SERVICE, error.reason(), peer, error.offset());
                return None;
            }
        };
        let mac = request.body.agent.user.mac();
        match self.answer(&request, mac, &datagram).await {
            Ok(reply) => Some(reply),
            Err(Ended::Silent(reason)) => {
                drops::count(SERVICE, reason, peer, 0);
                self.core.refuse(mac, peer, StepId::AP_REQUEST, reason.to_owned());
                None
            }
            Err(Ended::Error(code, reason)) => {
                drops::refused(SERVICE, code.text(), peer, mac, &reason);
                self.core.refuse(mac, peer, StepId::AP_REQUEST, reason);
                let error = KrbError::new(code, &self.principal, Timestamp::now()).encode();
                Some(ErrorReply { krb_error: &error }.encode())
            }
        }
    }

    async fn answer(
        &self,
        request: &Sealed<'_, ApRequest<'_>>,
        mac: Option<MacAddress>,
        datagram: &Datagram,
    ) -> Result<Vec<u8>, Ended> {
        let failed = |error: StoreError| {
            tracing::error!(%error, "an AP exchange cannot be stored");
            Ended::Silent("store")
        };
        let digest = provisioning::digest(&datagram.payload);
        if request.body.server_nonce.is_some() {
            return Err(Ended::Silent("a server nonce that no outstanding Wake Up carried"));
        }
        let mac = mac.ok_or(Ended::Silent("the user name has no MAC address"))?;
        let device = self.core.store.device(mac).await.map_err(failed)?;
        let device = device.ok_or(Ended::Silent("the MAC address is unknown"))?;
        let opened = self.open(&request.body, datagram.peer).await.map_err(failed)??;
        let keys = HmacKeys {
            session_key: &opened.session_key().value,
            authenticator_subkey: opened.authenticator.subkey.as_ref().map(|key| &key.value),
        };
        let recipe = request
            .recipe(self.core.profile.hmac, keys)
            .ok_or(Ended::Silent("HMAC"))?;
        let keying = Keying {
            request: &request.body,
            opened: &opened,
            recipe,
            digest,
            peer: datagram.peer,
            suites: &self.suites,
            engine: &self.core.engine,
        };
        self.establish(&device, &keying).await
    }

    async fn open(&self, request: &ApRequest<'_>, peer: SocketAddr) -> Result<Result<ApReqOpened, Ended>, StoreError> {
        let keys = self.core.keys.of(&self.principal.name).await?;
        let expected = ApReqExpectation {
            service: &self.principal,
            keys: &keys,
            now: Timestamp::now(),
            skew: self.core.policy.clock_skew,
            peer: Some(peer.ip()),
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        };
        Ok(
            open_ap_req(request.ap_req, &expected).map_err(|error| match error.code() {
                // What the device can mend by a new ticket or another clock it is told; the rest proves nothing about who
                // sent it, and an answer would only help the sender.
                code @ (KrbErrorCode::TicketExpired
                | KrbErrorCode::TicketNotYetValid
                | KrbErrorCode::Skew
                | KrbErrorCode::BadKeyVersion
                | KrbErrorCode::NoKey
                | KrbErrorCode::NotUs) => Ended::Error(code, error.to_string()),
                code => Ended::Silent(code.text()),
            }),
        )
    }

    async fn establish(&self, device: &Device, keying: &Keying<'_>) -> Result<Vec<u8>, Ended> {
        let Core { profile, policy, .. } = &*self.core;
        let decide = |attempt| match provisioning::key(
            device,
            attempt,
            keying,
            profile,
            policy,
            Timestamp::now(),
            &mut OsRandom,
        ) {
            Ok((change, reply)) => Decision::store(change, Ok(reply)),
            Err(refused) => Decision::only(Err::<Vec<u8>, KeyingRefused>(refused)),
        };
        match self.core.decide(device.mac, decide).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refused)) => Err(Ended::Error(refused.code(), refused.to_string())),
            // The same octets again get the same answer again, and establish nothing new (profile P30). They are told by
            // the store when it refuses to see them twice, so that what is new costs no look-up.
            Err(StoreError::Seen) => match self.core.store.answer(keying.digest).await {
                Ok(Some(answer)) if !answer.is_empty() => Ok(answer),
                // Other octets around an Authenticator that was seen: a replay.
                _ => Err(Ended::Error(
                    KrbErrorCode::Repeat,
                    "the Authenticator was seen before: a replay".to_owned(),
                )),
            },
            Err(error) => {
                tracing::error!(mac = %device.mac, %error, "an AP exchange cannot be stored");
                Err(Ended::Silent("store"))
            }
        }
    }
}
