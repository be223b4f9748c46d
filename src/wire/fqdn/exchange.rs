//! The datagrams: AP-REQ and KRB-SAFE to UDP port 2246, AP-REP and KRB-SAFE or a bare KRB-ERROR back, each message
//! directly behind the other (fact sheet security §3, CERTAIN).
//!
//! The AP messages are fresh by their own rules. The KRB-SAFE is bound to them by the Authenticator's sequence number,
//! which the client draws at random, or where a peer sends none, by a timestamp within the skew.

use super::data::{FqdnAnswer, FqdnData, FqdnDataError, FqdnErrorCode, FqdnRequest, ReplyForm};
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{
    ApReq, ApReqContent, ApReqError, ApReqExpectation, ApReqOpened, ApReqSent, EncryptionKey, HostAddress,
    KerberosError, KeyUsage, KrbError, KrbErrorCode, Number32, PadForm, Principal, SafeBody, SafeCoverage, SafeOpened,
    Ticket, build_ap_rep, build_safe, open_ap_rep, open_ap_req, open_safe, split_der,
};
use std::net::IpAddr;
use std::time::Duration;

/// First octet of a KRB-ERROR.
const KRB_ERROR: u8 = 0x7e;

/// A datagram of the exchange was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FqdnExchangeError {
    /// The AP-REQ in front was refused.
    #[error(transparent)]
    ApReq(#[from] ApReqError),
    /// A Kerberos message could not be read or did not verify.
    #[error(transparent)]
    Kerberos(#[from] KerberosError),
    /// The user-data could not be read or written.
    #[error(transparent)]
    Data(#[from] FqdnDataError),
    /// Octets follow the KRB-SAFE or KRB-ERROR.
    #[error("MTA-FQDN: {0} octets follow the last message")]
    Trailing(usize),
    /// The user-data is of a type that this side does not take.
    #[error("MTA-FQDN: user-data of a type that does not belong in this direction")]
    Direction,
    /// The KRB-SAFE belongs to another exchange: its sequence number or time does not fit.
    #[error("MTA-FQDN: the KRB-SAFE's {0} does not belong to this exchange")]
    Stale(&'static str),
}

impl FqdnExchangeError {
    /// The code for the peer, with which the server answers ([`build_error`]).
    pub fn code(&self) -> KrbErrorCode {
        match self {
            Self::ApReq(error) => error.code(),
            Self::Kerberos(KerberosError::Crypto { .. }) => KrbErrorCode::Modified,
            Self::Kerberos(_) | Self::Trailing(_) => KrbErrorCode::MessageType,
            Self::Data(_) | Self::Direction => KrbErrorCode::Generic,
            Self::Stale(_) => KrbErrorCode::BadOrder,
        }
    }
}

/// What the KDC asks with.
#[derive(Debug, Clone)]
pub struct FqdnQuery<'a> {
    /// The KDC's own name, `kdcquery/…`.
    pub client: &'a Principal,
    /// A ticket for `mtafqdnmap/…`. One drawn for each query keeps queries apart even where a peer has neither
    /// sequence numbers nor timestamps.
    pub ticket: &'a Ticket,
    /// The ticket's session key.
    pub session_key: &'a EncryptionKey,
    /// The time of asking.
    pub now: Timestamp,
    /// The address that the query leaves from, for the KRB-SAFE's s-address: PacketCable leaves it out where it likes,
    /// RFC 4120 §5.6.1 demands it.
    pub from: Option<IpAddr>,
    /// The pad form that an etype 5 key writes (profile P14).
    pub pad: PadForm,
}

/// What the KDC remembers of its query.
#[derive(Debug, Clone)]
pub struct FqdnSent {
    session_key: EncryptionKey,
    ap: ApReqSent,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FqdnOutcome {
    /// Name and addresses.
    Answer(FqdnAnswer),
    /// The provisioning server says no.
    Refused(FqdnErrorCode),
    /// The provisioning server could not take the AP-REQ. Nothing proves that it was the server who said so.
    KrbError(Box<KrbError>),
}

/// The KDC's datagram with `request`, and what it needs to open the reply.
///
/// # Errors
/// [`KerberosError`] where the session key is of no known type or of the wrong size.
pub fn build_request(
    request: &FqdnRequest,
    query: &FqdnQuery<'_>,
    random: &mut dyn Random,
) -> Result<(Vec<u8>, FqdnSent), KerberosError> {
    let mut sequence = [0; 4];
    random.fill(&mut sequence);
    // Sequence numbers of 31 bits read the same to peers that take them for signed.
    let seq_number = Some(Number32::new(u32::from_be_bytes(sequence) >> 1));
    let content = ApReqContent {
        client: query.client,
        ticket: query.ticket,
        session_key: query.session_key,
        now: query.now,
        mutual: true,
        checksum: None,
        subkey: None,
        seq_number,
        usage: KeyUsage::AP_REQ_AUTHENTICATOR,
        pad: query.pad,
    };
    let (ap_req, ap) = ApReq::build(&content, random)?;
    let body = SafeBody {
        s_address: query.from.map(HostAddress::from),
        ..SafeBody::new(request.encode(), query.now, seq_number)
    };
    let safe = build_safe(&body, query.session_key, None, SafeCoverage::default(), random)?;
    let mut datagram = ap_req.encode();
    datagram.extend_from_slice(&safe);
    let session_key = query.session_key.clone();
    Ok((datagram, FqdnSent { session_key, ap }))
}

/// Opens the answer to the query `sent`.
///
/// # Errors
/// [`FqdnExchangeError`] where a message does not verify, belongs to another exchange, or is followed by octets.
pub fn open_reply(
    datagram: &[u8],
    sent: &FqdnSent,
    now: Timestamp,
    skew: Duration,
) -> Result<FqdnOutcome, FqdnExchangeError> {
    let (first, rest) = split(datagram)?;
    if first.first() == Some(&KRB_ERROR) {
        refuse_trailing(rest)?;
        return Ok(FqdnOutcome::KrbError(Box::new(KrbError::parse(first)?)));
    }
    let (part, _) = open_ap_rep(first, &sent.session_key, &sent.ap)?;
    let (safe, _) = open_last_safe(rest, &sent.session_key, part.subkey.as_ref())?;
    let sequences = [sent.ap.seq_number, part.seq_number];
    check_fresh(&safe.body, &sequences, now, skew)?;
    match FqdnData::parse(&safe.body.user_data)? {
        FqdnData::Answer(answer) => Ok(FqdnOutcome::Answer(answer)),
        FqdnData::Refused(code) => Ok(FqdnOutcome::Refused(code)),
        FqdnData::Request(_) => Err(FqdnExchangeError::Direction),
    }
}

/// A believed request. The caller still has to refuse a replay with [`ApReqOpened::replay_hash`].
#[derive(Debug, Clone)]
pub struct FqdnRequestOpened {
    /// What is asked.
    pub request: FqdnRequest,
    /// The AP-REQ: who asks, and under which session key.
    pub ap: ApReqOpened,
    safe: SafeOpened,
    /// Whether the KRB-SAFE is under the Authenticator's subkey and not under the session key.
    under_subkey: bool,
    /// The address that it came to.
    local: Option<IpAddr>,
}

impl FqdnRequestOpened {
    /// The same request, received at `local`: the s-address of the answer to a peer that gives its own.
    pub fn received_at(self, local: IpAddr) -> Self {
        Self {
            local: Some(local),
            ..self
        }
    }

    /// The s-address of the answer: where the peer sent to, as it says itself or as the socket knows.
    fn answers_from(&self) -> Option<HostAddress> {
        let body = &self.safe.body;
        body.s_address.as_ref()?;
        let named = body.r_address.clone();
        let known = self
            .local
            .filter(|local| !local.is_unspecified())
            .map(HostAddress::from);
        named.or(known).or_else(|| Some(HostAddress::from(self.local?)))
    }
}

/// Opens the KDC's datagram as the provisioning server.
///
/// # Errors
/// [`FqdnExchangeError`], whose [`FqdnExchangeError::code`] is for the peer.
pub fn open_request(datagram: &[u8], expected: &ApReqExpectation<'_>) -> Result<FqdnRequestOpened, FqdnExchangeError> {
    let (first, rest) = split(datagram)?;
    let ap = open_ap_req(first, expected)?;
    let (safe, under_subkey) = open_last_safe(rest, ap.session_key(), ap.authenticator.subkey.as_ref())?;
    check_fresh(&safe.body, &[ap.authenticator.seq_number], expected.now, expected.skew)?;
    match FqdnData::parse(&safe.body.user_data)? {
        FqdnData::Request(request) => Ok(FqdnRequestOpened {
            request,
            ap,
            safe,
            under_subkey,
            local: None,
        }),
        _ => Err(FqdnExchangeError::Direction),
    }
}

/// The datagram that answers `request` with `answer` in `form`. Key, checksum type and coverage are the request's; so is
/// the pad form where the request shows it, else `pad`.
///
/// # Errors
/// [`FqdnExchangeError`] where the answer has too many addresses.
pub fn build_reply(
    request: &FqdnRequestOpened,
    answer: &FqdnAnswer,
    form: ReplyForm,
    pad: PadForm,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, FqdnExchangeError> {
    let user_data = answer.encode(form, request.request.version)?;
    build_answer(request, user_data, pad, now, random)
}

/// The datagram that refuses `request` with `code`.
///
/// # Errors
/// [`FqdnExchangeError::Kerberos`] where the session key is of no known type, which an opened request excludes.
pub fn build_refusal(
    request: &FqdnRequestOpened,
    code: FqdnErrorCode,
    pad: PadForm,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, FqdnExchangeError> {
    build_answer(request, code.encode(), pad, now, random)
}

/// The bare KRB-ERROR that `service` answers with where the request itself was not believed.
pub fn build_error(code: KrbErrorCode, service: &Principal, now: Timestamp) -> Vec<u8> {
    KrbError::new(code, service, now).encode()
}

fn build_answer(
    request: &FqdnRequestOpened,
    user_data: Vec<u8>,
    pad: PadForm,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, FqdnExchangeError> {
    let seq_number = request.ap.authenticator.seq_number;
    let pad = request.ap.pad.or(request.ap.ticket_pad).unwrap_or(pad);
    let mut datagram = build_ap_rep(&request.ap, None, seq_number, pad, random)?;
    let body = SafeBody {
        s_address: request.answers_from(),
        ..SafeBody::new(user_data, now, seq_number)
    };
    let subkey = request.ap.authenticator.subkey.as_ref();
    let key = subkey
        .filter(|_| request.under_subkey)
        .unwrap_or_else(|| request.ap.session_key());
    let safe = build_safe(&body, key, Some(request.safe.kind), request.safe.coverage, random)?;
    datagram.extend_from_slice(&safe);
    Ok(datagram)
}

fn split(datagram: &[u8]) -> Result<(&[u8], &[u8]), FqdnExchangeError> {
    split_der(datagram).map_err(|source| {
        FqdnExchangeError::Kerberos(KerberosError::Der {
            message: "MTA-FQDN datagram",
            source,
        })
    })
}

fn refuse_trailing(rest: &[u8]) -> Result<(), FqdnExchangeError> {
    match rest.len() {
        0 => Ok(()),
        count => Err(FqdnExchangeError::Trailing(count)),
    }
}

/// Opens the KRB-SAFE that ends a datagram, under the session key or else the subkey that was negotiated; whether it was
/// the subkey.
fn open_last_safe(
    octets: &[u8],
    session_key: &EncryptionKey,
    subkey: Option<&EncryptionKey>,
) -> Result<(SafeOpened, bool), FqdnExchangeError> {
    let (safe, rest) = split(octets)?;
    refuse_trailing(rest)?;
    match (open_safe(safe, session_key), subkey) {
        (Err(KerberosError::Crypto { .. }), Some(subkey)) => Ok((open_safe(safe, subkey)?, true)),
        (opened, _) => Ok((opened?, false)),
    }
}

/// Whether the body belongs to the exchange that agreed on one of `sequences`, at `now`.
fn check_fresh(
    body: &SafeBody,
    sequences: &[Option<Number32>],
    now: Timestamp,
    skew: Duration,
) -> Result<(), FqdnExchangeError> {
    let mut bound = false;
    if body.seq_number.is_some() && sequences.iter().any(Option::is_some) {
        if !sequences.contains(&body.seq_number) {
            return Err(FqdnExchangeError::Stale("sequence number"));
        }
        bound = true;
    }
    if let Some(timestamp) = body.timestamp {
        // usec is below the resolution of any skew that is set.
        if timestamp.distance(now) > skew + Duration::from_secs(1) {
            return Err(FqdnExchangeError::Stale("timestamp"));
        }
        bound = true;
    }
    if bound {
        Ok(())
    } else {
        Err(FqdnExchangeError::Stale("lack of number and time"))
    }
}

#[cfg(test)]
mod tests;
