//! What the KDC refuses, and how it says so.

use super::Kdc;
use crate::value::{MacAddress, Random, Timestamp};
use crate::wire::kerberos::{EncryptionKey, KrbError, KrbErrorCode, Principal, PrincipalName};

/// Why a request is refused: for the client, and for the operator. What only a request under a ticket has is boxed, so that
/// every other result stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdcRefused {
    /// What the client is told.
    pub code: KrbErrorCode,
    /// What the operator is told.
    pub reason: String,
    /// Whose certificate it was, where that is verified.
    pub mac: Option<MacAddress>,
    /// Data for the client (e-data of KRB-ERROR).
    pub e_data: Option<Vec<u8>>,
    /// The client, where it is known by a ticket.
    pub client: Option<Box<Principal>>,
    /// The service that it asked for, where that is believed; otherwise the error is the ticket-granting service's.
    pub service: Option<Box<PrincipalName>>,
    /// The session key of the client's ticket, under which the error is sealed (e-cksum).
    pub key: Option<Box<EncryptionKey>>,
}

impl KdcRefused {
    /// A refusal with its reason.
    pub fn new(code: KrbErrorCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            mac: None,
            e_data: None,
            client: None,
            service: None,
            key: None,
        }
    }

    /// The same, of the device with this MAC address.
    pub fn of(self, mac: MacAddress) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// The same with e-data.
    pub fn with_data(self, data: Vec<u8>) -> Self {
        Self {
            e_data: Some(data),
            ..self
        }
    }

    /// The KRB-ERROR for the client; with an e-cksum where a key is known (fact sheet security §4.7).
    pub fn message(&self, kdc: &Kdc, now: Timestamp, random: &mut dyn Random) -> Vec<u8> {
        let realm = &kdc.policy.realm;
        let asked = self.service.as_deref().cloned();
        let service = asked.unwrap_or_else(|| PrincipalName::krbtgt(realm));
        let mut error = KrbError::new(self.code, &service.at(realm), now);
        error.e_data = self.e_data.clone().map(Into::into);
        if let Some(client) = &self.client {
            error.crealm = Some(client.realm.clone());
            error.cname = Some(client.name.clone());
        }
        let signed = self.key.as_ref().map(|key| error.clone().signed(key, random));
        match signed {
            Some(Ok(signed)) => signed.encode(),
            _ => error.encode(),
        }
    }
}
