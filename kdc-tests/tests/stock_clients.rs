//! Stock clients of our KDC: MIT krb5 1.20 (kinit, kvno, klist) and Heimdal 7.8 (kinit, kgetcred), by PKINIT of RFC 4556
//! with a device's certificate, by password and by keytab, over UDP and TCP. What they and the KDC say passes through a
//! relay, and tshark dissects all of it.
//!
//! What a judge cannot do: MIT has no etype 5, so that Heimdal alone judges it; tshark 4.0 knows PKINIT in the shapes of the
//! drafts only, so that the two clients alone judge what stands in padata 16 and 17.

#[path = "../../tests/support/capture.rs"]
mod capture;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../../tests/support/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::{Command, Output};

use capture::{Capture, assert_well_formed, field};
use hardline::settings::Service;
use kdc_tests::clients::{Client, Transport, Vendor};
use kdc_tests::process::text;
use kdc_tests::relay::{Passed, Relay};
use server::Server;

const REALM: &str = "PKTC.EXAMPLE.NET";
const MAC: &str = "00:11:22:33:44:55";
const DEVICE: &str = "mta/mta1.pktc.example.net";
const PERSON: &str = "cms/cms1.pktc.example.net";
const HOST: &str = "host/h1.pktc.example.net";
const PROVSRVR: &str = "mtaprovsrvr/prov.pktc.example.net";
const PASSWORD: &str = "correct horse battery staple";
const BOTH: [Vendor; 2] = [Vendor::Mit, Vendor::Heimdal];

/// An installation with a device, a client that has a password, and a service; its KDC stands behind a relay.
struct Bed {
    server: Server,
    relay: Relay,
}

impl Bed {
    fn new(edits: &[(&str, &str)]) -> Self {
        let mut server = Server::install();
        for (from, to) in edits {
            server.edit("hardline.toml", from, to);
        }
        server.add_device(MAC, "mta1.pktc.example.net", "secure", &[]);
        let bed = |name: &str| server.site().join(name).display().to_string();
        server.command(&["pki", "device", "--mac", MAC, "--out", &bed("device")]);
        std::fs::write(bed("password"), format!("{PASSWORD}\n")).expect("a file");
        let every = ["5", "16", "17", "18", "19", "20"]
            .map(|etype| ["--etype", etype])
            .concat();
        for principal in [PERSON, HOST] {
            let mut add = vec!["keytab", "add", "--principal", principal];
            add.extend(&every);
            let file = bed("password");
            if principal == PERSON {
                add.extend(["--password-file", &file]);
            }
            server.command(&add);
        }
        server.command(&[
            "keytab",
            "export",
            "--principal",
            PERSON,
            "--file",
            &bed("person.keytab"),
        ]);
        server.start();
        let relay = Relay::start(server.v4(Service::Kdc));
        Self { server, relay }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.server.site().join(name)
    }

    fn client(&self, vendor: Vendor, transport: Transport, more: &str) -> Client {
        Client::new(vendor, REALM, self.relay.address, transport, &self.file("pki"), more)
    }

    /// What passed since this was asked last, after tshark has found nothing malformed in it.
    fn dissected(&self) -> Vec<Passed> {
        let passed = self.relay.take();
        let mut capture = Capture::new();
        let [client, kdc] = ["192.0.2.7:32768", "192.0.2.1:88"].map(|address| address.parse().expect("an address"));
        for message in &passed {
            let (from, to) = if message.from_client {
                (client, kdc)
            } else {
                (kdc, client)
            };
            match message.tcp {
                true => capture.tcp(from, to, &message.octets),
                false => capture.udp(from, to, &message.octets),
            }
        }
        let packets = capture.dissect(&[]);
        for (packet, message) in packets.iter().zip(&passed) {
            // tshark 4.0 reads padata 16 and 17 as the drafts have them, and marks the stock clients' own as well.
            if !has_rfc4556_padata(&message.octets) {
                assert_well_formed(packet);
            }
            assert!(!field(packet, "kerberos.msg_type").is_empty(), "{packet:#}");
        }
        passed
    }
}

/// Whether a message has a padata of type 16 or 17.
fn has_rfc4556_padata(octets: &[u8]) -> bool {
    octets
        .windows(5)
        .any(|window| matches!(window, [0xa1, 3, 2, 1, 16 | 17]))
}

/// The policy that allows every encryption type to everybody.
const EVERY_ETYPE: (&str, &str) = ("#= services = [18, 17, 20, 19]", "services = [18, 17, 20, 19, 16, 5]");

#[track_caller]
fn good(what: &str, client: &Client, output: &Output) {
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{what}: {out}{errors}\n{}", client.trace());
}

/// The standard error of a program that must fail.
#[track_caller]
fn bad(what: &str, output: &Output) -> String {
    assert!(!output.status.success(), "{what} went well");
    text(&output.stderr)
}

#[test]
fn rfc4556_kinit_with_a_device_certificate_and_a_service_ticket() {
    let bed = Bed::new(&[]);
    for vendor in BOTH {
        for transport in [Transport::Udp, Transport::Tcp] {
            let client = bed.client(vendor, transport, "");
            let what = format!("{vendor:?} {transport:?}");
            good(
                &what,
                &client,
                &client.kinit_by_certificate(&bed.file("device"), DEVICE),
            );
            good(&what, &client, &client.ticket_for(PROVSRVR));
            let list = client.list();
            for shown in [DEVICE, PROVSRVR, "krbtgt/PKTC.EXAMPLE.NET", "aes256-cts-hmac-sha1-96"] {
                assert!(list.contains(shown), "{what}: {shown}: {list}");
            }
            let passed = bed.dissected();
            let tcp = transport == Transport::Tcp;
            assert!(
                passed.len() >= 4 && passed.iter().all(|message| message.tcp == tcp),
                "{what}"
            );
        }
    }
}

#[test]
fn rfc4556_the_groups_that_stock_clients_may_use() {
    let bed = Bed::new(&[("#= stock_min_bits = 1024", "stock_min_bits = 2048")]);
    let mit = bed.client(Vendor::Mit, Transport::Udp, "");
    good("group 14", &mit, &mit.kinit_by_certificate(&bed.file("device"), DEVICE));
    // Heimdal asks for Oakley group 2 first.
    let heimdal = bed.client(Vendor::Heimdal, Transport::Udp, "");
    bad("group 2", &heimdal.kinit_by_certificate(&bed.file("device"), DEVICE));
    bed.dissected();
}

#[test]
fn rfc4556_kinit_under_another_name_is_refused() {
    let bed = Bed::new(&[]);
    for vendor in BOTH {
        let client = bed.client(vendor, Transport::Udp, "");
        let output = client.kinit_by_certificate(&bed.file("device"), "mta/other.pktc.example.net");
        let error = bad("another name", &output).to_lowercase();
        assert!(error.contains("mismatch"), "{vendor:?}: {error}");
        bed.dissected();
    }
    let reasons = bed
        .server
        .refused(MAC, |reason| reason.contains("calls itself mta/other"));
    assert!(!reasons.is_empty());
}

/// A name that the client's libraries know an encryption type by.
const MIT_ETYPES: [(i32, &str); 5] = [
    (16, "des3-cbc-sha1"),
    (17, "aes128-cts-hmac-sha1-96"),
    (18, "aes256-cts-hmac-sha1-96"),
    (19, "aes128-cts-hmac-sha256-128"),
    (20, "aes256-cts-hmac-sha384-192"),
];
const HEIMDAL_ETYPES: [(i32, &str); 6] = [
    (5, "des3-cbc-md5"),
    (16, "des3-cbc-sha1"),
    (17, "aes128-cts-hmac-sha1-96"),
    (18, "aes256-cts-hmac-sha1-96"),
    (19, "aes128-cts-hmac-sha256-128"),
    (20, "aes256-cts-hmac-sha384-192"),
];

/// The encryption types of a message's KRB_KDC_REP: of its secret part and of its ticket.
fn reply_etypes(passed: &[Passed]) -> Vec<String> {
    let mut capture = Capture::new();
    let [client, kdc] = ["192.0.2.7:32768", "192.0.2.1:88"].map(|address| address.parse().expect("an address"));
    let replies = passed
        .iter()
        .filter(|message| matches!(message.octets.first(), Some(0x6b | 0x6d)));
    for message in replies {
        capture.udp(kdc, client, &message.octets);
    }
    capture
        .dissect(&[])
        .iter()
        .flat_map(|packet| field(packet, "kerberos.etype"))
        .collect()
}

#[test]
fn rfc4120_passwords_and_keytabs_in_every_encryption_type() {
    let bed = Bed::new(&[EVERY_ETYPE]);
    let cases = MIT_ETYPES.map(|etype| (Vendor::Mit, etype)).into_iter();
    for (vendor, (number, name)) in cases.chain(HEIMDAL_ETYPES.map(|etype| (Vendor::Heimdal, etype))) {
        let more = match vendor {
            Vendor::Mit => format!(" permitted_enctypes = {name}\n"),
            Vendor::Heimdal => {
                format!(" default_etypes = {name}\n default_as_etypes = {name}\n default_tgs_etypes = {name}\n")
            }
        };
        let (client, what) = (bed.client(vendor, Transport::Udp, &more), format!("{vendor:?} {name}"));
        good(&what, &client, &client.kinit_by_password(PERSON, PASSWORD));
        good(&what, &client, &client.ticket_for(HOST));
        let etypes = reply_etypes(&bed.dissected());
        // Of the AS-REP the secret part is under the password's key; tickets are under what the policy prefers.
        assert!(etypes.contains(&number.to_string()), "{what}: {etypes:?}");
        good(
            &what,
            &client,
            &client.kinit_by_keytab(PERSON, &bed.file("person.keytab"), &[]),
        );
        bed.dissected();
    }
}

#[test]
fn rfc4120_wrong_passwords_unknown_names_and_clocks_that_are_off() {
    let bed = Bed::new(&[]);
    for vendor in BOTH {
        let client = bed.client(vendor, Transport::Udp, " kdc_timesync = 0\n");
        let wrong = bad("a wrong password", &client.kinit_by_password(PERSON, "wrong")).to_lowercase();
        assert!(
            wrong.contains("password incorrect") || wrong.contains("preauth") || wrong.contains("pre-auth"),
            "{wrong}"
        );
        let nobody = bad("an unknown client", &client.kinit_by_password("nobody", "wrong")).to_lowercase();
        assert!(
            nobody.contains("not found in kerberos database") || nobody.contains("unknown"),
            "{nobody}"
        );
        good(
            "the right password",
            &client,
            &client.kinit_by_password(PERSON, PASSWORD),
        );
        // A service that nobody has a key of: the error is sealed, and the client reads it all the same.
        let nowhere = bad("an unknown service", &client.ticket_for("ftp/h1.pktc.example.net")).to_lowercase();
        assert!(
            nowhere.contains("not found in kerberos database") || nowhere.contains("unknown"),
            "{nowhere}"
        );
        bed.dissected();
    }
}

/// Runs a client's program with its clock moved.
fn with_clock(client: &Client, offset: &str, program: &str, args: &[&str]) -> Output {
    let inner = client.command(program);
    let mut command = Command::new("faketime");
    command.args(["-f", offset]).arg(inner.get_program()).args(args);
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    kdc_tests::process::output(&mut command)
}

#[test]
fn rfc4120_skew_and_expiry_as_mit_reads_them() {
    let bed = Bed::new(&[]);
    let client = bed.client(Vendor::Mit, Transport::Udp, " kdc_timesync = 0\n");
    let keytab = bed.file("person.keytab").display().to_string();
    let person = format!("{PERSON}@{REALM}");
    let skew = bad(
        "skew",
        &with_clock(&client, "-1h", "kinit", &["-k", "-t", &keytab, &person]),
    );
    assert!(skew.contains("Clock skew too great"), "{skew}");
    // With the KDC's time a client corrects itself.
    let correcting = bed.client(Vendor::Mit, Transport::Udp, " kdc_timesync = 1\n");
    good(
        "time from the KDC",
        &correcting,
        &with_clock(&correcting, "-1h", "kinit", &["-k", "-t", &keytab, &person]),
    );
    // A ticket that is over, as the KDC sees it; the client's clock is a minute behind.
    let short = client.kinit_by_keytab(PERSON, &bed.file("person.keytab"), &["-l", "2s"]);
    good("two seconds", &client, &short);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let host = format!("{HOST}@{REALM}");
    let over = bad("a ticket that is over", &with_clock(&client, "-60s", "kvno", &[&host]));
    assert!(over.contains("Ticket expired"), "{over}");
    bed.dissected();
}

#[test]
fn renewable_and_forwardable_tickets_are_not_given() {
    let bed = Bed::new(&[]);
    let client = bed.client(
        Vendor::Mit,
        Transport::Udp,
        " forwardable = true\n proxiable = true\n renew_lifetime = 7d\n",
    );
    good(
        "wishes",
        &client,
        &client.kinit_by_keytab(PERSON, &bed.file("person.keytab"), &["-f", "-p", "-r", "7d"]),
    );
    let mut flags = client.command("klist");
    let flags = text(&kdc_tests::process::output(flags.arg("-f")).stdout);
    assert!(
        flags.contains("Flags: IA"),
        "initial and pre-authenticated, no more: {flags}"
    );
    let mut renew = client.command("kinit");
    let error = bad("a renewal", &kdc_tests::process::output(renew.arg("-R")));
    assert!(
        error.contains("KDC can't fulfill requested option") || error.contains("renew"),
        "{error}"
    );
    bed.dissected();
}

#[test]
fn rfc4120_7_2_1_a_reply_too_big_for_a_datagram_sends_a_client_to_tcp() {
    let bed = Bed::new(&[("#= udp_reply_max = 16384", "udp_reply_max = 1024")]);
    for vendor in BOTH {
        let client = bed.client(vendor, Transport::Udp, "");
        let output = client.kinit_by_certificate(&bed.file("device"), DEVICE);
        let passed = bed.dissected();
        // Heimdal stays with the transport that its settings name.
        if vendor == Vendor::Mit {
            good("UDP, then TCP", &client, &output);
            assert!(passed.iter().any(|message| message.tcp) && passed.iter().any(|message| !message.tcp));
        }
    }
}
