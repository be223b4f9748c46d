//! `[[cmts]]`: what stands between devices and this server and fetches files in their stead.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::Settings;
use super::text::read_networks;

/// One `[[cmts]]`: a CMTS that fetches files in its devices' stead (`tftp-enforce`, a dynamic shared secret), so that
/// their requests come from its address. The limits by source do not hold for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cmts {
    /// Its name in logs and counters.
    pub name: String,
    /// The addresses and networks that its requests come from.
    #[serde(deserialize_with = "read_networks")]
    pub addresses: Vec<IpNet>,
    /// Whether it names its clients by the TFTP options `netaddr` and `hwaddr`, which are then believed.
    #[serde(default)]
    pub netaddr: bool,
}

/// Every CMTS of an installation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct CmtsList(Vec<Cmts>);

impl CmtsList {
    /// The CMTS that requests from `source` come from. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn at(&self, source: IpAddr) -> Option<&Cmts> {
        let source = source.to_canonical();
        let is_at = |cmts: &&Cmts| cmts.addresses.iter().any(|network| network.contains(&source));
        self.0.iter().find(is_at)
    }

    /// Each CMTS, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Cmts> {
        self.0.iter()
    }
}

impl Settings {
    /// The networks of all relays, `[tftp] relays` and each `[[cmts]]`: the limits by source do not hold for them.
    pub fn relays(&self) -> Vec<IpNet> {
        let of_cmts = self.cmts.iter().flat_map(|cmts| &cmts.addresses);
        self.tftp.relays.iter().chain(of_cmts).copied().collect()
    }

    /// Those among them whose `netaddr` and `hwaddr` options are believed.
    pub fn relays_that_name_clients(&self) -> Vec<IpNet> {
        let naming = self.cmts.iter().filter(|cmts| cmts.netaddr);
        let of_cmts = naming.flat_map(|cmts| &cmts.addresses);
        self.tftp.relays.iter().chain(of_cmts).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cmts_is_known_by_its_addresses_and_networks() {
        let text = "realm = 'A.NET'\ndomain = 'a.net'\n[tftp]\nenabled = false\nrelays = ['198.51.100.1']\n\
                    [[cmts]]\nname = 'a'\naddresses = ['192.0.2.1', '2001:db8::/32']\n\
                    [[cmts]]\nname = 'b'\naddresses = ['10.1.2.3/8']\nnetaddr = true\n";
        let settings = Settings::parse(std::path::Path::new("x"), text).unwrap();
        let name = |address: &str| {
            settings
                .cmts
                .at(address.parse().unwrap())
                .map(|cmts| cmts.name.as_str())
        };
        assert_eq!(name("192.0.2.1"), Some("a"));
        assert_eq!(name("::ffff:192.0.2.1"), Some("a"));
        assert_eq!(name("2001:db8:1::7"), Some("a"));
        assert_eq!(name("10.255.0.1"), Some("b"));
        assert_eq!(name("192.0.2.2"), None);
        assert_eq!(settings.relays().len(), 4);
        assert_eq!(settings.relays_that_name_clients().len(), 2);
        let twice = text.replace("'b'", "'a'");
        assert!(Settings::parse(std::path::Path::new("x"), &twice).is_err());
    }
}
