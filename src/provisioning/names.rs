//! The names of devices' files.

use crate::model::Device;
use crate::value::{MacAddress, Random, hex};

/// A file name that belongs to one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName<'a> {
    /// `<mac>-<token>.cfg`: made for one attempt. The token is 128 random bits, 32 hexadecimal digits.
    Own {
        /// Whose file.
        mac: MacAddress,
        /// The token.
        token: &'a str,
    },
    /// `<template>@<mac>`: the basic-flow file of a device, by a name that DHCP can carry.
    Basic {
        /// The template it is made from.
        template: &'a str,
        /// Whose file.
        mac: MacAddress,
    },
    /// `<token>.cfg`: made on request, for whatever the store says of it. The token is as above.
    OneTime {
        /// The token.
        token: &'a str,
    },
}

impl<'a> FileName<'a> {
    /// The device and kind of a name, or `None` for one that belongs to no device. The MAC address has twelve lower-case
    /// hexadecimal digits in either form: another spelling would be another name of the same file.
    pub fn parse(name: &'a str) -> Option<Self> {
        let bare = |text: &str| text.parse().ok().filter(|mac: &MacAddress| mac.bare() == text);
        if let Some((template, mac)) = name.rsplit_once('@') {
            return bare(mac).map(|mac| Self::Basic { template, mac });
        }
        let stem = name.strip_suffix(".cfg")?;
        let (mac, token) = stem
            .split_once('-')
            .map_or((None, stem), |(mac, token)| (Some(mac), token));
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if token.len() != 32 || !token.bytes().all(hexadecimal) {
            return None;
        }
        match mac {
            Some(mac) => bare(mac).map(|mac| Self::Own { mac, token }),
            None => Some(Self::OneTime { token }),
        }
    }

    /// Whose file it is, where the name tells.
    pub fn mac(&self) -> Option<MacAddress> {
        match self {
            Self::Own { mac, .. } | Self::Basic { mac, .. } => Some(*mac),
            Self::OneTime { .. } => None,
        }
    }
}

/// A fresh name for the file of one attempt.
pub fn own_file_name(mac: MacAddress, random: &mut dyn Random) -> String {
    format!("{}-{}", mac.bare(), one_time_name(random))
}

/// A fresh name for one delivery, which tells nobody whose it is.
pub fn one_time_name(random: &mut dyn Random) -> String {
    let mut token = [0; 16];
    random.fill(&mut token);
    format!("{}.cfg", hex(&token))
}

/// The name under which a device in the basic flow fetches its file.
pub fn basic_file_name(device: &Device) -> String {
    format!("{}@{}", device.template_name(), device.mac.bare())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;

    #[test]
    fn names_are_read_as_they_are_made() {
        let mac: MacAddress = "00:11:22:aa:bb:cc".parse().expect("a MAC address");
        let name = own_file_name(mac, &mut SeededRandom::new(1));
        assert!(
            matches!(FileName::parse(&name), Some(FileName::Own { mac: read, .. }) if read == mac),
            "{name}"
        );
        let basic = FileName::parse("basic-ietf@001122aabbcc");
        assert_eq!(
            basic,
            Some(FileName::Basic {
                template: "basic-ietf",
                mac
            })
        );
        let once = one_time_name(&mut SeededRandom::new(1));
        assert!(matches!(FileName::parse(&once), Some(FileName::OneTime { token }) if once.starts_with(token)));
        for other in [
            "",
            "x",
            "basic-ietf@001122AABBCC",
            "001122aabbcc-12.cfg",
            "12.cfg",
            "@",
            "a/../b",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
