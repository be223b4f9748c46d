//! `hardline pki`: the look-alike certificate hierarchy.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::open::ConfigArg;
use super::{CliError, output};
use crate::settings::Settings;
use crate::value::{MacAddress, OsRandom, Timestamp};
use crate::wire::cert::issue::{self, Credential, Terms};
use crate::wire::cert::{certificates_from_pem, certificates_to_pem, key_from_pem, key_to_pem};

/// How long authorities, and how long devices and servers are certified, in years.
const AUTHORITY_YEARS: u32 = 30;
const ENTITY_YEARS: u32 = 20;
/// The size of RSA keys.
const BITS: u32 = 2048;
/// How long before now certificates begin, so that a device whose clock lags takes them.
const LEAD: i64 = 86_400;

/// Arguments of `hardline pki`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue a look-alike device certificate: device.crt.pem, device.key.pem, chain.pem
    Device {
        #[command(flatten)]
        config: ConfigArg,
        /// The device's MAC address
        #[arg(long)]
        mac: MacAddress,
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs `hardline pki`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let Command::Device { config, mac, out } = args.command;
    let pki = config.settings()?.pki();
    let manufacturer = read(&pki, "mfr-ca")?;
    let key = generate()?;
    let device = issue::device(&manufacturer, key, mac, &terms(ENTITY_YEARS)).map_err(issuing)?;
    fs::create_dir_all(&out).map_err(|error| CliError::file(&out, error))?;
    let certificate = out.join("device.crt.pem");
    let key = out.join("device.key.pem");
    let chain = out.join("chain.pem");
    write(&certificate, pem(&[&device.certificate])?.as_bytes(), 0o644)?;
    write_key(&key, &device)?;
    write(
        &chain,
        pem(&[&device.certificate, &manufacturer.certificate])?.as_bytes(),
        0o644,
    )?;
    if as_json {
        return output::print_json(&json!({"mac": mac, "certificate": certificate, "key": key, "chain": chain}));
    }
    output::print(&format!(
        "{}\n{}\n{}\n",
        certificate.display(),
        key.display(),
        chain.display()
    ))
}

/// Makes both hierarchies in a new folder: the device root with a manufacturer CA, the service provider root with the
/// operator's CA, a KDC and a bootstrapping server.
///
/// # Errors
/// [`CliError`].
pub(super) fn create(folder: &Path, settings: &Settings, addresses: &[IpAddr]) -> Result<(), CliError> {
    fs::create_dir(folder).map_err(|error| CliError::file(folder, error))?;
    let organisation = &settings.organisation;
    let root = issue::mta_root(generate()?, &terms(AUTHORITY_YEARS)).map_err(issuing)?;
    let manufacturer = issue::manufacturer_ca(&root, generate()?, "Look-alike Manufacturer", &terms(AUTHORITY_YEARS));
    let provider_root = issue::provider_root(generate()?, &terms(AUTHORITY_YEARS)).map_err(issuing)?;
    let provider = issue::provider_ca(&provider_root, generate()?, organisation, &terms(AUTHORITY_YEARS));
    let provider = provider.map_err(issuing)?;
    let (fqdn, realm) = (settings.kdc_fqdn(), &settings.realm);
    let kdc = issue::kdc(&provider, generate()?, organisation, &fqdn, realm, &terms(ENTITY_YEARS));
    let names = [settings.prov_fqdn()];
    let bootstrap = issue::bootstrap(
        &provider,
        generate()?,
        organisation,
        &names,
        addresses,
        &terms(ENTITY_YEARS),
    );
    for (name, credential) in [
        ("mta-root", root),
        ("mfr-ca", manufacturer.map_err(issuing)?),
        ("sp-root", provider_root),
        ("sp-ca", provider),
        ("kdc", kdc.map_err(issuing)?),
        ("bootstrap", bootstrap.map_err(issuing)?),
    ] {
        write(
            &folder.join(format!("{name}.crt.pem")),
            pem(&[&credential.certificate])?.as_bytes(),
            0o644,
        )?;
        write_key(&folder.join(format!("{name}.key.pem")), &credential)?;
    }
    Ok(())
}

fn terms(years: u32) -> Terms {
    let start = Timestamp::from_unix(Timestamp::now().unix() - LEAD);
    Terms::new(&mut OsRandom, start, years)
}

fn generate() -> Result<openssl::pkey::PKey<openssl::pkey::Private>, CliError> {
    issue::generate_key(BITS).map_err(issuing)
}

fn issuing(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(format!("issuing a certificate: {error}"))
}

fn pem(certificates: &[&[u8]]) -> Result<String, CliError> {
    certificates_to_pem(certificates).map_err(issuing)
}

/// The credential `<name>.crt.pem` and `<name>.key.pem` of the folder.
fn read(folder: &Path, name: &str) -> Result<Credential, CliError> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        CliError::Wrong(format!(
            "{}: {error}; restore the file that hardline init made",
            path.display()
        ))
    };
    let path = folder.join(format!("{name}.crt.pem"));
    let text = fs::read(&path).map_err(|error| wrong(&path, &error))?;
    let certificates = certificates_from_pem(&text).map_err(|error| wrong(&path, &error))?;
    let certificate = certificates
        .into_iter()
        .next()
        .ok_or_else(|| wrong(&path, &"it holds no certificate"))?;
    let path = folder.join(format!("{name}.key.pem"));
    let text = fs::read(&path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| wrong(&path, &error))?;
    let key = key_from_pem(&text).map_err(|error| wrong(&path, &error))?;
    Ok(Credential { certificate, key })
}

fn write_key(path: &Path, credential: &Credential) -> Result<(), CliError> {
    let text = key_to_pem(&credential.key).map_err(issuing)?;
    write(path, text.expose(), 0o600)
}

/// Writes a file with these permissions, replacing what stands there: never through it, so that an older file's
/// permissions or links do not matter.
pub(super) fn write(path: &Path, octets: &[u8], mode: u32) -> Result<(), CliError> {
    let _ = fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(octets).and_then(|()| file.sync_all()));
    written.map_err(|error| CliError::file(path, error))
}
