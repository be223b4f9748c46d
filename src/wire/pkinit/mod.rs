//! PKINIT: how a client proves its certificate to the KDC, and how the two agree on the key of the AS-REP.
//!
//! Devices speak its early drafts: the PA-PK-AS-REQ (padata type 14) is an AuthPack in a CMS SignedData; the PA-PK-AS-REP
//! (type 15) is a KdcDHKeyInfo in a SignedData, or a ReplyKeyPack in a SignedData in an EnvelopedData. Stock clients speak
//! RFC 4556 (types 16 and 17), which changed the shapes of all of this. Sources: fact sheet security §4.1 to §4.4; profile
//! P15 to P17, P36 to P38, P40; RFC 4556.

mod asn1;
mod build;
mod cms;
mod dh;
mod envelope;
mod error;
mod identity;
mod jacobi;
mod oid;
mod reply;
mod reply_key;
mod request;
mod rfc4556;
#[cfg(test)]
mod tests;
mod typed_data;

pub use build::{AuthContentType, RequestShape, build_request};
pub use cms::CmsDigest;
pub use dh::{DhGroup, DhKeyPair, DhPublic};
pub use error::PkinitError;
pub use identity::Identity;
pub use reply::{DH_REPLY_ETYPE, OpenedReply, ReplyExpectation, build_reply_dh, build_reply_enc_key_pack, open_reply};
pub use reply_key::{ReplyKeyForm, ReplyKeyRule, SecretPadding};
pub use request::{Claim, Dialect, PaChecksum, PkinitRequest, RequestParts, RequestPolicy, claimed_mac, open_request};
pub use rfc4556::{
    build_reply_dh_rfc4556, build_reply_enc_key_pack_rfc4556, build_request_rfc4556, open_reply_dh_rfc4556,
};
pub use typed_data::initial_verified_cas;

/// padata type of PA-PK-AS-REQ (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REQ: i32 = 14;
/// padata type of PA-PK-AS-REP (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REP: i32 = 15;
