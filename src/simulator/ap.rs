//! The device's side of key management without I/O (steps eUE-13 and eUE-14).

use super::agent::UserSecurity;
use super::device::{DeviceSpec, SecureSpec, Server, StoredTicket};
use super::fault::Fault;
use crate::model::KeyAsked;
use crate::profile::Profile;
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{
    ApReq, ApReqContent, ApReqSent, EncryptionKey, KeyUsage, KrbError, Number32, PadForm, PrincipalName, open_ap_rep,
};
use crate::wire::keymgmt::{
    ApReply, ApRequest, HmacKeyRule, HmacKeys, Message, Recovered, Sealed, SnmpParameters, SuiteId, UserName,
    derive_keys,
};
use crate::wire::snmp::{LocalEngine, RemoteEngine, SaltSource, UsmStats};

/// An AP exchange that waits for its reply.
#[derive(Debug)]
pub struct ApExchange {
    datagram: Vec<u8>,
    sent: ApReqSent,
    session_key: EncryptionKey,
    /// The pad form that the Authenticator shows; none where it fills its last block (profile P14).
    shown: Option<PadForm>,
    /// The key that the device puts into its Authenticator, where its HMAC is made with it (profile P1).
    subkey: Option<EncryptionKey>,
    agent: SnmpParameters,
    engine: LocalEngine,
    offered: Vec<SuiteId>,
    profile: Profile,
}

/// What an AP exchange established.
#[derive(Debug)]
pub struct Association {
    /// The keys and engines of the SNMPv3 security association.
    pub security: UserSecurity,
    /// The Security Parameter Recovered, where the server asks for one.
    pub recovered: Option<Vec<u8>>,
    /// The chosen ciphersuite, for the report.
    pub suite: String,
}

impl ApExchange {
    /// An AP Request with `ticket`. The agent's engine starts now; it counts its first boot, as a device does that
    /// came out of its box.
    ///
    /// # Errors
    /// Where the ticket's session key is unusable or too many ciphersuites are offered.
    pub fn begin(
        device: &DeviceSpec,
        secure: &SecureSpec,
        server: &Server,
        ticket: &StoredTicket,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Self, Fault> {
        let engine = LocalEngine {
            engine_id: device.engine_id(),
            boots: 1,
            started: now,
        };
        Self::renew(
            device,
            secure,
            server,
            ticket,
            &engine,
            KeyAsked::default(),
            now,
            random,
        )
    }

    /// The same of a device whose agent's engine runs already, and why it asks.
    ///
    /// # Errors
    /// As [`ApExchange::begin`].
    #[allow(clippy::too_many_arguments, reason = "what a device has, and what it was asked")]
    pub fn renew(
        device: &DeviceSpec,
        secure: &SecureSpec,
        server: &Server,
        ticket: &StoredTicket,
        engine: &LocalEngine,
        asked: KeyAsked,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Self, Fault> {
        let profile = server.profile.clone();
        let subkey = match profile.hmac.key {
            HmacKeyRule::AuthenticatorSubkey => {
                let etype = ticket
                    .session_key
                    .enc_type()
                    .map_err(|_| Fault::Mismatch("the session key of the ticket"))?;
                Some(etype.generate(random))
            }
            HmacKeyRule::HashedSessionKey | HmacKeyRule::SessionKey => None,
        };
        let mut sequence = [0; 4];
        random.fill(&mut sequence);
        let content = ApReqContent {
            client: &PrincipalName::mta(&device.fqdn).at(&server.realm),
            ticket: &ticket.ticket,
            session_key: &ticket.session_key,
            now,
            mutual: true,
            checksum: None,
            subkey: subkey.clone(),
            seq_number: Some(Number32::new(u32::from_be_bytes(sequence))),
            usage: KeyUsage::AP_REQ_AUTHENTICATOR,
            pad: profile.pad,
        };
        let (ap_req, sent) = ApReq::build(&content, random)?;
        let agent = SnmpParameters {
            engine_id: engine.engine_id.clone(),
            engine_boots: engine.boots,
            engine_time: engine.time(now),
            user: UserName::of_device(device.mac),
        };
        let offered: Vec<SuiteId> = secure.suites.iter().map(|&suite| profile.suite_ids.id(suite)).collect();
        let request = ApRequest {
            ap_req: &ap_req.encode(),
            server_nonce: asked.server_nonce,
            agent: agent.clone(),
            suites: offered.clone(),
            reestablish: asked.reestablish,
        };
        let session_key = ticket.session_key.clone();
        let datagram = request.seal(profile.hmac, hmac_keys(&session_key, subkey.as_ref()))?;
        Ok(Self {
            datagram,
            sent,
            shown: session_key
                .open(&ap_req.authenticator, KeyUsage::AP_REQ_AUTHENTICATOR)
                .ok()
                .and_then(|own| own.pad),
            session_key,
            subkey,
            agent,
            engine: engine.clone(),
            offered,
            profile,
        })
    }

    /// The AP Request. Retransmissions are the same octets (profile P30).
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Takes a datagram from the server's key management; `None` where it is not the answer that is waited for.
    ///
    /// # Errors
    /// What is wrong with the answer, or the server's own error.
    pub fn accept(
        &self,
        datagram: &[u8],
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Option<Association>, Fault> {
        match Message::decode(datagram)? {
            Message::ApReply(reply) => self.take(&reply, datagram, now, random).map(Some),
            Message::ErrorReply(reply) => {
                let error = KrbError::parse(reply.krb_error)?;
                // One that is signed is the server's own; where there was no key in common, it cannot be.
                if error.e_cksum.is_some() {
                    error.verify(&self.session_key)?;
                }
                Err(Fault::refused(&error))
            }
            _ => Ok(None),
        }
    }

    fn take(
        &self,
        reply: &Sealed<'_, ApReply<'_>>,
        datagram: &[u8],
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Association, Fault> {
        if !reply.verify(self.profile.hmac, hmac_keys(&self.session_key, self.subkey.as_ref())) {
            return Err(Fault::Mismatch("the AP Reply's HMAC"));
        }
        let reply = &reply.body;
        let (part, pad) = open_ap_rep(reply.ap_rep, &self.session_key, &self.sent)?;
        // A server that saw the device's form answers in it.
        if self.shown.zip(pad).is_some_and(|(shown, pad)| shown != pad) {
            return Err(Fault::Mismatch("the pad of the AP Reply"));
        }
        if part.seq_number != self.sent.seq_number {
            return Err(Fault::Mismatch("the AP Reply's sequence number"));
        }
        let subkey = part.subkey.filter(|key| key.etype == self.profile.subkey_type);
        let subkey = subkey.filter(|key| key.value.len() == self.profile.subkey_length);
        let subkey = subkey.ok_or(Fault::Mismatch("the AP Reply's subkey"))?.value;
        if reply.manager.user != self.agent.user {
            return Err(Fault::Mismatch("the AP Reply's user name"));
        }
        if reply.manager.engine_boots == 0 {
            return Err(Fault::Mismatch("the AP Reply's engine boots"));
        }
        let suite = self
            .profile
            .suite_ids
            .suite(reply.suite)
            .filter(|_| self.offered.contains(&reply.suite));
        let suite = suite.ok_or(Fault::Mismatch("the AP Reply's ciphersuite"))?;

        let engines = (&self.agent.engine_id, &reply.manager.engine_id);
        let keys = derive_keys(&subkey, suite, &self.profile.keys, engines.0, engines.1);
        let engine = self.engine.clone();
        let manager = &reply.manager;
        let security = UserSecurity {
            user: self.agent.user.as_str().to_owned(),
            engine,
            keys: keys.agent,
            manager: manager.engine_id.clone(),
            manager_clock: RemoteEngine::learned(manager.engine_boots, manager.engine_time, now),
            manager_keys: keys.manager,
            salts: SaltSource::new(random),
            stats: UsmStats::default(),
        };
        let recovered = reply
            .ack_required
            .then(|| Recovered::encode(self.profile.recovered, self.profile.hmac, datagram, &subkey));
        let suite = match suite.privacy {
            Some(privacy) => format!("{:?} {privacy:?}", suite.auth),
            None => format!("{:?}", suite.auth),
        };
        Ok(Association {
            security,
            recovered,
            suite,
        })
    }
}

fn hmac_keys<'a>(session_key: &'a EncryptionKey, subkey: Option<&'a EncryptionKey>) -> HmacKeys<'a> {
    HmacKeys {
        session_key: &session_key.value,
        authenticator_subkey: subkey.map(|key| &key.value),
    }
}
