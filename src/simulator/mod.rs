//! Floor 4: simulated eUEs, each with its own state machine and its own sockets.
//!
//! A simulated device is as strict as the specifications allow: it checks names, checksums, hashes, sizes and table
//! rows, and fails with step and reason where one is wrong. So a run against it says that the server's datagrams are
//! right, not only that they were understood.

pub mod agent;
pub mod ap;
mod backoff;
mod bootstrap;
mod conversation;
mod device;
mod dns;
mod drive;
pub mod factory;
mod fault;
mod fetch;
pub mod file;
mod fleet;
mod http;
pub mod kdc;
mod ladder;
mod line;
pub mod recruit;
mod report;
mod stay;
mod tcp;
#[cfg(test)]
mod tests;

pub use backoff::{Backoff, Timers};
pub use bootstrap::{Bootstrapping, DeviceTls};
pub use device::{DeviceSpec, Endpoints, FlowSpec, SecureSpec, Server, StoredTicket, TicketSource, all_suites};
pub use drive::{provision, provision_and_stay};
pub use fault::Fault;
pub use fleet::{Pace, run, run_and_stay};
pub use report::{DeviceReport, Percentiles, StepPercentiles, StepReport, Summary, Tally, Verdict};
pub(crate) use report::{histogram, micros, percentiles};
pub use stay::InService;
