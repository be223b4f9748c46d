//! The MTA-FQDN exchange between KDC and provisioning server (seed 003 §6.1.7; fact sheet security §3; profile P19): the
//! KDC asks which name and addresses belong to a MAC address, under a Kerberos ticket.

mod data;
mod exchange;

pub use data::{
    FqdnAnswer, FqdnData, FqdnDataError, FqdnErrorCode, FqdnRequest, ReplyForm, VERSION_1, VERSION_2, public_key_hash,
};
pub use exchange::{
    FqdnExchangeError, FqdnOutcome, FqdnQuery, FqdnRequestOpened, FqdnSent, build_error, build_refusal, build_reply,
    build_request, open_reply, open_request,
};
