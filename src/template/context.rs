//! What a template can name: the device, and the site that provisions it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use crate::model::{Device, Family, Flow};
use crate::value::{Fqdn, Realm};
use crate::wire::tlv::FileFlow;

impl From<Flow> for FileFlow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Secure => Self::Secure,
            Flow::Hybrid => Self::Hybrid,
            Flow::Basic => Self::Basic,
        }
    }
}

/// What is the same for every device of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The realm of the secure flow.
    pub realm: Realm,
    /// The organisation in the service provider's certificate (profile P35).
    pub organisation: String,
    /// The provisioning server's name.
    pub prov_fqdn: Fqdn,
    /// The provisioning server's IPv4 address, where it has one.
    pub ipv4: Option<Ipv4Addr>,
    /// The provisioning server's IPv6 address, where it has one.
    pub ipv6: Option<Ipv6Addr>,
    /// The UDP port that takes SNMP notifications.
    pub notification_port: u16,
    /// The operator's own variables; a device's of the same name go before them.
    pub vars: BTreeMap<String, String>,
}

/// What a file is built from.
///
/// Templates see these variables: `mac`, `fqdn`, `hostname` (the first label of `fqdn`), `domain` (the rest), `flow`,
/// `mib`, `family` (`v4` or `v6`), `addresses`, `address` (the first of the family), `realm`, `organisation`, `prov_fqdn`,
/// `server_ipv4`, `server_ipv6`, `server` (the one of the family, else the other), `notification_port`, and then
/// those of the device and of the site by their own names. One that has no value is undefined.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The device.
    pub device: &'a Device,
    /// The family in which it is being provisioned.
    pub family: Family,
    /// The site.
    pub site: &'a Site,
}

impl Context<'_> {
    /// The variables as minijinja sees them.
    pub(super) fn variables(&self) -> Variables {
        let Self { device, family, site } = *self;
        let mut all = BTreeMap::new();
        let own = site.vars.iter().chain(&device.vars);
        all.extend(own.map(|(name, value)| (name.as_str().into(), Value::from(value.as_str()))));
        let mut put = |name: &str, value: Value| {
            all.insert(name.into(), value);
        };
        let fqdn = device.fqdn.as_str();
        let (hostname, domain) = fqdn.split_once('.').unwrap_or((fqdn, ""));
        put("mac", device.mac.to_string().into());
        put("fqdn", fqdn.into());
        put("hostname", hostname.into());
        put("domain", domain.into());
        put("flow", device.flow.to_string().into());
        put("mib", device.mib.as_str().into());
        put("family", family.to_string().into());
        put(
            "addresses",
            device
                .addresses
                .iter()
                .map(|address| Value::from(address.to_string()))
                .collect(),
        );
        put("realm", site.realm.as_str().into());
        put("organisation", site.organisation.as_str().into());
        put("prov_fqdn", site.prov_fqdn.as_str().into());
        put("notification_port", site.notification_port.into());
        let servers = [site.ipv4.map(IpAddr::from), site.ipv6.map(IpAddr::from)];
        let mut put_address = |name, address: Option<IpAddr>| {
            if let Some(address) = address {
                put(name, address.to_string().into());
            }
        };
        let in_family = |address: &&IpAddr| Family::of(**address) == family;
        put_address("server_ipv4", servers[0]);
        put_address("server_ipv6", servers[1]);
        let server = servers
            .iter()
            .flatten()
            .find(in_family)
            .or(servers.iter().flatten().next());
        put_address("server", server.copied());
        put_address("address", device.addresses.iter().find(in_family).copied());
        Variables(all)
    }
}

/// The variables of a build, as an object of minijinja.
#[derive(Debug, Clone)]
pub(super) struct Variables(BTreeMap<Box<str>, Value>);

impl Variables {
    /// Whether a variable is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets a variable and gives the value that it had.
    pub(super) fn set(&mut self, name: &str, value: Value) -> Option<Value> {
        self.0.insert(name.into(), value)
    }

    /// Takes a variable away.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(&**key)).collect())
    }
}
