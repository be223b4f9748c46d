//! KDCs that are not ours hold the realm, and Hardline is the application server: MIT krb5 1.20 with every encryption type
//! it issues, and Heimdal 7.8 with PacketCable's own (5). The AP-REQs and KRB-SAFEs are made, and our answers opened, by
//! the libkrb5 of each; our side has nothing but an imported keytab.
//!
//! What a judge cannot do: MIT has no etype 5, so that Heimdal judges it; Heimdal 7.8 issues no ticket under etypes 19 and
//! 20, so that MIT judges these. Checksum type 13 (HMAC-SHA1 under the plain key) is in neither's table: own vectors cover
//! it (wire::fqdn).

#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../../tests/support/client.rs"]
mod client;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../../tests/support/server.rs"]
mod server;

use std::path::Path;

use client::{Eue, World};
use hardline::model::{Family, Flow};
use hardline::settings::Service;
use hardline::simulator::{Fault, all_suites};
use hardline::value::{EngineId, MacAddress, OsRandom, Secret, hex, unhex};
use hardline::wire::fqdn::{FqdnAnswer, FqdnData, FqdnErrorCode, FqdnRequest, ReplyForm};
use hardline::wire::kerberos::{EncType, KrbError};
use hardline::wire::keymgmt::{ApRequest, HmacKeys, HmacRecipe, Message, SnmpParameters, SuiteIds, UserName};
use kdc_tests::peer::Peer;
use kdc_tests::{heimdal, mit};
use server::Server;

const REALM: &str = "PKTC.EXAMPLE.NET";
const KEYMGMT: &str = "mtaprovsrvr/prov.pktc.example.net";
const FQDNMAP: &str = "mtafqdnmap/prov.pktc.example.net";
const DEVICE: &str = "mta/mta1.pktc.example.net";
const KDC: &str = "kdcquery/kdc.pktc.example.net";
const MAC: MacAddress = MacAddress([0x00, 0x11, 0x22, 0xaa, 0xbb, 0x01]);

/// An installation without a KDC of its own, with the device and the keys of `keytab`.
fn application_server(keytabs: &[&Path]) -> Server {
    let mut server = Server::install();
    server.edit("hardline.toml", "[kdc]\nenabled = true", "[kdc]\nenabled = false");
    let addresses = ["--ip", "127.0.0.1", "--ip", "2001:db8::7"];
    server.add_device(MAC, "mta1.pktc.example.net", "secure", &addresses);
    for keytab in keytabs {
        server.command(&["keytab", "import", "--file", keytab.to_str().expect("UTF-8")]);
    }
    server.start();
    server
}

fn at_realm(name: &str) -> String {
    format!("{name}@{REALM}")
}

fn octets(line: &str) -> Vec<u8> {
    unhex(line).unwrap_or_else(|| panic!("hexadecimal, not {line:?}"))
}

/// A key as the peer says it: type and octets.
fn key(line: &str) -> (i32, Secret) {
    let (etype, value) = line.split_once(' ').unwrap_or_else(|| panic!("a key, not {line:?}"));
    (etype.parse().expect("a number"), Secret::new(octets(value)))
}

/// Sends a datagram to `service` and gives the answer.
fn ask(server: &Server, service: Service, datagram: &[u8]) -> Vec<u8> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .expect("a timeout");
    socket
        .send_to(datagram, server.v4(service))
        .expect("a datagram is sent");
    let mut buffer = vec![0; 65_536];
    let length = socket
        .recv(&mut buffer)
        .unwrap_or_else(|error| panic!("{error}\n{}", server.stderr()));
    buffer.truncate(length);
    buffer
}

/// The AP exchange of a device whose Kerberos is the peer's: the key-management frame is ours, the AP-REQ in it and the
/// opening of the AP-REP are not.
fn associate(server: &Server, peer: Peer, expected: i32) {
    assert!(exchange(server, peer, expected), "the peer opens the AP-REP");
}

/// The same; whether the peer could open the AP-REP.
fn exchange(server: &Server, mut peer: Peer, expected: i32) -> bool {
    let (out, before) = peer.hear_until("out");
    let (etype, session_key) = key(before[0].strip_prefix("key ").expect("the session key"));
    assert_eq!(etype, expected, "the session key's type");
    let subkey = before
        .get(1)
        .map(|line| key(line.strip_prefix("own ").expect("the subkey")).1);
    let ap_req = octets(&out);
    let request = ApRequest {
        ap_req: &ap_req,
        server_nonce: None,
        agent: SnmpParameters {
            engine_id: EngineId::cablelabs(*b"a device"),
            engine_boots: 1,
            engine_time: 0,
            user: UserName::of_device(MAC),
        },
        suites: all_suites()
            .iter()
            .map(|&suite| SuiteIds::default().id(suite))
            .collect(),
        reestablish: false,
    };
    let keys = HmacKeys {
        session_key: &session_key,
        authenticator_subkey: subkey.as_ref(),
    };
    let datagram = request.seal(HmacRecipe::default(), keys).expect("an AP Request");
    let answer = ask(server, Service::Keymgmt, &datagram);
    let Ok(Message::ApReply(reply)) = Message::decode(&answer) else {
        panic!("{:?}\n{}", Message::decode(&answer), server.stderr())
    };
    assert!(reply.verify(HmacRecipe::default(), keys), "the AP Reply's HMAC");
    peer.say(&hex(reply.body.ap_rep));
    let Some(opened) = peer.hear_unless_ended("subkey") else {
        return false;
    };
    let (etype, subkey) = key(&opened);
    assert_eq!((etype, subkey.len()), (65, 46), "profile P4, as the peer opened it");
    let shown = server.attempts(MAC);
    assert_eq!(shown["attempts"][0]["phase"], "keyed", "{shown}");
    true
}

/// An MTA-FQDN request whose AP-REQ and KRB-SAFE are the peer's, and what the peer opened of the answer.
fn query(server: &Server, peer: Peer) -> FqdnData {
    try_query(server, peer).expect("the peer opens the answer")
}

/// The same; nothing where the peer could not open the AP-REP.
fn try_query(server: &Server, mut peer: Peer) -> Option<FqdnData> {
    let (out, _) = peer.hear_until("out");
    let answer = ask(server, Service::Fqdn, &octets(&out));
    peer.say(&hex(&answer));
    let data = peer.hear_unless_ended("data")?;
    Some(FqdnData::parse(&octets(&data)).expect("user-data"))
}

fn request(mac: MacAddress, version: u8) -> String {
    let request = FqdnRequest {
        version,
        mac,
        public_key_hash: [7; 20],
        manufacturer_revoked: None,
    };
    hex(&request.encode())
}

fn device_record() -> FqdnAnswer {
    FqdnAnswer {
        fqdn: "mta1.pktc.example.net".parse().expect("a name"),
        addresses: vec!["127.0.0.1".parse().expect("IPv4"), "2001:db8::7".parse().expect("IPv6")],
    }
}

#[test]
fn mit_holds_the_realm_and_every_etype_it_issues_opens() {
    let realm = mit::Realm::start(REALM);
    realm.add_client(DEVICE);
    realm.add_client(KDC);
    let (keytab, map) = (realm.path("keymgmt.kt"), realm.path("fqdnmap.kt"));
    realm.service(KEYMGMT, "aes256-cts-hmac-sha1-96", &keytab);
    realm.service(FQDNMAP, "aes256-cts-hmac-sha1-96", &map);
    let server = application_server(&[&keytab, &map]);
    let old = realm.login(DEVICE, "old.cc");
    realm.ticket(&old, KEYMGMT);
    for (enctype, number) in [
        ("aes256-cts-hmac-sha1-96", 18),
        ("aes128-cts-hmac-sha1-96", 17),
        ("aes256-cts-hmac-sha384-192", 20),
        ("aes128-cts-hmac-sha256-128", 19),
        ("des3-cbc-sha1", 16),
    ] {
        for (service, file) in [(KEYMGMT, &keytab), (FQDNMAP, &map)] {
            // Each key is a version of its own: the running server sees the new one, and the ones before stay good.
            realm.rekey(service, enctype, file);
            server.command(&["keytab", "import", "--file", file.to_str().expect("UTF-8")]);
        }
        let (device, kdc) = (realm.login(DEVICE, "device.cc"), realm.login(KDC, "kdc.cc"));
        let (device, kdc) = (device.to_str().expect("UTF-8"), kdc.to_str().expect("UTF-8"));
        for subkey in ["plain", "subkey"] {
            associate(&server, realm.peer(&["ap", device, &at_realm(KEYMGMT), subkey]), number);
            // Type 0 stands for the checksum that goes with the key: 16, 15, 20, 19, 12.
            let peer = realm.peer(&["fqdn", kdc, &at_realm(FQDNMAP), "0", subkey, &request(MAC, 1)]);
            assert_eq!(
                query(&server, peer),
                FqdnData::Answer(device_record()),
                "{enctype} {subkey}"
            );
        }
    }
    // Five versions later, the ticket of the first one is still good.
    let old = old.to_str().expect("UTF-8");
    associate(&server, realm.peer(&["ap", old, &at_realm(KEYMGMT), "plain"]), 18);
    let keys = server.json(&["keytab", "list"]);
    let own = |key: &&serde_json::Value| key["principal"].as_str().is_some_and(|name| name.starts_with("mta"));
    let count = keys["keys"].as_array().map(|keys| keys.iter().filter(own).count());
    // Of each: what init made, the first version of the foreign KDC (2), and five more.
    let least = 2 * 7;
    assert!(count.is_some_and(|count| count >= least), "{keys}");

    let kdc = realm.path("kdc.cc");
    let unknown = request(MacAddress([9; 6]), 2);
    let peer = realm.peer(&[
        "fqdn",
        kdc.to_str().expect("UTF-8"),
        &at_realm(FQDNMAP),
        "0",
        "plain",
        &unknown,
    ]);
    assert_eq!(query(&server, peer), FqdnData::Refused(FqdnErrorCode::UnknownMac));
    // A device may not ask for others' names, although the KDC gives it a ticket.
    let device = realm.path("device.cc");
    let args = [
        "fqdn",
        device.to_str().expect("UTF-8"),
        &at_realm(FQDNMAP),
        "0",
        "plain",
        &request(MAC, 1),
    ];
    let (out, _) = realm.peer(&args).hear_until("out");
    let error = KrbError::parse(&ask(&server, Service::Fqdn, &octets(&out))).expect("a KRB-ERROR");
    assert_eq!(error.error_code, 12);
}

/// What a realm of Heimdal's that issues this type gives to a device and to a KDC.
fn heimdal_issues(enctype: &str, number: i32) {
    let realm = heimdal::Realm::start(REALM);
    let (keytab, map) = (realm.path("keymgmt.kt"), realm.path("fqdnmap.kt"));
    realm.service(KEYMGMT, enctype, &keytab);
    realm.service(FQDNMAP, enctype, &map);
    let server = application_server(&[&keytab, &map]);
    let (device, kdc) = (realm.client(DEVICE), realm.client(KDC));
    realm.ticket(&device, enctype, KEYMGMT);
    realm.ticket(&kdc, enctype, FQDNMAP);
    let (device, kdc) = (device.to_str().expect("UTF-8"), kdc.to_str().expect("UTF-8"));
    for subkey in ["plain", "subkey"] {
        // The checksum that Heimdal has for the key: 9 (rsa-md5-des3) for etype 5, 16 for 18.
        // A KDC asks again; each Authenticator has another length, and with it another pad (below).
        let asked = || realm.peer(&["fqdn", kdc, &at_realm(FQDNMAP), "0", subkey, &request(MAC, 2)]);
        let answer = (0..6).find_map(|_| try_query(&server, asked()));
        assert_eq!(answer, Some(FqdnData::Answer(device_record())), "{enctype} {subkey}");
    }
    if number != 5 {
        for subkey in ["plain", "subkey"] {
            associate(&server, realm.peer(&["ap", device, &at_realm(KEYMGMT), subkey]), number);
        }
        return;
    }
    // P14, P39: Heimdal's MD5 covers the pad. Where its Authenticator or its ticket has one, our answer follows; where
    // neither has (the Authenticator has another length each time), nothing tells the server.
    let mut covered = 0;
    for subkey in ["plain", "subkey"].iter().cycle().take(10) {
        let opened = exchange(&server, realm.peer(&["ap", device, &at_realm(KEYMGMT), subkey]), number);
        let shown = server.json(&["device", "show", &MAC.to_string()]);
        let pad = shown["profile"]["shown"]["pad"].clone();
        assert_ne!(pad, "uncovered", "{shown}");
        assert!(opened || pad != "covered", "the answer follows the Authenticator");
        covered += u32::from(pad == "covered");
    }
    assert!(covered > 0, "no Authenticator of ten had a pad");
}

#[test]
fn p14_p39_heimdal_holds_the_realm_and_its_etype_5_opens() {
    heimdal_issues("des3-cbc-md5", 5);
}

#[test]
fn heimdal_s_etype_18_opens() {
    heimdal_issues("aes256-cts-hmac-sha1-96", 18);
}

#[test]
fn our_kdc_asks_a_provisioning_server_that_is_not_ours() {
    let realm = mit::Realm::start(REALM);
    let (foreign, map) = ("prov.foreign.example.net", "mtafqdnmap/prov.foreign.example.net");
    let fqdnmap = realm.path("fqdnmap.kt");
    realm.service(map, "aes128-cts-hmac-sha1-96", &fqdnmap);
    // The device's ticket is of PacketCable's own type, by a service key file that the two operators exchanged.
    let keymgmt = realm.path("mtaprovsrvr.key");
    let shared = EncType::Des3CbcMd5.generate(&mut OsRandom);
    std::fs::write(&keymgmt, [&[0, 7], shared.value.expose()].concat()).expect("a file");
    let port = kdc_tests::process::free_port();
    let mut server = Server::install();
    let config = server.site().join("hardline.toml");
    let mut text = std::fs::read_to_string(&config).expect("settings");
    text.push_str(&format!("\n[kdc.fqdn_servers]\n\"{foreign}\" = \"127.0.0.1:{port}\"\n"));
    std::fs::write(&config, text).expect("settings");
    server.command(&["keytab", "import", "--file", fqdnmap.to_str().expect("UTF-8")]);
    let owner = format!("mtaprovsrvr/{foreign}");
    let raw = [
        "--format",
        "packetcable",
        "--principal",
        &owner,
        "--file",
        keymgmt.to_str().expect("UTF-8"),
    ];
    server.command(&[&["keytab", "import"][..], &raw].concat());
    let world = World::of(&server);
    server.start();
    let spec = world.device(1, Flow::Secure);
    assert_eq!(spec.family(), Family::V4);
    let known = world.misled(|known| known.prov_fqdn = foreign.parse().expect("a name"));
    let eue = Eue::new(spec.clone(), known);
    // IPv4 and IPv6 at once: the reply of Table 1.
    let answer = FqdnAnswer {
        fqdn: spec.fqdn.clone(),
        addresses: vec![spec.address, "2001:db8::9".parse().expect("IPv6")],
    };
    let data = hex(&answer.encode(ReplyForm::Table1, 1).expect("user-data"));
    let mut peer = realm.peer(&["serve", fqdnmap.to_str().expect("UTF-8"), &port.to_string(), &data]);
    peer.hear("ready");
    let ticket = eue
        .ticket()
        .unwrap_or_else(|fault| panic!("{fault}\n{}", server.stderr()));
    assert_eq!(ticket.ticket.service().name.to_string(), owner);
    let asked = peer.hear("request");
    let (client, asked) = asked.split_once(' ').expect("client and user-data");
    assert_eq!(client, "kdcquery/kdc.pktc.example.net@PKTC.EXAMPLE.NET");
    let Ok(FqdnData::Request(asked)) = FqdnData::parse(&octets(asked)) else {
        panic!("an MTA FQDN request")
    };
    assert_eq!((asked.mac, asked.version), (spec.mac, 1));

    // The foreign server refuses: its code decides what the device is told.
    drop(peer);
    let refusal = hex(&FqdnErrorCode::UnknownMac.encode());
    let mut peer = realm.peer(&["serve", fqdnmap.to_str().expect("UTF-8"), &port.to_string(), &refusal]);
    peer.hear("ready");
    match eue.ticket() {
        Err(Fault::Refused { code, .. }) => assert_eq!(code, 6),
        other => panic!("{other:?}"),
    }
}
