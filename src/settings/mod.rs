//! Floor 2: `hardline.toml`, read once into types. docs/settings.md describes every key.

mod admin;
mod bootstrap;
mod cmts;
mod delivery;
mod derived;
mod dns;
mod error;
mod etypes;
mod fqdn;
mod http;
mod kdc;
mod keymgmt;
mod lease;
mod library;
mod mistakes;
mod observe;
mod profile;
mod services;
mod snmp;
mod text;
mod tftp;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::value::{Fqdn, Realm};
pub use admin::Admin;
pub use bootstrap::{Bootstrap, BootstrapClass, BootstrapLegacy, Handout, LegacySuite, Trigger};
pub use cmts::{Cmts, CmtsList};
pub use delivery::{DeliverySettings, FileEncryption};
pub use dns::{Dns, Resolver, StaticRecord};
pub use error::SettingsError;
pub use etypes::EtypePolicy;
pub use fqdn::{FqdnClients, FqdnTable};
pub use http::Http;
pub use kdc::{Crl, Expiry, Kdc};
pub use keymgmt::Keymgmt;
pub use lease::{ClassRules, LeaseSource, LeaseSourceKind, OnFailure, OneTimeNames, Report, Verify, VerifyMode};
pub use library::{CableModemSettings, CmtsSettings, LookupSettings, MibSettings, TemplateSettings};
pub use observe::{LogFormat, LogSettings, MetricsSettings};
pub use profile::ProfileSettings;
pub use services::Service;
pub use snmp::Snmp;
pub use text::{AgentPort, Listen, ListenError, UrlHost};
pub use tftp::Tftp;

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
            .chain(self.lookup.values_mut().flat_map(LookupSettings::paths))
            .chain(&mut self.cable_modem.secrets)
            .chain(self.cable_modem.cmts.iter_mut().flat_map(|cmts| &mut cmts.secrets));
        for path in single.into_iter().chain(lists) {
            *path = folder.join(&*path);
        }
    }
}

#[cfg(test)]
mod tests;
