//! AP-REQ and its Authenticator (RFC 4120 §3.2 and §5.5.1): made by a client, opened by a server.

use super::der;
use super::error::{KerberosError, KrbErrorCode, check_header};
use super::etype::{EncryptionKey, KeyUsage, PadForm};
use super::message::{AuthorizationData, Checksum, EncryptedData, HostAddress};
use super::primitive::{KerberosFlags, Number32};
use super::principal::{Principal, PrincipalName};
use super::ticket::{EncTicketPart, ServiceKey, Ticket, flag};
use crate::value::{Random, Realm, Timestamp};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::time::Duration;

const NAME: &str = "AP-REQ";
const MSG_TYPE: i32 = 14;
/// Bit of ap-options: the ticket is under a session key.
const USE_SESSION_KEY: u32 = 1;
/// Bit of ap-options: the server shall prove itself with an AP-REP.
const MUTUAL_REQUIRED: u32 = 2;

/// AP-REQ (RFC 4120 §5.5.1).
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 14)))]
pub struct ApReq {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    #[rasn(tag(explicit(2)))]
    ap_options: KerberosFlags,
    /// The ticket.
    #[rasn(tag(explicit(3)))]
    pub ticket: Ticket,
    /// The [`Authenticator`] under the ticket's session key.
    #[rasn(tag(explicit(4)))]
    pub authenticator: EncryptedData,
}

/// Authenticator (RFC 4120 §5.5.1).
#[derive(Debug, Clone, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 2)))]
pub struct Authenticator {
    #[rasn(tag(explicit(0)))]
    authenticator_vno: i32,
    /// The client's realm.
    #[rasn(tag(explicit(1)))]
    pub crealm: Realm,
    /// The client.
    #[rasn(tag(explicit(2)))]
    pub cname: PrincipalName,
    /// A checksum of what the request belongs to.
    #[rasn(tag(explicit(3)))]
    pub cksum: Option<Checksum>,
    /// Microseconds of the client's time.
    #[rasn(tag(explicit(4)))]
    pub cusec: i32,
    /// The client's time, whole seconds.
    #[rasn(tag(explicit(5)))]
    pub ctime: Timestamp,
    /// A key for this association, chosen by the client.
    #[rasn(tag(explicit(6)))]
    pub subkey: Option<EncryptionKey>,
    /// The client's first sequence number.
    #[rasn(tag(explicit(7)))]
    pub seq_number: Option<Number32>,
    /// Restrictions. Carried, not interpreted.
    #[rasn(tag(explicit(8)))]
    pub authorization_data: Option<Vec<AuthorizationData>>,
}

/// What a client puts into an AP-REQ.
#[derive(Debug, Clone)]
pub struct ApReqContent<'a> {
    /// The client, as the ticket names it.
    pub client: &'a Principal,
    /// The ticket.
    pub ticket: &'a Ticket,
    /// The ticket's session key.
    pub session_key: &'a EncryptionKey,
    /// The client's time. Two requests to one server must differ in it.
    pub now: Timestamp,
    /// Whether the server shall answer with an AP-REP.
    pub mutual: bool,
    /// A checksum of what the request belongs to (in a TGS-REQ: KDC-REQ-BODY).
    pub checksum: Option<Checksum>,
    /// A key for this association.
    pub subkey: Option<EncryptionKey>,
    /// A first sequence number; none by default (profile P10).
    pub seq_number: Option<Number32>,
    /// [`KeyUsage::AP_REQ_AUTHENTICATOR`], or [`KeyUsage::TGS_REQ_AUTHENTICATOR`] in a TGS-REQ.
    pub usage: KeyUsage,
    /// The pad form that an etype 5 key writes (profile P14).
    pub pad: PadForm,
}

/// What a client remembers of its AP-REQ until the AP-REP is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApReqSent {
    /// Whole seconds of the Authenticator.
    pub ctime: Timestamp,
    /// Microseconds of the Authenticator.
    pub cusec: i32,
    /// The Authenticator's sequence number.
    pub seq_number: Option<Number32>,
}

impl ApReq {
    /// A request, and what the client needs to open the answer.
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where the session key is of no known type or of the wrong size.
    pub fn build(content: &ApReqContent<'_>, random: &mut dyn Random) -> Result<(Self, ApReqSent), KerberosError> {
        let sent = ApReqSent {
            ctime: Timestamp::from_unix(content.now.unix()),
            cusec: content.now.micros() as i32,
            seq_number: content.seq_number,
        };
        let authenticator = Authenticator {
            authenticator_vno: 5,
            crealm: content.client.realm.clone(),
            cname: content.client.name.clone(),
            cksum: content.checksum.clone(),
            cusec: sent.cusec,
            ctime: sent.ctime,
            subkey: content.subkey.clone(),
            seq_number: content.seq_number,
            authorization_data: None,
        };
        let plaintext = zeroize::Zeroizing::new(der::encode(&authenticator));
        let sealed = content
            .session_key
            .seal(None, content.usage, &plaintext, content.pad, random)
            .map_err(KerberosError::crypto(NAME))?;
        let request = Self {
            pvno: 5,
            msg_type: MSG_TYPE,
            ap_options: KerberosFlags::of(if content.mutual { &[MUTUAL_REQUIRED] } else { &[] }),
            ticket: content.ticket.clone(),
            authenticator: sealed,
        };
        Ok((request, sent))
    }

    /// The message's octets.
    pub fn encode(&self) -> Vec<u8> {
        der::encode(self)
    }

    /// Reads an AP-REQ that `octets` consist of; what follows it is cut off first ([`super::split_der`]).
    ///
    /// # Errors
    /// [`KerberosError`] where the octets, the version or the message type are not those of an AP-REQ.
    pub fn parse(octets: &[u8]) -> Result<Self, KerberosError> {
        let request: Self = der::decode(NAME, octets).map_err(KerberosError::der(NAME))?;
        check_header(NAME, request.pvno, MSG_TYPE, request.msg_type)?;
        Ok(request)
    }
}

/// What a server holds against an AP-REQ.
#[derive(Debug, Clone)]
pub struct ApReqExpectation<'a> {
    /// The service the ticket must be for.
    pub service: &'a Principal,
    /// The service's keys, of every version that tickets may still carry.
    pub keys: &'a [ServiceKey],
    /// The server's time.
    pub now: Timestamp,
    /// How far the client's clock may be off.
    pub skew: Duration,
    /// Where the request came from, compared with the ticket's addresses where it has any.
    pub peer: Option<IpAddr>,
    /// [`KeyUsage::AP_REQ_AUTHENTICATOR`], or [`KeyUsage::TGS_REQ_AUTHENTICATOR`] in a TGS-REQ.
    pub usage: KeyUsage,
}

/// A believed AP-REQ. The caller still has to refuse a replay (`Repeat`) with [`ApReqOpened::replay_hash`].
#[derive(Debug, Clone)]
pub struct ApReqOpened {
    /// The client.
    pub client: Principal,
    /// The ticket's content, with the session key.
    pub ticket: EncTicketPart,
    /// The Authenticator: ctime, cusec, subkey, sequence number, checksum.
    pub authenticator: Authenticator,
    /// Which pad form the client's etype 5 uses, where the Authenticator shows it (profile P14).
    pub pad: Option<PadForm>,
    /// Which pad form the KDC used for the ticket, where that shows it: one that the client reads, since it read the KDC's
    /// reply.
    pub ticket_pad: Option<PadForm>,
    /// SHA-256 over the service, the session key and the decrypted Authenticator: equal for two requests exactly when
    /// they carry the same Authenticator, however the octets around it were changed.
    pub replay_hash: [u8; 32],
    /// Whether the client asks for an AP-REP.
    pub mutual: bool,
}

impl ApReqOpened {
    /// The ticket's session key.
    pub fn session_key(&self) -> &EncryptionKey {
        &self.ticket.key
    }
}

/// An AP-REQ was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApReqError {
    /// The octets are no AP-REQ.
    #[error(transparent)]
    Malformed(#[from] KerberosError),
    /// The request was refused.
    #[error("AP-REQ refused: {}", .0.text())]
    Refused(KrbErrorCode),
    /// The request was refused after its ticket and Authenticator had opened: the answer can be signed with the session
    /// key ([`super::KrbError::signed`]).
    #[error("AP-REQ refused: {}", .0.text())]
    RefusedKnown(KrbErrorCode, Box<EncryptionKey>),
}

impl ApReqError {
    /// The code for the peer.
    pub fn code(&self) -> KrbErrorCode {
        match self {
            Self::Malformed(KerberosError::Version { .. }) => KrbErrorCode::BadVersion,
            Self::Malformed(_) => KrbErrorCode::MessageType,
            Self::Refused(code) | Self::RefusedKnown(code, _) => *code,
        }
    }

    /// The session key in common with the client, where there is one.
    pub fn session_key(&self) -> Option<&EncryptionKey> {
        match self {
            Self::RefusedKnown(_, key) => Some(key),
            Self::Malformed(_) | Self::Refused(_) => None,
        }
    }
}

/// Opens an AP-REQ as the server, in the order of RFC 4120 §3.2.3: type and version, service, key version, ticket,
/// Authenticator, client name, address, skew, start and end of the ticket.
///
/// # Errors
/// [`ApReqError`], whose [`ApReqError::code`] is for the peer.
pub fn open_ap_req(octets: &[u8], expected: &ApReqExpectation<'_>) -> Result<ApReqOpened, ApReqError> {
    let request = ApReq::parse(octets)?;
    let refused = |code| Err(ApReqError::Refused(code));
    if request.ap_options.has(USE_SESSION_KEY) {
        return refused(KrbErrorCode::NoKey);
    }
    if request.ticket.tkt_vno != 5 {
        return refused(KrbErrorCode::BadVersion);
    }
    if request.ticket.service() != *expected.service {
        return refused(KrbErrorCode::NotUs);
    }
    let (ticket, ticket_pad) = request
        .ticket
        .open_with_pad(expected.keys)
        .map_err(ApReqError::Refused)?;
    let opened = ticket
        .key
        .open(&request.authenticator, expected.usage)
        .map_err(|_| ApReqError::Refused(KrbErrorCode::BadIntegrity))?;
    let plaintext = opened.plaintext.expose();
    let authenticator: Authenticator =
        der::decode("Authenticator", plaintext).map_err(|_| ApReqError::Refused(KrbErrorCode::BadIntegrity))?;
    check_authenticator(&authenticator, &ticket, expected)
        .and_then(|()| check_ticket_times(&ticket, expected))
        .map_err(|code| ApReqError::RefusedKnown(code, Box::new(ticket.key.clone())))?;
    let replay_hash = Sha256::new()
        .chain_update(expected.service.to_string())
        .chain_update(ticket.key.value.expose())
        .chain_update(plaintext)
        .finalize()
        .into();
    Ok(ApReqOpened {
        client: ticket.client(),
        authenticator,
        pad: opened.pad,
        ticket_pad,
        replay_hash,
        mutual: request.ap_options.has(MUTUAL_REQUIRED),
        ticket,
    })
}

/// Version, client, addresses and clock.
fn check_authenticator(
    authenticator: &Authenticator,
    ticket: &EncTicketPart,
    expected: &ApReqExpectation<'_>,
) -> Result<(), KrbErrorCode> {
    if authenticator.authenticator_vno != 5 {
        return Err(KrbErrorCode::BadVersion);
    }
    if authenticator.cname != ticket.cname || authenticator.crealm != ticket.crealm {
        return Err(KrbErrorCode::BadMatch);
    }
    if let (Some(addresses), Some(peer)) = (ticket.caddr.as_deref(), expected.peer)
        && !addresses.is_empty()
        && !addresses.contains(&HostAddress::from(peer))
    {
        return Err(KrbErrorCode::BadAddress);
    }
    let cusec = Duration::from_micros(u64::try_from(authenticator.cusec).unwrap_or(0).min(999_999));
    if authenticator.ctime.plus(cusec).distance(expected.now) > expected.skew {
        return Err(KrbErrorCode::Skew);
    }
    Ok(())
}

/// The ticket's validity, each end widened by the skew.
fn check_ticket_times(ticket: &EncTicketPart, expected: &ApReqExpectation<'_>) -> Result<(), KrbErrorCode> {
    if ticket.flags.has(flag::INVALID) || ticket.start() > expected.now.plus(expected.skew) {
        return Err(KrbErrorCode::TicketNotYetValid);
    }
    if expected.now > ticket.endtime.plus(expected.skew) {
        return Err(KrbErrorCode::TicketExpired);
    }
    Ok(())
}
