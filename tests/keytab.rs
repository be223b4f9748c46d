//! Service keys from outside: MIT's klist and ktutil read and write what `hardline keytab` exchanges, a rotation is seen by
//! the running server, and tickets of before it stay good.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hardline::model::Flow;
use serde_json::Value;
use support::client::{Eue, World, register};
use support::server::Server;

const KEYMGMT: &str = "mtaprovsrvr/prov.pktc.example.net";
const FQDNMAP: &str = "mtafqdnmap/prov.pktc.example.net";
const ALL_ETYPES: [&str; 12] = [
    "--etype", "5", "--etype", "16", "--etype", "17", "--etype", "18", "--etype", "19", "--etype", "20",
];

fn path(file: &Path) -> &str {
    file.to_str().expect("UTF-8")
}

/// The keys of a principal that `keytab list` shows: version, type, whether it was replaced.
fn listed(server: &Server, principal: &str) -> Vec<(u64, i64, bool)> {
    let all = server.json(&["keytab", "list"]);
    let whole = format!("{principal}@PKTC.EXAMPLE.NET");
    let keys = all["keys"].as_array().expect("a list");
    let of_it = keys.iter().filter(|key| key["principal"] == whole.as_str());
    of_it
        .map(|key| {
            let number = |name: &str| key[name].as_i64().expect("a number");
            (number("kvno") as u64, number("etype"), key["replaced"] == true)
        })
        .collect()
}

#[test]
fn mit_klist_reads_every_etype_that_is_exported_and_ktutil_s_own_are_imported() {
    let server = Server::install();
    let file = server.site().join("all.keytab");
    server.command(&[&["keytab", "rotate"][..], &ALL_ETYPES].concat());
    server.command(&["keytab", "export", "--file", path(&file)]);
    let listing = Command::new("klist")
        .args(["-kte", path(&file)])
        .output()
        .expect("krb5-user");
    let text = String::from_utf8_lossy(&listing.stdout);
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    for principal in [KEYMGMT, FQDNMAP, "krbtgt/PKTC.EXAMPLE.NET"] {
        let lines = text
            .lines()
            .filter(|line| line.contains(&format!(" {principal}@PKTC.EXAMPLE.NET")));
        assert!(lines.count() >= 7, "six of version 2 and those of version 1: {text}");
    }
    for shown in [
        "etype 5",
        "des3-cbc-sha1",
        "aes128-cts-hmac-sha1-96",
        "aes256-cts-hmac-sha384-192",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&file).expect("the keytab").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // ktutil's, with a version above 255, for a provisioning server that is not this one, and one that is nobody's here.
    let made = server.site().join("made.keytab");
    let names = [
        "aes128-cts-hmac-sha1-96",
        "aes256-cts-hmac-sha1-96",
        "aes256-cts-hmac-sha384-192",
    ];
    let mut script = String::new();
    for principal in ["mtaprovsrvr/prov.other.example.net", "host/a.example.net"] {
        for name in names {
            script.push_str(&format!(
                "addent -password -p {principal}@PKTC.EXAMPLE.NET -k 300 -e {name}\na password\n"
            ));
        }
    }
    script.push_str(&format!("wkt {}\nq\n", made.display()));
    let mut ktutil = Command::new("ktutil")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("krb5-user");
    let mut input = ktutil.stdin.take().expect("piped");
    input.write_all(script.as_bytes()).expect("it reads");
    drop(input);
    assert!(ktutil.wait().expect("it ends").success());
    let said = server.json(&["keytab", "import", "--file", path(&made)]);
    assert_eq!(said["keys"].as_array().map(Vec::len), Some(3), "{said}");
    assert_eq!(said["skipped"].as_array().map(Vec::len), Some(3), "{said}");
    let other = listed(&server, "mtaprovsrvr/prov.other.example.net");
    assert_eq!(other, [(300, 17, false), (300, 18, false), (300, 20, false)]);
    let host = [
        "keytab",
        "import",
        "--file",
        path(&made),
        "--principal",
        "host/a.example.net",
    ];
    server.command(&host);
    assert_eq!(listed(&server, "host/a.example.net").len(), 3, "asked for by name");
    // Back out and in again, key by key the same.
    let again = server.site().join("again.keytab");
    let only = ["--principal", "mtaprovsrvr/prov.other.example.net"];
    server.command(&[&["keytab", "export", "--file", path(&again)], &only[..]].concat());
    let keys = |file: &Path| {
        let octets = std::fs::read(file).expect("a keytab");
        let entries = hardline::wire::kerberos::parse_keytab(&octets).expect("a keytab");
        let of_it = |entry: &hardline::wire::kerberos::KeytabEntry| entry.principal.name.kind() == "mtaprovsrvr";
        let mut keys: Vec<_> = entries
            .into_iter()
            .filter(of_it)
            .map(|entry| (entry.kvno, entry.key.etype, entry.key.value.expose().to_vec()))
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&again), keys(&made));
}

#[test]
fn packetcables_service_key_file_goes_out_and_comes_in() {
    let (one, two) = (Server::install(), Server::install());
    let file = one.site().join("mtafqdnmap.key");
    let raw = ["--format", "packetcable", "--file", path(&file)];
    one.command(&["keytab", "rotate", "--etype", "5"]);
    let said = one.json(&[&["keytab", "export", "--principal", FQDNMAP][..], &raw].concat());
    assert_eq!(said["keys"].as_array().map(Vec::len), Some(2), "{said}");
    let octets = std::fs::read(&file).expect("the file");
    assert_eq!(
        (octets.len(), &octets[..2], &octets[26..28]),
        (52, &[0, 1][..], &[0, 2][..])
    );
    // With newlines between the records, as some write it.
    let lines = [&octets[..26], b"\n", &octets[26..], b"\n"].concat();
    std::fs::write(&file, lines).expect("the file");
    two.command(&[&["keytab", "import", "--principal", FQDNMAP][..], &raw].concat());
    assert_eq!(listed(&two, FQDNMAP), [(1, 5, true), (1, 18, true), (2, 5, false)]);
    let back = two.site().join("back.key");
    two.command(&[
        "keytab",
        "export",
        "--principal",
        FQDNMAP,
        "--format",
        "packetcable",
        "--file",
        path(&back),
    ]);
    assert_eq!(std::fs::read(&back).expect("the file"), octets);
    // Without a principal nobody knows whose keys they are; a file of another size is none.
    let import = |args: &[&str]| {
        let all = ["keytab", "import", "--format", "raw", "--file", path(&file)];
        let out = two.run(&[&all[..], args].concat());
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = import(&[]);
    assert!(code == Some(2) && said.contains("--principal"), "{said}");
    std::fs::write(&file, &octets[..51]).expect("the file");
    let (code, said) = import(&["--principal", FQDNMAP]);
    assert!(code == Some(1) && said.contains("51 octets"), "{said}");
}

#[test]
fn a_rotated_key_opens_tickets_of_before_and_the_running_server_uses_the_new_one() {
    let mut server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    server.start();
    let eue = Eue::new(device, world.known.clone());
    let old = eue.ticket().expect("a ticket");
    let version = |ticket: &hardline::simulator::StoredTicket| ticket.ticket.enc_part.kvno.map(|kvno| kvno.value());
    assert_eq!(version(&old), Some(1));
    server.command(&["keytab", "rotate"]);
    eue.associate(&old).expect("keys, by the ticket of before");
    let deadline = Instant::now() + Duration::from_secs(15);
    let new = loop {
        let ticket = eue.ticket().expect("a ticket");
        if version(&ticket) == Some(2) {
            break ticket;
        }
        assert!(Instant::now() < deadline, "the KDC does not see the rotation");
        std::thread::sleep(Duration::from_millis(200));
    };
    eue.associate(&new).expect("keys, by a ticket under the new key");
    server.kill();
    server.start();
    for ticket in [&old, &new] {
        eue.associate(ticket).expect("keys, after a restart");
    }
    let keys = server.json(&["keytab", "list"]);
    let replaced: Vec<&Value> = keys["keys"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|key| key["replaced"] == true)
        .collect();
    assert!(
        replaced.len() >= 3 && replaced.iter().all(|key| key["kvno"] == 1),
        "{keys}"
    );
    assert!(replaced[0]["forgotten"].is_string(), "{keys}");
    let text = server.command(&["keytab", "list"]);
    assert!(
        text.contains("opens tickets until") && text.contains("current"),
        "{text}"
    );
}

#[test]
fn a_replaced_key_is_forgotten_when_the_last_ticket_under_it_has_expired() {
    let server = Server::install();
    server.edit(
        "hardline.toml",
        "#= ticket_lifetime = \"7d\"",
        "ticket_lifetime = \"500ms\"",
    );
    server.edit("hardline.toml", "#= clock_skew = \"5m\"", "clock_skew = \"100ms\"");
    server.command(&["keytab", "rotate", "--principal", KEYMGMT, "--etype", "18"]);
    assert_eq!(listed(&server, KEYMGMT).last(), Some(&(2, 18, false)));
    std::thread::sleep(Duration::from_millis(800));
    server.command(&["keytab", "rotate", "--principal", KEYMGMT]);
    assert_eq!(
        listed(&server, KEYMGMT),
        [(2, 18, true), (3, 18, false)],
        "version 1 is gone"
    );
    let nobody = server.run(&["keytab", "rotate", "--principal", "mtaprovsrvr/nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    let foreign = server.run(&["keytab", "rotate", "--principal", "a/b@OTHER.NET"]);
    assert_eq!(foreign.status.code(), Some(2));
}
