//! eUE-9 and eUE-10: the AS exchange, in steps that a service can put its waiting between.
//!
//! [`check`] costs nothing, [`authenticate`] costs public-key operations; then the service asks the provisioning server
//! for the device's name and addresses, and [`grant`] makes the reply.

use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Policy;
use super::attempt::begin;
use crate::model::{Attempt, Device, Flow, Phase, Step, StepId};
use crate::store::{Change, Seen};
use crate::value::{Fqdn, MacAddress, Random, Secret, Timestamp};
use crate::wire::cert::{CertPolicy, ChainCache, TrustAnchors};
use crate::wire::fqdn::FqdnAnswer;
use crate::wire::kerberos::{
    EncKdcRepPart, EncTicketPart, EncType, EncryptionKey, Exchange, KdcRep, KdcReq, KeyUsage, KrbError, KrbErrorCode,
    PA_PK_AS_REP, PA_PK_AS_REQ, PA_PROV_SRV_LOCATION, PaData, PadForm, Principal, PrincipalName, ReplyKey, ServiceKey,
    Ticket,
};
use crate::wire::pkinit::{
    self, DH_REPLY_ETYPE, DhGroup, DhKeyPair, Identity, PkinitRequest, ReplyKeyRule, RequestParts, RequestPolicy,
};

/// What the KDC is, and how it judges devices.
pub struct Kdc {
    /// Its certificate chain and key.
    pub identity: Identity,
    /// The device roots.
    pub anchors: TrustAnchors,
    /// Dates and revocation of certificates.
    pub certificates: CertPolicy,
    /// Accept Oakley group 1 (profile P16).
    pub allow_oakley1: bool,
    /// The rule for the reply key (profile P15).
    pub reply_key: ReplyKeyRule,
    /// The pad form of etype 5 (profile P14).
    pub pad: PadForm,
    /// The longest life of a ticket.
    pub ticket_lifetime: Duration,
    /// The operator's choices.
    pub policy: Policy,
}

/// Why a request is refused: for the device, and for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsRefused {
    /// What the device is told.
    pub code: KrbErrorCode,
    /// What the operator is told.
    pub reason: String,
    /// Whose certificate it was, where that is verified.
    pub mac: Option<MacAddress>,
    /// Typed data for the device (e-data of KRB-ERROR).
    pub e_data: Option<Vec<u8>>,
}

impl AsRefused {
    /// A refusal with its reason.
    pub fn new(code: KrbErrorCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            mac: None,
            e_data: None,
        }
    }

    /// The same, of the device with this MAC address.
    pub fn of(self, mac: MacAddress) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// The KRB-ERROR for the device.
    pub fn message(&self, kdc: &Kdc, now: Timestamp) -> Vec<u8> {
        let service = PrincipalName::krbtgt(&kdc.policy.realm).at(&kdc.policy.realm);
        let error = KrbError::new(self.code, &service, now);
        match &self.e_data {
            Some(data) => error.with_data(data.clone()).encode(),
            None => error.encode(),
        }
    }
}

/// A request that is well formed and asks for what this KDC gives. Nothing of it is believed yet.
pub struct AsRequest {
    request: KdcReq,
    /// The service that the ticket is for.
    pub service: PrincipalName,
    /// Where the provisioning server is (PA-PROV-SRV-LOCATION).
    pub prov_server: Fqdn,
    /// SHA-256 over the datagram, by which its repetition is known.
    pub digest: [u8; 32],
}

/// SHA-256 over a datagram, by which its repetition is known (profile P30).
pub fn digest(datagram: &[u8]) -> [u8; 32] {
    Sha256::digest(datagram).into()
}

/// Reads an AS-REQ and checks what costs nothing.
///
/// # Errors
/// [`AsRefused`] with codes 68 (realm), 14 (etype), 16 and 25 (padata), or 40 for what is no AS-REQ.
pub fn check(datagram: &[u8], kdc: &Kdc) -> Result<AsRequest, AsRefused> {
    let request =
        KdcReq::parse(datagram).map_err(|error| AsRefused::new(KrbErrorCode::MessageType, error.to_string()))?;
    if request.exchange != Exchange::As {
        return Err(AsRefused::new(
            KrbErrorCode::MessageType,
            "a TGS-REQ: this KDC grants service tickets in the AS exchange only",
        ));
    }
    let body = &request.body;
    let realm = &kdc.policy.realm;
    if body.realm != *realm {
        return Err(AsRefused::new(
            KrbErrorCode::WrongRealm,
            format!("the realm asked for is {}", body.realm),
        ));
    }
    let prov_server = PaData::find(&request.padata, PA_PROV_SRV_LOCATION)
        .map(PaData::read_prov_srv_location)
        .transpose()
        .map_err(|error| {
            AsRefused::new(
                KrbErrorCode::PadataUnsupported,
                format!("PA-PROV-SRV-LOCATION: {error}"),
            )
        })?
        .ok_or_else(|| AsRefused::new(KrbErrorCode::PreauthRequired, "there is no PA-PROV-SRV-LOCATION"))?;
    let service = body
        .sname
        .clone()
        .unwrap_or_else(|| PrincipalName::mtaprovsrvr(&prov_server));
    if !body.etype.contains(&DH_REPLY_ETYPE) {
        let reason = format!("the etypes {:?} have no des3-cbc-md5 (5) among them", body.etype);
        return Err(AsRefused::new(KrbErrorCode::EncTypeUnsupported, reason));
    }
    if PaData::find(&request.padata, PA_PK_AS_REQ).is_none() {
        return Err(AsRefused::new(
            KrbErrorCode::PreauthRequired,
            "there is no PA-PK-AS-REQ (type 14)",
        ));
    }
    Ok(AsRequest {
        request,
        service,
        prov_server,
        digest: digest(datagram),
    })
}

/// The device that a request names in its certificate, for the record of its refusal. Nothing of it is verified.
pub fn claimed_device(datagram: &[u8]) -> Option<MacAddress> {
    let request = KdcReq::parse(datagram).ok()?;
    pkinit::claimed_mac(&PaData::find(&request.padata, PA_PK_AS_REQ)?.padata_value)
}

/// Verifies the device's certificate and signature: public-key operations.
///
/// # Errors
/// [`AsRefused`] with the code of the PKINIT drafts.
pub fn authenticate(
    request: &AsRequest,
    kdc: &Kdc,
    cache: &dyn ChainCache,
    now: Timestamp,
) -> Result<PkinitRequest, AsRefused> {
    let padata = PaData::find(&request.request.padata, PA_PK_AS_REQ);
    let pa_value = padata.map(|padata| padata.padata_value.as_ref()).unwrap_or_default();
    let parts = RequestParts {
        pa_value,
        body: request.request.body_der(),
        nonce: request.request.body.nonce.value(),
    };
    let policy = RequestPolicy {
        anchors: &kdc.anchors,
        certificates: &kdc.certificates,
        cache,
        skew: kdc.policy.clock_skew,
        allow_oakley1: kdc.allow_oakley1,
        realm: &kdc.policy.realm,
        kdc_certificate: Some(kdc.identity.certificate()),
    };
    pkinit::open_request(&parts, &policy, now).map_err(|error| AsRefused {
        code: KrbErrorCode::from_number(error.krb_code()).unwrap_or(KrbErrorCode::Generic),
        reason: error.to_string(),
        mac: None,
        e_data: error.e_data(),
    })
}

/// What the provisioning server said of a device.
pub type DeviceFacts = FqdnAnswer;

/// A ticket that was granted.
pub struct Grant {
    /// The AS-REP.
    pub reply: Vec<u8>,
    /// Who the ticket is for.
    pub client: Principal,
    /// The service it is for.
    pub service: PrincipalName,
    /// SHA-256 over the request, by which its repetition is known.
    pub digest: [u8; 32],
    /// Where the request came from.
    pub source: SocketAddr,
    /// When it came.
    pub asked: Timestamp,
}

/// What [`grant`] needs beside the request.
pub struct Granting<'a> {
    /// The key of the service that the ticket is for.
    pub service_key: &'a ServiceKey,
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
/// [`AsRefused`]: 38 for a wrong address, 60 where a cryptographic operation fails.
pub fn grant(
    request: &AsRequest,
    pkinit: &PkinitRequest,
    facts: &DeviceFacts,
    granting: &Granting<'_>,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Grant, AsRefused> {
    let mac = pkinit.identity.mac;
    let source = granting.source.ip().to_canonical();
    if !facts.addresses.is_empty() && !facts.addresses.iter().any(|address| address.to_canonical() == source) {
        let reason = format!("{source} is not an address that DHCP gave the device");
        return Err(AsRefused::new(KrbErrorCode::BadAddress, reason).of(mac));
    }
    let internal = |error: String| AsRefused::new(KrbErrorCode::Generic, error).of(mac);
    let realm = &kdc.policy.realm;
    let client = PrincipalName::mta(&facts.fqdn).at(realm);
    let body = &request.request.body;
    let end = now.plus(kdc.ticket_lifetime);
    // An early `till` is honoured; one that is absent or not after now asks for the longest life.
    let end = body.till.filter(|till| *till > now).map_or(end, |till| till.min(end));
    let session_key = EncType::Des3CbcMd5.generate(random);
    let part = EncTicketPart::initial(client.clone(), session_key, Timestamp::from_unix(now.unix()), end);
    let service = request.service.clone().at(realm);
    let ticket = Ticket::seal(&service, &part, granting.service_key, kdc.pad, random)
        .map_err(|error| internal(error.to_string()))?;

    let (pa_value, reply_key) = reply_key(pkinit, granting.pair, kdc, random).map_err(|error| AsRefused {
        code: KrbErrorCode::from_number(error.krb_code()).unwrap_or(KrbErrorCode::Generic),
        reason: error.to_string(),
        mac: Some(mac),
        e_data: error.e_data(),
    })?;
    let reply_key = EncryptionKey {
        etype: DH_REPLY_ETYPE,
        value: reply_key,
    };
    let enc_part = EncKdcRepPart::for_ticket(&part, request.service.clone(), realm.clone(), body.nonce);
    let sealed = ReplyKey {
        key: &reply_key,
        usage: KeyUsage::AS_REP,
        pad: kdc.pad,
    };
    let padata = vec![PaData::new(PA_PK_AS_REP, pa_value)];
    let names = (client.name.clone(), realm.clone());
    let reply = KdcRep::build(Exchange::As, padata, names, ticket, &enc_part, sealed, random)
        .map_err(|error| internal(error.to_string()))?;
    Ok(Grant {
        reply: reply.encode(),
        client,
        service: request.service.clone(),
        digest: request.digest,
        source: granting.source,
        asked: granting.asked,
    })
}

fn reply_key(
    request: &PkinitRequest,
    pair: Option<&DhKeyPair>,
    kdc: &Kdc,
    random: &mut dyn Random,
) -> Result<(Vec<u8>, Secret), pkinit::PkinitError> {
    match pair {
        Some(pair) => pkinit::build_reply_dh(&kdc.identity, request, pair, kdc.reply_key),
        None => {
            let key = EncType::Des3CbcMd5.generate(random);
            let value = pkinit::build_reply_enc_key_pack(&kdc.identity, request, DH_REPLY_ETYPE, &key.value, random)?;
            Ok((value, key.value))
        }
    }
}

/// The group that the KDC's pair has to be in, or `None` where the request has no Diffie-Hellman value.
pub fn group(request: &PkinitRequest) -> Option<DhGroup> {
    request.client_public.as_ref().map(pkinit::DhPublic::group)
}

/// The change that records a granted ticket: a new attempt, with the reply as the answer to the request's repetition.
/// `None` for a device that this server does not provision.
pub fn ticketed(
    device: Option<&Device>,
    previous: Option<Attempt>,
    grant: &Grant,
    kdc: &Kdc,
    now: Timestamp,
    random: &mut dyn Random,
) -> Option<Change> {
    let device = device.filter(|device| device.flow == Flow::Secure)?;
    let (attempt, replaced) = begin(
        device,
        previous,
        Phase::Ticketed,
        grant.source,
        &kdc.policy,
        now,
        random,
    );
    let steps = vec![
        Step::ok(
            StepId::AS_REQUEST,
            grant.asked,
            format!("AS Request from {} for {}", grant.source, grant.service),
        ),
        Step::ok(
            StepId::AS_REPLY,
            now,
            format!("ticket for {} as {}", grant.service, grant.client),
        ),
    ];
    let expires = now.plus(kdc.policy.clock_skew * 2);
    let seen = vec![Seen {
        digest: grant.digest,
        expires,
        answer: grant.reply.clone(),
    }];
    Some(Change {
        attempt: Some(attempt),
        replaced,
        steps,
        seen,
        ..Change::default()
    })
}
