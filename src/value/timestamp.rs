//! Instants, in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// An instant: microseconds since 1970-01-01T00:00:00Z, the resolution of Kerberos (RFC 4120 §5.2.4).
///
/// Everything below the sockets gets the time as an argument of this type and owns no clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The first instant that its text (RFC 3339) can say: the begin of the year 0.
    pub const FIRST: Self = Self(-62_167_219_200_000_000);
    /// The last one: the end of the year 9999.
    pub const LAST: Self = Self(253_402_300_799_999_999);

    /// The system clock's present instant. For the sockets' floor only.
    pub fn now() -> Self {
        let elapsed = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }

    /// The instant `seconds` after 1970-01-01T00:00:00Z.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The microseconds within the second, 0 to 999,999 (Kerberos' `cusec`).
    pub const fn micros(self) -> u32 {
        self.0.rem_euclid(1_000_000) as u32
    }

    /// This instant and `duration` more.
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The time from `earlier` to this instant, zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The distance between two instants, whichever comes first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    /// Year, month (1 to 12), day, hour, minute and second in the proleptic Gregorian calendar, UTC.
    pub fn civil(self) -> (i64, u32, u32, u32, u32, u32) {
        let days = self.unix().div_euclid(86_400);
        let second = self.unix().rem_euclid(86_400) as u32;
        // Days are counted from 0000-03-01, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day, second / 3_600, second / 60 % 60, second % 60)
    }

    /// The instant of a civil date and time in UTC, or `None` where a field is out of its range.
    pub fn from_civil(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let in_range = (0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !in_range || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let month_from_march = i64::from((month + 9) % 12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let instant = Self::from_unix(days * 86_400 + i64::from(hour * 3_600 + minute * 60 + second));
        // A day that its month does not have comes back as another date.
        (instant.civil().2 == day || second == 60).then_some(instant)
    }
}

/// The text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an instant: expected one such as 2026-11-25T21:57:46Z")]
pub struct TimestampError(pub String);

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339 and what databases make of it: `T` or a blank between date and time, perhaps a fraction, and `Z`, an
    /// offset such as `+00`, `+01:00`, `-0530`, or nothing for UTC.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant = date_and_time(text.trim());
        // What an offset from UTC moves out of the years 0 to 9999 could not be written any more.
        let instant = instant.filter(|instant| (Self::FIRST..=Self::LAST).contains(instant));
        instant.ok_or_else(|| TimestampError(text.chars().take(40).collect()))
    }
}

fn date_and_time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone);
    let (time, fraction) = time.trim_end().split_once('.').unwrap_or((time.trim_end(), ""));
    let mut date = date.splitn(3, '-');
    let mut time = time.splitn(3, ':');
    let next = |parts: &mut std::str::SplitN<'_, char>| -> Option<u32> { parts.next()?.parse().ok() };
    let (year, month, day) = (next(&mut date)?, next(&mut date)?, next(&mut date)?);
    let (hour, minute, second) = (next(&mut time)?, next(&mut time)?, next(&mut time)?);
    let civil = Timestamp::from_civil(i64::from(year), month, day, hour, minute, second)?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(Timestamp(civil.0 - offset_seconds(zone)? * 1_000_000 + micros))
}

/// The seconds that a zone is ahead of UTC.
fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.bytes().next() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(0),
        Some(b'+') => 1,
        _ => -1,
    };
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = match digits.get(2..) {
        None | Some("") => 0,
        Some(minutes) => minutes.parse().ok().filter(|minutes| *minutes < 60)?,
    };
    (hours < 24).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Instants as RFC 3339 text, for serde's `with`.
pub mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    /// Writes the text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(instant)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// It is no instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }

    /// The same where there may be none.
    pub mod optional {
        use serde::{Deserialize, Deserializer, Serializer};

        use super::Timestamp;

        /// Writes the text, or null.
        ///
        /// # Errors
        /// The serializer's.
        pub fn serialize<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match instant {
                Some(instant) => serializer.collect_str(instant),
                None => serializer.serialize_none(),
            }
        }

        /// Reads the text, or null.
        ///
        /// # Errors
        /// It is no instant.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            self.micros() / 1000
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        assert_eq!(
            Timestamp::from_unix(951_782_400).to_string(),
            "2000-02-29T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_civil(2026, 11, 21, 23, 16, 14),
            Some(Timestamp::from_unix(1_795_302_974))
        );
        assert_eq!(Timestamp::from_civil(2023, 2, 29, 0, 0, 0), None);
        assert_eq!(Timestamp::from_civil(1970, 1, 1, 0, 0, 0), Some(Timestamp(0)));
    }

    #[test]
    fn every_spelling_that_is_read() {
        for text in [
            "2026-11-25T21:57:46Z",
            "2026-11-25 21:57:46",
            "2026-11-25 21:57:46.000000+00",
            "2026-11-25T22:57:46+01:00",
            "2026-11-25 16:27:46 -0530",
        ] {
            assert_eq!(text.parse(), Ok(Timestamp::from_unix(1_795_643_866)), "{text}");
        }
        for wrong in [
            "",
            "now",
            "2026-11-25",
            "0000-00-00 00:00:00",
            "2026-11-25 21:57:46 CET",
            "2026-11-25T21:57Z",
            "2026-11-25T21:57:46+",
            "2026-11-25T21:57:46Zx",
            "2026-11-25T21:57:46.x",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "10000-01-01T00:00:00Z",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_and_the_last_instant_that_can_be_written() {
        for (instant, text) in [
            (Timestamp::FIRST, "0000-01-01T00:00:00.000Z"),
            (Timestamp::LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(instant.to_string(), text);
            assert!(text.parse::<Timestamp>().is_ok());
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0i64..4_000_000_000_000) {
            let instant = Timestamp(millis * 1000);
            prop_assert_eq!(instant.to_string().parse(), Ok(instant));
        }

        #[test]
        fn civil_and_back(seconds in 0i64..253_402_300_799) {
            let instant = Timestamp::from_unix(seconds);
            let (y, mo, d, h, mi, s) = instant.civil();
            prop_assert_eq!(Timestamp::from_civil(y, mo, d, h, mi, s), Some(instant));
        }
    }
}
