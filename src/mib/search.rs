//! Names by part, by object identifier and by module, and the objects below one.

use super::names::Names;
use super::object::{Access, Base, IndexForm, Kind, Object, Syntax};
use crate::value::Oid;

impl Names {
    /// The objects that `text` finds: those whose name has it as a part (no matter which case), those of the module of
    /// that name, or, where it is an object identifier in numbers, the object there or the one that it is an instance
    /// of. `MODULE::part` looks in one module. In the order of the object identifiers.
    pub fn find(&self, text: &str) -> Vec<&Object> {
        if let Ok(oid) = text.trim_start_matches('.').parse::<Oid>() {
            let arcs = self.lookup(&oid).map(|(object, _)| object.oid.arcs());
            let objects = self.objects().iter();
            return objects.filter(|object| Some(object.oid.arcs()) == arcs).collect();
        }
        let (module, part) = match text.split_once("::") {
            Some((module, part)) => (Some(module), part.to_ascii_lowercase()),
            None => (None, text.to_ascii_lowercase()),
        };
        let found = self.objects().iter().filter(|object| match module {
            Some(module) => object.module.eq_ignore_ascii_case(module) && contains(object, &part),
            None => contains(object, &part) || object.module.eq_ignore_ascii_case(text),
        });
        found.collect()
    }

    /// The objects at and below an object identifier, in order.
    pub fn below<'a>(&'a self, oid: &'a Oid) -> impl Iterator<Item = &'a Object> {
        let start = self.objects().partition_point(|object| object.oid.arcs() < oid.arcs());
        let from = self.objects().get(start..).unwrap_or_default().iter();
        from.take_while(|object| object.oid.starts_with(oid.arcs()))
    }

    /// The names of the modules, sorted.
    pub fn modules(&self) -> Vec<&str> {
        let mut modules: Vec<&str> = self.objects().iter().map(|object| &*object.module).collect();
        modules.sort_unstable();
        modules.dedup();
        modules
    }

    /// The object that says of which type the addresses in `object` are (RFC 4001 §3): the InetAddressType nearest
    /// before it in the same row or group. `None` where `object` is no InetAddress, or nothing stands before it.
    pub fn address_type_of(&self, object: &Object) -> Option<&Object> {
        if &*object.syntax()?.convention != "InetAddress" {
            return None;
        }
        let (_, parent) = object.oid.arcs().split_last()?;
        let start = self.objects().partition_point(|other| other.oid.arcs() < parent);
        let siblings = self.objects().get(start..)?.iter();
        siblings
            .take_while(|other| other.oid.arcs() < object.oid.arcs())
            .filter(|other| other.module == object.module && other.oid.arcs().len() == object.oid.arcs().len())
            .filter(|other| {
                other
                    .syntax()
                    .is_some_and(|syntax| &*syntax.convention == "InetAddressType")
            })
            .last()
    }
}

fn contains(object: &Object, part: &str) -> bool {
    object.name.to_ascii_lowercase().contains(part)
}

impl Object {
    /// What it is, in one word: node, table, row, scalar, column, notification.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            Kind::Node => "node",
            Kind::Table => "table",
            Kind::Row => "row",
            Kind::Scalar { .. } => "scalar",
            Kind::Column { .. } => "column",
            Kind::Notification => "notification",
        }
    }

    /// What a manager may do with a scalar or column.
    pub fn access(&self) -> Option<Access> {
        match self.kind {
            Kind::Scalar { access, .. } | Kind::Column { access, .. } => Some(access),
            _ => None,
        }
    }

    /// How the rows of a column are spelt: the parts of the index, `IMPLIED name` for one without its length.
    pub fn index_words(&self) -> Vec<String> {
        let Kind::Column { index, .. } = &self.kind else {
            return Vec::new();
        };
        let word = |part: &super::object::IndexPart| match part.form {
            IndexForm::Implied => format!("IMPLIED {}", part.name),
            _ => part.name.to_string(),
        };
        index.iter().map(word).collect()
    }
}

impl Access {
    /// The word of SMIv2.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAccessible => "not-accessible",
            Self::Notify => "accessible-for-notify",
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
            Self::ReadCreate => "read-create",
        }
    }
}

impl Syntax {
    /// The syntax in one line: `Unsigned32 (0..65535)`, `TruthValue { true(1), false(2) }`.
    pub fn text(&self) -> String {
        let mut text = match &*self.convention {
            "" => self.base.name().to_owned(),
            convention => convention.to_owned(),
        };
        if !self.labels.is_empty() {
            let labels: Vec<String> = self
                .labels
                .iter()
                .map(|(label, number)| format!("{label}({number})"))
                .collect();
            text.push_str(&format!(" {{ {} }}", labels.join(", ")));
        }
        if !self.ranges.is_empty() && self.labels.is_empty() {
            let range = |(low, high): &(i64, i64)| match low == high {
                true => low.to_string(),
                false => format!("{low}..{high}"),
            };
            let ranges = self.ranges.iter().map(range).collect::<Vec<_>>().join(" | ");
            text.push_str(&match self.base {
                Base::OctetString => format!(" (SIZE ({ranges}))"),
                _ => format!(" ({ranges})"),
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_by_part_module_and_number() {
        let names = Names::embedded();
        let found = |text: &str| -> Vec<String> { names.find(text).into_iter().map(Object::qualified).collect() };
        assert_eq!(
            found("mtadevenabled"),
            [
                "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled",
                "PKTC-MTA-MIB::pktcMtaDevEnabled",
                "PKTC-EXCENTIS-MTA-MIB::pktcMtaDevEnabled"
            ]
        );
        assert_eq!(found("PKTC-MTA-MIB::devenabled"), ["PKTC-MTA-MIB::pktcMtaDevEnabled"]);
        assert_eq!(
            found("1.3.6.1.2.1.140.1.1.6.0"),
            ["PKTC-IETF-MTA-MIB::pktcMtaDevEnabled"]
        );
        assert_eq!(
            found(".1.3.6.1.2.1.69.1.2.1.2"),
            ["DOCS-CABLE-DEVICE-MIB::docsDevNmAccessIp"]
        );
        assert!(found("SNMP-COMMUNITY-MIB").len() > 10);
        assert_eq!(found("nothing like it"), [""; 0]);
    }

    #[test]
    fn addresses_have_the_type_before_them() {
        let names = Names::embedded();
        let of = |name: &str| {
            let object = names.resolve(name).unwrap();
            names.address_type_of(object).map(|object| object.name.to_string())
        };
        assert_eq!(of("pktcEUEDevPCSCFAddr").as_deref(), Some("pktcEUEDevPCSCFAddrType"));
        assert_eq!(
            of("PKTC-IETF-MTA-MIB::pktcMtaDevServerDns2").as_deref(),
            Some("pktcMtaDevDnsServerAddressType")
        );
        assert_eq!(
            of("docsDevSwServerAddress").as_deref(),
            Some("docsDevSwServerAddressType")
        );
        assert_eq!(of("pktcEUEDevSipPort"), None);
    }

    #[test]
    fn a_syntax_in_one_line() {
        let names = Names::embedded();
        let text = |name: &str| names.resolve(name).unwrap().syntax().unwrap().text();
        assert_eq!(text("snmpCommunityContextEngineID"), "SnmpEngineID (SIZE (5..32))");
        assert_eq!(text("docsDevNmAccessIp"), "IpAddress");
        assert_eq!(text("ifAdminStatus"), "INTEGER { up(1), down(2), testing(3) }");
        assert_eq!(
            names.resolve("snmpCommunityName").unwrap().index_words(),
            ["IMPLIED snmpCommunityIndex"]
        );
    }
}
