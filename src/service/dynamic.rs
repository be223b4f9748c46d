//! Files that are made when they are asked for by name: the name says which template, the request and the sources that
//! the template names say what it is filled with.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::core::Core;
use super::files::Bytes;
use super::lookup::{LookupError, Lookups};
use crate::model::{Device, Family};
use crate::provisioning::MakeError;
use crate::settings::CableModemSettings;
use crate::store::StoreError;
use crate::template::{Fields, Inputs, Resolved, Scalar, TemplateLibrary};
use crate::value::{MacAddress, Timestamp};
use crate::wire::tlv::{CmtsMicList, FileKind, SecretError, SharedSecret, SharedSecrets};

/// Who asks for a file, as far as it is known and believed.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its MAC address.
    pub mac: Option<MacAddress>,
    /// Its lease, as templates see it.
    pub lease: Option<Fields>,
    /// The CMTS that it is behind.
    pub relay: Option<IpAddr>,
}

/// Why a file that a template stands for is not made.
#[derive(Debug, thiserror::Error)]
pub enum DynamicError {
    /// A lookup has no answer.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The template does not fit.
    #[error(transparent)]
    Make(Box<MakeError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MakeError> for DynamicError {
    fn from(error: MakeError) -> Self {
        Self::Make(Box::new(error))
    }
}

impl Core {
    /// The file that a template makes under `name`; `None` where the name stands for no template, or for one that is made
    /// for a device of which there is no record.
    ///
    /// # Errors
    /// [`DynamicError`].
    pub async fn named_file(&self, name: &str, asker: &Asker) -> Result<Option<Bytes>, DynamicError> {
        let library = self.files.library.current();
        let Some(resolved) = library.resolve(name) else {
            return Ok(None);
        };
        let device = match resolved.device.or(asker.mac) {
            Some(mac) => self.store.device(mac).await?,
            None => None,
        };
        let of_device = library.kind(&resolved.template) == Some(FileKind::Device);
        if of_device && device.is_none() {
            return Ok(None);
        }
        let inputs = gather(&library, &self.lookups, &self.cmts, &resolved, device.as_ref(), asker).await?;
        let family = asker.address.map_or(Family::V4, Family::of);
        let built = self.files.build_named(
            &library,
            &resolved.template,
            device.as_ref(),
            family,
            inputs,
            &self.policy,
        );
        Ok(Some(built?))
    }

    /// The device that `name` is about, where it stands for a template: `name@0a0102030405`, or a pattern's capture `mac`.
    pub fn named_device(&self, name: &str) -> Option<MacAddress> {
        let resolved = self.files.library.current().resolve(name)?;
        let captured = || match resolved.captures.get("mac")? {
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Int(_) | Scalar::Bool(_) => None,
        };
        resolved.device.or_else(captured)
    }

    /// Whether `template` makes files of cable modems, which have no flow.
    pub fn makes_modem_files(&self, template: &str) -> bool {
        self.files.library.current().kind(template) == Some(FileKind::CableModem)
    }

    /// What is known of a device that enrolls from `address`. Where a lookup has no answer, that it has not.
    pub async fn inputs_of(&self, device: &Device, address: IpAddr) -> Inputs {
        let asker = Asker {
            address: Some(address),
            ..Asker::default()
        };
        self.inputs_for(device, &asker).await.unwrap_or_else(|error| Inputs {
            failure: Some(error.to_string()),
            ..Inputs::default()
        })
    }

    /// What is known of a request for a device's own file, with the answers of the lookups that its template names.
    ///
    /// # Errors
    /// [`LookupError`].
    pub async fn inputs_for(&self, device: &Device, asker: &Asker) -> Result<Inputs, LookupError> {
        let library = self.files.library.current();
        let resolved = Resolved {
            template: device.template_name().into(),
            captures: Arc::default(),
            device: None,
        };
        gather(&library, &self.lookups, &self.cmts, &resolved, Some(device), asker).await
    }
}

/// What is known of a request for the file of a template, with the answers of the lookups that it names.
///
/// # Errors
/// [`LookupError`].
pub async fn gather(
    library: &TemplateLibrary,
    lookups: &Lookups,
    cmts: &CmtsSecrets,
    resolved: &Resolved,
    device: Option<&Device>,
    asker: &Asker,
) -> Result<Inputs, LookupError> {
    let wanted = library.lookups(&resolved.template);
    let mac = device.map(|device| device.mac).or(resolved.device).or(asker.mac);
    let answers = if wanted.is_empty() {
        BTreeMap::new()
    } else {
        lookups.ask(wanted, &values(resolved, device, mac, asker)).await?
    };
    Ok(Inputs {
        captures: BTreeMap::clone(&resolved.captures),
        lease: asker.lease.clone(),
        lookups: answers,
        mac,
        address: asker.address,
        shared_secret: cmts.of(asker.relay).cloned(),
        mic_list: cmts.list_of(asker.relay),
        now: Some(Timestamp::now()),
        bootstrap_uri: None,
        failure: None,
        overrides: Arc::default(),
    })
}

/// What a lookup's query or URL may name: the variables of the requested name, of the device's record and of the lease.
fn values(
    resolved: &Resolved,
    device: Option<&Device>,
    mac: Option<MacAddress>,
    asker: &Asker,
) -> BTreeMap<String, String> {
    let text = |value: &Scalar| match value {
        Scalar::Text(text) => text.clone(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
    };
    let mut values = BTreeMap::new();
    for (name, value) in resolved.captures.iter() {
        values.insert(name.clone(), text(value));
    }
    for (name, value) in asker.lease.iter().flat_map(Fields::scalars) {
        values.insert(format!("lease_{name}"), text(value));
    }
    if let Some(device) = device {
        values.extend(device.vars.clone());
        values.insert("fqdn".to_owned(), device.fqdn.to_string());
        values.insert("flow".to_owned(), device.flow.to_string());
        values.insert("mib".to_owned(), device.mib.to_string());
    }
    if let Some(mac) = mac {
        values.insert("mac".to_owned(), mac.to_string());
        values.insert("mac_bare".to_owned(), mac.bare());
    }
    if let Some(address) = asker.address {
        values.insert("address".to_owned(), address.to_canonical().to_string());
    }
    values.insert("template".to_owned(), resolved.template.to_string());
    values
}

/// A secret's file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CmtsSecretError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It holds no secret.
    #[error("{}: {source}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SecretError,
    },
}

/// The secrets shared with CMTSs.
#[derive(Debug, Clone, Default)]
pub struct CmtsSecrets {
    /// Every secret, by CMTS.
    pub all: SharedSecrets,
    networks: Vec<(ipnet::IpNet, String)>,
    /// Which TLVs the MIC covers, where no CMTS says otherwise.
    list: CmtsMicList,
    lists: BTreeMap<String, CmtsMicList>,
}

/// The name of the CMTS that no entry of the settings describes.
const ANY: &str = "";

impl CmtsSecrets {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// [`CmtsSecretError`] with the first file that cannot be used.
    pub fn load(settings: &CableModemSettings) -> Result<Self, CmtsSecretError> {
        let mut secrets = Self {
            list: settings.mic_list,
            ..Self::default()
        };
        let of_any = settings.secrets.iter().map(|path| (ANY, path));
        let of_one = settings
            .cmts
            .iter()
            .flat_map(|cmts| cmts.secrets.iter().map(|path| (cmts.name.as_str(), path)));
        for (cmts, path) in of_any.chain(of_one) {
            let octets = std::fs::read(path).map(zeroize::Zeroizing::new);
            let octets = octets.map_err(|source| CmtsSecretError::Read {
                path: path.clone(),
                source,
            })?;
            let secret = SharedSecret::new(&octets).map_err(|source| CmtsSecretError::Secret {
                path: path.clone(),
                source,
            })?;
            secrets.all.push(cmts, &path.display().to_string(), secret);
        }
        for cmts in &settings.cmts {
            let list = cmts.mic_list.map(|list| (cmts.name.clone(), list));
            secrets.lists.extend(list);
            secrets
                .networks
                .extend(cmts.relays.iter().map(|network| (*network, cmts.name.clone())));
        }
        Ok(secrets)
    }

    /// The secret that files for modems behind `relay` are made with.
    pub fn of(&self, relay: Option<IpAddr>) -> Option<&SharedSecret> {
        self.of_cmts(self.named(relay))
    }

    /// Which TLVs the MIC of files for modems behind `relay` covers.
    pub fn list_of(&self, relay: Option<IpAddr>) -> CmtsMicList {
        self.list_of_cmts(self.named(relay))
    }

    /// The secret that files for modems of the CMTS `name` are made with.
    pub fn of_cmts(&self, name: &str) -> Option<&SharedSecret> {
        self.all.current(name).or_else(|| self.all.current(ANY))
    }

    /// Which TLVs the MIC of files for modems of the CMTS `name` covers.
    pub fn list_of_cmts(&self, name: &str) -> CmtsMicList {
        self.lists.get(name).copied().unwrap_or(self.list)
    }

    fn named(&self, relay: Option<IpAddr>) -> &str {
        let relay = relay.map(|relay| relay.to_canonical());
        let named = relay.and_then(|relay| self.networks.iter().find(|(network, _)| network.contains(&relay)));
        named.map_or(ANY, |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CmtsSettings;

    #[test]
    fn a_modem_gets_the_secret_of_its_cmts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{name}\n")).unwrap();
            path
        };
        let settings = CableModemSettings {
            secrets: vec![file("new"), file("old")],
            mic_list: CmtsMicList::Docsis,
            cmts: vec![CmtsSettings {
                name: "west".to_owned(),
                relays: vec!["10.1.0.0/16".parse().unwrap()],
                secrets: vec![file("west")],
                mic_list: Some(CmtsMicList::Mulpi),
            }],
        };
        let secrets = CmtsSecrets::load(&settings).unwrap();
        let is = |relay: Option<&str>, text: &str| {
            let found = secrets.of(relay.map(|relay| relay.parse().unwrap())).unwrap();
            found.ct_eq(&SharedSecret::new(text.as_bytes()).unwrap())
        };
        assert!(is(None, "new") && is(Some("10.2.0.1"), "new") && is(Some("10.1.2.3"), "west"));
        let list = |relay: &str| secrets.list_of(Some(relay.parse().unwrap()));
        assert_eq!(list("10.1.2.3"), CmtsMicList::Mulpi);
        assert_eq!(list("10.2.0.1"), CmtsMicList::Docsis);
        assert!(CmtsSecrets::default().of(None).is_none());
        let missing = CableModemSettings {
            secrets: vec![folder.path().join("none")],
            ..CableModemSettings::default()
        };
        assert!(CmtsSecrets::load(&missing).is_err());
    }
}
