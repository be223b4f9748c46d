//! The learning interop profile from outside: devices that follow another recipe than the server's profile are served,
//! what they showed is remembered for their vendor and no longer learned, and what no candidate explains is refused.

mod support;

use std::path::PathBuf;

use hardline::model::Flow;
use hardline::profile::Profile;
use hardline::simulator::agent::Security;
use hardline::value::Timestamp;
use hardline::wire::kerberos::PadForm;
use serde_json::Value;
use support::client::{Eue, World, register};
use support::server::Server;

/// The profile of devices that do as little as possible like the server's own.
const OTHERWISE: &str = "
pad = 'covered'
[hmac]
key = 'authenticator-subkey'
coverage = 'without-header'
[keys]
label = 'SNMPv3 Security Association'
layout = 'privacy-first'
localisation = 'agent'
";

/// Keys at each engine, which an INFORM does not tell from keys at the manager's alone: the answer to the SET decides.
const AT_THE_MANAGER: &str = "
[keys]
label = 'SNMPv3'
localisation = 'manager'
";

/// No candidate has this label.
const NOWHERE: &str = "[keys]\nlabel = 'a text that stands nowhere'\n";

fn write(server: &Server, name: &str, text: &str) -> PathBuf {
    let path = server.site().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// Runs devices of the secure flow, the first of them number `first`; the summary, and whether all passed.
/// A device that is refused gives up after a few seconds: `timers` multiplies how long it tries.
fn simulate_with(
    timers: &str,
    server: &Server,
    profile: Option<&PathBuf>,
    oui: &str,
    first: u32,
    devices: u32,
) -> (Value, bool) {
    let (first, devices) = (first.to_string(), devices.to_string());
    let mut args = vec![
        "simulate", "--flow", "secure", "--json", "--timers", timers, "--oui", oui,
    ];
    args.extend(["--first", &first, "--devices", &devices]);
    if let Some(profile) = profile {
        args.extend(["--profile", profile.to_str().expect("UTF-8")]);
    }
    let out = server.run(&args);
    let said = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out.stderr)));
    (said, out.status.success())
}

/// Devices that are to pass.
fn simulate(server: &Server, profile: Option<&PathBuf>, oui: &str, first: u32, devices: u32) -> (Value, bool) {
    simulate_with("0.3", server, profile, oui, first, devices)
}

/// A device that is to fail.
fn refused(server: &Server, profile: Option<&PathBuf>, oui: &str, first: u32) {
    let (said, passed) = simulate_with("0.02", server, profile, oui, first, 1);
    assert!(!passed, "{said}");
}

#[test]
fn p1_p2_p5_to_p8_p11_p14_are_learned_by_vendor_and_shown() {
    let mut server = Server::install();
    server.start();
    let otherwise = write(&server, "otherwise.toml", OTHERWISE);
    let (said, passed) = simulate(&server, Some(&otherwise), "00:AA:01", 0, 3);
    assert!(passed, "{said}");
    let shown = server.json(&["device", "show", "00:aa:01:00:00:00"]);
    let vendor = &shown["profile"]["vendor"];
    assert_eq!(vendor["oui"], "00:aa:01");
    assert!(
        vendor["type_identifier"]
            .as_str()
            .expect("text")
            .starts_with("pktc2.0:")
    );
    for learned in [&shown["profile"]["shown"], &vendor["learned"]] {
        assert_eq!(learned["hmac"]["key"], "authenticator-subkey", "{learned}");
        assert_eq!(learned["hmac"]["coverage"], "without-header");
        assert_eq!(learned["keys"]["label"], "SNMPv3 Security Association");
        assert_eq!(learned["keys"]["layout"], "privacy-first");
        assert_eq!(learned["keys"]["localisation"], "agent");
        assert_eq!(learned["user-name"], "MTA-Prov-XX:XX:XX:XX:XX:XX");
    }
    let text = server.command(&["device", "show", "00:aa:01:00:00:00"]);
    assert!(
        text.contains("SNMPv3 Security Association") && text.contains("privacy-first"),
        "{text}"
    );

    // The vendor is known: a device of it that does as everybody else is refused, although it would be served elsewhere.
    refused(&server, None, "00:AA:01", 50);
    server.refused("00:aa:01:00:00:32", |reason| {
        reason.contains("known to derive keys or make HMACs otherwise")
    });
    let (said, passed) = simulate(&server, None, "00:AA:02", 60, 1);
    assert!(passed, "{said}");
    let vendors = server.json(&["profile", "vendors"]);
    assert_eq!(vendors["vendors"].as_array().map(Vec::len), Some(2), "{vendors}");

    // Forgotten, it is learned anew.
    server.command(&["profile", "forget", "00:aa:01"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (said, passed) = simulate(&server, None, "00:AA:01", 51, 1);
    assert!(passed, "{said}");
    server.assert_unhurt();
}

#[test]
fn p8_what_the_inform_leaves_open_the_answer_to_the_set_decides() {
    let mut server = Server::install();
    server.edit(
        "hardline.toml",
        "#= request_timeout = \"2s\"",
        "request_timeout = \"500ms\"",
    );
    server.start();
    let profile = write(&server, "manager.toml", AT_THE_MANAGER);
    for first in [0, 1] {
        let (said, passed) = simulate(&server, Some(&profile), "00:AA:03", first, 1);
        assert!(passed, "{said}");
    }
    let shown = server.json(&["device", "show", "00:aa:03:00:00:01"]);
    let learned = &shown["profile"]["vendor"]["learned"];
    assert_eq!(learned["keys"]["localisation"], "manager", "{shown}");
    assert!(learned.get("unsettled").is_none(), "{shown}");
}

#[test]
fn what_verifies_under_no_candidate_is_refused_and_nothing_is_learned() {
    let mut server = Server::install();
    let world = World::of(&server);
    server.start();
    let nowhere = write(&server, "nowhere.toml", NOWHERE);
    refused(&server, Some(&nowhere), "00:AA:04", 0);
    server.refused("00:aa:04:00:00:00", |reason| reason.contains("wrong_digest"));
    assert_eq!(
        server.json(&["profile", "vendors"])["vendors"].as_array().map(Vec::len),
        Some(0)
    );

    // An HMAC by no recipe gets silence, whoever the vendor is.
    let device = world.device(7, Flow::Secure);
    register(&server, &device, &["--ip", &device.address.to_string()]);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let eue = Eue::new(device, world.known.clone());
    let ticket = eue.ticket().expect("a ticket");
    let mut request = eue.begin_ap(&ticket, Timestamp::now()).datagram().to_vec();
    *request.last_mut().expect("octets") ^= 0x80;
    eue.assert_silence(eue.at.keymgmt, &request);
}

#[test]
fn without_learning_only_the_profile_holds() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= learn = true", "learn = false");
    server.start();
    let otherwise = write(&server, "otherwise.toml", OTHERWISE);
    refused(&server, Some(&otherwise), "00:AA:05", 0);
    server.refused("00:aa:05:00:00:00", |reason| reason.contains("HMAC"));
    let (said, passed) = simulate(&server, None, "00:AA:05", 1, 1);
    assert!(passed, "{said}");
}

#[test]
fn the_operators_own_candidates_are_tried() {
    let mut server = Server::install();
    write(
        &server,
        "candidates.toml",
        "[hmac]\nkeys = ['hashed-session-key']\ncoverages = ['whole-message']\n[keys]\n\
         labels = ['a text that stands nowhere']\nlayouts = ['authentication-first']\nlocalisations = ['direct']\n",
    );
    server.edit("hardline.toml", "#= learn = true", "candidates = \"candidates.toml\"");
    server.start();
    let nowhere = write(&server, "nowhere.toml", NOWHERE);
    let (said, passed) = simulate(&server, Some(&nowhere), "00:AA:06", 0, 1);
    assert!(passed, "{said}");
    let printed = server.command(&["profile", "candidates"]);
    assert!(printed.contains("stands nowhere"), "{printed}");
    // A server does not start with a file that makes too many combinations, and says which.
    write(&server, "candidates.toml", "[hmac]\nkeys = 1\n");
    let checked = server.run(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        said.contains("profile.candidates") && said.contains("candidates.toml"),
        "{said}"
    );
}

#[test]
fn p14_a_device_that_covers_the_pad_gets_answers_that_do() {
    let mut server = Server::install();
    let world = World::of(&server);
    server.start();
    let profile = Profile {
        pad: PadForm::Covered,
        ..Profile::default()
    };
    let device = world.device(9, Flow::Secure);
    register(&server, &device, &["--ip", &device.address.to_string()]);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let eue = Eue::new(device, world.misled(|known| known.profile = profile));
    let ticket = eue.ticket().expect("a ticket");
    // The device refuses an AP Reply in the other form where its Authenticator had a pad to show, as seven of eight have.
    for _ in 0..4 {
        let association = eue.associate(&ticket).expect("keys");
        let mut agent = eue.agent(Security::User(Box::new(association.security)));
        eue.enroll(&mut agent);
    }
    let shown = server.json(&["device", "show", &eue.spec.mac.to_string()]);
    assert_eq!(
        shown["profile"]["vendor"]["learned"]["user-name"], "MTA-Prov-XX:XX:XX:XX:XX:XX",
        "{shown}"
    );
}
