//! Protocol data units (RFC 3416 §3).

use super::ber::{BerError, BerErrorKind, INTEGER, Reader, SEQUENCE, Writer};
use super::varbind::VarBind;

/// A protocol data unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// What is asked or answered.
    pub kind: PduKind,
    /// Ties a response to its request.
    pub request_id: i32,
    /// The variable bindings, in order.
    pub bindings: Vec<VarBind>,
}

/// The kinds of PDUs, with what only they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PduKind {
    /// GetRequest-PDU.
    Get,
    /// GetNextRequest-PDU.
    GetNext,
    /// Response-PDU.
    Response {
        /// Whether, and how, the request failed.
        status: ErrorStatus,
        /// Which binding failed, from 1; 0 where none is to blame.
        index: u32,
    },
    /// SetRequest-PDU.
    Set,
    /// GetBulkRequest-PDU.
    GetBulk {
        /// How many bindings at the start are read once.
        non_repeaters: u32,
        /// How often the others are stepped.
        max_repetitions: u32,
    },
    /// InformRequest-PDU.
    Inform,
    /// SNMPv2-Trap-PDU.
    TrapV2,
    /// Report-PDU.
    Report,
}

/// The error-status of a Response-PDU (RFC 3416 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ErrorStatus {
    /// The request was carried out.
    NoError = 0,
    /// The response would not fit into a message.
    TooBig = 1,
    /// Of SNMPv1: there is no such name.
    NoSuchName = 2,
    /// Of SNMPv1: the value does not suit.
    BadValue = 3,
    /// Of SNMPv1: the object cannot be set.
    ReadOnly = 4,
    /// Something else went wrong.
    GenErr = 5,
    /// The object is not accessible to this sender.
    NoAccess = 6,
    /// The value has the wrong type.
    WrongType = 7,
    /// The value has the wrong length.
    WrongLength = 8,
    /// The value's encoding is wrong.
    WrongEncoding = 9,
    /// The object can never have this value.
    WrongValue = 10,
    /// The object does not exist and cannot be created.
    NoCreation = 11,
    /// The object cannot have this value now.
    InconsistentValue = 12,
    /// A resource is lacking.
    ResourceUnavailable = 13,
    /// The values could not all be set.
    CommitFailed = 14,
    /// Some values were set and could not be put back.
    UndoFailed = 15,
    /// The sender is not authorised.
    AuthorizationError = 16,
    /// The object can never be set.
    NotWritable = 17,
    /// The object cannot be created now.
    InconsistentName = 18,
}

impl ErrorStatus {
    const ALL: [Self; 19] = [
        Self::NoError,
        Self::TooBig,
        Self::NoSuchName,
        Self::BadValue,
        Self::ReadOnly,
        Self::GenErr,
        Self::NoAccess,
        Self::WrongType,
        Self::WrongLength,
        Self::WrongEncoding,
        Self::WrongValue,
        Self::NoCreation,
        Self::InconsistentValue,
        Self::ResourceUnavailable,
        Self::CommitFailed,
        Self::UndoFailed,
        Self::AuthorizationError,
        Self::NotWritable,
        Self::InconsistentName,
    ];

    /// The status with this number; one that RFC 3416 does not know is a [`ErrorStatus::GenErr`].
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number).copied())
            .unwrap_or(Self::GenErr)
    }
}

impl PduKind {
    /// A response that says that all is well.
    pub const OK: Self = Self::Response {
        status: ErrorStatus::NoError,
        index: 0,
    };

    /// Whether the sender waits for an answer: the Confirmed Class of RFC 3411 §2.8.
    pub fn is_confirmed(self) -> bool {
        matches!(
            self,
            Self::Get | Self::GetNext | Self::GetBulk { .. } | Self::Set | Self::Inform
        )
    }

    /// The PDU's BER tag.
    fn tag(self) -> u8 {
        match self {
            Self::Get => 0xa0,
            Self::GetNext => 0xa1,
            Self::Response { .. } => 0xa2,
            Self::Set => 0xa3,
            Self::GetBulk { .. } => 0xa5,
            Self::Inform => 0xa6,
            Self::TrapV2 => 0xa7,
            Self::Report => 0xa8,
        }
    }

    /// The kind with this tag and these two integers after the request-id. Where a kind does not use them, they are
    /// ignored (RFC 3416 §3).
    fn from_wire(tag: u8, second: i32, third: i32) -> Option<Self> {
        let count = |number: i32| u32::try_from(number).unwrap_or(0);
        Some(match tag {
            0xa0 => Self::Get,
            0xa1 => Self::GetNext,
            0xa2 => Self::Response {
                status: ErrorStatus::from_number(second),
                index: count(third),
            },
            0xa3 => Self::Set,
            // A negative count means none (RFC 3416 §4.2.3).
            0xa5 => Self::GetBulk {
                non_repeaters: count(second),
                max_repetitions: count(third),
            },
            0xa6 => Self::Inform,
            0xa7 => Self::TrapV2,
            0xa8 => Self::Report,
            _ => return None,
        })
    }

    /// The two integers after the request-id.
    fn integers(self) -> (i64, i64) {
        match self {
            Self::Response { status, index } => (status as i64, i64::from(index)),
            Self::GetBulk {
                non_repeaters,
                max_repetitions,
            } => (i64::from(non_repeaters), i64::from(max_repetitions)),
            _ => (0, 0),
        }
    }
}

impl Pdu {
    /// A PDU of `kind` with these bindings.
    pub fn new(kind: PduKind, request_id: i32, bindings: Vec<VarBind>) -> Self {
        Self {
            kind,
            request_id,
            bindings,
        }
    }

    /// The response to this request that says that all is well and gives `bindings`.
    pub fn response(&self, bindings: Vec<VarBind>) -> Self {
        Self::new(PduKind::OK, self.request_id, bindings)
    }

    /// The acknowledgement of this InformRequest: a response with the same bindings (RFC 3416 §4.2.7).
    pub fn acknowledgement(&self) -> Self {
        self.response(self.bindings.clone())
    }

    /// The response to this request that refuses it because of the binding number `index`, from 1; the bindings come
    /// back as they were (RFC 3416 §4.2).
    pub fn refusal(&self, status: ErrorStatus, index: u32) -> Self {
        Self::new(
            PduKind::Response { status, index },
            self.request_id,
            self.bindings.clone(),
        )
    }

    /// At most this many octets.
    pub(crate) fn size_hint(&self) -> usize {
        self.bindings.iter().map(VarBind::size_hint).sum::<usize>() + 36
    }

    /// Reads a PDU.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let start = *reader;
        let (tag, mut content) = reader.element()?;
        let request_id = content.integer(i32::MIN, i32::MAX)?;
        let second = content.integer(i32::MIN, i32::MAX)?;
        let third = content.integer(i32::MIN, i32::MAX)?;
        let kind = PduKind::from_wire(tag, second, third).ok_or(start.wrong(BerErrorKind::UnknownTag(tag)))?;
        let mut list = content.expect(SEQUENCE)?;
        content.finish()?;
        let mut bindings = Vec::new();
        while !list.is_empty() {
            bindings.push(VarBind::read(&mut list)?);
        }
        Ok(Self::new(kind, request_id, bindings))
    }

    /// The kind and the request-id of the PDU that comes next, without its bindings.
    pub(crate) fn peek(mut reader: Reader<'_>) -> Option<(PduKind, i32)> {
        let (tag, mut content) = reader.element().ok()?;
        let request_id = content.integer(i32::MIN, i32::MAX).ok()?;
        Some((PduKind::from_wire(tag, 0, 0)?, request_id))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let (second, third) = self.kind.integers();
        writer.around(self.kind.tag(), |writer| {
            writer.around(SEQUENCE, |writer| {
                for binding in self.bindings.iter().rev() {
                    binding.write(writer);
                }
            });
            writer.signed(INTEGER, third);
            writer.signed(INTEGER, second);
            writer.signed(INTEGER, i64::from(self.request_id));
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::varbind::tests::any_binding;
    use super::*;
    use proptest::prelude::*;

    /// Any PDU.
    pub(crate) fn any_pdu() -> impl Strategy<Value = Pdu> {
        let small = || 0u32..=i32::MAX as u32;
        let kind = prop_oneof![
            Just(PduKind::Get),
            Just(PduKind::GetNext),
            (0usize..19, small()).prop_map(|(status, index)| PduKind::Response {
                status: ErrorStatus::ALL[status],
                index
            }),
            Just(PduKind::Set),
            (small(), small()).prop_map(|(non_repeaters, max_repetitions)| PduKind::GetBulk {
                non_repeaters,
                max_repetitions
            }),
            Just(PduKind::Inform),
            Just(PduKind::TrapV2),
            Just(PduKind::Report),
        ];
        (kind, any::<i32>(), prop::collection::vec(any_binding(), 0..6))
            .prop_map(|(kind, request_id, bindings)| Pdu::new(kind, request_id, bindings))
    }

    fn encoded(pdu: &Pdu) -> Vec<u8> {
        let mut writer = Writer::new(pdu.size_hint());
        pdu.write(&mut writer);
        writer.finish()
    }

    #[test]
    fn error_status_numbers_are_those_of_rfc_3416() {
        for (number, status) in ErrorStatus::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number);
        }
        assert_eq!(ErrorStatus::from_number(99), ErrorStatus::GenErr);
        assert_eq!(ErrorStatus::from_number(-1), ErrorStatus::GenErr);
    }

    proptest! {
        #[test]
        fn a_pdu_and_back(pdu in any_pdu()) {
            let octets = encoded(&pdu);
            prop_assert!(octets.len() <= pdu.size_hint());
            let (kind, request_id) = Pdu::peek(Reader::new(&octets, 0)).unwrap();
            prop_assert_eq!((kind.tag(), request_id), (pdu.kind.tag(), pdu.request_id));
            prop_assert_eq!(Pdu::read(&mut Reader::new(&octets, 0)), Ok(pdu));
        }

        #[test]
        fn a_damaged_pdu_never_panics(pdu in any_pdu(), at: prop::sample::Index, octet: u8) {
            let mut octets = encoded(&pdu);
            let at = at.index(octets.len());
            octets[at] = octet;
            let _ = Pdu::read(&mut Reader::new(&octets, 0));
        }
    }
}
