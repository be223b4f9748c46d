//! The MIB names of an installation: the built-in modules and those on the operator's search path.

use std::io;
use std::path::{Path, PathBuf};

use crate::mib::{LoadError, ModuleFile, Names};

/// Endings of files that hold MIB modules; those without any may hold one too.
const ENDINGS: [&str; 5] = ["mib", "my", "txt", "smi", "asn"];
/// Folders within folders, at most: a link may lead back.
const DEEPEST: usize = 8;

/// Why the search path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MibPathError {
    /// A folder or file cannot be read.
    #[error("{}: {source}: name a readable folder or file in path of [mib]", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A module cannot be read.
    #[error("{0}: correct the module, or take it off path of [mib]")]
    Module(#[from] LoadError),
}

/// Reads the modules on `path`, and what is wrong with those that are taken all the same, one line for each module.
///
/// # Errors
/// [`MibPathError`] with the first mistake.
pub fn names(path: &[PathBuf]) -> Result<(Names, Vec<String>), MibPathError> {
    let mut files = Vec::new();
    for entry in path {
        if entry.is_dir() {
            folder(entry, 0, &mut files)?;
        } else {
            files.push(read(entry)?);
        }
    }
    Ok(Names::with_own(&files)?)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> MibPathError {
    let path = path.to_owned();
    move |source| MibPathError::Read { path, source }
}

fn read(path: &Path) -> Result<ModuleFile, MibPathError> {
    let octets = std::fs::read(path).map_err(failed(path))?;
    Ok(ModuleFile {
        label: path.display().to_string(),
        // Old modules have names in Latin-1 within their comments.
        text: String::from_utf8_lossy(&octets).into_owned(),
    })
}

fn folder(path: &Path, depth: usize, files: &mut Vec<ModuleFile>) -> Result<(), MibPathError> {
    let entries = std::fs::read_dir(path).map_err(failed(path))?;
    let mut entries = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed(path))?;
    // The first of two modules of one name counts: always the same one.
    entries.sort();
    for entry in entries {
        let hidden = entry
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let ending = entry
            .extension()
            .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let named = ending.as_deref().is_none_or(|ending| ENDINGS.contains(&ending));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            if depth < DEEPEST {
                folder(&entry, depth + 1, files)?;
            }
        } else if named {
            let file = read(&entry)?;
            // Among the modules of a folder there may be a note about them.
            if file.text.contains("DEFINITIONS") {
                files.push(file);
            }
        }
    }
    Ok(())
}
