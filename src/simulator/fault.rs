//! What a simulated device finds wrong with its server.

use crate::value::Fqdn;
use crate::wire::kerberos::{KerberosError, KrbError};
use crate::wire::{cert, keymgmt, pkinit, snmp, tftp, tlv};

use super::agent::SetRefusal;
use super::file::FileFault;
use super::http::HttpError;

/// Why a step failed. The texts name no device and no time, so that a report can count them.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server did not answer.
    #[error("no answer to {0} transmissions")]
    NoAnswer(u32),
    /// The provisioning timer ran out (pktcMtaDevProvisioningTimer).
    #[error("the provisioning timer ran out")]
    Timer,
    /// The device's own socket failed.
    #[error("socket: {0}")]
    Io(#[from] std::io::Error),
    /// The server has no address of the device's family.
    #[error("the server is not reachable over the device's address family")]
    Family,
    /// The server refused with a KRB-ERROR.
    #[error("KRB-ERROR {code}: {text}")]
    Refused {
        /// The error code.
        code: i32,
        /// e-text, cut to 80 characters.
        text: String,
    },
    /// A Kerberos message is wrong.
    #[error(transparent)]
    Kerberos(#[from] KerberosError),
    /// The PKINIT reply is wrong.
    #[error(transparent)]
    Pkinit(#[from] pkinit::PkinitError),
    /// The KDC's certificates are wrong.
    #[error(transparent)]
    Certificate(#[from] cert::CertError),
    /// A key-management message cannot be read.
    #[error("key management: {0}")]
    KeyManagement(#[from] keymgmt::DecodeError),
    /// The device's own AP Request cannot be made.
    #[error("AP Request: {0}")]
    ApRequest(#[from] keymgmt::EncodeError),
    /// A key has the wrong size.
    #[error(transparent)]
    Key(#[from] snmp::KeyError),
    /// Something in an answer is not what was asked for or agreed.
    #[error("{0} is not what it should be")]
    Mismatch(&'static str),
    /// An SNMP message is wrong.
    #[error("SNMP: {0}")]
    Snmp(#[from] snmp::SnmpDropReason),
    /// The server answered an INFORM with a report.
    #[error("the INFORM was answered with the report {0}")]
    Reported(&'static str),
    /// The Response to an INFORM has an error-status.
    #[error("the INFORM's Response has an error-status")]
    InformRefused,
    /// The Response to an INFORM does not repeat its bindings.
    #[error("the INFORM's Response has other bindings than the INFORM (RFC 3416 4.2.7)")]
    OtherBindings,
    /// Bootstrapping failed: TLS, or what came over it.
    #[error("bootstrapping: {0}")]
    Bootstrap(String),
    /// The SET was refused.
    #[error(transparent)]
    Set(#[from] SetRefusal),
    /// A name in the URL has no address of the device's family.
    #[error("{0} has no address of the device's family")]
    Unresolved(Fqdn),
    /// The DNS server refused, or knows no such name.
    #[error("DNS: {0}")]
    Dns(&'static str),
    /// The DNS server has no record of the kind that is needed.
    #[error("DNS: no {0} record")]
    NoRecord(&'static str),
    /// The TFTP transfer failed.
    #[error("TFTP: {0}")]
    Tftp(#[from] tftp::DownloadError),
    /// The HTTP transfer failed.
    #[error("HTTP: {0}")]
    Http(#[from] HttpError),
    /// The file is not what it should be.
    #[error(transparent)]
    File(#[from] FileFault),
}

impl Fault {
    /// The server's KRB-ERROR as a fault.
    pub fn refused(error: &KrbError) -> Self {
        let text = error.e_text.as_ref().map_or("", |text| text.0.as_str());
        let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
        Self::Refused {
            code: error.error_code,
            text,
        }
    }

    /// Whether the file itself is at fault, which a device reports and does not start over for (seed 003 eUE-23).
    pub fn is_file_error(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl From<tlv::DecodeError> for Fault {
    fn from(error: tlv::DecodeError) -> Self {
        Self::File(error.into())
    }
}
