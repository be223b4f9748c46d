//! The TLVs of both kinds of file by number, name, type and range.
//!
//! The numbers and titles are those of the assigned-numbers registry (CL-SP-CANN §11.1) and of MULPI 3.1 Annex C; a few
//! of DOCSIS 4.0 are among them. The names are those of the language of the open-source `docsis` encoder, so that an
//! operator finds what is known from there; TLVs that it has no name for have one of our own in the same manner.

mod capability;
mod classifier;
mod extension;
mod flow;
mod l2vpn;
mod management;
mod registration;
mod top;

use super::kind::FileKind;

pub(super) use extension::VENDOR;

/// What is known of a TLV.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// The type, within the TLV that holds it.
    pub kind: u8,
    /// The name in listings and in the language of the `docsis` encoder.
    pub name: &'static str,
    /// The name in the registry.
    pub title: &'static str,
    /// How its value is made up.
    pub form: Form,
    /// The smallest and the largest number, or the fewest and the most octets or members, where there is a limit.
    pub limits: Option<(u32, u32)>,
    /// Whether the `docsis` encoder knows the name.
    pub shared: bool,
}

/// How a value is made up. Numbers are unsigned and in network byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number of so many octets, 1 to 4.
    Number(u8),
    /// Text without an end mark.
    Text,
    /// Text with a zero octet at its end.
    TextZero,
    /// Octets without further meaning here.
    Hex,
    /// Octets of something longer that TLVs of this type carry together, at most 254 each.
    Fragment,
    /// No octets at all.
    Empty,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An address of either family.
    Ip,
    /// An address of either family after an octet that says which: 1 or 2 (InetAddressType).
    TaggedIp,
    /// An address of either family and a port of two octets.
    IpPort,
    /// IPv4 addresses.
    Ipv4List,
    /// IPv6 addresses.
    Ipv6List,
    /// IPv6 prefixes: an address and an octet of length each.
    PrefixList,
    /// A MAC address.
    Mac,
    /// A MAC address and a mask, as many octets each.
    MacMask,
    /// Numbers of one octet.
    OctetList,
    /// Numbers of two octets.
    ShortList,
    /// Exactly two numbers of two octets: the tags of IEEE 802.1ad.
    TagPair,
    /// An object identifier in BER, with tag and length.
    Oid,
    /// An object identifier in BER and an octet that allows (1) or forbids (0) to write below it.
    WriteControl,
    /// A variable binding in BER.
    VarBind,
    /// An MD5 digest.
    Digest,
    /// TLVs.
    Group(&'static [Definition]),
    /// TLVs that mean what the table says where no vendor's OUI stands among them, or FF FF FF does.
    Extension(&'static [Definition]),
}

impl Form {
    /// The table of the TLVs within.
    pub fn children(self) -> Option<&'static [Definition]> {
        match self {
            Self::Group(children) | Self::Extension(children) => Some(children),
            _ => None,
        }
    }
}

impl Definition {
    /// The TLVs that a file of `kind` consists of.
    pub fn of_file(kind: FileKind) -> &'static [Self] {
        match kind {
            FileKind::CableModem => top::CABLE_MODEM,
            FileKind::Device => top::DEVICE,
        }
    }

    /// The definition of type `kind` in `table`.
    pub fn find(table: &'static [Self], kind: u8) -> Option<&'static Self> {
        // The tables are in ascending order, which a test proves.
        let at = table.binary_search_by_key(&kind, |definition| definition.kind).ok()?;
        table.get(at)
    }

    /// The definition named `name` in `table`.
    pub fn named(table: &'static [Self], name: &str) -> Option<&'static Self> {
        table.iter().find(|definition| definition.name == name)
    }

    /// Whether a number, or a count of octets or members, is within the limits.
    pub fn allows(&self, number: u64) -> bool {
        self.limits
            .is_none_or(|(low, high)| (u64::from(low)..=u64::from(high)).contains(&number))
    }

    const fn new(kind: u8, form: Form, name: &'static str, title: &'static str) -> Self {
        Self {
            kind,
            name,
            title,
            form,
            limits: None,
            shared: true,
        }
    }

    /// With limits.
    const fn of(mut self, low: u32, high: u32) -> Self {
        self.limits = Some((low, high));
        self
    }

    /// Of exactly so many octets.
    const fn exactly(self, octets: u32) -> Self {
        self.of(octets, octets)
    }

    /// Under a name that the `docsis` encoder does not know.
    const fn ours(mut self) -> Self {
        self.shared = false;
        self
    }
}

/// A number of one octet.
const fn u8(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Number(1), name, title)
}

/// A flag: one octet, 0 or 1.
const fn flag(kind: u8, name: &'static str, title: &'static str) -> Definition {
    u8(kind, name, title).of(0, 1)
}

/// A number of two octets.
const fn u16(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Number(2), name, title)
}

/// A number of four octets.
const fn u32(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Number(4), name, title)
}

const fn text(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Text, name, title)
}

/// A service class name or the like: text with a zero octet at its end.
const fn text_zero(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::TextZero, name, title)
}

const fn hex(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Hex, name, title)
}

const fn mac(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Mac, name, title)
}

const fn group(kind: u8, name: &'static str, title: &'static str, children: &'static [Definition]) -> Definition {
    Definition::new(kind, Form::Group(children), name, title)
}

/// The errors that a CMTS reports within an encoding; a file never holds them.
const ERRORS: &[Definition] = &[
    hex(1, "ErroredParameter", "Errored Parameter").ours(),
    u8(2, "ErrorCode", "Error Code").ours(),
    text_zero(3, "ErrorMessage", "Error Message").ours(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every table with the path that leads to it.
    fn walk(
        table: &'static [Definition],
        path: &str,
        depth: usize,
        see: &mut dyn FnMut(&str, usize, &'static [Definition]),
    ) {
        see(path, depth, table);
        for definition in table {
            if let Some(children) = definition.form.children() {
                walk(children, &format!("{path}.{}", definition.kind), depth + 1, see);
            }
        }
    }

    #[test]
    fn tables_are_in_order_and_names_are_unique_within_them() {
        let mut count = 0;
        for kind in [FileKind::CableModem, FileKind::Device] {
            walk(Definition::of_file(kind), "", 1, &mut |path, depth, table| {
                assert!(depth <= super::super::error::DEEPEST, "{path} is too deep for a path");
                assert!(table.is_sorted_by(|a, b| a.kind < b.kind), "{path}");
                let names: HashSet<&str> = table.iter().map(|definition| definition.name).collect();
                assert_eq!(names.len(), table.len(), "{path}");
                count += table.len();
            });
        }
        assert!(count > 1000, "{count} with the repeated tables");
    }

    #[test]
    fn limits_are_no_wider_than_the_number() {
        walk(
            Definition::of_file(FileKind::CableModem),
            "",
            1,
            &mut |path, _, table| {
                for definition in table {
                    let (Form::Number(octets), Some((low, high))) = (definition.form, definition.limits) else {
                        continue;
                    };
                    let most = u32::MAX >> (32 - 8 * u32::from(octets));
                    assert!(low <= high && high <= most, "{path}.{}", definition.kind);
                }
            },
        );
    }

    #[test]
    fn tlv_64_is_told_by_the_kind_of_file() {
        let name = |kind| Definition::find(Definition::of_file(kind), 64).map(|definition| definition.name);
        assert_eq!(name(FileKind::Device), Some("SnmpMibObjectLong"));
        assert_eq!(name(FileKind::CableModem), Some("CMTSStaticMulticastSessionEncodings"));
    }
}
