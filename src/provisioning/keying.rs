//! eUE-13 and eUE-14: the AP exchange that gives the device its SNMPv3 keys.

use std::net::SocketAddr;
use std::time::Duration;

use super::Policy;
use super::attempt::{advance, begin};
use crate::model::{Attempt, Device, Flow, KeyAsked, Phase, SnmpSession, Step, StepId};
use crate::profile::{Learned, Profile, Ways, user_name_pattern};
use crate::store::{Change, Quota, Recovery, Seen, WakeUpSent};
use crate::value::{MacAddress, Random, Secret, Timestamp};
use crate::wire::kerberos::{
    ApReqOpened, EncryptionKey, KerberosError, KrbErrorCode, PadForm, build_ap_rep, generate_subkey,
};
use crate::wire::keymgmt::{
    ApReply, ApRequest, Ciphersuite, EncodeError, HmacKeys, HmacRecipe, SnmpParameters, choose_suite,
};
use crate::wire::snmp::LocalEngine;

/// Why a believed AP Request establishes nothing. The device is told `code`, the operator the text.
#[derive(Debug, thiserror::Error)]
pub enum KeyingRefused {
    /// The user name's MAC address is not that of the device the ticket was issued to.
    #[error("the ticket is {ticket}'s, the user name {user} is another device's")]
    OtherDevice {
        /// The ticket's client.
        ticket: String,
        /// The user name in the request.
        user: String,
    },
    /// The request carries a nonce that no outstanding Wake Up to the device had (profile P9).
    #[error("its server nonce is not that of an outstanding Wake Up")]
    Nonce,
    /// The device is not one of the secure flow.
    #[error("the device's flow is {0}")]
    Flow(Flow),
    /// The request came from an address that DHCP did not give the device.
    #[error("{0} is not one of the device's addresses")]
    Address(SocketAddr),
    /// No ciphersuite of the device's list is allowed.
    #[error("none of the offered ciphersuites is allowed")]
    Ciphersuite,
    /// The reply could not be made.
    #[error("the reply cannot be made: {0}")]
    Kerberos(#[from] KerberosError),
    /// The reply could not be made.
    #[error("the reply cannot be made: {0}")]
    Encode(#[from] EncodeError),
}

impl KeyingRefused {
    /// The code for the Error Reply; none where the request is dropped in silence.
    pub fn code(&self) -> Option<KrbErrorCode> {
        Some(match self {
            Self::Nonce => return None,
            Self::OtherDevice { .. } => KrbErrorCode::BadMatch,
            Self::Address(_) => KrbErrorCode::BadAddress,
            Self::Flow(_) => KrbErrorCode::Policy,
            Self::Ciphersuite => KrbErrorCode::EncTypeUnsupported,
            Self::Kerberos(_) | Self::Encode(_) => KrbErrorCode::Generic,
        })
    }
}

/// A believed AP Request, with what the service knows of it.
pub struct Keying<'a> {
    /// The message.
    pub request: &'a ApRequest<'a>,
    /// Its Kerberos part, opened.
    pub opened: &'a ApReqOpened,
    /// The recipe by which its HMAC verified.
    pub recipe: HmacRecipe,
    /// What is known of the device's vendor.
    pub ways: Ways<'a>,
    /// The Wake Up that the device was last sent.
    pub wake_up: Option<WakeUpSent>,
    /// SHA-256 over the whole datagram, by which its repetition is known (profile P30).
    pub digest: [u8; 32],
    /// Where it came from.
    pub peer: SocketAddr,
    /// The ciphersuites that the operator allows.
    pub suites: &'a [Ciphersuite],
    /// The server's SNMP engine.
    pub engine: &'a LocalEngine,
    /// Whether the device is to acknowledge the AP Reply (profile P3).
    pub ack_required: bool,
}

impl Keying<'_> {
    fn asked(&self) -> KeyAsked {
        KeyAsked {
            server_nonce: self.request.server_nonce,
            reestablish: self.request.reestablish,
        }
    }

    /// What the request has shown of the interop profile.
    fn learned(&self, mac: MacAddress) -> Learned {
        Learned {
            hmac: Some(self.recipe),
            pad: self.opened.pad,
            user_name: Some(user_name_pattern(&self.request.agent.user, mac)),
            // What was learned of the vendor's keys holds for the new ones.
            keys: self.ways.vendor().and_then(|known| known.keys.clone()),
            unsettled: self.ways.vendor().is_some_and(|known| known.unsettled),
        }
    }

    /// The security association that the reply sets up.
    fn session(
        &self,
        mac: MacAddress,
        suite: Ciphersuite,
        subkey: Secret,
        keyed_at: Timestamp,
        now: Timestamp,
    ) -> SnmpSession {
        let agent = &self.request.agent;
        SnmpSession {
            user: agent.user.as_str().to_owned(),
            engine_id: agent.engine_id.clone(),
            engine_boots: agent.engine_boots,
            engine_time: agent.engine_time,
            engine_seen: now,
            auth: suite.auth,
            privacy: suite.privacy,
            subkey,
            keyed_from: self.peer,
            keyed_at,
            asked: self.asked(),
            learned: self.learned(mac),
        }
    }

    /// What is remembered of the request: the same datagram gets the same answer, its Authenticator in another one none.
    fn seen(&self, reply: &[u8], expires: Timestamp) -> Vec<Seen> {
        vec![
            Seen {
                digest: self.digest,
                expires,
                answer: reply.to_vec(),
            },
            Seen {
                digest: self.opened.replay_hash,
                expires,
                answer: Vec::new(),
            },
        ]
    }
}

/// How many messages of one device are remembered at the same time, two an AP exchange: a device that asks for keys more
/// often than that within the clock skew is out of order, or somebody has its ticket and fills the store.
const REMEMBERED: u32 = 128;

/// Decides on an AP Request and makes the AP Reply. The change carries the reply as the answer to the request's
/// repetition. `attempt` is the device's newest.
///
/// # Errors
/// [`KeyingRefused`].
pub fn key(
    device: &Device,
    attempt: Option<Attempt>,
    keying: &Keying<'_>,
    profile: &Profile,
    policy: &Policy,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(Change, Vec<u8>), KeyingRefused> {
    check(device, keying)?;
    let offered = &keying.request.suites;
    let suite = choose_suite(offered, profile.suite_ids, keying.suites).ok_or(KeyingRefused::Ciphersuite)?;
    let repeated = attempt
        .as_ref()
        .and_then(|attempt| asked_again(attempt, keying, suite, now));
    let wake_up = answered(keying, repeated.is_some(), now)?;
    let subkey = match repeated {
        Some(session) => EncryptionKey {
            etype: profile.subkey_type,
            value: session.subkey.clone(),
        },
        None => generate_subkey(profile.subkey_length, random),
    };
    let keyed_at = repeated.map_or(now, |session| session.keyed_at);
    let repeated = repeated.is_some();
    let reply = reply(keying, suite, &subkey, profile, now, random)?;
    let steps = steps(keying, suite, now);

    let session = keying.session(device.mac, suite, subkey.value, keyed_at, now);
    let (attempt, replaced) = match attempt {
        // The device runs on, with other keys: what it was doing, or had done, is not touched.
        Some(attempt) if refreshes(&attempt, keying) => (refreshed(attempt, session, now), None),
        // A ticket that was just issued belongs to the attempt that asked for it; any other attempt in progress ends here.
        Some(attempt) if attempt.phase == Phase::Ticketed || repeated => {
            (keyed(attempt, session, keying, policy, now), None)
        }
        attempt => {
            let (attempt, replaced) = begin(device, attempt, Phase::Keyed, keying.peer, policy, now, random);
            (keyed(attempt, session, keying, policy, now), replaced)
        }
    };
    // An Authenticator is believed within the skew on either side of the server's clock, so that long it is remembered.
    let expires = now.plus(policy.clock_skew * 2);
    let seen = keying.seen(&reply, expires);
    let recovery = keying.ack_required.then_some(Recovery {
        peer: keying.peer,
        mac: device.mac,
        digest: keying.digest,
        expires,
    });
    let change = Change {
        attempt: Some(attempt),
        replaced,
        steps,
        seen,
        quota: Some(Quota {
            owner: device.mac.to_string(),
            most: REMEMBERED,
        }),
        wake_up,
        recovery,
        ..Change::default()
    };
    Ok((change, reply))
}

/// How long another AP Request of a device that has just been given keys counts as the same one, asked again because
/// the reply was late.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// The session that the device was just given, where it asks once more for the same reason and without having rebooted
/// (its engine boots are the same): it gets the same subkey, so that whichever of the replies reaches it first is the
/// right one.
fn asked_again<'a>(
    attempt: &'a Attempt,
    keying: &Keying<'_>,
    suite: Ciphersuite,
    now: Timestamp,
) -> Option<&'a SnmpSession> {
    let session = attempt.session.as_ref()?;
    let waits = attempt.phase == Phase::Keyed || session.asked != KeyAsked::default();
    let same = same_boot(session, keying)
        && session.user == keying.request.agent.user.as_str()
        && (session.auth, session.privacy) == (suite.auth, suite.privacy)
        && session.asked == keying.asked()
        && session.keyed_from == keying.peer;
    (waits && same && now.since(session.keyed_at) < ASKED_AGAIN).then_some(session)
}

/// Whether the device's agent has not started again since it was given these keys.
fn same_boot(session: &SnmpSession, keying: &Keying<'_>) -> bool {
    let agent = &keying.request.agent;
    session.engine_id == agent.engine_id && session.engine_boots == agent.engine_boots
}

/// The Wake Up that the request answers, as answered; none where nobody asked for the request.
fn answered(keying: &Keying<'_>, repeated: bool, now: Timestamp) -> Result<Option<WakeUpSent>, KeyingRefused> {
    let Some(nonce) = keying.request.server_nonce else {
        return Ok(None);
    };
    let sent = keying
        .wake_up
        .filter(|sent| sent.nonce == nonce && now < sent.expires)
        // One Wake Up is good for one AP exchange, which may be asked for again.
        .filter(|sent| sent.answered.is_none() || repeated)
        .ok_or(KeyingRefused::Nonce)?;
    Ok(Some(WakeUpSent {
        answered: sent.answered.or(Some(now)),
        ..sent
    }))
}

/// Whether the request is one of a device that has keys of this boot and gets others while it runs: after a Wake Up, or
/// because it says so by its re-establish flag (profile P9).
fn refreshes(attempt: &Attempt, keying: &Keying<'_>) -> bool {
    let session = attempt.session.as_ref().filter(|session| same_boot(session, keying));
    session.is_some() && keying.asked() != KeyAsked::default()
}

/// The attempt of a device that goes on with another session. One that has ended stays the device's newest for as long as
/// ended attempts are kept.
fn refreshed(attempt: Attempt, mut session: SnmpSession, now: Timestamp) -> Attempt {
    if let (None, Some(before)) = (&session.learned.keys, attempt.session) {
        (session.learned.keys, session.learned.unsettled) = (before.learned.keys, before.learned.unsettled);
    }
    let deadline = match attempt.phase {
        Phase::Ended => now,
        _ => attempt.deadline,
    };
    Attempt {
        session: Some(session),
        deadline,
        ..attempt
    }
}

/// The attempt in which the device was given its session, and is to enroll under it.
fn keyed(attempt: Attempt, session: SnmpSession, keying: &Keying<'_>, policy: &Policy, now: Timestamp) -> Attempt {
    Attempt {
        peer: keying.peer,
        session: Some(session),
        ..advance(attempt, Phase::Keyed, policy, now)
    }
}

fn check(device: &Device, keying: &Keying<'_>) -> Result<(), KeyingRefused> {
    if device.flow != Flow::Secure {
        return Err(KeyingRefused::Flow(device.flow));
    }
    if !device.may_speak_from(keying.peer.ip()) {
        return Err(KeyingRefused::Address(keying.peer));
    }
    let client = &keying.opened.client;
    let named = client
        .name
        .instance()
        .is_some_and(|instance| instance.eq_ignore_ascii_case(device.fqdn.as_str()));
    if !named {
        let user = keying.request.agent.user.as_str().to_owned();
        return Err(KeyingRefused::OtherDevice {
            ticket: client.to_string(),
            user,
        });
    }
    Ok(())
}

fn reply(
    keying: &Keying<'_>,
    suite: Ciphersuite,
    subkey: &EncryptionKey,
    profile: &Profile,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KeyingRefused> {
    let opened = keying.opened;
    let subkey = EncryptionKey {
        etype: profile.subkey_type,
        value: subkey.value.clone(),
    };
    let seq_number = opened.authenticator.seq_number.filter(|_| profile.echo_sequence_number);
    // The device's Authenticator shows which pad form its etype 5 has; the reply follows it (profile P14).
    let pad: PadForm = opened.pad.unwrap_or_else(|| keying.ways.pad(opened.ticket_pad));
    let ap_rep = build_ap_rep(opened, Some(subkey), seq_number, pad, random)?;
    let manager = SnmpParameters {
        engine_id: keying.engine.engine_id.clone(),
        engine_boots: keying.engine.boots,
        engine_time: keying.engine.time(now),
        user: keying.request.agent.user.clone(),
    };
    let reply = ApReply {
        ap_rep: &ap_rep,
        manager,
        suite: profile.suite_ids.id(suite),
        lifetime: 0,
        grace: 0,
        reestablish: false,
        ack_required: keying.ack_required,
    };
    let keys = HmacKeys {
        session_key: &opened.session_key().value,
        authenticator_subkey: opened.authenticator.subkey.as_ref().map(|key| &key.value),
    };
    Ok(reply.seal(keying.recipe, keys)?)
}

fn steps(keying: &Keying<'_>, suite: Ciphersuite, now: Timestamp) -> Vec<Step> {
    let agent = &keying.request.agent;
    let why = match (keying.request.server_nonce, keying.request.reestablish) {
        (Some(nonce), _) => format!(", in answer to the Wake Up with nonce {nonce:#010x}"),
        (None, true) => ", to re-establish its keys".to_owned(),
        (None, false) => String::new(),
    };
    let asked = format!(
        "AP Request of {} from {}, engine {} boots {} time {}{why}",
        keying.opened.client, keying.peer, agent.engine_id, agent.engine_boots, agent.engine_time
    );
    let acknowledge = if keying.ack_required {
        ", to be acknowledged"
    } else {
        ""
    };
    let answered = format!("AP Reply with {suite}, user {}{acknowledge}", agent.user.as_str());
    vec![
        Step::ok(StepId::AP_REQUEST, now, asked),
        Step::ok(StepId::AP_REPLY, now, answered),
    ]
}
