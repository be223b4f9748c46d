//! What the files that hardline.toml names hold: certificates, keys, revocation lists, profiles, names.

use std::path::Path;

use super::StartError;
use super::error::file_error;
use crate::mib::Names;
use crate::profile::{Candidates, Profile};
use crate::service::admin::AdminToken;
use crate::service::bootstrap::ServerIdentity;
use crate::service::mib_path;
use crate::service::static_files::StaticRoot;
use crate::settings::Settings;
use crate::wire::cert::{
    CertError, RevocationList, RevocationLists, TrustAnchors, certificates_from_pem, crls_from_file, key_from_pem,
};
use crate::wire::pkinit::{Identity, PkinitError};

fn certificates(path: &Path, key: &'static str) -> Result<Vec<Vec<u8>>, StartError> {
    let text = std::fs::read(path).map_err(file_error(path, key))?;
    certificates_from_pem(&text).map_err(file_error(path, key))
}

/// The device roots that the settings name.
///
/// # Errors
/// A file cannot be read, or holds no certificate.
pub fn device_roots(settings: &Settings) -> Result<TrustAnchors, StartError> {
    const KEY: &str = "[kdc] device_roots";
    let mut roots = Vec::new();
    for path in &settings.kdc.device_roots {
        roots.extend(certificates(path, KEY)?);
    }
    let first = settings.kdc.device_roots.first().cloned().unwrap_or_default();
    TrustAnchors::from_der(roots).map_err(|error: CertError| file_error(&first, KEY)(error))
}

/// The revocation lists that the settings name. Those of `anchors` are verified.
///
/// # Errors
/// A file cannot be read, holds no list, or one that its CA did not sign.
pub fn revocation_lists(settings: &Settings, anchors: &TrustAnchors) -> Result<RevocationLists, StartError> {
    const KEY: &str = "[kdc.crl] files";
    let mut lists = Vec::new();
    for path in &settings.kdc.crl.files {
        let octets = std::fs::read(path).map_err(file_error(path, KEY))?;
        for der in crls_from_file(&octets).map_err(file_error(path, KEY))? {
            lists.push(RevocationList::parse(&der).map_err(file_error(path, KEY))?);
        }
    }
    let first = settings.kdc.crl.files.first().cloned().unwrap_or_default();
    RevocationLists::new(lists, anchors.certificates()).map_err(file_error(&first, KEY))
}

/// The KDC's certificate chain and key.
///
/// # Errors
/// A file cannot be read, or the key is another certificate's.
pub fn kdc_identity(settings: &Settings) -> Result<Identity, StartError> {
    let kdc = &settings.kdc;
    let mut chain = certificates(&kdc.certificate, "[kdc] certificate")?;
    for path in &kdc.chain {
        chain.extend(certificates(path, "[kdc] chain")?);
    }
    const KEY: &str = "[kdc] key";
    let text = zeroize::Zeroizing::new(std::fs::read(&kdc.key).map_err(file_error(&kdc.key, KEY))?);
    let key = key_from_pem(&text).map_err(file_error(&kdc.key, KEY))?;
    Identity::new(&chain, key).map_err(|error: PkinitError| file_error(&kdc.key, KEY)(error))
}

/// The bootstrapping server's certificate chain and key.
///
/// # Errors
/// A file cannot be read, or the key is another certificate's.
pub fn bootstrap_identity(settings: &Settings) -> Result<ServerIdentity, StartError> {
    let table = &settings.bootstrap;
    let mut chain = certificates(&table.certificate, "[bootstrap] certificate")?;
    for path in &table.chain {
        chain.extend(certificates(path, "[bootstrap] chain")?);
    }
    const KEY: &str = "[bootstrap] key";
    let text = zeroize::Zeroizing::new(std::fs::read(&table.key).map_err(file_error(&table.key, KEY))?);
    let key = key_from_pem(&text).map_err(file_error(&table.key, KEY))?;
    ServerIdentity::new(chain, key).map_err(|error| file_error(&table.key, KEY)(error))
}

/// The interop profile that the settings name, or the default.
///
/// # Errors
/// The file cannot be read, or is no profile.
pub fn profile(settings: &Settings) -> Result<Profile, StartError> {
    let Some(path) = &settings.profile.path else {
        return Ok(Profile::default());
    };
    let text = std::fs::read_to_string(path).map_err(file_error(path, "[profile] path"))?;
    toml::from_str(&text).map_err(file_error(path, "[profile] path"))
}

/// What is tried on devices of unknown vendors; none where the settings want no learning.
///
/// # Errors
/// The file cannot be read, or is no list of candidates.
pub fn candidates(settings: &Settings) -> Result<Option<Candidates>, StartError> {
    const KEY: &str = "[profile] candidates";
    let candidates = match &settings.profile.candidates {
        None => Candidates::shipped(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(file_error(path, KEY))?;
            Candidates::parse(&text).map_err(file_error(path, KEY))?
        }
    };
    Ok(settings.profile.learn.then_some(candidates))
}

/// The token of the admin API.
///
/// # Errors
/// Its file cannot be read, may be read by others, or holds too short a token.
pub fn admin_token(settings: &Settings) -> Result<AdminToken, StartError> {
    let path = &settings.admin.token_file;
    AdminToken::load(path).map_err(file_error(path, "[admin] token_file"))
}

pub(super) fn static_root(settings: &Settings) -> Result<Option<StaticRoot>, StartError> {
    let path = &settings.delivery.static_root;
    let serves = settings.tftp.enabled || settings.http.enabled;
    serves
        .then(|| StaticRoot::new(path).map_err(file_error(path, "[delivery] static_root")))
        .transpose()
}

/// The names of the built-in MIB modules and of the operator's.
///
/// # Errors
/// [`StartError::Mib`].
pub fn names(settings: &Settings) -> Result<Names, StartError> {
    let (names, warnings) = mib_path::names(&settings.mib.path)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(names)
}
