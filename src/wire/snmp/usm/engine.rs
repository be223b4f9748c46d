//! Engines and their clocks, and the counters of what was refused (RFC 3414 §2.2, §2.3, §3.2 and §5).

use std::time::Duration;

use crate::value::{EngineId, Oid, Timestamp};

/// How far a message's time may lie from the authoritative engine's (RFC 3414 §2.2.3).
pub const TIME_WINDOW: Duration = Duration::from_secs(150);

/// The greatest count of boots. An engine that has reached it authenticates nothing any more (RFC 3414 §2.2.2).
pub const MAX_BOOTS: u32 = 2_147_483_647;

const MAX_TIME: u32 = 2_147_483_647;
/// usmStats (RFC 3414 §5).
const USM_STATS: [u32; 9] = [1, 3, 6, 1, 6, 3, 15, 1, 1];

/// This side's engine: authoritative for the requests and INFORMs that it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEngine {
    /// The engine's name.
    pub engine_id: EngineId,
    /// How often the engine has started since it got its name: 1 to [`MAX_BOOTS`], greater at each start.
    pub boots: u32,
    /// When the engine last started.
    pub started: Timestamp,
}

/// A peer's engine as this side knows it: what RFC 3414 §2.3 has a sender keep of an authoritative engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RemoteEngine {
    /// snmpEngineBoots as last learned.
    pub boots: u32,
    /// snmpEngineTime at `received_at`, in seconds: the greatest received under these boots, so that it is
    /// latestReceivedEngineTime as well.
    pub time: u32,
    /// When that was learned, by this side's clock.
    pub received_at: Timestamp,
}

/// A message's boots and time lie outside the time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message lies outside the time window")]
pub struct OutsideWindow;

impl LocalEngine {
    /// snmpEngineTime: whole seconds since the engine started.
    pub fn time(&self, now: Timestamp) -> u32 {
        clock(0, self.started, now)
    }

    /// RFC 3414 §3.2 step 7a: whether a message sent to this engine at `boots` and `time` is timely.
    ///
    /// # Errors
    /// [`OutsideWindow`].
    pub fn check(&self, boots: u32, time: u32, now: Timestamp) -> Result<(), OutsideWindow> {
        let apart = u64::from(self.time(now).abs_diff(time));
        if self.boots >= MAX_BOOTS || boots != self.boots || apart > TIME_WINDOW.as_secs() {
            return Err(OutsideWindow);
        }
        Ok(())
    }
}

impl RemoteEngine {
    /// An engine of which nothing is known (RFC 3414 §3.2 step 3a): the first authenticated message to it draws an
    /// authenticated notInTimeWindows report, which teaches boots and time.
    pub const UNKNOWN: Self = Self {
        boots: 0,
        time: 0,
        received_at: Timestamp(0),
    };

    /// An engine that stated its boots and time at `now`: in an AP Request or AP Reply (profile P12).
    pub fn learned(boots: u32, time: u32, now: Timestamp) -> Self {
        Self {
            boots,
            time,
            received_at: now,
        }
    }

    /// snmpEngineTime of the engine at `now`, in seconds, as far as this side can tell.
    pub fn time_at(&self, now: Timestamp) -> u32 {
        // Of an unknown engine nothing is said, not even how long ago nothing was learned.
        if *self == Self::UNKNOWN {
            return 0;
        }
        clock(self.time, self.received_at, now)
    }

    /// RFC 3414 §3.2 step 7b: takes the boots and time of an **authenticated** message from the engine. Gives what is
    /// known of the engine from now on.
    ///
    /// # Errors
    /// [`OutsideWindow`]: the message is older than the window allows, or its boots are used up. What was known stays.
    pub fn accept(&self, boots: u32, time: u32, now: Timestamp) -> Result<Self, OutsideWindow> {
        let newer = boots > self.boots || boots == self.boots && time > self.time;
        let known = if newer { Self::learned(boots, time, now) } else { *self };
        let behind = u64::from(known.time_at(now).saturating_sub(time));
        if known.boots >= MAX_BOOTS || boots < known.boots || behind > TIME_WINDOW.as_secs() {
            return Err(OutsideWindow);
        }
        Ok(known)
    }
}

fn clock(time: u32, at: Timestamp, now: Timestamp) -> u32 {
    let elapsed = u32::try_from(now.since(at).as_secs()).unwrap_or(MAX_TIME);
    time.saturating_add(elapsed).min(MAX_TIME)
}

/// Why the user-based security model refused a message: the usmStats counters (RFC 3414 §5). The number is the
/// counter's arc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsmStat {
    /// usmStatsUnsupportedSecLevels: the user has no key for this level, or negotiated a higher one.
    UnsupportedSecLevels = 1,
    /// usmStatsNotInTimeWindows: boots or time are wrong.
    NotInTimeWindows = 2,
    /// usmStatsUnknownUserNames: no keys are known for the user.
    UnknownUserNames = 3,
    /// usmStatsUnknownEngineIDs: the message is for another engine, or asks which one this is.
    UnknownEngineIds = 4,
    /// usmStatsWrongDigests: the message authentication code is wrong.
    WrongDigests = 5,
    /// usmStatsDecryptionErrors: the message could not be decrypted.
    DecryptionErrors = 6,
}

impl UsmStat {
    /// Every counter, by arc.
    pub const ALL: [Self; 6] = [
        Self::UnsupportedSecLevels,
        Self::NotInTimeWindows,
        Self::UnknownUserNames,
        Self::UnknownEngineIds,
        Self::WrongDigests,
        Self::DecryptionErrors,
    ];

    /// The counter's instance: 1.3.6.1.6.3.15.1.1.n.0.
    pub fn oid(self) -> Oid {
        let [a, b, c, d, e, f, g, h, i] = USM_STATS;
        Oid::new(&[a, b, c, d, e, f, g, h, i, self as u32, 0]).expect("usmStats is an object identifier")
    }

    /// The counter that `oid` names, with or without its instance.
    pub fn from_oid(oid: &Oid) -> Option<Self> {
        let arc = *oid.arcs().strip_prefix(&USM_STATS)?.first()?;
        Self::ALL.into_iter().find(|stat| *stat as u32 == arc)
    }

    /// A short name for counters and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnsupportedSecLevels => "unsupported_sec_level",
            Self::NotInTimeWindows => "not_in_time_window",
            Self::UnknownUserNames => "unknown_user_name",
            Self::UnknownEngineIds => "unknown_engine_id",
            Self::WrongDigests => "wrong_digest",
            Self::DecryptionErrors => "decryption_error",
        }
    }
}

/// The values of the usmStats counters, which wrap at 2^32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsmStats([u32; 6]);

impl UsmStats {
    /// The value of one counter.
    pub fn get(&self, stat: UsmStat) -> u32 {
        self.0[stat as usize - 1]
    }

    /// Counts one refusal and gives the counter's new value.
    pub fn count(&mut self, stat: UsmStat) -> u32 {
        let counter = &mut self.0[stat as usize - 1];
        *counter = counter.wrapping_add(1);
        *counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn local(boots: u32) -> LocalEngine {
        LocalEngine {
            engine_id: EngineId::cablelabs([1; 8]),
            boots,
            started: Timestamp::from_unix(NOW.unix() - 1000),
        }
    }

    fn seconds_later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn rfc_3414_3_2_7a_the_window_of_the_authoritative_engine() {
        let engine = local(3);
        assert_eq!(engine.time(NOW), 1000);
        for (boots, time, timely) in [
            (3, 1000, true),
            (3, 850, true),
            (3, 849, false),
            (3, 1150, true),
            (3, 1151, false),
            (2, 1000, false),
            (4, 1000, false),
            (0, 0, false),
        ] {
            assert_eq!(engine.check(boots, time, NOW).is_ok(), timely, "{boots} {time}");
        }
    }

    #[test]
    fn rfc_3414_2_2_2_an_engine_out_of_boots_takes_nothing() {
        assert_eq!(local(MAX_BOOTS).check(MAX_BOOTS, 1000, NOW), Err(OutsideWindow));
        let remote = RemoteEngine::learned(1, 1, NOW);
        assert_eq!(remote.accept(MAX_BOOTS, 5, NOW), Err(OutsideWindow));
    }

    #[test]
    fn rfc_3414_3_2_7b_a_later_message_moves_what_is_known() {
        let known = RemoteEngine::learned(5, 100, NOW);
        let later = seconds_later(10);
        assert_eq!(known.time_at(later), 110);
        assert_eq!(known.accept(5, 111, later), Ok(RemoteEngine::learned(5, 111, later)));
        assert_eq!(known.accept(6, 0, later), Ok(RemoteEngine::learned(6, 0, later)));
    }

    #[test]
    fn rfc_3414_3_2_7b_an_older_message_is_taken_within_the_window_and_moves_nothing() {
        let known = RemoteEngine::learned(5, 1000, NOW);
        assert_eq!(known.accept(5, 900, NOW), Ok(known));
        assert_eq!(known.accept(5, 850, NOW), Ok(known));
        assert_eq!(known.accept(5, 849, NOW), Err(OutsideWindow));
        assert_eq!(known.accept(4, 1000, NOW), Err(OutsideWindow));
        // The same octets again, when the engine's clock has gone on.
        assert_eq!(known.accept(5, 1000, seconds_later(151)), Err(OutsideWindow));
    }

    #[test]
    fn rfc_3414_3_2_3a_an_unknown_engine_is_addressed_at_zero_and_learned_from_anything() {
        assert_eq!(RemoteEngine::UNKNOWN.time_at(NOW), 0);
        assert_eq!(
            RemoteEngine::UNKNOWN.accept(7, 12, NOW),
            Ok(RemoteEngine::learned(7, 12, NOW))
        );
    }

    #[test]
    fn rfc_3414_5_the_counters_have_their_arcs() {
        for stat in UsmStat::ALL {
            assert_eq!(UsmStat::from_oid(&stat.oid()), Some(stat));
        }
        assert_eq!(UsmStat::UnknownEngineIds.oid().to_string(), "1.3.6.1.6.3.15.1.1.4.0");
        assert_eq!(UsmStat::from_oid(&"1.3.6.1.6.3.15.1.1.7.0".parse().unwrap()), None);
        let mut stats = UsmStats::default();
        assert_eq!(stats.count(UsmStat::WrongDigests), 1);
        assert_eq!(stats.get(UsmStat::WrongDigests), 1);
        assert_eq!(stats.get(UsmStat::DecryptionErrors), 0);
    }
}
