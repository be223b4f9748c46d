//! eUE-18: the device's configuration file is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use super::Policy;
use super::bootstrap::Triggers;
use super::enrollment::failed;
use super::names::own_file_name;
use crate::mib::Names;
use crate::model::{ConfigUrl, ConfigUrlError, Delivery, Device, Family, Flow, ServedFile, Step, StepId, UrlHost};
use crate::profile::{HashOver, Profile};
use crate::settings::FileEncryption;
use crate::store::Change;
use crate::template::{BuildError, Context, Inputs, OverrideError, Overrides, SharedLibrary, Site, TemplateLibrary};
use crate::value::{Random, Timestamp};
use crate::wire::tlv::{self, CipherError, EncryptAlgorithm, FileHash, FileKey, FileKind, HashAlgorithm};

/// Where files are served.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// The TFTP listeners.
    pub tftp: Vec<SocketAddr>,
    /// The HTTP listeners.
    pub http: Vec<SocketAddr>,
}

/// Makes configuration files from templates.
pub struct FileMaker {
    /// The compiled templates.
    pub library: SharedLibrary,
    /// The MIB names that devices' records speak.
    pub names: Arc<Names>,
    /// What templates see of this installation.
    pub site: Site,
    /// The cipher of files, where the flow has one.
    pub encryption: FileEncryption,
    /// The interop profile: what the hash covers, how a file is encrypted.
    pub profile: Profile,
    /// Where files are served.
    pub endpoints: Endpoints,
    /// Which files tell their devices to bootstrap.
    pub triggers: Triggers,
}

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The template does not fit the device.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Something that the template asks for could not be found out.
    #[error("{0}")]
    Unknown(String),
    /// The device's record changes an attribute that cannot be changed so.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The file cannot be encrypted.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The device's variable `encryption` names no cipher.
    #[error("the device's variable encryption is '{0}': expected none, des, 3des, aes128 or aes256")]
    Encryption(String),
    /// No listener has the device's family.
    #[error("no {protocol} listener has the family {family}: add one to `listen` of [{protocol}], or set `url_host`")]
    Listener {
        /// The protocol that the device fetches its file by.
        protocol: Delivery,
        /// The device's family.
        family: Family,
    },
    /// The URL is too long.
    #[error(transparent)]
    Url(#[from] ConfigUrlError),
}

/// A file could not be made. The attempt ends with the reason; that is the change to store.
#[derive(Debug, thiserror::Error)]
#[error("the configuration file cannot be made: {source}")]
pub struct FileError {
    /// The attempt's end.
    pub change: Box<Change>,
    /// Why.
    pub source: MakeError,
}

/// What a device's file is made for.
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'a> {
    /// The server's address that the device spoke to.
    pub local: SocketAddr,
    /// What is known beyond the device's record.
    pub inputs: &'a Inputs,
}

/// Makes the file of the attempt in `change`, under a fresh name and key, and adds it to the change.
///
/// # Errors
/// [`FileError`].
pub fn make(
    change: &mut Change,
    device: &Device,
    request: FileRequest<'_>,
    policy: &Policy,
    maker: &FileMaker,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(), FileError> {
    let Some(attempt) = &mut change.attempt else {
        return Ok(());
    };
    let enrollment = attempt.enrollment.as_ref();
    let capabilities = enrollment.map(|enrollment| enrollment.type_identifier.as_str());
    match maker.for_attempt(device, capabilities, request, policy, now, random) {
        Ok((file, octets)) => {
            let detail = format!(
                "{} octets from template {}, encryption {}",
                file.size,
                device.template_name(),
                file.algorithm
            );
            change.steps.push(Step::ok(StepId::FILE, now, detail));
            change.file = Some((file.name.clone(), octets));
            attempt.file = Some(file);
            Ok(())
        }
        Err(source) => {
            let step = Step::failed(StepId::FILE, now, source.to_string());
            let change = Box::new(failed(std::mem::take(change), step));
            Err(FileError { change, source })
        }
    }
}

impl FileMaker {
    /// The file of a device in the secure or hybrid flow, and its octets as delivered. It is made for the family that the
    /// device enrolled over, which a ticket need not have been asked for over.
    fn for_attempt(
        &self,
        device: &Device,
        capabilities: Option<&str>,
        request: FileRequest<'_>,
        policy: &Policy,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<(ServedFile, Vec<u8>), MakeError> {
        let local = request.local.ip();
        let plain = self.plain(device, capabilities, local, request.inputs.clone(), policy)?;
        let algorithm = self.algorithm(device)?;
        let form = self.profile.file_form;
        let key = FileKey::generate(algorithm, form.iv, random);
        let (octets, delivered) = tlv::cipher::encrypt_and_hash(&plain, &key, form, random, HashAlgorithm::Sha1)?;
        let key = key.material();
        let hash = match self.profile.hash_over {
            HashOver::Delivered => delivered,
            HashOver::Plaintext => FileHash::of(&plain, HashAlgorithm::Sha1),
        };
        let hash = hash.octets().to_vec();
        let name = own_file_name(device.mac, random);
        let url = self.url(device, local, policy, &name)?.to_string();
        let size = octets.len();
        Ok((
            ServedFile {
                name,
                url,
                hash,
                algorithm,
                key,
                size,
                made: now,
            },
            octets,
        ))
    }

    /// The file of a device in the basic flow that asks from `source`: in clear, its hash inside. What the device can do is
    /// not known: it does not enroll.
    ///
    /// # Errors
    /// [`MakeError`].
    pub fn basic(&self, device: &Device, source: IpAddr, inputs: Inputs, policy: &Policy) -> Result<Bytes, MakeError> {
        self.plain(device, None, unspecified(Family::of(source)), inputs, policy)
    }

    /// The octets of a device's file before they are encrypted, with all that the engine adds. `capabilities` is the
    /// device's type identifier, where it has told one; `local` is the server's address that it speaks to.
    ///
    /// # Errors
    /// [`MakeError`].
    pub fn plain(
        &self,
        device: &Device,
        capabilities: Option<&str>,
        local: IpAddr,
        inputs: Inputs,
        policy: &Policy,
    ) -> Result<Bytes, MakeError> {
        let inputs = Inputs {
            bootstrap_uri: self.trigger(device, capabilities, local, policy),
            ..inputs
        };
        self.build_with(device, Family::of(local), inputs)
    }

    /// Where the file tells its device to bootstrap, if it is to; the template may switch that off. `capabilities` is the
    /// device's type identifier, where it has told one.
    fn trigger(&self, device: &Device, capabilities: Option<&str>, local: IpAddr, policy: &Policy) -> Option<String> {
        let wanted = self.triggers.wants(device, capabilities);
        wanted.then(|| self.triggers.url(device, local, policy)).flatten()
    }

    /// The octets of a device's file from its own template, with what is known of the request.
    ///
    /// # Errors
    /// [`MakeError`].
    fn build_with(&self, device: &Device, family: Family, mut inputs: Inputs) -> Result<Bytes, MakeError> {
        if let Some(failure) = inputs.failure {
            return Err(MakeError::Unknown(failure));
        }
        inputs.overrides = self.overrides(device)?;
        let context = Context {
            device: Some(device),
            family,
            site: &self.site,
            inputs: &inputs,
        };
        Ok(self.library.current().build_for(&context)?)
    }

    /// The octets of the file that the template `name` of `library` makes, for a device of which there may be no record.
    ///
    /// # Errors
    /// [`MakeError`].
    pub fn build_named(
        &self,
        library: &TemplateLibrary,
        name: &str,
        device: Option<&Device>,
        family: Family,
        mut inputs: Inputs,
        policy: &Policy,
    ) -> Result<Bytes, MakeError> {
        if let Some(device) = device {
            inputs.overrides = self.overrides(device)?;
            let of_device = library.kind(name) == Some(FileKind::Device);
            let told = || self.trigger(device, None, unspecified(family), policy);
            inputs.bootstrap_uri = of_device.then(told).flatten();
        }
        let context = Context {
            device,
            family,
            site: &self.site,
            inputs: &inputs,
        };
        Ok(library.build_octets(name, &context)?)
    }

    /// What the device's record changes in its file.
    ///
    /// # Errors
    /// [`OverrideError`].
    pub fn overrides(&self, device: &Device) -> Result<Arc<Overrides>, OverrideError> {
        if device.overrides.is_empty() {
            return Ok(Arc::default());
        }
        Overrides::compile(&device.overrides, &self.names).map(Arc::new)
    }

    /// The cipher of a device's file: in the hybrid flow none, since SNMPv2c would show the key (fact sheet security §7);
    /// otherwise the operator's, unless the device's variable `encryption` names another (profile P24).
    fn algorithm(&self, device: &Device) -> Result<EncryptAlgorithm, MakeError> {
        if device.flow != Flow::Secure {
            return Ok(EncryptAlgorithm::None);
        }
        let choice = match device.vars.get("encryption") {
            Some(word) => word.parse().map_err(|_| MakeError::Encryption(word.clone()))?,
            None => self.encryption,
        };
        Ok(choice.algorithm(device.mib))
    }

    fn url(&self, device: &Device, local: IpAddr, policy: &Policy, name: &str) -> Result<ConfigUrl, MakeError> {
        let family = Family::of(local);
        let (listeners, protocol) = match device.delivery {
            Delivery::Tftp => (&self.endpoints.tftp, device.delivery),
            Delivery::Http => (&self.endpoints.http, device.delivery),
        };
        let reached = reachable(listeners, local, family, policy);
        let (host, port) = reached.ok_or(MakeError::Listener { protocol, family })?;
        Ok(ConfigUrl::new(protocol, host, Some(port), name)?)
    }
}

/// Which of the server's addresses a device speaks to is not always known; its family is.
fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// How a device of `family` that spoke to the server at `local` reaches one of `listeners`; `None` where none has its
/// family.
pub(super) fn reachable(
    listeners: &[SocketAddr],
    local: IpAddr,
    family: Family,
    policy: &Policy,
) -> Option<(UrlHost, u16)> {
    let of_family = || listeners.iter().filter(|listener| Family::of(listener.ip()) == family);
    // The address that the device reached the server by is one it can reach again.
    let same = of_family().find(|listener| listener.ip() == local);
    let listener = same.or_else(|| of_family().next())?;
    let host = match &policy.url_host {
        Some(fqdn) => UrlHost::Name(fqdn.clone()),
        None if !listener.ip().is_unspecified() => UrlHost::Address(listener.ip()),
        None if !local.is_unspecified() => UrlHost::Address(local),
        // Both listen on a wildcard, which no device can reach; the name is the one it found the server by.
        None => UrlHost::Name(policy.prov_fqdn.clone()),
    };
    Some((host, listener.port()))
}
