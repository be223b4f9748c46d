//! How a device is spoken to: SNMPv3 under its session's keys, or SNMPv2c under a community.

use crate::model::{Attempt, Flow, SnmpSession};
use crate::profile::Ways;
use crate::provisioning::LearnedKeys;
use crate::value::{EngineId, Timestamp};
use crate::wire::keymgmt::{Ciphersuite, EngineKeys, KeyRecipe, derive_keys};
use crate::wire::snmp::{
    LocalizedKeys, Message, OutgoingRequest, Pdu, RemoteEngine, Reply, Salt, UsmStat, V3Message, encode_request,
    encode_v2c, parse, process_reply,
};

/// Derives a session's keys: for requests to the device's engine, and for INFORMs to the server's.
pub fn session_keys(session: &SnmpSession, recipe: &KeyRecipe, manager: &EngineId) -> EngineKeys {
    let suite = Ciphersuite {
        auth: session.auth,
        privacy: session.privacy,
    };
    derive_keys(&session.subkey, suite, recipe, &session.engine_id, manager)
}

/// Among `recipes` the first under whose keys `message` verifies, with its keys at the server's engine and whether
/// another one fits as well; where none fits, the first of all. `None` where there is no recipe.
pub fn verified_keys(
    message: &V3Message<'_>,
    session: &SnmpSession,
    recipes: Vec<KeyRecipe>,
    manager: &EngineId,
) -> Option<(LocalizedKeys, KeyRecipe, bool)> {
    let first = recipes.first()?;
    let derive = |recipe: &KeyRecipe| session_keys(session, recipe, manager).manager;
    // With one recipe there is nothing to learn: whoever takes the message checks its MAC.
    if recipes.len() == 1 {
        return Some((derive(first), first.clone(), false));
    }
    let mut fitting = recipes
        .iter()
        .map(|recipe| (derive(recipe), recipe))
        .filter(|(keys, _)| message.is_authentic(&keys.auth));
    let Some((keys, recipe)) = fitting.next() else {
        return Some((derive(first), first.clone(), false));
    };
    Some((keys, recipe.clone(), fitting.next().is_some()))
}

/// The other recipes that give a session the keys for INFORMs that `recipe` gives.
struct Others {
    /// Those whose keys for requests to the device are others, with these keys.
    distinct: Vec<(KeyRecipe, LocalizedKeys)>,
    /// Whether there are some that give no other keys at all, so that nothing can tell them apart.
    alike: bool,
}

fn others(session: &SnmpSession, recipe: &KeyRecipe, all: Vec<KeyRecipe>, manager: &EngineId) -> Others {
    let keys = session_keys(session, recipe, manager);
    let mut others = Others {
        distinct: Vec::new(),
        alike: false,
    };
    for other in all.into_iter().filter(|other| other != recipe) {
        let theirs = session_keys(session, &other, manager);
        if !same(&theirs.manager, &keys.manager) {
            continue;
        }
        if same(&theirs.agent, &keys.agent) {
            others.alike = true;
        } else {
            others.distinct.push((other, theirs.agent));
        }
    }
    others
}

fn same(one: &LocalizedKeys, two: &LocalizedKeys) -> bool {
    let privacy = |keys: &LocalizedKeys| keys.privacy.as_ref().map(|key| key.octets().clone());
    let privacy = match (privacy(one), privacy(two)) {
        (Some(one), Some(two)) => one.ct_eq(two.expose()),
        (one, two) => one.is_none() && two.is_none(),
    };
    one.auth.octets().ct_eq(two.auth.octets().expose()) && privacy
}

/// How requests to one device are secured.
pub enum Security {
    /// SNMPv3 under the keys of an AP exchange.
    V3 {
        /// The user name.
        user: String,
        /// Keys at the device's engine.
        keys: LocalizedKeys,
        /// The device's engine.
        engine_id: EngineId,
        /// Its clock, as known.
        clock: RemoteEngine,
        /// How the keys are derived.
        recipe: KeyRecipe,
        /// Other keys that the device may have, where its INFORM left that open (profile P8).
        others: Vec<(KeyRecipe, LocalizedKeys)>,
        /// Whether recipes are left that nothing tells from this one.
        alike: bool,
    },
    /// SNMPv2c.
    V2c {
        /// The community in use.
        community: String,
        /// What is tried when it gets no answer or no access (profile P26).
        fallback: Option<String>,
    },
}

/// What came back.
pub enum Answer {
    /// A Response.
    Response(Pdu),
    /// The device's clock was not what the server thought; it is known now, and the request goes out again.
    Again,
    /// The device refused the message by a report.
    Report(Option<UsmStat>),
    /// Somebody says that the device has other keys. Nothing proves it, so that it ends nothing.
    OtherKeys,
    /// Nothing that can be believed.
    Nothing,
}

impl Security {
    /// How the device of `attempt` is spoken to, or `None` where the attempt has neither session nor community. `ways` is
    /// what is known of its vendor.
    pub fn of(attempt: &Attempt, ways: &Ways<'_>, manager: &EngineId) -> Option<Self> {
        if let Some(session) = &attempt.session {
            let learned = &session.learned;
            let recipe = learned.keys.clone().or_else(|| ways.keys().into_iter().next())?;
            let others = if learned.unsettled {
                others(session, &recipe, ways.all_keys(), manager)
            } else {
                Others {
                    distinct: Vec::new(),
                    alike: false,
                }
            };
            return Some(Self::V3 {
                user: session.user.clone(),
                keys: session_keys(session, &recipe, manager).agent,
                engine_id: session.engine_id.clone(),
                clock: RemoteEngine::learned(session.engine_boots, session.engine_time, session.engine_seen),
                recipe,
                others: others.distinct,
                alike: others.alike,
            });
        }
        if attempt.flow == Flow::Secure {
            return None;
        }
        // A device that never sent an INFORM has told no community.
        let told = attempt
            .enrollment
            .as_ref()
            .and_then(|enrollment| enrollment.community.clone());
        let community = told.unwrap_or_else(|| PRIVATE.to_owned());
        let fallback = (community != PRIVATE).then(|| PRIVATE.to_owned());
        Some(Self::V2c { community, fallback })
    }

    /// The datagram of a request.
    pub fn encode(&self, number: i32, pdu: &Pdu, salt: Salt, now: Timestamp) -> Vec<u8> {
        match self {
            Self::V3 {
                user,
                keys,
                engine_id,
                clock,
                ..
            } => {
                let request = OutgoingRequest {
                    msg_id: number,
                    user: user.as_bytes(),
                    keys,
                    engine_id,
                    engine: clock,
                    context_engine_id: engine_id,
                };
                encode_request(&request, pdu, salt, now)
            }
            Self::V2c { community, .. } => encode_v2c(community.as_bytes(), pdu),
        }
    }

    /// Reads what came back for the request of that number.
    pub fn read(&mut self, number: i32, datagram: &[u8], now: Timestamp) -> Answer {
        match (self, parse(datagram)) {
            (
                Self::V3 {
                    keys, engine_id, clock, ..
                },
                Ok(Message::V3(message)),
            ) => {
                match process_reply(&message, keys, engine_id, clock, now) {
                    Reply::Accepted { msg_id, scoped, engine } => {
                        *clock = engine;
                        if msg_id == number && scoped.pdu.request_id == number {
                            Answer::Response(scoped.pdu)
                        } else {
                            Answer::Nothing
                        }
                    }
                    Reply::Report(report) if report.msg_id == number => match report.engine {
                        Some(engine) if report.stat == Some(UsmStat::NotInTimeWindows) => {
                            *clock = engine;
                            Answer::Again
                        }
                        // Anybody can send a report that is not authenticated: it says nothing that may end the request.
                        Some(_) => Answer::Report(report.stat),
                        None if report.stat == Some(UsmStat::WrongDigests) => Answer::OtherKeys,
                        None => Answer::Nothing,
                    },
                    _ => Answer::Nothing,
                }
            }
            (Self::V2c { .. }, Ok(Message::V2c(message))) if message.pdu.request_id == number => {
                Answer::Response(message.pdu)
            }
            _ => Answer::Nothing,
        }
    }

    /// How the keys are derived that the device has answered under; none for SNMPv2c.
    pub fn keys(&self) -> Option<LearnedKeys> {
        match self {
            Self::V3 { recipe, alike, .. } => Some(LearnedKeys {
                recipe: recipe.clone(),
                unsettled: *alike,
            }),
            Self::V2c { .. } => None,
        }
    }

    /// Goes over to the other community, or to other keys, where there are any left to try.
    pub fn fall_back(&mut self) -> bool {
        match self {
            Self::V2c { community, fallback } => match fallback.take() {
                Some(other) => {
                    *community = other;
                    true
                }
                None => false,
            },
            Self::V3 {
                keys, recipe, others, ..
            } => match others.pop() {
                Some(other) => {
                    (*recipe, *keys) = other;
                    true
                }
                None => false,
            },
        }
    }
}

/// The community that devices take a SET under before they are configured (profile P26).
const PRIVATE: &str = "private";
