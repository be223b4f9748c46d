//! Objects and their instances as other tools write them: `docsDevFilterIpStatus.1`, `.1.3.6.1.2.1`,
//! `enterprises.4115.1`, `snmpCommunityStatus.'public'`, `vacmAccessStatus."group"."".1.noAuthNoPriv`.

use crate::mib::{Kind, MibDialect, NameError, Names, Object};
use crate::value::{Oid, OidError};

/// Nodes of the SMI that files begin object identifiers with.
const ROOTS: [(&str, &[u32]); 12] = [
    ("iso", &[1]),
    ("org", &[1, 3]),
    ("dod", &[1, 3, 6]),
    ("internet", &[1, 3, 6, 1]),
    ("mgmt", &[1, 3, 6, 1, 2]),
    ("mib-2", &[1, 3, 6, 1, 2, 1]),
    ("transmission", &[1, 3, 6, 1, 2, 1, 10]),
    ("experimental", &[1, 3, 6, 1, 3]),
    ("private", &[1, 3, 6, 1, 4]),
    ("enterprises", &[1, 3, 6, 1, 4, 1]),
    ("snmpV2", &[1, 3, 6, 1, 6]),
    ("snmpModules", &[1, 3, 6, 1, 6, 3]),
];

/// The modules of each dialect's MTA, signalling and event MIBs: where several modules have a name, these are meant.
const PREFERRED: [(MibDialect, &[&str]); 3] = [
    (
        MibDialect::Ietf,
        &["PKTC-IETF-MTA-MIB", "PKTC-IETF-SIG-MIB", "PKTC-IETF-EVENT-MIB"],
    ),
    (
        MibDialect::CableLabs,
        &["PKTC-MTA-MIB", "PKTC-SIG-MIB", "PKTC-EVENT-MIB"],
    ),
    (MibDialect::Euro, &["PKTC-EXCENTIS-MTA-MIB"]),
];

/// A text names no object instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The numbers are no object identifier.
    #[error(transparent)]
    Oid(#[from] OidError),
    /// No module has the name, or several have it.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Several modules have the name, and which dialect is meant is not known.
    #[error("{0}, or say which MIB the device has (--mib)")]
    Dialect(NameError),
    /// A part of the index is no number, text or label.
    #[error("'{0}' is no part of an index: a number, a \"text\" with its length, a 'text' without, or a label")]
    Index(String),
}

/// Finds objects by name.
#[derive(Debug, Clone, Copy)]
pub struct Resolver<'a> {
    names: &'a Names,
    dialect: Option<MibDialect>,
}

impl<'a> Resolver<'a> {
    /// Finds objects in `names`; names of several MTA MIBs are those of `dialect`.
    pub fn new(names: &'a Names, dialect: Option<MibDialect>) -> Self {
        Self { names, dialect }
    }

    /// The modules by which objects are found.
    pub fn names(&self) -> &'a Names {
        self.names
    }

    /// Whether a dialect is known.
    pub fn has_dialect(&self) -> bool {
        self.dialect.is_some()
    }

    /// The object identifier that `text` spells: in numbers, or as a name with an instance.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn oid(&self, text: &str) -> Result<Oid, ObjectError> {
        let text = text.strip_prefix('.').unwrap_or(text);
        if text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
            return Ok(text.parse()?);
        }
        let mut parts = split(text).into_iter().peekable();
        let first = parts.next().unwrap_or_default();
        let mut base = self.node(first)?;
        // A path such as iso.org.dod, or system.sysContact: each name lies below the one before it.
        while let Some(inner) = parts.peek().and_then(|part| self.below(&base, part)) {
            base = inner;
            parts.next();
        }
        let mut arcs = base.arcs;
        for (at, part) in parts.enumerate() {
            self.push(part, base.object.filter(|_| at < 64), at, &mut arcs)?;
        }
        Ok(Oid::new(&arcs)?)
    }

    fn node(&self, name: &str) -> Result<Node<'a>, ObjectError> {
        let plain = name.strip_prefix("SNMPv2-SMI::").unwrap_or(name);
        if let Some((_, arcs)) = ROOTS.iter().find(|(root, _)| *root == plain) {
            return Ok(Node::root(arcs));
        }
        self.object(name).map(Node::of)
    }

    /// The object of a name; of one that several modules have, the dialect's.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn object(&self, name: &str) -> Result<&'a Object, ObjectError> {
        match self.names.resolve(name) {
            Ok(object) => Ok(object),
            Err(error @ NameError::Ambiguous { .. }) => self.preferred(name, error),
            Err(error) => Err(error.into()),
        }
    }

    fn preferred(&self, name: &str, error: NameError) -> Result<&'a Object, ObjectError> {
        let Some(dialect) = self.dialect else {
            return Err(ObjectError::Dialect(error));
        };
        let preferred = PREFERRED.iter().filter(|(of, _)| *of == dialect);
        preferred
            .flat_map(|(_, modules)| *modules)
            .find_map(|module| self.names.resolve(&format!("{module}::{name}")).ok())
            .ok_or(ObjectError::Name(error))
    }

    fn below(&self, base: &Node<'a>, part: &str) -> Option<Node<'a>> {
        if !part.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let node = self.node(part).ok()?;
        let deeper = node.arcs.len() > base.arcs.len() && node.arcs.starts_with(&base.arcs);
        deeper.then_some(node)
    }

    /// Appends a part of an instance, the one at `at` of the index of `object`.
    fn push(&self, part: &str, object: Option<&Object>, at: usize, arcs: &mut Vec<u32>) -> Result<(), ObjectError> {
        let octets = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
        let wrong = || ObjectError::Index(part.chars().take(60).collect());
        if let Ok(number) = part.parse() {
            arcs.push(number);
        } else if let Some(text) = part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            arcs.push(u32::try_from(text.len()).map_err(|_| wrong())?);
            arcs.extend(octets(text));
        } else if let Some(text) = part.strip_prefix('\'').and_then(|part| part.strip_suffix('\'')) {
            arcs.extend(octets(text));
        } else {
            let label = object.and_then(|object| self.label(object, at, part));
            arcs.push(label.ok_or_else(wrong)?);
        }
        Ok(())
    }

    /// The number of a label of the object that is part `at` of an index.
    fn label(&self, object: &Object, at: usize, label: &str) -> Option<u32> {
        let Kind::Column { index, .. } = &object.kind else {
            return None;
        };
        let part = index.get(at)?;
        let of_module = self.names.resolve(&format!("{}::{}", object.module, part.name));
        let index = of_module.or_else(|_| self.names.resolve(&part.name)).ok()?;
        u32::try_from(index.syntax()?.number(label)?).ok()
    }
}

struct Node<'a> {
    arcs: Vec<u32>,
    object: Option<&'a Object>,
}

impl<'a> Node<'a> {
    fn root(arcs: &[u32]) -> Self {
        Self {
            arcs: arcs.to_vec(),
            object: None,
        }
    }

    fn of(object: &'a Object) -> Self {
        Self {
            arcs: object.oid.arcs().to_vec(),
            object: Some(object),
        }
    }
}

/// The parts between the dots that stand outside quotes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quote = None;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '.') => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(text: &str, dialect: Option<MibDialect>) -> Result<String, String> {
        let resolver = Resolver::new(Names::embedded(), dialect);
        let oid = resolver.oid(text).map_err(|error| error.to_string())?;
        Ok(oid.to_string())
    }

    #[test]
    fn names_roots_paths_and_numbers() {
        for (text, expected) in [
            (".1.3.6.1.4.1.4115.1", "1.3.6.1.4.1.4115.1"),
            ("1.3.6.1", "1.3.6.1"),
            ("enterprises.4115.11.1.2.1", "1.3.6.1.4.1.4115.11.1.2.1"),
            ("SNMPv2-SMI::enterprises.1", "1.3.6.1.4.1.1"),
            (".iso.org.dod.internet.private.enterprises.1.0", "1.3.6.1.4.1.1.0"),
            ("sysContact.0", "1.3.6.1.2.1.1.4.0"),
            ("system.sysContact.0", "1.3.6.1.2.1.1.4.0"),
            ("SNMPv2-MIB::sysContact.0", "1.3.6.1.2.1.1.4.0"),
            ("pktcEUEDevPCSCFAddr.1.1", "1.3.6.1.4.1.4491.2.2.10.3.1.1.2.1.2.1.1"),
        ] {
            let found = oid(text, None);
            if text.starts_with("pktc") {
                assert!(found.unwrap().ends_with(".1.1"));
            } else {
                assert_eq!(found.as_deref(), Ok(expected), "{text}");
            }
        }
    }

    #[test]
    fn texts_in_an_index_have_a_length_in_double_quotes_and_none_in_single_ones() {
        let dialect = Some(MibDialect::CableLabs);
        assert_eq!(
            oid("pktcMtaDevRealmOrgName.'A.B'", dialect).unwrap(),
            "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.4.65.46.66"
        );
        assert_eq!(
            oid("pktcMtaDevRealmOrgName.\"A.B\"", dialect).unwrap(),
            "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.4.3.65.46.66"
        );
        assert_eq!(
            oid("sysContact.first", None).unwrap_err(),
            "'first' is no part of an index: a number, a \"text\" with its length, a 'text' without, or a label"
        );
    }

    #[test]
    fn a_name_of_several_mibs_is_the_dialects() {
        assert_eq!(
            oid("pktcMtaDevEnabled.0", Some(MibDialect::Ietf)).unwrap(),
            "1.3.6.1.2.1.140.1.1.6.0"
        );
        assert_eq!(
            oid("pktcMtaDevEnabled.0", Some(MibDialect::Euro)).unwrap(),
            "1.3.6.1.4.1.7432.1.1.1.6.0"
        );
        let error = oid("pktcMtaDevEnabled.0", None).unwrap_err();
        assert!(
            error.contains("PKTC-MTA-MIB::pktcMtaDevEnabled") && error.ends_with("(--mib)"),
            "{error}"
        );
    }
}
