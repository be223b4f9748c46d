//! Floor 2: `hardline.toml`, read once into types. docs/settings.md describes every key.

mod bootstrap;
mod cmts;
mod dns;
mod error;
mod etypes;
mod lease;
mod library;
mod services;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::mib::MibDialect;
use crate::model::{Delivery, Family};
use crate::value::{Fqdn, Realm};
use crate::wire::kerberos::PrincipalName;
use crate::wire::tlv::EncryptAlgorithm;
pub use bootstrap::{Bootstrap, BootstrapClass, BootstrapLegacy, Handout, LegacySuite, Trigger};
pub use cmts::{Cmts, CmtsList};
pub use dns::{Dns, Resolver, StaticRecord};
pub use error::SettingsError;
pub use etypes::EtypePolicy;
pub use lease::{ClassRules, LeaseSource, LeaseSourceKind, OnFailure, OneTimeNames, Report, Verify, VerifyMode};
pub use library::{CableModemSettings, CmtsSettings, LookupSettings, MibSettings, TemplateSettings};
use services::Listening;
pub use services::{Admin, Crl, Expiry, FqdnClients, FqdnTable, Http, Kdc, Keymgmt, Service, Snmp, Tftp};
pub use text::{AgentPort, Listen, ListenError, UrlHost};

/// How the file of a secure device is encrypted, where its template does not say otherwise (profile P24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileEncryption {
    /// AES-128 where the device's MIB has the EncryptAlg object, DES otherwise.
    #[default]
    Dialect,
    /// DES, 64-bit key.
    Des,
    /// Triple DES, 192-bit key.
    #[serde(rename = "3des")]
    TripleDes,
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 256-bit key.
    Aes256,
    /// Clear.
    None,
}

impl std::str::FromStr for FileEncryption {
    type Err = serde::de::value::Error;

    /// Reads the word of hardline.toml.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use serde::de::IntoDeserializer;
        Self::deserialize(text.into_deserializer())
    }
}

impl FileEncryption {
    /// The algorithm for a device of this dialect. A MIB without EncryptAlg has no algorithm but DES.
    pub fn algorithm(self, dialect: MibDialect) -> EncryptAlgorithm {
        let any = dialect.oids().prov_config_encrypt_alg.is_some();
        match self {
            Self::None => EncryptAlgorithm::None,
            _ if !any => EncryptAlgorithm::Des64Cbc,
            Self::Des => EncryptAlgorithm::Des64Cbc,
            Self::TripleDes => EncryptAlgorithm::TripleDes192Cbc,
            Self::Dialect | Self::Aes128 => EncryptAlgorithm::Aes128Cbc,
            Self::Aes256 => EncryptAlgorithm::Aes256Cbc,
        }
    }
}

/// `[delivery]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// The folder of static files.
    pub static_root: PathBuf,
    /// The protocol of devices that are added without one.
    pub protocol: Delivery,
    /// How files of the secure flow are encrypted.
    pub encryption: FileEncryption,
    /// How long a device has for its attempt, counted anew with each step (pktcMtaDevProvisioningTimer).
    #[serde(deserialize_with = "text::read_duration")]
    pub provisioning_timer: Duration,
    /// What stands as host in a file's URL.
    pub url_host: UrlHost,
    /// How long ended attempts, their ladders and files are kept.
    #[serde(deserialize_with = "text::read_duration")]
    pub keep: Duration,
    /// `[delivery.names]`.
    pub names: OneTimeNames,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            static_root: "static".into(),
            protocol: Delivery::Tftp,
            encryption: FileEncryption::Dialect,
            provisioning_timer: Duration::from_secs(600),
            url_host: UrlHost::Address,
            keep: Duration::from_secs(30 * 86_400),
            names: OneTimeNames::default(),
        }
    }
}

/// `[profile]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileSettings {
    /// The file of the interop profile; where there is none, the built-in `pktc-2.0`.
    pub path: Option<PathBuf>,
    /// Whether the server tries other ways than the profile's on devices of vendors that it does not know, and remembers
    /// what verified.
    pub learn: bool,
    /// The file of what is tried; where there is none, the built-in one.
    pub candidates: Option<PathBuf>,
}

impl Default for ProfileSettings {
    fn default() -> Self {
        Self {
            path: None,
            learn: true,
            candidates: None,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,hardline::service::kdc=debug`.
    pub level: String,
    /// How the lines look.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where metrics are offered in Prometheus' format, as address and port; nowhere by default.
    pub listen: Vec<SocketAddr>,
}

/// The whole of hardline.toml. Paths are resolved: what is relative in the file is relative to the file's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file that was read.
    #[serde(skip)]
    pub file: PathBuf,
    /// The Kerberos realm.
    pub realm: Realm,
    /// The DNS domain of the servers: `prov.<domain>`, `kdc.<domain>`.
    pub domain: Fqdn,
    /// The operator's name: the organisation (O) of the certificate directly below the service provider root
    /// (profile P35), written into every file of the secure flow.
    #[serde(default = "organisation")]
    pub organisation: String,
    /// What is added to every standard port.
    #[serde(default)]
    pub port_offset: u16,
    /// The database.
    #[serde(default = "database")]
    pub database: PathBuf,
    /// The master key that the database's secrets are sealed under.
    #[serde(default = "master_key")]
    pub master_key: PathBuf,
    /// `[kdc]`.
    #[serde(default)]
    pub kdc: Kdc,
    /// `[keymgmt]`.
    #[serde(default)]
    pub keymgmt: Keymgmt,
    /// `[fqdn]`.
    #[serde(default)]
    pub fqdn: FqdnTable,
    /// `[snmp]`.
    #[serde(default)]
    pub snmp: Snmp,
    /// `[tftp]`.
    #[serde(default)]
    pub tftp: Tftp,
    /// `[http]`.
    #[serde(default)]
    pub http: Http,
    /// `[dns]`.
    #[serde(default)]
    pub dns: Dns,
    /// `[resolver]`.
    #[serde(default)]
    pub resolver: Resolver,
    /// `[bootstrap]`.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// `[bootstrap_legacy]`.
    #[serde(default)]
    pub bootstrap_legacy: BootstrapLegacy,
    /// `[admin]`.
    #[serde(default)]
    pub admin: Admin,
    /// `[mib]`.
    #[serde(default)]
    pub mib: MibSettings,
    /// `[delivery]`.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// Every `[[lease_source]]`, in the order they are asked.
    #[serde(default)]
    pub lease_source: Vec<LeaseSource>,
    /// `[verify]`.
    #[serde(default)]
    pub verify: Option<Verify>,
    /// `[report]`.
    #[serde(default)]
    pub report: Report,
    /// Every `[[cmts]]`.
    #[serde(default)]
    pub cmts: CmtsList,
    /// `[templates]`.
    #[serde(default)]
    pub templates: TemplateSettings,
    /// `[lookup.NAME]`.
    #[serde(default)]
    pub lookup: BTreeMap<String, LookupSettings>,
    /// `[cable_modem]`.
    #[serde(default)]
    pub cable_modem: CableModemSettings,
    /// `[profile]`.
    #[serde(default)]
    pub profile: ProfileSettings,
    /// `[log]`.
    #[serde(default)]
    pub log: LogSettings,
    /// `[metrics]`.
    #[serde(default)]
    pub metrics: MetricsSettings,
}

/// What every UDP reply of the KDC may have: an error with its data.
const UDP_REPLY_LEAST: usize = 512;

fn organisation() -> String {
    "Example Operator".into()
}

fn database() -> PathBuf {
    "hardline.db".into()
}

fn master_key() -> PathBuf {
    "master.key".into()
}

impl Settings {
    /// Reads hardline.toml.
    ///
    /// # Errors
    /// The first mistake.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        Self::load_all(path).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Reads hardline.toml.
    ///
    /// # Errors
    /// Every mistake that can be told apart, at least one.
    pub fn load_all(path: &Path) -> Result<Self, Vec<SettingsError>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![SettingsError {
                file: path.into(),
                place: None,
                key: String::new(),
                problem: format!("cannot be read: {error}"),
                remedy: "name the hardline.toml that hardline init wrote".into(),
            }]
        })?;
        Self::parse(path, &text)
    }

    /// Reads `text` as the content of `path`.
    ///
    /// # Errors
    /// Every mistake that can be told apart, at least one.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Vec<SettingsError>> {
        let read = toml::from_str::<Self>(text);
        let mut settings = read.map_err(|error| vec![SettingsError::from_toml(path, text, &error)])?;
        settings.file = path.into();
        settings.resolve(path.parent().unwrap_or(Path::new("")));
        let errors = settings.mistakes(text);
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    fn resolve(&mut self, folder: &Path) {
        let kdc = &mut self.kdc;
        let bootstrap = &mut self.bootstrap;
        let single = [
            &mut self.database,
            &mut self.master_key,
            &mut self.delivery.static_root,
            &mut self.admin.token_file,
            &mut self.templates.path,
            &mut kdc.certificate,
            &mut kdc.key,
            &mut bootstrap.certificate,
            &mut bootstrap.key,
        ];
        let lists = kdc
            .chain
            .iter_mut()
            .chain(&mut kdc.device_roots)
            .chain(&mut kdc.crl.files)
            .chain(&mut bootstrap.chain)
            .chain(&mut bootstrap.template)
            .chain(&mut self.profile.path)
            .chain(&mut self.mib.path)
            .chain(&mut self.profile.candidates)
            .chain(self.lease_source.iter_mut().flat_map(LeaseSource::paths))
            .chain(&mut self.cable_modem.secrets)
            .chain(self.cable_modem.cmts.iter_mut().flat_map(|cmts| &mut cmts.secrets));
        for path in single.into_iter().chain(lists) {
            *path = folder.join(&*path);
        }
    }

    /// What no single key can tell.
    fn mistakes(&self, text: &str) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        let mut wrong = |key: &str, problem: &str, remedy: &str| {
            errors.push(SettingsError::at_key(&self.file, text, key, problem, remedy));
        };
        for service in Service::ALL {
            let (enabled, listen) = self.table(service).listening();
            let key = format!("{service}.listen");
            if enabled && listen.is_empty() {
                wrong(
                    &key,
                    "the service is enabled and listens nowhere",
                    "add an address, or set enabled = false",
                );
            }
            if service.standard_port().checked_add(self.port_offset).is_none() {
                wrong(
                    "port_offset",
                    &format!("the port of {service} would exceed 65535"),
                    "lower it",
                );
                break;
            }
            let sockets = self.listeners(service);
            if (1..sockets.len()).any(|at| sockets[..at].contains(&sockets[at])) {
                wrong(&key, "the same listener stands there twice", "remove one");
            }
        }
        if self.keymgmt.enabled && self.keymgmt.ciphersuites.is_empty() {
            wrong("keymgmt.ciphersuites", "no ciphersuite is left", "name at least one");
        }
        let etypes = &self.kdc.etypes;
        if self.kdc.enabled && (etypes.devices.is_empty() || etypes.services.is_empty()) {
            wrong(
                "kdc.etypes",
                "no encryption type is left",
                "name at least one in each list",
            );
        }
        if self.kdc.enabled && self.kdc.udp_reply_max < UDP_REPLY_LEAST {
            wrong("kdc.udp_reply_max", "not even an error would fit", "set 512 or more");
        }
        self.bootstrap_mistakes(&mut wrong);
        let asks_for_certificates = self.kdc.enabled || self.bootstrap.enabled || self.bootstrap_legacy.enabled;
        if asks_for_certificates && self.kdc.device_roots.is_empty() {
            wrong(
                "kdc.device_roots",
                "no device certificate could be trusted",
                "name at least one root certificate",
            );
        }
        if self.snmp.request_backoff == 0 {
            wrong(
                "snmp.request_backoff",
                "0 leaves no time between requests",
                "set 1 or more",
            );
        }
        self.tftp.mistakes(&mut wrong);
        for (name, lookup) in &self.lookup {
            let sources = [lookup.sql.is_some() && lookup.query.is_some(), lookup.http.is_some()];
            if sources != [true, false] && sources != [false, true] {
                wrong(
                    &format!("lookup.{name}"),
                    "one of sql with query, and http, says where it is asked",
                    "set sql and query, or http",
                );
            }
        }
        for (key, value) in [
            ("kdc.ticket_lifetime", self.kdc.ticket_lifetime),
            ("kdc.dh_key_lifetime", self.kdc.dh_key_lifetime),
            ("kdc.fqdn_timeout", self.kdc.fqdn_timeout),
            ("keymgmt.wake_up_timeout", self.keymgmt.wake_up_timeout),
            ("keymgmt.solicited_window", self.keymgmt.solicited_window),
            ("snmp.request_timeout", self.snmp.request_timeout),
            ("tftp.retransmit_after", self.tftp.retransmit_after),
            ("tftp.lifetime", self.tftp.lifetime),
            ("http.header_timeout", self.http.header_timeout),
            ("http.stall_timeout", self.http.stall_timeout),
            ("http.lifetime", self.http.lifetime),
            ("delivery.provisioning_timer", self.delivery.provisioning_timer),
            ("dns.ttl", self.dns.ttl),
            ("dns.negative_ttl", self.dns.negative_ttl),
        ] {
            if value.is_zero() {
                wrong(key, "the duration is zero", "set a longer one");
            }
        }
        if self.organisation.is_empty() || self.organisation.len() > 64 {
            wrong(
                "organisation",
                "expected 1 to 64 octets",
                "name the operator as its certificate does",
            );
        }
        self.lease_mistakes(&mut wrong);
        errors
    }

    fn table(&self, service: Service) -> &dyn Listening {
        match service {
            Service::Kdc => &self.kdc,
            Service::Keymgmt => &self.keymgmt,
            Service::Fqdn => &self.fqdn,
            Service::Snmp => &self.snmp,
            Service::Tftp => &self.tftp,
            Service::Http => &self.http,
            Service::Dns => &self.dns,
            Service::Admin => &self.admin,
            Service::Bootstrap => &self.bootstrap,
            Service::BootstrapLegacy => &self.bootstrap_legacy,
        }
    }

    /// Where a service listens; nowhere where it is not enabled.
    pub fn listeners(&self, service: Service) -> Vec<SocketAddr> {
        let (enabled, listen) = self.table(service).listening();
        let port = service.standard_port().saturating_add(self.port_offset);
        let socket = |listen: &Listen| SocketAddr::new(listen.address, listen.port.unwrap_or(port));
        listen.iter().filter(|_| enabled).map(socket).collect()
    }

    /// The first listener of a service in one family.
    pub fn listener(&self, service: Service, family: Family) -> Option<SocketAddr> {
        self.listeners(service)
            .into_iter()
            .find(|socket| Family::of(socket.ip()) == family)
    }

    /// The name of the provisioning server: `prov.<domain>`.
    pub fn prov_fqdn(&self) -> Fqdn {
        self.host("prov")
    }

    /// The name of the KDC: `kdc.<domain>`.
    pub fn kdc_fqdn(&self) -> Fqdn {
        self.host("kdc")
    }

    fn host(&self, label: &str) -> Fqdn {
        // A domain so long that no label fits before it has no hosts; it stands for itself.
        format!("{label}.{}", self.domain)
            .parse()
            .unwrap_or_else(|_| self.domain.clone())
    }

    /// The zones' name servers: those that the settings name, else `ns.<domain>`.
    pub fn nameservers(&self) -> Vec<Fqdn> {
        if self.dns.nameservers.is_empty() {
            vec![self.host("ns")]
        } else {
            self.dns.nameservers.clone()
        }
    }

    /// How long a service key that was replaced still opens tickets: until the longest ticket under it has expired, by
    /// the clock of a peer that is as far off as is allowed.
    pub fn key_retention(&self) -> Duration {
        self.kdc.ticket_lifetime + self.kdc.clock_skew * 2
    }

    /// The principals whose keys this installation holds: key management, the MTA-FQDN service, the ticket-granting
    /// service.
    pub fn service_principals(&self) -> [PrincipalName; 3] {
        let prov = self.prov_fqdn();
        [
            PrincipalName::mtaprovsrvr(&prov),
            PrincipalName::mtafqdnmap(&prov),
            PrincipalName::krbtgt(&self.realm),
        ]
    }

    /// The folder of the certificates that init made: `pki` beside the settings.
    pub fn pki(&self) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join("pki")
    }

    /// The MTA-FQDN service that answers for the provisioning server `prov`: the one of `kdc.fqdn_servers`, else,
    /// for this installation's own name, its own listener, of `family` where it has one.
    pub fn fqdn_server(&self, prov: &Fqdn, family: Family) -> Option<SocketAddr> {
        let named = self.kdc.fqdn_servers.get(prov).copied();
        let own = || {
            let listener = self.listener(Service::Fqdn, family);
            listener.or_else(|| self.listeners(Service::Fqdn).into_iter().next())
        };
        named.or_else(|| (*prov == self.prov_fqdn()).then(own).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cert::ManufacturerName;

    const LEAST: &str = "realm = 'PKTC.EXAMPLE.NET'\ndomain = 'pktc.example.net'\n";

    fn parse(text: &str) -> Result<Settings, Vec<SettingsError>> {
        Settings::parse(Path::new("/etc/hardline/hardline.toml"), text)
    }

    fn line(text: &str) -> String {
        let errors = parse(text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    }

    #[test]
    fn a_service_without_a_table_listens_nowhere() {
        let settings = parse(LEAST).unwrap();
        assert!(
            Service::ALL
                .into_iter()
                .all(|service| settings.listeners(service).is_empty())
        );
        assert_eq!(settings.database, Path::new("/etc/hardline/hardline.db"));
        assert_eq!(settings.prov_fqdn().as_str(), "prov.pktc.example.net");
    }

    #[test]
    fn ports_are_the_standard_ones_plus_the_offset_unless_named() {
        let settings = parse(&format!(
            "port_offset = 23000\n{LEAST}[kdc]\nlisten = ['127.0.0.1', '[::1]:88']\n[fqdn]\nlisten = ['::1']\n\
             [tftp]\nenabled = false\nlisten = ['127.0.0.1']"
        ))
        .unwrap();
        let sockets = |service| {
            settings
                .listeners(service)
                .iter()
                .map(SocketAddr::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(sockets(Service::Kdc), ["127.0.0.1:23088", "[::1]:88"]);
        assert!(sockets(Service::Tftp).is_empty());
        let own = settings.fqdn_server(&settings.prov_fqdn(), Family::V4).unwrap();
        assert_eq!(own.to_string(), "[::1]:25246");
        assert_eq!(
            settings.fqdn_server(&"prov.elsewhere.net".parse().unwrap(), Family::V4),
            None
        );
    }

    #[test]
    fn mistakes_name_file_line_key_and_remedy() {
        let text = format!("{LEAST}[kdc]\nlisten = ['127.0.0.1']\ntickets = 5\n");
        let error = line(&text);
        assert!(
            error.starts_with("/etc/hardline/hardline.toml:5:1: kdc.tickets: unknown field"),
            "{error}"
        );
        assert!(error.contains("docs/settings.md"), "{error}");
        let error = line(&format!("{LEAST}[kdc]\nticket_lifetime = '5 weeks'\n"));
        assert!(
            error.contains(":4:19: kdc.ticket_lifetime: ") && error.contains("\"7d\""),
            "{error}"
        );
        let error = line(&format!("{LEAST}[tftp]\nlisten = [\n  '127.0.0.1',\n  'host',\n]\n"));
        assert!(
            error.contains(":4:10: tftp.listen: 'host' is not a listener"),
            "{error}"
        );
        let error = line("realm = 'PKTC.EXAMPLE.NET'\n");
        assert!(error.contains("domain: missing field `domain`; add it"), "{error}");
        let error = line(&format!("{LEAST}[http]\nenabled = true\nlisten = []\n"));
        assert!(
            error.contains(":5:1: http.listen: the service is enabled and listens nowhere"),
            "{error}"
        );
        let error = line(&format!("port_offset = 64000\n{LEAST}"));
        assert!(error.contains(":1:1: port_offset: "), "{error}");
        assert!(line(&format!("{LEAST}[pns]\n")).contains(":3:2: pns: unknown field"));
        assert!(line("realm = ").contains(":1:9: realm: "));
    }

    #[test]
    fn the_limits_of_tftp_and_http() {
        let tftp = |text: &str| parse(&format!("{LEAST}[tftp]\nlisten = ['::1']\n{text}\n"));
        let settings = tftp("transfer_ports = '1758-1767'\nrelays = ['192.0.2.1', '2001:db8::/32']").unwrap();
        assert_eq!(settings.tftp.transfer_ports, Some(1758..=1767));
        let inside = |address: &str| {
            let networks = &settings.tftp.relays;
            networks
                .iter()
                .any(|network| network.contains(&address.parse::<std::net::IpAddr>().unwrap()))
        };
        assert!(inside("192.0.2.1") && inside("2001:db8::9") && !inside("192.0.2.2"));
        assert_eq!(
            tftp("transfer_ports = '1758'").unwrap().tftp.transfer_ports,
            Some(1758..=1758)
        );
        for wrong in [
            "transfer_ports = '9-8'",
            "transfer_ports = '0-8'",
            "transfer_ports = 'few'",
            "relays = ['cmts1']",
            "max_block_size = 7",
            "max_block_size = 65465",
            "max_window = 0",
            "min_timeout = 0",
            "min_timeout = 9\nmax_timeout = 8",
            "max_transfers = 0",
            "retransmit_after = '0s'",
        ] {
            assert!(tftp(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&format!("{LEAST}[http]\nlisten = ['::1']\nstall_timeout = '0s'\n")).is_err());
    }

    #[test]
    fn every_spelling_of_the_agents_port() {
        let port = |text: &str| parse(&format!("{LEAST}[snmp]\nlisten = ['::1']\nagent_port = {text}\n"));
        assert_eq!(port("161").unwrap().snmp.agent_port, AgentPort::Fixed(161));
        assert_eq!(port("'source'").unwrap().snmp.agent_port, AgentPort::Source);
        for text in ["0", "70000", "'sauce'", "true"] {
            assert!(port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn revoked_manufacturers_have_instants() {
        let text = format!(
            "{LEAST}[kdc]\nenabled = false\n[kdc.revoked_manufacturers]\n'{}ab' = 2026-01-31T02:00:00+02:00\n",
            "AB:".repeat(31)
        );
        let settings = parse(&text).unwrap();
        let at = settings.kdc.revoked_manufacturers.0[&ManufacturerName::Fingerprint([0xab; 32])];
        assert_eq!(at.to_string(), "2026-01-31T00:00:00.000Z");
        assert!(parse(&text.replace("T02:00:00+02:00", "")).is_err());
        let named = |name: &str| {
            let date = "2026-01-31T00:00:00Z";
            let text = format!("{LEAST}[kdc]\nenabled = false\n[kdc.revoked_manufacturers]\n'{name}' = {date}\n");
            parse(&text).map(|settings| settings.kdc.revoked_manufacturers.0.into_keys().next().unwrap())
        };
        let subject = "C=US, O=Example, CN=Example PacketCable CA";
        assert_eq!(named(subject), Ok(ManufacturerName::Subject(subject.into())));
        let serial = ManufacturerName::Serial {
            issuer: "The Root".into(),
            serial: vec![0x1a, 0x2b],
        };
        assert_eq!(named("serial 1A:2B of The Root"), Ok(serial.clone()));
        assert_eq!(named("serial 01a2b of The Root"), Ok(serial));
        assert!(named("serial 1x of The Root").is_err() && named("serial 12").is_err());
    }

    #[test]
    fn the_encryption_of_a_dialect_without_encrypt_alg_is_des() {
        let algorithm = |encryption: FileEncryption, dialect| encryption.algorithm(dialect);
        assert_eq!(
            algorithm(FileEncryption::Dialect, MibDialect::Ietf),
            EncryptAlgorithm::Aes128Cbc
        );
        assert_eq!(
            algorithm(FileEncryption::Aes256, MibDialect::Euro),
            EncryptAlgorithm::Des64Cbc
        );
        assert_eq!(
            algorithm(FileEncryption::None, MibDialect::Euro),
            EncryptAlgorithm::None
        );
    }
}
