//! Simulated devices of an installation: their records for its database, and what they are made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Timers;
use super::bootstrap::{Bootstrapping, DeviceTls};
use super::device::{DeviceSpec, Endpoints, FlowSpec, SecureSpec, Server, StoredTicket, TicketSource, all_suites};
use super::factory::{self, Factory, FactoryError};
use crate::mib::MibDialect;
use crate::model::{
    ConfigUrl, ConfigUrlError, CredentialRow, CredentialsType, Delivery, Device, Family, Flow, IdType, Impi, Impu,
    UrlHost,
};
use crate::profile::{Oui, Profile};
use crate::provisioning::basic_file_name;
use crate::settings::{self, Service, Settings};
use crate::store::{Store, StoreError};
use crate::value::{Fqdn, MacAddress, OsRandom, Random, Secret, Timestamp, hex};
use crate::wire::cert::issue::Credential;
use crate::wire::cert::{CertError, PemError, TrustAnchors, certificates_from_pem, key_from_pem};
use crate::wire::kerberos::{
    EncTicketPart, EncType, EncryptionKey, KerberosError, PadForm, PrincipalName, ServiceKey, Ticket,
};

/// How many RSA keys the devices of a run share.
const DEVICE_KEYS: usize = 8;

/// How long a ticket lasts that a device is given as if it had kept it.
const STORED_TICKET: Duration = Duration::from_secs(86_400);

/// The community of simulated devices (fact sheet provisioning §2.5, LIKELY).
const COMMUNITY: &str = "public";

/// Devices cannot be made for this installation.
#[derive(Debug, thiserror::Error)]
pub enum RecruitError {
    /// A file of the installation's pki folder cannot be read.
    #[error("{}: {reason}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key could not be made.
    #[error(transparent)]
    Factory(#[from] FactoryError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A ticket could not be made.
    #[error(transparent)]
    Ticket(#[from] KerberosError),
    /// The database has no key of the provisioning server that a ticket could be made with.
    #[error("the database has no des3-cbc-md5 key of {0}; import one with hardline keytab import")]
    NoKey(PrincipalName),
    /// The service that delivers the file does not listen in the device's family.
    #[error("{service} does not listen on an address of family {family}")]
    NoListener {
        /// The service.
        service: Service,
        /// The family.
        family: Family,
    },
    /// The URL of a basic-flow file cannot be made.
    #[error(transparent)]
    Url(#[from] ConfigUrlError),
    /// A name cannot be made of the installation's domain.
    #[error(transparent)]
    Name(#[from] crate::value::FqdnError),
}

/// What one device of a run is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its number, which decides its MAC address, name and IPv4 address.
    pub index: u32,
    /// Its flow.
    pub flow: Flow,
    /// Whether it reports its status where its flow leaves that open (`.2` and not `.1`).
    pub status: bool,
    /// Its address family.
    pub family: Family,
    /// Its MIB dialect.
    pub mib: MibDialect,
    /// How its file is delivered.
    pub delivery: Delivery,
}

/// Makes devices that an installation will accept.
pub struct Recruiter<'a> {
    settings: &'a Settings,
    factory: Factory,
    timers: Timers,
    /// The provisioning server's key and the operator's name, where devices come with tickets.
    tickets: Option<ServiceKey>,
    /// The vendor's part of MAC addresses, where it is not the simulator's own.
    oui: Option<Oui>,
    /// Whether eUEs among the devices can bootstrap.
    bootstrapping: bool,
}

impl<'a> Recruiter<'a> {
    /// A recruiter for the installation of `settings`, with the manufacturer CA of its pki folder.
    ///
    /// # Errors
    /// [`RecruitError`].
    pub fn new(settings: &'a Settings, timers: Timers) -> Result<Self, RecruitError> {
        let pki = settings.pki();
        let certificate = first_certificate(&pki.join("mfr-ca.crt.pem"))?;
        let path = pki.join("mfr-ca.key.pem");
        let text = std::fs::read(&path)
            .map(zeroize::Zeroizing::new)
            .map_err(|error| unusable(&path, error))?;
        let key = key_from_pem(&text).map_err(|error| unusable(&path, error))?;
        let factory = Factory::new(Credential { certificate, key }, DEVICE_KEYS)?;
        Ok(Self {
            settings,
            factory,
            timers,
            tickets: None,
            oui: None,
            bootstrapping: false,
        })
    }

    /// From now on, the MAC addresses of devices begin with `oui`.
    pub fn with_oui(mut self, oui: Oui) -> Self {
        self.oui = Some(oui);
        self
    }

    fn mac(&self, index: u32) -> MacAddress {
        let own = factory::mac(index);
        let [.., d, e, f] = own.0;
        self.oui.map_or(own, |Oui([a, b, c])| MacAddress([a, b, c, d, e, f]))
    }

    /// From now on, devices that speak the IETF MIB, which are eUEs, can bootstrap.
    #[must_use]
    pub fn with_bootstrapping(mut self) -> Self {
        self.bootstrapping = true;
        self
    }

    /// The TLS that a device bootstraps by, where it can: they take turns.
    fn tls(&self, wanted: Wanted) -> Option<DeviceTls> {
        let listens = |service| self.settings.listener(service, wanted.family).is_some();
        let legacy = listens(Service::BootstrapLegacy);
        match wanted.index % 4 {
            _ if !self.bootstrapping || wanted.mib != MibDialect::Ietf => None,
            0 if legacy => Some(DeviceTls::Yesterday("AES128-SHA")),
            2 if legacy => Some(DeviceTls::Yesterday("DES-CBC3-SHA")),
            _ => listens(Service::Bootstrap).then_some(DeviceTls::Tomorrow),
        }
    }

    /// The credentials of a device that can bootstrap, as an operator would have entered them.
    pub fn credentials(&self, wanted: Wanted) -> Vec<(MacAddress, CredentialRow)> {
        if self.tls(wanted).is_none() {
            return Vec::new();
        }
        let mac = self.mac(wanted.index);
        let user = format!("sim-{}@ims.{}", mac.bare(), self.settings.domain);
        let mut password = [0; 12];
        OsRandom.fill(&mut password);
        let impi = Impi {
            index: 1,
            id_type: IdType::PrivateIdentity,
            id: user.clone(),
            credentials_type: CredentialsType::Password,
            credentials: Secret::new(hex(&password).into_bytes()),
        };
        let impu = Impu {
            index: 1,
            id_type: IdType::PublicIdentity,
            id: format!("sip:{user}"),
            impi: 1,
            display: format!("Simulated <{}> & Sons", wanted.index),
            operators: "1".into(),
            active: true,
            signalling_security: true,
            additional: String::new(),
        };
        vec![(mac, CredentialRow::Impi(impi)), (mac, CredentialRow::Impu(impu))]
    }

    /// From now on, devices of the secure flow have a ticket already, made with the provisioning server's key in
    /// `store`: their runs begin with the AP Request.
    ///
    /// # Errors
    /// [`RecruitError::NoKey`], [`RecruitError::Store`].
    pub async fn with_stored_tickets(mut self, store: &dyn Store) -> Result<Self, RecruitError> {
        let principal = PrincipalName::mtaprovsrvr(&self.settings.prov_fqdn());
        let type_5 = EncType::Des3CbcMd5.number();
        let keys = store.keys(&principal).await?;
        let key = keys
            .into_iter()
            .find(|key| key.etype == type_5)
            .ok_or(RecruitError::NoKey(principal))?;
        self.tickets = Some(ServiceKey {
            kvno: key.kvno,
            key: EncryptionKey {
                etype: key.etype,
                value: key.key,
            },
        });
        Ok(self)
    }

    /// The device's record, as an operator would have entered it.
    ///
    /// # Errors
    /// [`RecruitError::Name`].
    pub fn record(&self, wanted: Wanted) -> Result<Device, RecruitError> {
        let mac = self.mac(wanted.index);
        let fqdn: Fqdn = format!("sim-{}.{}", mac.bare(), self.settings.domain).parse()?;
        let mut vars = BTreeMap::new();
        if let Some(tls) = self.tls(wanted) {
            // In the basic flow no INFORM says what the device can do.
            vars.insert("bootstrap".to_owned(), "yes".to_owned());
            let world = if tls == DeviceTls::Tomorrow { "modern" } else { "legacy" };
            vars.insert("bootstrap_tls".to_owned(), world.to_owned());
        }
        Ok(Device {
            mac,
            fqdn,
            flow: wanted.flow,
            mib: wanted.mib,
            addresses: vec![factory::loopback(wanted.index, wanted.family)],
            template: None,
            vars,
            overrides: Default::default(),
            delivery: wanted.delivery,
            public_key_sha1: None,
            created: Timestamp::now(),
        })
    }

    /// The device itself.
    ///
    /// # Errors
    /// [`RecruitError`].
    pub fn device(&self, wanted: Wanted) -> Result<DeviceSpec, RecruitError> {
        let record = self.record(wanted)?;
        let community = COMMUNITY.to_owned();
        let bootstrap = match self.tls(wanted) {
            None => None,
            Some(tls) => {
                let identity = self.factory.identity(record.mac, Timestamp::now(), &mut OsRandom)?;
                Some(Bootstrapping { identity, tls })
            }
        };
        let flow = match wanted.flow {
            Flow::Secure => {
                let ticket = match &self.tickets {
                    Some(key) => TicketSource::Stored(Box::new(self.ticket(&record, key)?)),
                    None => {
                        let identity = self.factory.identity(record.mac, Timestamp::now(), &mut OsRandom)?;
                        TicketSource::Kdc { identity, tcp: false }
                    }
                };
                FlowSpec::Secure(Box::new(SecureSpec {
                    ticket,
                    suites: all_suites(),
                }))
            }
            Flow::Hybrid => FlowSpec::Hybrid {
                status: wanted.status,
                community,
            },
            Flow::Basic => {
                let file = self.basic_file(&record, wanted.family)?;
                FlowSpec::Basic {
                    status: wanted.status,
                    community,
                    file,
                }
            }
        };
        Ok(DeviceSpec {
            mac: record.mac,
            fqdn: record.fqdn,
            address: factory::loopback(wanted.index, wanted.family),
            mib: wanted.mib,
            flow,
            bootstrap,
            timers: self.timers,
        })
    }

    /// A ticket as the KDC would have issued it a minute ago.
    fn ticket(&self, record: &Device, key: &ServiceKey) -> Result<StoredTicket, RecruitError> {
        let realm = &self.settings.realm;
        let session_key = EncType::Des3CbcMd5.generate(&mut OsRandom);
        let issued = Timestamp::from_unix(Timestamp::now().unix() - 60);
        let client = PrincipalName::mta(&record.fqdn).at(realm);
        let part = EncTicketPart::initial(client, session_key.clone(), issued, issued.plus(STORED_TICKET));
        let service = PrincipalName::mtaprovsrvr(&self.settings.prov_fqdn()).at(realm);
        let ticket = Ticket::seal(&service, &part, key, PadForm::default(), &mut OsRandom)?;
        Ok(StoredTicket {
            ticket,
            session_key,
            organisation: self.settings.organisation.clone(),
        })
    }

    /// Where DHCP says that the file of a basic-flow device is.
    fn basic_file(&self, record: &Device, family: Family) -> Result<ConfigUrl, RecruitError> {
        let service = match record.delivery {
            Delivery::Tftp => Service::Tftp,
            Delivery::Http => Service::Http,
        };
        let listener = self
            .settings
            .listener(service, family)
            .ok_or(RecruitError::NoListener { service, family })?;
        let host = UrlHost::Address(listener.ip());
        Ok(ConfigUrl::new(
            record.delivery,
            host,
            Some(listener.port()),
            &basic_file_name(record),
        )?)
    }
}

/// The server of `settings` as its devices know it.
///
/// # Errors
/// [`RecruitError::File`] where the service provider root cannot be read.
pub fn server(settings: &Settings, profile: Profile) -> Result<Arc<Server>, RecruitError> {
    let path = settings.pki().join("sp-root.crt.pem");
    let root = first_certificate(&path)?;
    let provider_root = TrustAnchors::from_der([root]).map_err(|error: CertError| unusable(&path, error))?;
    let endpoints = |family| {
        let listener = |service| settings.listener(service, family);
        let snmp = listener(Service::Snmp)?;
        // A flow that needs no Kerberos asks neither; where they do not listen, nothing answers.
        let nobody = std::net::SocketAddr::new(snmp.ip(), 0);
        Some(Endpoints {
            kdc: listener(Service::Kdc).unwrap_or(nobody),
            keymgmt: listener(Service::Keymgmt).unwrap_or(nobody),
            snmp,
            dns: listener(Service::Dns),
        })
    };
    let addresses = |service| settings.listeners(service).into_iter().map(|listener| listener.ip());
    let addresses: Vec<_> = addresses(Service::Tftp).chain(addresses(Service::Http)).collect();
    let mut hosts = BTreeMap::from([(settings.prov_fqdn(), addresses.clone())]);
    if let settings::UrlHost::Name(name) = &settings.delivery.url_host {
        hosts.insert(name.clone(), addresses);
    }
    Ok(Arc::new(Server {
        realm: settings.realm.clone(),
        prov_fqdn: settings.prov_fqdn(),
        provider_root,
        v4: endpoints(Family::V4),
        v6: endpoints(Family::V6),
        hosts,
        profile,
    }))
}

fn first_certificate(path: &Path) -> Result<Vec<u8>, RecruitError> {
    let text = std::fs::read(path).map_err(|error| unusable(path, error))?;
    let certificates = certificates_from_pem(&text).map_err(|error: PemError| unusable(path, error))?;
    certificates
        .into_iter()
        .next()
        .ok_or_else(|| unusable(path, PemError::Certificate))
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> RecruitError {
    RecruitError::File {
        path: path.into(),
        reason: reason.to_string(),
    }
}
