//! AS by a long-term key (RFC 4120 §3.1): a client that is in the store of keys proves itself by the time under its key.

use std::net::IpAddr;

use super::issue::{self, Reply, Sealing};
use super::{Class, Kdc, KdcRefused, KeyRequest};
use crate::value::{Random, Timestamp};
use crate::wire::kerberos::{
    EncTicketPart, EtypeInfo2Entry, KeyUsage, KrbErrorCode, PA_ENC_TIMESTAMP, PA_PK_AS_REQ_RFC4556, PaData, PaEncTsEnc,
    ServiceKey,
};

/// The keys that `client_keys` prove the client by: of the newest version, of a type that is allowed and that the client
/// asks for, in the client's order.
fn usable<'a>(request: &KeyRequest, client_keys: &'a [ServiceKey], kdc: &Kdc) -> Vec<&'a ServiceKey> {
    let newest = client_keys.iter().map(|key| key.kvno).max();
    let allowed = kdc.etypes.allowed(Class::Service);
    let of = |number: &i32| {
        client_keys.iter().find(|key| {
            Some(key.kvno) == newest
                && key.key.etype == *number
                && key.key.enc_type().is_ok_and(|etype| allowed.contains(&etype))
        })
    };
    request.request.body.etype.iter().filter_map(of).collect()
}

/// What the client is told about how to prove itself (METHOD-DATA, RFC 4120 §5.9.1).
fn methods(keys: &[&ServiceKey]) -> Vec<u8> {
    let etypes: Vec<i32> = keys.iter().map(|key| key.key.etype).collect();
    PaData::encode_list(&[
        EtypeInfo2Entry::padata(&etypes),
        PaData::new(PA_ENC_TIMESTAMP, Vec::new()),
    ])
}

/// Makes the AS-REP for a client that has `client_keys`, or says how it has to prove itself.
///
/// # Errors
/// [`KdcRefused`]: 6 for an unknown client, 14 where no etype fits, 25 where the proof is missing, 24 where it is
/// another key's, 37 where its time is off, 7 for a service without a key, 10 and 11 for wrong times.
pub fn grant_by_key(
    request: &KeyRequest,
    client_keys: &[ServiceKey],
    service_keys: &[ServiceKey],
    source: IpAddr,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KdcRefused> {
    let body = &request.request.body;
    if client_keys.is_empty() || request.client.kind() == "krbtgt" {
        return Err(unknown(request));
    }
    let usable = usable(request, client_keys, kdc);
    if usable.is_empty() {
        return Err(issue::no_etype(&body.etype, &request.client));
    }
    let key = proven(request, &usable, kdc, now)?;
    if body
        .addresses
        .as_ref()
        .is_some_and(|addresses| !addresses.is_empty() && !addresses.contains(&source.into()))
    {
        let reason = format!("{source} is none of the addresses that the client asks a ticket for");
        return Err(KdcRefused::new(KrbErrorCode::BadAddress, reason));
    }
    let end = issue::end_of(body, Class::Service, kdc, now)?;
    let service = &request.service;
    let service_key = kdc.etypes.ticket_key(Class::Service, service_keys);
    let service_key = service_key.ok_or_else(|| issue::no_service_key(service))?;
    let session = kdc.etypes.session(Class::Service, &body.etype, service, service_keys);
    let session = session.ok_or_else(|| issue::no_etype(&body.etype, service))?;
    let client = request.client.clone().at(&kdc.policy.realm);
    let authtime = Timestamp::from_unix(now.unix());
    let mut part = EncTicketPart::initial(client, session.generate(random), authtime, end);
    part.caddr = body.addresses.clone();
    Reply {
        request: &request.request,
        padata: vec![EtypeInfo2Entry::padata(&[key.key.key.etype])],
        part: &part,
        service,
        service_key,
        sealing: Sealing {
            key: &key.key.key,
            kvno: Some(key.key.kvno),
            usage: KeyUsage::AS_REP,
            pad: key.pad,
        },
    }
    .build(kdc, random)
}

/// A client without a key: a device is asked for its certificate, nobody else is known.
fn unknown(request: &KeyRequest) -> KdcRefused {
    if request.client.kind() == "mta" && request.proof.is_none() {
        let methods = PaData::encode_list(&[PaData::new(PA_PK_AS_REQ_RFC4556, Vec::new())]);
        let reason = "a device has to prove its certificate (PA-PK-AS-REQ, type 16)";
        return KdcRefused::new(KrbErrorCode::PreauthRequired, reason).with_data(methods);
    }
    let reason = format!(
        "no key is known for the client {}: add one with hardline keytab add or import",
        request.client
    );
    KdcRefused::new(KrbErrorCode::ClientUnknown, reason)
}

/// The key that the client proved, and the pad form that it uses (profile P14).
struct Proven<'a> {
    key: &'a ServiceKey,
    pad: crate::wire::kerberos::PadForm,
}

/// Opens the proof under the key whose type it names.
fn proven<'a>(
    request: &KeyRequest,
    usable: &[&'a ServiceKey],
    kdc: &Kdc,
    now: Timestamp,
) -> Result<Proven<'a>, KdcRefused> {
    let Some(proof) = &request.proof else {
        let reason = format!("{} has to prove its key (PA-ENC-TIMESTAMP)", request.client);
        return Err(KdcRefused::new(KrbErrorCode::PreauthRequired, reason).with_data(methods(usable)));
    };
    let failed = |reason: String| KdcRefused::new(KrbErrorCode::PreauthFailed, reason).with_data(methods(usable));
    let key = usable.iter().find(|key| key.key.etype == proof.etype).copied();
    let key = key.ok_or_else(|| failed(format!("PA-ENC-TIMESTAMP of etype {}", proof.etype)))?;
    let (time, pad) = PaEncTsEnc::open(proof, &key.key)
        .map_err(|error| failed(format!("{} knows another password or key: {error}", request.client)))?;
    if time.time().distance(now) > kdc.policy.clock_skew {
        let reason = format!("the client's time {} is off by more than the allowed skew", time.time());
        return Err(KdcRefused::new(KrbErrorCode::Skew, reason));
    }
    Ok(Proven {
        key,
        pad: pad.unwrap_or(kdc.pad),
    })
}
