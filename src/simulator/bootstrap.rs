//! Certificate bootstrapping as a device does it, after it has taken its file (seed 003 §6.6.5): TLS with both certificates,
//! then the document.
//!
//! The TLS is OpenSSL's on both sides of history, which here is the judge of what the server's rustls sends.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::X509;

use super::device::Server;
use super::fault::Fault;
use crate::model::{Family, UrlHost};
use crate::value::MacAddress;
use crate::wire::pkinit::Identity;

/// The longest answer that a device reads.
const MAX_ANSWER: u64 = 1 << 20;

/// What a device that can bootstrap has for it.
#[derive(Debug, Clone)]
pub struct Bootstrapping {
    /// Its certificate, its manufacturer CA's, and its key.
    pub identity: Arc<Identity>,
    /// The TLS it speaks.
    pub tls: DeviceTls,
}

/// The TLS that a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceTls {
    /// TLS 1.0, and one suite that PacketCable mandates, by its name in OpenSSL.
    Yesterday(&'static str),
    /// TLS 1.2 and 1.3.
    Tomorrow,
}

/// Where a URI leads.
struct Target {
    host: UrlHost,
    port: u16,
    path: String,
}

fn wrong(what: impl std::fmt::Display) -> Fault {
    Fault::Bootstrap(what.to_string())
}

impl Target {
    fn read(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("https://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, 443),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(address) => UrlHost::Address(address),
            Err(_) => UrlHost::Name(bare.parse().ok()?),
        };
        Some(Self {
            host,
            port,
            path: path.to_owned(),
        })
    }
}

/// Fetches the document of the device `mac` from `uri`; a line for the run's report.
pub(super) async fn fetch(
    uri: &str,
    own: IpAddr,
    mac: MacAddress,
    bootstrapping: &Bootstrapping,
    server: &Server,
    limit: Duration,
) -> Result<String, Fault> {
    let target = Target::read(uri).ok_or(Fault::Mismatch("the URI for bootstrapping"))?;
    let address = match &target.host {
        UrlHost::Address(address) => *address,
        UrlHost::Name(name) => server
            .resolve(name, Family::of(own))
            .ok_or_else(|| Fault::Unresolved(name.clone()))?,
    };
    let roots = server
        .provider_root
        .certificates()
        .iter()
        .map(|root| root.der().to_vec())
        .collect();
    let bootstrapping = bootstrapping.clone();
    // OpenSSL's streams wait; there are few of them at a time.
    let exchange = tokio::task::spawn_blocking(move || {
        let socket = connect(own, SocketAddr::new(address, target.port), limit)?;
        exchange(socket, &target, mac, &bootstrapping, roots)
    });
    exchange.await.map_err(wrong)?
}

fn connect(own: IpAddr, server: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(own, 0).into())?;
    socket.connect_timeout(&server.into(), limit)?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(limit))?;
    socket.set_write_timeout(Some(limit))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn exchange(
    socket: TcpStream,
    target: &Target,
    mac: MacAddress,
    bootstrapping: &Bootstrapping,
    roots: Vec<Vec<u8>>,
) -> Result<String, Fault> {
    let mut stream = handshake(socket, target, bootstrapping, roots)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}:{}\r\nAccept: application/xml\r\nConnection: close\r\n\r\n",
        target.path, target.host, target.port
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = zeroize::Zeroizing::new(Vec::new());
    (&mut stream).take(MAX_ANSWER).read_to_end(&mut answer)?;
    let rows = judge(&answer, mac)?;
    let suite = stream.ssl().current_cipher().map_or("", |cipher| cipher.name());
    Ok(format!(
        "{} octets over {} {suite}, {rows}",
        answer.len(),
        stream.ssl().version_str()
    ))
}

fn handshake(
    socket: TcpStream,
    target: &Target,
    bootstrapping: &Bootstrapping,
    roots: Vec<Vec<u8>>,
) -> Result<SslStream<TcpStream>, Fault> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).map_err(wrong)?;
    // The hierarchies are signed by SHA-1, the devices' keys have 1024 bits.
    connector.set_security_level(0);
    match bootstrapping.tls {
        DeviceTls::Yesterday(suite) => {
            connector.set_min_proto_version(Some(SslVersion::TLS1)).map_err(wrong)?;
            connector.set_max_proto_version(Some(SslVersion::TLS1)).map_err(wrong)?;
            connector.set_cipher_list(suite).map_err(wrong)?;
        }
        DeviceTls::Tomorrow => connector
            .set_min_proto_version(Some(SslVersion::TLS1_2))
            .map_err(wrong)?,
    }
    connector.set_verify(SslVerifyMode::PEER);
    for root in roots {
        let root = X509::from_der(&root).map_err(wrong)?;
        connector.cert_store_mut().add_cert(root).map_err(wrong)?;
    }
    let mut chain = bootstrapping.identity.chain().iter();
    if let Some(own) = chain.next() {
        let own = X509::from_der(own.der()).map_err(wrong)?;
        connector.set_certificate(&own).map_err(wrong)?;
    }
    for authority in chain {
        let authority = X509::from_der(authority.der()).map_err(wrong)?;
        connector.add_extra_chain_cert(authority).map_err(wrong)?;
    }
    connector.set_private_key(bootstrapping.identity.key()).map_err(wrong)?;
    let name = match &target.host {
        UrlHost::Address(address) => address.to_string(),
        UrlHost::Name(name) => name.to_string(),
    };
    // The server's certificate must chain to the root and bear the name or address in the URI.
    connector.build().connect(&name, socket).map_err(|error| match error {
        openssl::ssl::HandshakeError::Failure(stream) => wrong(stream.error()),
        other => wrong(other),
    })
}

/// What the document holds; the fault where it is none, or another device's.
fn judge(answer: &[u8], mac: MacAddress) -> Result<String, Fault> {
    let text = std::str::from_utf8(answer).map_err(|_| Fault::Mismatch("the document's encoding"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(Fault::Mismatch("the HTTP answer"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if status != "200" {
        return Err(wrong(format!(
            "the server answers {}",
            status.chars().take(3).collect::<String>()
        )));
    }
    let kind = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim())
    });
    if kind != Some("application/xml") {
        return Err(Fault::Mismatch("the document's type"));
    }
    if !body.starts_with("<?xml") || !body.contains(&format!("mac=\"{mac}\"")) {
        return Err(Fault::Mismatch("the document"));
    }
    let count = |entry: &str| body.matches(entry).count();
    let (impus, impis) = (count("<pktcEUEUsrIMPUEntry>"), count("<pktcEUEUsrIMPIEntry>"));
    if impis == 0 || body.contains("<pktcEUEUsrIMPICredentials encoding=\"text\"></") {
        return Err(Fault::Mismatch("the document's credentials"));
    }
    Ok(format!("{impus} IMPU, {impis} IMPI"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_somewhere_or_are_refused() {
        let read =
            |uri: &str| Target::read(uri).map(|target| format!("{} {} {}", target.host, target.port, target.path));
        assert_eq!(read("https://192.0.2.1:4433/eue").unwrap(), "192.0.2.1 4433 /eue");
        assert_eq!(read("https://[2001:db8::1]/a/b").unwrap(), "[2001:db8::1] 443 /a/b");
        assert_eq!(read("https://[2001:db8::1]:8").unwrap(), "[2001:db8::1] 8 /");
        assert_eq!(read("https://cb.example.net/").unwrap(), "cb.example.net 443 /");
        for uri in ["http://x/", "https://", "https:///x", "https://x:99999/", ""] {
            assert!(read(uri).is_none(), "{uri}");
        }
    }

    #[test]
    fn a_document_is_the_devices_own_or_a_fault() {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let entry = "<pktcEUEUsrIMPIEntry><pktcEUEUsrIMPICredentials encoding=\"text\">x</pktcEUEUsrIMPICredentials>";
        let answer = |status: &str, kind: &str, mac: &str, entry: &str| {
            format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\n\r\n<?xml ?><a mac=\"{mac}\">{entry}</a>")
        };
        let xml = "application/xml";
        let good = answer("200", xml, "02:00:00:00:00:01", entry);
        assert_eq!(judge(good.as_bytes(), mac).unwrap(), "0 IMPU, 1 IMPI");
        for bad in [
            answer("403", xml, "02:00:00:00:00:01", entry),
            answer("200", "text/plain", "02:00:00:00:00:01", entry),
            answer("200", xml, "02:00:00:00:00:02", entry),
            answer("200", xml, "02:00:00:00:00:01", ""),
            String::new(),
        ] {
            assert!(judge(bad.as_bytes(), mac).is_err(), "{bad}");
        }
    }
}
