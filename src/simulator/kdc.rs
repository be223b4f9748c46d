//! The device's side of the AS exchange without I/O (steps eUE-9 and eUE-10).

use std::time::Duration;

use super::device::{DeviceSpec, Server, StoredTicket};
use super::fault::Fault;
use crate::value::{Random, Timestamp};
use crate::wire::cert::CertPolicy;
use crate::wire::kerberos::{
    EncKdcRepPart, EncType, EncryptionKey, Exchange, KdcRep, KdcReq, KdcReqBody, KerberosFlags, KeyUsage, KrbError,
    KrbErrorCode, Number32, PA_PK_AS_REP, PA_PK_AS_REQ, PaData, PrincipalName, flag,
};
use crate::wire::pkinit::{DhGroup, DhKeyPair, Identity, ReplyExpectation, RequestShape, build_request, open_reply};

/// How far the KDC's clock may be from the device's (fact sheet security §4.6).
const SKEW: Duration = Duration::from_secs(300);

/// The first octet of a KRB-ERROR: application tag 30.
const KRB_ERROR: u8 = 0x7e;

/// An AS exchange that waits for its reply.
#[derive(Debug)]
pub struct AsExchange {
    datagram: Vec<u8>,
    request: KdcReq,
    nonce: u32,
    pair: DhKeyPair,
}

/// What the KDC answered.
#[derive(Debug)]
pub enum AsAnswer {
    /// A ticket for the provisioning server.
    Ticket(Box<StoredTicket>),
    /// The answer does not fit into a datagram: the request is to be sent over TCP (RFC 4120 §7.2.1).
    TooBig,
}

impl AsExchange {
    /// An AS Request: PKINIT with Oakley group 2, for the provisioning server's own ticket in encryption type 5; no
    /// client name, no end time (fact sheet security §4.2).
    ///
    /// # Errors
    /// [`Fault::Pkinit`] where OpenSSL fails.
    pub fn begin(identity: &Identity, server: &Server, now: Timestamp, random: &mut dyn Random) -> Result<Self, Fault> {
        let mut nonce = [0; 4];
        random.fill(&mut nonce);
        let nonce = u32::from_be_bytes(nonce);
        let body = KdcReqBody {
            kdc_options: KerberosFlags::default(),
            cname: None,
            realm: server.realm.clone(),
            sname: Some(PrincipalName::mtaprovsrvr(&server.prov_fqdn)),
            from: None,
            till: None,
            rtime: None,
            nonce: Number32::new(nonce),
            etype: vec![EncType::Des3CbcMd5.number()],
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        };
        let mut request = KdcReq::new(Exchange::As, Vec::new(), body);
        let pair = DhKeyPair::generate(DhGroup::Oakley2, random)?;
        let shape = RequestShape::default();
        let pk_as_req = build_request(identity, request.body_der(), nonce, now, Some(&pair), &shape)?;
        request.padata = vec![
            PaData::new(PA_PK_AS_REQ, pk_as_req),
            PaData::prov_srv_location(&server.prov_fqdn),
        ];
        Ok(Self {
            datagram: request.encode(),
            request,
            nonce,
            pair,
        })
    }

    /// The AS Request. Retransmissions are the same octets.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Takes an answer from the KDC.
    ///
    /// # Errors
    /// What is wrong with it, or the KDC's own error.
    pub fn accept(
        &self,
        octets: &[u8],
        device: &DeviceSpec,
        identity: &Identity,
        server: &Server,
        now: Timestamp,
    ) -> Result<AsAnswer, Fault> {
        if octets.first() == Some(&KRB_ERROR) {
            let error = KrbError::parse(octets)?;
            return match error.code() {
                Some(KrbErrorCode::ResponseTooBig) => Ok(AsAnswer::TooBig),
                _ => Err(Fault::refused(&error)),
            };
        }
        let reply = KdcRep::parse(octets)?;
        if reply.exchange != Exchange::As {
            return Err(Fault::Mismatch("the KDC's message type"));
        }
        let pa_pk_as_rep = PaData::find(&reply.padata, PA_PK_AS_REP);
        let pa_pk_as_rep = pa_pk_as_rep.ok_or(Fault::Mismatch("the AS Reply's padata"))?;
        let expectation = ReplyExpectation {
            anchors: &server.provider_root,
            certificates: &CertPolicy::default(),
            realm: &server.realm,
            // The device learns the name here; its file must repeat it (seed 003 §6.4.2.1).
            organisation: None,
            nonce: self.nonce,
            pair: Some(&self.pair),
            rule: server.profile.reply_key,
            identity,
        };
        let opened = open_reply(&pa_pk_as_rep.padata_value, &expectation, now)?;
        let key = EncryptionKey {
            etype: opened.etype,
            value: opened.key,
        };
        let (part, _) = reply.open(&self.request.body, &key, KeyUsage::AS_REP)?;
        check(&reply, &part, device, server, now)?;
        Ok(AsAnswer::Ticket(Box::new(StoredTicket {
            ticket: reply.ticket,
            session_key: part.key,
            organisation: opened.kdc.organisation,
        })))
    }
}

/// What the profile promises of an AS Reply beyond what binds it to its request (fact sheet security §4.5, §4.6).
fn check(
    reply: &KdcRep,
    part: &EncKdcRepPart,
    device: &DeviceSpec,
    server: &Server,
    now: Timestamp,
) -> Result<(), Fault> {
    let type_5 = EncType::Des3CbcMd5.number();
    let client = PrincipalName::mta(&device.fqdn);
    let rules = [
        (
            reply.cname == client && reply.crealm == server.realm,
            "the AS Reply's client",
        ),
        (reply.enc_part.etype == type_5, "the AS Reply's encryption type"),
        (reply.ticket.enc_part.kvno.is_some(), "the ticket's key version"),
        (
            part.key.etype == type_5 && part.key.value.len() == 24,
            "the session key",
        ),
        (
            part.flags.has(flag::INITIAL) && part.flags.has(flag::PRE_AUTHENT),
            "the ticket's flags",
        ),
        (part.authtime.distance(now) <= SKEW, "the ticket's authtime"),
        (
            part.starttime.unwrap_or(part.authtime) <= now.plus(SKEW),
            "the ticket's starttime",
        ),
        (part.endtime > now, "the ticket's endtime"),
        (part.caddr.is_none(), "the ticket's addresses"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(Fault::Mismatch(what)),
        None => Ok(()),
    }
}
