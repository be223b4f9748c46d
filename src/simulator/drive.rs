//! One device's run over real sockets: the order of the steps, and what ends them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::agent::{Agent, KeyForm, Security, SelfDescription};
use super::ap::ApExchange;
use super::bootstrap::{self, Bootstrapping};
use super::conversation::Conversation;
use super::device::{DeviceSpec, Endpoints, FlowSpec, SecureSpec, Server, StoredTicket, TicketSource};
use super::dns;
use super::fault::Fault;
use super::fetch;
use super::file::{self, Expectation, FileFault};
use super::kdc::{AsAnswer, AsExchange};
use super::ladder::Ladder;
use super::line::Line;
use super::report::{DeviceReport, Verdict};
use super::stay::InService;
use super::tcp;
use crate::model::{ConfigUrl, Delivery, StepId, UrlHost};
use crate::provisioning::zones::dns_name;
use crate::value::{Fqdn, OsRandom, Timestamp};
use crate::wire::pkinit::Identity;
use crate::wire::snmp::ProvisioningState;

/// Takes `device` from its first datagram to its result.
pub async fn provision(device: &DeviceSpec, server: &Server) -> DeviceReport {
    climb(device, server).await.0
}

/// The same; a device that got into service comes along, to go on.
pub async fn provision_and_stay(device: DeviceSpec, server: &Arc<Server>) -> (DeviceReport, Option<InService>) {
    let (report, conversation) = climb(&device, server).await;
    let stays = conversation.filter(|_| report.result == Verdict::Pass);
    let stays = stays.map(|(talk, keys)| InService::new(device, server.clone(), talk, keys));
    (report, stays)
}

/// What a device has at the end of its run: its agent on its socket, and in the secure flow its ticket and where key
/// management is.
type Equipped = (Conversation, Option<(StoredTicket, SocketAddr)>);

async fn climb(device: &DeviceSpec, server: &Server) -> (DeviceReport, Option<Equipped>) {
    let mut run = Run {
        device,
        server,
        ladder: Ladder::start(first_step(device, server)),
        delivery: None,
    };
    let climb = run.climb();
    let climbed = tokio::time::timeout(device.timers.provisioning, climb)
        .await
        .unwrap_or(Err(Fault::Timer));
    let equipped = climbed.map_err(|fault| run.ladder.failed(&fault)).ok();
    let (steps, took) = run.ladder.finish();
    let passed = steps.iter().all(|step| step.ok);
    let report = DeviceReport {
        mac: device.mac,
        flow: device.flow(),
        realm: device.dhcp_realm(server),
        family: device.family(),
        mib: device.mib,
        delivery: run.delivery,
        result: if passed { Verdict::Pass } else { Verdict::Fail },
        steps,
        took,
    };
    (report, equipped)
}

fn first_step(device: &DeviceSpec, server: &Server) -> StepId {
    let dns = server.endpoints(device.family()).and_then(|endpoints| endpoints.dns);
    match &device.flow {
        FlowSpec::Secure(secure) => match secure.ticket {
            TicketSource::Kdc { .. } if dns.is_some() => StepId::SRV_REQUEST,
            TicketSource::Kdc { .. } => StepId::AS_REQUEST,
            TicketSource::Stored(_) => StepId::AP_REQUEST,
        },
        FlowSpec::Hybrid { .. } => StepId::ENROLLMENT,
        FlowSpec::Basic { .. } => StepId::FILE_REQUEST,
    }
}

struct Run<'a> {
    device: &'a DeviceSpec,
    server: &'a Server,
    ladder: Ladder,
    delivery: Option<Delivery>,
}

impl Run<'_> {
    async fn climb(&mut self) -> Result<Equipped, Fault> {
        let endpoints = self.server.endpoints(self.device.family()).ok_or(Fault::Family)?;
        let mut line = Line::bind(self.device.address).await?;
        match &self.device.flow {
            FlowSpec::Secure(secure) => {
                let endpoints = self.resolve(secure, endpoints, &mut line).await?;
                let ticket = self.ticket(secure, &endpoints, &mut line).await?;
                let security = self.keys(secure, &ticket, &endpoints, &mut line).await?;
                let expectation =
                    Expectation::secure(self.device.mib, self.server.realm.as_str(), &ticket.organisation);
                let mut talk = self.converse(security, line, &endpoints);
                self.be_told(&mut talk, expectation).await?;
                Ok((talk, Some((ticket, endpoints.keymgmt))))
            }
            FlowSpec::Hybrid { community, .. } => {
                let security = Security::Community(community.clone());
                let expectation = Expectation::hybrid(self.device.mib);
                let mut talk = self.converse(security, line, &endpoints);
                self.be_told(&mut talk, expectation).await?;
                Ok((talk, None))
            }
            FlowSpec::Basic { community, file, .. } => {
                let security = Security::Community(community.clone());
                let delivered = self.download(file).await?;
                let judged = file::judge_clear(&delivered, Expectation::basic(self.device.mib));
                let mut talk = self.converse(security, line, &endpoints);
                self.conclude(judged, &mut talk).await?;
                Ok((talk, None))
            }
        }
    }

    /// Where DNS says that the KDC and the SNMP entity are: steps eUE-5 to eUE-8, for a device that needs a ticket.
    async fn resolve(
        &mut self,
        secure: &SecureSpec,
        endpoints: Endpoints,
        line: &mut Line,
    ) -> Result<Endpoints, Fault> {
        let (Some(server), TicketSource::Kdc { .. }) = (endpoints.dns, &secure.ticket) else {
            return Ok(endpoints);
        };
        let mut client = self.dns(server, line);
        let (realm, prov) = (&self.server.realm, &self.server.prov_fqdn);
        let found = client.find(realm, prov, &mut self.ladder).await?;
        self.ladder.begin(StepId::AS_REQUEST);
        let snmp = dns::choose(&found.snmp, endpoints.snmp.ip());
        Ok(Endpoints {
            kdc: SocketAddr::new(dns::choose(&found.kdc, endpoints.kdc.ip()), found.port),
            snmp: SocketAddr::new(snmp, endpoints.snmp.port()),
            ..endpoints
        })
    }

    fn dns<'l>(&self, server: SocketAddr, line: &'l mut Line) -> dns::Client<'l> {
        dns::Client {
            server,
            line,
            backoff: self.device.timers.kdc,
            family: self.device.family(),
        }
    }

    /// The address of a URL's host: by steps eUE-20 and eUE-21 where there is DNS.
    async fn host(&mut self, name: &Fqdn) -> Result<IpAddr, Fault> {
        let unresolved = || Fault::Unresolved(name.clone());
        let family = self.device.family();
        let known = self.server.resolve(name, family);
        let Some(server) = self.server.endpoints(family).and_then(|endpoints| endpoints.dns) else {
            return known.ok_or_else(unresolved);
        };
        self.ladder.begin(StepId::HOST_REQUEST);
        self.ladder.done(name.to_string());
        self.ladder.begin(StepId::HOST_REPLY);
        let mut line = Line::bind(self.device.address).await?;
        let mut client = self.dns(server, &mut line);
        let addresses = client.addresses_of(dns_name(name), &mut self.ladder).await?;
        let address = known.map_or_else(
            || addresses.first().copied(),
            |known| Some(dns::choose(&addresses, known)),
        );
        self.ladder.done(format!("{} addresses", addresses.len()));
        self.ladder.begin(StepId::FILE_REQUEST);
        address.ok_or_else(unresolved)
    }

    /// The ticket for the provisioning server: steps eUE-9 and eUE-10, or the one in the device's memory.
    async fn ticket(
        &mut self,
        secure: &SecureSpec,
        endpoints: &Endpoints,
        line: &mut Line,
    ) -> Result<StoredTicket, Fault> {
        let (identity, tcp) = match &secure.ticket {
            TicketSource::Stored(ticket) => return Ok((**ticket).clone()),
            TicketSource::Kdc { identity, tcp } => (identity, *tcp),
        };
        let exchange = AsExchange::begin(identity, self.server, Timestamp::now(), &mut OsRandom)?;
        self.ladder.done(format!("{} octets", exchange.datagram().len()));
        self.ladder.begin(StepId::AS_REPLY);
        let over_udp = match tcp {
            true => AsAnswer::TooBig,
            false => self.ask_kdc(&exchange, identity, endpoints.kdc, line).await?,
        };
        let ticket = match over_udp {
            AsAnswer::Ticket(ticket) => ticket,
            AsAnswer::TooBig => self.ask_kdc_over_tcp(&exchange, identity, endpoints.kdc).await?,
        };
        self.ladder.done(format!(
            "ticket for {}, organisation {}",
            ticket.ticket.service(),
            ticket.organisation
        ));
        self.ladder.begin(StepId::AP_REQUEST);
        Ok(*ticket)
    }

    async fn ask_kdc(
        &mut self,
        exchange: &AsExchange,
        identity: &Identity,
        kdc: SocketAddr,
        line: &mut Line,
    ) -> Result<AsAnswer, Fault> {
        let (device, server) = (self.device, self.server);
        let accept = |octets: &[u8]| {
            exchange
                .accept(octets, device, identity, server, Timestamp::now())
                .map(Some)
        };
        line.ask(kdc, exchange.datagram(), device.timers.kdc, &mut self.ladder, accept)
            .await
    }

    async fn ask_kdc_over_tcp(
        &self,
        exchange: &AsExchange,
        identity: &Identity,
        kdc: SocketAddr,
    ) -> Result<Box<StoredTicket>, Fault> {
        let limit = self.device.timers.kdc.max;
        let octets = tcp::ask_kdc(self.device.address, kdc, exchange.datagram(), limit).await?;
        match exchange.accept(&octets, self.device, identity, self.server, Timestamp::now())? {
            AsAnswer::Ticket(ticket) => Ok(ticket),
            AsAnswer::TooBig => Err(Fault::Mismatch("the KDC's answer over TCP")),
        }
    }

    /// The keys for SNMPv3: steps eUE-13 and eUE-14.
    async fn keys(
        &mut self,
        secure: &SecureSpec,
        ticket: &StoredTicket,
        endpoints: &Endpoints,
        line: &mut Line,
    ) -> Result<Security, Fault> {
        let now = Timestamp::now();
        let exchange = ApExchange::begin(self.device, secure, self.server, ticket, now, &mut OsRandom)?;
        self.ladder.done(format!("{} octets", exchange.datagram().len()));
        self.ladder.begin(StepId::AP_REPLY);
        let backoff = self.device.timers.key_management;
        let accept = |octets: &[u8]| exchange.accept(octets, Timestamp::now(), &mut OsRandom);
        let association = line
            .ask(
                endpoints.keymgmt,
                exchange.datagram(),
                backoff,
                &mut self.ladder,
                accept,
            )
            .await?;
        if let Some(recovered) = &association.recovered {
            line.send(recovered, endpoints.keymgmt).await?;
        }
        self.ladder.done(association.suite);
        self.ladder.begin(StepId::ENROLLMENT);
        Ok(Security::User(Box::new(association.security)))
    }

    fn converse(&self, security: Security, line: Line, endpoints: &Endpoints) -> Conversation {
        let description = SelfDescription::of(self.device);
        let profile = &self.server.profile;
        let key_form = KeyForm {
            placement: profile.key_placement,
            iv: profile.file_form.iv,
        };
        let agent = Agent::new(description, security, key_form, Timestamp::now(), &mut OsRandom);
        Conversation::new(agent, line, endpoints.snmp)
    }

    /// From enrollment to result: what secure and hybrid flow have in common.
    async fn be_told(&mut self, talk: &mut Conversation, expectation: Expectation<'_>) -> Result<(), Fault> {
        talk.agent().enroll(Timestamp::now());
        let early = talk.inform(self.device.timers.inform, &mut self.ladder).await?;
        self.ladder.done("");
        self.ladder.begin(StepId::SET);
        let instruction = match early {
            Some(instruction) => instruction,
            None => talk.wait_for_set(|bindings| asked(&mut self.ladder, bindings)).await?,
        };
        self.ladder.done("");
        self.ladder.begin(StepId::FILE_REQUEST);
        let delivered = tokio::select! {
            delivered = self.download(&instruction.url) => delivered?,
            wrong = talk.answer() => match wrong? {},
        };
        let judged = file::judge(&delivered, &instruction, expectation, self.server.profile.file_form);
        self.conclude(judged, talk).await
    }

    /// Fetches the file: step eUE-22, and of step eUE-23 what the network does.
    async fn download(&mut self, url: &ConfigUrl) -> Result<Vec<u8>, Fault> {
        let address = match url.host() {
            UrlHost::Address(address) => *address,
            UrlHost::Name(name) => self.host(name).await?,
        };
        self.ladder.done(url.to_string());
        self.ladder.begin(StepId::FILE_DELIVERED);
        let server = SocketAddr::new(address, url.port());
        self.delivery = Some(url.protocol());
        let limit = self.device.timers.download;
        let own = self.device.address;
        match url.protocol() {
            Delivery::Tftp => fetch::tftp(own, server, url.file(), limit).await,
            Delivery::Http => fetch::http(own, server, &url.escaped_path(), limit).await,
        }
    }

    /// Takes the file into use, or not, and reports that where the flow has a report (step eUE-25). A file error is
    /// reported as well (seed 003 eUE-23).
    async fn conclude(
        &mut self,
        judged: Result<file::Verdict, FileFault>,
        talk: &mut Conversation,
    ) -> Result<(), Fault> {
        let (state, bootstrap) = match judged {
            Ok(verdict) => {
                self.ladder.done(verdict.detail);
                (verdict.state, verdict.bootstrap)
            }
            Err(fault) => {
                self.ladder.failed(&fault.into());
                (ProvisioningState::FailConfigFileError, None)
            }
        };
        if self.device.reports_status() {
            self.ladder.begin(StepId::STATUS);
            talk.agent().report(state, Timestamp::now());
            talk.inform(self.device.timers.inform, &mut self.ladder).await?;
            self.ladder.done(state.label());
        }
        match (&self.device.bootstrap, bootstrap) {
            (Some(own), Some(uri)) => self.bootstrap(own, &uri).await,
            _ => Ok(()),
        }
    }

    /// Fetches the credentials that the file sent the device for (seed 003 §6.6.5: after the result, before any SIP).
    async fn bootstrap(&mut self, own: &Bootstrapping, uri: &str) -> Result<(), Fault> {
        self.ladder.begin(StepId::BOOTSTRAP);
        let (address, limit) = (self.device.address, self.device.timers.download);
        let fetched = bootstrap::fetch(uri, address, self.device.mac, own, self.server, limit).await?;
        self.ladder.done(fetched);
        Ok(())
    }
}

/// The manager read objects: a step of its own within the wait for the SET.
fn asked(ladder: &mut Ladder, bindings: usize) {
    ladder.begin(StepId::GET_RESPONSE);
    ladder.done(format!("{bindings} bindings"));
    ladder.begin(StepId::SET);
}
