//! What the operator decided, as the decisions need it.

use std::time::Duration;

use crate::value::{Fqdn, Realm};

/// The operator's choices that provisioning decisions depend on.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The Kerberos realm.
    pub realm: Realm,
    /// The O attribute of the service provider's CA certificate, which secure-flow files repeat (profile P35).
    pub organisation: String,
    /// The provisioning server's name.
    pub prov_fqdn: Fqdn,
    /// How long an attempt may stand still before it is given up: pktcMtaDevProvisioningTimer.
    pub provisioning_timer: Duration,
    /// How long a message can be told to be a replay: the clock skew window on both sides of now.
    pub clock_skew: Duration,
    /// The host in file URLs; where there is none, the literal of the address that the device spoke to, or `prov_fqdn`
    /// where that address is a wildcard's.
    pub url_host: Option<Fqdn>,
    /// Whether capabilities are asked for (eUE-16 and eUE-17) before the file is made.
    pub get_capabilities: bool,
}
