//! Variable bindings: a name and a value (RFC 3416 §3). The same octets stand in a device configuration file's
//! TLV 11 and 64.

use std::fmt;
use std::net::Ipv4Addr;

use super::ber::{BerError, BerErrorKind, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, Writer};
use crate::value::{Oid, Secret};

const IP_ADDRESS: u8 = 0x40;
const COUNTER32: u8 = 0x41;
const UNSIGNED32: u8 = 0x42;
const TIME_TICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const COUNTER64: u8 = 0x46;
const NO_SUCH_OBJECT: u8 = 0x80;
const NO_SUCH_INSTANCE: u8 = 0x81;
const END_OF_MIB_VIEW: u8 = 0x82;

/// An object's name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarBind {
    /// The object instance.
    pub name: Oid,
    /// Its value, or why there is none.
    pub value: Value,
}

/// The value of a variable binding (RFC 2578 §7.1, RFC 3416 §3); tags as in the fact sheet provisioning §1.2, CERTAIN.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// INTEGER, Integer32 and enumerations (tag 02).
    Integer(i32),
    /// OCTET STRING (tag 04).
    OctetString(Vec<u8>),
    /// An OCTET STRING to be sent whose content nobody may see on the way. Decoding gives
    /// [`Value::OctetString`].
    Secret(SecretOctets),
    /// OBJECT IDENTIFIER (tag 06).
    Oid(Oid),
    /// NULL, the value in a request to read (tag 05).
    Null,
    /// IpAddress (tag 40).
    IpAddress(Ipv4Addr),
    /// Counter32 (tag 41).
    Counter32(u32),
    /// Unsigned32 and Gauge32 (tag 42).
    Unsigned32(u32),
    /// TimeTicks, hundredths of a second (tag 43).
    TimeTicks(u32),
    /// Opaque: the content octets (tag 44).
    Opaque(Vec<u8>),
    /// Counter64 (tag 46).
    Counter64(u64),
    /// There is no such object (tag 80).
    NoSuchObject,
    /// The object has no such instance (tag 81).
    NoSuchInstance,
    /// Nothing follows in the MIB view (tag 82).
    EndOfMibView,
}

/// Secret octets that can stand in a [`Value`]: equality in constant time, no sight of the content.
#[derive(Debug, Clone)]
pub struct SecretOctets(pub Secret);

impl PartialEq for SecretOctets {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.expose())
    }
}

impl Eq for SecretOctets {}

impl VarBind {
    /// A binding of `name` to `value`.
    pub fn new(name: Oid, value: Value) -> Self {
        Self { name, value }
    }

    /// A binding without a value, as requests to read carry it.
    pub fn unset(name: Oid) -> Self {
        Self::new(name, Value::Null)
    }

    /// The BER of this one binding: `30 L 06 L name tag L value`.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.size_hint());
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads exactly one binding.
    ///
    /// # Errors
    /// [`BerError`] with the offset in `octets`; anything after the binding is an error.
    pub fn decode(octets: &[u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(octets, 0);
        let binding = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(binding)
    }

    /// At most this many octets: what a writer should be ready for.
    pub(crate) fn size_hint(&self) -> usize {
        self.name.arcs().len() * 5 + self.value.size_hint() + 12
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let mut content = reader.expect(SEQUENCE)?;
        let name = read_oid(&content.expect(OBJECT_IDENTIFIER)?)?;
        let value = Value::read(&mut content)?;
        content.finish()?;
        Ok(Self { name, value })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.around(SEQUENCE, |writer| {
            self.value.write(writer);
            writer.primitive(OBJECT_IDENTIFIER, &self.name.to_ber());
        });
    }
}

impl Value {
    /// The octets of an OCTET STRING, secret or not.
    pub fn as_octets(&self) -> Option<&[u8]> {
        match self {
            Self::OctetString(octets) => Some(octets),
            Self::Secret(secret) => Some(secret.0.expose()),
            _ => None,
        }
    }

    /// An OCTET STRING of the text's octets.
    pub fn text(text: &str) -> Self {
        Self::OctetString(text.as_bytes().to_vec())
    }

    /// The BER of the value: tag, length, content.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.size_hint());
        self.write(&mut writer);
        writer.finish()
    }

    fn size_hint(&self) -> usize {
        match self {
            Self::OctetString(octets) | Self::Opaque(octets) => octets.len() + 6,
            Self::Secret(secret) => secret.0.len() + 6,
            Self::Oid(oid) => oid.arcs().len() * 5 + 6,
            _ => 11,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let unknown = |tag| reader.wrong(BerErrorKind::UnknownTag(tag));
        let mut after = *reader;
        let (tag, content) = after.element()?;
        let value = match tag {
            INTEGER => Self::Integer(signed32(&content)?),
            OCTET_STRING => Self::OctetString(content.rest().to_vec()),
            OBJECT_IDENTIFIER => Self::Oid(read_oid(&content)?),
            IP_ADDRESS => Self::IpAddress(ip_address(&content)?),
            COUNTER32 => Self::Counter32(unsigned32(&content)?),
            UNSIGNED32 => Self::Unsigned32(unsigned32(&content)?),
            TIME_TICKS => Self::TimeTicks(unsigned32(&content)?),
            OPAQUE => Self::Opaque(content.rest().to_vec()),
            COUNTER64 => Self::Counter64(content.unsigned(8)?),
            NULL => empty(&content, Self::Null)?,
            NO_SUCH_OBJECT => empty(&content, Self::NoSuchObject)?,
            NO_SUCH_INSTANCE => empty(&content, Self::NoSuchInstance)?,
            END_OF_MIB_VIEW => empty(&content, Self::EndOfMibView)?,
            _ => return Err(unknown(tag)),
        };
        *reader = after;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Integer(value) => writer.signed(INTEGER, i64::from(*value)),
            Self::OctetString(octets) => writer.primitive(OCTET_STRING, octets),
            Self::Secret(secret) => writer.primitive(OCTET_STRING, secret.0.expose()),
            Self::Oid(oid) => writer.primitive(OBJECT_IDENTIFIER, &oid.to_ber()),
            Self::Null => writer.primitive(NULL, &[]),
            Self::IpAddress(address) => writer.primitive(IP_ADDRESS, &address.octets()),
            Self::Counter32(value) => writer.unsigned(COUNTER32, u64::from(*value)),
            Self::Unsigned32(value) => writer.unsigned(UNSIGNED32, u64::from(*value)),
            Self::TimeTicks(value) => writer.unsigned(TIME_TICKS, u64::from(*value)),
            Self::Opaque(octets) => writer.primitive(OPAQUE, octets),
            Self::Counter64(value) => writer.unsigned(COUNTER64, *value),
            Self::NoSuchObject => writer.primitive(NO_SUCH_OBJECT, &[]),
            Self::NoSuchInstance => writer.primitive(NO_SUCH_INSTANCE, &[]),
            Self::EndOfMibView => writer.primitive(END_OF_MIB_VIEW, &[]),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "INTEGER {value}"),
            Self::OctetString(octets) => write!(f, "OCTET STRING \"{}\"", octets.escape_ascii()),
            Self::Secret(secret) => write!(f, "OCTET STRING of {} secret octets", secret.0.len()),
            Self::Oid(oid) => write!(f, "OBJECT IDENTIFIER {oid}"),
            Self::Null => write!(f, "NULL"),
            Self::IpAddress(address) => write!(f, "IpAddress {address}"),
            Self::Counter32(value) => write!(f, "Counter32 {value}"),
            Self::Unsigned32(value) => write!(f, "Unsigned32 {value}"),
            Self::TimeTicks(value) => write!(f, "TimeTicks {value}"),
            Self::Opaque(octets) => write!(f, "Opaque \"{}\"", octets.escape_ascii()),
            Self::Counter64(value) => write!(f, "Counter64 {value}"),
            Self::NoSuchObject => write!(f, "noSuchObject"),
            Self::NoSuchInstance => write!(f, "noSuchInstance"),
            Self::EndOfMibView => write!(f, "endOfMibView"),
        }
    }
}

fn read_oid(content: &Reader<'_>) -> Result<Oid, BerError> {
    Oid::from_ber(content.rest()).map_err(|_| content.wrong(BerErrorKind::Oid))
}

fn signed32(content: &Reader<'_>) -> Result<i32, BerError> {
    i32::try_from(content.signed()?).map_err(|_| content.wrong(BerErrorKind::Range))
}

fn unsigned32(content: &Reader<'_>) -> Result<u32, BerError> {
    u32::try_from(content.unsigned(4)?).map_err(|_| content.wrong(BerErrorKind::Range))
}

fn ip_address(content: &Reader<'_>) -> Result<Ipv4Addr, BerError> {
    let octets: [u8; 4] = content
        .rest()
        .try_into()
        .map_err(|_| content.wrong(BerErrorKind::Range))?;
    Ok(octets.into())
}

fn empty(content: &Reader<'_>, value: Value) -> Result<Value, BerError> {
    content.finish()?;
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::value::{hex, unhex};
    use proptest::prelude::*;

    /// Any object identifier of usual length.
    pub(crate) fn any_oid() -> impl Strategy<Value = Oid> {
        (0u32..3, 0u32..40, prop::collection::vec(any::<u32>(), 0..14)).prop_map(|(first, second, rest)| {
            let arcs: Vec<u32> = [first, second].into_iter().chain(rest).collect();
            Oid::new(&arcs).unwrap()
        })
    }

    /// Any value that decoding can give.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let octets = || prop::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            any::<i32>().prop_map(Value::Integer),
            octets().prop_map(Value::OctetString),
            any_oid().prop_map(Value::Oid),
            any::<[u8; 4]>().prop_map(|address| Value::IpAddress(address.into())),
            any::<u32>().prop_map(Value::Counter32),
            any::<u32>().prop_map(Value::Unsigned32),
            any::<u32>().prop_map(Value::TimeTicks),
            octets().prop_map(Value::Opaque),
            any::<u64>().prop_map(Value::Counter64),
            Just(Value::Null),
            Just(Value::NoSuchObject),
            Just(Value::NoSuchInstance),
            Just(Value::EndOfMibView),
        ]
    }

    /// Any binding.
    pub(crate) fn any_binding() -> impl Strategy<Value = VarBind> {
        (any_oid(), any_value()).prop_map(|(name, value)| VarBind::new(name, value))
    }

    #[test]
    fn the_bindings_of_the_basic_flow_hash_vectors() {
        let enabled = VarBind::new("1.3.6.1.2.1.140.1.1.6.0".parse().unwrap(), Value::Integer(1));
        assert_eq!(
            hex(&enabled.encode()),
            "3010060b2b06010201810c010106000201 01".replace(' ', "")
        );
        let octets = unhex("3013060e2b06010401a30b02020101010700020101").unwrap();
        let cablelabs = VarBind::decode(&octets).unwrap();
        assert_eq!(cablelabs.name.to_string(), "1.3.6.1.4.1.4491.2.2.1.1.1.7.0");
        assert_eq!(cablelabs.value, Value::Integer(1));
    }

    #[test]
    fn wrong_octets_are_refused_with_their_offset() {
        let error = |octets: &str| VarBind::decode(&unhex(octets).unwrap()).unwrap_err();
        let at = |offset, kind| BerError { offset, kind };
        assert_eq!(error("3006060153040100ff"), at(8, BerErrorKind::Trailing));
        assert_eq!(
            error("300606015347 0100".replace(' ', "").as_str()),
            at(5, BerErrorKind::UnknownTag(0x47))
        );
        assert_eq!(
            error("30070601534002 0102".replace(' ', "").as_str()),
            at(7, BerErrorKind::Range)
        );
        assert_eq!(
            error("3005060180 0500".replace(' ', "").as_str()),
            at(4, BerErrorKind::Oid)
        );
        assert_eq!(
            error("30060601530501 00".replace(' ', "").as_str()),
            at(7, BerErrorKind::Trailing)
        );
    }

    #[test]
    fn a_secret_is_sent_but_not_shown() {
        let secret = Value::Secret(SecretOctets(Secret::from(&b"DESkey!!"[..])));
        assert_eq!(secret.encode(), Value::text("DESkey!!").encode());
        assert!(!format!("{secret:?}").contains("DES"));
    }

    proptest! {
        #[test]
        fn a_binding_and_back(binding in any_binding()) {
            let octets = binding.encode();
            prop_assert!(octets.len() <= binding.size_hint());
            prop_assert_eq!(VarBind::decode(&octets), Ok(binding));
        }

        #[test]
        fn hostile_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = VarBind::decode(&octets);
        }

        #[test]
        fn a_damaged_binding_never_panics(binding in any_binding(), at: prop::sample::Index, octet: u8) {
            let mut octets = binding.encode();
            let at = at.index(octets.len());
            octets[at] = octet;
            let _ = VarBind::decode(&octets);
        }
    }
}
