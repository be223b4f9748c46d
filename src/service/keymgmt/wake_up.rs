//! Wake Up: the server has a device ask for keys (profile P9).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::KeymgmtService;
use crate::model::{Attempt, Device, Family, Flow, OrderOutcome, Step, StepId};
use crate::settings::AgentPort;
use crate::store::{Change, StoreError, WakeUpSent};
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::keymgmt::WakeUp;

/// How often the store is asked whether the AP Request came: any node may have taken it.
const LOOK: Duration = Duration::from_millis(100);

/// How Wake Ups are sent.
#[derive(Debug, Clone, Copy)]
pub struct WakeUps {
    /// The port at the device.
    pub device_port: AgentPort,
    /// How long the first one waits for the AP Request; each further one waits twice as long as the one before.
    pub nominal: Duration,
    /// How many follow the first.
    pub retries: u32,
    /// How long the nonce is good: the solicited-key window.
    pub window: Duration,
}

impl KeymgmtService {
    /// Wakes the device up and waits for its AP exchange. One that answered a Wake Up after `since` has been made already:
    /// the server that sent it has died meanwhile.
    pub async fn rekey(&self, mac: MacAddress, since: Timestamp) -> OrderOutcome {
        match self.wake(mac, since).await {
            Ok(Ok(done)) => OrderOutcome::Done(done),
            Ok(Err(reason)) => OrderOutcome::Failed(reason),
            Err(error) => OrderOutcome::Failed(error.to_string()),
        }
    }

    async fn wake(&self, mac: MacAddress, since: Timestamp) -> Result<Result<String, String>, StoreError> {
        let Some(device) = self.core.store.device(mac).await? else {
            return Ok(Err("the device is not known".to_owned()));
        };
        if device.flow != Flow::Secure {
            return Ok(Err(format!("the device's flow is {}: it has no keys", device.flow)));
        }
        let last = self.core.store.wake_up(mac).await?;
        if last.is_some_and(|sent| sent.answered.is_some_and(|answered| answered >= since)) {
            return Ok(Ok(self.keys_of(mac).await?));
        }
        let attempt = self.core.store.attempt(mac).await?;
        let (target, socket) = match self.way(&device, attempt.as_ref()) {
            Ok(way) => way,
            Err(reason) => return Ok(Err(reason)),
        };
        let sent = self.solicit(mac, last).await?;
        let message = WakeUp {
            server_nonce: sent.nonce,
            principal: self.principal.to_string(),
        };
        let datagram = match message.encode() {
            Ok(datagram) => datagram,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut wait = self.settings.wake_ups.nominal;
        let count = self.settings.wake_ups.retries.saturating_add(1);
        for transmission in 1..=count {
            // What the system refuses to send now is sent again like what was lost.
            if let Err(error) = socket.send_to(&datagram, target).await {
                tracing::debug!(%target, %error, "a Wake Up could not be sent");
            }
            if let Some(attempt) = &attempt {
                self.core.note(attempt, vec![step(target, &sent, transmission)]).await;
            }
            let deadline = Instant::now() + wait;
            while Instant::now() < deadline {
                tokio::time::sleep(LOOK.min(wait)).await;
                match self.core.store.wake_up(mac).await? {
                    Some(now) if now.nonce == sent.nonce && now.answered.is_some() => {
                        return Ok(Ok(self.keys_of(mac).await?));
                    }
                    Some(now) if now.nonce == sent.nonce => {}
                    _ => {
                        return Ok(Err(
                            "the Wake Up was withdrawn: the device was removed or woken anew".to_owned()
                        ));
                    }
                }
            }
            wait = wait.saturating_mul(2);
        }
        Ok(Err(format!(
            "{target} answered none of {count} Wake Ups with an AP Request: the device is off, or it does not take Wake Ups \
             there ([keymgmt] device_port); hardline device attempts {mac} shows what was refused"
        )))
    }

    /// The device's outstanding Wake Up, which a server before this one may have sent, or a new one; it is stored before
    /// it is sent.
    async fn solicit(&self, mac: MacAddress, last: Option<WakeUpSent>) -> Result<WakeUpSent, StoreError> {
        let now = Timestamp::now();
        let expires = now.plus(self.settings.wake_ups.window);
        let nonce = last
            .filter(|sent| sent.answered.is_none() && now < sent.expires)
            .map_or_else(|| WakeUp::nonce(&mut OsRandom), |sent| sent.nonce);
        let sent = WakeUpSent {
            mac,
            nonce,
            expires,
            answered: None,
        };
        let change = Change {
            wake_up: Some(sent),
            ..Change::default()
        };
        self.core.store.record(change).await?;
        Ok(sent)
    }

    /// Where the device takes Wake Ups, and the socket that they leave from.
    fn way(&self, device: &Device, attempt: Option<&Attempt>) -> Result<(SocketAddr, &Arc<UdpSocket>), String> {
        let session = attempt.and_then(|attempt| attempt.session.as_ref());
        let heard = session.map(|session| session.keyed_from);
        // A device that moved since is where DHCP says it is.
        let heard = heard.filter(|heard| device.may_speak_from(heard.ip()));
        let target = match self.settings.wake_ups.device_port {
            AgentPort::Source => heard.ok_or(
                "the device's port is that of its AP Request (device_port = \"source\" in [keymgmt]), and none has come from \
                 its address: it is to be provisioned first",
            )?,
            AgentPort::Fixed(port) => {
                let address = heard.map(|heard| heard.ip()).or_else(|| device.addresses.first().copied());
                let address = address.ok_or(
                    "no address of the device is known: hardline device add with --ip, or provision it first",
                )?;
                SocketAddr::new(address, port)
            }
        };
        let family = Family::of(target.ip());
        let of_family =
            |socket: &&Arc<UdpSocket>| socket.local_addr().is_ok_and(|local| Family::of(local.ip()) == family);
        let sockets = self.sockets.get().map_or(&[][..], Vec::as_slice);
        let socket = sockets
            .iter()
            .find(of_family)
            .ok_or_else(|| format!("[keymgmt] does not listen on an address of family {family}"))?;
        Ok((target, socket))
    }

    /// For the operator: which keys the device has now.
    async fn keys_of(&self, mac: MacAddress) -> Result<String, StoreError> {
        let attempt = self.core.store.attempt(mac).await?;
        let session = attempt.and_then(|attempt| attempt.session);
        Ok(session.map_or_else(
            || "the AP exchange was made".to_owned(),
            |session| {
                let privacy = session
                    .privacy
                    .map_or("no privacy".to_owned(), |privacy| format!("{privacy:?}"));
                format!(
                    "{} has new keys ({:?}, {privacy}) since {}",
                    session.user, session.auth, session.keyed_at
                )
            },
        ))
    }
}

fn step(target: SocketAddr, sent: &WakeUpSent, transmission: u32) -> Step {
    let detail = format!(
        "Wake Up to {target}, nonce {:#010x}, transmission {transmission}",
        sent.nonce
    );
    if transmission == 1 {
        Step::ok(StepId::AP_REQUEST, Timestamp::now(), detail)
    } else {
        Step::retry(StepId::AP_REQUEST, Timestamp::now(), detail)
    }
}
