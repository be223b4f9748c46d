//! PKINIT in its early-draft shapes: how a device proves its certificate to the KDC, and how the two agree on the key of
//! the AS-REP.
//!
//! The PA-PK-AS-REQ (padata type 14) is an AuthPack in a CMS SignedData; the PA-PK-AS-REP (type 15) is a KdcDHKeyInfo in
//! a SignedData, or a ReplyKeyPack in a SignedData in an EnvelopedData. RFC 4556 changed all of this. Sources: fact sheet
//! security §4.1 to §4.4; profile P15 to P17, P36 to P38, P40.

mod asn1;
mod cms;
mod dh;
mod envelope;
mod error;
mod identity;
mod oid;
mod reply;
mod reply_key;
mod request;
#[cfg(test)]
mod tests;

pub use cms::CmsDigest;
pub use dh::{DhGroup, DhKeyPair, DhPublic};
pub use error::PkinitError;
pub use identity::Identity;
pub use reply::{DH_REPLY_ETYPE, OpenedReply, ReplyExpectation, build_reply_dh, build_reply_enc_key_pack, open_reply};
pub use reply_key::{ReplyKeyForm, ReplyKeyRule, SecretPadding};
pub use request::{
    AuthContentType, PaChecksum, PkinitRequest, RequestParts, RequestPolicy, RequestShape, build_request, claimed_mac,
    open_request,
};

/// padata type of PA-PK-AS-REQ (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REQ: i32 = 14;
/// padata type of PA-PK-AS-REP (fact sheet security §4.1, CERTAIN).
pub const PA_PK_AS_REP: i32 = 15;
