//! Tickets (RFC 4120 §5.3): what the KDC gives a client to show to a server.

use super::der;
use super::error::{KerberosError, KrbErrorCode};
use super::etype::{CryptoError, EncryptionKey, KeyUsage, PadForm};
use super::message::{AuthorizationData, EncryptedData, HostAddress, TransitedEncoding};
use super::primitive::{KerberosFlags, Number32};
use super::principal::{Principal, PrincipalName};
use crate::value::{Random, Realm, Timestamp};
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

/// Ticket (RFC 4120 §5.3).
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 1)))]
pub struct Ticket {
    /// Always 5.
    #[rasn(tag(explicit(0)))]
    pub tkt_vno: i32,
    /// The server's realm.
    #[rasn(tag(explicit(1)))]
    pub realm: Realm,
    /// The server.
    #[rasn(tag(explicit(2)))]
    pub sname: PrincipalName,
    /// [`EncTicketPart`] under the server's key, with that key's version.
    #[rasn(tag(explicit(3)))]
    pub enc_part: EncryptedData,
}

/// Bits of the ticket flags, counted from the most significant (RFC 4120 §5.3).
pub mod flag {
    /// The ticket must not be used before it is validated.
    pub const INVALID: u32 = 7;
    /// The ticket was issued by an AS exchange.
    pub const INITIAL: u32 = 9;
    /// The client was authenticated before the ticket was issued.
    pub const PRE_AUTHENT: u32 = 10;
}

/// EncTicketPart (RFC 4120 §5.3): what only the server can read of a ticket.
#[derive(Debug, Clone, AsnType, Decode, Encode)]
#[rasn(tag(explicit(application, 3)))]
pub struct EncTicketPart {
    /// See [`flag`].
    #[rasn(tag(explicit(0)))]
    pub flags: KerberosFlags,
    /// The session key.
    #[rasn(tag(explicit(1)))]
    pub key: EncryptionKey,
    /// The client's realm.
    #[rasn(tag(explicit(2)))]
    pub crealm: Realm,
    /// The client.
    #[rasn(tag(explicit(3)))]
    pub cname: PrincipalName,
    /// The realms between client and server.
    #[rasn(tag(explicit(4)))]
    pub transited: TransitedEncoding,
    /// When the client was authenticated.
    #[rasn(tag(explicit(5)))]
    pub authtime: Timestamp,
    /// From when the ticket is good; `authtime` where absent.
    #[rasn(tag(explicit(6)))]
    pub starttime: Option<Timestamp>,
    /// Until when the ticket is good.
    #[rasn(tag(explicit(7)))]
    pub endtime: Timestamp,
    /// Until when it may be renewed.
    #[rasn(tag(explicit(8)))]
    pub renew_till: Option<Timestamp>,
    /// Addresses the ticket is bound to.
    #[rasn(tag(explicit(9)))]
    pub caddr: Option<Vec<HostAddress>>,
    /// Restrictions. Carried, not interpreted.
    #[rasn(tag(explicit(10)))]
    pub authorization_data: Option<Vec<AuthorizationData>>,
}

impl EncTicketPart {
    /// The content of an initial, pre-authenticated ticket for `client`, good from `authtime` to `endtime`, bound to no
    /// address (fact sheet security §4.6).
    pub fn initial(client: Principal, key: EncryptionKey, authtime: Timestamp, endtime: Timestamp) -> Self {
        Self {
            flags: KerberosFlags::of(&[flag::INITIAL, flag::PRE_AUTHENT]),
            key,
            crealm: client.realm,
            cname: client.name,
            transited: TransitedEncoding::default(),
            authtime,
            starttime: Some(authtime),
            endtime,
            renew_till: None,
            caddr: None,
            authorization_data: None,
        }
    }

    /// The client.
    pub fn client(&self) -> Principal {
        self.cname.clone().at(&self.crealm)
    }

    /// From when the ticket is good.
    pub fn start(&self) -> Timestamp {
        self.starttime.unwrap_or(self.authtime)
    }
}

/// A service's long-term key of one version.
#[derive(Debug, Clone)]
pub struct ServiceKey {
    /// The version number that tickets name.
    pub kvno: u32,
    /// The key.
    pub key: EncryptionKey,
}

impl Ticket {
    /// A ticket for `service` with the content `part`, sealed under the service's key. `pad` is the form an etype 5
    /// key writes (profile P14).
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where the service key is of no known type or of the wrong size.
    pub fn seal(
        service: &Principal,
        part: &EncTicketPart,
        service_key: &ServiceKey,
        pad: PadForm,
        random: &mut dyn Random,
    ) -> Result<Self, KerberosError> {
        let plaintext = zeroize::Zeroizing::new(der::encode(part));
        let kvno = Number32::new(service_key.kvno);
        let enc_part = service_key
            .key
            .seal(Some(kvno), KeyUsage::TICKET, &plaintext, pad, random)
            .map_err(KerberosError::crypto("Ticket"))?;
        Ok(Self {
            tkt_vno: 5,
            realm: service.realm.clone(),
            sname: service.name.clone(),
            enc_part,
        })
    }

    /// The service the ticket is for.
    pub fn service(&self) -> Principal {
        self.sname.clone().at(&self.realm)
    }

    /// Opens the ticket with that of `keys` whose version and type it names; where it names no version, with each of
    /// its type in turn.
    ///
    /// # Errors
    /// The code for the peer: `BadKeyVersion` where no key has the version, `NoKey` where one has but of another type,
    /// `BadIntegrity` where the content does not verify or decode.
    pub fn open(&self, keys: &[ServiceKey]) -> Result<EncTicketPart, KrbErrorCode> {
        self.open_with_pad(keys).map(|(part, _)| part)
    }

    /// The same, with the pad form that the KDC used, where the ticket shows one (profile P14).
    ///
    /// # Errors
    /// Those of [`Ticket::open`].
    pub fn open_with_pad(&self, keys: &[ServiceKey]) -> Result<(EncTicketPart, Option<PadForm>), KrbErrorCode> {
        let wanted = self.enc_part.kvno.map(Number32::value);
        let of_version = |key: &&ServiceKey| wanted.is_none_or(|kvno| kvno == key.kvno);
        if !keys.iter().any(|key| of_version(&key)) {
            return Err(KrbErrorCode::BadKeyVersion);
        }
        let mut refusal = KrbErrorCode::NoKey;
        for candidate in keys.iter().filter(of_version) {
            match candidate.key.open(&self.enc_part, KeyUsage::TICKET) {
                Ok(opened) => {
                    return der::decode("EncTicketPart", opened.plaintext.expose())
                        .map(|part| (part, opened.pad))
                        .map_err(|_| KrbErrorCode::BadIntegrity);
                }
                Err(CryptoError::KeyType { .. } | CryptoError::UnknownEncType(_)) => {}
                Err(_) => refusal = KrbErrorCode::BadIntegrity,
            }
        }
        Err(refusal)
    }
}
