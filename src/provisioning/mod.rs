//! Floor 3: what to do next for a device.
//!
//! Each function here takes the attempt as stored, one accepted message, the time and random octets, and says what to
//! store and what to send. None of them owns a socket, a clock or a task, so the server, the tests and the benchmarks run
//! the same code. A service stores the [`Change`](crate::store::Change) first and sends afterwards.

mod attempt;
pub mod bootstrap;
mod delivery;
mod enrollment;
mod entitlement;
mod file;
mod kdc;
mod keying;
mod names;
mod policy;
mod set;
mod status;
#[cfg(test)]
mod tests;
pub mod zones;

pub use attempt::{begin, give_up, in_progress};
pub use delivery::{
    Fetch, FetchRefused, NameRefused, answered, delivered, fetched_by_name, may_fetch, may_use, requested,
};
pub use enrollment::{EnrollDecision, Enrolling, LearnedKeys, enroll};
pub use entitlement::{Client, Doubt, Known, Owner, Rules, Search, Verdict};
pub use file::{Endpoints, FileError, FileMaker, FileRequest, MakeError, make as make_file};
pub use kdc::{
    AsRequest, DeviceFacts, Grant, Granting, Kdc, KdcRefused, KdcRequest, KeyRequest, TgsOpened, TgsRequest, admit,
    claim, claimed_device, digest, grant, grant_by_key, grant_service, group, no_service_key, open_tgs, prove,
    read_request, ticketed,
};
pub use keying::{Keying, KeyingRefused, key};
pub use names::{FileName, basic_file_name, one_time_name, own_file_name};
pub use policy::Policy;
pub use set::{SetError, SetOutcome, file_varbinds, set_answered, settle};
pub use status::{Status, StatusDecision, report};
