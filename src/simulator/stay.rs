//! A device in service: it answers its manager, and asks for new keys when the server wakes it up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ap::ApExchange;
use super::conversation::Conversation;
use super::device::{DeviceSpec, FlowSpec, Server, StoredTicket};
use super::fault::Fault;
use super::line::after;
use crate::model::KeyAsked;
use crate::value::{OsRandom, Timestamp};
use crate::wire::kerberos::PrincipalName;
use crate::wire::keymgmt::{Message, WakeUp};

/// How long a device with nothing to do waits at a time.
const IDLE: Duration = Duration::from_secs(3_600);

/// A device that was provisioned and goes on.
#[derive(Debug)]
pub struct InService {
    device: DeviceSpec,
    server: Arc<Server>,
    talk: Conversation,
    /// Its ticket for the provisioning server, and where key management is; none outside the secure flow.
    keys: Option<(StoredTicket, SocketAddr)>,
    /// The AP exchange that a Wake Up began.
    exchange: Option<UnderWay>,
    /// The nonce of the last Wake Up, whose repetitions begin nothing new.
    woken_by: Option<NonZeroU32>,
}

/// An AP exchange that waits for its reply.
#[derive(Debug)]
struct UnderWay {
    exchange: ApExchange,
    /// What it waits after each further transmission.
    waits: Vec<Duration>,
    deadline: Instant,
}

impl InService {
    pub(super) fn new(
        device: DeviceSpec,
        server: Arc<Server>,
        talk: Conversation,
        keys: Option<(StoredTicket, SocketAddr)>,
    ) -> Self {
        Self {
            device,
            server,
            talk,
            keys,
            exchange: None,
            woken_by: None,
        }
    }

    /// Answers without end.
    ///
    /// # Errors
    /// The socket's.
    pub async fn answer(mut self) -> Result<Infallible, Fault> {
        loop {
            let deadline = self
                .exchange
                .as_ref()
                .map_or_else(|| after(IDLE), |under_way| under_way.deadline);
            match self.talk.hear_any(deadline).await? {
                Some((datagram, from)) => self.take(&datagram, from).await?,
                None => self.send_again().await?,
            }
        }
    }

    /// Takes a datagram that is not its manager's.
    async fn take(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), Fault> {
        let Some((_, keymgmt)) = self.keys.as_ref().filter(|(_, keymgmt)| *keymgmt == from) else {
            return Ok(());
        };
        let keymgmt = *keymgmt;
        match Message::decode(datagram) {
            Ok(Message::WakeUp(wake_up)) => self.wake(&wake_up, keymgmt).await,
            Ok(_) => self.settle(datagram, keymgmt).await,
            Err(_) => Ok(()),
        }
    }

    /// Begins an AP exchange because the server asks for it. One of a server that it does not know it passes over (RFC 4682,
    /// pktcMtaDevProvSolicitedKeyTimeout).
    async fn wake(&mut self, wake_up: &WakeUp, keymgmt: SocketAddr) -> Result<(), Fault> {
        let server = PrincipalName::mtaprovsrvr(&self.server.prov_fqdn).at(&self.server.realm);
        let (FlowSpec::Secure(secure), Some((ticket, _))) = (&self.device.flow, &self.keys) else {
            return Ok(());
        };
        let known = wake_up.principal == server.to_string();
        let Some(engine) = self.talk.agent().engine().filter(|_| known) else {
            return Ok(());
        };
        if self.woken_by == Some(wake_up.server_nonce) {
            return Ok(());
        }
        let asked = KeyAsked {
            server_nonce: Some(wake_up.server_nonce),
            reestablish: true,
        };
        let now = Timestamp::now();
        let exchange = ApExchange::renew(
            &self.device,
            secure,
            &self.server,
            ticket,
            &engine,
            asked,
            now,
            &mut OsRandom,
        )?;
        self.woken_by = Some(wake_up.server_nonce);
        self.talk.send(exchange.datagram(), keymgmt).await?;
        let mut waits: Vec<Duration> = self.device.timers.key_management.waits().collect();
        waits.reverse();
        let first = waits.pop().unwrap_or_default();
        self.exchange = Some(UnderWay {
            exchange,
            waits,
            deadline: after(first),
        });
        Ok(())
    }

    /// Takes the answer to its AP Request: from now on the new keys hold. A refusal ends the exchange, and the old ones
    /// hold on.
    async fn settle(&mut self, datagram: &[u8], keymgmt: SocketAddr) -> Result<(), Fault> {
        let Some(under_way) = &self.exchange else {
            return Ok(());
        };
        match under_way.exchange.accept(datagram, Timestamp::now(), &mut OsRandom) {
            Ok(Some(association)) => {
                self.exchange = None;
                if let Some(recovered) = &association.recovered {
                    self.talk.send(recovered, keymgmt).await?;
                }
                self.talk.agent().rekey(association.security);
            }
            Ok(None) => {}
            Err(_) => self.exchange = None,
        }
        Ok(())
    }

    async fn send_again(&mut self) -> Result<(), Fault> {
        let Some(under_way) = &mut self.exchange else {
            return Ok(());
        };
        let Some(wait) = under_way.waits.pop() else {
            // It gives up; the server's next Wake Up finds it ready.
            self.exchange = None;
            self.woken_by = None;
            return Ok(());
        };
        under_way.deadline = after(wait);
        if let Some((_, keymgmt)) = self.keys {
            self.talk.send(under_way.exchange.datagram(), keymgmt).await?;
        }
        Ok(())
    }
}
