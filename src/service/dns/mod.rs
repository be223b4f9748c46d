//! DNS (UDP and TCP 53): an authoritative server for the realm's zone, the devices' names and their reverse zones
//! (pkt-eue-2; seed 003 §6.1.2 and §6.2.3, eUE-5 to eUE-8). It asks nobody: what is outside its zones is refused.

mod addresses;
mod capture;
mod zone;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use hickory_server::net::runtime::TokioTime;
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::DNSClass;
use hickory_server::server::{Request, RequestHandler};
use hickory_server::zone_handler::{Catalog, MessageResponseBuilder};
use metrics::counter;

use self::capture::Capture;
use self::zone::DeviceZone;
use super::core::Core;
use super::drops;
use super::rate::RateLimit;
use super::tcp::{Conversation, Prefix};
use crate::provisioning::zones::Zone;
use crate::settings::Service;

pub use addresses::infrastructure;
pub use hickory_server::net::xfer::Protocol;

const SERVICE: Service = Service::Dns;
/// A message's header (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Additional records of a query: OPT, and a signature.
const ADDITIONAL_MAX: u16 = 2;
/// The longest query that is read over TCP, octets.
const QUERY_MAX: usize = 4_096;

/// The server.
pub struct DnsService {
    catalog: Catalog,
    rate: RateLimit,
}

impl DnsService {
    /// The server of `zones` over `core`, with at most so many queries of one source in a second.
    pub fn new(core: &Arc<Core>, zones: Vec<Zone>, rate: RateLimit) -> Arc<Self> {
        let mut catalog = Catalog::new();
        for zone in zones {
            let origin = zone.origin().clone();
            catalog.upsert(origin, vec![Arc::new(DeviceZone::new(core.store.clone(), zone))]);
        }
        Arc::new(Self { catalog, rate })
    }

    /// Whether one more query, or connection, of `peer` is taken now.
    fn admits(&self, peer: SocketAddr) -> bool {
        let admitted = self.rate.admits(peer.ip(), Instant::now());
        if !admitted {
            drops::count(SERVICE, "too many queries of one source", peer, 0);
        }
        admitted
    }

    /// Answers one message; `None` is silence.
    pub async fn answer(self: Arc<Self>, message: Vec<u8>, peer: SocketAddr, protocol: Protocol) -> Option<Vec<u8>> {
        if !self.admits(peer) {
            return None;
        }
        let header: [u8; HEADER] = match message.first_chunk() {
            Some(header) => *header,
            None => {
                drops::count(SERVICE, "shorter than a header", peer, message.len());
                return None;
            }
        };
        // Answering an answer would let two servers talk without end.
        if header[2] & 0x80 != 0 {
            drops::count(SERVICE, "a response", peer, 2);
            return None;
        }
        let (code, answer) = match judge(&header) {
            Some(code) => (code, refusal(&header, code)),
            None => match Request::from_bytes(message, peer, protocol) {
                Ok(request) => self.respond(&request).await?,
                Err(_) => (ResponseCode::FormErr, refusal(&header, ResponseCode::FormErr)),
            },
        };
        counter!("hardline_dns_answers_total", "code" => label(code)).increment(1);
        Some(answer)
    }

    async fn respond(&self, request: &Request) -> Option<(ResponseCode, Vec<u8>)> {
        let capture = Capture::new(request);
        let foreign = |class| class != DNSClass::IN && class != DNSClass::ANY;
        let class = request.queries.queries().first().map(|query| query.query_class());
        if class.is_some_and(foreign) {
            let refused = MessageResponseBuilder::new(&request.queries, None);
            let refused = refused.error_msg(&request.metadata, ResponseCode::Refused);
            capture.clone().put(refused);
        } else {
            self.catalog
                .handle_request::<_, TokioTime>(request, capture.clone())
                .await;
        }
        capture.taken()
    }
}

impl Conversation for DnsService {
    const SERVICE: Service = SERVICE;
    const PREFIX: Prefix = Prefix::Two;
    const LENGTHS: RangeInclusive<usize> = 0..=QUERY_MAX;
    const WRONG_LENGTH: &'static str = "length of a TCP query";

    fn admits(&self, peer: SocketAddr) -> bool {
        Self::admits(self, peer)
    }

    async fn answer(self: Arc<Self>, message: Vec<u8>, peer: SocketAddr) -> Option<Vec<u8>> {
        Self::answer(self, message, peer, Protocol::Tcp).await
    }
}

/// What a query is refused for by its header alone, before anything is made of its counts.
fn judge(header: &[u8; HEADER]) -> Option<ResponseCode> {
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (queries, answers, authorities, additional) = (count(4), count(6), count(8), count(10));
    if header[2] >> 3 & 0xf != 0 {
        return Some(ResponseCode::NotImp);
    }
    let well_formed = queries == 1 && answers == 0 && authorities == 0 && additional <= ADDITIONAL_MAX;
    (!well_formed).then_some(ResponseCode::FormErr)
}

/// A header that refuses: the query's id, opcode and RD, and the code.
fn refusal(header: &[u8; HEADER], code: ResponseCode) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer[..2].copy_from_slice(&header[..2]);
    answer[2] = 0x80 | header[2] & 0x79;
    answer[3] = code.low();
    answer
}

fn label(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NoError => "noerror",
        ResponseCode::FormErr => "formerr",
        ResponseCode::ServFail => "servfail",
        ResponseCode::NXDomain => "nxdomain",
        ResponseCode::NotImp => "notimp",
        ResponseCode::Refused => "refused",
        ResponseCode::BADVERS => "badvers",
        _ => "other",
    }
}
