//! One session: a client that downloads one file after the other. No I/O.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::plan::Plan;
use crate::value::Timestamp;
use crate::wire::tftp::Download;

pub(super) struct Session {
    plan: Arc<Plan>,
    number: u32,
    begun: u32,
    current: Option<Current>,
}

struct Current {
    download: Download,
    name: String,
    began: Timestamp,
}

/// How a download ended.
pub(super) struct Ended {
    pub(super) took: Duration,
    /// How often the client had to send again.
    pub(super) repetitions: u32,
    /// The octets that came, or why it failed.
    pub(super) result: Result<u64, String>,
}

impl Session {
    pub(super) fn new(plan: Arc<Plan>, number: u32) -> Self {
        Self {
            plan,
            number,
            begun: 0,
            current: None,
        }
    }

    /// The device of the download that is under way, else of the next.
    pub(super) fn device(&self) -> u32 {
        let download = self.begun - u32::from(self.current.is_some());
        self.plan.device(self.number, download)
    }

    /// Begins the next download and writes its request to `out`; gives where to, or `None` where all are done.
    pub(super) fn begin(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let plan = &self.plan;
        if self.begun >= plan.downloads {
            return None;
        }
        let device = plan.device(self.number, self.begun);
        let name = plan.name(device, self.begun);
        let (server, options) = (plan.server, plan.options(device));
        let download = Download::start(server, &name, options, plan.longest, plan.pace, now, out);
        self.begun += 1;
        self.current = Some(Current {
            download,
            name,
            began: now,
        });
        Some(server)
    }

    /// A datagram came; gives where `out` is to be sent, if anywhere.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        self.current.as_mut()?.download.receive(from, datagram, now, out)
    }

    /// Time passed; gives where `out` is to be sent, if anywhere.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<SocketAddr> {
        self.current.as_mut()?.download.tick(now, out)
    }

    /// When [`Self::tick`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        Some(self.current.as_ref()?.download.deadline())
    }

    /// The end of the download that was under way, if it has ended.
    pub(super) fn ended(&mut self, now: Timestamp) -> Option<Ended> {
        let current = self.current.as_ref()?;
        let result = match current.download.result()? {
            Err(error) => Err(error.to_string()),
            Ok(content) => {
                let folder = self.plan.folder.as_ref();
                match folder.and_then(|folder| folder.difference(&current.name, content)) {
                    Some(difference) => Err(difference),
                    None => Ok(content.len() as u64),
                }
            }
        };
        let ended = Ended {
            took: now.since(current.began),
            repetitions: current.download.repetitions(),
            result,
        };
        self.current = None;
        Some(ended)
    }
}
