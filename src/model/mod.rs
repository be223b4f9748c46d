//! Floor 2: devices, attempts, steps and their outcomes.

mod attempt;
mod config_url;
mod credentials;
mod device;
mod lease;
mod name_pattern;
mod order;
mod step;

pub use attempt::{Attempt, AttemptId, AttemptResult, Enrollment, KeyAsked, Phase, ServedFile, SnmpSession};
pub use config_url::{ConfigUrl, ConfigUrlError, UrlHost, percent_decoded};
pub use credentials::{
    CredentialRow, Credentials, CredentialsType, IdType, Impi, Impu, MAX_CREDENTIALS, MAX_ID, MAX_INDEX, is_plain,
};
pub use device::{Delivery, Device, Family, Flow};
pub use lease::Lease;
pub use name_pattern::{NamePattern, NamePatternError};
pub use order::{NewOrder, Order, OrderId, OrderKind, OrderOutcome};
pub use step::{Outcome, Step, StepId};
