//! Reading a request, and what is checked before anything of it is believed.

use sha2::{Digest, Sha256};

use super::{Kdc, KdcRefused};
use crate::value::{Fqdn, MacAddress};
use crate::wire::kerberos::{
    EncryptedData, Exchange, KdcReq, KerberosFlags, KrbErrorCode, PA_ENC_TIMESTAMP, PA_PK_AS_REQ, PA_PK_AS_REQ_RFC4556,
    PA_PROV_SRV_LOCATION, PA_TGS_REQ, PaData, PaEncTsEnc, PrincipalName, TD_PADATA, TypedData, kdc_option,
};
use crate::wire::pkinit::{self, Dialect};

/// A request that is well formed and asks for what this KDC may give. Nothing of it is believed yet.
pub enum KdcRequest {
    /// AS by PKINIT.
    Pkinit(AsRequest),
    /// AS by a long-term key.
    Key(KeyRequest),
    /// TGS.
    Tgs(TgsRequest),
}

/// An AS-REQ with PKINIT.
pub struct AsRequest {
    pub(super) request: KdcReq,
    /// Which PKINIT it speaks.
    pub dialect: Dialect,
    /// The service that the ticket is for.
    pub service: PrincipalName,
    /// Where the provisioning server is (PA-PROV-SRV-LOCATION). Devices always say so.
    pub prov_server: Option<Fqdn>,
    /// SHA-256 over the datagram, by which its repetition is known.
    pub digest: [u8; 32],
}

/// An AS-REQ of a client that has a long-term key.
pub struct KeyRequest {
    pub(super) request: KdcReq,
    /// Who asks.
    pub client: PrincipalName,
    /// The service that the ticket is for.
    pub service: PrincipalName,
    /// The client's time under its key (PA-ENC-TIMESTAMP), where it is there.
    pub(super) proof: Option<EncryptedData>,
    /// SHA-256 over the datagram, by which its repetition is known.
    pub digest: [u8; 32],
}

/// A TGS-REQ.
pub struct TgsRequest {
    pub(super) request: KdcReq,
    pub(super) ap_req: Vec<u8>,
    /// The service that the ticket is for.
    pub service: PrincipalName,
    /// SHA-256 over the datagram, by which its repetition is known.
    pub digest: [u8; 32],
}

impl KeyRequest {
    /// Equal for two requests with the same PA-ENC-TIMESTAMP; `None` without one.
    pub fn proof_hash(&self) -> Option<[u8; 32]> {
        self.proof.as_ref().map(|proof| digest(&proof.cipher))
    }

    /// The refusal of a second request with the same PA-ENC-TIMESTAMP.
    pub fn replayed(&self) -> KdcRefused {
        let reason = format!("PA-ENC-TIMESTAMP of {} was used in another AS-REQ", self.client);
        KdcRefused::new(KrbErrorCode::Repeat, reason)
    }
}

/// SHA-256 over a datagram, by which its repetition is known (profile P30).
pub fn digest(datagram: &[u8]) -> [u8; 32] {
    Sha256::digest(datagram).into()
}

/// The options that no ticket of an AS exchange can have.
const AS_REFUSED: [u32; 7] = [
    kdc_option::FORWARDED,
    kdc_option::PROXY,
    kdc_option::CNAME_IN_ADDL_TKT,
    kdc_option::REQUEST_ANONYMOUS,
    kdc_option::ENC_TKT_IN_SKEY,
    kdc_option::RENEW,
    kdc_option::VALIDATE,
];

/// The options that a ticket-granting ticket would need a flag for that this KDC gives to none (RFC 1510 A.6).
const TGS_REFUSED: [u32; 11] = [
    kdc_option::FORWARDABLE,
    kdc_option::FORWARDED,
    kdc_option::PROXIABLE,
    kdc_option::PROXY,
    kdc_option::ALLOW_POSTDATE,
    kdc_option::RENEWABLE,
    kdc_option::CNAME_IN_ADDL_TKT,
    kdc_option::REQUEST_ANONYMOUS,
    kdc_option::ENC_TKT_IN_SKEY,
    kdc_option::RENEW,
    kdc_option::VALIDATE,
];

/// Reads a request and checks what costs nothing.
///
/// # Errors
/// [`KdcRefused`] with codes 68 (realm), 10 and 13 (options), 14 (etype), 16 and 25 (padata), 7 (no server named), or 40
/// for what is neither AS-REQ nor TGS-REQ.
pub fn read_request(datagram: &[u8], kdc: &Kdc) -> Result<KdcRequest, KdcRefused> {
    let request =
        KdcReq::parse(datagram).map_err(|error| KdcRefused::new(KrbErrorCode::MessageType, error.to_string()))?;
    let body = &request.body;
    if body.realm != kdc.policy.realm {
        return Err(KdcRefused::new(
            KrbErrorCode::WrongRealm,
            format!("the realm asked for is {}", body.realm),
        ));
    }
    match request.exchange {
        Exchange::As => {
            check_options(body.kdc_options, &AS_REFUSED)?;
            read_as(request, digest(datagram), kdc)
        }
        Exchange::Tgs => {
            check_options(body.kdc_options, &TGS_REFUSED)?;
            read_tgs(request, digest(datagram))
        }
    }
}

/// The options that are only a wish (forwardable, proxiable, renewable … of an AS-REQ) are not granted and not refused: the
/// flags of the ticket tell the client.
fn check_options(options: KerberosFlags, refused: &[u32]) -> Result<(), KdcRefused> {
    if options.has(kdc_option::POSTDATED) {
        let reason = "a postdated ticket is asked for, which this KDC does not issue";
        return Err(KdcRefused::new(KrbErrorCode::CannotPostdate, reason));
    }
    match refused.iter().find(|bit| options.has(**bit)) {
        Some(bit) => Err(KdcRefused::new(
            KrbErrorCode::BadOption,
            format!("KDC option {bit} ({options:?}) cannot be met"),
        )),
        None => Ok(()),
    }
}

fn read_as(request: KdcReq, digest: [u8; 32], kdc: &Kdc) -> Result<KdcRequest, KdcRefused> {
    let has = |padata_type| PaData::find(&request.padata, padata_type).is_some();
    let dialect = match (has(PA_PK_AS_REQ), has(PA_PK_AS_REQ_RFC4556)) {
        (true, both) if !(both && kdc.prefer_rfc4556) => Some(Dialect::Draft),
        (_, true) => Some(Dialect::Rfc4556),
        _ => None,
    };
    match dialect {
        Some(dialect) => read_pkinit(request, dialect, digest, kdc).map(KdcRequest::Pkinit),
        None => read_key(request, digest).map(KdcRequest::Key),
    }
}

fn read_pkinit(request: KdcReq, dialect: Dialect, digest: [u8; 32], kdc: &Kdc) -> Result<AsRequest, KdcRefused> {
    let prov_server = prov_server(&request)?;
    if dialect == Dialect::Draft && prov_server.is_none() {
        let reason = "there is no PA-PROV-SRV-LOCATION";
        return Err(KdcRefused::new(KrbErrorCode::PreauthRequired, reason).with_data(device_methods()));
    }
    let located = || prov_server.as_ref().map(PrincipalName::mtaprovsrvr);
    let service = request.body.sname.clone().or_else(located).ok_or_else(no_server)?;
    if super::pkinit::reply_etype(&request.body.etype, dialect, kdc).is_none() {
        let reason = format!(
            "none of the etypes {:?} is allowed: see [kdc.etypes]",
            request.body.etype
        );
        return Err(KdcRefused::new(KrbErrorCode::EncTypeUnsupported, reason));
    }
    Ok(AsRequest {
        request,
        dialect,
        service,
        prov_server,
        digest,
    })
}

fn prov_server(request: &KdcReq) -> Result<Option<Fqdn>, KdcRefused> {
    PaData::find(&request.padata, PA_PROV_SRV_LOCATION)
        .map(PaData::read_prov_srv_location)
        .transpose()
        .map_err(|error| {
            KdcRefused::new(
                KrbErrorCode::PadataUnsupported,
                format!("PA-PROV-SRV-LOCATION: {error}"),
            )
        })
}

fn no_server() -> KdcRefused {
    KdcRefused::new(KrbErrorCode::ServiceUnknown, "the request names no server")
}

/// What a device is told that did not prove itself: typed data, as its drafts have it (fact sheet security §4.7).
fn device_methods() -> Vec<u8> {
    let methods = PaData::encode_list(&[PaData::new(PA_PK_AS_REQ, Vec::new())]);
    TypedData::encode_list(&[TypedData {
        data_type: TD_PADATA,
        data_value: Some(methods.into()),
    }])
}

fn read_key(request: KdcReq, digest: [u8; 32]) -> Result<KeyRequest, KdcRefused> {
    let proof = PaData::find(&request.padata, PA_ENC_TIMESTAMP)
        .map(|padata| PaEncTsEnc::sealed(&padata.padata_value))
        .transpose()
        .map_err(|error| KdcRefused::new(KrbErrorCode::PreauthFailed, error.to_string()))?;
    let device = prov_server(&request)?.is_some();
    let client = match request.body.cname.clone() {
        Some(client) if !device => client,
        // A device has no name before it has proven its certificate.
        _ => {
            let reason = "there is no PA-PK-AS-REQ (type 14)";
            return Err(KdcRefused::new(KrbErrorCode::PreauthRequired, reason).with_data(device_methods()));
        }
    };
    Ok(KeyRequest {
        client,
        service: request.body.sname.clone().ok_or_else(no_server)?,
        proof,
        digest,
        request,
    })
}

fn read_tgs(request: KdcReq, digest: [u8; 32]) -> Result<KdcRequest, KdcRefused> {
    let Some(padata) = PaData::find(&request.padata, PA_TGS_REQ) else {
        let reason = "a TGS-REQ without PA-TGS-REQ";
        return Err(KdcRefused::new(KrbErrorCode::PadataUnsupported, reason));
    };
    Ok(KdcRequest::Tgs(TgsRequest {
        ap_req: padata.padata_value.to_vec(),
        service: request.body.sname.clone().ok_or_else(no_server)?,
        digest,
        request,
    }))
}

/// The device that a request names in its certificate, for the record of its refusal. Nothing of it is verified.
pub fn claimed_device(datagram: &[u8]) -> Option<MacAddress> {
    let request = KdcReq::parse(datagram).ok()?;
    let claimed = |padata_type, dialect| {
        let padata = PaData::find(&request.padata, padata_type)?;
        pkinit::claimed_mac(dialect, &padata.padata_value)
    };
    claimed(PA_PK_AS_REQ, Dialect::Draft).or_else(|| claimed(PA_PK_AS_REQ_RFC4556, Dialect::Rfc4556))
}
