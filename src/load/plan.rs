//! What is to be downloaded: by how many sessions, under which names, from which addresses, with what to compare it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::Ipv4Net;

use crate::value::MacAddress;
use crate::wire::tftp::{Pace, RequestOptions};

/// A load.
#[derive(Debug)]
pub struct Plan {
    /// The server's listening address.
    pub server: SocketAddr,
    /// The names that are asked for.
    pub names: Names,
    /// Downloads at the same time.
    pub sessions: u32,
    /// Downloads of each session, one after the other.
    pub downloads: u32,
    /// Devices that are played, a multiple of the sessions: each has its own number in names and addresses.
    pub devices: u32,
    /// The options that are asked for.
    pub options: RequestOptions,
    /// `netaddr` of the first device.
    pub relayed: Option<IpAddr>,
    /// `hwaddr` of the first device, where it is sent.
    pub hardware: Option<MacAddress>,
    /// The MAC address of the first device, in names.
    pub mac: MacAddress,
    /// Repetition.
    pub pace: Pace,
    /// The longest file in octets.
    pub longest: usize,
    /// What the files have to be.
    pub folder: Option<Folder>,
    /// Where the sessions are.
    pub sources: Sources,
    /// The part of the packets in each direction that are lost, 0 to 1.
    pub loss: f64,
    /// Decides which packets are lost.
    pub seed: u64,
    /// Threads of [`Sources::Network`].
    pub threads: usize,
}

/// Where sessions send from.
#[derive(Debug, Clone)]
pub enum Sources {
    /// Each download has a socket of its own, on this address or on the one that the system chooses.
    Own(Option<IpAddr>),
    /// Each device has an address of its own in this network, which is this machine's (any of 127.0.0.0/8 is), and all share
    /// the sockets of a few threads: so datagrams are received many at a time.
    Network(Ipv4Net),
}

/// Which files are asked for.
#[derive(Debug)]
pub enum Names {
    /// One by device.
    Pattern(Pattern),
    /// One after the other.
    List(Vec<String>),
}

/// A name with places for what tells devices apart: `{n}` the number, `{mac}` 12 hexadecimal digits, `{mac:}` with colons,
/// `{ip}` the device's address (the relayed one, else its source).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number,
    Mac,
    MacWithColons,
    Address,
}

/// The pattern has a place that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{{{0}' is no place: expected {{n}}, {{mac}}, {{mac:}} or {{ip}}")]
pub struct PatternError(String);

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let wrong = || PatternError(after.chars().take(20).collect());
            let (place, after) = after.split_once('}').ok_or_else(wrong)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match place {
                "n" => Part::Number,
                "mac" => Part::Mac,
                "mac:" => Part::MacWithColons,
                "ip" => Part::Address,
                _ => return Err(wrong()),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

impl Pattern {
    /// The name of device `number`.
    fn name(&self, number: u32, mac: MacAddress, address: Option<IpAddr>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Number => number.to_string(),
            Part::Mac => mac.to_string().replace(':', "").to_lowercase(),
            Part::MacWithColons => mac.to_string().to_lowercase(),
            Part::Address => address.map(|address| address.to_string()).unwrap_or_default(),
        };
        self.0.iter().map(part).collect()
    }
}

impl Plan {
    /// The device that download `download` of session `session` is of.
    pub(super) fn device(&self, session: u32, download: u32) -> u32 {
        let rounds = (self.devices / self.sessions.max(1)).max(1);
        session + (download % rounds) * self.sessions
    }

    /// What the device asks for.
    pub(super) fn name(&self, device: u32, download: u32) -> String {
        match &self.names {
            Names::Pattern(pattern) => {
                let address = self.relayed.map(|first| later(first, device));
                let address = address.or_else(|| self.source(device));
                pattern.name(device, later_mac(self.mac, device), address)
            }
            Names::List(names) => {
                let at = device.wrapping_add(download.wrapping_mul(self.sessions)) as usize;
                names.get(at % names.len().max(1)).cloned().unwrap_or_default()
            }
        }
    }

    /// The options of the device.
    pub(super) fn options(&self, device: u32) -> RequestOptions {
        RequestOptions {
            client_address: self.relayed.map(|first| later(first, device)),
            client_mac: self.hardware.map(|first| later_mac(first, device)),
            ..self.options
        }
    }

    /// The address that the device sends from, where it is known.
    pub(super) fn source(&self, device: u32) -> Option<IpAddr> {
        match self.sources {
            Sources::Own(address) => address,
            // The network's own address is passed over.
            Sources::Network(network) => Some(later(network.network().into(), device.saturating_add(1))),
        }
    }
}

/// The address `number` after `first`.
fn later(first: IpAddr, number: u32) -> IpAddr {
    match first {
        IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(number)).into(),
        IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(number.into())).into(),
    }
}

fn later_mac(first: MacAddress, number: u32) -> MacAddress {
    let [a, b, c, d, e, f] = first.0;
    let sum = u64::from_be_bytes([0, 0, a, b, c, d, e, f]).wrapping_add(number.into());
    let [_, _, octets @ ..] = sum.to_be_bytes();
    MacAddress(octets)
}

/// From where on `content` is not what is `expected`, in words; `None` where they are the same.
pub(super) fn first_difference(expected: &[u8], content: &[u8]) -> Option<String> {
    if expected == content {
        return None;
    }
    let same = expected.iter().zip(content).take_while(|(a, b)| a == b).count();
    let (has, got) = (expected.len(), content.len());
    Some(format!("from octet {same} on: it has {has} octets, {got} came"))
}

/// The files as they have to be, each read once.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    known: Mutex<HashMap<String, Option<Arc<[u8]>>>>,
}

impl Folder {
    /// The folder at `root`.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            known: Mutex::default(),
        }
    }

    /// The names of all files in it and in the folders below, in order.
    ///
    /// # Errors
    /// The system's.
    pub fn names(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(&self.root) {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// What is wrong with `content` as the file `name`, if anything is.
    pub(super) fn difference(&self, name: &str, content: &[u8]) -> Option<String> {
        let place = self.root.join(name.trim_start_matches('/'));
        let Some(expected) = self.expected(name, &place) else {
            return Some(format!("{} cannot be read to compare with", place.display()));
        };
        let difference = first_difference(&expected, content)?;
        Some(format!("{} differs {difference}", place.display()))
    }

    fn expected(&self, name: &str, place: &Path) -> Option<Arc<[u8]>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expected) = known.get(name) {
            return expected.clone();
        }
        let expected = std::fs::read(place).ok().map(Arc::from);
        known.insert(name.to_owned(), expected.clone());
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_devices_apart() {
        let pattern: Pattern = "cm/{mac}-{n}.{mac:}@{ip}".parse().unwrap();
        let mac = later_mac("00:11:22:aa:ff:ff".parse().unwrap(), 1);
        let name = pattern.name(7, mac, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(name, "cm/001122ab0000-7.00:11:22:ab:00:00@192.0.2.1");
        assert_eq!("plain".parse::<Pattern>().unwrap().name(1, mac, None), "plain");
        for wrong in ["a{b", "{x}", "{}"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_differs_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/c"), "content").unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        let folder = Folder::new(folder.path().into());
        assert_eq!(folder.names().unwrap(), ["a", "b/c"]);
        assert_eq!(folder.difference("b/c", b"content"), None);
        let shorter = folder.difference("/b/c", b"cont").unwrap();
        assert!(
            shorter.ends_with("differs from octet 4 on: it has 7 octets, 4 came"),
            "{shorter}"
        );
        assert!(folder.difference("x", b"").unwrap().contains("cannot be read"));
    }
}
