//! `hardline config lint` on device files from outside: each fault that it names, in a file that has it and in the same file
//! without it.

mod support;

use support::lint::{Folder, INTEGER, MIBS, ORGANISATION, REALM, TEXT, UNSIGNED, device, number, set, set_long};

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
