//! The device's agent on its socket: what the manager says is answered, and what it means is told.

use std::convert::Infallible;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::agent::{Agent, Event, Instruction};
use super::backoff::Backoff;
use super::fault::Fault;
use super::ladder::Ladder;
use super::line::{Line, after};
use crate::value::Timestamp;

/// Longer than any run.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The agent, its socket, and the address of its manager: the server's SNMP entity, from which alone it takes anything.
#[derive(Debug)]
pub struct Conversation {
    agent: Agent,
    line: Line,
    manager: SocketAddr,
}

impl Conversation {
    /// The conversation of `agent` with `manager` over `line`.
    pub fn new(agent: Agent, line: Line, manager: SocketAddr) -> Self {
        Self { agent, line, manager }
    }

    /// The agent.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// Sends the outstanding INFORM by `backoff` until it is acknowledged. Datagrams overtake each other: a SET that
    /// comes before the acknowledgement is given along.
    ///
    /// # Errors
    /// [`Fault::NoAnswer`], the socket's, and what the manager did wrong.
    pub async fn inform(&mut self, backoff: Backoff, ladder: &mut Ladder) -> Result<Option<Box<Instruction>>, Fault> {
        let mut early = None;
        for (number, wait) in backoff.waits().enumerate() {
            if number > 0 {
                ladder.retry();
            }
            self.send_inform().await?;
            let deadline = after(wait);
            while let Some(event) = self.hear(deadline).await? {
                match event {
                    Event::Acknowledged => return Ok(early),
                    Event::SendAgain => self.send_inform().await?,
                    Event::Told(instruction) => early = Some(instruction),
                    Event::Asked(_) => {}
                    Event::Wrong(fault) => return Err(fault),
                }
            }
        }
        Err(Fault::NoAnswer(backoff.retries + 1))
    }

    /// Answers the manager until it says where the file is; `asked` is called when it reads objects, with how many. The
    /// wait has no end of its own.
    ///
    /// # Errors
    /// The socket's, and what the manager did wrong.
    pub async fn wait_for_set(&mut self, mut asked: impl FnMut(usize)) -> Result<Box<Instruction>, Fault> {
        loop {
            match self.hear(after(FOREVER)).await? {
                Some(Event::Told(instruction)) => return Ok(instruction),
                Some(Event::Asked(bindings)) => asked(bindings),
                Some(Event::Wrong(fault)) => return Err(fault),
                Some(Event::Acknowledged | Event::SendAgain) | None => {}
            }
        }
    }

    /// Answers the manager without end: while the file is fetched, the SET may come again, since its Response was lost.
    ///
    /// # Errors
    /// The socket's, and what the manager did wrong.
    pub async fn answer(&mut self) -> Result<Infallible, Fault> {
        loop {
            if let Some(Event::Wrong(fault)) = self.hear(after(FOREVER)).await? {
                return Err(fault);
            }
        }
    }

    async fn send_inform(&mut self) -> Result<(), Fault> {
        match self.agent.inform(Timestamp::now()) {
            Some(datagram) => self.line.send(&datagram, self.manager).await,
            None => Ok(()),
        }
    }

    /// Answers the manager until a datagram comes from somebody else, which is given back with its sender, or until
    /// `deadline`. What the manager does wrong ends nothing here.
    ///
    /// # Errors
    /// The socket's.
    pub async fn hear_any(&mut self, deadline: Instant) -> Result<Option<(Vec<u8>, SocketAddr)>, Fault> {
        while let Some((datagram, from)) = self.line.receive(deadline).await? {
            if from != self.manager {
                return Ok(Some((datagram.to_vec(), from)));
            }
            if let Some(answer) = self.agent.receive(datagram, Timestamp::now()).answer {
                self.line.send(&answer, self.manager).await?;
            }
        }
        Ok(None)
    }

    /// Sends a datagram of its own.
    ///
    /// # Errors
    /// The socket's.
    pub async fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Fault> {
        self.line.send(datagram, to).await
    }

    /// The next thing that the manager says and that means something, until `deadline`; answers are sent on the way.
    async fn hear(&mut self, deadline: Instant) -> Result<Option<Event>, Fault> {
        while let Some((datagram, from)) = self.line.receive(deadline).await? {
            if from != self.manager {
                continue;
            }
            let reaction = self.agent.receive(datagram, Timestamp::now());
            if let Some(answer) = &reaction.answer {
                self.line.send(answer, self.manager).await?;
            }
            if reaction.event.is_some() {
                return Ok(reaction.event);
            }
        }
        Ok(None)
    }
}
