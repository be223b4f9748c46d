//! `hardline config lint` on cable modems' files from outside: each fault that it names, in a file that has it and in the same
//! file without it.

mod support;

use support::lint::{Folder, TEXT, modem, set};

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
