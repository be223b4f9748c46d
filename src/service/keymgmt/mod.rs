//! Kerberized key management (UDP 1293): Wake Ups out, AP Requests in, AP Replies and Error Replies out, Security
//! Parameter Recovereds in.

mod recovered;
mod wake_up;

pub use wake_up::WakeUps;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use tokio::net::UdpSocket;

use super::core::{Core, Decision};
use super::drops;
use super::keys::is_unknown_key;
use super::udp::Datagram;
use crate::model::{Device, StepId};
use crate::provisioning::{self, Keying, KeyingRefused};
use crate::settings::Service;
use crate::store::{StoreError, WakeUpSent};
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::kerberos::{
    ApReqExpectation, ApReqOpened, EncryptionKey, KeyUsage, KrbError, KrbErrorCode, Principal, PrincipalName,
    ServiceKey, open_ap_req,
};
use crate::wire::keymgmt::{ApRequest, Ciphersuite, ErrorReply, HmacKeys, Message, Sealed};

const SERVICE: Service = Service::Keymgmt;

/// Key management for the SNMPv3 domain of interpretation.
pub struct KeymgmtService {
    core: Arc<Core>,
    /// This server as a Kerberos service.
    principal: Principal,
    settings: KeymgmtSettings,
    /// The sockets that Wake Ups leave from, once they are there.
    sockets: OnceLock<Vec<Arc<UdpSocket>>>,
}

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct KeymgmtSettings {
    /// The ciphersuites that are allowed.
    pub suites: Vec<Ciphersuite>,
    /// Whether devices are to acknowledge AP Replies (profile P3).
    pub ack_required: bool,
    /// How Wake Ups are sent.
    pub wake_ups: WakeUps,
}

/// An AP Request with a nonce that no Wake Up to the device had, or one that is over (profile P9).
const UNSOLICITED: Ended = Ended::Silent("a server nonce that no outstanding Wake Up carried");

/// How an AP Request ends that is not answered with an AP Reply.
enum Ended {
    /// With an Error Reply, which tells the device to get another ticket or another time; signed with the session key
    /// where the request gave one.
    Error(KrbErrorCode, String, Option<EncryptionKey>),
    /// In silence: nothing proves who sent it (profile P30).
    Silent(&'static str),
}

impl KeymgmtService {
    /// Key management over `core`.
    pub fn new(core: Arc<Core>, settings: KeymgmtSettings) -> Arc<Self> {
        let principal = PrincipalName::mtaprovsrvr(&core.policy.prov_fqdn).at(&core.policy.realm);
        Arc::new(Self {
            core,
            principal,
            settings,
            sockets: OnceLock::new(),
        })
    }

    /// Gives the service the sockets that it listens on, for what it sends of its own accord.
    pub fn speak_from(&self, sockets: Vec<Arc<UdpSocket>>) {
        // It listens once.
        let _ = self.sockets.set(sockets);
    }

    /// Handles one datagram; what it returns is sent back.
    pub async fn handle(self: Arc<Self>, datagram: Datagram) -> Option<Vec<u8>> {
        let peer = datagram.peer;
        let request = match Message::decode(&datagram.payload) {
            Ok(Message::ApRequest(request)) => request,
            Ok(Message::Recovered(message)) => {
                self.recovered(&message, peer).await;
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
            Err(Ended::Error(code, reason, key)) => {
                drops::refused(SERVICE, code.text(), peer, mac, &reason);
                self.core.refuse(mac, peer, StepId::AP_REQUEST, reason);
                let error = KrbError::new(code, &self.principal, Timestamp::now());
                let signed = key.and_then(|key| error.clone().signed(&key, &mut OsRandom).ok());
                let error = signed.unwrap_or(error).encode();
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
        let mac = mac.ok_or(Ended::Silent("the user name has no MAC address"))?;
        let device = self.core.store.device(mac).await.map_err(failed)?;
        let device = device.ok_or(Ended::Silent("the MAC address is unknown"))?;
        let wake_up = match request.body.server_nonce {
            // Before any deciphering: whoever does not know the nonce costs one look-up.
            Some(nonce) => match self.outstanding(mac, nonce).await.map_err(failed)? {
                Some(sent) => Some(sent),
                None => return self.answered_before(digest).await.map_err(failed)?.ok_or(UNSOLICITED),
            },
            None => None,
        };
        let opened = self.open(&request.body, datagram.peer).await.map_err(failed)??;
        let keys = HmacKeys {
            session_key: &opened.session_key().value,
            authenticator_subkey: opened.authenticator.subkey.as_ref().map(|key| &key.value),
        };
        let known = self.core.vendors.of(mac, &self.core.profile).await.map_err(failed)?;
        let attempt = self.core.store.attempt(mac).await.map_err(failed)?;
        let ways = known.ways(attempt.as_ref().and_then(|attempt| attempt.type_identifier.as_deref()));
        let recipe = request.recipe(ways.hmac(), keys).ok_or(Ended::Silent("HMAC"))?;
        let keying = Keying {
            request: &request.body,
            opened: &opened,
            recipe,
            ways,
            wake_up,
            digest,
            peer: datagram.peer,
            suites: &self.settings.suites,
            engine: &self.core.engine,
            ack_required: self.settings.ack_required,
        };
        self.establish(&device, &keying).await
    }

    async fn open(&self, request: &ApRequest<'_>, peer: SocketAddr) -> Result<Result<ApReqOpened, Ended>, StoreError> {
        let open = |keys: &[ServiceKey]| {
            let expected = ApReqExpectation {
                service: &self.principal,
                keys,
                now: Timestamp::now(),
                skew: self.core.policy.clock_skew,
                peer: Some(peer.ip()),
                usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            };
            open_ap_req(request.ap_req, &expected)
        };
        let mut opened = open(&self.core.keys.of(&self.principal.name).await?);
        if opened.as_ref().is_err_and(|error| is_unknown_key(error.code())) {
            opened = open(&self.core.keys.anew(&self.principal.name).await?);
        }
        Ok(opened.map_err(|error| match error.code() {
            // What the device can mend by a new ticket or another clock it is told; the rest proves nothing about who
            // sent it, and an answer would only help the sender.
            code @ (KrbErrorCode::TicketExpired
            | KrbErrorCode::TicketNotYetValid
            | KrbErrorCode::Skew
            | KrbErrorCode::BadKeyVersion
            | KrbErrorCode::NoKey
            | KrbErrorCode::NotUs) => Ended::Error(code, error.to_string(), error.session_key().cloned()),
            code => Ended::Silent(code.text()),
        }))
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
            Ok(Err(refused)) => Err(match refused.code() {
                Some(code) => Ended::Error(code, refused.to_string(), Some(keying.opened.session_key().clone())),
                None => UNSOLICITED,
            }),
            // The same octets again get the same answer again, and establish nothing new (profile P30). They are told by
            // the store when it refuses to see them twice, so that what is new costs no look-up.
            Err(StoreError::Seen) => match self.answered_before(keying.digest).await {
                Ok(Some(answer)) => Ok(answer),
                // Other octets around an Authenticator that was seen: a replay.
                _ => Err(Ended::Error(
                    KrbErrorCode::Repeat,
                    "the Authenticator was seen before: a replay".to_owned(),
                    Some(keying.opened.session_key().clone()),
                )),
            },
            Err(StoreError::Full(..)) => Err(Ended::Silent(
                "too many AP Requests of the device within the clock skew",
            )),
            Err(error) => {
                tracing::error!(mac = %device.mac, %error, "an AP exchange cannot be stored");
                Err(Ended::Silent("store"))
            }
        }
    }

    /// The Wake Up with this nonce that the device was sent and that is still outstanding, or was answered a moment ago.
    async fn outstanding(&self, mac: MacAddress, nonce: NonZeroU32) -> Result<Option<WakeUpSent>, StoreError> {
        let sent = self.core.store.wake_up(mac).await?;
        Ok(sent.filter(|sent| sent.nonce == nonce && Timestamp::now() < sent.expires))
    }

    /// The answer that these very octets got before.
    async fn answered_before(&self, digest: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.core.store.answer(digest).await?;
        Ok(answer.filter(|answer| !answer.is_empty()))
    }
}
