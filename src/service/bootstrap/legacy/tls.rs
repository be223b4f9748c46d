//! OpenSSL as the suites that PacketCable mandates need it, and nothing more of it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::stack::StackRef;
use openssl::x509::{X509, X509StoreContext, X509StoreContextRef};

use super::super::ask::Client;
use super::orders::Orders;
use crate::value::unhex;
use crate::wire::cert::{certificates_from_pem, key_from_pem};

/// What is known of one handshake: who is at the other end, and what became of its certificates.
pub(super) struct Handshake {
    pub(super) peer: SocketAddr,
    judged: OnceLock<u8>,
}

impl Handshake {
    /// The alert that the chain is refused with, where it was presented and refused.
    pub(super) fn alert(&self) -> Option<u8> {
        self.judged.get().copied().filter(|alert| *alert != 0)
    }

    /// Who is at the other end of a connection whose chain was accepted.
    pub(super) fn client(&self, ssl: &SslRef) -> Option<Client> {
        self.judged.get().filter(|alert| **alert == 0)?;
        let suite = ssl.current_cipher()?.name();
        Some(Client {
            peer: self.peer,
            chain: Arc::new(to_der(ssl.verified_chain()?)?),
            tls: format!("{} {suite}", ssl.version_str()).into(),
        })
    }
}

fn to_der(chain: &StackRef<X509>) -> Option<Vec<Vec<u8>>> {
    chain.iter().map(|certificate| certificate.to_der().ok()).collect()
}

/// Where the server's side of each connection begins.
pub(super) struct Terminal {
    context: SslContext,
    handshakes: Index<Ssl, Arc<Handshake>>,
}

impl Terminal {
    /// OpenSSL as `orders` say. `judge` says of each chain that is presented 0, or the alert that refuses it.
    pub(super) fn new(
        orders: &Orders,
        judge: impl Fn(SocketAddr, Arc<Vec<Vec<u8>>>) -> u8 + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let handshakes = Ssl::new_ex_index().map_err(|error| error.to_string())?;
        let context = context(orders, handshakes, judge).map_err(|error| error.to_string())?;
        Ok(Self { context, handshakes })
    }

    /// The server's side of a connection from `peer`.
    pub(super) fn begin(&self, peer: SocketAddr) -> Result<(Ssl, Arc<Handshake>), ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        let handshake = Arc::new(Handshake {
            peer,
            judged: OnceLock::new(),
        });
        ssl.set_ex_data(self.handshakes, Arc::clone(&handshake));
        Ok((ssl, handshake))
    }
}

fn context(
    orders: &Orders,
    handshakes: Index<Ssl, Arc<Handshake>>,
    judge: impl Fn(SocketAddr, Arc<Vec<Vec<u8>>>) -> u8 + Send + Sync + 'static,
) -> Result<SslContext, Box<dyn std::error::Error>> {
    let mut context = SslContextBuilder::new(SslMethod::tls_server())?;
    // Level 0 is the one at which these suites, SHA-1 and RSA of 1024 bits are to be had at all. What else it opens is
    // closed by the list of suites.
    context.set_security_level(0);
    let suites: Vec<&str> = orders.suites.iter().map(|suite| suite.openssl_name()).collect();
    context.set_cipher_list(&suites.join(":"))?;
    context.set_min_proto_version(Some(SslVersion::TLS1))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_options(
        SslOptions::NO_TICKET
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_session_id_context(b"hardline")?;
    // Buffers are given back while a connection waits: thousands may.
    context.set_mode(SslMode::RELEASE_BUFFERS);

    let mut chain = certificates_from_pem(orders.chain.as_bytes())?.into_iter();
    let leaf = chain.next().ok_or("the orders hold no certificate")?;
    context.set_certificate(&*X509::from_der(&leaf)?)?;
    for authority in chain {
        context.add_extra_chain_cert(X509::from_der(&authority)?)?;
    }
    let key = key_from_pem(orders.key.as_bytes())?;
    context.set_private_key(&*key)?;
    context.check_private_key()?;
    for root in &orders.roots {
        let root = unhex(root).ok_or("the orders hold a root that is none")?;
        context.add_client_ca(&*X509::from_der(&root)?)?;
    }
    context.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        move |_, store| accepted(store, handshakes, &judge).unwrap_or(false),
    );
    Ok(context.build())
}

/// Whether the chain of a handshake is accepted. OpenSSL builds it and asks about each of its own objections; the answer is
/// ours, once for each handshake, and the same whatever the objection is.
fn accepted(
    store: &X509StoreContextRef,
    handshakes: Index<Ssl, Arc<Handshake>>,
    judge: &impl Fn(SocketAddr, Arc<Vec<Vec<u8>>>) -> u8,
) -> Option<bool> {
    let ssl = store.ex_data(X509StoreContext::ssl_idx().ok()?)?;
    let handshake = ssl.ex_data(handshakes)?;
    if let Some(alert) = handshake.judged.get() {
        return Some(*alert == 0);
    }
    let chain = Arc::new(to_der(store.chain()?)?);
    let alert = judge(handshake.peer, chain);
    let _ = handshake.judged.set(alert);
    Some(alert == 0)
}
