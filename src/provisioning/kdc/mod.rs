//! The KDC's decisions: eUE-9 to eUE-12, and the same exchanges for stock Kerberos clients.
//!
//! [`read_request`] says which of three exchanges a message belongs to, and checks what costs nothing:
//!
//! - PKINIT ([`AsRequest`]): [`claim`], then [`prove`], which costs public-key operations, then [`grant`];
//! - AS with a long-term key ([`KeyRequest`]): [`grant_by_key`];
//! - TGS ([`TgsRequest`]): [`open_tgs`], then [`grant_service`].

mod attempt;
mod etypes;
mod issue;
mod key;
mod pkinit;
mod refused;
mod request;
mod tgs;

use std::time::Duration;

pub use attempt::{Grant, ticketed};
pub use etypes::Class;
pub use issue::no_service_key;
pub use key::grant_by_key;
pub use pkinit::{DeviceFacts, Granting, admit, claim, grant, group, prove};
pub use refused::KdcRefused;
pub use request::{AsRequest, KdcRequest, KeyRequest, TgsRequest, claimed_device, digest, read_request};
pub use tgs::{TgsOpened, grant_service, open_tgs};

use super::Policy;
use crate::settings::EtypePolicy;
use crate::wire::cert::{CertPolicy, TrustAnchors};
use crate::wire::kerberos::PadForm;
use crate::wire::pkinit::{Identity, ReplyKeyRule};

/// What the KDC is, and how it judges clients.
pub struct Kdc {
    /// Its certificate chain and key.
    pub identity: Identity,
    /// The device roots.
    pub anchors: TrustAnchors,
    /// Dates and revocation of certificates.
    pub certificates: CertPolicy,
    /// Accept Oakley group 1 (profile P16).
    pub allow_oakley1: bool,
    /// The shortest Diffie-Hellman prime that a client of RFC 4556 may use, bits.
    pub stock_min_bits: usize,
    /// Answer a request that speaks both PKINITs by RFC 4556's (profile P40).
    pub prefer_rfc4556: bool,
    /// The rule for the reply key (profile P15).
    pub reply_key: ReplyKeyRule,
    /// The pad form of etype 5 (profile P14).
    pub pad: PadForm,
    /// Which encryption types whom.
    pub etypes: EtypePolicy,
    /// The longest life of a ticket.
    pub ticket_lifetime: Duration,
    /// The operator's choices.
    pub policy: Policy,
}
