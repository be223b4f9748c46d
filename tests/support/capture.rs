//! Captures, and tshark's reading of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Link type "raw IP" of the pcap format.
const RAW_IP: u32 = 101;

/// A capture in the making: datagrams over IPv4 or IPv6, as a pcap file holds them.
pub struct Capture {
    octets: Vec<u8>,
    packets: u32,
    /// The next TCP sequence number of each direction.
    sequence: HashMap<(SocketAddr, SocketAddr), u32>,
}

impl Default for Capture {
    fn default() -> Self {
        let mut octets = Vec::new();
        for number in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, RAW_IP] {
            octets.extend_from_slice(&u32::to_le_bytes(number));
        }
        Self {
            octets,
            packets: 0,
            sequence: HashMap::new(),
        }
    }
}

impl Capture {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a UDP datagram.
    pub fn udp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let length = u16::try_from(8 + payload.len()).expect("a datagram");
        let mut segment = Vec::new();
        for number in [from.port(), to.port(), length, 0] {
            segment.extend_from_slice(&number.to_be_bytes());
        }
        segment.extend_from_slice(payload);
        let checksum = checksum(&[&pseudo_header(from.ip(), to.ip(), 17, segment.len()), &segment]);
        // Zero means that there is no checksum.
        segment[6..8].copy_from_slice(&(if checksum == 0 { 0xffff } else { checksum }).to_be_bytes());
        self.ip(from.ip(), to.ip(), 17, &segment);
    }

    /// Adds a TCP segment with data, in the middle of a connection whose beginning was not captured.
    pub fn tcp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let acknowledged = *self.sequence.entry((to, from)).or_insert(1);
        let next = self.sequence.entry((from, to)).or_insert(1);
        let mut segment = Vec::new();
        segment.extend_from_slice(&from.port().to_be_bytes());
        segment.extend_from_slice(&to.port().to_be_bytes());
        segment.extend_from_slice(&next.to_be_bytes());
        segment.extend_from_slice(&acknowledged.to_be_bytes());
        // Five words of header, PSH and ACK, a full window; checksum and urgent pointer.
        segment.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend_from_slice(payload);
        *next = next.wrapping_add(payload.len() as u32);
        let checksum = checksum(&[&pseudo_header(from.ip(), to.ip(), 6, segment.len()), &segment]);
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        self.ip(from.ip(), to.ip(), 6, &segment);
    }

    fn ip(&mut self, from: IpAddr, to: IpAddr, protocol: u8, segment: &[u8]) {
        let packet = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let length = u16::try_from(20 + segment.len()).expect("a packet").to_be_bytes();
                let mut header = [0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0].to_vec();
                header.extend_from_slice(&from.octets());
                header.extend_from_slice(&to.octets());
                let checksum = checksum(&[&header]).to_be_bytes();
                header[10..12].copy_from_slice(&checksum);
                header
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let length = u16::try_from(segment.len()).expect("a packet").to_be_bytes();
                let mut header = [0x60, 0, 0, 0, length[0], length[1], protocol, 64].to_vec();
                header.extend_from_slice(&from.octets());
                header.extend_from_slice(&to.octets());
                header
            }
            _ => panic!("both addresses are of one family"),
        };
        let length = (packet.len() + segment.len()) as u32;
        for number in [1_700_000_000 + self.packets, 0, length, length] {
            self.octets.extend_from_slice(&number.to_le_bytes());
        }
        self.octets.extend_from_slice(&packet);
        self.octets.extend_from_slice(segment);
        self.packets += 1;
    }

    /// Writes the pcap file.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, &self.octets).expect("a capture file");
    }

    /// What tshark makes of the capture: one JSON object a packet. `decode_as` such as `udp.port==1293,pktc`.
    pub fn dissect(&self, decode_as: &[&str]) -> Vec<Value> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("capture.pcap");
        self.write(&file);
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&file).args(["-T", "json", "--no-duplicate-keys"]);
        for rule in decode_as {
            tshark.args(["-d", rule]);
        }
        let output = tshark.output().expect("tshark is installed (apt-get install tshark)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let packets: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON from tshark");
        assert_eq!(packets.len(), self.packets as usize);
        packets
    }
}

fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let length = length as u32;
    let mut header = Vec::new();
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => header.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => header.extend_from_slice(&address.octets()),
        }
    }
    // The order of length and protocol differs between the families; the sum does not.
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&[0, 0, 0, protocol]);
    header
}

/// The internet checksum (RFC 1071) over `parts`; all but the last of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// Every value of the field `name` in tshark's JSON, at any depth, in order.
pub fn field(packet: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(packet, name, &mut found);
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == name => found.push(text.clone()),
                    Value::Array(texts) if key == name => {
                        found.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => collect(value, name, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, name, found)),
        _ => {}
    }
}

/// Panics where tshark found the packet malformed or marked it as an error.
pub fn assert_well_formed(packet: &Value) {
    let text = packet.to_string();
    let severity = field(packet, "_ws.expert.severity");
    // 8388608 is tshark's number for the severity "error".
    let error = severity.iter().any(|severity| severity == "8388608");
    assert!(!text.contains("_ws.malformed") && !error, "{packet:#}");
}
