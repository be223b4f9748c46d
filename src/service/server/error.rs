//! Why a server does not start.

use std::path::{Path, PathBuf};

use crate::provisioning::bootstrap::DocumentError;
use crate::service::bootstrap::BootstrapError;
use crate::service::dynamic::CmtsSecretError;
use crate::service::lease::SourceSetupError;
use crate::service::lookup::LookupError;
use crate::service::mib_path::MibPathError;
use crate::service::sockets::BindError;
use crate::service::templates::LibraryError;
use crate::settings::Service;
use crate::store::{MasterKeyError, StoreError};

/// Why the server does not start. Each says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{source}: stop what holds the port, or change {} in hardline.toml", port_keys(*service))]
    Bind {
        /// The service's table.
        service: Service,
        /// Which address, and what the system says.
        source: BindError,
    },
    /// The address of the counters cannot be listened on.
    #[error("{source}: stop what holds the port, or change listen of [metrics] in hardline.toml")]
    Metrics {
        /// Which address, and what the system says.
        source: BindError,
    },
    /// A file that the settings name cannot be used.
    #[error("{} ({key}): {reason}: restore the file, or name another one in hardline.toml", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The master key.
    #[error("master_key: {0}; the database opens under its own key only: restore the two together")]
    MasterKey(#[from] MasterKeyError),
    /// The database.
    #[error("database: {0}; restore it with its master.key, or make an installation with hardline init")]
    Store(#[from] StoreError),
    /// The MIB modules on the operator's search path.
    #[error(transparent)]
    Mib(#[from] MibPathError),
    /// The templates.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A lease source.
    #[error(transparent)]
    LeaseSource(#[from] SourceSetupError),
    /// A lookup of the templates.
    #[error("{0}: correct [lookup] in hardline.toml")]
    Lookup(#[from] LookupError),
    /// The secret of a CMTS.
    #[error("{0}: restore the file, or name another one in [cable_modem]")]
    CmtsSecret(#[from] CmtsSecretError),
    /// The template of the bootstrapping document.
    #[error("[bootstrap] template: {0}")]
    Document(#[from] DocumentError),
    /// Bootstrapping.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// The keys that a service's ports come from.
fn port_keys(service: Service) -> String {
    let pool = if service == Service::Tftp {
        ", its transfer_ports"
    } else {
        ""
    };
    format!("listen of [{service}]{pool} or port_offset")
}

pub(super) fn file_error<E: std::fmt::Display>(path: &Path, key: &'static str) -> impl FnOnce(E) -> StartError {
    let path = path.to_owned();
    move |reason| StartError::File {
        path,
        key,
        reason: reason.to_string(),
    }
}
