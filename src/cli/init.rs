//! `hardline init`: a new installation.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::json;

use super::open::block_on;
use super::{CliError, output, pki};
use crate::service::admin::AdminToken;
use crate::settings::{Service, Settings};
use crate::store::{MasterKey, ServiceKey, SqliteStore, Store};
use crate::value::{Fqdn, OsRandom, Realm, Timestamp};
use crate::wire::kerberos::{EncType, PrincipalName};

/// What `init` makes in the folder, and never overwrites.
const MADE: [&str; 4] = ["hardline.toml", "hardline.db", "master.key", "pki"];

/// What it makes besides, where the settings say so.
const TOKEN: &str = "admin.token";

/// Arguments of `hardline init`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder; it may not hold an installation
    dir: PathBuf,
    /// The Kerberos realm
    #[arg(long, default_value = "PKTC.EXAMPLE.NET")]
    realm: Realm,
    /// The DNS domain of the servers
    #[arg(long, default_value = "pktc.example.net")]
    domain: Fqdn,
    /// The operator's name, as its certificate and the devices' files have it
    #[arg(long, default_value = "Example Operator")]
    org: String,
    /// An address that the services listen on; may be given several times
    #[arg(long, value_name = "ADDR", default_values = ["127.0.0.1", "::1"])]
    listen: Vec<IpAddr>,
    /// Added to every standard port
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
}

/// Makes an installation and says so.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    let Settings { file: config, .. } = install(&args)?;
    if as_json {
        let made: Vec<PathBuf> = MADE.iter().map(|name| args.dir.join(name)).collect();
        return output::print_json(&json!({
            "config": config, "realm": args.realm, "domain": args.domain, "made": made,
            "admin_token": args.dir.join(TOKEN),
        }));
    }
    output::print(&format!(
        "{} made for realm {}; next: hardline serve --config {}\n",
        args.dir.display(),
        args.realm,
        config.display()
    ))
}

/// Makes the installation, whole or not at all, and gives its settings. Not to be called on a runtime.
///
/// # Errors
/// [`CliError`].
pub(super) fn install(args: &Args) -> Result<Settings, CliError> {
    let dir = &args.dir;
    let all = || MADE.iter().chain([&TOKEN]).map(|name| dir.join(name));
    if let Some(path) = all().find(|path| path.symlink_metadata().is_ok()) {
        return Err(CliError::Wrong(format!(
            "{} exists: init overwrites nothing; name another folder",
            path.display()
        )));
    }
    let text = settings_text(args);
    let config = dir.join("hardline.toml");
    // The file must read back before anything is made: what the arguments say may contradict itself.
    let settings = Settings::parse(&config, &text).map_err(|mut errors| CliError::from(errors.swap_remove(0)))?;
    fs::create_dir_all(dir).map_err(|error| CliError::file(dir, error))?;
    if let Err(error) = make(args, &settings, &text) {
        for path in all() {
            // None of them was there before; what cannot be removed is named by the next init.
            let _ = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
        }
        return Err(error);
    }
    Ok(settings)
}

fn make(args: &Args, settings: &Settings, text: &str) -> Result<(), CliError> {
    let statics = &settings.delivery.static_root;
    let templates = &settings.templates.path;
    for folder in [statics, templates] {
        fs::create_dir_all(folder).map_err(|error| CliError::file(folder, error))?;
    }
    let key = MasterKey::generate(&mut OsRandom);
    key.write_new(&settings.master_key)?;
    let token = &settings.admin.token_file;
    AdminToken::write_new(token, &mut OsRandom).map_err(|error| CliError::file(token, error))?;
    pki::create(&args.dir.join("pki"), settings, &args.listen)?;
    block_on(make_database(settings, key))?;
    fs::write(&settings.file, text).map_err(|error| CliError::file(&settings.file, error))
}

async fn make_database(settings: &Settings, key: MasterKey) -> Result<(), CliError> {
    SqliteStore::create(&settings.database, &key).await?;
    let store = SqliteStore::open(&settings.database, key).await?;
    let fresh = |principal: &PrincipalName, etype: EncType| ServiceKey {
        principal: principal.clone(),
        kvno: 1,
        etype: etype.number(),
        key: etype.generate(&mut OsRandom).value,
        created: Timestamp::now(),
        forget: None,
    };
    let etypes = settings.kdc.etypes.of_new_keys();
    let keys = |principal: PrincipalName| {
        etypes
            .iter()
            .map(move |etype| fresh(&principal, *etype))
            .collect::<Vec<_>>()
    };
    store
        .put_keys(settings.service_principals().into_iter().flat_map(keys).collect())
        .await?;
    Ok(store.close().await?)
}

/// hardline.toml with every table of this program; keys that have their default are comments.
fn settings_text(args: &Args) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let listen: Vec<String> = args.listen.iter().map(|address| quoted(&address.to_string())).collect();
    let port = |standard: &str| match args.port_offset {
        0 => standard.to_owned(),
        _ => quoted("source"),
    };
    let mut text = include_str!("hardline.toml").to_owned();
    for (name, value) in [
        ("@REALM@", quoted(args.realm.as_str())),
        ("@DOMAIN@", quoted(args.domain.as_str())),
        ("@ORGANISATION@", quoted(&args.org)),
        ("@PORT_OFFSET@", args.port_offset.to_string()),
        ("@LISTEN@", format!("[{}]", listen.join(", "))),
        ("@AGENT_PORT@", port("161")),
        ("@DEVICE_PORT@", port("1293")),
        ("@LEGACY@", cfg!(feature = "legacy-tls").to_string()),
    ] {
        text = text.replace(name, &value);
    }
    for service in Service::ALL {
        let port = u32::from(service.standard_port()) + u32::from(args.port_offset);
        text = text.replace(&format!("@{}@", service.name().to_uppercase()), &port.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::AgentPort;

    fn args(port_offset: u16) -> Args {
        Args {
            dir: "x".into(),
            realm: "A.NET".parse().unwrap(),
            domain: "a.net".parse().unwrap(),
            org: "Bob's \"Cable\"".into(),
            listen: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            port_offset,
        }
    }

    #[test]
    fn what_init_writes_reads_back_and_every_comment_is_a_default() {
        let text = settings_text(&args(23_000));
        let settings = Settings::parse(Path::new("x/hardline.toml"), &text).unwrap();
        assert_eq!(settings.organisation, "Bob's \"Cable\"");
        assert_eq!(settings.snmp.agent_port, AgentPort::Source);
        assert_eq!(settings.listeners(Service::Tftp)[1].to_string(), "[::1]:23069");
        let uncommented: String = text
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let all = Settings::parse(Path::new("x/hardline.toml"), &uncommented).unwrap();
        assert_eq!(format!("{all:?}"), format!("{settings:?}"));
        let settings = Settings::parse(Path::new("x/hardline.toml"), &settings_text(&args(0))).unwrap();
        assert_eq!(settings.snmp.agent_port, AgentPort::Fixed(161));
    }
}
