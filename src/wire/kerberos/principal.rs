//! Principal names: who a ticket is for and from (RFC 4120 §6.2; profile P18).

use super::primitive::{KerberosString, asn1_through};
use crate::value::{Fqdn, Realm};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A principal's name without its realm: a name type, which is a hint and never compared (RFC 4120 §6.2), and one or
/// more components. Components compare octet by octet, except bracketed IPv6 addresses, which compare without case
/// (the ABNF of seed 003 §6.1.3 is lower case, its example upper case).
#[derive(Clone)]
pub struct PrincipalName {
    name_type: i32,
    components: Vec<String>,
}

/// Name type of a client: KRB_NT_PRINCIPAL (RFC 4120 §6.2).
pub const NAME_TYPE_PRINCIPAL: i32 = 1;
/// Name type of a service: KRB_NT_SRV_INST (RFC 4120 §6.2).
pub const NAME_TYPE_SERVICE: i32 = 2;

/// The text or message does not hold a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// No component at all.
    #[error("a principal has at least one component")]
    Empty,
    /// A component in brackets is not an IPv6 address of the one permitted form.
    #[error("'{0}' is not an IPv6 component: expected eight groups of four hexadecimal digits in brackets")]
    Ipv6Component(String),
    /// No `@` stands in the text, or more than one.
    #[error("'{0}' is not a principal: expected component/component@REALM")]
    Form(String),
    /// What stands behind the `@` is not a realm.
    #[error(transparent)]
    Realm(#[from] crate::value::RealmError),
    /// A `\` is followed by nothing that RFC 1964 §2.1.3 knows.
    #[error("'{0}' ends in or holds an unknown escape")]
    Escape(String),
}

impl PrincipalName {
    /// A name of `name_type` and `components`.
    ///
    /// # Errors
    /// [`PrincipalError`] where there is no component, or a bracketed component with a colon breaks seed 003 §6.1.3.
    pub fn new(name_type: i32, components: Vec<String>) -> Result<Self, PrincipalError> {
        if components.is_empty() {
            return Err(PrincipalError::Empty);
        }
        for component in components.iter().filter(|component| is_ipv6_shaped(component)) {
            parse_ipv6_component(component)?;
        }
        Ok(Self { name_type, components })
    }

    fn service(first: &str, instance: &str) -> Self {
        Self {
            name_type: NAME_TYPE_SERVICE,
            components: vec![first.to_owned(), instance.to_owned()],
        }
    }

    fn client(first: &str, instance: &str) -> Self {
        Self {
            name_type: NAME_TYPE_PRINCIPAL,
            ..Self::service(first, instance)
        }
    }

    /// `mtaprovsrvr/<fqdn>`: a provisioning server's key management (profile P18).
    pub fn mtaprovsrvr(fqdn: &Fqdn) -> Self {
        Self::service("mtaprovsrvr", fqdn.as_str())
    }

    /// `mtafqdnmap/<fqdn>`: a provisioning server's MTA-FQDN service (profile P18).
    pub fn mtafqdnmap(fqdn: &Fqdn) -> Self {
        Self::service("mtafqdnmap", fqdn.as_str())
    }

    /// `krbtgt/REALM`: the ticket-granting service of `realm`.
    pub fn krbtgt(realm: &Realm) -> Self {
        Self::service("krbtgt", realm.as_str())
    }

    /// `mta/<fqdn>`: a device as client (profile P18).
    pub fn mta(fqdn: &Fqdn) -> Self {
        Self::client("mta", fqdn.as_str())
    }

    /// `kdcquery/<kdc fqdn>`: a KDC as client of the MTA-FQDN service (profile P18).
    pub fn kdcquery(kdc: &Fqdn) -> Self {
        Self::client("kdcquery", kdc.as_str())
    }

    /// The name type as it travels.
    pub fn name_type(&self) -> i32 {
        self.name_type
    }

    /// The components, at least one.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// The first component, the service's or client's kind (`mtaprovsrvr`, `mta` …).
    pub fn kind(&self) -> &str {
        self.components.first().map_or("", String::as_str)
    }

    /// The name in the one text that names which are equal have in common: IPv6 components in lower case, as the ABNF of
    /// seed 003 §6.1.3 has them.
    pub fn canonical(&self) -> String {
        let lower = |component: &String| match is_ipv6_shaped(component) {
            true => component.to_ascii_lowercase(),
            false => component.clone(),
        };
        let components = self.components.iter().map(lower).collect();
        Self {
            name_type: self.name_type,
            components,
        }
        .to_string()
    }

    /// The second component where there are exactly two: the host or realm that the name belongs to.
    pub fn instance(&self) -> Option<&str> {
        match self.components.as_slice() {
            [_, instance] => Some(instance),
            _ => None,
        }
    }

    /// This name within `realm`.
    pub fn at(self, realm: &Realm) -> Principal {
        Principal {
            name: self,
            realm: realm.clone(),
        }
    }
}

impl PartialEq for PrincipalName {
    fn eq(&self, other: &Self) -> bool {
        self.components.len() == other.components.len()
            && self.components.iter().zip(&other.components).all(|(one, two)| {
                one == two || (is_ipv6_shaped(one) && is_ipv6_shaped(two) && one.eq_ignore_ascii_case(two))
            })
    }
}

impl Eq for PrincipalName {}

impl Hash for PrincipalName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for component in &self.components {
            if is_ipv6_shaped(component) {
                component.to_ascii_lowercase().hash(state);
            } else {
                component.hash(state);
            }
        }
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, component) in self.components.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            f.write_str(&escaped(component))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A principal: a name within a realm. Displays and parses as `component/component@REALM`, with the escapes of
/// RFC 1964 §2.1.3 (`\/ \@ \\ \n \t \b \0`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The name.
    pub name: PrincipalName,
    /// The realm that registered it.
    pub realm: Realm,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.realm)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    /// Reads `component/component@REALM`; the name gets the type 1 that a parsed name has (RFC 4120 §6.2).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(64).collect::<String>();
        let mut components = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '\\' => unescaped(characters.next()).ok_or_else(|| PrincipalError::Escape(shown()))?,
                '/' => {
                    components.push(String::new());
                    continue;
                }
                '@' => {
                    let name = PrincipalName::new(NAME_TYPE_PRINCIPAL, components)?;
                    return Ok(name.at(&characters.as_str().parse()?));
                }
                other => other,
            };
            if let Some(component) = components.last_mut() {
                component.push(literal);
            }
        }
        Err(PrincipalError::Form(shown()))
    }
}

fn unescaped(character: Option<char>) -> Option<char> {
    match character? {
        'n' => Some('\n'),
        't' => Some('\t'),
        'b' => Some('\u{8}'),
        '0' => Some('\0'),
        literal @ ('/' | '@' | '\\') => Some(literal),
        _ => None,
    }
}

fn escaped(component: &str) -> String {
    component.chars().fold(String::new(), |mut text, character| {
        match character {
            '/' | '@' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\0' => text.push_str("\\0"),
            other => text.push(other),
        }
        text
    })
}

/// The component that stands for an IPv6 address: eight groups of four lower-case digits in brackets, never compressed
/// (ABNF of seed 003 §6.1.3).
pub fn ipv6_component(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:04x}"));
    format!("[{}]", groups.join(":"))
}

/// The address that a component stands for; digits of either case are taken (seed 003 §6.1.3).
///
/// # Errors
/// [`PrincipalError::Ipv6Component`] for compressed groups, shortened groups, and embedded IPv4 addresses.
pub fn parse_ipv6_component(component: &str) -> Result<Ipv6Addr, PrincipalError> {
    let wrong = || PrincipalError::Ipv6Component(component.chars().take(64).collect());
    let inner = component
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or_else(wrong)?;
    let mut groups = [0u16; 8];
    let mut parts = inner.split(':');
    for group in &mut groups {
        let digits = parts
            .next()
            .filter(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .ok_or_else(wrong)?;
        *group = u16::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok(Ipv6Addr::from(groups))
}

/// Whether a component claims to be an IPv6 address and so must have its form. Brackets around something without a
/// colon are left alone: an IPv4 component looks so (fact sheet security §4.6, LIKELY).
fn is_ipv6_shaped(component: &str) -> bool {
    component.starts_with('[') && component.contains(':')
}

/// PrincipalName as it travels (RFC 4120 §5.2.2).
#[derive(AsnType, Decode, Encode)]
struct PrincipalNameAsn {
    #[rasn(tag(explicit(0)))]
    name_type: i32,
    #[rasn(tag(explicit(1)))]
    name_string: Vec<KerberosString>,
}

impl TryFrom<PrincipalNameAsn> for PrincipalName {
    type Error = PrincipalError;

    fn try_from(asn: PrincipalNameAsn) -> Result<Self, Self::Error> {
        Self::new(
            asn.name_type,
            asn.name_string.into_iter().map(|string| string.0).collect(),
        )
    }
}

impl From<&PrincipalName> for PrincipalNameAsn {
    fn from(name: &PrincipalName) -> Self {
        Self {
            name_type: name.name_type,
            name_string: name.components.iter().cloned().map(KerberosString).collect(),
        }
    }
}

asn1_through!(PrincipalName, PrincipalNameAsn);

#[cfg(test)]
mod eue_prov {
    use super::*;

    #[test]
    fn s6_1_3_ipv6_component_of_a_principal() {
        let address: Ipv6Addr = "805b:2d9d:dc28::fc57:d4c8:1fff".parse().expect("address");
        let lower = "[805b:2d9d:dc28:0000:0000:fc57:d4c8:1fff]";
        assert_eq!(ipv6_component(address), lower);
        assert_eq!(
            parse_ipv6_component("[805B:2D9D:DC28:0000:0000:FC57:D4C8:1FFF]"),
            Ok(address)
        );
        let upper: Principal = "df/[805B:2D9D:DC28:0000:0000:FC57:D4C8:1FFF]@PKTC.EXAMPLE.NET"
            .parse()
            .expect("upper");
        let same: Principal = format!("df/{lower}@PKTC.EXAMPLE.NET").parse().expect("lower");
        assert_eq!(upper, same);
        assert_eq!(upper.name.canonical(), format!("df/{lower}"));
    }

    #[test]
    fn s6_1_3_the_abnf_group_by_group() {
        let whole = "[0123:4567:89ab:cdef:0000:0001:0010:0100]";
        assert!(parse_ipv6_component(whole).is_ok());
        for wrong in [
            "[0123:4567:89ab:cdef:0000:0001:0010]",
            "[0123:4567:89ab:cdef:0000:0001:0010:100]",
            "[0123:4567:89ab:cdef:0000:0001:0010:00100]",
            "[0123:4567:89ab:cdef:0000:0001:0010:010g]",
            "[0123:4567:89ab:cdef:0000:0001:0010:+100]",
            "[0123:4567:89ab:cdef:0000:0001:0010:0100%1]",
            "[0123:4567:89ab:cdef:0000:0001:0010:0100]x",
            "[:4567:89ab:cdef:0000:0001:0010:0100]",
            "[0123-4567:89ab:cdef:0000:0001:0010:0100]",
        ] {
            assert!(parse_ipv6_component(wrong).is_err(), "{wrong}");
            let name = PrincipalName::new(1, vec!["df".into(), wrong.into()]);
            assert!(name.is_err(), "{wrong}");
        }
        let outside = parse_ipv6_component("0123:4567:89ab:cdef:0000:0001:0010:0100");
        assert!(outside.is_err(), "without brackets it is no address");
    }

    proptest::proptest! {
        #[test]
        fn s6_1_3_every_address_is_emitted_by_the_abnf_and_read_back(octets: [u8; 16]) {
            let address = Ipv6Addr::from(octets);
            let component = ipv6_component(address);
            let inner = component.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or("");
            let groups: Vec<&str> = inner.split(':').collect();
            proptest::prop_assert_eq!(groups.len(), 8);
            let lower = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
            proptest::prop_assert!(groups.iter().all(|group| group.len() == 4 && group.bytes().all(lower)));
            proptest::prop_assert_eq!(parse_ipv6_component(&component), Ok(address));
        }
    }

    #[test]
    fn s6_1_3_the_three_invalid_examples_are_refused() {
        for component in [
            "[FF00:4501::32]",
            "[0:0:0:0:0:FFFF:129.144.52.38]",
            "[805B:2D9D:DC28:0:0:FC57:D4C8:1FFF]",
            "[805b:2d9d:dc28:0000:0000:fc57:d4c8:1fff:0000]",
            "[805b:2d9d:dc28:0000:0000:fc57:d4c8:1fff",
        ] {
            assert!(parse_ipv6_component(component).is_err(), "{component}");
            assert!(format!("df/{component}@PKTC.EXAMPLE.NET").parse::<Principal>().is_err());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kerberos::der;
    use proptest::prelude::*;

    #[test]
    fn text_form_and_back() {
        let text = "mtaprovsrvr/prov.pktc.example.net@PKTC.EXAMPLE.NET";
        let principal: Principal = text.parse().expect("principal");
        let fqdn: Fqdn = "prov.pktc.example.net".parse().expect("fqdn");
        assert_eq!(principal.name, PrincipalName::mtaprovsrvr(&fqdn));
        assert_eq!(principal.to_string(), text);
        for wrong in ["", "mta", "mta/x", "mta@", "mta@A@B", "mta\\x@A", "mta\\", "a/b@R EALM"] {
            assert!(wrong.parse::<Principal>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn name_types_are_not_compared() {
        let one = PrincipalName::new(1, vec!["a".into(), "b".into()]);
        let three = PrincipalName::new(3, vec!["a".into(), "b".into()]);
        assert_eq!(one, three);
        assert_ne!(one, PrincipalName::new(1, vec!["a".into(), "B".into()]));
        assert_ne!(one, PrincipalName::new(1, vec!["a".into()]));
    }

    proptest! {
        #[test]
        fn rfc1964_2_1_3_escapes(components in proptest::collection::vec("[a-z/@\\\\\n\t\u{8}\0é]{0,8}", 1..4)) {
            let name = PrincipalName::new(1, components).expect("components");
            let principal = name.at(&"A.B".parse().expect("realm"));
            let text = principal.to_string();
            prop_assert!(!text.contains('\0'));
            let again: Principal = text.parse().expect("own text");
            prop_assert_eq!(again.name.components(), principal.name.components());
            let der = der::encode(&principal.name);
            let decoded: PrincipalName = der::decode("PrincipalName", &der).expect("own DER");
            prop_assert_eq!(decoded.components(), principal.name.components());
        }
    }
}
