//! Which encryption type a key is made of, and which key a ticket is sealed under.

use crate::settings::EtypePolicy;
use crate::wire::kerberos::{EncType, PrincipalName, ServiceKey};

/// Whom a ticket is for, as far as encryption types are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A device, which speaks PacketCable's Kerberos.
    Device,
    /// Everybody else.
    Service,
}

/// The services that this program is itself; they take a session key of every type.
const OWN_KINDS: [&str; 3] = ["mtaprovsrvr", "mtafqdnmap", "krbtgt"];

impl EtypePolicy {
    /// The types that are allowed to a client of `class`, the preferred first.
    pub fn allowed(&self, class: Class) -> &[EncType] {
        match class {
            Class::Device => &self.devices,
            Class::Service => &self.services,
        }
    }

    /// The class of the client whose ticket-granting ticket has a session key of type `etype`.
    pub fn class_of(&self, etype: i32) -> Class {
        let is = |etypes: &[EncType]| etypes.iter().any(|allowed| allowed.number() == etype);
        match is(&self.devices) && !is(&self.services) {
            true => Class::Device,
            false => Class::Service,
        }
    }

    /// The first of the types that the client asks for (in its order) that is allowed to it.
    pub fn first_allowed(&self, class: Class, asked: &[i32]) -> Option<EncType> {
        let allowed = self.allowed(class);
        asked
            .iter()
            .filter_map(|number| EncType::from_number(*number))
            .find(|etype| allowed.contains(etype))
    }

    /// The type of a session key between a client and `service`, which has `keys`: the first that the client asks for,
    /// that is allowed, and that the service knows as it has a key of it (RFC 4120 §3.1.3).
    pub fn session(
        &self,
        class: Class,
        asked: &[i32],
        service: &PrincipalName,
        keys: &[ServiceKey],
    ) -> Option<EncType> {
        let knows = |etype: EncType| {
            OWN_KINDS.contains(&service.kind()) || keys.iter().any(|key| key.key.etype == etype.number())
        };
        let known: Vec<i32> = asked
            .iter()
            .copied()
            .filter(|number| EncType::from_number(*number).is_some_and(knows))
            .collect();
        self.first_allowed(class, &known)
    }

    /// The key that a ticket for a client of `class` is sealed under: of the newest version, of the type that the class
    /// prefers. A service that has no key of an allowed type is served with the key it has, since its operator gave it that
    /// one.
    pub fn ticket_key<'a>(&self, class: Class, keys: &'a [ServiceKey]) -> Option<&'a ServiceKey> {
        let newest = keys.iter().map(|key| key.kvno).max()?;
        let usable = || {
            keys.iter()
                .filter(move |key| key.kvno == newest && key.key.enc_type().is_ok())
        };
        let of = |etype: &EncType| usable().find(|key| key.key.etype == etype.number());
        let preferred = self.allowed(class).iter().chain(&self.services).find_map(of);
        preferred.or_else(|| usable().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;

    fn key(etype: EncType, kvno: u32) -> ServiceKey {
        ServiceKey {
            kvno,
            key: etype.generate(&mut SeededRandom::new(kvno.into())),
        }
    }

    fn name(text: &str) -> PrincipalName {
        format!("{text}@A.NET")
            .parse::<crate::wire::kerberos::Principal>()
            .unwrap()
            .name
    }

    #[test]
    fn five_for_devices_and_aes_for_services_by_default() {
        let policy = EtypePolicy::default();
        let asked = [18, 17, 16, 5, 23];
        let own = name("mtaprovsrvr/prov.a.net");
        assert_eq!(
            policy.session(Class::Device, &asked, &own, &[]),
            Some(EncType::Des3CbcMd5)
        );
        assert_eq!(
            policy.session(Class::Service, &asked, &own, &[]),
            Some(EncType::Aes256Sha1)
        );
        assert_eq!(policy.session(Class::Service, &[23, 5, 16], &own, &[]), None);
        let keys = [key(EncType::Des3CbcMd5, 1), key(EncType::Aes256Sha1, 1)];
        let sealed_under = |class| policy.ticket_key(class, &keys).map(|key| key.key.etype);
        assert_eq!(sealed_under(Class::Device), Some(5));
        assert_eq!(sealed_under(Class::Service), Some(18));
    }

    #[test]
    fn rfc4120_3_1_3_a_session_key_is_of_a_type_that_the_service_knows() {
        let policy = EtypePolicy::default();
        let host = name("host/a.net");
        let keys = [key(EncType::Aes128Sha1, 1)];
        assert_eq!(
            policy.session(Class::Service, &[18, 17], &host, &keys),
            Some(EncType::Aes128Sha1)
        );
        assert_eq!(policy.session(Class::Service, &[18], &host, &keys), None);
    }

    #[test]
    fn the_newest_version_seals_whatever_its_type() {
        let policy = EtypePolicy::default();
        let keys = [key(EncType::Aes256Sha1, 1), key(EncType::Des3CbcMd5, 2)];
        let chosen = policy.ticket_key(Class::Service, &keys).unwrap();
        assert_eq!((chosen.kvno, chosen.key.etype), (2, 5));
        assert!(policy.ticket_key(Class::Service, &[]).is_none());
    }

    #[test]
    fn a_ticket_granting_ticket_tells_whose_it_is() {
        let policy = EtypePolicy::default();
        assert_eq!(policy.class_of(5), Class::Device);
        assert_eq!(policy.class_of(18), Class::Service);
    }
}
