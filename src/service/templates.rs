//! The template library of an installation: read from its folder, and read again when a file there changes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::mib::Names;
use crate::settings::Settings;
use crate::template::{Language, SharedLibrary, Source, TemplateError, TemplateLibrary};
use crate::text::Format;

/// How a template's file ends.
const ENDING: &str = "tmpl";
/// How a template's file ends that is in the language of the `docsis` encoder.
const DOCSIS: &str = "docsis";
/// How a file ends that is such a template where its content is in that language.
const TEXT: &str = "txt";
/// Folders within folders, at most: a link may lead back.
const DEEPEST: usize = 8;
/// The largest file that is taken for a template, in octets.
const LARGEST: u64 = 4 << 20;

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file or folder cannot be read.
    #[error("{}: {reason}: make it readable, or take it out of path of [templates]", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Templates are wrong: one line for each, with file, line and column.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<TemplateError>),
}

impl LibraryError {
    fn read(path: &Path, reason: impl ToString) -> Self {
        Self::Read {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The mistakes one by one, each with its place.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Read { .. } => vec![self.to_string()],
            Self::Templates(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A file of the folder, as a look at it without reading it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    changed: Option<SystemTime>,
    size: u64,
    inode: u64,
}

/// A template as its file has it.
#[derive(Debug)]
pub struct TemplateFile {
    /// Its name: the path below the folder, without the ending.
    pub name: String,
    /// How errors name it.
    pub label: String,
    /// Its text.
    pub text: String,
    /// What that is written in.
    pub language: Language,
}

/// Reads the templates of a folder; none where there is no folder.
///
/// # Errors
/// [`LibraryError::Read`].
pub fn read_folder(folder: &Path) -> Result<Vec<TemplateFile>, LibraryError> {
    let mut files: Vec<TemplateFile> = Vec::new();
    for Seen { path, size, .. } in look(folder)? {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if ![ENDING, DOCSIS, TEXT].contains(&ending) {
            continue;
        }
        if size > LARGEST {
            return Err(LibraryError::read(&path, "a template has at most 4 MB"));
        }
        let content = std::fs::read(&path).map_err(|error| LibraryError::read(&path, error))?;
        if ending == TEXT && Format::of(&content) != Format::Docsis {
            continue;
        }
        let (text, bare) = match String::from_utf8(content) {
            Ok(text) => (text, false),
            Err(error) if ending == ENDING => return Err(LibraryError::read(&path, error)),
            // That encoder takes texts in any character set: each character stands for one octet.
            Err(error) => (error.as_bytes().iter().map(|&octet| char::from(octet)).collect(), true),
        };
        let inner = path.strip_prefix(folder).unwrap_or(&path).with_extension("");
        let name = inner.to_string_lossy().into_owned();
        if let Some(other) = files.iter().find(|file| file.name == name) {
            let reason = format!("{} is the template '{name}' too", other.label);
            return Err(LibraryError::read(&path, reason));
        }
        files.push(TemplateFile {
            name,
            label: path.display().to_string(),
            text,
            language: match ending {
                ENDING => Language::Template,
                _ => Language::Docsis { bare },
            },
        });
    }
    Ok(files)
}

/// The content of a file that the text of a template names, beside that.
fn named_file(source: &Source<'_>, name: &str) -> io::Result<Vec<u8>> {
    let folder = Path::new(source.file).parent().unwrap_or(Path::new(""));
    let path = folder.join(name);
    match std::fs::metadata(&path)?.len() {
        0..=LARGEST => std::fs::read(path),
        _ => Err(io::Error::other("a file of at most 4 MB")),
    }
}

/// The files in a folder and those within it, in order: the templates', and those that their texts may name.
fn look(folder: &Path) -> Result<Vec<Seen>, LibraryError> {
    let mut seen = Vec::new();
    if folder.exists() {
        look_into(folder, 0, &mut seen)?;
    }
    seen.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(seen)
}

fn look_into(folder: &Path, depth: usize, seen: &mut Vec<Seen>) -> Result<(), LibraryError> {
    use std::os::unix::fs::MetadataExt;
    let failed = |error: io::Error| LibraryError::read(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Editors keep their own files beside ours.
        if path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        {
            continue;
        }
        let Ok(data) = std::fs::metadata(&path) else { continue };
        if data.is_dir() {
            if depth < DEEPEST {
                look_into(&path, depth + 1, seen)?;
            }
        } else {
            seen.push(Seen {
                changed: data.modified().ok(),
                size: data.len(),
                inode: data.ino(),
                path,
            });
        }
    }
    Ok(())
}

/// Compiles the shipped templates and those of `folder`, which go before them.
///
/// # Errors
/// [`LibraryError`] with every template that is wrong.
pub fn compile(
    folder: &Path,
    names: &Names,
    has_lookup: impl Fn(&str) -> bool,
) -> Result<TemplateLibrary, LibraryError> {
    let files = read_folder(folder)?;
    let mut sources = TemplateLibrary::shipped_sources();
    sources.extend(files.iter().map(|file| Source {
        name: &file.name,
        file: &file.label,
        text: &file.text,
        language: file.language,
    }));
    let library = TemplateLibrary::compile_with(&sources, names, &named_file).map_err(LibraryError::Templates)?;
    match library.check_lookups(has_lookup) {
        Ok(()) => Ok(library),
        Err(error) => Err(LibraryError::Templates(vec![error])),
    }
}

/// The library that `settings` describe.
///
/// # Errors
/// [`LibraryError`].
pub fn library(settings: &Settings, names: &Names) -> Result<TemplateLibrary, LibraryError> {
    compile(&settings.templates.path, names, |name| {
        settings.lookup.contains_key(name)
    })
}

/// Counts the templates in use.
pub fn count(library: &TemplateLibrary) {
    let (all, statics) = library.counts();
    let gauge = |value: usize| u32::try_from(value).map_or(f64::MAX, f64::from);
    metrics::gauge!("hardline_templates", "kind" => "static").set(gauge(statics));
    metrics::gauge!("hardline_templates", "kind" => "dynamic").set(gauge(all - statics));
}

/// Says that a library was refused, line by line, and counts it.
pub fn refused(error: &LibraryError) {
    metrics::counter!("hardline_template_reloads_total", "result" => "refused").increment(1);
    for line in error.lines() {
        tracing::error!("{line}");
    }
    tracing::error!("the templates are refused: those in use stay");
}

/// What [`watch`] needs to know.
pub struct Watched {
    /// The folder.
    pub folder: PathBuf,
    /// How often it is looked at.
    pub every: Duration,
    /// The lookups that templates may ask for.
    pub lookups: Vec<String>,
    /// The MIB names.
    pub names: Arc<Names>,
    /// The library in use.
    pub shared: SharedLibrary,
}

/// Looks at the folder from time to time: what has changed and then stayed as it is for one more look is compiled, and
/// taken into use where nothing in it is wrong. Looking needs no notice from the file system, which a network's gives
/// not always.
pub async fn watch(watched: Watched, mut stopped: watch::Receiver<bool>) {
    let watched = Arc::new(watched);
    let mut used = look_aside(&watched).await;
    let mut before = used.clone();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(watched.every) => {}
        }
        let now = look_aside(&watched).await;
        if now != used && now == before {
            let watched = Arc::clone(&watched);
            let reloaded = tokio::task::spawn_blocking(move || reload(&watched)).await;
            if let Err(error) = reloaded {
                tracing::error!(%error, "the templates could not be compiled: those in use stay");
            }
            used.clone_from(&now);
        }
        before = now;
    }
}

/// The folder's files; nothing where it cannot be read now.
async fn look_aside(watched: &Arc<Watched>) -> Option<Vec<Seen>> {
    let watched = Arc::clone(watched);
    let looked = tokio::task::spawn_blocking(move || look(&watched.folder)).await;
    looked.ok().and_then(Result::ok)
}

fn reload(watched: &Watched) {
    let known = |name: &str| watched.lookups.iter().any(|lookup| lookup == name);
    match compile(&watched.folder, &watched.names, known) {
        Ok(library) => {
            count(&library);
            metrics::counter!("hardline_template_reloads_total", "result" => "taken").increment(1);
            let (all, statics) = library.counts();
            tracing::info!(templates = all, statics, "the templates were reloaded");
            watched.shared.replace(Arc::new(library));
        }
        Err(error) => refused(&error),
    }
}
