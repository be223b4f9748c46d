//! How a device is spoken to: SNMPv3 under its session's keys, or SNMPv2c under a community.

use crate::model::{Attempt, SnmpSession};
use crate::value::{EngineId, Timestamp};
use crate::wire::keymgmt::{Ciphersuite, EngineKeys, KeyRecipe, derive_keys};
use crate::wire::snmp::{
    LocalizedKeys, Message, OutgoingRequest, Pdu, RemoteEngine, Reply, Salt, UsmStat, encode_request, encode_v2c,
    parse, process_reply,
};

/// Derives a session's keys: for requests to the device's engine, and for INFORMs to the server's.
pub fn session_keys(session: &SnmpSession, recipe: &KeyRecipe, manager: &EngineId) -> EngineKeys {
    let suite = Ciphersuite {
        auth: session.auth,
        privacy: session.privacy,
    };
    derive_keys(&session.subkey, suite, recipe, &session.engine_id, manager)
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
    /// Nothing that can be believed.
    Nothing,
}

impl Security {
    /// How the device of `attempt` is spoken to, or `None` where the attempt has neither session nor community.
    pub fn of(attempt: &Attempt, recipe: &KeyRecipe, manager: &EngineId) -> Option<Self> {
        if let Some(session) = &attempt.session {
            return Some(Self::V3 {
                user: session.user.clone(),
                keys: session_keys(session, recipe, manager).agent,
                engine_id: session.engine_id.clone(),
                clock: RemoteEngine::learned(session.engine_boots, session.engine_time, session.engine_seen),
            });
        }
        let community = attempt.enrollment.as_ref()?.community.clone()?;
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

    /// Goes over to the other community, where there is one left to try.
    pub fn fall_back(&mut self) -> bool {
        match self {
            Self::V2c { community, fallback } => match fallback.take() {
                Some(other) => {
                    *community = other;
                    true
                }
                None => false,
            },
            Self::V3 { .. } => false,
        }
    }
}

/// The community that devices take a SET under before they are configured (profile P26).
const PRIVATE: &str = "private";
