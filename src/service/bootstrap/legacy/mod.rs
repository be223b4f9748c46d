//! The listener for yesterday's devices: TLS_RSA_WITH_AES_128_CBC_SHA and TLS_RSA_WITH_3DES_EDE_CBC_SHA from TLS 1.0 up.
//!
//! They end in a worker: a process of its own that the [`Keeper`] starts from the same program, passes the listening
//! sockets and its orders to, and starts again where it ends. The worker has no database, no master key and no file of the
//! installation; what it is told comes over the one socket it has to this process.

mod channel;
mod keeper;
mod orders;
mod privileges;
mod tls;
mod worker;

pub use keeper::Keeper;
pub use orders::Orders;
pub use privileges::unprivileged;
pub use worker::{WORKER, run as run_worker};
