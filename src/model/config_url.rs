//! The URL of a device's configuration file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Delivery;
use crate::value::Fqdn;

/// The longest URL in octets: what an SnmpAdminString holds (fact sheet provisioning §2.4).
const MAX_LENGTH: usize = 254;

/// A `tftp:` URL (RFC 3617) or `http:` URL (RFC 3986) of a file, as pktcMtaDevConfigFile carries it: ASCII, shorter than
/// 255 octets.
///
/// Displays in its one normal form: lower-case scheme, path with a leading `/` and percent escapes where they are needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConfigUrl {
    protocol: Delivery,
    host: UrlHost,
    port: Option<u16>,
    path: String,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UrlHost {
    /// A name that DNS resolves.
    Name(Fqdn),
    /// An address, IPv6 in square brackets (RFC 3986 §3.2.2).
    Address(IpAddr),
}

/// The text is not the URL of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not the URL of a configuration file: {reason}")]
pub struct ConfigUrlError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Delivery {
    /// The scheme in a URL, and the name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tftp => "tftp",
            Self::Http => "http",
        }
    }

    /// The port where a URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Tftp => crate::wire::tftp::PORT,
            Self::Http => 80,
        }
    }
}

impl ConfigUrl {
    /// The URL of the file `name` at `host`; `port` where it is not the protocol's own. A leading `/` of `name` is
    /// dropped (profile P34).
    ///
    /// # Errors
    /// The name is empty or holds a control character, or the URL is too long.
    pub fn new(protocol: Delivery, host: UrlHost, port: Option<u16>, name: &str) -> Result<Self, ConfigUrlError> {
        let wrong = |reason| ConfigUrlError::new(name, reason);
        let path = name.strip_prefix('/').unwrap_or(name);
        if path.is_empty() || path.chars().any(char::is_control) {
            return Err(wrong("it names no file, or its name holds a control character"));
        }
        let port = port.filter(|&port| port != protocol.default_port());
        let url = Self {
            protocol,
            host,
            port,
            path: path.to_owned(),
        };
        if url.to_string().len() > MAX_LENGTH {
            return Err(wrong("a URL has at most 254 octets"));
        }
        Ok(url)
    }

    /// How the file is fetched.
    pub fn protocol(&self) -> Delivery {
        self.protocol
    }

    /// Where it is fetched.
    pub fn host(&self) -> &UrlHost {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.protocol.default_port())
    }

    /// The file's name: the path without its leading `/`, percent escapes decoded once (profile P34).
    pub fn file(&self) -> &str {
        &self.path
    }

    /// The path as an HTTP request names it: with a leading `/`, escaped.
    pub fn escaped_path(&self) -> String {
        format!("/{}", Escaped(&self.path))
    }
}

impl ConfigUrlError {
    fn new(text: &str, reason: &'static str) -> Self {
        Self {
            text: text.chars().take(64).collect(),
            reason,
        }
    }
}

impl FromStr for ConfigUrl {
    type Err = ConfigUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| ConfigUrlError::new(text, reason))
    }
}

fn parse(text: &str) -> Result<ConfigUrl, &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("a URL has at most 254 octets");
    }
    if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err("a URL is printable ASCII without spaces; escape other characters as %XX");
    }
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("expected tftp://host/file or http://host/file")?;
    let protocol = [Delivery::Tftp, Delivery::Http]
        .into_iter()
        .find(|protocol| protocol.as_str().eq_ignore_ascii_case(scheme))
        .ok_or("the scheme is neither tftp nor http")?;
    let (authority, path) = rest.split_once('/').ok_or("it names no file")?;
    if path.contains(['?', '#']) {
        return Err("a query or fragment names no file");
    }
    let path = match protocol {
        Delivery::Tftp => without_mode(path)?,
        Delivery::Http => path,
    };
    let (host, port) = authority_parts(authority)?;
    let path = percent_decoded(path).ok_or("a percent escape is broken, or the path is not UTF-8")?;
    ConfigUrl::new(protocol, host, port, &format!("/{path}")).map_err(|error| error.reason)
}

/// The path without the mode that RFC 3617 allows after it; only octet is served.
fn without_mode(path: &str) -> Result<&str, &'static str> {
    match path.split_once(';') {
        None => Ok(path),
        Some((path, mode)) if mode.eq_ignore_ascii_case("mode=octet") => Ok(path),
        Some(_) => Err("the only mode of a tftp URL is ;mode=octet"),
    }
}

fn authority_parts(authority: &str) -> Result<(UrlHost, Option<u16>), &'static str> {
    if authority.contains('@') {
        return Err("user information has no place in it");
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("an IPv6 address ends with ]")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "between [ and ] stands an IPv6 address")?;
        let port = match port {
            "" => None,
            port => Some(
                port.strip_prefix(':')
                    .ok_or("after ] stands a : and a port, or nothing")?,
            ),
        };
        return Ok((UrlHost::Address(address.into()), port.map(port_number).transpose()?));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port_number(port)?)),
        None => (authority, None),
    };
    Ok((named_host(host)?, port))
}

fn named_host(host: &str) -> Result<UrlHost, &'static str> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(UrlHost::Address(address.into()));
    }
    let all_digits = host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
    if all_digits {
        return Err("the host is neither a domain name nor an IPv4 address");
    }
    host.parse()
        .map(UrlHost::Name)
        .map_err(|_| "the host is neither a domain name nor an address")
}

fn port_number(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|&port| digits && port != 0)
        .ok_or("a port is a number from 1 to 65535")
}

/// `text` with its percent escapes decoded, once; `None` where an escape is broken or the octets are not UTF-8.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        octets.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(octets).ok()
}

/// Displays a path with escapes for what may not stand in it as it is (RFC 3986 §3.3). `;` is escaped too, as RFC 3617
/// gives it a meaning.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(f, "{}", char::from(octet))?,
                b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => write!(f, "{}", char::from(octet))?,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' => {
                    write!(f, "{}", char::from(octet))?;
                }
                other => write!(f, "%{other:02X}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for UrlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for ConfigUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", Escaped(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> ConfigUrl {
        text.parse().unwrap()
    }

    #[test]
    fn rfc_3617_and_rfc_3986_forms() {
        let url = read("TFTP://Prov.Example.net/a/b.bin;mode=octet");
        assert_eq!(url.protocol(), Delivery::Tftp);
        assert_eq!(url.host(), &UrlHost::Name("prov.example.net".parse().unwrap()));
        assert_eq!((url.port(), url.file()), (69, "a/b.bin"));
        assert_eq!(url.to_string(), "tftp://prov.example.net/a/b.bin");

        let url = read("http://192.0.2.1:8080/x%20y");
        assert_eq!(url.host(), &UrlHost::Address("192.0.2.1".parse().unwrap()));
        assert_eq!((url.port(), url.file()), (8080, "x y"));
        assert_eq!(url.escaped_path(), "/x%20y");

        let url = read("tftp://[2001:DB8:0::1]/f");
        assert_eq!(url.to_string(), "tftp://[2001:db8::1]/f");
        assert_eq!(read("tftp://[::1]:10069/f").port(), 10_069);
        assert_eq!(read("http://h/f").port(), 80);
        assert_eq!(read("http://h:80/f").to_string(), "http://h/f");
    }

    #[test]
    fn p34_escapes_are_decoded_once() {
        let url = read("tftp://h/%2541%3Bmode");
        assert_eq!(url.file(), "%41;mode");
        assert_eq!(url.to_string(), "tftp://h/%2541%3Bmode");
        assert_eq!(read("tftp://h//f").file(), "/f");
    }

    #[test]
    fn what_is_no_file_url_is_refused() {
        for text in [
            "",
            "tftp:",
            "tftp://",
            "tftp://h",
            "tftp://h/",
            "https://h/f",
            "tftp:///f",
            "tftp://u@h/f",
            "tftp://h/f?x",
            "tftp://h/f#x",
            "tftp://h/f;mode=netascii",
            "tftp://h:0/f",
            "tftp://h:+1/f",
            "tftp://h:/f",
            "tftp://h:70000/f",
            "tftp://[::1/f",
            "tftp://[::1]x/f",
            "tftp://[fe80::1%25eth0]/f",
            "tftp://::1/f",
            "tftp://1.2.3/f",
            "tftp://1.2.3.256/f",
            "tftp://h/%",
            "tftp://h/%4",
            "tftp://h/%zz",
            "tftp://h/%ff",
            "tftp://h/%00",
            "tftp://h/a b",
            "tftp://h/é",
        ] {
            assert!(text.parse::<ConfigUrl>().is_err(), "{text}");
        }
        assert!(format!("tftp://h/{}", "a".repeat(245)).parse::<ConfigUrl>().is_ok());
        assert!(format!("tftp://h/{}", "a".repeat(246)).parse::<ConfigUrl>().is_err());
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name in "[^\\p{Cc}/][^\\p{Cc}]{0,15}", port in any::<Option<u16>>(), http in any::<bool>()) {
            let protocol = if http { Delivery::Http } else { Delivery::Tftp };
            let port = port.filter(|&port| port != 0);
            let host = UrlHost::Address("2001:db8::7".parse().unwrap());
            let url = ConfigUrl::new(protocol, host, port, &name).unwrap();
            prop_assert_eq!(url.file(), &name);
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }

        #[test]
        fn hostile_text_never_panics(text in "(tftp|http)://[\\[\\]:%;/a0é.]{0,30}") {
            let _ = text.parse::<ConfigUrl>();
        }
    }
}
