//! Options: the list on the wire, what it asks for, and what the server grants (RFC 2347 to 2349, 7440).

use std::net::IpAddr;
use std::time::Duration;

use super::packet::text;
use super::{DEFAULT_BLOCK_SIZE, Packet, PacketError};
use crate::value::MacAddress;

/// Pairs of name and value, each ended by a NUL. Names are compared without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptionList<'a>(&'a [u8]);

impl<'a> OptionList<'a> {
    /// Reads the rest of a packet as options; `offset` is where it starts in the datagram.
    pub(super) fn decode(octets: &'a [u8], mut offset: usize) -> Result<Self, PacketError> {
        let mut rest = octets;
        while !rest.is_empty() {
            let (name, after) = text(rest, offset, "option name")?;
            if name.is_empty() {
                return Err(PacketError::OptionName { offset });
            }
            offset += name.len() + 1;
            let (value, after) = text(after, offset, "option value")?;
            offset += value.len() + 1;
            rest = after;
        }
        Ok(Self(octets))
    }

    /// Octets that [`RequestOptions::write`] wrote.
    pub(super) fn written(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut parts = self.0.split(|&octet| octet == 0);
        std::iter::from_fn(move || Some((parts.next().filter(|name| !name.is_empty())?, parts.next()?)))
    }

    /// The octets on the wire.
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no option.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The options that Hardline knows, each as a request or an OACK gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestOptions {
    /// `blksize`, octets, 8 to 65,464 (RFC 2348); what is above counts as 65,464, as the server may lower it anyway.
    pub block_size: Option<u16>,
    /// `timeout`, seconds, 1 to 255 (RFC 2349).
    pub timeout: Option<u8>,
    /// `tsize`, octets; 0 in a read request (RFC 2349).
    pub size: Option<u64>,
    /// `windowsize`, blocks, 1 to 65,535 (RFC 7440).
    pub window: Option<u16>,
    /// `netaddr`: the client's address, as a relay states it (fact sheet provisioning §9). Anyone can write it: it may
    /// be believed only from a configured relay, and it is never echoed.
    pub client_address: Option<IpAddr>,
    /// `hwaddr`: the client's MAC address; to be believed no more than `netaddr`.
    pub client_mac: Option<MacAddress>,
}

/// An option that cannot be honoured; answered with error 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The option's value is outside what its RFC allows.
    #[error("the value of option {0} is out of range")]
    Value(&'static str),
    /// The option stands twice (RFC 2347).
    #[error("option {0} stands twice")]
    Twice(&'static str),
    /// An OACK holds an option that nobody asked for, or grants more than was asked for.
    #[error("the server grants option {0} otherwise than it was asked for, or unasked")]
    NotAsked(&'static str),
}

impl OptionError {
    /// A short text for the ERROR packet.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Value(_) => "option value out of range",
            Self::Twice(_) => "option given twice",
            Self::NotAsked(_) => "option not asked for",
        }
    }
}

impl RequestOptions {
    /// Reads the known options of `list` and passes over the others, as RFC 2347 wants it. `netaddr` and `hwaddr` are known
    /// only where the request comes `from_relay`.
    ///
    /// # Errors
    /// [`OptionError::Value`], [`OptionError::Twice`].
    pub fn read(list: OptionList<'_>, from_relay: bool) -> Result<Self, OptionError> {
        let mut options = Self::default();
        for (name, value) in list.iter() {
            options.take(name, value, from_relay)?;
        }
        Ok(options)
    }

    fn take(&mut self, name: &[u8], value: &[u8], from_relay: bool) -> Result<(), OptionError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let text = std::str::from_utf8(value).unwrap_or_default();
        if is("blksize") {
            set(
                &mut self.block_size,
                "blksize",
                number(text, 8, u64::MAX).map(|size| size.min(65_464) as u16),
            )
        } else if is("timeout") {
            set(
                &mut self.timeout,
                "timeout",
                number(text, 1, 255).map(|seconds| seconds as u8),
            )
        } else if is("tsize") {
            set(&mut self.size, "tsize", number(text, 0, u64::MAX))
        } else if is("windowsize") {
            set(
                &mut self.window,
                "windowsize",
                number(text, 1, 65_535).map(|blocks| blocks as u16),
            )
        } else if is("netaddr") && from_relay {
            set(&mut self.client_address, "netaddr", text.parse().ok())
        } else if is("hwaddr") && from_relay {
            set(&mut self.client_mac, "hwaddr", hardware_address(text))
        } else {
            Ok(())
        }
    }

    /// Writes the OACK that grants these options over whatever `out` held.
    pub fn encode_option_ack(&self, out: &mut Vec<u8>) {
        let mut options = Vec::new();
        self.write(&mut options);
        Packet::OptionAck(OptionList::written(&options)).encode(out);
    }

    /// Appends the options as a request or an OACK carries them; what [`negotiate`] grants has no addresses of the client.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut option = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                out.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
            }
        };
        option("blksize", self.block_size.map(u64::from));
        option("timeout", self.timeout.map(u64::from));
        option("tsize", self.size);
        option("windowsize", self.window.map(u64::from));
        let mut address = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                out.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
            }
        };
        address("netaddr", self.client_address.map(|address| address.to_string()));
        address("hwaddr", self.client_mac.map(|mac| mac.to_string()));
    }
}

fn set<T>(slot: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), OptionError> {
    let value = value.ok_or(OptionError::Value(name))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(OptionError::Twice(name)),
    }
}

/// Decimal digits and nothing else, within bounds.
fn number(text: &str, least: u64, most: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (least..=most).contains(number))
}

/// A MAC address in any usual spelling, with or without the hardware type `1,` or `01:` before it (fact sheet
/// provisioning §9; profile P29).
fn hardware_address(text: &str) -> Option<MacAddress> {
    let typed = || text.strip_prefix("1,").or_else(|| text.strip_prefix("01:"));
    text.parse().ok().or_else(|| typed()?.parse().ok())
}

/// What the operator grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest block in octets, 8 to 65,464; larger wishes are lowered to it.
    pub max_block_size: u16,
    /// The largest window in blocks, at least 1; larger wishes are lowered to it. It bounds what one ACK sets off.
    pub max_window: u16,
    /// The shortest retransmission timeout in seconds that is granted. A wish outside of these two is passed over, since a
    /// timeout is granted as asked for or not at all (RFC 2349).
    pub min_timeout: u8,
    /// The longest.
    pub max_timeout: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_block_size: 65_464,
            max_window: 64,
            min_timeout: 1,
            max_timeout: 255,
        }
    }
}

/// The parameters of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// Octets of a full block.
    pub block_size: u16,
    /// Blocks between two ACKs.
    pub window: u16,
    /// The client's retransmission timeout, where it asked for one.
    pub timeout: Option<Duration>,
}

impl Default for Negotiated {
    /// The parameters without options (RFC 1350).
    fn default() -> Self {
        Self {
            block_size: DEFAULT_BLOCK_SIZE,
            window: 1,
            timeout: None,
        }
    }
}

/// What the server makes of a request's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiation {
    /// The transfer's parameters.
    pub parameters: Negotiated,
    /// The options of the OACK; none where there is nothing to acknowledge and DATA 1 answers the request.
    pub granted: Option<RequestOptions>,
}

/// Grants what `asked` wishes for a file of `size` octets, within `limits`.
pub fn negotiate(asked: &RequestOptions, size: u64, limits: &Limits) -> Negotiation {
    let granted = RequestOptions {
        block_size: asked.block_size.map(|wish| wish.min(limits.max_block_size).max(8)),
        timeout: asked
            .timeout
            .filter(|seconds| (limits.min_timeout..=limits.max_timeout).contains(seconds)),
        size: asked.size.map(|_| size),
        window: asked.window.map(|wish| wish.min(limits.max_window).max(1)),
        client_address: None,
        client_mac: None,
    };
    Negotiation {
        parameters: Negotiated::of(&granted),
        granted: (granted != RequestOptions::default()).then_some(granted),
    }
}

impl Negotiated {
    /// The parameters that the options of an OACK set.
    pub fn of(options: &RequestOptions) -> Self {
        let plain = Self::default();
        Self {
            block_size: options.block_size.unwrap_or(plain.block_size),
            window: options.window.unwrap_or(plain.window),
            timeout: options.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<RequestOptions, OptionError> {
        RequestOptions::read(OptionList::decode(octets, 0).unwrap(), true)
    }

    #[test]
    fn rfc_2348_2349_7440_values_within_their_ranges() {
        let options = read(b"BLKSIZE\x001448\0timeout\x005\0tsize\x000\0windowsize\x004\0x\0y\0").unwrap();
        let expected = RequestOptions {
            block_size: Some(1448),
            timeout: Some(5),
            size: Some(0),
            window: Some(4),
            ..RequestOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(read(b"blksize\x0065535\0").unwrap().block_size, Some(65_464));
        for (wrong, name) in [
            (&b"blksize\x007\0"[..], "blksize"),
            (b"blksize\x00-8\0", "blksize"),
            (b"blksize\x00+8\0", "blksize"),
            (b"blksize\0\0", "blksize"),
            (b"blksize\x0099999999999999999999\0", "blksize"),
            (b"timeout\x000\0", "timeout"),
            (b"timeout\x00256\0", "timeout"),
            (b"tsize\0x\0", "tsize"),
            (b"windowsize\x000\0", "windowsize"),
            (b"windowsize\x0065536\0", "windowsize"),
            (b"netaddr\x0010.0.0\0", "netaddr"),
            (b"hwaddr\0zz\0", "hwaddr"),
        ] {
            assert_eq!(read(wrong), Err(OptionError::Value(name)), "{wrong:?}");
        }
        assert_eq!(read(b"tsize\x000\0TSIZE\x000\0"), Err(OptionError::Twice("tsize")));
    }

    #[test]
    fn p29_relayed_addresses_are_read_and_never_echoed() {
        let mac = MacAddress([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc]);
        for hwaddr in [
            "00:11:22:aa:bb:cc",
            "1,00-11-22-AA-BB-CC",
            "01:00:11:22:aa:bb:cc",
            "0011.22aa.bbcc",
        ] {
            let octets = format!("netaddr\x002001:db8::1\0hwaddr\0{hwaddr}\0");
            let options = read(octets.as_bytes()).unwrap();
            assert_eq!(options.client_address, Some("2001:db8::1".parse().unwrap()));
            assert_eq!(options.client_mac, Some(mac), "{hwaddr}");
            assert_eq!(negotiate(&options, 1, &Limits::default()).granted, None);
            let unheard = RequestOptions::read(OptionList::decode(octets.as_bytes(), 0).unwrap(), false);
            assert_eq!(unheard, Ok(RequestOptions::default()), "from anyone but a relay");
        }
    }

    #[test]
    fn wishes_are_lowered_to_the_limits_and_the_size_is_told() {
        let asked = read(b"blksize\x008192\0windowsize\x00100\0tsize\x000\0").unwrap();
        let limits = Limits {
            max_block_size: 1468,
            max_window: 8,
            min_timeout: 2,
            max_timeout: 60,
        };
        let negotiation = negotiate(&asked, 8_411, &limits);
        assert_eq!(
            negotiation.parameters,
            Negotiated {
                block_size: 1468,
                window: 8,
                timeout: None
            }
        );
        let mut oack = Vec::new();
        negotiation.granted.unwrap().write(&mut oack);
        assert_eq!(oack, b"blksize\x001468\0tsize\x008411\0windowsize\x008\0");
        assert_eq!(negotiate(&RequestOptions::default(), 1, &limits).granted, None);
        for (seconds, granted) in [(1, false), (2, true), (60, true), (61, false)] {
            let asked = RequestOptions {
                timeout: Some(seconds),
                ..RequestOptions::default()
            };
            let negotiation = negotiate(&asked, 1, &limits);
            assert_eq!(negotiation.granted, granted.then_some(asked), "{seconds}");
            assert_eq!(negotiation.parameters.timeout.is_some(), granted, "{seconds}");
        }
    }
}
