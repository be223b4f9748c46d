//! AS by PKINIT (eUE-9 and eUE-10; for stock clients RFC 4556), in steps that a service can put its waiting between.
//!
//! A stock client is a device's certificate in the hands of `kinit`: its MAC address names the device, and the device's name
//! the client, `mta/<fqdn>`, as in a device's own ticket. A client that calls itself otherwise is refused, unless it allows
//! the KDC to correct it (canonicalize).

use std::net::{IpAddr, SocketAddr};

use super::issue::{self, Reply, Sealing, internal};
use super::{AsRequest, Class, Grant, Kdc, KdcRefused};
use crate::model::Device;
use crate::value::{MacAddress, Random, Timestamp};
use crate::wire::cert::ChainCache;
use crate::wire::fqdn::FqdnAnswer;
use crate::wire::kerberos::{
    EncTicketPart, EncType, EncryptionKey, KeyUsage, KrbErrorCode, PA_PK_AS_REP, PA_PK_AS_REP_RFC4556, PA_PK_AS_REQ,
    PA_PK_AS_REQ_RFC4556, PaData, Principal, PrincipalName, ServiceKey, kdc_option,
};
use crate::wire::pkinit::{
    self, Claim, DhGroup, DhKeyPair, Dialect, PkinitError, PkinitRequest, RequestParts, RequestPolicy,
};

/// The encryption types that the drafts' rule makes a reply key of: 24 octets of triple DES (profile P15).
const DRAFT_DH_ETYPES: [EncType; 2] = [EncType::Des3CbcMd5, EncType::Des3CbcSha1Kd];

fn class(dialect: Dialect) -> Class {
    match dialect {
        Dialect::Draft => Class::Device,
        Dialect::Rfc4556 => Class::Service,
    }
}

/// The encryption type of the reply's secret part.
pub(super) fn reply_etype(asked: &[i32], dialect: Dialect, kdc: &Kdc) -> Option<EncType> {
    let fits = |number: &&i32| match dialect {
        Dialect::Draft => DRAFT_DH_ETYPES.iter().any(|etype| etype.number() == **number),
        Dialect::Rfc4556 => true,
    };
    let asked: Vec<i32> = asked.iter().filter(fits).copied().collect();
    kdc.etypes.first_allowed(class(dialect), &asked)
}

impl AsRequest {
    fn parts(&self) -> RequestParts<'_> {
        let padata_type = match self.dialect {
            Dialect::Draft => PA_PK_AS_REQ,
            Dialect::Rfc4556 => PA_PK_AS_REQ_RFC4556,
        };
        let padata = PaData::find(&self.request.padata, padata_type);
        RequestParts {
            pa_value: padata.map(|padata| padata.padata_value.as_ref()).unwrap_or_default(),
            body: self.request.body_der(),
            nonce: self.request.body.nonce.value(),
        }
    }

    fn refused(&self, error: &PkinitError, e_data: Option<Vec<u8>>) -> KdcRefused {
        let number = match (self.dialect, error.krb_code()) {
            // What RFC 4556 added to the numbers is a wrong authenticator or structure in the drafts.
            (Dialect::Draft, 77..) => 24,
            (_, number) => number,
        };
        KdcRefused {
            e_data,
            ..KdcRefused::new(
                KrbErrorCode::from_number(number).unwrap_or(KrbErrorCode::Generic),
                error.to_string(),
            )
        }
    }
}

fn request_policy<'a>(kdc: &'a Kdc, cache: &'a dyn ChainCache) -> RequestPolicy<'a> {
    RequestPolicy {
        anchors: &kdc.anchors,
        certificates: &kdc.certificates,
        cache,
        skew: kdc.policy.clock_skew,
        allow_oakley1: kdc.allow_oakley1,
        stock_min_bits: kdc.stock_min_bits,
        realm: &kdc.policy.realm,
        kdc_certificate: Some(kdc.identity.certificate()),
    }
}

/// Reads what the client claims, and checks what costs no public-key operation: form, time, nonce, checksum.
///
/// # Errors
/// [`KdcRefused`] with the code of the client's PKINIT.
pub fn claim(request: &AsRequest, kdc: &Kdc, cache: &dyn ChainCache, now: Timestamp) -> Result<Claim, KdcRefused> {
    Claim::read(request.dialect, &request.parts(), &request_policy(kdc, cache), now)
        .map_err(|error| request.refused(&error, error.e_data(request.dialect, &kdc.anchors)))
}

/// Judges a claim by the device's record, before it costs anything: a MAC address that this server provisions, and a
/// source that DHCP gave the device.
///
/// # Errors
/// [`KdcRefused`]: 6 for an unknown MAC address, 38 for a wrong source.
pub fn admit(mac: MacAddress, device: Option<&Device>, source: IpAddr) -> Result<(), KdcRefused> {
    let Some(device) = device else {
        let reason = "the MAC address is unknown";
        return Err(KdcRefused::new(KrbErrorCode::ClientUnknown, reason).of(mac));
    };
    match device.may_speak_from(source) {
        true => Ok(()),
        false => Err(wrong_source(source).of(mac)),
    }
}

fn wrong_source(source: IpAddr) -> KdcRefused {
    let reason = format!("{} is not an address that DHCP gave the device", source.to_canonical());
    KdcRefused::new(KrbErrorCode::BadAddress, reason)
}

/// Verifies certificates, signature and Diffie-Hellman value: public-key operations.
///
/// # Errors
/// [`KdcRefused`] with the code of the client's PKINIT.
pub fn prove(
    request: &AsRequest,
    claim: &Claim,
    kdc: &Kdc,
    cache: &dyn ChainCache,
    now: Timestamp,
) -> Result<PkinitRequest, KdcRefused> {
    claim
        .prove(&request_policy(kdc, cache), now)
        .map_err(|error| request.refused(&error, claim.e_data(&error, &kdc.anchors)))
}

/// What the provisioning server said of a device.
pub type DeviceFacts = FqdnAnswer;

/// What [`grant`] needs beside the request.
pub struct Granting<'a> {
    /// The keys of the service that the ticket is for.
    pub service_keys: &'a [ServiceKey],
    /// The KDC's Diffie-Hellman pair, in the group of the request's value; `None` for a request without one.
    pub pair: Option<&'a DhKeyPair>,
    /// Where the request came from.
    pub source: SocketAddr,
    /// When it came.
    pub asked: Timestamp,
}

/// Makes the AS-REP: checks the source address against what DHCP gave the device (seed 003 §6.1.7), and gives it a
/// ticket.
///
/// # Errors
/// [`KdcRefused`]: 7 for a service without a key, 14 where no etype fits it, 38 for a wrong address, 75 for another
/// client's name, 60 where a cryptographic operation fails.
pub fn grant(
    request: &AsRequest,
    pkinit: &PkinitRequest,
    facts: &DeviceFacts,
    granting: &Granting<'_>,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Grant, KdcRefused> {
    let mac = pkinit.identity.mac;
    let source = granting.source.ip().to_canonical();
    if !facts.addresses.is_empty() && !facts.addresses.iter().any(|address| address.to_canonical() == source) {
        return Err(wrong_source(source).of(mac));
    }
    let client = PrincipalName::mta(&facts.fqdn).at(&kdc.policy.realm);
    check_client(request, &client).map_err(|refused| refused.of(mac))?;
    let reply = ticket(request, pkinit, &client, granting, kdc, now, random).map_err(|refused| refused.of(mac))?;
    Ok(Grant {
        reply,
        client,
        service: request.service.clone(),
        digest: request.digest,
        source: granting.source,
        asked: granting.asked,
    })
}

/// A stock client must call itself what its certificate makes it; a device's name is not looked at (profile P18).
fn check_client(request: &AsRequest, client: &Principal) -> Result<(), KdcRefused> {
    let body = &request.request.body;
    match &body.cname {
        Some(name)
            if request.dialect == Dialect::Rfc4556
                && *name != client.name
                && !body.kdc_options.has(kdc_option::CANONICALIZE) =>
        {
            let reason = format!("the client calls itself {name}, its certificate is {client}'s");
            Err(KdcRefused::new(KrbErrorCode::ClientNameMismatch, reason))
        }
        _ => Ok(()),
    }
}

fn ticket(
    request: &AsRequest,
    pkinit: &PkinitRequest,
    client: &Principal,
    granting: &Granting<'_>,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KdcRefused> {
    let (body, service, class) = (&request.request.body, &request.service, class(request.dialect));
    let end = issue::end_of(body, class, kdc, now)?;
    let service_key = kdc.etypes.ticket_key(class, granting.service_keys);
    let service_key = service_key.ok_or_else(|| issue::no_service_key(service))?;
    let session = kdc.etypes.session(class, &body.etype, service, granting.service_keys);
    let session = session.ok_or_else(|| issue::no_etype(&body.etype, service))?;
    let etype = reply_etype(&body.etype, request.dialect, kdc).ok_or_else(|| issue::no_etype(&body.etype, service))?;
    let authtime = Timestamp::from_unix(now.unix());
    let mut part = EncTicketPart::initial(client.clone(), session.generate(random), authtime, end);
    if request.dialect == Dialect::Rfc4556 {
        part.caddr = body.addresses.clone();
        part.authorization_data = Some(vec![pkinit::initial_verified_cas(pkinit).map_err(internal)?]);
    }
    let (padata, key) = reply_key(request, pkinit, granting.pair, etype, kdc, random).map_err(|error| {
        let e_data = error.e_data(request.dialect, &kdc.anchors);
        request.refused(&error, e_data)
    })?;
    Reply {
        request: &request.request,
        padata: vec![padata],
        part: &part,
        service,
        service_key,
        sealing: Sealing {
            key: &key,
            kvno: None,
            usage: KeyUsage::AS_REP,
            pad: kdc.pad,
        },
    }
    .build(kdc, random)
}

/// The padata that carries the reply key, and the key.
fn reply_key(
    request: &AsRequest,
    pkinit: &PkinitRequest,
    pair: Option<&DhKeyPair>,
    etype: EncType,
    kdc: &Kdc,
    random: &mut dyn Random,
) -> Result<(PaData, EncryptionKey), PkinitError> {
    let identity = &kdc.identity;
    let (value, key) = match (request.dialect, pair) {
        (Dialect::Draft, Some(pair)) => {
            let (value, key) = pkinit::build_reply_dh(identity, pkinit, pair, kdc.reply_key)?;
            let etype = etype.number();
            (value, EncryptionKey { etype, value: key })
        }
        (Dialect::Draft, None) => {
            let key = etype.generate(random);
            let value = pkinit::build_reply_enc_key_pack(identity, pkinit, key.etype, &key.value, random)?;
            (value, key)
        }
        (Dialect::Rfc4556, Some(pair)) => pkinit::build_reply_dh_rfc4556(identity, pkinit, pair, etype)?,
        (Dialect::Rfc4556, None) => {
            let (as_req, key) = (request.request.encode(), etype.generate(random));
            let value = pkinit::build_reply_enc_key_pack_rfc4556(identity, pkinit, &as_req, &key, random)?;
            (value, key)
        }
    };
    let padata_type = match request.dialect {
        Dialect::Draft => PA_PK_AS_REP,
        Dialect::Rfc4556 => PA_PK_AS_REP_RFC4556,
    };
    Ok((PaData::new(padata_type, value), key))
}

/// The group that the KDC's pair has to be in, or `None` where the request has no Diffie-Hellman value.
pub fn group(request: &PkinitRequest) -> Option<DhGroup> {
    request.client_public.as_ref().map(pkinit::DhPublic::group)
}
