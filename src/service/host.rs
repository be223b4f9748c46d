//! What the Host field of a request may hold.

use hyper::header::HOST;
use hyper::{HeaderMap, Version};

/// Whether the fields of a request name its host as they must: once in HTTP/1.1, at most once in HTTP/1.0, and by what may
/// be a host (RFC 9112 §3.2).
pub(super) fn is_named(fields: &HeaderMap, version: Version) -> bool {
    let mut hosts = fields.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => may_be_host(host.as_bytes()),
        (None, _) => version != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// Whether a Host field may name a host and a port, or nothing, as for a URI that has no authority (RFC 9110 §7.2).
pub(super) fn may_be_host(value: &[u8]) -> bool {
    // The octets of a host, a literal of IPv6 or later, and a port (RFC 3986 §3.2.2).
    let mut octets = value.iter();
    octets.all(|octet| octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=[]:".contains(octet))
}
