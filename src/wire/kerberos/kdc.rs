//! The exchanges with the KDC: AS-REQ, TGS-REQ and their replies (RFC 4120 §5.4).

use super::der;
use super::error::{KerberosError, check_header};
use super::etype::{EncryptionKey, KeyUsage, PadForm};
use super::message::{EncryptedData, HostAddress, PaData};
use super::primitive::{KerberosFlags, Number32};
use super::principal::PrincipalName;
use super::ticket::{EncTicketPart, Ticket};
use crate::value::{Random, Realm, Timestamp};
use rasn::types::Any;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

/// Which exchange a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// Authentication service: AS-REQ (10) and AS-REP (11).
    As,
    /// Ticket-granting service: TGS-REQ (12) and TGS-REP (13).
    Tgs,
}

impl Exchange {
    const fn request_type(self) -> i32 {
        match self {
            Self::As => 10,
            Self::Tgs => 12,
        }
    }

    const fn reply_type(self) -> i32 {
        self.request_type() + 1
    }

    const fn reply_name(self) -> &'static str {
        match self {
            Self::As => "AS-REP",
            Self::Tgs => "TGS-REP",
        }
    }
}

/// Bits of kdc-options, counted from the most significant (RFC 4120 §5.4.1; 14 and 16: RFC 6112 and the S4U
/// extensions). The others change nothing here.
pub mod kdc_option {
    /// A ticket that may be forwarded.
    pub const FORWARDABLE: u32 = 1;
    /// A forwarded ticket.
    pub const FORWARDED: u32 = 2;
    /// A ticket that proxies may be made from.
    pub const PROXIABLE: u32 = 3;
    /// A proxy.
    pub const PROXY: u32 = 4;
    /// A ticket that postdated ones may be made from.
    pub const ALLOW_POSTDATE: u32 = 5;
    /// A postdated ticket.
    pub const POSTDATED: u32 = 6;
    /// A ticket that may be renewed.
    pub const RENEWABLE: u32 = 8;
    /// The client of an additional ticket (constrained delegation).
    pub const CNAME_IN_ADDL_TKT: u32 = 14;
    /// The KDC may put another client name into the ticket.
    pub const CANONICALIZE: u32 = 15;
    /// A ticket for the anonymous principal.
    pub const REQUEST_ANONYMOUS: u32 = 16;
    /// The ticket shall be encrypted under the session key of an additional one.
    pub const ENC_TKT_IN_SKEY: u32 = 28;
    /// Renew the ticket.
    pub const RENEW: u32 = 30;
    /// Validate a postdated ticket.
    pub const VALIDATE: u32 = 31;
}

/// Identifier octet of `[APPLICATION number]`, constructed.
const fn application(number: i32) -> u8 {
    0x60 | number as u8
}

/// KDC-REQ-BODY (RFC 4120 §5.4.1), with `till` optional as PacketCable has it (fact sheet security §4.2, CERTAIN).
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct KdcReqBody {
    /// kdc-options.
    #[rasn(tag(explicit(0)))]
    pub kdc_options: KerberosFlags,
    /// The client's name; not to be believed in a PKINIT request.
    #[rasn(tag(explicit(1)))]
    pub cname: Option<PrincipalName>,
    /// The server's realm, in an AS-REQ the client's as well.
    #[rasn(tag(explicit(2)))]
    pub realm: Realm,
    /// The server the ticket is for.
    #[rasn(tag(explicit(3)))]
    pub sname: Option<PrincipalName>,
    /// Requested start.
    #[rasn(tag(explicit(4)))]
    pub from: Option<Timestamp>,
    /// Requested end.
    #[rasn(tag(explicit(5)))]
    pub till: Option<Timestamp>,
    /// Requested end of renewals.
    #[rasn(tag(explicit(6)))]
    pub rtime: Option<Timestamp>,
    /// Repeated in the reply's encrypted part, octet by octet (profile P36).
    #[rasn(tag(explicit(7)))]
    pub nonce: Number32,
    /// Encryption type numbers, the client's preferred first.
    #[rasn(tag(explicit(8)))]
    pub etype: Vec<i32>,
    /// Addresses the ticket shall be good for.
    #[rasn(tag(explicit(9)))]
    pub addresses: Option<Vec<HostAddress>>,
    /// Encrypted authorization data.
    #[rasn(tag(explicit(10)))]
    pub enc_authorization_data: Option<EncryptedData>,
    /// Additional tickets.
    #[rasn(tag(explicit(11)))]
    pub additional_tickets: Option<Vec<Ticket>>,
}

/// The fields of AS-REQ and TGS-REQ, the body still as it came.
#[derive(AsnType, Decode, Encode)]
struct KdcReqAsn {
    #[rasn(tag(explicit(1)))]
    pvno: i32,
    #[rasn(tag(explicit(2)))]
    msg_type: i32,
    #[rasn(tag(explicit(3)))]
    padata: Option<Vec<PaData>>,
    #[rasn(tag(explicit(4)))]
    req_body: Any,
}

/// AS-REQ or TGS-REQ (RFC 4120 §5.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdcReq {
    /// Which of the two.
    pub exchange: Exchange,
    /// Pre-authentication data, in order.
    pub padata: Vec<PaData>,
    /// The request.
    pub body: KdcReqBody,
    body_der: Vec<u8>,
}

impl KdcReq {
    /// A request. Its padata may be filled in later, since some of it covers [`KdcReq::body_der`].
    pub fn new(exchange: Exchange, padata: Vec<PaData>, body: KdcReqBody) -> Self {
        let body_der = der::encode(&body);
        Self {
            exchange,
            padata,
            body,
            body_der,
        }
    }

    /// The DER of KDC-REQ-BODY as received (or as it will be sent): what paChecksum and the Authenticator's checksum
    /// cover (fact sheet security §4.3, CERTAIN).
    pub fn body_der(&self) -> &[u8] {
        &self.body_der
    }

    /// The message's octets.
    pub fn encode(&self) -> Vec<u8> {
        let asn = KdcReqAsn {
            pvno: 5,
            msg_type: self.exchange.request_type(),
            padata: (!self.padata.is_empty()).then(|| self.padata.clone()),
            req_body: Any::new(self.body_der.clone()),
        };
        der::wrap(application(self.exchange.request_type()), &der::encode(&asn))
    }

    /// Reads an AS-REQ or TGS-REQ that `octets` consist of.
    ///
    /// # Errors
    /// [`KerberosError`] where the octets, the version or the message type are not those of either.
    pub fn parse(octets: &[u8]) -> Result<Self, KerberosError> {
        const NAME: &str = "KDC-REQ";
        let exchange = match octets.first() {
            Some(0x6c) => Exchange::Tgs,
            _ => Exchange::As,
        };
        let inner = der::unwrap(application(exchange.request_type()), octets).map_err(KerberosError::der(NAME))?;
        let asn: KdcReqAsn = der::decode(NAME, inner).map_err(KerberosError::der(NAME))?;
        check_header(NAME, asn.pvno, exchange.request_type(), asn.msg_type)?;
        let body_der = asn.req_body.into_bytes();
        let body = der::decode("KDC-REQ-BODY", &body_der).map_err(KerberosError::der(NAME))?;
        Ok(Self {
            exchange,
            padata: asn.padata.unwrap_or_default(),
            body,
            body_der,
        })
    }
}

/// LastReq's element (RFC 4120 §5.4.2).
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct LastReq {
    /// 0: no information.
    #[rasn(tag(explicit(0)))]
    pub lr_type: i32,
    /// The time it speaks of.
    #[rasn(tag(explicit(1)))]
    pub lr_value: Timestamp,
}

/// EncKDCRepPart (RFC 4120 §5.4.2): what only the client can read of a reply.
#[derive(Debug, Clone, AsnType, Decode, Encode)]
pub struct EncKdcRepPart {
    /// The session key.
    #[rasn(tag(explicit(0)))]
    pub key: EncryptionKey,
    /// When the client last asked.
    #[rasn(tag(explicit(1)))]
    pub last_req: Vec<LastReq>,
    /// The request's nonce, in the request's octets (profile P36).
    #[rasn(tag(explicit(2)))]
    pub nonce: Number32,
    /// When the client's key expires.
    #[rasn(tag(explicit(3)))]
    pub key_expiration: Option<Timestamp>,
    /// The ticket's flags.
    #[rasn(tag(explicit(4)))]
    pub flags: KerberosFlags,
    /// When the client was authenticated.
    #[rasn(tag(explicit(5)))]
    pub authtime: Timestamp,
    /// From when the ticket is good.
    #[rasn(tag(explicit(6)))]
    pub starttime: Option<Timestamp>,
    /// Until when the ticket is good.
    #[rasn(tag(explicit(7)))]
    pub endtime: Timestamp,
    /// Until when it may be renewed.
    #[rasn(tag(explicit(8)))]
    pub renew_till: Option<Timestamp>,
    /// The server's realm.
    #[rasn(tag(explicit(9)))]
    pub srealm: Realm,
    /// The server's name.
    #[rasn(tag(explicit(10)))]
    pub sname: PrincipalName,
    /// Addresses the ticket is bound to.
    #[rasn(tag(explicit(11)))]
    pub caddr: Option<Vec<HostAddress>>,
    /// Encrypted padata (RFC 6806 §11), which MIT's KDC adds. Carried, not interpreted.
    #[rasn(tag(explicit(12)))]
    pub encrypted_pa_data: Option<Vec<PaData>>,
}

impl EncKdcRepPart {
    /// The part that belongs to a ticket with the content `part` for `sname`@`srealm`, in answer to `nonce`.
    pub fn for_ticket(part: &EncTicketPart, sname: PrincipalName, srealm: Realm, nonce: Number32) -> Self {
        Self {
            key: part.key.clone(),
            last_req: vec![LastReq {
                lr_type: 0,
                lr_value: part.authtime,
            }],
            nonce,
            key_expiration: None,
            flags: part.flags,
            authtime: part.authtime,
            starttime: part.starttime,
            endtime: part.endtime,
            renew_till: part.renew_till,
            srealm,
            sname,
            caddr: part.caddr.clone(),
            encrypted_pa_data: None,
        }
    }

    /// The octets, under application tag 25 in an AS-REP and 26 in a TGS-REP (profile P33).
    pub fn encode(&self, exchange: Exchange) -> Vec<u8> {
        let tag = match exchange {
            Exchange::As => 25,
            Exchange::Tgs => 26,
        };
        der::wrap(application(tag), &der::encode(self))
    }

    /// Reads the part under either application tag (profile P33).
    ///
    /// # Errors
    /// [`KerberosError::Der`] where the octets are something else.
    pub fn parse(octets: &[u8]) -> Result<Self, KerberosError> {
        const NAME: &str = "EncKDCRepPart";
        let tag = if octets.first() == Some(&application(26)) {
            26
        } else {
            25
        };
        der::unwrap(application(tag), octets)
            .and_then(|inner| der::decode(NAME, inner))
            .map_err(KerberosError::der(NAME))
    }
}

/// The fields of AS-REP and TGS-REP.
#[derive(AsnType, Decode, Encode)]
struct KdcRepAsn {
    #[rasn(tag(explicit(0)))]
    pvno: i32,
    #[rasn(tag(explicit(1)))]
    msg_type: i32,
    #[rasn(tag(explicit(2)))]
    padata: Option<Vec<PaData>>,
    #[rasn(tag(explicit(3)))]
    crealm: Realm,
    #[rasn(tag(explicit(4)))]
    cname: PrincipalName,
    #[rasn(tag(explicit(5)))]
    ticket: Ticket,
    #[rasn(tag(explicit(6)))]
    enc_part: EncryptedData,
}

/// AS-REP or TGS-REP (RFC 4120 §5.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdcRep {
    /// Which of the two.
    pub exchange: Exchange,
    /// Pre-authentication data, in an AS-REP PA-PK-AS-REP.
    pub padata: Vec<PaData>,
    /// The client's realm.
    pub crealm: Realm,
    /// The client's name.
    pub cname: PrincipalName,
    /// The ticket.
    pub ticket: Ticket,
    /// The encrypted [`EncKdcRepPart`].
    pub enc_part: EncryptedData,
}

/// Under which key a reply's encrypted part stands.
#[derive(Debug, Clone, Copy)]
pub struct ReplyKey<'a> {
    /// The key.
    pub key: &'a EncryptionKey,
    /// What it is used as: [`KeyUsage::AS_REP`], [`KeyUsage::TGS_REP_SESSION`] or [`KeyUsage::TGS_REP_SUBKEY`].
    pub usage: KeyUsage,
    /// The pad form to write with an etype 5 key (profile P14).
    pub pad: PadForm,
}

impl KdcRep {
    /// A reply that gives `ticket` to the client of `client_part`, with `part` sealed under `reply_key`.
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where the reply key is of no known type or of the wrong size.
    pub fn build(
        exchange: Exchange,
        padata: Vec<PaData>,
        (cname, crealm): (PrincipalName, Realm),
        ticket: Ticket,
        part: &EncKdcRepPart,
        reply_key: ReplyKey<'_>,
        random: &mut dyn Random,
    ) -> Result<Self, KerberosError> {
        let plaintext = zeroize::Zeroizing::new(part.encode(exchange));
        let enc_part = reply_key
            .key
            .seal(None, reply_key.usage, &plaintext, reply_key.pad, random)
            .map_err(KerberosError::crypto(exchange.reply_name()))?;
        Ok(Self {
            exchange,
            padata,
            crealm,
            cname,
            ticket,
            enc_part,
        })
    }

    /// The message's octets.
    pub fn encode(&self) -> Vec<u8> {
        let asn = KdcRepAsn {
            pvno: 5,
            msg_type: self.exchange.reply_type(),
            padata: (!self.padata.is_empty()).then(|| self.padata.clone()),
            crealm: self.crealm.clone(),
            cname: self.cname.clone(),
            ticket: self.ticket.clone(),
            enc_part: self.enc_part.clone(),
        };
        der::wrap(application(self.exchange.reply_type()), &der::encode(&asn))
    }

    /// Reads an AS-REP or TGS-REP that `octets` consist of.
    ///
    /// # Errors
    /// [`KerberosError`] where the octets, the version or the message type are not those of either.
    pub fn parse(octets: &[u8]) -> Result<Self, KerberosError> {
        const NAME: &str = "KDC-REP";
        let exchange = match octets.first() {
            Some(0x6d) => Exchange::Tgs,
            _ => Exchange::As,
        };
        let asn: KdcRepAsn = der::unwrap(application(exchange.reply_type()), octets)
            .and_then(|inner| der::decode(NAME, inner))
            .map_err(KerberosError::der(NAME))?;
        check_header(NAME, asn.pvno, exchange.reply_type(), asn.msg_type)?;
        Ok(Self {
            exchange,
            padata: asn.padata.unwrap_or_default(),
            crealm: asn.crealm,
            cname: asn.cname,
            ticket: asn.ticket,
            enc_part: asn.enc_part,
        })
    }

    /// Opens the reply as the client that sent `request`: decrypts its part under `key` and compares nonce, server and
    /// realm with the request and the ticket (RFC 4120 §3.1.5 and §3.3.4). The pad form that matched comes along.
    ///
    /// # Errors
    /// [`KerberosError`] where the part does not decrypt or decode, or a field differs from what was asked.
    pub fn open(
        &self,
        request: &KdcReqBody,
        key: &EncryptionKey,
        usage: KeyUsage,
    ) -> Result<(EncKdcRepPart, Option<PadForm>), KerberosError> {
        let message = self.exchange.reply_name();
        let opened = key
            .open(&self.enc_part, usage)
            .map_err(KerberosError::crypto(message))?;
        let part = EncKdcRepPart::parse(opened.plaintext.expose())?;
        let differs = |field| Err(KerberosError::Mismatch { message, field });
        if part.nonce != request.nonce {
            return differs("nonce");
        }
        if part.srealm != request.realm || self.ticket.realm != part.srealm {
            return differs("srealm");
        }
        if request.sname.as_ref().is_some_and(|asked| *asked != part.sname) || self.ticket.sname != part.sname {
            return differs("sname");
        }
        Ok((part, opened.pad))
    }
}
