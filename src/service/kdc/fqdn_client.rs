//! The KDC's side of the MTA-FQDN exchange.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::provisioning::{DeviceFacts, KdcRefused};
use crate::service::core::Core;
use crate::service::resolver::Resolver;
use crate::value::{Fqdn, OsRandom, Timestamp};
use crate::wire::cert::DeviceIdentity;
use crate::wire::fqdn::{self, FqdnErrorCode, FqdnOutcome, FqdnQuery, FqdnRequest, FqdnSent, VERSION_1};
use crate::wire::kerberos::{EncTicketPart, EncType, KrbErrorCode, Principal, PrincipalName, ServiceKey, Ticket};

/// An answer's octets at the most: a header's worth of Kerberos, and 255 addresses of each family.
const ANSWER_MAX: usize = 8_192;
/// How long the ticket lives that the KDC gives itself for one query.
const TICKET: Duration = Duration::from_secs(600);

/// Where the MTA-FQDN service of each provisioning server is.
#[derive(Debug, Clone)]
pub struct FqdnServers {
    /// By the provisioning server's name.
    pub by_name: BTreeMap<Fqdn, SocketAddr>,
    /// How long an answer is awaited.
    pub timeout: Duration,
    /// How often the query is sent again.
    pub retries: u32,
    /// The port of servers that are found by their names.
    pub port: u16,
}

/// Asks provisioning servers for devices' names and addresses.
pub struct FqdnClient {
    servers: FqdnServers,
    resolver: Resolver,
    /// The KDC as a Kerberos client.
    kdc: Principal,
}

impl FqdnClient {
    /// A client that asks as the KDC `kdc` (profile P18).
    pub fn new(servers: FqdnServers, resolver: Resolver, kdc: &Fqdn, core: &Arc<Core>) -> Self {
        Self {
            servers,
            resolver,
            kdc: PrincipalName::kdcquery(kdc).at(&core.policy.realm),
        }
    }

    /// Asks the provisioning server `name` for the device. The name comes from the device: only servers that the operator
    /// named, or gave a key for, are asked.
    ///
    /// # Errors
    /// [`KdcRefused`] with what the device is told.
    pub async fn ask(&self, core: &Core, name: &Fqdn, identity: &DeviceIdentity) -> Result<DeviceFacts, KdcRefused> {
        let service = PrincipalName::mtafqdnmap(name);
        let keys = core
            .keys
            .of(&service)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let Some(key) = keys.first() else {
            let reason = format!("no key is known for {service}: import the one that {name} has");
            return Err(KdcRefused::new(KrbErrorCode::ServiceUnknown, reason));
        };
        let server = match self.servers.by_name.get(name) {
            Some(server) => *server,
            None => self.find(name).await?,
        };
        let outcome = self
            .query(core, server, &service, key, identity)
            .await
            .map_err(unavailable)?;
        match outcome {
            FqdnOutcome::Answer(answer) => Ok(answer),
            FqdnOutcome::Refused(code) => Err(refused(code)),
            FqdnOutcome::KrbError(error) => Err(unavailable(format!(
                "the MTA-FQDN service of {name} answers with error {}",
                error.error_code
            ))),
        }
    }

    /// Where DNS says that the provisioning server `name` is.
    async fn find(&self, name: &Fqdn) -> Result<SocketAddr, KdcRefused> {
        let found = self.resolver.addresses(name).await;
        let addresses = found.map_err(|error| unavailable(format!("{error}: add it to [kdc] fqdn_servers")))?;
        let first = addresses.first().copied();
        let first = first.ok_or_else(|| unavailable(format!("{name} has no address")))?;
        Ok(SocketAddr::new(first, self.servers.port))
    }

    /// Sends the query until it is answered. Each one leaves from a port of its own, so that the answers of many at once
    /// do not meet.
    async fn query(
        &self,
        core: &Core,
        server: SocketAddr,
        service: &PrincipalName,
        key: &ServiceKey,
        identity: &DeviceIdentity,
    ) -> Result<FqdnOutcome, String> {
        let any: IpAddr = if server.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(|error| error.to_string())?;
        socket.connect(server).await.map_err(|error| error.to_string())?;
        let mut buffer = vec![0; ANSWER_MAX];
        for _ in 0..=self.servers.retries {
            let from = socket.local_addr().ok().map(|own| own.ip());
            let (datagram, sent) = self
                .request(core, service, key, identity, from)
                .map_err(|error| error.to_string())?;
            // What cannot be sent counts as lost.
            let _ = socket.send(&datagram).await;
            let deadline = Instant::now() + self.servers.timeout;
            while let Ok(Ok(length)) = timeout_at(deadline, socket.recv(&mut buffer)).await {
                let answer = buffer.get(..length).unwrap_or_default();
                match fqdn::open_reply(answer, &sent, Timestamp::now(), core.policy.clock_skew) {
                    Ok(outcome) => return Ok(outcome),
                    Err(error) => tracing::debug!(%server, %error, "an MTA-FQDN answer is not usable"),
                }
            }
        }
        Err(format!("the MTA-FQDN service at {server} does not answer"))
    }

    fn request(
        &self,
        core: &Core,
        service: &PrincipalName,
        key: &ServiceKey,
        identity: &DeviceIdentity,
        from: Option<IpAddr>,
    ) -> Result<(Vec<u8>, FqdnSent), crate::wire::kerberos::KerberosError> {
        let now = Timestamp::now();
        let pad = core.profile.pad;
        // Of the type of the service's own key: what a foreign server can open, it can also use.
        let etype = key.key.enc_type().unwrap_or(EncType::Des3CbcMd5);
        let session_key = etype.generate(&mut OsRandom);
        let part = EncTicketPart::initial(
            self.kdc.clone(),
            session_key.clone(),
            Timestamp::from_unix(now.unix()),
            now.plus(TICKET),
        );
        let service = service.clone().at(&core.policy.realm);
        let ticket = Ticket::seal(&service, &part, key, pad, &mut OsRandom)?;
        let query = FqdnQuery {
            client: &self.kdc,
            ticket: &ticket,
            session_key: &session_key,
            now,
            from,
            pad,
        };
        let request = FqdnRequest {
            version: VERSION_1,
            mac: identity.mac,
            public_key_hash: identity.spki_sha1,
            manufacturer_revoked: identity.manufacturer_revoked,
        };
        fqdn::build_request(&request, &query, &mut OsRandom)
    }
}

fn unavailable(reason: String) -> KdcRefused {
    KdcRefused::new(KrbErrorCode::ServiceUnavailable, reason)
}

fn refused(code: FqdnErrorCode) -> KdcRefused {
    match code {
        FqdnErrorCode::UnknownMac => KdcRefused::new(KrbErrorCode::ClientUnknown, "the MAC address is unknown"),
        FqdnErrorCode::PublicKeyMismatch => KdcRefused::new(
            KrbErrorCode::ClientRevoked,
            "the device's public key is not the one it had before",
        ),
        FqdnErrorCode::ManufacturerRevoked => KdcRefused::new(
            KrbErrorCode::RevokedCertificate,
            "the manufacturer's certificate is revoked",
        ),
        FqdnErrorCode::TryAgain | FqdnErrorCode::Other(_) => {
            unavailable(format!("the provisioning server refuses with code {}", code.number()))
        }
    }
}
