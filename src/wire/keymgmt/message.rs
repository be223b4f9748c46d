//! The six messages (fact sheet security §1.1 and §1.2, CERTAIN for the layouts).

use std::num::NonZeroU32;

use hmac::Mac;

use super::hmac::recovered_mac;
use super::reader::Reader;
use super::{
    DOI_IPSEC, DOI_SNMPV3, DecodeError, EncodeError, HEADER_LENGTH, HMAC_LENGTH, HmacKeys, HmacRecipe, RecoveredRule,
    Sealed, SnmpParameters, SuiteId, VERSION,
};
use crate::value::{Random, Secret, Timestamp};

const WAKE_UP: u8 = 1;
const AP_REQUEST: u8 = 2;
const AP_REPLY: u8 = 3;
const RECOVERED: u8 = 4;
const REKEY: u8 = 5;
const ERROR_REPLY: u8 = 6;

/// DER tag of a KRB-AP-REQ: application 14 (RFC 4120 §5.5.1).
const KRB_AP_REQ: u8 = 0x6e;
/// DER tag of a KRB-AP-REP: application 15 (RFC 4120 §5.5.2).
const KRB_AP_REP: u8 = 0x6f;
/// DER tag of a KRB-ERROR: application 30 (RFC 4120 §5.9.1).
const KRB_ERROR: u8 = 0x7e;

/// A received message. The Kerberos parts are borrowed from the datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Server to device: begin an AP exchange.
    WakeUp(WakeUp),
    /// Device to server.
    ApRequest(Sealed<'a, ApRequest<'a>>),
    /// Server to device.
    ApReply(Sealed<'a, ApReply<'a>>),
    /// Device to server: the AP Reply arrived.
    Recovered(Recovered),
    /// Server to device: new keys from the old ones. Known to exist for IPsec only, and never sent by Hardline.
    Rekey(Sealed<'a, Rekey>),
    /// Server to device: the AP Request failed.
    ErrorReply(ErrorReply<'a>),
}

/// Wake Up: the server asks a device to send an AP Request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeUp {
    /// The nonce that the AP Request repeats; never 0 (profile P9).
    pub server_nonce: NonZeroU32,
    /// The server's Kerberos principal, printable ASCII, such as `mtaprovsrvr/prov.example.net@EXAMPLE.NET`.
    pub principal: String,
}

/// AP Request: the device's ticket, its SNMP engine and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApRequest<'a> {
    /// The KRB-AP-REQ, DER.
    pub ap_req: &'a [u8],
    /// The nonce of the Wake Up that asked for this request; none (0 on the wire) where nobody asked (profile P9).
    pub server_nonce: Option<NonZeroU32>,
    /// The device's agent and user.
    pub agent: SnmpParameters,
    /// The ciphersuites that the device offers, best first, unknown ids included; at most 255.
    pub suites: Vec<SuiteId>,
    /// Whether a new association is wanted although one exists.
    pub reestablish: bool,
}

/// AP Reply: the server's subkey, its SNMP engine and its choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApReply<'a> {
    /// The KRB-AP-REP, DER.
    pub ap_rep: &'a [u8],
    /// The server's SNMP engine, and the user as the request named it.
    pub manager: SnmpParameters,
    /// The chosen ciphersuite.
    pub suite: SuiteId,
    /// How many seconds the keys live; 0: until the next AP exchange (profile P31).
    pub lifetime: u32,
    /// How many seconds before their end new keys are to be asked for; 0 with lifetime 0 (profile P31).
    pub grace: u32,
    /// Whether a new association is wanted although one exists.
    pub reestablish: bool,
    /// Whether the device is to answer with a Security Parameter Recovered.
    pub ack_required: bool,
}

/// Security Parameter Recovered: nothing but an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    header: [u8; HEADER_LENGTH],
    hmac: [u8; HMAC_LENGTH],
}

/// Rekey. The layout is the sources' with the SNMPv3 parameters in the place of the IPsec ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekey {
    /// The nonce that the AP Request repeats; never 0 (profile P9).
    pub server_nonce: NonZeroU32,
    /// The server's Kerberos principal.
    pub principal: String,
    /// When the server made the message; whole seconds, years 2000 to 2099.
    pub timestamp: Timestamp,
    /// The server's SNMP engine and the user.
    pub manager: SnmpParameters,
    /// The ciphersuites, at most 255.
    pub suites: Vec<SuiteId>,
    /// How many seconds the keys live.
    pub lifetime: u32,
    /// How many seconds before their end new keys are to be asked for.
    pub grace: u32,
    /// Whether a new association is wanted although one exists.
    pub reestablish: bool,
}

/// Error Reply: why an AP Request failed. It has no HMAC, as there may be no key in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// The KRB-ERROR, DER.
    pub krb_error: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`DecodeError`]; the fact sheet's advice (security §1.1) is to answer none of them.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(datagram);
        let [id, doi, version] = reader.array("header")?;
        if !(WAKE_UP..=ERROR_REPLY).contains(&id) {
            return Err(DecodeError::MessageId(id));
        }
        match (doi, version) {
            (DOI_IPSEC, _) => return Err(DecodeError::IpsecDoi),
            (DOI_SNMPV3, VERSION) => {}
            (DOI_SNMPV3, other) => return Err(DecodeError::Version(other)),
            (other, _) => return Err(DecodeError::Doi(other)),
        }
        match id {
            WAKE_UP => WakeUp::read(reader).map(Self::WakeUp),
            AP_REQUEST => ApRequest::read(&mut reader)
                .and_then(|body| unsealed(body, datagram, reader))
                .map(Self::ApRequest),
            AP_REPLY => ApReply::read(&mut reader)
                .and_then(|body| unsealed(body, datagram, reader))
                .map(Self::ApReply),
            RECOVERED => Recovered::read([id, doi, version], reader).map(Self::Recovered),
            REKEY => Rekey::read(&mut reader)
                .and_then(|body| unsealed(body, datagram, reader))
                .map(Self::Rekey),
            _ => ErrorReply::read(reader).map(Self::ErrorReply),
        }
    }
}

/// Reads the HMAC that ends a message.
fn unsealed<'a, T>(body: T, datagram: &'a [u8], mut reader: Reader<'a>) -> Result<Sealed<'a, T>, DecodeError> {
    let covered = datagram.get(..reader.at()).unwrap_or_default();
    let hmac = reader.array("HMAC")?;
    reader.finish()?;
    Ok(Sealed { body, covered, hmac })
}

fn header(id: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&[id, DOI_SNMPV3, VERSION]);
    out
}

fn read_solicited_nonce(reader: &mut Reader<'_>) -> Result<NonZeroU32, DecodeError> {
    let offset = reader.at();
    NonZeroU32::new(reader.u32("server nonce")?).ok_or(DecodeError::Field {
        field: "server nonce",
        offset,
        reason: "a server never chooses 0",
    })
}

/// The principal as text, where it is 1 to 255 printable ASCII characters.
fn principal_text(octets: &[u8]) -> Option<&str> {
    let printable = octets.iter().all(|octet| (0x20..0x7f).contains(octet));
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| printable && (1..=255).contains(&text.len()))
}

fn read_principal(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let offset = reader.at();
    let text = principal_text(reader.nul_terminated("server principal")?);
    text.map(str::to_owned).ok_or(DecodeError::Field {
        field: "server principal",
        offset,
        reason: "not 1 to 255 printable ASCII characters",
    })
}

fn write_principal(principal: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let text = principal_text(principal.as_bytes()).ok_or(EncodeError::Principal)?;
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    Ok(())
}

fn read_suite(reader: &mut Reader<'_>) -> Result<SuiteId, DecodeError> {
    let [authentication, privacy] = reader.array("ciphersuite")?;
    Ok(SuiteId {
        authentication,
        privacy,
    })
}

fn read_suites(reader: &mut Reader<'_>) -> Result<Vec<SuiteId>, DecodeError> {
    let count = reader.u8("ciphersuite count")?;
    let octets = reader.take(usize::from(count) * 2, "ciphersuites")?;
    let suite = |&[authentication, privacy]: &[u8; 2]| SuiteId {
        authentication,
        privacy,
    };
    Ok(octets.as_chunks().0.iter().map(suite).collect())
}

fn write_suites(suites: &[SuiteId], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.push(u8::try_from(suites.len()).map_err(|_| EncodeError::Suites(suites.len()))?);
    out.extend(suites.iter().flat_map(|suite| [suite.authentication, suite.privacy]));
    Ok(())
}

impl WakeUp {
    /// A nonce for a Wake Up: random, never 0 (profile P9).
    pub fn nonce(random: &mut dyn Random) -> NonZeroU32 {
        let mut octets = [0; 4];
        random.fill(&mut octets);
        // Zero comes once in 2^32; one stands in for it, so that no source of octets can make this loop.
        NonZeroU32::new(u32::from_be_bytes(octets)).unwrap_or(NonZeroU32::MIN)
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let server_nonce = read_solicited_nonce(&mut reader)?;
        let principal = read_principal(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            server_nonce,
            principal,
        })
    }

    /// The datagram.
    ///
    /// # Errors
    /// [`EncodeError::Principal`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = header(WAKE_UP);
        out.extend_from_slice(&self.server_nonce.get().to_be_bytes());
        write_principal(&self.principal, &mut out)?;
        Ok(out)
    }
}

impl<'a> ApRequest<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            ap_req: reader.kerberos(KRB_AP_REQ)?,
            server_nonce: NonZeroU32::new(reader.u32("server nonce")?),
            agent: SnmpParameters::read(reader)?,
            suites: read_suites(reader)?,
            reestablish: reader.flag("re-establish flag")?,
        })
    }

    /// The datagram with its HMAC.
    ///
    /// # Errors
    /// [`EncodeError::Suites`], [`EncodeError::NoHmacKey`].
    pub fn seal(&self, recipe: HmacRecipe, keys: HmacKeys<'_>) -> Result<Vec<u8>, EncodeError> {
        let mut out = header(AP_REQUEST);
        out.extend_from_slice(self.ap_req);
        out.extend_from_slice(&self.server_nonce.map_or(0, NonZeroU32::get).to_be_bytes());
        self.agent.write(&mut out);
        write_suites(&self.suites, &mut out)?;
        out.push(self.reestablish.into());
        recipe.seal(out, keys)
    }
}

impl<'a> ApReply<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let ap_rep = reader.kerberos(KRB_AP_REP)?;
        let manager = SnmpParameters::read(reader)?;
        let offset = reader.at();
        if reader.u8("ciphersuite count")? != 1 {
            return Err(DecodeError::Field {
                field: "ciphersuite count",
                offset,
                reason: "an AP Reply names exactly one",
            });
        }
        Ok(Self {
            ap_rep,
            manager,
            suite: read_suite(reader)?,
            lifetime: reader.u32("lifetime")?,
            grace: reader.u32("grace period")?,
            reestablish: reader.flag("re-establish flag")?,
            ack_required: reader.flag("ACK-required flag")?,
        })
    }

    /// The datagram with its HMAC, by the recipe and keys of the AP Request that it answers.
    ///
    /// # Errors
    /// [`EncodeError::NoHmacKey`].
    pub fn seal(&self, recipe: HmacRecipe, keys: HmacKeys<'_>) -> Result<Vec<u8>, EncodeError> {
        let mut out = header(AP_REPLY);
        out.extend_from_slice(self.ap_rep);
        self.manager.write(&mut out);
        out.extend_from_slice(&[1, self.suite.authentication, self.suite.privacy]);
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        out.extend_from_slice(&self.grace.to_be_bytes());
        out.push(self.reestablish.into());
        out.push(self.ack_required.into());
        recipe.seal(out, keys)
    }
}

impl Recovered {
    /// Octets of the datagram.
    pub const LENGTH: usize = HEADER_LENGTH + HMAC_LENGTH;

    fn read(header: [u8; HEADER_LENGTH], mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let hmac = reader.array("HMAC")?;
        reader.finish()?;
        Ok(Self { header, hmac })
    }

    /// The datagram that confirms `ap_reply` (the whole datagram received), which handed out `subkey`.
    pub fn encode(rule: RecoveredRule, recipe: HmacRecipe, ap_reply: &[u8], subkey: &Secret) -> Vec<u8> {
        let mut out = header(RECOVERED);
        let mac = recovered_mac(rule, recipe, &out, ap_reply, subkey);
        out.extend_from_slice(&mac.finalize().into_bytes());
        out
    }

    /// Whether this message confirms `ap_reply`, which handed out `subkey`. Compares in constant time.
    pub fn verify(&self, rule: RecoveredRule, recipe: HmacRecipe, ap_reply: &[u8], subkey: &Secret) -> bool {
        recovered_mac(rule, recipe, &self.header, ap_reply, subkey)
            .verify_slice(&self.hmac)
            .is_ok()
    }
}

impl Rekey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            server_nonce: read_solicited_nonce(reader)?,
            principal: read_principal(reader)?,
            timestamp: read_timestamp(reader)?,
            manager: SnmpParameters::read(reader)?,
            suites: read_suites(reader)?,
            lifetime: reader.u32("lifetime")?,
            grace: reader.u32("grace period")?,
            reestablish: reader.flag("re-establish flag")?,
        })
    }

    /// The datagram with its HMAC under the 20-octet rekey `key`, which the sources leave to the association.
    ///
    /// # Errors
    /// [`EncodeError::Principal`], [`EncodeError::Suites`].
    pub fn seal(&self, key: &Secret) -> Result<Vec<u8>, EncodeError> {
        let mut out = header(REKEY);
        out.extend_from_slice(&self.server_nonce.get().to_be_bytes());
        write_principal(&self.principal, &mut out)?;
        write_timestamp(self.timestamp, &mut out);
        self.manager.write(&mut out);
        write_suites(&self.suites, &mut out)?;
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        out.extend_from_slice(&self.grace.to_be_bytes());
        out.push(self.reestablish.into());
        Self::RECIPE.seal(out, Self::keys(key))
    }

    /// The rekey key is used as it is, over the whole message (fact sheet security §1.3).
    const RECIPE: HmacRecipe = HmacRecipe::ALL[2];

    fn keys(key: &Secret) -> HmacKeys<'_> {
        HmacKeys {
            session_key: key,
            authenticator_subkey: None,
        }
    }
}

impl Sealed<'_, Rekey> {
    /// Whether the HMAC is the one under the rekey `key`.
    pub fn verify_rekey(&self, key: &Secret) -> bool {
        self.verify(Rekey::RECIPE, Rekey::keys(key))
    }
}

/// Reads thirteen ASCII octets `YYMMDDhhmmssZ`, UTC, years 2000 to 2099.
fn read_timestamp(reader: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    let offset = reader.at();
    let text: [u8; 13] = reader.array("timestamp")?;
    parse_timestamp(&text).ok_or(DecodeError::Field {
        field: "timestamp",
        offset,
        reason: "not YYMMDDhhmmssZ",
    })
}

fn parse_timestamp(text: &[u8; 13]) -> Option<Timestamp> {
    let (pairs, zone) = text.as_chunks::<2>();
    let digit = |octet: u8| char::from(octet).to_digit(10);
    let mut numbers = [0; 6];
    for (number, &[tens, ones]) in numbers.iter_mut().zip(pairs) {
        *number = digit(tens)? * 10 + digit(ones)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    let instant = Timestamp::from_civil(2000 + i64::from(year), month, day, hour, minute, second)?;
    (zone == b"Z").then_some(instant)
}

fn write_timestamp(timestamp: Timestamp, out: &mut Vec<u8>) {
    let (year, month, day, hour, minute, second) = timestamp.civil();
    let year = year.rem_euclid(100);
    out.extend_from_slice(format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z").as_bytes());
}

impl<'a> ErrorReply<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let krb_error = reader.kerberos(KRB_ERROR)?;
        reader.finish()?;
        Ok(Self { krb_error })
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = header(ERROR_REPLY);
        out.extend_from_slice(self.krb_error);
        out
    }
}

#[cfg(test)]
mod tests;
