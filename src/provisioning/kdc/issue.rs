//! Making a ticket and the reply that carries it.

use super::{Class, Kdc, KdcRefused};
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{
    EncKdcRepPart, EncTicketPart, EncryptionKey, KdcRep, KdcReq, KdcReqBody, KeyUsage, KrbErrorCode, PaData, PadForm,
    PrincipalName, ReplyKey, ServiceKey, Ticket,
};

/// When a ticket ends, at `now`: `till` where it is asked for, at the latest after the realm's lifetime. Zero and absence
/// ask for the longest life (RFC 4120 §5.4.1; fact sheet security §4.2). A device with a wrong clock gets it too.
///
/// # Errors
/// 10 for a start that is beyond the clock skew, 11 for an end that is not after now.
pub(super) fn end_of(body: &KdcReqBody, class: Class, kdc: &Kdc, now: Timestamp) -> Result<Timestamp, KdcRefused> {
    if body.from.is_some_and(|from| from > now.plus(kdc.policy.clock_skew)) {
        let reason = "the ticket shall start later, which this KDC does not issue";
        return Err(KdcRefused::new(KrbErrorCode::CannotPostdate, reason));
    }
    let longest = now.plus(kdc.ticket_lifetime);
    match body.till {
        Some(till) if till > now => Ok(till.min(longest)),
        Some(till) if class == Class::Service && till.unix() != 0 => Err(KdcRefused::new(
            KrbErrorCode::NeverValid,
            format!("the ticket shall end at {till}, which is over"),
        )),
        _ => Ok(longest),
    }
}

/// A code that something of our own making does not fit: nothing the peer did.
pub(super) fn internal(error: impl ToString) -> KdcRefused {
    KdcRefused::new(KrbErrorCode::Generic, error.to_string())
}

/// Refuses a request none of whose encryption types fits client and service.
pub(super) fn no_etype(asked: &[i32], service: &PrincipalName) -> KdcRefused {
    let reason = format!("the client's etypes {asked:?} and those allowed with {service} have none in common");
    KdcRefused::new(KrbErrorCode::EncTypeUnsupported, reason)
}

/// Refuses a request for a service that this KDC has no key of.
pub fn no_service_key(service: &PrincipalName) -> KdcRefused {
    let reason = format!("no key is known for {service}: import one, or correct the device's DHCP option 122.3");
    KdcRefused::new(KrbErrorCode::ServiceUnknown, reason)
}

/// What a reply is made of.
pub(super) struct Reply<'a> {
    /// The request that it answers.
    pub request: &'a KdcReq,
    /// Its pre-authentication data.
    pub padata: Vec<PaData>,
    /// What the ticket holds.
    pub part: &'a EncTicketPart,
    /// Whom the ticket is for.
    pub service: &'a PrincipalName,
    /// The key that the ticket is sealed under.
    pub service_key: &'a ServiceKey,
    /// What the secret part of the reply is sealed with.
    pub sealing: Sealing<'a>,
}

/// What the secret part of a reply is sealed with.
#[derive(Clone, Copy)]
pub(super) struct Sealing<'a> {
    /// The key.
    pub key: &'a EncryptionKey,
    /// Its version, where it is a long-term key.
    pub kvno: Option<u32>,
    /// What it is used as.
    pub usage: KeyUsage,
    /// The pad form of an etype 5 key.
    pub pad: PadForm,
}

impl Reply<'_> {
    /// Seals the ticket, and builds the AS-REP or TGS-REP around it.
    ///
    /// # Errors
    /// 60 where a key does not fit its type.
    pub(super) fn build(self, kdc: &Kdc, random: &mut dyn Random) -> Result<Vec<u8>, KdcRefused> {
        let (realm, part, sealing) = (&kdc.policy.realm, self.part, self.sealing);
        let service = self.service.clone().at(realm);
        let ticket = Ticket::seal(&service, part, self.service_key, kdc.pad, random).map_err(internal)?;
        let nonce = self.request.body.nonce;
        let enc_part = EncKdcRepPart::for_ticket(part, service.name, service.realm, nonce);
        let key = ReplyKey {
            key: sealing.key,
            usage: sealing.usage,
            pad: sealing.pad,
        };
        let names = (part.cname.clone(), part.crealm.clone());
        let exchange = self.request.exchange;
        let mut reply =
            KdcRep::build(exchange, self.padata, names, ticket, &enc_part, key, random).map_err(internal)?;
        reply.enc_part.kvno = sealing.kvno.map(Into::into);
        Ok(reply.encode())
    }
}
