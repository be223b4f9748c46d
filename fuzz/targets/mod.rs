//! The fuzz targets. A new one is a file with `pub fn run(data: &[u8])`, and its two lines here.

mod as_exchange;
mod certificate;
mod kerberos;
mod key_management;
mod mta_fqdn;
mod snmp;
mod template;
mod tftp;
mod tftp_session;
mod tlv;
pub mod world;

pub use mta_fqdn::{query as mta_fqdn_query, served as mta_fqdn_served};

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("as_exchange", as_exchange::run),
    ("certificate", certificate::run),
    ("kerberos", kerberos::run),
    ("key_management", key_management::run),
    ("mta_fqdn", mta_fqdn::run),
    ("snmp", snmp::run),
    ("template", template::run),
    ("tftp", tftp::run),
    ("tftp_session", tftp_session::run),
    ("tlv", tlv::run),
];

/// The target of this name.
pub fn find(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}

/// The messages of a series: each is a length in two octets, big-endian, and as many octets as there are.
pub fn series(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        Some(message)
    })
    // A series tells nothing that a few messages do not.
    .take(8)
}

/// The series of these messages.
pub fn framed(messages: &[&[u8]]) -> Vec<u8> {
    let length = |message: &[u8]| u16::try_from(message.len()).expect("a datagram").to_be_bytes();
    messages
        .iter()
        .flat_map(|message| [&length(message)[..], message].concat())
        .collect()
}
