//! What a template can name: the device, the site that provisions it, and what is known of the request.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::scope::Val;
use crate::model::{Device, Family, Flow, Lease};
use crate::value::{Fqdn, MacAddress, Realm, Timestamp};
use crate::wire::tlv::{CmtsMicList, FileFlow, SharedSecret};

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

impl Site {
    /// The server's address of a family, or else the one that it has.
    pub(super) fn server(&self, family: Family) -> Option<IpAddr> {
        let (v4, v6) = (self.ipv4.map(IpAddr::from), self.ipv6.map(IpAddr::from));
        match family {
            Family::V4 => v4.or(v6),
            Family::V6 => v6.or(v4),
        }
    }
}

/// A value that comes from outside: from the requested name, the lease or a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

impl Scalar {
    pub(super) fn as_val(&self) -> Val<'_> {
        match self {
            Self::Text(text) => Val::Text(text),
            Self::Int(number) => Val::Int(*number),
            Self::Bool(value) => Val::Bool(*value),
        }
    }
}

/// Values by name: a lease, or a row that a lookup gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Scalar>);

impl From<&Lease> for Fields {
    fn from(lease: &Lease) -> Self {
        let mut fields = Self::default();
        fields.set_text("address", Some(lease.address));
        fields.set_text("mac", Some(lease.mac));
        fields.set_text("cm_mac", lease.cm_mac);
        fields.set_text("relay", lease.relay);
        fields.set_text("class", lease.class.as_ref());
        fields
    }
}

impl Fields {
    /// No value.
    pub const EMPTY: Self = Self(BTreeMap::new());

    /// Gives a field a value.
    pub fn set(&mut self, name: impl Into<String>, value: Scalar) {
        self.0.insert(name.into(), value);
    }

    /// Gives a field a text, where there is one.
    pub fn set_text(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.set(name, Scalar::Text(value.to_string()));
        }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.0.get(name)
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in the order of their names.
    pub fn scalars(&self) -> impl Iterator<Item = (&String, &Scalar)> {
        self.0.iter()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, Val<'_>)> {
        self.0.iter().map(|(name, value)| (name, value.as_val()))
    }
}

/// What is known of one request beyond the device's record. Empty by default: nothing but the record is known.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The parts of the requested name that its pattern captured.
    pub captures: BTreeMap<String, Scalar>,
    /// The device's lease, as templates see it: `lease.address`, `lease.mac`, `lease.cm_mac`, `lease.relay`,
    /// `lease.class`; each only where the lease source knows it.
    pub lease: Option<Fields>,
    /// The row of each lookup that was made, by the lookup's name.
    pub lookups: BTreeMap<String, Fields>,
    /// The requester's MAC address, where there is no record that says it.
    pub mac: Option<MacAddress>,
    /// The requester's address, where there is no record that says it: also what TLV 20 or 59 of a cable modem's file
    /// holds where the template asks for it.
    pub address: Option<IpAddr>,
    /// The secret that the CMTS of a cable modem shares with this server.
    pub shared_secret: Option<SharedSecret>,
    /// Which TLVs that secret's MIC covers.
    pub mic_list: CmtsMicList,
    /// When the file is made: what TLV 19 of a cable modem's file holds where the template asks for it.
    pub now: Option<Timestamp>,
    /// Where the device is to fetch its credentials (pktcEUECBData): the file then triggers the bootstrapping.
    pub bootstrap_uri: Option<String>,
    /// Why something that the template asks for could not be found out: no file is made then.
    pub failure: Option<String>,
    /// What the device's record changes in the file.
    pub overrides: std::sync::Arc<super::Overrides>,
}

/// What a file is built from.
///
/// Templates see these variables: `mac`, `fqdn`, `hostname` (the first label of `fqdn`), `domain` (the rest), `flow`,
/// `mib`, `family` (`v4` or `v6`), `addresses`, `address` (the first of the family), `realm`, `organisation`, `prov_fqdn`,
/// `server_ipv4`, `server_ipv6`, `server` (the one of the family, else the other), `notification_port`, `lease`; and then
/// those of the device, of the requested name, of the lookups and of the site by their own names, the earlier before the
/// later. One that has no value is undefined.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The device, where there is a record of it.
    pub device: Option<&'a Device>,
    /// The family in which it is being provisioned.
    pub family: Family,
    /// The site.
    pub site: &'a Site,
    /// What is known of the request.
    pub inputs: &'a Inputs,
}

impl<'a> Context<'a> {
    /// The context of a device whose record alone is known.
    pub fn new(device: &'a Device, family: Family, site: &'a Site) -> Self {
        static NOTHING: std::sync::LazyLock<Inputs> = std::sync::LazyLock::new(Inputs::default);
        Self {
            device: Some(device),
            family,
            site,
            inputs: &NOTHING,
        }
    }

    /// The name of the template that the device's record names, or the default of its flow and dialect.
    pub(super) fn template_name(&self) -> String {
        self.device.map(Device::template_name).unwrap_or_default()
    }
}
