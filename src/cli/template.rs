//! `hardline template`: the templates that files are made from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::open::{ConfigArg, block_on, open_store};
use super::output::{Colour, coloured};
use super::{CliError, output};
use crate::mib::Names;
use crate::model::{Device, Family, Flow};
use crate::service::dynamic::{Asker, CmtsSecrets, gather};
use crate::service::lookup::Lookups;
use crate::service::{server, templates};
use crate::settings::{Service, Settings};
use crate::store::Store;
use crate::template::{Fields, Resolved, Scalar, TemplateLibrary, cable_modem_text, decode_text};
use crate::text::FileView;
use crate::value::{MacAddress, hex};
use crate::wire::tlv::{ConfigFile, DeviceFile, FileKind};

/// Arguments of `hardline template`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a folder of templates with the shipped ones and name every mistake
    Check {
        #[command(flatten)]
        config: ConfigArg,
        /// The folder; by default the one of the settings
        dir: Option<PathBuf>,
    },
    /// List the templates, shipped and own
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print a template's text, to be copied into the folder of own templates and changed
    Show {
        #[command(flatten)]
        config: ConfigArg,
        /// Its name
        name: String,
    },
    /// Make a device's file as the server would, and show it
    Render(Box<RenderArgs>),
}

#[derive(clap::Args)]
struct RenderArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The device's MAC address; of a cable modem without a record, the modem's
    #[arg(long)]
    device: MacAddress,
    /// The file name that is asked for; by default the template of the device's record
    #[arg(long)]
    name: Option<String>,
    /// The address that the request comes from
    #[arg(long)]
    address: Option<IpAddr>,
    /// The address of the CMTS that the device is behind
    #[arg(long)]
    relay: Option<IpAddr>,
    /// What the device says of itself when it enrolls (DHCP option 60), which decides whether it is told to bootstrap; by
    /// default what it last said
    #[arg(long, value_name = "TEXT", conflicts_with = "name")]
    type_identifier: Option<String>,
    /// A field of the device's lease; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    lease: Vec<(String, String)>,
    /// How the file is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where it is written instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The language of templates
    Text,
    /// One JSON document
    Json,
    /// Hexadecimal digits
    Hex,
    /// The file's octets
    Binary,
}

fn field(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.into(), value.into()))
        .ok_or_else(|| format!("'{text}' is not NAME=VALUE"))
}

/// Runs `hardline template`.
///
/// # Errors
/// [`CliError`].
pub fn run(args: Args, as_json: bool) -> Result<(), CliError> {
    match args.command {
        Command::Check { config, dir } => check(&config, dir, as_json),
        Command::List { config } => list(&config, as_json),
        Command::Show { config, name } => show(&config, &name),
        Command::Render(args) => block_on(render(*args, as_json)),
    }
}

fn library(settings: &Settings) -> Result<(Arc<Names>, TemplateLibrary), CliError> {
    let names = Arc::new(server::names(settings)?);
    let library = templates::library(settings, &names).map_err(|error| CliError::Failed(error.to_string()))?;
    Ok((names, library))
}

fn check(config: &ConfigArg, dir: Option<PathBuf>, as_json: bool) -> Result<(), CliError> {
    // A folder can be checked without an installation; then it may ask for any lookup.
    let settings = match (&dir, config.config.is_file()) {
        (Some(_), false) => None,
        _ => Some(config.settings()?),
    };
    let names = match &settings {
        Some(settings) => server::names(settings)?,
        None => {
            Names::with_own(&[])
                .map_err(|error| CliError::Failed(error.to_string()))?
                .0
        }
    };
    let folder = match (&dir, &settings) {
        (Some(dir), _) if !dir.is_dir() => {
            return Err(CliError::Wrong(format!("{} is no folder", dir.display())));
        }
        (Some(dir), _) => dir.clone(),
        (None, Some(settings)) => settings.templates.path.clone(),
        (None, None) => return Err(CliError::Wrong("name a folder".to_owned())),
    };
    let has = |name: &str| {
        settings
            .as_ref()
            .is_none_or(|settings| settings.lookup.contains_key(name))
    };
    let compiled = templates::compile(&folder, &names, has);
    let lines = compiled
        .as_ref()
        .err()
        .map(templates::LibraryError::lines)
        .unwrap_or_default();
    let (all, statics) = compiled.as_ref().map(TemplateLibrary::counts).unwrap_or_default();
    if as_json {
        let errors = match &compiled {
            Err(templates::LibraryError::Templates(errors)) => errors
                .iter()
                .map(|error| {
                    json!({
                        "file": *error.place.file, "line": error.place.line, "column": error.place.column,
                        "error": error.reason.to_string(),
                    })
                })
                .collect(),
            _ => lines.iter().map(|line| json!({"error": line})).collect::<Vec<_>>(),
        };
        output::print_json(&json!({
            "ok": lines.is_empty(), "folder": folder, "templates": all, "static": statics, "errors": errors,
        }))?;
    } else if lines.is_empty() {
        let ok = coloured("ok", Colour::Green);
        output::print(&format!(
            "{}: {ok}, {all} templates, {statics} of them static\n",
            folder.display()
        ))?;
    } else {
        output::print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    if lines.is_empty() {
        Ok(())
    } else {
        Err(CliError::Reported(1))
    }
}

fn list(config: &ConfigArg, as_json: bool) -> Result<(), CliError> {
    let (_, library) = library(&config.settings()?)?;
    let infos = library.infos();
    if as_json {
        return infos.iter().try_for_each(output::print_json);
    }
    let mut rows = vec![["template", "makes", "", "from", "served as"].map(str::to_owned)];
    for info in infos {
        let from = if info.file == info.name { "shipped" } else { &info.file };
        rows.push([
            info.name.clone(),
            info.kind.to_string(),
            if info.is_static { "static" } else { "dynamic" }.to_owned(),
            from.to_owned(),
            info.serves.join(" "),
        ]);
    }
    output::print(&output::aligned(&rows))
}

fn show(config: &ConfigArg, name: &str) -> Result<(), CliError> {
    // The shipped ones can be shown before there is an installation.
    let own = if config.config.is_file() {
        let folder = config.settings()?.templates.path;
        templates::read_folder(&folder).map_err(|error| CliError::Failed(error.to_string()))?
    } else {
        Vec::new()
    };
    if let Some(file) = own.iter().find(|file| file.name == name) {
        return output::print(&file.text);
    }
    let shipped = TemplateLibrary::shipped_sources()
        .into_iter()
        .find(|source| source.name == name);
    match shipped {
        Some(source) => output::print(source.text),
        None => Err(CliError::Failed(format!(
            "there is no template '{name}': hardline template list shows those that are"
        ))),
    }
}

async fn render(args: RenderArgs, as_json: bool) -> Result<(), CliError> {
    let settings = args.config.settings()?;
    let (names, library) = library(&settings)?;
    let store = open_store(&settings).await?;
    let device = store.device(args.device).await;
    let attempt = store.attempt(args.device).await;
    store.close().await?;
    let (device, attempt) = (device?, attempt?);
    let resolved = resolved(&args, device.as_ref(), &library)?;
    let mut lease = Fields::default();
    for (name, value) in args.lease {
        lease.set(name, Scalar::Text(value));
    }
    let asker = Asker {
        address: args
            .address
            .or_else(|| device.as_ref().and_then(|device| device.addresses.first().copied())),
        mac: Some(args.device),
        lease: (!lease.is_empty()).then_some(lease),
        relay: args.relay,
    };
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(error.to_string());
    let lookups = Lookups::new(&settings.lookup).map_err(|error| failed(&error))?;
    let cmts = CmtsSecrets::load(&settings.cable_modem).map_err(|error| failed(&error))?;
    let inputs = gather(&library, &lookups, &cmts, &resolved, device.as_ref(), &asker).await;
    let inputs = inputs.map_err(|error| failed(&error))?;
    let family = asker.address.map_or(Family::V4, Family::of);
    let library = Arc::new(library);
    let maker = server::file_maker(&settings, names.clone(), library.clone(), server::profile(&settings)?);
    let policy = server::policy(&settings);
    let octets = match (&args.name, &device) {
        (None, Some(device)) if device.flow == Flow::Basic => {
            let source = asker.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
            maker.basic(device, source, inputs, &policy)
        }
        (None, Some(device)) => {
            let enrolled = attempt.and_then(|attempt| attempt.enrollment);
            let told = enrolled.map(|enrollment| enrollment.type_identifier);
            let capabilities = args.type_identifier.or(told);
            let local = local_address(&settings, family);
            maker.plain(device, capabilities.as_deref(), local, inputs, &policy)
        }
        _ => maker.build_named(&library, &resolved.template, device.as_ref(), family, inputs, &policy),
    };
    let octets = octets.map_err(|error| failed(&error))?;
    let format = if as_json { Format::Json } else { args.format };
    let kind = library.kind(&resolved.template).unwrap_or(FileKind::Device);
    let shown = shown(&octets, kind, &resolved, format, &names)?;
    match &args.output {
        Some(path) => std::fs::write(path, shown).map_err(|error| CliError::file(path, error)),
        None => output::print_octets(&shown),
    }
}

/// The template that is asked for: by name, or by the device's record.
fn resolved(args: &RenderArgs, device: Option<&Device>, library: &TemplateLibrary) -> Result<Resolved, CliError> {
    match (&args.name, device) {
        (Some(name), _) => library.resolve(name).ok_or_else(|| {
            CliError::Failed(format!(
                "'{name}' is the name of no template: hardline template list shows what is served"
            ))
        }),
        (None, Some(device)) => Ok(Resolved {
            template: device.template_name().into(),
            captures: Arc::default(),
            device: None,
        }),
        (None, None) => Err(CliError::Failed(format!(
            "{} is not a known device: add it, or say by --name what it asks for",
            args.device
        ))),
    }
}

/// The address that a device of `family` enrolls at.
fn local_address(settings: &Settings, family: Family) -> IpAddr {
    let listeners = settings.listeners(Service::Snmp);
    let of_family = listeners
        .iter()
        .map(SocketAddr::ip)
        .find(|&ip| Family::of(ip) == family);
    of_family.unwrap_or(match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    })
}

fn shown(
    octets: &[u8],
    kind: FileKind,
    resolved: &Resolved,
    format: Format,
    names: &Names,
) -> Result<Vec<u8>, CliError> {
    let unreadable = |error: &dyn std::fmt::Display| CliError::Failed(format!("the file does not read back: {error}"));
    Ok(match format {
        Format::Binary => octets.to_vec(),
        Format::Hex => format!("{}\n", hex(octets)).into_bytes(),
        Format::Text => match kind {
            FileKind::Device => decode_text(&DeviceFile::decode(octets).map_err(|error| unreadable(&error))?, names),
            FileKind::CableModem => {
                let file = ConfigFile::decode_as(kind, octets).map_err(|error| unreadable(&error))?;
                cable_modem_text(&file, names)
            }
        }
        .into_bytes(),
        Format::Json => {
            let mut document = json!({
                "template": *resolved.template, "kind": kind, "octets": octets.len(), "hex": hex(octets),
            });
            let file = ConfigFile::decode_as(kind, octets).map_err(|error| unreadable(&error))?;
            let view = serde_json::to_value(FileView::new(&file, names));
            let view = view.map_err(|error| CliError::Failed(format!("JSON: {error}")))?;
            if let (Some(document), serde_json::Value::Object(view)) = (document.as_object_mut(), view) {
                document.extend(view);
            }
            format!("{document}\n").into_bytes()
        }
    })
}
