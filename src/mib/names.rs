//! Names to object identifiers and back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

use super::embedded::MODULES;
use super::load::{self, Care};
use super::object::{Kind, Object, Syntax};
use super::source::{ModuleFile, Modules};
use crate::value::Oid;

/// The names of MIB modules. [`Names::embedded`] holds those of the modules in mibs/.
#[derive(Debug)]
pub struct Names {
    /// In the order of their object identifiers.
    objects: Vec<Object>,
    /// The places in `objects` of all that have a name.
    by_name: HashMap<Box<str>, Vec<usize>>,
}

/// MIB modules cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The reader gave up.
    #[error("the MIB modules cannot be read: {0}")]
    Read(String),
    /// A module is wrong: file, line, column and reason in one line.
    #[error("{0}")]
    Module(String),
}

/// A text names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No module has the name.
    #[error("no MIB module defines '{0}'")]
    Unknown(String),
    /// Several modules have it.
    #[error("'{name}' is in several MIB modules; write one of {}", .modules.iter().map(|module| format!("{module}::{name}")).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// The modules.
        modules: Vec<String>,
    },
}

/// The modules of mibs/ and of an operator's files, which go before them but for those of the names `without`, and the
/// files that are no modules.
fn gathered(files: &[ModuleFile], without: &BTreeSet<String>) -> (Modules, Vec<String>) {
    let mut all = Modules::default();
    for (name, text) in MODULES.iter().filter(|(name, _)| without.contains(*name)) {
        all.add(name, name, text);
    }
    let empty = files.iter().filter(|file| all.add_file(file) == 0);
    let warnings = empty
        .map(|file| {
            format!(
                "{}: it holds no MIB module; expected NAME DEFINITIONS ::= BEGIN",
                file.label
            )
        })
        .collect();
    for (name, text) in MODULES {
        all.add(name, name, text);
    }
    (all, warnings)
}

/// Whether `objects` lack one that the built-in module `name` has.
fn loses(objects: &[Object], name: &str) -> bool {
    let of_module = |object: &&Object| &*object.module == name;
    let found: HashSet<&str> = objects.iter().filter(of_module).map(|object| &*object.name).collect();
    let mut built_in = Names::embedded().objects.iter().filter(of_module);
    built_in.any(|object| !found.contains(&*object.name))
}

impl Names {
    /// The modules of mibs/, read once in the life of the process.
    ///
    /// # Panics
    /// Where an embedded module is wrong; a test proves that none is.
    pub fn embedded() -> &'static Self {
        static NAMES: OnceLock<Names> = OnceLock::new();
        NAMES.get_or_init(|| Self::load(MODULES.iter().copied()).expect("the embedded MIB modules are right"))
    }

    /// Reads modules, each a name and its text.
    ///
    /// # Errors
    /// [`LoadError`] with the first mistake.
    pub fn load<'a>(modules: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, LoadError> {
        let mut all = Modules::default();
        for (name, text) in modules {
            all.add(name, name, text);
        }
        let loaded = load::load(all, Care::Strict)?;
        match loaded.warnings.into_iter().next() {
            Some(mistake) => Err(LoadError::Module(mistake)),
            None => Ok(Self::new(loaded.objects)),
        }
    }

    /// The modules of mibs/ and an operator's own, which replace those of the same name unless they are broken. What is
    /// wrong with a module is a warning, one line each with file, line, column and reason; what can be read of it counts.
    ///
    /// # Errors
    /// [`LoadError`] where the reader gave up.
    pub fn with_own(files: &[ModuleFile]) -> Result<(Self, Vec<String>), LoadError> {
        let care = if files.is_empty() { Care::Strict } else { Care::Lenient };
        let (first, mut warnings) = gathered(files, &BTreeSet::new());
        let replaced: Vec<&str> = MODULES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| first.is_own(name))
            .collect();
        let mut loaded = load::load(first, care)?;
        let lost = replaced
            .into_iter()
            .filter(|name| loaded.mistaken.contains(*name) && loses(&loaded.objects, name));
        let broken: BTreeSet<String> = lost.map(str::to_owned).collect();
        if !broken.is_empty() {
            let broken_line =
                |name| format!("{name}: the built-in module stands, since parts of this one cannot be read");
            let lines = loaded
                .warnings
                .into_iter()
                .filter(|line| broken.iter().any(|name| line.contains(&format!(" {name}: "))));
            warnings.extend(lines.chain(broken.iter().map(broken_line)).collect::<Vec<_>>());
            loaded = load::load(gathered(files, &broken).0, care)?;
        }
        warnings.extend(loaded.warnings);
        Ok((Self::new(loaded.objects), warnings))
    }

    fn new(mut objects: Vec<Object>) -> Self {
        objects.sort_by(|a, b| a.oid.cmp(&b.oid));
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::with_capacity(objects.len());
        for (at, object) in objects.iter().enumerate() {
            by_name.entry(object.name.clone()).or_default().push(at);
        }
        Self { objects, by_name }
    }

    /// Every object, in the order of the object identifiers.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The object that `MODULE::name` means, or `name` alone where one object has it.
    ///
    /// # Errors
    /// [`NameError`]; an ambiguous name's error lists the modules.
    pub fn resolve(&self, text: &str) -> Result<&Object, NameError> {
        let unknown = || NameError::Unknown(text.chars().take(80).collect());
        let (module, name) = match text.split_once("::") {
            Some((module, name)) => (Some(module), name),
            None => (None, text),
        };
        let places = self.by_name.get(name).ok_or_else(unknown)?;
        let mut found = places
            .iter()
            .filter_map(|&at| self.objects.get(at))
            .filter(|object| module.is_none_or(|module| *object.module == *module));
        let first = found.next().ok_or_else(unknown)?;
        // The same node under one name in two modules is no question.
        let others: Vec<&Object> = found.filter(|object| object.oid != first.oid).collect();
        if others.is_empty() {
            return Ok(first);
        }
        let mut modules: Vec<String> = [first]
            .iter()
            .chain(&others)
            .map(|object| object.module.to_string())
            .collect();
        modules.sort();
        modules.dedup();
        Err(NameError::Ambiguous {
            name: name.to_owned(),
            modules,
        })
    }

    /// The object that an object identifier names or is an instance of, and the arcs after it: the longest match.
    pub fn lookup<'a>(&self, oid: &'a Oid) -> Option<(&Object, &'a [u32])> {
        let arcs = oid.arcs();
        (2..=arcs.len()).rev().find_map(|length| {
            let (prefix, rest) = arcs.split_at(length);
            self.exact(prefix).map(|object| (object, rest))
        })
    }

    /// What the module says of the values of an instance: of a scalar's `.0`, of a column's cell.
    pub fn syntax_of(&self, oid: &Oid) -> Option<&Syntax> {
        let (object, rest) = self.lookup(oid)?;
        object.syntax().filter(|_| !rest.is_empty())
    }

    /// `MODULE::name` with the instance, such as `PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0`; numbers alone where no module
    /// has a leaf there.
    pub fn display(&self, oid: &Oid) -> String {
        match self.lookup(oid) {
            Some((object, rest)) if object.syntax().is_some() || rest.is_empty() => {
                let instance: String = rest.iter().map(|arc| format!(".{arc}")).collect();
                format!("{}::{}{instance}", object.module, object.name)
            }
            _ => oid.to_string(),
        }
    }

    /// The RowStatus column of the table that `column` belongs to.
    pub fn row_status(&self, column: &Object) -> Option<&Object> {
        let Kind::Column { .. } = column.kind else {
            return None;
        };
        let (_, row) = column.oid.arcs().split_last()?;
        let start = self.objects.partition_point(|object| object.oid.arcs() < row);
        self.objects
            .iter()
            .skip(start)
            .take_while(|object| object.oid.starts_with(row))
            .find(|object| object.syntax().is_some_and(|syntax| &*syntax.convention == "RowStatus"))
    }

    fn exact(&self, arcs: &[u32]) -> Option<&Object> {
        let at = self.objects.partition_point(|object| object.oid.arcs() < arcs);
        self.objects.get(at).filter(|object| object.oid.arcs() == arcs)
    }
}

impl Object {
    /// The values of a scalar or a column.
    pub fn syntax(&self) -> Option<&Syntax> {
        match &self.kind {
            Kind::Scalar { syntax, .. } | Kind::Column { syntax, .. } => Some(syntax),
            _ => None,
        }
    }

    /// `MODULE::name`.
    pub fn qualified(&self) -> String {
        format!("{}::{}", self.module, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::{Access, Base};
    use super::super::{IndexValue, InstanceError};
    use super::*;
    use std::process::Command;

    const TABLE: &str = include_str!("../../mibs/oid-tables.tsv");

    fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
        TABLE.lines().skip(1).map(|line| {
            let mut cells = line.split('\t');
            let mut next = || cells.next().unwrap();
            (next(), next(), next(), next())
        })
    }

    #[test]
    fn every_row_of_the_table_is_what_its_module_says() {
        let names = Names::embedded();
        for (module, oid, name, kind) in rows() {
            let object = names.resolve(&format!("{module}::{name}")).unwrap();
            assert_eq!(object.oid.to_string(), oid, "{module}::{name}");
            let found = match &object.kind {
                Kind::Node => ["node", "module"].as_slice(),
                Kind::Table => &["table"],
                Kind::Row => &["row"],
                Kind::Scalar { .. } => &["scalar"],
                Kind::Column { index, .. } => {
                    assert!(!index.is_empty(), "{name}");
                    &["column"]
                }
                Kind::Notification => &["notification"],
            };
            assert!(found.contains(&kind), "{name}: {found:?}");
        }
    }

    #[test]
    fn net_snmp_reads_the_modules_alike() {
        let root = env!("CARGO_MANIFEST_DIR");
        let home = tempfile::tempdir().unwrap();
        let rows: Vec<_> = rows().collect();
        let output = Command::new("snmptranslate")
            .args(["-M", &format!("{root}/mibs:{root}/mibs/base"), "-m", "ALL", "-On"])
            .args(rows.iter().map(|(module, _, name, _)| format!("{module}::{name}")))
            .env("HOME", home.path())
            .env("SNMP_PERSISTENT_DIR", home.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let complaint = errors
            .lines()
            .find(|line| line.contains("mibs/") || line.contains("annot"));
        assert_eq!(complaint, None);
        let answers = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<&str> = answers.lines().filter(|line| !line.is_empty()).collect();
        let expected: Vec<String> = rows.iter().map(|(_, oid, _, _)| format!(".{oid}")).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn the_modules_are_what_the_generator_makes_of_the_table() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mibs/generate.py");
        let output = Command::new("python3").args([script, "--check"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_name_in_several_modules_must_be_qualified() {
        let names = Names::embedded();
        let error = names.resolve("pktcMtaDevEnabled").unwrap_err();
        assert_eq!(
            error.to_string(),
            "'pktcMtaDevEnabled' is in several MIB modules; write one of PKTC-EXCENTIS-MTA-MIB::pktcMtaDevEnabled, \
             PKTC-IETF-MTA-MIB::pktcMtaDevEnabled, PKTC-MTA-MIB::pktcMtaDevEnabled"
        );
        assert!(names.resolve("pktcEUEDevSipPort").is_ok());
        assert_eq!(
            names.resolve("PKTC-MTA-MIB::pktcNoSuch").unwrap_err().to_string(),
            "no MIB module defines 'PKTC-MTA-MIB::pktcNoSuch'"
        );
    }

    #[test]
    fn syntaxes_carry_labels_ranges_and_access() {
        let names = Names::embedded();
        let object = names.resolve("pktcMtaDevProvConfigEncryptAlg").unwrap();
        let syntax = object.syntax().unwrap();
        assert_eq!(
            (syntax.base, syntax.number("aes128CbcMode"), syntax.label(1)),
            (Base::Integer, Some(3), Some("des64CbcMode"))
        );
        let hash = names
            .resolve("PKTC-MTA-MIB::pktcMtaDevProvConfigHash")
            .unwrap()
            .syntax()
            .unwrap();
        assert_eq!(
            [15, 16, 17, 20].map(|octets| hash.allows(octets)),
            [false, true, false, true]
        );
        let id = names.resolve("pktcEUEUsrIMPUId").unwrap();
        assert_eq!(&*id.syntax().unwrap().convention, "PktcEUETCID");
        assert!(matches!(
            &id.kind,
            Kind::Column {
                access: Access::ReadCreate,
                ..
            }
        ));
        let port = names.resolve("pktcEUEDevSipPort").unwrap().syntax().unwrap();
        assert_eq!(
            (port.base, port.allows(65535), port.allows(65536)),
            (Base::Unsigned, true, false)
        );
        let tickets = names
            .resolve("PKTC-IETF-MTA-MIB::pktcMtaDevResetKrbTickets")
            .unwrap()
            .syntax()
            .unwrap();
        assert_eq!(
            (tickets.base, tickets.number("invalidateAllCmsOnReboot")),
            (Base::Bits, Some(1))
        );
    }

    #[test]
    fn instances_take_their_index() {
        let names = Names::embedded();
        let instance = |name: &str, index: &[IndexValue]| {
            let object = names.resolve(name).unwrap();
            object.instance(index).map(|oid| oid.to_string())
        };
        let (number, text) = (IndexValue::Number, |text: &str| IndexValue::Text(text.to_owned()));
        // Fact sheet provisioning §1.5: the CableLabs realm table has an implied index.
        assert_eq!(
            instance("PKTC-MTA-MIB::pktcMtaDevRealmOrgName", &[text("REALM.COM")]).unwrap(),
            "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.4.82.69.65.76.77.46.67.79.77"
        );
        assert_eq!(
            instance("PKTC-MTA-MIB::pktcMtaDevRealmOrgName", &[number(82), number(69)]).unwrap(),
            "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.4.82.69"
        );
        assert_eq!(
            instance("pktcEUEDevPCSCFAddr", &[number(1), number(2)]).unwrap(),
            "1.3.6.1.4.1.4491.2.2.10.3.1.1.4.1.3.1.2"
        );
        let wrong = instance("pktcEUEDevPCSCFAddr", &[number(1)]).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "CL-PKTC-EUE-DEV-MIB::pktcEUEDevPCSCFAddr: the index is pktcEUEDevOpIndex, pktcEUEDevPCSCFIndex"
        );
        let scalar = instance("pktcEUEDevSipPort", &[number(1)]).unwrap_err();
        assert_eq!(
            scalar,
            InstanceError::Scalar("CL-PKTC-EUE-DEV-MIB::pktcEUEDevSipPort".to_owned())
        );
        assert!(instance("pktcEUEDevOpTable", &[number(1)]).is_err());
        assert!(instance("pktcEUEDevOpDomain", &[text("x")]).is_err());
        assert_eq!(
            instance("CLAB-TOPO-MIB::clabTopoFiberNodeCfgNodeDescr", &[text("n1")]).unwrap(),
            "1.3.6.1.4.1.4491.4.2.1.1.1.2.2.110.49"
        );
    }

    #[test]
    fn the_longest_prefix_names_an_instance() {
        let names = Names::embedded();
        let display = |oid: &str| names.display(&oid.parse().unwrap());
        assert_eq!(
            display("1.3.6.1.2.1.140.1.1.6.0"),
            "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0"
        );
        assert_eq!(display("1.3.6.1.2.1.2.2.1.6.1"), "IF-MIB::ifPhysAddress.1");
        assert_eq!(display("1.3.6.1.2.1.140.1.1"), "PKTC-IETF-MTA-MIB::pktcMtaDevBase");
        assert_eq!(display("1.3.6.1.4.1.99999.1"), "1.3.6.1.4.1.99999.1");
        assert_eq!(display("1.3.6.1.2.1.140.1.99"), "1.3.6.1.2.1.140.1.99");
    }

    #[test]
    fn the_row_status_of_a_table() {
        let names = Names::embedded();
        let status = |name: &str| {
            names
                .row_status(names.resolve(name).unwrap())
                .map(|object| object.name.to_string())
        };
        assert_eq!(
            status("pktcEUEDevPCSCFAddr").as_deref(),
            Some("pktcEUEDevPCSCFRowStatus")
        );
        assert_eq!(
            status("PKTC-MTA-MIB::pktcMtaDevRealmOrgName").as_deref(),
            Some("pktcMtaDevRealmStatus")
        );
        assert_eq!(status("ifAdminStatus"), None);
        assert_eq!(status("pktcEUEDevSipPort"), None);
    }

    #[test]
    fn a_wrong_module_is_refused_with_its_place() {
        let text = "BAD-MIB DEFINITIONS ::= BEGIN\nIMPORTS OBJECT-TYPE FROM SNMPv2-SMI;\nx OBJECT IDENTIFIER ::= { nowhere 1 }\nEND\n";
        let error = Names::load([("BAD-MIB", text)]).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
