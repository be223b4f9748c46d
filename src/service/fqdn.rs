//! The MTA-FQDN service (UDP 2246): tells a KDC a device's name and addresses (seed 003 §6.1.7).

use std::net::SocketAddr;
use std::sync::Arc;

use super::core::Core;
use super::drops;
use super::keys::is_unknown_key;
use super::udp::Datagram;
use crate::model::{Flow, StepId};
use crate::settings::{FqdnClients, Service};
use crate::store::{Change, Seen, StoreError};
use crate::value::{OsRandom, Timestamp, hex};
use crate::wire::fqdn::{self, FqdnAnswer, FqdnErrorCode, FqdnExchangeError, FqdnRequestOpened};
use crate::wire::kerberos::{ApReqExpectation, KeyUsage, KrbErrorCode, Principal, PrincipalName, ServiceKey};

const SERVICE: Service = Service::Fqdn;

/// The service.
pub struct FqdnService {
    core: Arc<Core>,
    /// This server as a Kerberos service.
    principal: Principal,
    /// Whether a device whose public key is another than before is refused.
    refuse_changed_keys: bool,
    /// Who may ask.
    clients: FqdnClients,
}

impl FqdnService {
    /// The service over `core`; `refuse_changed_keys` and `clients` as the settings have them.
    pub fn new(core: Arc<Core>, refuse_changed_keys: bool, clients: FqdnClients) -> Arc<Self> {
        let principal = PrincipalName::mtafqdnmap(&core.policy.prov_fqdn).at(&core.policy.realm);
        Arc::new(Self {
            core,
            principal,
            refuse_changed_keys,
            clients,
        })
    }

    /// Handles one datagram; what it returns is sent back.
    pub async fn handle(self: Arc<Self>, datagram: Datagram) -> Option<Vec<u8>> {
        match self.answer(&datagram).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(peer = %datagram.peer, %error, "an MTA-FQDN request cannot be answered");
                None
            }
        }
    }

    async fn answer(&self, datagram: &Datagram) -> Result<Option<Vec<u8>>, StoreError> {
        let peer = datagram.peer;
        let error = |code| Some(fqdn::build_error(code, &self.principal, Timestamp::now()));
        let mut opened = self.open(datagram, &self.core.keys.of(&self.principal.name).await?);
        if opened.as_ref().is_err_and(|error| is_unknown_key(error.code())) {
            opened = self.open(datagram, &self.core.keys.anew(&self.principal.name).await?);
        }
        let opened = match opened {
            Ok(opened) => opened.received_at(datagram.local.ip()),
            Err(wrong) => {
                drops::refused(SERVICE, wrong.code().text(), peer, None, &wrong.to_string());
                // Only what is a Kerberos message at all is worth an answer.
                let kerberos = datagram.payload.first() == Some(&0x6e);
                return Ok(kerberos.then(|| error(wrong.code())).flatten());
            }
        };
        if !self.clients.admit(&opened.ap.client.name) {
            let detail = format!(
                "{} may not ask for devices' names: name it in clients of [fqdn], where it is a KDC",
                opened.ap.client
            );
            let mac = Some(opened.request.mac);
            drops::refused(SERVICE, KrbErrorCode::Policy.text(), peer, mac, &detail);
            return Ok(error(KrbErrorCode::Policy));
        }
        if !self.is_fresh(&opened).await? {
            drops::count(SERVICE, "replay", peer, 0);
            return Ok(error(KrbErrorCode::Repeat));
        }
        let (pad, form) = (self.core.profile.pad, self.core.profile.fqdn_reply);
        let reply = match self.look_up(&opened, peer).await? {
            Ok(answer) => fqdn::build_reply(&opened, &answer, form, pad, Timestamp::now(), &mut OsRandom),
            Err(code) => fqdn::build_refusal(&opened, code, pad, Timestamp::now(), &mut OsRandom),
        };
        match reply {
            Ok(reply) => Ok(Some(reply)),
            Err(error) => {
                tracing::error!(mac = %opened.request.mac, %error, "an MTA-FQDN reply cannot be made");
                Ok(None)
            }
        }
    }

    fn open(&self, datagram: &Datagram, keys: &[ServiceKey]) -> Result<FqdnRequestOpened, FqdnExchangeError> {
        let expected = ApReqExpectation {
            service: &self.principal,
            keys,
            now: Timestamp::now(),
            skew: self.core.policy.clock_skew,
            peer: Some(datagram.peer.ip()),
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        };
        fqdn::open_request(&datagram.payload, &expected)
    }

    /// Whether the request was not seen before. A KDC that repeats itself makes a new Authenticator.
    async fn is_fresh(&self, opened: &FqdnRequestOpened) -> Result<bool, StoreError> {
        let expires = Timestamp::now().plus(self.core.policy.clock_skew * 2);
        let seen = vec![Seen {
            digest: opened.ap.replay_hash,
            expires,
            answer: Vec::new(),
        }];
        match self
            .core
            .store
            .record(Change {
                seen,
                ..Change::default()
            })
            .await
        {
            Ok(()) => Ok(true),
            Err(StoreError::Seen) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What this server knows of the device, or why it does not say (profile P19).
    async fn look_up(
        &self,
        opened: &FqdnRequestOpened,
        peer: SocketAddr,
    ) -> Result<Result<FqdnAnswer, FqdnErrorCode>, StoreError> {
        let request = &opened.request;
        let refuse = |code, reason: &str| {
            self.core.refuse(
                Some(request.mac),
                peer,
                StepId::AS_REQUEST,
                format!("MTA-FQDN request: {reason}"),
            );
            Ok(Err(code))
        };
        let Some(mut device) = self.core.store.device(request.mac).await? else {
            return refuse(FqdnErrorCode::UnknownMac, "the MAC address is unknown");
        };
        if device.flow != Flow::Secure {
            return refuse(FqdnErrorCode::UnknownMac, "the device's flow is not secure");
        }
        if request
            .manufacturer_revoked
            .is_some_and(|since| since <= Timestamp::now())
        {
            return refuse(
                FqdnErrorCode::ManufacturerRevoked,
                "the manufacturer's certificate is revoked",
            );
        }
        let key = hex(&request.public_key_hash);
        if device.public_key_sha1.as_ref() != Some(&key) {
            let changed = device.public_key_sha1.is_some();
            if changed && self.refuse_changed_keys {
                return refuse(
                    FqdnErrorCode::PublicKeyMismatch,
                    "the device's public key is not the one it had: a clone, or a repaired device (device reset forgets it)",
                );
            }
            if changed {
                let note = "MTA-FQDN request: answered, but the device's public key is not the one it had".to_owned();
                self.core.refuse(Some(request.mac), peer, StepId::AS_REQUEST, note);
            }
            device.public_key_sha1 = Some(key);
            self.core.store.put_devices(vec![device.clone()]).await?;
        }
        Ok(Ok(FqdnAnswer {
            fqdn: device.fqdn,
            addresses: device.addresses,
        }))
    }
}
