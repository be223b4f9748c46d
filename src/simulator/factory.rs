//! Where simulated devices come from: their names, addresses, keys and certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openssl::pkey::{PKey, Private};

use crate::model::Family;
use crate::value::{MacAddress, Random, Timestamp};
use crate::wire::cert::issue::{self, Credential, IssueError, Terms};
use crate::wire::pkinit::{Identity, PkinitError};

/// How many devices have an address of their own: 127.64.0.1 and upwards.
pub const MOST_DEVICES: u32 = 1 << 22;

/// The size of a device's RSA key in bits (fact sheet security §5).
const DEVICE_KEY_BITS: u32 = 1024;

/// The locally administered MAC address of device `index`.
pub fn mac(index: u32) -> MacAddress {
    let [a, b, c, d] = index.to_be_bytes();
    MacAddress([0x02, 0x00, a, b, c, d])
}

/// The loopback address of device `index`, below [`MOST_DEVICES`]: over IPv4 its own, so that the server's checks of
/// source addresses mean something; over IPv6 there is one for all.
pub fn loopback(index: u32, family: Family) -> IpAddr {
    let own = u32::from(Ipv4Addr::new(127, 64, 0, 1)) + index % MOST_DEVICES;
    match family {
        Family::V4 => Ipv4Addr::from(own).into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// A device's identity could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FactoryError {
    /// The certificate could not be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The issued certificate, or the manufacturer's, cannot be used.
    #[error(transparent)]
    Use(#[from] PkinitError),
}

/// Issues device certificates under one manufacturer CA, over a small pool of RSA keys: a key takes tens of
/// milliseconds to make, a certificate one signature.
pub struct Factory {
    manufacturer: Credential,
    keys: Vec<PKey<Private>>,
}

impl Factory {
    /// A factory under `manufacturer` with a pool of `keys` keys, at least one.
    ///
    /// # Errors
    /// Where OpenSSL cannot make a key.
    pub fn new(manufacturer: Credential, keys: usize) -> Result<Self, FactoryError> {
        let keys = (0..keys.max(1))
            .map(|_| issue::generate_key(DEVICE_KEY_BITS))
            .collect::<Result<_, _>>()?;
        Ok(Self { manufacturer, keys })
    }

    /// A certificate for `mac`, good for a year from `now`. It goes with its manufacturer CA's; the root stays out
    /// (fact sheet security §4.3).
    ///
    /// # Errors
    /// Where OpenSSL cannot issue it, or the manufacturer's certificate is unusable.
    pub fn identity(
        &self,
        mac: MacAddress,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Arc<Identity>, FactoryError> {
        let mut draw = [0; 1];
        random.fill(&mut draw);
        let key = self.keys[usize::from(draw[0]) % self.keys.len()].clone();
        let issued = issue::device(&self.manufacturer, key, mac, &Terms::new(random, now, 1))?;
        let chain = [&issued.certificate, &self.manufacturer.certificate];
        Ok(Arc::new(Identity::new(&chain, issued.key)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;
    use crate::wire::cert::{Certificate, TrustAnchors, VerifiedDevice};

    #[test]
    fn addresses_are_loopback_and_each_devices_own() {
        assert_eq!(loopback(0, Family::V4).to_string(), "127.64.0.1");
        assert_eq!(loopback(255, Family::V4).to_string(), "127.64.1.0");
        assert!(loopback(MOST_DEVICES - 1, Family::V4).is_loopback());
        assert_eq!(loopback(7, Family::V6).to_string(), "::1");
        assert_eq!(mac(258).to_string(), "02:00:00:00:01:02");
    }

    #[test]
    fn a_certificate_names_its_device_and_chains_to_the_root() {
        let mut random = SeededRandom::new(1);
        let now = Timestamp::from_unix(1_795_302_974);
        let terms = |random: &mut SeededRandom| Terms::new(random, now, 20);
        let root = issue::mta_root(issue::generate_key(2048).unwrap(), &terms(&mut random)).unwrap();
        let key = issue::generate_key(2048).unwrap();
        let maker = issue::manufacturer_ca(&root, key, "Example", &terms(&mut random)).unwrap();
        let factory = Factory::new(maker, 2).unwrap();
        let identity = factory.identity(mac(3), now, &mut random).unwrap();
        let anchors = TrustAnchors::from_der([&root.certificate]).unwrap();
        let verified = VerifiedDevice::verify(
            &identity.chain().iter().map(Certificate::der).collect::<Vec<_>>(),
            &anchors,
        )
        .unwrap();
        assert_eq!(verified.mac, mac(3));
    }
}
