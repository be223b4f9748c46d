//! The spellings of hardline.toml: durations, listeners, closed sets of words.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Reads `500ms`, `10s`, `5m`, `12h` or `7d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = |unit: u64| number.checked_mul(unit).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

/// A duration of at most ten years, for serde's `deserialize_with`.
pub(super) fn read_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    duration(&text)
        .filter(|duration| *duration <= Duration::from_secs(3_660 * 86_400))
        .ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"a duration such as \"500ms\", \"10s\", \"5m\", \"12h\" or \"7d\"",
            )
        })
}

/// Ports such as `1758-1767`, or one alone, for serde's `deserialize_with`.
pub(super) fn read_ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RangeInclusive<u16>>, D::Error> {
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let port = |text: &str| text.trim().parse().ok().filter(|port| *port > 0);
    let ports = port(first).zip(port(last)).filter(|(first, last)| first <= last);
    let (first, last) = ports.ok_or_else(|| {
        D::Error::invalid_value(
            Unexpected::Str(&text),
            &"ports such as \"1758-1767\", the lower one first",
        )
    })?;
    Ok(Some(first..=last))
}

/// Networks such as `192.0.2.0/24`, or single addresses, for serde's `deserialize_with`.
pub(super) fn read_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = <Vec<String> as serde::Deserialize>::deserialize(deserializer)?;
    let network = |text: &String| {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(single).ok_or_else(|| {
            let expected = &"a network or an address, such as \"192.0.2.0/24\" or \"2001:db8::1\"";
            D::Error::invalid_value(Unexpected::Str(text), expected)
        })
    };
    texts.iter().map(network).collect()
}

/// Where a service listens: an address, with the service's own port where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: IpAddr,
    /// The port, where it is not the service's standard port plus `port_offset`.
    pub port: Option<u16>,
}

/// The text is no listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a listener: expected an address or address:port, such as 192.0.2.1, 192.0.2.1:88, 2001:db8::1 or [2001:db8::1]:88"
)]
pub struct ListenError(pub String);

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { address, port: None });
        }
        let socket: SocketAddr = text.parse().map_err(|_| ListenError(text.chars().take(64).collect()))?;
        Ok(Self {
            address: socket.ip(),
            port: Some(socket.port()),
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
            None => write!(f, "{}", self.address),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Where requests to a device's SNMP agent go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentPort {
    /// To the address that its INFORM came from, at this port.
    Fixed(u16),
    /// To the address and port that its INFORM came from.
    Source,
}

impl<'de> serde::Deserialize<'de> for AgentPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = AgentPort;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port or \"source\"")
            }

            fn visit_i64<E: Error>(self, port: i64) -> Result<AgentPort, E> {
                let port = u16::try_from(port).ok().filter(|&port| port > 0).map(AgentPort::Fixed);
                port.ok_or_else(|| E::custom("a port is 1 to 65535"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AgentPort, E> {
                if text == "source" {
                    return Ok(AgentPort::Source);
                }
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// What stands as host in the URL of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlHost {
    /// The address that the device spoke to.
    Address,
    /// This name, which the device resolves.
    Name(crate::value::Fqdn),
}

impl<'de> serde::Deserialize<'de> for UrlHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        match &*text {
            "address" => Ok(Self::Address),
            name => name.parse().map(Self::Name).map_err(D::Error::custom),
        }
    }
}

/// An instant written as a TOML date and time with offset, or as a string of that form.
pub(super) fn read_instant(value: toml::value::Datetime) -> Option<crate::value::Timestamp> {
    let (date, time) = (value.date?, value.time?);
    let offset = match value.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let (year, month, day) = (i64::from(date.year), u32::from(date.month), u32::from(date.day));
    let second = time.second.unwrap_or(0);
    let local = crate::value::Timestamp::from_civil(
        year,
        month,
        day,
        u32::from(time.hour),
        u32::from(time.minute),
        u32::from(second),
    )?;
    Some(crate::value::Timestamp::from_unix(local.unix() - offset * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5w",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn listeners() {
        let listen = |text: &str| text.parse::<Listen>().unwrap();
        assert_eq!(
            listen("127.0.0.1"),
            Listen {
                address: [127, 0, 0, 1].into(),
                port: None
            }
        );
        assert_eq!(listen("127.0.0.1:88").port, Some(88));
        for text in ["::1", "[::1]"] {
            assert_eq!(
                listen(text),
                Listen {
                    address: IpAddr::V6(1.into()),
                    port: None
                },
                "{text}"
            );
        }
        assert_eq!(listen("[::1]:88").port, Some(88));
        for text in ["", "host", "127.0.0.1:", "127.0.0.1:65536", "[::1", "[127.0.0.1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
