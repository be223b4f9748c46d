//! Messages as they arrive: a view of the datagram, of which nothing is believed yet (RFC 1901, RFC 3412 §6,
//! RFC 3414 §2.4).

use super::ber::{BerError, BerErrorKind, OCTET_STRING, Reader, SEQUENCE};
use super::pdu::{Pdu, PduKind};
use super::reason::SnmpDropReason;
use super::usm::{AuthKey, MAC_LENGTH, SecurityLevel};
use crate::value::EngineId;

/// The greatest message that this side takes, in octets: what a UDP datagram over IPv4 can hold.
pub const MAX_MESSAGE: i32 = 65_507;

pub(crate) const VERSION_2C: i32 = 1;
pub(crate) const VERSION_3: i32 = 3;
pub(crate) const USM: i32 = 3;
pub(crate) const FLAG_AUTH: u8 = 1;
pub(crate) const FLAG_PRIV: u8 = 2;
pub(crate) const FLAG_REPORTABLE: u8 = 4;

/// The least msgMaxSize (RFC 3412 §6).
const LEAST_MAX_SIZE: i32 = 484;

/// A message of a version that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// SNMPv2c, complete.
    V2c(V2cMessage),
    /// SNMPv3, whose PDU is for [`process`](super::process) or [`process_reply`](super::process_reply) to open.
    V3(V3Message<'a>),
}

/// An SNMPv2c message (RFC 1901 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2cMessage {
    /// The community, any octets.
    pub community: Vec<u8>,
    /// The PDU.
    pub pdu: Pdu,
}

/// An SNMPv3 message under the user-based security model, still closed. Its fields are claims of whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V3Message<'a> {
    /// msgID: ties an answer to its request.
    pub msg_id: i32,
    /// msgMaxSize: the greatest message that the sender takes, in octets.
    pub max_size: usize,
    /// Whether the sender wants reports.
    pub reportable: bool,
    /// How the message says it is protected.
    pub level: SecurityLevel,
    /// msgAuthoritativeEngineID, of any length; empty in a discovery.
    pub engine_id: &'a [u8],
    /// msgAuthoritativeEngineBoots.
    pub boots: u32,
    /// msgAuthoritativeEngineTime, in seconds.
    pub time: u32,
    /// msgUserName, 0 to 32 octets, such as `MTA-Prov-00:11:22:33:44:55` (profile P11).
    pub user: &'a [u8],
    pub(crate) datagram: &'a [u8],
    pub(crate) mac_offset: Option<usize>,
    pub(crate) priv_params: &'a [u8],
    pub(crate) data: MessageData<'a>,
}

/// msgData: a reader at the scoped PDU, or the encrypted octets and where they start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessageData<'a> {
    Plain(Reader<'a>),
    Encrypted { octets: &'a [u8], offset: usize },
}

/// A PDU with the context that it is about (RFC 3412 §6.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedPdu {
    /// contextEngineID, of any length and content (profile P32).
    pub context_engine_id: Vec<u8>,
    /// contextName.
    pub context_name: Vec<u8>,
    /// The PDU.
    pub pdu: Pdu,
}

/// Reads a datagram as a message.
///
/// # Errors
/// The reason to drop it: not SNMP, SNMPv1, or not under the user-based security model.
pub fn parse(datagram: &[u8]) -> Result<Message<'_>, SnmpDropReason> {
    let mut outer = Reader::new(datagram, 0);
    let mut message = outer.expect(SEQUENCE)?;
    outer.finish()?;
    match message.integer(0, i32::MAX)? {
        VERSION_2C => Ok(Message::V2c(V2cMessage::read(message)?)),
        VERSION_3 => Ok(Message::V3(V3Message::read(datagram, message)?)),
        version => Err(SnmpDropReason::Version(version)),
    }
}

impl V2cMessage {
    fn read(mut message: Reader<'_>) -> Result<Self, BerError> {
        let community = message.octet_string()?.to_vec();
        let pdu = Pdu::read(&mut message)?;
        message.finish()?;
        Ok(Self { community, pdu })
    }
}

impl<'a> V3Message<'a> {
    fn read(datagram: &'a [u8], mut message: Reader<'a>) -> Result<Self, SnmpDropReason> {
        let (msg_id, max_size, flags) = Self::read_header(&mut message)?;
        let level = match flags & (FLAG_AUTH | FLAG_PRIV) {
            0 => SecurityLevel::NoAuthNoPriv,
            FLAG_AUTH => SecurityLevel::AuthNoPriv,
            FLAG_PRIV => return Err(SnmpDropReason::Flags(flags)),
            _ => SecurityLevel::AuthPriv,
        };

        let mut wrapped = message.expect(OCTET_STRING)?;
        let mut security = wrapped.expect(SEQUENCE)?;
        wrapped.finish()?;
        let engine_id = security.octet_string()?;
        let boots = security.integer(0, i32::MAX)?.unsigned_abs();
        let time = security.integer(0, i32::MAX)?.unsigned_abs();
        let name = security;
        let user = security.octet_string()?;
        if user.len() > 32 {
            return Err(name.wrong(BerErrorKind::Range).into());
        }
        let mac = security.expect(OCTET_STRING)?;
        let priv_params = security.octet_string()?;
        security.finish()?;

        let data = match level {
            SecurityLevel::AuthPriv => {
                let encrypted = message.expect(OCTET_STRING)?;
                MessageData::Encrypted {
                    octets: encrypted.rest(),
                    offset: encrypted.offset(),
                }
            }
            _ => {
                let plain = message;
                message.expect(SEQUENCE)?;
                MessageData::Plain(plain)
            }
        };
        message.finish()?;
        Ok(Self {
            msg_id,
            max_size,
            reportable: flags & FLAG_REPORTABLE != 0,
            level,
            engine_id,
            boots,
            time,
            user,
            datagram,
            mac_offset: (mac.rest().len() == MAC_LENGTH).then_some(mac.offset()),
            priv_params,
            data,
        })
    }

    /// msgGlobalData: msgID, msgMaxSize and msgFlags of a message under the user-based security model.
    fn read_header(message: &mut Reader<'a>) -> Result<(i32, usize, u8), SnmpDropReason> {
        let mut header = message.expect(SEQUENCE)?;
        let msg_id = header.integer(0, i32::MAX)?;
        let max_size = header.integer(LEAST_MAX_SIZE, i32::MAX)?.unsigned_abs() as usize;
        let before_flags = header;
        let &[flags] = header.octet_string()? else {
            return Err(before_flags.wrong(BerErrorKind::Range).into());
        };
        let model = header.integer(1, i32::MAX)?;
        header.finish()?;
        if model != USM {
            return Err(SnmpDropReason::SecurityModel(model));
        }
        Ok((msg_id, max_size, flags))
    }

    /// Whether the message names `engine` as authoritative: its own engine for a request to this side, the peer's for
    /// an answer from it.
    pub fn is_for(&self, engine: &EngineId) -> bool {
        self.engine_id == engine.as_bytes()
    }

    /// Whether the message asks for this side's engine id (RFC 3414 §4).
    pub fn is_discovery(&self) -> bool {
        self.engine_id.is_empty()
    }

    /// The user's name as text, where it is text.
    pub fn user_name(&self) -> Option<&str> {
        std::str::from_utf8(self.user).ok()
    }

    /// Whether the message was authenticated with `key`, in constant time. Lets a server try the ways to derive keys
    /// on the first message of a device (profile P5 to P8).
    pub fn is_authentic(&self, key: &AuthKey) -> bool {
        self.level != SecurityLevel::NoAuthNoPriv
            && self
                .mac_offset
                .is_some_and(|offset| key.verifies(self.datagram, offset))
    }

    /// The kind and request-id of a PDU that is not encrypted, for the report about it.
    pub(crate) fn plain_pdu(&self) -> Option<(PduKind, i32)> {
        let MessageData::Plain(mut reader) = self.data else {
            return None;
        };
        let mut scoped = reader.expect(SEQUENCE).ok()?;
        scoped.octet_string().ok()?;
        scoped.octet_string().ok()?;
        Pdu::peek(scoped)
    }
}

impl ScopedPdu {
    /// Reads a scoped PDU from its SEQUENCE's content.
    pub(crate) fn read(mut content: Reader<'_>) -> Result<Self, BerError> {
        let scoped = Self {
            context_engine_id: content.octet_string()?.to_vec(),
            context_name: content.octet_string()?.to_vec(),
            pdu: Pdu::read(&mut content)?,
        };
        content.finish()?;
        Ok(scoped)
    }
}

impl PartialEq for MessageData<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(two)) => one.rest() == two.rest(),
            (Self::Encrypted { octets: one, .. }, Self::Encrypted { octets: two, .. }) => one == two,
            _ => false,
        }
    }
}

impl Eq for MessageData<'_> {}
