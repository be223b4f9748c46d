//! What the commands read: files in every form, and secrets.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::super::{CliError, pki};
use crate::mib::{MibDialect, Names};
use crate::model::Family;
use crate::service::dynamic::CmtsSecrets;
use crate::settings::Settings;
use crate::template::{Context, Inputs, Site, Source, TemplateLibrary};
use crate::text::{FileView, Format, Resolver, docsis};
use crate::wire::tlv::{CmtsMicList, ConfigFile, FileKind, SharedSecret, SharedSecrets};

/// A file that was read.
pub struct Input {
    /// What it means.
    pub file: ConfigFile,
    /// Its octets; of a text those that it stands for.
    pub octets: Vec<u8>,
    /// Its form.
    pub format: Format,
}

/// The content of a file, or of standard input for `-`.
///
/// # Errors
/// [`CliError::Failed`].
pub fn content(path: &Path) -> Result<Vec<u8>, CliError> {
    if path.as_os_str() == "-" {
        let mut content = Vec::new();
        let read = std::io::stdin().read_to_end(&mut content);
        return read.map(|_| content).map_err(|error| CliError::file(path, error));
    }
    fs::read(path).map_err(|error| CliError::file(path, error))
}

/// The octets of a file for commands that are about octets: a text stands for some, and has none of its own.
///
/// # Errors
/// [`CliError::Failed`].
pub fn octets(path: &Path) -> Result<Vec<u8>, CliError> {
    let content = filled(path)?;
    match Format::of(&content) {
        Format::Binary => Ok(content),
        format => Err(CliError::file(
            path,
            format!("this is a file's {format} form: make its octets by hardline config encode"),
        )),
    }
}

/// The content of a file that has any.
fn filled(path: &Path) -> Result<Vec<u8>, CliError> {
    let content = content(path)?;
    match content.is_empty() {
        true => Err(CliError::file(path, "there is nothing in it")),
        false => Ok(content),
    }
}

/// Reads a file in whatever form it is.
///
/// # Errors
/// [`CliError::Failed`] with the place of the first mistake.
pub fn read(path: &Path, names: &Names, dialect: Option<MibDialect>) -> Result<Input, CliError> {
    let content = filled(path)?;
    let format = Format::of(&content);
    let wrong = |error: &dyn std::fmt::Display| CliError::Failed(format!("{}: {error}", path.display()));
    let resolver = Resolver::new(names, dialect);
    let text = || std::str::from_utf8(&content).map_err(|error| wrong(&error));
    let file = match format {
        Format::Binary => ConfigFile::decode(&content).map_err(|error| wrong(&error))?,
        Format::Docsis => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let open = |name: &str| fs::read(folder.join(name));
            docsis::read_octets(&content, resolver, &open)
                .map_err(|error| CliError::Failed(format!("{}:{error}", path.display())))?
        }
        Format::Json => {
            let view: FileView = serde_json::from_str(text()?).map_err(|error| wrong(&error))?;
            view.to_file(resolver).map_err(|error| wrong(&error))?
        }
        Format::Yaml => {
            let view: FileView = serde_yaml_ng::from_str(text()?).map_err(|error| wrong(&error))?;
            view.to_file(resolver).map_err(|error| wrong(&error))?
        }
        Format::Text => from_template(path, text()?, names)?,
    };
    let octets = match format {
        Format::Binary => content,
        _ => file.encode().map_err(|error| wrong(&error))?,
    };
    Ok(Input { file, octets, format })
}

/// Builds a template for nobody: what the engine adds to the file of a device with a record is left out, and so are a
/// modem's MICs, which whoever encodes it adds.
fn from_template(path: &Path, text: &str, names: &Names) -> Result<ConfigFile, CliError> {
    const NAME: &str = "file to encode";
    const BARE: &str = "\nauto cm-mic off\nauto cmts-mic off\nauto delimiters off\n";
    let file = path.display().to_string();
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(error.to_string());
    let compile = |text: &str| {
        let sources: Vec<Source<'_>> = TemplateLibrary::shipped_sources()
            .into_iter()
            .chain([Source::new(NAME, &file, text)])
            .collect();
        TemplateLibrary::compile(&sources, names).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            CliError::Failed(lines.join("\n"))
        })
    };
    let mut library = compile(text)?;
    let kind = library.kind(NAME).unwrap_or(FileKind::Device);
    if kind == FileKind::CableModem {
        library = compile(&format!("{text}{BARE}"))?;
    }
    let site = Site {
        realm: "INVALID".parse().map_err(|error| failed(&error))?,
        organisation: String::new(),
        prov_fqdn: "prov.invalid".parse().map_err(|error| failed(&error))?,
        ipv4: None,
        ipv6: None,
        notification_port: 162,
        vars: Default::default(),
    };
    let context = Context {
        device: None,
        family: Family::V4,
        site: &site,
        inputs: &Inputs::default(),
    };
    let octets = library.build_octets(NAME, &context).map_err(|error| failed(&error))?;
    ConfigFile::decode_as(kind, &octets).map_err(|error| CliError::Failed(format!("{file}: {error}")))
}

/// Writes octets to a file, or to standard output for `-`.
///
/// # Errors
/// [`CliError::Failed`].
pub fn write(path: &Path, octets: &[u8]) -> Result<(), CliError> {
    if path.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(octets).and_then(|()| out.flush());
        return written.map_err(|error| CliError::Failed(format!("standard output: {error}")));
    }
    if path.is_dir() {
        return Err(CliError::file(path, "it is a folder"));
    }
    pki::write(path, octets, 0o644)
}

/// `--secret-file` and `--cmts`.
#[derive(clap::Args)]
pub struct SecretArgs {
    /// A file that holds a secret shared with a CMTS, or CMTS=FILE; several while secrets roll, the current one first; by
    /// default those of the settings
    #[arg(long = "secret-file", visible_alias = "key-file", value_name = "[CMTS=]FILE")]
    secret_files: Vec<String>,
    /// The CMTS whose secret of the settings a file is made with
    #[arg(long, value_name = "NAME", conflicts_with = "secret_files")]
    cmts: Option<String>,
}

/// Secrets, and what files are made with.
pub struct Secrets {
    /// Every one of them.
    pub all: SharedSecrets,
    /// The one that files are made with.
    pub current: Option<SharedSecret>,
    /// Which TLVs the CMTS MIC of those files covers.
    pub list: CmtsMicList,
    /// Whether the command named them.
    pub are_named: bool,
}

impl SecretArgs {
    /// Reads the secrets that the command names, or else those of the settings.
    ///
    /// # Errors
    /// [`CliError::Wrong`] where one cannot be a secret, [`CliError::Failed`] where a file cannot be read.
    pub fn secrets(&self, settings: Option<&Settings>) -> Result<Secrets, CliError> {
        if !self.secret_files.is_empty() {
            let all = self.named()?;
            let (cmts, _) = self
                .secret_files
                .first()
                .map_or(("", PathBuf::new()), |first| split(first));
            return Ok(Secrets {
                current: all.current(cmts).cloned(),
                list: settings.map_or_else(CmtsMicList::default, |settings| settings.cable_modem.mic_list),
                all,
                are_named: true,
            });
        }
        let loaded = settings.map(|settings| CmtsSecrets::load(&settings.cable_modem));
        let loaded = loaded
            .transpose()
            .map_err(|error| CliError::Failed(error.to_string()))?;
        let loaded = loaded.unwrap_or_default();
        if let Some(name) = &self.cmts
            && !settings.is_some_and(|settings| settings.cable_modem.cmts.iter().any(|cmts| cmts.name == *name))
        {
            return Err(CliError::Wrong(format!(
                "--cmts {name}: the settings have no [[cable_modem.cmts]] of that name"
            )));
        }
        let cmts = self.cmts.as_deref().unwrap_or_default();
        Ok(Secrets {
            current: loaded.of_cmts(cmts).cloned(),
            list: loaded.list_of_cmts(cmts),
            are_named: self.cmts.is_some(),
            all: loaded.all,
        })
    }

    fn named(&self) -> Result<SharedSecrets, CliError> {
        let mut secrets = SharedSecrets::default();
        for written in &self.secret_files {
            let (cmts, path) = split(written);
            let octets = zeroize::Zeroizing::new(content(&path)?);
            let secret = SharedSecret::new(&octets);
            let secret = secret.map_err(|error| CliError::Wrong(format!("{}: {error}", path.display())))?;
            secrets.push(cmts, &path.display().to_string(), secret);
        }
        Ok(secrets)
    }
}

/// The CMTS, where one is named, and the file.
fn split(written: &str) -> (&str, PathBuf) {
    match written.split_once('=') {
        Some((cmts, path)) if !cmts.is_empty() && !cmts.contains('/') => (cmts, path.into()),
        _ => ("", written.into()),
    }
}
