//! What tells a device to bootstrap: two objects, in its configuration file or by SET (seed 003 §6.6.5; fact sheet
//! provisioning §7, objects and order of events CERTAIN).

use std::net::{IpAddr, SocketAddr};

use crate::model::{Device, Family};
use crate::provisioning::Policy;
use crate::provisioning::file::reachable;
use crate::settings::Trigger;
use crate::value::unhex;

/// The capability of TLV 5 that says whether the device can bootstrap.
const CAPABILITY: u8 = 26;
/// The path of the URI that is made. Whatever path is asked for, a device gets its own document.
const PATH: &str = "/eue";
/// The device's variable that adds the trigger to its file (`yes`), or leaves it out (`no`), whatever the settings say.
const WANTED: &str = "bootstrap";
/// The device's variable that names the listener it is sent to: `modern` or `legacy`.
const WORLD: &str = "bootstrap_tls";

/// Whom the operator wants to bootstrap, and where.
#[derive(Debug, Clone, Default)]
pub struct Triggers {
    /// To which files the trigger is added.
    pub added: Trigger,
    /// The operator's URI, which stands for all others.
    pub url: Option<String>,
    /// The listeners for TLS 1.2 and 1.3.
    pub modern: Vec<SocketAddr>,
    /// The listeners for the suites that PacketCable mandates.
    pub legacy: Vec<SocketAddr>,
}

impl Triggers {
    /// The URI that this device is sent to, which spoke to the server at `local`; `None` where no listener has its family.
    /// A device is sent to the suites that PacketCable mandates where they are offered, for those it has.
    pub fn url(&self, device: &Device, local: IpAddr, policy: &Policy) -> Option<String> {
        if let Some(url) = &self.url {
            return Some(url.clone());
        }
        let family = Family::of(local);
        let mut worlds = [&self.legacy, &self.modern];
        if device.vars.get(WORLD).is_some_and(|world| world == "modern") {
            worlds.reverse();
        }
        let (host, port) = worlds
            .into_iter()
            .find_map(|listeners| reachable(listeners, local, family, policy))?;
        Some(match port {
            443 => format!("https://{host}{PATH}"),
            port => format!("https://{host}:{port}{PATH}"),
        })
    }

    /// Whether the device's file is to tell it to bootstrap, unless its template has decided.
    pub fn wants(&self, device: &Device, type_identifier: Option<&str>) -> bool {
        match device.vars.get(WANTED).map(String::as_str) {
            Some("yes") => true,
            Some("no") => false,
            _ => match self.added {
                Trigger::Always => true,
                Trigger::Never => false,
                Trigger::Capable => type_identifier.is_some_and(is_capable),
            },
        }
    }
}

/// Whether DHCP option 60, as a device repeats it, says capability 5.26 = 1: a text, a colon, and TLV 5 as hexadecimal
/// digits.
fn is_capable(type_identifier: &str) -> bool {
    let digits = type_identifier
        .split_once(':')
        .map(|(_, digits)| digits.trim_end_matches('\0'));
    let Some(octets) = digits.and_then(unhex) else {
        return false;
    };
    let [5, length, rest @ ..] = octets.as_slice() else {
        return false;
    };
    let mut rest = rest.get(..usize::from(*length)).unwrap_or(rest);
    while let [kind, length, after @ ..] = rest {
        let Some((value, next)) = after.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if *kind == CAPABILITY {
            return value == [1];
        }
        rest = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flow;
    use crate::value::Fqdn;
    use proptest::prelude::*;

    fn device(vars: &[(&str, &str)]) -> Device {
        Device {
            vars: vars.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ..crate::provisioning::tests::device(Flow::Hybrid)
        }
    }

    fn triggers(added: Trigger) -> Triggers {
        let sockets = |port: u16| {
            vec![
                format!("192.0.2.1:{port}").parse().unwrap(),
                format!("[::]:{port}").parse().unwrap(),
            ]
        };
        Triggers {
            added,
            url: None,
            modern: sockets(443),
            legacy: sockets(4433),
        }
    }

    fn policy(url_host: Option<Fqdn>) -> Policy {
        Policy {
            url_host,
            ..crate::provisioning::tests::policy()
        }
    }

    const CAPABLE: &str = "pktc2.0:05100101020301000401011202000 71a0101";

    fn wanted(triggers: &Triggers, device: &Device, capabilities: &str) -> bool {
        triggers.wants(device, Some(&capabilities.replace(' ', "")))
    }

    #[test]
    fn seed003_6_6_5_devices_that_can_are_told() {
        assert!(wanted(&triggers(Trigger::Capable), &device(&[]), CAPABLE));
        for other in [
            "pktc2.0:05031a0100",
            "pktc2.0:0503010101",
            "pktc1.5:",
            "pktc2.0:05ff1a01",
            "x",
            "",
        ] {
            assert!(!wanted(&triggers(Trigger::Capable), &device(&[]), other), "{other}");
        }
    }

    #[test]
    fn settings_and_device_switch_it() {
        assert!(!wanted(&triggers(Trigger::Never), &device(&[]), CAPABLE));
        assert!(wanted(&triggers(Trigger::Always), &device(&[]), ""));
        assert!(!wanted(
            &triggers(Trigger::Always),
            &device(&[("bootstrap", "no")]),
            CAPABLE
        ));
        assert!(wanted(&triggers(Trigger::Never), &device(&[("bootstrap", "yes")]), ""));
    }

    #[test]
    fn the_uri_is_one_the_device_can_reach() {
        let url = |triggers: &Triggers, vars, local: &str, host| {
            triggers.url(&device(vars), local.parse().unwrap(), &policy(host))
        };
        let both = triggers(Trigger::Capable);
        assert_eq!(
            url(&both, &[("bootstrap_tls", "modern")], "192.0.2.1", None).as_deref(),
            Some("https://192.0.2.1/eue")
        );
        assert_eq!(
            url(&both, &[], "2001:db8::1", None).as_deref(),
            Some("https://[2001:db8::1]:4433/eue")
        );
        let named = Some("cb.example.net".parse().unwrap());
        assert_eq!(
            url(&both, &[], "2001:db8::1", named).as_deref(),
            Some("https://cb.example.net:4433/eue")
        );
        let modern = Triggers {
            legacy: Vec::new(),
            ..both.clone()
        };
        assert_eq!(
            url(&modern, &[], "192.0.2.1", None).as_deref(),
            Some("https://192.0.2.1/eue")
        );
        assert_eq!(url(&Triggers::default(), &[], "192.0.2.1", None), None);
        let told = Triggers {
            url: Some("https://x/y".into()),
            ..Triggers::default()
        };
        assert_eq!(url(&told, &[], "192.0.2.1", None).as_deref(), Some("https://x/y"));
    }

    proptest! {
        #[test]
        fn hostile_capabilities_never_panic(text in "[a-z]{0,4}:?([0-9a-f]{2}){0,40}") {
            is_capable(&text);
        }
    }
}
