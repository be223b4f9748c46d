//! A device's DNS client: where the realm's KDC is, and which addresses names have (seed 003 Table 5, eUE-5 to eUE-8,
//! eUE-20 and eUE-21).

use std::net::{IpAddr, SocketAddr};

use hickory_server::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};

use super::backoff::Backoff;
use super::fault::Fault;
use super::ladder::Ladder;
use super::line::Line;
use crate::model::{Family, StepId};
use crate::provisioning::zones::dns_name;
use crate::value::{Fqdn, OsRandom, Random, Realm};

/// One question, as it is asked and as its answer must repeat it.
struct Question {
    message: Message,
    octets: Vec<u8>,
}

impl Question {
    fn new(name: Name, kind: RecordType) -> Result<Self, Fault> {
        let id = u16::from_be_bytes(OsRandom.array());
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        // A device asks the resolver that DHCP named; here that is the authoritative server itself.
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name, kind));
        let octets = message
            .to_vec()
            .map_err(|_| Fault::Mismatch("the name of a DNS query"))?;
        Ok(Self { message, octets })
    }

    /// The answer that `octets` are, where they are one to this question; a device that is told "no" fails.
    fn accept(&self, octets: &[u8]) -> Result<Option<Message>, Fault> {
        let Ok(answer) = Message::from_vec(octets) else {
            return Ok(None);
        };
        let (asked, told) = (&self.message, &answer.metadata);
        if told.id != asked.metadata.id || told.message_type != MessageType::Response || answer.queries != asked.queries
        {
            return Ok(None);
        }
        if told.truncation {
            return Err(Fault::Mismatch("the size of a DNS answer"));
        }
        match told.response_code {
            ResponseCode::NoError => Ok(Some(answer)),
            code => Err(Fault::Dns(code.to_str())),
        }
    }
}

/// Asks one DNS server, over the device's own socket.
pub(super) struct Client<'a> {
    /// The server.
    pub server: SocketAddr,
    /// The device's socket.
    pub line: &'a mut Line,
    /// When it asks again.
    pub backoff: Backoff,
    /// The family whose addresses it wants.
    pub family: Family,
}

impl Client<'_> {
    /// Steps eUE-5 to eUE-8: the realm's KDC, and the address of the SNMP entity `snmp`, which is to be resolved by then
    /// (note 2 of the table).
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn find(&mut self, realm: &Realm, snmp: &Fqdn, ladder: &mut Ladder) -> Result<Found, Fault> {
        let owner = Name::from_ascii(format!("_kerberos._udp.{realm}."));
        let owner = owner.map_err(|_| Fault::Mismatch("the realm"))?;
        ladder.done(owner.to_string());
        ladder.begin(StepId::SRV_REPLY);
        let answer = self.ask(owner, RecordType::SRV, ladder).await?;
        let servers = answer.answers.iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        let srv = servers.min_by_key(|srv| srv.priority).ok_or(Fault::NoRecord("SRV"))?;
        let (target, port) = (srv.target.clone(), srv.port);
        ladder.done(format!("{target} port {port}"));
        ladder.begin(StepId::ADDRESS_REQUEST);
        let given = self.addresses(&answer.additionals, &target);
        ladder.done(if given.is_empty() {
            format!("{target} and {snmp}")
        } else {
            format!("{snmp}; the KDC's addresses came with eUE-6")
        });
        ladder.begin(StepId::ADDRESS_REPLY);
        let kdc = if given.is_empty() {
            self.addresses_of(target, ladder).await?
        } else {
            given
        };
        let snmp = self.addresses_of(dns_name(snmp), ladder).await?;
        ladder.done(format!("KDC {}, SNMP entity {}", text(&kdc), text(&snmp)));
        Ok(Found { kdc, port, snmp })
    }

    /// The addresses of `name`: at least one.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn addresses_of(&mut self, name: Name, ladder: &mut Ladder) -> Result<Vec<IpAddr>, Fault> {
        let kind = match self.family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let answer = self.ask(name.clone(), kind, ladder).await?;
        let addresses = self.addresses(&answer.answers, &name);
        if addresses.is_empty() {
            return Err(Fault::NoRecord("address"));
        }
        Ok(addresses)
    }

    async fn ask(&mut self, name: Name, kind: RecordType, ladder: &mut Ladder) -> Result<Message, Fault> {
        let question = Question::new(name, kind)?;
        let accept = |octets: &[u8]| question.accept(octets);
        self.line
            .ask(self.server, &question.octets, self.backoff, ladder, accept)
            .await
    }

    fn addresses(&self, records: &[Record], name: &Name) -> Vec<IpAddr> {
        let address = |record: &Record| match (&record.data, self.family) {
            (RData::A(address), Family::V4) => Some(IpAddr::V4(address.0)),
            (RData::AAAA(address), Family::V6) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        records
            .iter()
            .filter(|record| record.name == *name)
            .filter_map(address)
            .collect()
    }
}

/// What a device learnt from DNS.
pub(super) struct Found {
    /// The KDC's addresses.
    pub kdc: Vec<IpAddr>,
    /// The KDC's port.
    pub port: u16,
    /// The SNMP entity's addresses.
    pub snmp: Vec<IpAddr>,
}

/// The address to speak to: `known` where DNS names it or where it stands for any, else the first that DNS names.
pub(super) fn choose(addresses: &[IpAddr], known: IpAddr) -> IpAddr {
    if known.is_unspecified() || addresses.contains(&known) {
        return known;
    }
    addresses.first().copied().unwrap_or(known)
}

fn text(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
