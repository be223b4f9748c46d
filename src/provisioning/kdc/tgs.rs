//! TGS (eUE-11 and eUE-12; RFC 4120 §3.3): a ticket-granting ticket against a service ticket.

use std::net::IpAddr;

use super::issue::{self, Reply, Sealing};
use super::{Kdc, KdcRefused, TgsRequest};
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{
    ApReqExpectation, ApReqOpened, AuthorizationData, CryptoError, EncTicketPart, KerberosFlags, KeyUsage,
    KrbErrorCode, Principal, PrincipalName, ServiceKey, flag, open_ap_req,
};

/// A TGS-REQ whose ticket and Authenticator are believed. The caller still has to refuse a replay.
pub struct TgsOpened {
    opened: ApReqOpened,
    service: PrincipalName,
}

impl TgsOpened {
    /// Who asks.
    pub fn client(&self) -> &Principal {
        &self.opened.client
    }

    /// Equal for two requests exactly when they carry the same Authenticator.
    pub fn replay_hash(&self) -> [u8; 32] {
        self.opened.replay_hash
    }

    /// The refusal of this client, sealed under the session key that it shares with the KDC.
    pub fn refuse(&self, refused: KdcRefused) -> KdcRefused {
        KdcRefused {
            client: Some(Box::new(self.opened.client.clone())),
            service: Some(Box::new(self.service.clone())),
            key: Some(Box::new(self.opened.session_key().clone())),
            ..refused
        }
    }

    /// The refusal of a second request with the same Authenticator.
    pub fn replayed(&self) -> KdcRefused {
        let reason = "the Authenticator was used in another TGS-REQ";
        self.refuse(KdcRefused::new(KrbErrorCode::Repeat, reason))
    }
}

/// Opens a TGS-REQ with the ticket-granting service's keys, of every version that tickets may still carry: ticket,
/// Authenticator, and its checksum over the body.
///
/// # Errors
/// [`KdcRefused`] with the code of RFC 4120 §3.2.3 for the ticket; 50 where the checksum is missing, 15 where its type is
/// not supported, 41 where it is of another body.
pub fn open_tgs(
    request: &TgsRequest,
    tgt_keys: &[ServiceKey],
    source: IpAddr,
    kdc: &Kdc,
    now: Timestamp,
) -> Result<TgsOpened, KdcRefused> {
    let expected = ApReqExpectation {
        service: &PrincipalName::krbtgt(&kdc.policy.realm).at(&kdc.policy.realm),
        keys: tgt_keys,
        now,
        skew: kdc.policy.clock_skew,
        peer: Some(source),
        usage: KeyUsage::TGS_REQ_AUTHENTICATOR,
    };
    let opened = open_ap_req(&request.ap_req, &expected)
        .map_err(|error| KdcRefused::new(error.code(), format!("PA-TGS-REQ: {error}")))?;
    let opened = TgsOpened {
        opened,
        service: request.service.clone(),
    };
    check_body(request, &opened.opened).map_err(|refused| opened.refuse(refused))?;
    Ok(opened)
}

/// The Authenticator's checksum over the body: unkeyed ones are taken too, since they stand under the session key
/// (profile P33).
fn check_body(request: &TgsRequest, opened: &ApReqOpened) -> Result<(), KdcRefused> {
    let Some(checksum) = &opened.authenticator.cksum else {
        let reason = "the Authenticator has no checksum over the body";
        return Err(KdcRefused::new(KrbErrorCode::InappropriateChecksum, reason));
    };
    let (key, body) = (opened.session_key(), request.request.body_der());
    checksum
        .verify(Some(key), KeyUsage::TGS_REQ_CHECKSUM, body)
        .map_err(|error| match error {
            CryptoError::ChecksumType(kind) => KdcRefused::new(
                KrbErrorCode::ChecksumUnsupported,
                format!("the Authenticator's checksum has type {kind}, which does not go with the session key"),
            ),
            _ => KdcRefused::new(
                KrbErrorCode::Modified,
                "the Authenticator's checksum is of another body",
            ),
        })
}

/// Makes the TGS-REP: a ticket for the service that the client asks for, which ends with the ticket-granting ticket.
///
/// # Errors
/// [`KdcRefused`]: 7 for a service without a key, 14 where no etype fits it, 32 where the ticket-granting ticket ends now,
/// 10 and 11 for wrong times, 31 for authorization data that does not open.
pub fn grant_service(
    request: &TgsRequest,
    opened: &TgsOpened,
    service_keys: &[ServiceKey],
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KdcRefused> {
    service_ticket(request, &opened.opened, service_keys, kdc, now, random).map_err(|refused| opened.refuse(refused))
}

fn service_ticket(
    request: &TgsRequest,
    opened: &ApReqOpened,
    service_keys: &[ServiceKey],
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KdcRefused> {
    let (body, service, tgt) = (&request.request.body, &request.service, &opened.ticket);
    // The clock skew helps a service's clock, and not a ticket that is over by the KDC's own.
    if tgt.endtime <= now {
        let reason = "the ticket-granting ticket is over";
        return Err(KdcRefused::new(KrbErrorCode::TicketExpired, reason));
    }
    let class = kdc.etypes.class_of(tgt.key.etype);
    let end = issue::end_of(body, class, kdc, now)?.min(tgt.endtime);
    let service_key = kdc.etypes.ticket_key(class, service_keys);
    let service_key = service_key.ok_or_else(|| issue::no_service_key(service))?;
    let session = kdc.etypes.session(class, &body.etype, service, service_keys);
    let session = session.ok_or_else(|| issue::no_etype(&body.etype, service))?;
    let flags: &[u32] = match tgt.flags.has(flag::PRE_AUTHENT) {
        true => &[flag::PRE_AUTHENT],
        false => &[],
    };
    let part = EncTicketPart {
        flags: KerberosFlags::of(flags),
        key: session.generate(random),
        starttime: Some(Timestamp::from_unix(now.unix())),
        endtime: end,
        authorization_data: authorization_data(request, opened)?,
        ..tgt.clone()
    };
    let (key, usage) = match &opened.authenticator.subkey {
        Some(subkey) => (subkey, KeyUsage::TGS_REP_SUBKEY),
        None => (&tgt.key, KeyUsage::TGS_REP_SESSION),
    };
    Reply {
        request: &request.request,
        padata: Vec::new(),
        part: &part,
        service,
        service_key,
        sealing: Sealing {
            key,
            kvno: None,
            usage,
            pad: opened.pad.unwrap_or(kdc.pad),
        },
    }
    .build(kdc, random)
}

/// The restrictions of the ticket-granting ticket, and those that the client adds (RFC 4120 §3.3.3).
fn authorization_data(
    request: &TgsRequest,
    opened: &ApReqOpened,
) -> Result<Option<Vec<AuthorizationData>>, KdcRefused> {
    let inherited = opened.ticket.authorization_data.clone();
    let Some(sealed) = &request.request.body.enc_authorization_data else {
        return Ok(inherited);
    };
    let (key, usage) = match &opened.authenticator.subkey {
        Some(subkey) => (subkey, KeyUsage::TGS_REQ_AUTH_DATA_SUBKEY),
        None => (opened.session_key(), KeyUsage::TGS_REQ_AUTH_DATA_SESSION),
    };
    let added = AuthorizationData::open_list(sealed, key, usage)
        .map_err(|error| KdcRefused::new(KrbErrorCode::BadIntegrity, error.to_string()))?;
    let mut all = inherited.unwrap_or_default();
    all.extend(added);
    Ok(Some(all))
}
