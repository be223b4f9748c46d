//! What Kea's hook `run_script` tells: the name of a hook point, and the lease in environment variables (Kea
//! Administrator Reference Manual, "run_script").

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::kea::{mac_of_duid, remote_id};
use crate::model::Lease;
use crate::value::{MacAddress, Timestamp, unhex};

/// The most leases that one event is read for.
const MOST: usize = 64;

/// A lease changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LeaseEvent {
    /// A device got it, afresh.
    Granted {
        /// The lease.
        lease: Lease,
    },
    /// Its device renewed it; when it was obtained is what was known before.
    Renewed {
        /// The lease, `obtained` at its renewal.
        lease: Lease,
    },
    /// It was released, declined, or has expired.
    Ended {
        /// Its address.
        address: IpAddr,
    },
}

/// The environment is not that of a hook point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A variable is missing or is not what Kea writes.
    #[error("{hook}: {variable} is missing or wrong: call this from Kea's hook run_script")]
    Variable {
        /// The hook point.
        hook: String,
        /// The variable.
        variable: String,
    },
}

/// The events of the hook point `hook`, whose variables `read` gives. A hook point that is about no lease has none.
///
/// # Errors
/// [`EventError`].
pub fn event_from_kea(hook: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Vec<LeaseEvent>, EventError> {
    let version = if hook.contains('6') { 6 } else { 4 };
    let kea = Variables { hook, version, read };
    match hook {
        "lease4_renew" | "lease6_renew" | "lease6_rebind" => Ok(vec![kea.changed(&format!("LEASE{version}"))?]),
        "lease4_release" | "lease6_release" | "lease4_expire" | "lease6_expire" | "lease4_decline"
        | "lease6_decline" => Ok(vec![kea.ended(&format!("LEASE{version}"))?]),
        "leases4_committed" | "leases6_committed" => {
            let gone = kea.prefixes("DELETED_LEASES").map(|prefix| kea.ended(&prefix));
            // What was released and given anew in the same exchange is given.
            let given = kea.prefixes("LEASES").map(|prefix| kea.changed(&prefix));
            gone.chain(given).collect()
        }
        _ => Ok(Vec::new()),
    }
}

struct Variables<'a> {
    hook: &'a str,
    version: u8,
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn get<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, EventError> {
        (self.read)(name)
            .as_deref()
            .and_then(parse)
            .ok_or_else(|| EventError::Variable {
                hook: self.hook.chars().take(40).collect(),
                variable: name.to_owned(),
            })
    }

    /// The prefixes of the variables of each lease in a list.
    fn prefixes(&self, list: &str) -> impl Iterator<Item = String> {
        let version = self.version;
        let size = self.get(&format!("{list}{version}_SIZE"), |text| text.parse().ok());
        let size: usize = size.unwrap_or(0);
        let list = list.to_owned();
        (0..size.min(MOST)).map(move |at| format!("{list}{version}_AT{at}"))
    }

    fn ended(&self, prefix: &str) -> Result<LeaseEvent, EventError> {
        let address = self.get(&format!("{prefix}_ADDRESS"), |text| text.parse().ok())?;
        Ok(LeaseEvent::Ended { address })
    }

    fn changed(&self, prefix: &str) -> Result<LeaseEvent, EventError> {
        let address: IpAddr = self.get(&format!("{prefix}_ADDRESS"), |text| text.parse().ok())?;
        // Kea counts both in 32 bits.
        let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
        let obtained = self.get(&format!("{prefix}_CLTT"), number)?;
        let lifetime = self.get(&format!("{prefix}_VALID_LIFETIME"), number)?;
        let endless = lifetime == i64::from(u32::MAX);
        let lease = Lease {
            cm_mac: self.relay_option().and_then(|option| remote_id(&option)),
            relay: self
                .optional(&format!("QUERY{}_GIADDR", self.version))
                .filter(|relay: &IpAddr| !relay.is_unspecified()),
            expires: (!endless).then(|| Timestamp::from_unix(obtained + lifetime)),
            ..Lease::new(address, self.mac(prefix)?, Timestamp::from_unix(obtained))
        };
        Ok(match self.is_renewal() {
            true => LeaseEvent::Renewed { lease },
            false => LeaseEvent::Granted { lease },
        })
    }

    fn optional<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        (self.read)(name)?.parse().ok()
    }

    fn mac(&self, prefix: &str) -> Result<MacAddress, EventError> {
        let name = format!("{prefix}_HWADDR");
        if let Some(mac) = self.optional(&name) {
            return Ok(mac);
        }
        let duid = (self.read)(&format!("{prefix}_DUID"));
        let mac = duid
            .and_then(|text| unhex(&text.replace(':', "")))
            .and_then(|duid| mac_of_duid(&duid));
        mac.map_or_else(|| self.get(&name, |text| text.parse().ok()), Ok)
    }

    /// Whether the device has the address and asks to go on having it. A device that starts asks without an address of
    /// its own, even where it is given the one it had (RFC 2131 §4.3.2).
    fn is_renewal(&self) -> bool {
        if self.version == 6 {
            return self
                .optional::<String>("QUERY6_TYPE")
                .is_some_and(|kind| kind == "RENEW" || kind == "REBIND");
        }
        self.optional("QUERY4_CIADDR")
            .is_some_and(|own: IpAddr| !own.is_unspecified())
    }

    fn relay_option(&self) -> Option<Vec<u8>> {
        let text = (self.read)("QUERY4_OPTION_82")?;
        unhex(text.strip_prefix("0x").unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// What Kea 2.2 sets for `leases4_committed`.
    const COMMITTED: &[(&str, &str)] = &[
        ("DELETED_LEASES4_SIZE", "0"),
        ("LEASES4_SIZE", "1"),
        ("LEASES4_AT0_ADDRESS", "127.1.0.1"),
        ("LEASES4_AT0_CLTT", "1795644703"),
        ("LEASES4_AT0_HWADDR", "00:11:22:33:44:01"),
        ("LEASES4_AT0_VALID_LIFETIME", "600"),
        ("QUERY4_CIADDR", "0.0.0.0"),
        ("QUERY4_GIADDR", "127.0.0.1"),
        ("QUERY4_OPTION_82", "0x0104000000010206AABBCCDDEEFF"),
    ];

    fn events(hook: &str, more: &[(&str, &str)]) -> Result<Vec<LeaseEvent>, EventError> {
        let variables: HashMap<&str, &str> = COMMITTED.iter().chain(more).copied().collect();
        event_from_kea(hook, &|name| variables.get(name).map(ToString::to_string))
    }

    #[test]
    fn a_committed_lease_with_what_the_relay_agent_added() {
        let read = events("leases4_committed", &[]).unwrap();
        let [LeaseEvent::Granted { lease }] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(lease.mac.to_string(), "00:11:22:33:44:01");
        assert_eq!(lease.cm_mac.unwrap().to_string(), "aa:bb:cc:dd:ee:ff");
        assert_eq!(lease.relay, "127.0.0.1".parse().ok());
        assert_eq!(
            (lease.obtained.unix(), lease.expires.unwrap().unix()),
            (1_795_644_703, 1_795_645_303)
        );
    }

    #[test]
    fn a_renewal_is_told_from_a_start() {
        let renewed = events("leases4_committed", &[("QUERY4_CIADDR", "127.1.0.1")]).unwrap();
        assert!(
            matches!(renewed.as_slice(), [LeaseEvent::Renewed { .. }]),
            "{renewed:?}"
        );
        let v6 = [
            ("LEASE6_ADDRESS", "2001:db8::7"),
            ("LEASE6_CLTT", "1795644703"),
            ("LEASE6_DUID", "00:03:00:01:00:11:22:33:44:02"),
            ("LEASE6_VALID_LIFETIME", "4294967295"),
            ("QUERY6_TYPE", "RENEW"),
        ];
        let renewed = events("lease6_renew", &v6).unwrap();
        let [LeaseEvent::Renewed { lease }] = renewed.as_slice() else {
            panic!("{renewed:?}")
        };
        assert_eq!((lease.mac.bare().as_str(), lease.expires), ("001122334402", None));
    }

    #[test]
    fn ends_and_what_is_no_event() {
        let address = "127.1.0.1".parse().unwrap();
        for hook in ["lease4_release", "lease4_expire", "lease4_decline"] {
            let read = events(hook, &[("LEASE4_ADDRESS", "127.1.0.1")]);
            assert_eq!(read, Ok(vec![LeaseEvent::Ended { address }]), "{hook}");
        }
        let gone = [
            ("DELETED_LEASES4_SIZE", "1"),
            ("LEASES4_SIZE", "0"),
            ("DELETED_LEASES4_AT0_ADDRESS", "127.1.0.1"),
        ];
        assert_eq!(
            events("leases4_committed", &gone),
            Ok(vec![LeaseEvent::Ended { address }])
        );
        assert_eq!(events("pkt4_receive", &[]), Ok(Vec::new()));
        let error = events("lease4_renew", &[]).unwrap_err().to_string();
        assert!(error.contains("LEASE4_ADDRESS"), "{error}");
        let wrong = [("LEASES4_AT0_HWADDR", "x")];
        assert!(
            events("leases4_committed", &wrong)
                .unwrap_err()
                .to_string()
                .contains("LEASES4_AT0_HWADDR")
        );
    }
}
