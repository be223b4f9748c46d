//! `hardline config lint` on files of the tests' own making: octets by hand, so that what reads them is judged.

use std::process::Command;

use serde_json::Value;

pub const REALM: &str = "PKTC.EXAMPLE.NET";
pub const ORGANISATION: &str = "Example Operator";

/// The objects of one MTA MIB that a file holds.
pub struct Mib {
    pub word: &'static str,
    pub enabled: &'static str,
    pub hash: &'static str,
    pub realm_name: Option<&'static str>,
    pub realm_organisation: &'static str,
    pub realm_status: &'static str,
}

pub const MIBS: [Mib; 3] = [
    Mib {
        word: "ietf",
        enabled: "1.3.6.1.2.1.140.1.1.6.0",
        hash: "1.3.6.1.2.1.140.1.2.11.0",
        realm_name: Some("1.3.6.1.2.1.140.1.3.6.1.2.1"),
        realm_organisation: "1.3.6.1.2.1.140.1.3.6.1.5.1",
        realm_status: "1.3.6.1.2.1.140.1.3.6.1.9.1",
    },
    // The realm is the index, IMPLIED.
    Mib {
        word: "cablelabs",
        enabled: "1.3.6.1.4.1.4491.2.2.1.1.1.7.0",
        hash: "1.3.6.1.4.1.4491.2.2.1.1.2.7.0",
        realm_name: None,
        realm_organisation: "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.4.80.75.84.67.46.69.88.65.77.80.76.69.46.78.69.84",
        realm_status: "1.3.6.1.4.1.4491.2.2.1.1.3.16.1.9.80.75.84.67.46.69.88.65.77.80.76.69.46.78.69.84",
    },
    Mib {
        word: "euro",
        enabled: "1.3.6.1.4.1.7432.1.1.1.6.0",
        hash: "1.3.6.1.4.1.7432.1.1.2.9.0",
        realm_name: Some("1.3.6.1.4.1.7432.1.1.3.6.1.2.1"),
        realm_organisation: "1.3.6.1.4.1.7432.1.1.3.6.1.5.1",
        realm_status: "1.3.6.1.4.1.7432.1.1.3.6.1.9.1",
    },
];

pub const INTEGER: u8 = 2;
pub const TEXT: u8 = 4;
pub const UNSIGNED: u8 = 0x42;

pub fn length(content: usize) -> Vec<u8> {
    let [.., high, low] = content.to_be_bytes();
    match content {
        0..=127 => vec![low],
        128..=255 => vec![0x81, low],
        _ => vec![0x82, high, low],
    }
}

pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], &*length(content.len()), content].concat()
}

/// The varbind of an object in numbers, as BER has it.
pub fn varbind(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let arcs: Vec<u32> = object.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let groups: Vec<u8> = (0..5).rev().map(|at| (arc >> (7 * at) & 0x7f) as u8).collect();
        let first = groups.iter().position(|group| *group != 0).unwrap_or(4);
        content.extend(groups[first..4].iter().map(|group| group | 0x80));
        content.push(groups[4]);
    }
    element(0x30, &[element(6, &content), element(tag, value)].concat())
}

/// TLV 11.
pub fn set(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let varbind = varbind(object, tag, value);
    [&[11, u8::try_from(varbind.len()).unwrap()], &*varbind].concat()
}

/// TLV 64, whose length has two octets in a device's file.
pub fn set_long(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let varbind = varbind(object, tag, value);
    let length = u16::try_from(varbind.len()).unwrap().to_be_bytes();
    [&[64], &length[..], &varbind].concat()
}

pub fn device(tlvs: &[Vec<u8>]) -> Vec<u8> {
    [&[0xfe, 1, 1], &*tlvs.concat(), &[0xfe, 1, 0xff]].concat()
}

impl Mib {
    pub fn enabled(&self) -> Vec<u8> {
        set(self.enabled, INTEGER, &[1])
    }

    pub fn realm(&self, realm: &str) -> Option<Vec<u8>> {
        self.realm_name.map(|name| set(name, TEXT, realm.as_bytes()))
    }

    pub fn organisation(&self, organisation: &str) -> Vec<u8> {
        set(self.realm_organisation, TEXT, organisation.as_bytes())
    }

    pub fn status(&self, status: u8) -> Vec<u8> {
        set(self.realm_status, INTEGER, &[status])
    }

    /// A file of the secure flow as it should be.
    pub fn secure(&self) -> Vec<Vec<u8>> {
        let realm = self.realm(REALM).into_iter();
        let row = realm.chain([self.organisation(ORGANISATION), self.status(4)]);
        [self.enabled()].into_iter().chain(row).collect()
    }
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(super::server::PROGRAM);
        let out = command
            .arg("config")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.code().unwrap(), said)
    }

    /// What lint says of a file, and its exit code.
    pub fn lint(&self, file: &[u8], args: &[&str]) -> (Vec<Value>, i32) {
        std::fs::write(self.0.path().join("file"), file).unwrap();
        let (code, said) = self.run(&[&["lint", "file", "--json"], args].concat());
        let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        (report["findings"].as_array().unwrap().clone(), code)
    }

    pub fn clean(&self, what: &str, file: &[u8], args: &[&str]) {
        assert_eq!(self.lint(file, args), (vec![], 0), "{what}: the file without the fault");
    }

    /// The finding with these words stands at the TLV that `at` finds in the file, or is about the whole of it, and the
    /// exit code is that of the gravest.
    pub fn fault(&self, what: &str, file: &[u8], args: &[&str], words: &str, at: Option<&[u8]>) {
        let (findings, code) = self.lint(file, args);
        let said = |finding: &&Value| finding["message"].as_str().unwrap().contains(words);
        let found = findings.iter().find(said);
        let found = found.unwrap_or_else(|| panic!("{what}: '{words}' is not among {findings:?}"));
        let offset = at.map(|tlv| file.windows(tlv.len()).rposition(|part| part == tlv).unwrap());
        assert_eq!(found["offset"].as_u64(), offset.map(|at| at as u64), "{what}: {found}");
        let kind = at.map(|tlv| tlv[0].to_string());
        assert_eq!(found["tlv"].as_str(), kind.as_deref(), "{what}: {found}");
        let grave = findings.iter().any(|finding| finding["severity"] == "error");
        assert_eq!(code, i32::from(grave), "{what}: {findings:?}");
        // On a terminal the same is said.
        let (again, said) = self.run(&[&["lint", "file"], args].concat());
        assert!(again == code && said.contains(words), "{what}: {again} {said}");
    }

    /// The file with the hash of the basic flow.
    pub fn hashed(&self, tlvs: &[Vec<u8>], mib: &str) -> Vec<u8> {
        std::fs::write(self.0.path().join("plain"), device(tlvs)).unwrap();
        let (code, said) = self.run(&["hash", "plain", "--insert", "--mib", mib, "--output", "hashed"]);
        assert_eq!(code, 0, "{said}");
        std::fs::read(self.0.path().join("hashed")).unwrap()
    }
}

/// The number of a name, as `hardline mib find` knows it.
pub fn number(name: &str) -> String {
    let mut command = Command::new(super::server::PROGRAM);
    let out = command.args(["mib", "show", name, "--json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{name}: {error} {out:?}"));
    let oid = shown["oid"].as_str().unwrap_or_else(|| panic!("{name}: {shown}"));
    oid.to_owned()
}

/// The file of a cable modem with its MICs.
pub fn modem(folder: &Folder, settings: &[&[u8]]) -> Vec<u8> {
    let path = folder.0.path();
    std::fs::write(path.join("key"), b"DOCSIS\n").unwrap();
    std::fs::write(path.join("settings"), [&*settings.concat(), &[0xff]].concat()).unwrap();
    let (code, said) = folder.run(&["mic", "settings", "--output", "sealed", "--secret-file", "key"]);
    assert!(path.join("sealed").exists(), "{code} {said}");
    let sealed = std::fs::read(path.join("sealed")).unwrap();
    std::fs::remove_file(path.join("sealed")).unwrap();
    sealed
}
