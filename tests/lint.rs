//! `hardline config lint` from outside: each fault that it names, in a file that has it and in the same file without it.

use std::process::Command;

use serde_json::Value;

const REALM: &str = "PKTC.EXAMPLE.NET";
const ORGANISATION: &str = "Example Operator";

/// The objects of one MTA MIB that a file holds.
struct Mib {
    word: &'static str,
    enabled: &'static str,
    hash: &'static str,
    realm_name: Option<&'static str>,
    realm_organisation: &'static str,
    realm_status: &'static str,
}

const MIBS: [Mib; 3] = [
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

const INTEGER: u8 = 2;
const TEXT: u8 = 4;
const UNSIGNED: u8 = 0x42;

fn length(content: usize) -> Vec<u8> {
    let [.., high, low] = content.to_be_bytes();
    match content {
        0..=127 => vec![low],
        128..=255 => vec![0x81, low],
        _ => vec![0x82, high, low],
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], &*length(content.len()), content].concat()
}

/// The varbind of an object in numbers, as BER has it.
fn varbind(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
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
fn set(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let varbind = varbind(object, tag, value);
    [&[11, u8::try_from(varbind.len()).unwrap()], &*varbind].concat()
}

/// TLV 64, whose length has two octets in a device's file.
fn set_long(object: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let varbind = varbind(object, tag, value);
    let length = u16::try_from(varbind.len()).unwrap().to_be_bytes();
    [&[64], &length[..], &varbind].concat()
}

fn device(tlvs: &[Vec<u8>]) -> Vec<u8> {
    [&[0xfe, 1, 1], &*tlvs.concat(), &[0xfe, 1, 0xff]].concat()
}

impl Mib {
    fn enabled(&self) -> Vec<u8> {
        set(self.enabled, INTEGER, &[1])
    }

    fn realm(&self, realm: &str) -> Option<Vec<u8>> {
        self.realm_name.map(|name| set(name, TEXT, realm.as_bytes()))
    }

    fn organisation(&self, organisation: &str) -> Vec<u8> {
        set(self.realm_organisation, TEXT, organisation.as_bytes())
    }

    fn status(&self, status: u8) -> Vec<u8> {
        set(self.realm_status, INTEGER, &[status])
    }

    /// A file of the secure flow as it should be.
    fn secure(&self) -> Vec<Vec<u8>> {
        let realm = self.realm(REALM).into_iter();
        let row = realm.chain([self.organisation(ORGANISATION), self.status(4)]);
        [self.enabled()].into_iter().chain(row).collect()
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardline"));
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
    fn lint(&self, file: &[u8], args: &[&str]) -> (Vec<Value>, i32) {
        std::fs::write(self.0.path().join("file"), file).unwrap();
        let (code, said) = self.run(&[&["lint", "file", "--json"], args].concat());
        let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        (report["findings"].as_array().unwrap().clone(), code)
    }

    fn clean(&self, what: &str, file: &[u8], args: &[&str]) {
        assert_eq!(self.lint(file, args), (vec![], 0), "{what}: the file without the fault");
    }

    /// The finding with these words stands at the TLV that `at` finds in the file, or is about the whole of it, and the
    /// exit code is that of the gravest.
    fn fault(&self, what: &str, file: &[u8], args: &[&str], words: &str, at: Option<&[u8]>) {
        let (findings, code) = self.lint(file, args);
        let said = |finding: &&Value| finding["message"].as_str().unwrap().contains(words);
        let found = findings.iter().find(said);
        let found = found.unwrap_or_else(|| panic!("{what}: '{words}' is not among {findings:?}"));
        let offset = at.map(|tlv| {
            let places = file.windows(tlv.len()).enumerate().filter(|(_, part)| *part == tlv);
            places.last().unwrap().0
        });
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
    fn hashed(&self, tlvs: &[Vec<u8>], mib: &str) -> Vec<u8> {
        std::fs::write(self.0.path().join("plain"), device(tlvs)).unwrap();
        let (code, said) = self.run(&["hash", "plain", "--insert", "--mib", mib, "--output", "hashed"]);
        assert_eq!(code, 0, "{said}");
        std::fs::read(self.0.path().join("hashed")).unwrap()
    }
}

#[test]
fn what_each_flow_and_dialect_must_have() {
    let folder = Folder::new();
    for mib in &MIBS {
        let what = mib.word;
        // Secure.
        let given = [
            "--flow",
            "secure",
            "--mib",
            what,
            "--realm",
            REALM,
            "--organisation",
            ORGANISATION,
        ];
        let good = mib.secure();
        folder.clean(what, &device(&good), &given);
        let inferred = folder.lint(&device(&good), &[]);
        assert_eq!(inferred, (vec![], 0), "{what}: flow and MIB are seen by the file");
        folder.fault(
            what,
            &device(&good[1..]),
            &given,
            "pktcMtaDevEnabled.0 is missing",
            None,
        );
        folder.fault(what, &device(&good[..1]), &given, "the realm table has no row", None);
        if let Some(realm) = mib.realm(REALM) {
            let file = device(&[mib.enabled(), realm.clone(), mib.status(4)]);
            folder.fault(what, &file, &given, "has no organisation name", Some(&realm));
            // Nobody would look for it in another flow.
            folder.fault(
                what,
                &file,
                &["--flow", "hybrid", "--mib", what],
                "has no organisation name",
                Some(&realm),
            );
            let organisation = mib.organisation(ORGANISATION);
            let file = device(&[mib.enabled(), organisation.clone(), mib.status(4)]);
            folder.fault(what, &file, &given, "has no realm name", Some(&organisation));
            let lower = mib.realm("pktc.example.net").unwrap();
            let file = device(&[mib.enabled(), lower.clone(), organisation, mib.status(4)]);
            folder.fault(what, &file, &given, "is not in upper case", Some(&lower));
        } else {
            folder.fault(
                what,
                &device(&[mib.enabled(), mib.status(4)]),
                &given,
                "has no organisation name",
                Some(&mib.status(4)),
            );
        }
        let other = ["--flow", "secure", "--mib", what, "--realm", "OTHER.NET"];
        folder.fault(what, &device(&good), &other, "is for the realm OTHER.NET", None);
        let other = ["--flow", "secure", "--mib", what, "--organisation", "Other"];
        folder.fault(
            what,
            &device(&good),
            &other,
            "the service provider's certificate says 'Other'",
            Some(&mib.organisation(ORGANISATION)),
        );
        let waits = device(&[&good[..good.len() - 1], &[mib.status(5)]].concat());
        let words = "is createAndWait(5); rows are created by createAndGo(4)";
        folder.fault(what, &waits, &given, words, Some(&mib.status(5)));
        let without = device(&good[..good.len() - 1]);
        folder.fault(what, &without, &given, "and its row has no", Some(&good[1]));

        // Hybrid.
        let given = ["--flow", "hybrid", "--mib", what];
        folder.clean(what, &device(&[mib.enabled()]), &given);
        folder.fault(what, &device(&[]), &given, "pktcMtaDevEnabled.0 is missing", None);
        let hash = set(mib.hash, TEXT, &[7; 20]);
        let file = device(&[mib.enabled(), hash.clone()]);
        folder.fault(what, &file, &given, "in this flow it comes by SNMP", Some(&hash));

        // Basic.
        let given = ["--flow", "basic", "--mib", what];
        let good = folder.hashed(&[mib.enabled()], what);
        folder.clean(what, &good, &given);
        folder.fault(
            what,
            &folder.hashed(&[], what),
            &given,
            "pktcMtaDevEnabled.0 is missing",
            None,
        );
        folder.fault(
            what,
            &device(&[mib.enabled()]),
            &given,
            "the file has no 1.3.6.1.",
            None,
        );
        let words = "the hash is not that of the file";
        let file = device(&[mib.enabled(), hash.clone()]);
        folder.fault(what, &file, &given, words, Some(&hash));
        for other in MIBS.iter().filter(|other| other.word != what) {
            let file = folder.hashed(&[mib.enabled()], other.word);
            let words = format!("the file's hash is the object of the {} MIB", other.word);
            let hash = &file[3 + mib.enabled().len()..file.len() - 3];
            folder.fault(what, &file, &given, &words, Some(hash));
            let file = device(&[mib.enabled(), other.enabled()]);
            let words = format!("is of the {} MIB; the device has the {what} MIB", other.word);
            folder.fault(
                what,
                &file,
                &["--flow", "hybrid", "--mib", what],
                &words,
                Some(&other.enabled()),
            );
        }
    }
}

/// The number of a name, as `hardline mib find` knows it.
fn number(name: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardline"));
    let out = command.args(["mib", "show", name, "--json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{name}: {error} {out:?}"));
    let oid = shown["oid"].as_str().unwrap_or_else(|| panic!("{name}: {shown}"));
    oid.to_owned()
}

#[test]
fn faults_that_any_device_file_can_have() {
    let folder = Folder::new();
    let mib = &MIBS[0];
    let hybrid = ["--flow", "hybrid", "--mib", "ietf"];
    let enabled = || mib.enabled();
    let domain = number("pktcEUEDevOpDomain") + ".1";
    let status = number("pktcEUEDevOpRowStatus") + ".1";
    let domain = || set(&domain, TEXT, b"example.net");
    let status = |value: u8| set(&status, INTEGER, &[value]);

    folder.clean("a row", &device(&[enabled(), domain(), status(4)]), &hybrid);
    let words = "pktcEUEDevOpDomain.1 is set, and its row has no pktcEUEDevOpRowStatus";
    folder.fault(
        "a row without status",
        &device(&[enabled(), domain()]),
        &hybrid,
        words,
        Some(&domain()),
    );
    let file = device(&[enabled(), domain(), status(5)]);
    folder.fault("createAndWait", &file, &hybrid, "createAndWait(5)", Some(&status(5)));
    let file = device(&[enabled(), domain(), domain(), status(4)]);
    folder.fault("a duplicate", &file, &hybrid, "is set more than once", Some(&domain()));

    // Delimiters.
    let good = device(&[enabled()]);
    folder.fault("no start", &good[3..], &hybrid, "does not start with FE 01 01", None);
    folder.fault(
        "no end",
        &good[..good.len() - 3],
        &hybrid,
        "does not end with FE 01 FF",
        None,
    );
    let more = [&*good, b"x"].concat();
    folder.fault("octets after the end", &more, &hybrid, "follow FE 01 FF", None);
    folder.clean("what fills a cipher block", &[&*good, &[0; 7]].concat(), &hybrid);
    let twice = device(&[enabled(), vec![0xfe, 1, 1]]);
    folder.fault(
        "two starts",
        &twice,
        &hybrid,
        "FE 01 01 stands again",
        Some(&[0xfe, 1, 1]),
    );

    // Lengths and values.
    let port = number("pktcEUEDevSipPort") + ".0";
    folder.clean(
        "a port",
        &device(&[enabled(), set(&port, UNSIGNED, &[19, 196])]),
        &hybrid,
    );
    let far = set(&port, UNSIGNED, &[1, 0, 0]);
    let words = "65536 is none of 0 to 65535";
    folder.fault(
        "a value out of range",
        &device(&[enabled(), far.clone()]),
        &hybrid,
        words,
        Some(&far),
    );
    let typed = set(&port, TEXT, b"5060");
    folder.fault(
        "a value of another type",
        &device(&[enabled(), typed.clone()]),
        &hybrid,
        "SipPort.0: ",
        Some(&typed),
    );
    let long = set_long(&port, UNSIGNED, &[19, 196]);
    folder.fault(
        "TLV 64 for little",
        &device(&[enabled(), long.clone()]),
        &hybrid,
        "has room in TLV 11",
        Some(&long),
    );
    let digits = set_long(&(number("pktcEUERSTDMValue") + ".1"), TEXT, &[b'x'; 400]);
    let row = set(&(number("pktcEUERSTDMStatus") + ".1"), INTEGER, &[4]);
    folder.clean("a digit map", &device(&[enabled(), digits, row]), &hybrid);
    let mut cut = good.clone();
    cut[4] += 40;
    let (findings, code) = folder.lint(&cut, &hybrid);
    let found = &findings[0];
    assert_eq!(code, 1, "{findings:?}");
    assert!(found["message"].as_str().unwrap().contains("expected"), "{found}");
    let shown = folder.run(&["lint", "file"]).1;
    assert!(shown.contains("offset 4, TLV 11"), "{shown}");

    // Objects.
    let unknown = set("1.3.6.1.4.1.99999.1.0", INTEGER, &[1]);
    let file = device(&[enabled(), unknown.clone()]);
    folder.fault(
        "an unknown object",
        &file,
        &hybrid,
        "no MIB module defines",
        Some(&unknown),
    );
    let version = set(&(number("pktcEUEDevProfileVersion") + ".0"), TEXT, b"1.0");
    let file = device(&[enabled(), version.clone()]);
    folder.fault("an object to be read", &file, &hybrid, "cannot be set", Some(&version));
    let tlv = vec![99, 1, 2];
    let file = device(&[enabled(), tlv.clone()]);
    folder.fault(
        "an unknown TLV",
        &file,
        &hybrid,
        "is no TLV of a device file",
        Some(&tlv),
    );
    let receiver = vec![38, 4, 2, 2, 0, 162];
    let file = device(&[enabled(), receiver.clone()]);
    folder.fault(
        "a receiver without address",
        &file,
        &hybrid,
        "neither 38.1 nor 38.8",
        Some(&receiver),
    );
    let vendor = vec![43, 3, 1, 1, 7];
    let file = device(&[enabled(), vendor.clone()]);
    folder.fault(
        "a vendor without OUI",
        &file,
        &hybrid,
        "does not start with 43.8",
        Some(&vendor),
    );

    // Secrets in clear.
    let credentials = set(&(number("pktcEUEUsrIMPICredentials") + ".1"), TEXT, b"\0\0\0\x06secret");
    let row = set(&(number("pktcEUEUsrIMPIRowStatus") + ".1"), INTEGER, &[4]);
    let basic = folder.hashed(&[enabled(), credentials.clone(), row.clone()], "ietf");
    let words = "stands in clear in a file of the basic flow";
    folder.fault(
        "credentials in clear",
        &basic,
        &["--flow", "basic"],
        words,
        Some(&credentials),
    );
    let encrypted = device(&[mib.secure(), vec![credentials, row]].concat());
    folder.clean("credentials in an encrypted file", &encrypted, &["--flow", "secure"]);

    // Users.
    let user = set(&(number("pktcEUEUsrIMPUIMPIIndexRef") + ".1"), UNSIGNED, &[3]);
    let file = device(&[enabled(), user]);
    let words = "there are users (pktcEUEUsrIMPUTable) and no row of pktcEUEDevPCSCFTable";
    folder.fault("users without a proxy", &file, &hybrid, words, None);
}

/// The file of a cable modem with its MICs.
fn modem(folder: &Folder, settings: &[&[u8]]) -> Vec<u8> {
    let path = folder.0.path();
    std::fs::write(path.join("key"), b"DOCSIS\n").unwrap();
    std::fs::write(path.join("settings"), [&*settings.concat(), &[0xff]].concat()).unwrap();
    let (code, said) = folder.run(&["mic", "settings", "--output", "sealed", "--secret-file", "key"]);
    assert!(path.join("sealed").exists(), "{code} {said}");
    let sealed = std::fs::read(path.join("sealed")).unwrap();
    std::fs::remove_file(path.join("sealed")).unwrap();
    sealed
}

#[test]
fn faults_of_a_modems_file() {
    let folder = Folder::new();
    let (access, up, down): (&[u8], &[u8], &[u8]) =
        (&[3, 1, 1], &[24, 7, 1, 2, 0, 1, 6, 1, 7], &[25, 7, 1, 2, 0, 2, 6, 1, 7]);
    let base = [access, up, down];
    let with = |more: &[u8]| modem(&folder, &[access, up, down, more]);
    let given = ["--secret-file", "key"];
    let good = modem(&folder, &base);
    folder.clean("a modem's file", &good, &given);
    let one = modem(&folder, &[access, &[4, 3, 1, 1, 1]]);
    folder.clean("a file of DOCSIS 1.0", &one, &given);

    let without = modem(&folder, &[up, down]);
    folder.fault(
        "no network access",
        &without,
        &given,
        "TLV 3, Network Access Control Object, is missing",
        None,
    );
    folder.fault(
        "no flow",
        &modem(&folder, &[access]),
        &given,
        "a service flow is missing",
        None,
    );
    let mixed = with(&[4, 3, 1, 1, 1]);
    folder.fault(
        "both kinds of service",
        &mixed,
        &given,
        "stands beside service flows",
        None,
    );
    let bare = [&*base.concat(), &[0xff, 0]].concat();
    folder.fault(
        "no MICs",
        &bare,
        &given,
        "TLV 6, CM Message Integrity Check (MIC), is missing",
        None,
    );
    folder.fault(
        "no MICs",
        &bare,
        &given,
        "TLV 7, CMTS Message Integrity Check (MIC), is missing",
        None,
    );
    let twice = with(&[18, 1, 2, 18, 1, 3]);
    folder.fault(
        "a setting twice",
        &twice,
        &given,
        "MaxCPE stands in the file more than once",
        Some(&[18, 1, 3]),
    );
    folder.clean("a setting once", &with(&[18, 1, 3]), &given);
    let wide = with(&[18, 2, 0, 3]);
    folder.fault(
        "a wrong length",
        &wide,
        &given,
        "MaxCPE: 2 octets are no number of one octet",
        Some(&[18, 2, 0, 3]),
    );
    let beyond = with(&[3, 1, 2]);
    folder.fault(
        "a value out of range",
        &beyond,
        &given,
        "NetworkAccess: 2 is not within 0 to 1",
        Some(&[3, 1, 2]),
    );
    let class = [22, 7, 1, 1, 1, 3, 2, 0, 9];
    let words = "UsPacketClass is for service flow 9, and the file has none";
    folder.fault("a reference to nothing", &with(&class), &given, words, Some(&class));
    let again = [24, 7, 1, 2, 0, 2, 6, 1, 7];
    folder.fault(
        "a reference twice",
        &with(&again),
        &given,
        "reference 2 is that of another TLV 25",
        Some(&again),
    );
    let unknown = with(&[107, 1, 0]);
    folder.fault(
        "an unknown TLV",
        &unknown,
        &given,
        "no TLV of a cable modem's file",
        Some(&[107, 1, 0]),
    );
    let contact = set("1.3.6.1.2.1.1.4.0", TEXT, b"noc");
    folder.clean("an object", &with(&contact), &given);
    let both = with(&[contact.clone(), contact.clone()].concat());
    folder.fault(
        "an object twice",
        &both,
        &given,
        "sysContact.0 is set more than once",
        Some(&contact),
    );
    let community = set("1.3.6.1.6.3.18.1.1.1.2.97", TEXT, b"public");
    folder.fault(
        "a row without status",
        &with(&community),
        &given,
        "and its row has no",
        Some(&community),
    );
    let extension = [43, 11, 8, 3, 0xff, 0xff, 0xff, 6, 0, 1, 2, 0, 1];
    folder.fault(
        "43.6 beside others",
        &with(&extension),
        &given,
        "43.6, the extended CMTS MIC, shares",
        Some(&extension),
    );
    let inner = [216, 4, 0xfe, 1, 1, 11];
    folder.fault(
        "a file within that cannot be read",
        &with(&inner),
        &given,
        "cannot be read",
        Some(&inner),
    );

    let mut changed = good.clone();
    changed[2] = 0;
    let mic = |kind: u8| good.windows(2).position(|part| part == [kind, 16]).unwrap();
    let at = |kind: u8| good[mic(kind)..mic(kind) + 18].to_vec();
    folder.fault(
        "a changed file",
        &changed,
        &given,
        "the CM MIC is not that of the file",
        Some(&at(6)),
    );
    folder.fault(
        "a changed file",
        &changed,
        &given,
        "the CMTS MIC is that of none of the secrets",
        Some(&at(7)),
    );
    std::fs::write(folder.0.path().join("other"), b"other").unwrap();
    let words = "the CMTS MIC is that of none of the secrets";
    folder.fault(
        "another secret",
        &good,
        &["--secret-file", "other"],
        words,
        Some(&at(7)),
    );
    let after = [&good[..mic(7) + 18], &[18, 1, 3, 0xff]].concat();
    folder.fault(
        "a setting after the MICs",
        &after,
        &given,
        "a setting follows the MICs",
        Some(&[18, 1, 3]),
    );
    let endless = &good[..mic(7) + 18];
    folder.fault("no end", endless, &given, "the file does not end with FF", None);
    let rest = [&*good, &[0, 1, 2, 3]].concat();
    folder.fault(
        "octets after the end",
        &rest,
        &given,
        "octets other than zero follow FF",
        None,
    );
}

#[test]
fn several_files_and_the_exit_code() {
    let folder = Folder::new();
    let put = |name: &str, octets: &[u8]| std::fs::write(folder.0.path().join(name), octets).unwrap();
    put("good", &device(&[MIBS[0].enabled()]));
    put("warned", &device(&[MIBS[0].enabled(), vec![99, 1, 2]]));
    put("bad", &device(&[]));
    put("empty", b"");
    for (files, code) in [
        (vec!["good"], 0),
        (vec!["good", "warned"], 0),
        (vec!["bad", "good"], 1),
        (vec!["good", "missing"], 1),
        (vec!["good", "."], 1),
        (vec![], 2),
    ] {
        let (found, said) = folder.run(&[&["lint"], &*files].concat());
        assert_eq!(found, code, "{files:?}: {said}");
    }
    for wrong in [["--flow", "fast"], ["--mib", "asian"], ["--secret-file", "empty"]] {
        assert_eq!(folder.run(&[&["lint", "good"], &wrong[..]].concat()).0, 2, "{wrong:?}");
    }
}
