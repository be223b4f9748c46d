//! What is wrong with hardline.toml, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake in hardline.toml. Displays as one line that names file, line, key and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// The key with its tables, such as `kdc.listen`; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}; {}", self.problem, self.remedy)
    }
}

impl std::error::Error for SettingsError {}

impl SettingsError {
    /// The mistake that the TOML reader found in `text`.
    pub(super) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map(|span| span.start.min(text.len()));
        // A missing key has no place of its own; the span is then the table that lacks it.
        let missing = error
            .message()
            .strip_prefix("missing field `")
            .and_then(|rest| rest.strip_suffix('`'));
        let key = match (missing, offset) {
            (Some(name), Some(offset)) => join(&table_at(text, offset), name),
            (Some(name), None) => name.to_owned(),
            (None, Some(offset)) => key_at(text, offset),
            (None, None) => String::new(),
        };
        let remedy = if missing.is_some() {
            "add it"
        } else if error.message().starts_with("unknown") {
            "remove it or correct its name (docs/settings.md lists every key)"
        } else {
            "correct it (docs/settings.md describes every key)"
        };
        Self {
            file: file.into(),
            place: offset.map(|offset| place(text, offset)),
            key,
            problem: error.message().trim_end().replace('\n', ", "),
            remedy: remedy.into(),
        }
    }

    /// A mistake in the value of `key`, which stands in `text` or has its default.
    pub(super) fn at_key(file: &Path, text: &str, key: &str, problem: impl Into<String>, remedy: &str) -> Self {
        Self {
            file: file.into(),
            place: find(text, key).map(|offset| place(text, offset)),
            key: key.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// Line and column, from 1, of an offset; columns count characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// The lines of `text` with their offsets.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |offset, line| {
        let start = *offset;
        *offset += line.len();
        Some((start, line.trim_end()))
    })
}

fn header(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('[')?;
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner
        .split(']')
        .next()
        .map(str::trim)
        .filter(|name| !name.contains([',', '"', '\'']))
}

fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ':');
    (!key.is_empty() && key.chars().all(bare)).then_some(key)
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// The table that an offset lies in.
fn table_at(text: &str, offset: usize) -> String {
    let headers = lines(text)
        .take_while(|(start, _)| *start <= offset)
        .filter_map(|(_, line)| header(line));
    headers.last().unwrap_or_default().to_owned()
}

/// The key whose name or value an offset lies in, with its tables.
fn key_at(text: &str, offset: usize) -> String {
    let mut table = "";
    let mut key = "";
    for (_, line) in lines(text).take_while(|(start, _)| *start <= offset) {
        if let Some(name) = header(line) {
            (table, key) = (name, "");
        } else if let Some(name) = key_of(line) {
            key = name;
        }
    }
    if key.is_empty() {
        table.to_owned()
    } else {
        join(table, key)
    }
}

/// Where a key stands.
fn find(text: &str, key: &str) -> Option<usize> {
    let mut table = "";
    for (start, line) in lines(text) {
        if let Some(name) = header(line) {
            table = name;
        } else if key_of(line).is_some_and(|name| join(table, name) == key) {
            return Some(start + line.len() - line.trim_start().len());
        }
    }
    None
}
