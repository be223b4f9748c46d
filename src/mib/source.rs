//! Module texts for the reader: the embedded ones and an operator's, which go before them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use mib_rs::source::{Source, SourceCandidate, SourceOrigin};

/// A file of an operator that holds MIB modules, one as a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// How errors name it: its path.
    pub label: String,
    /// Its text.
    pub text: String,
}

/// Modules by name, each with the label that errors name it by.
#[derive(Debug, Default)]
pub(super) struct Modules(BTreeMap<String, (Arc<str>, Arc<[u8]>)>);

impl Modules {
    /// Adds a module under its name, unless one of that name is there.
    pub fn add(&mut self, name: &str, label: &str, text: &str) {
        self.0
            .entry(name.to_owned())
            .or_insert_with(|| (label.into(), text.as_bytes().into()));
    }

    /// Whether the module `name` is an operator's.
    pub fn is_own(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|(label, _)| **label != *name)
    }

    /// Adds the modules of a file; their number.
    pub fn add_file(&mut self, file: &ModuleFile) -> usize {
        let starts: Vec<(usize, &str)> = headers(&file.text);
        for (at, (start, name)) in starts.iter().enumerate() {
            let end = starts.get(at + 1).map_or(file.text.len(), |(next, _)| *next);
            // Empty lines stand for what comes before, so that errors have the file's own lines.
            let before = file.text.get(..*start).unwrap_or_default().matches('\n').count();
            let module = file.text.get(*start..end).unwrap_or_default();
            self.add(name, &file.label, &("\n".repeat(before) + module));
        }
        starts.len()
    }
}

/// Where modules begin, and their names: `NAME DEFINITIONS` or `NAME { identifier } DEFINITIONS` outside comments, the
/// name perhaps on a line before.
fn headers(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut before = None;
    for line in text.split_inclusive('\n') {
        let code = line.split("--").next().unwrap_or_default();
        let named = header(code).map(|name| (offset, name));
        let above = || before.filter(|_| code.trim_start().starts_with("DEFINITIONS"));
        found.extend(named.or_else(above));
        if !code.trim().is_empty() {
            let name = code.trim();
            before = is_name(name).then_some((offset, name));
        }
        offset += line.len();
    }
    found
}

/// The module that a line begins.
fn header(code: &str) -> Option<&str> {
    let before = code.get(..code.find("DEFINITIONS")?)?;
    let name = before
        .split([' ', '\t', '{', '\r', '\n'])
        .find(|word| !word.is_empty())?;
    let between = before.replacen(name, "", 1);
    let braces = between.trim();
    let is_header = is_name(name) && (braces.is_empty() || braces.starts_with('{') && braces.ends_with('}'));
    is_header.then_some(name)
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl Source for Modules {
    fn find(&self, name: &str) -> io::Result<Option<SourceCandidate>> {
        let candidate = |(label, text): &(Arc<str>, Arc<[u8]>)| {
            SourceCandidate::new(name, SourceOrigin::memory(name), Arc::clone(label), Arc::clone(text))
        };
        Ok(self.0.get(name).map(candidate))
    }

    fn list_modules(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_hold_several_modules_and_its_lines_stay() {
        let file = ModuleFile {
            label: "x.mib".to_owned(),
            text:
                "-- A-MIB DEFINITIONS\nA-MIB DEFINITIONS ::= BEGIN\nEND\nB-MIB { iso 1 } DEFINITIONS ::= BEGIN\nEND\n"
                    .to_owned(),
        };
        let mut modules = Modules::default();
        assert_eq!(modules.add_file(&file), 2);
        let text = |name: &str| String::from_utf8(modules.find(name).unwrap().unwrap().bytes().to_vec()).unwrap();
        assert_eq!(text("A-MIB"), "\nA-MIB DEFINITIONS ::= BEGIN\nEND\n");
        assert_eq!(text("B-MIB"), "\n\n\nB-MIB { iso 1 } DEFINITIONS ::= BEGIN\nEND\n");
        assert_eq!(headers("no module here"), []);
        assert_eq!(headers("-- x\nFOO-MIB\n\n  DEFINITIONS ::= BEGIN"), [(5, "FOO-MIB")]);
    }
}
