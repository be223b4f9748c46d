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

/// Where modules begin, and their names: `NAME DEFINITIONS` or `NAME { identifier } DEFINITIONS` outside comments.
fn headers(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split("--").next().unwrap_or_default();
        let name = code.split([' ', '\t', '{', '\r', '\n']).find(|word| !word.is_empty());
        if let (Some(at), Some(name)) = (code.find("DEFINITIONS"), name) {
            let between = code.get(..at).unwrap_or_default().replacen(name, "", 1);
            let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let braces = between.trim();
            if is_name
                && name != "DEFINITIONS"
                && (braces.is_empty() || braces.starts_with('{') && braces.ends_with('}'))
            {
                found.push((offset, name));
            }
        }
        offset += line.len();
    }
    found
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
    }
}
