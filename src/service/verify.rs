//! Verifies a request for a file: who its client is, what lease it has, and whether that entitles to the file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::files::FileRequest;
use super::lease::{Found, Key, Leases};
use crate::model::Lease;
use crate::provisioning::{Client, Doubt, Known, Owner, Rules, Search, Verdict};
use crate::settings::{CmtsList, Settings};
use crate::value::Timestamp;

/// Verification as the settings describe it.
pub struct Verifier {
    rules: Rules,
    leases: Option<Arc<Leases>>,
    cmts: CmtsList,
    /// The networks of every CMTS, and of the relays of `[tftp]`.
    relays: Vec<IpNet>,
    /// The CMTSs that were warned of.
    warned: Mutex<HashSet<String>>,
}

/// What verification found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What is done about the request.
    pub verdict: Verdict,
    /// Where it comes from.
    pub client: Client,
    /// The client's lease.
    pub lease: Option<Arc<Lease>>,
}

/// Too many questions wait for the lease sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Verifier {
    /// Verification against `leases`; none where the settings have no lease source.
    pub fn new(settings: &Settings, leases: Option<Arc<Leases>>) -> Self {
        Self {
            rules: Rules::new(&settings.verify.clone().unwrap_or_default()),
            leases,
            cmts: settings.cmts.clone(),
            relays: settings.relays(),
            warned: Mutex::default(),
        }
    }

    /// The class of a lease as counters and reports name it.
    pub fn class_word(&self, lease: Option<&Lease>) -> Cow<'static, str> {
        self.rules.class_word(lease.and_then(|lease| lease.class.as_deref()))
    }

    /// Who a request comes from. What a relay says of its client is in the request where it is to be believed.
    pub fn client(&self, request: &FileRequest) -> Client {
        let peer = request.peer.ip().to_canonical();
        match (request.relayed, request.hardware) {
            (Some(address), _) => Client::At(address.to_canonical()),
            (None, Some(mac)) => Client::Device(mac),
            (None, None) if self.relays.iter().any(|network| network.contains(&peer)) => Client::BehindCmts,
            (None, None) => Client::At(peer),
        }
    }

    /// Verifies `request` for the file `name`, which is `owner`'s.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn check(&self, request: &FileRequest, name: &str, owner: Owner) -> Result<Checked, Busy> {
        let client = self.client(request);
        let Some(leases) = self.leases.as_ref().filter(|_| !self.rules.is_free(name, owner)) else {
            return Ok(Checked {
                verdict: Verdict::Free,
                client,
                lease: None,
            });
        };
        let verify = |known: Known<'_>| self.rules.verify(name, owner, client, known, Timestamp::now());
        let key = match Rules::search(client, owner) {
            Search::Address(address) => Some(Key::address(address)),
            Search::Device(mac) => Some(Key::Mac(mac)),
            Search::Nothing => None,
        };
        let found = match key {
            Some(key) => {
                leases
                    .find(key, |lease| verify(Known::Lease(lease)).is_approved())
                    .await
            }
            None => Found::None,
        };
        let (verdict, lease) = match found {
            Found::Lease(lease) => (verify(Known::Lease(&lease)), Some(lease)),
            Found::None => (verify(Known::NoLease), None),
            Found::Unknown => (verify(Known::NoSource), None),
            Found::Busy => return Err(Busy),
        };
        if verdict.doubt() == Some(&Doubt::BehindCmts) {
            self.warn(request.peer.ip());
        }
        Ok(Checked { verdict, client, lease })
    }

    /// Says once of each CMTS that verification by address cannot work behind it.
    fn warn(&self, peer: IpAddr) {
        let cmts = self.cmts.at(peer).map_or("relay", |cmts| cmts.name.as_str());
        metrics::counter!("hardline_verify_behind_cmts_total", "cmts" => cmts.to_owned()).increment(1);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(cmts.to_owned()) {
            tracing::warn!(
                cmts,
                %peer,
                "requests of this CMTS do not say for whom: verification by address cannot work behind it; for TFTP set netaddr \
                 on both sides, which HTTP has no place for, or give its devices one-time names or names of the form name@mac"
            );
        }
    }
}
