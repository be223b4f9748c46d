//! Where an answer is written: its octets come back to the socket that the query came from.

use std::sync::{Arc, Mutex, PoisonError};

use hickory_server::net::NetError;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, ResponseCode};
use hickory_server::proto::rr::Record;
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;

/// The largest answer over UDP, whatever the client takes: larger ones would be fragmented (the size that the DNS Flag
/// Day 2020 agreed on), and serve to flood a forged source.
const UDP_MAX: u16 = 1_232;
/// What a client takes that says nothing (RFC 1035 §4.2.1).
const UDP_LEAST: u16 = 512;

/// An answer with its code.
type Answer = (ResponseCode, Vec<u8>);

/// Takes one answer.
#[derive(Clone)]
pub(super) struct Capture {
    limit: u16,
    answer: Arc<Mutex<Option<Answer>>>,
}

impl Capture {
    /// For the answer to `request`, which decides how long it may be.
    pub(super) fn new(request: &Request) -> Self {
        let limit = match request.protocol() {
            Protocol::Udp => request.max_payload().clamp(UDP_LEAST, UDP_MAX),
            _ => u16::MAX,
        };
        Self {
            limit,
            answer: Arc::default(),
        }
    }

    /// The answer, where there is one, with its code.
    pub(super) fn taken(self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes `response`: what does not fit leaves the truncation bit (RFC 2181 §9).
    pub(super) fn put<'a>(
        &self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Option<ResponseInfo> {
        // RFC 6891 §6.2.3: what this server takes, and not an echo of what the client does.
        let own = response.edns().map(|edns| {
            let mut own: Edns = edns.clone();
            own.set_max_payload(UDP_MAX);
            own
        });
        let mut response = response;
        if let Some(own) = &own {
            response.set_edns(own);
        }
        let mut octets = Vec::with_capacity(usize::from(UDP_LEAST));
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(self.limit);
        let info = response.destructive_emit(&mut encoder).ok()?;
        let code = info.response_code;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, octets));
        Some(info)
    }
}

#[async_trait::async_trait]
impl ResponseHandler for Capture {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        self.put(response)
            .ok_or_else(|| NetError::from("the answer cannot be encoded"))
    }
}
