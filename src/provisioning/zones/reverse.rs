//! Reverse zones: networks cut where in-addr.arpa and ip6.arpa have labels, and addresses read from names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_server::proto::rr::{LowerName, Name};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What a name below in-addr.arpa or ip6.arpa says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reverse {
    /// The whole of an address.
    Address(IpAddr),
    /// The leading part of one.
    Part,
    /// Nothing.
    No,
}

/// Reads an address from its reverse name (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn address(name: &LowerName) -> Reverse {
    let text = name.to_string();
    if let Some(labels) = text.strip_suffix(".in-addr.arpa.") {
        let octets: Option<Vec<u8>> = labels.rsplit('.').map(octet).collect();
        return match octets.as_deref() {
            Some(&[a, b, c, d]) => Reverse::Address(Ipv4Addr::new(a, b, c, d).into()),
            Some(octets) if octets.len() < 4 => Reverse::Part,
            _ => Reverse::No,
        };
    }
    let Some(labels) = text.strip_suffix(".ip6.arpa.") else {
        return Reverse::No;
    };
    let nibbles: Option<Vec<u128>> = labels.rsplit('.').map(nibble).collect();
    match nibbles {
        Some(nibbles) if nibbles.len() == 32 => {
            let bits = nibbles.iter().fold(0u128, |bits, nibble| bits << 4 | nibble);
            Reverse::Address(Ipv6Addr::from(bits).into())
        }
        Some(nibbles) if nibbles.len() < 32 => Reverse::Part,
        _ => Reverse::No,
    }
}

/// A decimal octet in its only spelling.
fn octet(label: &str) -> Option<u8> {
    let octet: u8 = label.parse().ok()?;
    (octet.to_string() == label).then_some(octet)
}

fn nibble(label: &str) -> Option<u128> {
    let mut digits = label.chars();
    match (digits.next(), digits.next()) {
        (Some(digit), None) => digit.to_digit(16).map(u128::from),
        _ => None,
    }
}

/// The zones that together are `network`: one where its prefix ends at a label, several where it ends within one.
pub(super) fn zones(network: IpNet) -> Vec<Name> {
    let prefix = network.prefix_len();
    let step = if network.addr().is_ipv4() { 8 } else { 4 };
    let whole = prefix.div_ceil(step) * step;
    let subnets: Vec<IpNet> = match network.trunc() {
        IpNet::V4(network) => network.subnets(whole).map(|nets| nets.map(IpNet::V4).collect()),
        IpNet::V6(network) => network.subnets(whole).map(|nets| nets.map(IpNet::V6).collect()),
    }
    .unwrap_or_default();
    subnets.into_iter().filter_map(zone).collect()
}

/// The zone of a network whose prefix ends at a label.
fn zone(network: IpNet) -> Option<Name> {
    let text = match network {
        IpNet::V4(network) => in_addr(network),
        IpNet::V6(network) => ip6(network),
    };
    Name::from_ascii(text).ok()
}

fn in_addr(network: Ipv4Net) -> String {
    let octets = network.addr().octets();
    let labels = octets.iter().take(usize::from(network.prefix_len() / 8)).rev();
    labels.map(|octet| format!("{octet}.")).collect::<String>() + "in-addr.arpa."
}

fn ip6(network: Ipv6Net) -> String {
    let bits = u128::from(network.addr());
    let labels = (0..network.prefix_len() / 4).rev();
    labels
        .map(|at| format!("{:x}.", bits >> (124 - 4 * u32::from(at)) & 0xf))
        .collect::<String>()
        + "ip6.arpa."
}
