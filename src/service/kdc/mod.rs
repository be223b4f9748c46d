//! The KDC (UDP and TCP 88): AS and TGS exchanges with devices (seed 003 eUE-9 to eUE-12) and with stock clients.
//!
//! What a request costs comes in steps, and the cheap ones first: its source's rate, its form, its repetition, what it
//! claims (time, nonce, checksum). Then it waits for a seat, in a bounded queue in which sources take turns; whether the
//! device is known and may speak from where it does comes next, and public-key work last.

mod chain_cache;
mod dh_pairs;
mod fqdn_client;
mod pkinit;
mod replay;
mod symmetric;

pub use fqdn_client::{FqdnClient, FqdnServers};

use std::future::Future;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(super) use self::chain_cache::Chains;
use self::dh_pairs::DhPairs;
use self::replay::Replays;
use super::core::Core;
use super::drops;
use super::rate::RateLimit;
use super::tcp::{Conversation, Prefix};
use super::turns::{Seat, Turns};
use super::udp::Datagram;
use super::workers::Workers;
use crate::model::StepId;
use crate::provisioning::{self, Kdc, KdcRefused, KdcRequest};
use crate::settings::Service;
use crate::store::StoreError;
use crate::value::{OsRandom, Timestamp};
use crate::wire::kerberos::{KrbErrorCode, PrincipalName, ServiceKey};

const SERVICE: Service = Service::Kdc;
/// Verified chains that are kept.
const CHAINS: usize = 50_000;
/// Requests that are handled at once beyond the checks that cost nothing.
const SEATS: usize = 64;
/// Requests that may wait for a seat.
const QUEUE: usize = 4_096;
/// Requests in the house from which on the KDC is busy: sources are held to their share.
const BUSY: usize = 64;
/// The first octet of an AS-REQ and of a TGS-REQ.
const AS_REQ: u8 = 0x6a;
const TGS_REQ: u8 = 0x6c;
/// The longest request over TCP, octets; a PKINIT one with a long chain has some 6,000.
const REQUEST_MAX: usize = 65_536;

/// What an operator may set about the service.
pub struct KdcLimits {
    /// How long a Diffie-Hellman pair of the KDC's own is used.
    pub dh_lifetime: Duration,
    /// Requests of each source.
    pub rate: RateLimit,
    /// The longest reply in a datagram, octets.
    pub udp_reply_max: usize,
}

/// The KDC.
pub struct KdcService {
    core: Arc<Core>,
    kdc: Arc<Kdc>,
    chains: Arc<Chains>,
    pairs: Arc<DhPairs>,
    turns: Turns,
    workers: Workers,
    fqdn: FqdnClient,
    rate: RateLimit,
    udp_reply_max: usize,
    replays: Replays,
    /// Requests that are being worked on.
    inside: AtomicUsize,
}

/// How a request ends that is not answered with a ticket.
enum Ended {
    /// With an error for the client.
    Refused(Box<KdcRefused>),
    /// In silence: the client asks again.
    Silent(&'static str),
}

impl From<KdcRefused> for Ended {
    fn from(refused: KdcRefused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an exchange with the KDC cannot be stored");
        Self::Silent("store")
    }
}

/// One request while it is in the house.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl KdcService {
    /// The KDC over `core`.
    pub fn new(core: Arc<Core>, kdc: Kdc, fqdn: FqdnClient, limits: KdcLimits) -> Arc<Self> {
        Arc::new(Self {
            core,
            kdc: Arc::new(kdc),
            chains: Arc::new(Chains::new(CHAINS)),
            pairs: Arc::new(DhPairs::new(limits.dh_lifetime)),
            turns: Turns::new(SEATS, QUEUE),
            workers: Workers::default(),
            fqdn,
            rate: limits.rate,
            udp_reply_max: limits.udp_reply_max,
            replays: Replays::new(),
            inside: AtomicUsize::new(0),
        })
    }

    /// Answers a datagram; `None` is silence. Whether its source may ask is decided before the first poll, so that a flood
    /// costs no more than its reception.
    pub fn datagram(self: &Arc<Self>, datagram: Datagram) -> impl Future<Output = Option<Vec<u8>>> + Send + use<> {
        let (service, Datagram { payload, peer, .. }) = (self.clone(), datagram);
        let admitted = self.admits(peer);
        async move {
            let reply = service.answer_admitted(admitted, payload, peer).await?;
            Some(service.fitting(reply, peer))
        }
    }

    fn admits(&self, peer: SocketAddr) -> bool {
        let busy = self.inside.load(Ordering::Relaxed) >= BUSY;
        self.rate.admits_share(peer.ip().to_canonical(), Instant::now(), busy)
    }

    /// The reply, or error 52 where it is too long for a datagram (RFC 4120 §7.2.1). The client's same request over TCP
    /// is answered from memory.
    fn fitting(&self, reply: Vec<u8>, peer: SocketAddr) -> Vec<u8> {
        if reply.len() <= self.udp_reply_max {
            return reply;
        }
        let code = KrbErrorCode::ResponseTooBig;
        let reason = format!("{} octets are too many for a datagram", reply.len());
        drops::refused(SERVICE, code.text(), peer, None, &reason);
        KdcRefused::new(code, reason).message(&self.kdc, Timestamp::now(), &mut OsRandom)
    }

    async fn answer_admitted(&self, admitted: bool, request: Vec<u8>, peer: SocketAddr) -> Option<Vec<u8>> {
        self.inside.fetch_add(1, Ordering::Relaxed);
        let _inside = Inside(&self.inside);
        let ended = match admitted {
            true => self.exchange(&request, peer).await,
            false => Err(Ended::Silent("too many requests of one source")),
        };
        match ended {
            Ok(reply) => Some(reply),
            Err(Ended::Silent(reason)) => {
                drops::count(SERVICE, reason, peer, 0);
                None
            }
            Err(Ended::Refused(refused)) => {
                self.note_refusal(&refused, &request, peer);
                Some(refused.message(&self.kdc, Timestamp::now(), &mut OsRandom))
            }
        }
    }

    /// Tells the operator of a refusal. A stock client's first request, which asks how to prove itself, is none.
    fn note_refusal(&self, refused: &KdcRefused, request: &[u8], peer: SocketAddr) {
        // A request that failed before its certificate was verified is shown with the device that it claims.
        let mac = refused.mac.or_else(|| provisioning::claimed_device(request));
        let asking = refused.code == KrbErrorCode::PreauthRequired && mac.is_none();
        if asking {
            return drops::count(SERVICE, refused.code.text(), peer, 0);
        }
        drops::refused(SERVICE, refused.code.text(), peer, mac, &refused.reason);
        let step = match request.first() {
            Some(&TGS_REQ) => StepId::TGS_REQUEST,
            _ => StepId::AS_REQUEST,
        };
        self.core.refuse(mac, peer, step, refused.reason.clone());
    }

    async fn exchange(&self, datagram: &[u8], peer: SocketAddr) -> Result<Vec<u8>, Ended> {
        let asked = Timestamp::now();
        if !matches!(datagram.first(), Some(&AS_REQ | &TGS_REQ)) {
            return Err(Ended::Silent("not a KDC request"));
        }
        if let Some(answer) = self.replays.answer(&provisioning::digest(datagram), asked) {
            return Ok(answer);
        }
        let request = provisioning::read_request(datagram, &self.kdc)?;
        let (kind, digest) = match &request {
            KdcRequest::Pkinit(request) => ("as-pkinit", request.digest),
            KdcRequest::Key(request) => ("as-key", request.digest),
            KdcRequest::Tgs(request) => ("tgs", request.digest),
        };
        let reply = match request {
            KdcRequest::Pkinit(request) => self.as_by_pkinit(request, (peer, asked)).await?,
            KdcRequest::Key(request) => {
                let _seat = self.seat(peer).await?;
                self.as_by_key(&request, peer, asked).await?
            }
            KdcRequest::Tgs(request) => {
                let _seat = self.seat(peer).await?;
                self.tgs(&request, peer, asked).await?
            }
        };
        metrics::counter!("hardline_kdc_answered_total", "exchange" => kind).increment(1);
        self.replays.answered(digest, &reply, self.remembered(asked), asked);
        Ok(reply)
    }

    /// A seat for a request that passed the checks that cost nothing, once it is its source's turn.
    async fn seat(&self, peer: SocketAddr) -> Result<Seat, Ended> {
        let seat = self.turns.seat(peer.ip().to_canonical()).await;
        seat.ok_or(Ended::Silent("too many requests waiting"))
    }

    /// Until when a request of now could come again and be believed.
    fn remembered(&self, now: Timestamp) -> Timestamp {
        now.plus(self.kdc.policy.clock_skew * 2)
    }

    /// The keys of the service that a ticket is for.
    async fn service_keys(&self, service: &PrincipalName) -> Result<Arc<[ServiceKey]>, Ended> {
        let keys = self.core.keys.of(service).await?;
        match keys.is_empty() {
            true => Err(provisioning::no_service_key(service).into()),
            false => Ok(keys),
        }
    }
}

impl Conversation for KdcService {
    const SERVICE: Service = SERVICE;
    const PREFIX: Prefix = Prefix::Four;
    const LENGTHS: RangeInclusive<usize> = 1..=REQUEST_MAX;
    const WRONG_LENGTH: &'static str = "length of a TCP request";

    async fn answer(self: Arc<Self>, request: Vec<u8>, peer: SocketAddr) -> Option<Vec<u8>> {
        let admitted = Self::admits(&self, peer);
        self.answer_admitted(admitted, request, peer).await
    }
}
