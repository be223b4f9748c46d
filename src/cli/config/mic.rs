//! `hardline config mic`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::super::output::Colour;
use super::super::{CliError, output};
use super::input::{self, SecretArgs};
use crate::settings::Settings;
use crate::wire::tlv::{CmtsMicList, CmtsVerdict, ConfigFile, ExtendedMic, SharedSecret, mic};

/// Arguments of `hardline config mic`.
#[derive(clap::Args)]
pub struct Args {
    /// A cable modem's file
    file: PathBuf,
    #[command(flatten)]
    secrets: SecretArgs,
    /// Compute the MICs anew with the first secret, and write the file there
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    seal: SealArgs,
}

/// How MICs are computed.
#[derive(clap::Args)]
pub struct SealArgs {
    /// Which TLVs the CMTS MIC covers: those of DOCSIS 1.1 and of the docsis encoder, or those of MULPI 3.0 and later; by
    /// default as the settings say, docsis where they do not
    #[arg(long, value_enum)]
    mic_list: Option<List>,
    /// Ask for an extended CMTS MIC (TLV 43.6), its digest in TLV 7 or in TLV 43.6.3
    #[arg(long, value_enum, requires = "emic_covers")]
    emic: Option<Emic>,
    /// The types of the TLVs that the extended CMTS MIC covers, with commas between them
    #[arg(long, value_name = "TYPES", value_delimiter = ',', requires = "emic")]
    emic_covers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum List {
    Docsis,
    Mulpi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emic {
    Implicit,
    Explicit,
}

impl SealArgs {
    /// Whether any of them is given.
    pub fn is_asked(&self) -> bool {
        self.mic_list.is_some() || self.emic.is_some()
    }
}

/// The octets of a file with its MICs computed; the CMTS MIC covers `list` unless `args` say otherwise.
///
/// # Errors
/// [`CliError::Failed`].
pub fn seal(
    path: &Path,
    file: &ConfigFile,
    secret: &SharedSecret,
    list: CmtsMicList,
    args: &SealArgs,
) -> Result<Vec<u8>, CliError> {
    let list = match args.mic_list {
        Some(List::Docsis) => CmtsMicList::Docsis,
        Some(List::Mulpi) => CmtsMicList::Mulpi,
        None => list,
    };
    let mut file = file.clone();
    file.strip_mics();
    if let Some(emic) = args.emic {
        file.ask_extended_mic(&ExtendedMic {
            explicit: emic == Emic::Explicit,
            covers: args.emic_covers.clone(),
        });
    }
    file.encode_sealed(secret, list)
        .map_err(|error| CliError::file(path, error))
}

/// Runs `hardline config mic`.
///
/// # Errors
/// [`CliError`]; [`CliError::Reported`] where a MIC is wrong or missing.
pub fn run(args: &Args, settings: Option<&Settings>, as_json: bool) -> Result<(), CliError> {
    let octets = input::octets(&args.file)?;
    let secrets = args.secrets.secrets(settings)?;
    let failed = |error: &dyn std::fmt::Display| CliError::file(&args.file, error);
    if let Some(to) = &args.output {
        let secret = secrets.current.as_ref().ok_or_else(|| {
            CliError::Wrong("MICs need a secret: give it by --secret-file, or in secrets of [cable_modem]".to_owned())
        })?;
        let file = ConfigFile::decode(&octets).map_err(|error| failed(&error))?;
        let sealed = seal(&args.file, &file, secret, secrets.list, &args.seal)?;
        input::write(to, &sealed)?;
        let say = to.as_os_str() != "-";
        return match (say, as_json) {
            (false, _) => Ok(()),
            (true, true) => output::print_json(&json!({"file": to, "octets": sealed.len()})),
            (true, false) => output::print(&format!("{}: {} octets\n", to.display(), sealed.len())),
        };
    }
    let report = mic::verify(&octets, &secrets.all).map_err(|error| failed(&error))?;
    let rows = [
        ("CM MIC", Some(cm(report.cm))),
        ("CMTS MIC", Some(cmts(report.cmts.as_ref()))),
        (
            "extended CMTS MIC",
            report.extended.as_ref().map(|verdict| cmts(Some(verdict))),
        ),
    ];
    let rows: Vec<(&str, Verdict)> = rows
        .into_iter()
        .filter_map(|(name, verdict)| verdict.map(|verdict| (name, verdict)))
        .collect();
    let wrong = rows.iter().any(|(_, verdict)| verdict.colour == Colour::Red);
    if as_json {
        let all = rows
            .iter()
            .map(|(name, verdict)| (name.replace(' ', "_").to_lowercase(), verdict.json.clone()));
        output::print_json(&all.collect::<serde_json::Map<_, _>>())?;
    } else {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, verdict): &(&str, Verdict)| {
            format!("{name:width$}  {}\n", output::coloured(&verdict.text, verdict.colour))
        };
        output::print(&rows.iter().map(line).collect::<String>())?;
    }
    match wrong {
        true => Err(CliError::Reported(1)),
        false => Ok(()),
    }
}

struct Verdict {
    text: String,
    colour: Colour,
    json: serde_json::Value,
}

fn cm(verdict: Option<bool>) -> Verdict {
    let (text, colour) = match verdict {
        Some(true) => ("right", Colour::Green),
        Some(false) => ("wrong: the file was changed after it was computed", Colour::Red),
        None => ("missing", Colour::Red),
    };
    let status = text.split(':').next();
    Verdict {
        text: text.to_owned(),
        colour,
        json: json!({"status": status}),
    }
}

fn cmts(verdict: Option<&CmtsVerdict>) -> Verdict {
    let red = |status: &str, text: String| Verdict {
        text,
        colour: Colour::Red,
        json: json!({"status": status}),
    };
    match verdict {
        None => red("missing", "missing".to_owned()),
        Some(CmtsVerdict::Mismatch) => red("wrong", "wrong: none of the secrets gives it".to_owned()),
        Some(CmtsVerdict::Unknown(error)) => red("unknown", error.to_string()),
        Some(CmtsVerdict::Untried) => Verdict {
            text: "not checked: give secrets by --secret-file, or in secrets of [cable_modem]".to_owned(),
            colour: Colour::Yellow,
            json: json!({"status": "unchecked"}),
        },
        Some(CmtsVerdict::Match { cmts, label, list }) => {
            let of = if cmts.is_empty() {
                String::new()
            } else {
                format!(" of CMTS {cmts}")
            };
            let by = list
                .map(|list| format!(", over the TLVs of {}", list.as_str()))
                .unwrap_or_default();
            Verdict {
                text: format!("right: secret {label}{of}{by}"),
                colour: Colour::Green,
                json: json!({
                    "status": "right",
                    "secret": label,
                    "cmts": Some(cmts).filter(|cmts| !cmts.is_empty()),
                    "list": list.map(CmtsMicList::as_str),
                }),
            }
        }
    }
}
