//! AS-REQs that Heimdal made as a PacketCable client (fixtures/heimdal-as-req), through the whole KDC: believed, answered,
//! and the answers opened by the openssl tool with the device's own key. tshark dissects what we send.

#[path = "../../tests/support/capture.rs"]
mod capture;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use capture::{Capture, assert_well_formed, field};
use hardline::provisioning::{self, AsRequest, DeviceFacts, Grant, Granting, Kdc, KdcRefused, KdcRequest, Policy};
use hardline::settings::EtypePolicy;
use hardline::value::{Realm, Secret, SeededRandom, Timestamp};
use hardline::wire::cert::issue::{self, Credential, Terms};
use hardline::wire::cert::{CertPolicy, NoCache, TrustAnchors, certificates_from_pem, certificates_to_pem};
use hardline::wire::kerberos::{
    EncKdcRepPart, EncType, EncryptionKey, KdcRep, KdcReq, KeyUsage, PA_PK_AS_REP, PaData, PadForm, PrincipalName,
    ServiceKey,
};
use hardline::wire::pkinit::{DhGroup, DhKeyPair, DhPublic, Identity, PkinitRequest, ReplyKeyRule};

/// File, minute and second of sending after 23:00 UTC on 2026-11-21, whether there is a Diffie-Hellman value.
const REQUESTS: [(&str, u32, u32, bool); 10] = [
    ("2003-nodh", 16, 38, false),
    ("2004-dh-md5", 16, 14, true),
    ("2004-dh-sha1", 16, 17, true),
    ("2004-dh-rawy", 16, 21, true),
    ("2004-dh-highnonce", 16, 24, true),
    ("2004-dh-etype5", 16, 27, true),
    ("2004-dh-tgt", 16, 31, true),
    ("2004-dh-notill-nocname", 16, 34, true),
    ("2005-nodh", 16, 41, false),
    ("2005-dh", 16, 45, false),
];

const CLIENT: &str = "192.0.2.7:32768";
const SERVER: &str = "192.0.2.1:88";

struct Vector {
    name: &'static str,
    datagram: Vec<u8>,
    sent: Timestamp,
    has_dh: bool,
}

fn vectors() -> impl Iterator<Item = Vector> {
    REQUESTS.into_iter().map(|(name, minute, second, has_dh)| Vector {
        name,
        datagram: fixture(&format!("{name}.der")),
        sent: Timestamp::from_civil(2026, 11, 21, 23, minute, second).expect("a time"),
        has_dh,
    })
}

fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/heimdal-as-req")
        .join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).expect("the fixture")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The KDC that knows the fixtures' device root, and the operator's root above it.
struct World {
    kdc: Kdc,
    operator_root: Credential,
    pair: DhKeyPair,
    service_key: ServiceKey,
}

impl World {
    fn new() -> Self {
        let realm: Realm = "PKTC.EXAMPLE.NET".parse().expect("a realm");
        let terms = Terms::new(&mut SeededRandom::new(7), Timestamp::from_unix(1_790_000_000), 20);
        let key = || issue::generate_key(2048).expect("a key");
        let root = issue::provider_root(key(), &terms).expect("a root");
        let provider = issue::provider_ca(&root, key(), "Example Operator", &terms).expect("a CA");
        let fqdn = "kdc.pktc.example.net".parse().expect("a name");
        let kdc = issue::kdc(&provider, key(), "Example Operator", &fqdn, &realm, &terms).expect("a KDC");
        let device_root = certificates_from_pem(&fixture("mta-root.pem")).expect("PEM");
        let mut random = SeededRandom::new(8);
        Self {
            pair: DhKeyPair::generate(DhGroup::Oakley2, &mut random).expect("a pair"),
            service_key: ServiceKey {
                kvno: 1,
                key: EncType::Des3CbcMd5.generate(&mut random),
            },
            operator_root: root,
            kdc: Kdc {
                identity: Identity::new(&[&kdc.certificate, &provider.certificate], kdc.key.clone()).expect("a chain"),
                anchors: TrustAnchors::from_der(device_root).expect("a root"),
                certificates: CertPolicy::default(),
                allow_oakley1: false,
                stock_min_bits: 1024,
                prefer_rfc4556: false,
                etypes: EtypePolicy::default(),
                reply_key: ReplyKeyRule::default(),
                pad: PadForm::default(),
                ticket_lifetime: Duration::from_secs(7 * 86_400),
                policy: Policy {
                    realm,
                    organisation: "Example Operator".to_owned(),
                    prov_fqdn: "prov.pktc.example.net".parse().expect("a name"),
                    provisioning_timer: Duration::from_secs(600),
                    clock_skew: Duration::from_secs(300),
                    url_host: None,
                    get_capabilities: false,
                },
            },
        }
    }

    fn believe(&self, datagram: &[u8], now: Timestamp) -> Result<(AsRequest, PkinitRequest), KdcRefused> {
        let KdcRequest::Pkinit(request) = provisioning::read_request(datagram, &self.kdc)? else {
            panic!("another exchange than AS by PKINIT");
        };
        let claim = provisioning::claim(&request, &self.kdc, &NoCache, now)?;
        let pkinit = provisioning::prove(&request, &claim, &self.kdc, &NoCache, now)?;
        Ok((request, pkinit))
    }

    fn grant(&self, vector: &Vector) -> Result<(PkinitRequest, Grant), KdcRefused> {
        let (request, pkinit) = self.believe(&vector.datagram, vector.sent)?;
        let facts = DeviceFacts {
            fqdn: "mta-001122334455.pktc.example.net".parse().expect("a name"),
            addresses: vec![address(CLIENT).ip()],
        };
        let granting = Granting {
            service_keys: std::slice::from_ref(&self.service_key),
            pair: provisioning::group(&pkinit).map(|_| &self.pair),
            source: address(CLIENT),
            asked: vector.sent,
        };
        let random = &mut SeededRandom::new(9);
        let grant = provisioning::grant(&request, &pkinit, &facts, &granting, &self.kdc, vector.sent, random)?;
        Ok((pkinit, grant))
    }

    /// The code with which `datagram` is refused.
    fn refused(&self, datagram: &[u8], now: Timestamp) -> i32 {
        match self.believe(datagram, now) {
            Err(refused) => refused.code.number(),
            Ok(_) => panic!("believed"),
        }
    }

    /// `openssl cms -verify` against the operator's root: the signed content.
    fn verified(&self, content_info: &[u8], at: Timestamp) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, root) = (folder.path().join("signed.der"), folder.path().join("root.pem"));
        std::fs::write(&input, content_info).expect("written");
        std::fs::write(
            &root,
            certificates_to_pem(&[&self.operator_root.certificate]).expect("PEM"),
        )
        .expect("written");
        openssl(
            &["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"],
            |command| {
                command.arg("-attime").arg(at.unix().to_string());
                command.arg("-in").arg(&input).arg("-CAfile").arg(&root);
            },
        )
    }
}

/// `openssl cms -decrypt` with the device's own key: the enveloped content.
fn decrypted(content_info: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("enveloped.der");
    std::fs::write(&input, content_info).expect("written");
    openssl(&["cms", "-decrypt", "-binary", "-inform", "DER"], |command| {
        command.arg("-in").arg(&input);
        command.arg("-recip").arg(fixture_path("device.pem"));
        command.arg("-inkey").arg(fixture_path("device.key"));
    })
}

fn openssl(arguments: &[&str], more: impl FnOnce(&mut Command)) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments);
    more(&mut command);
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The first DER value of `octets`: its tag, its content, and what follows it.
fn split(octets: &[u8]) -> (u8, &[u8], &[u8]) {
    let (header, length) = match octets[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            let length = &octets[2..2 + count];
            (
                2 + count,
                length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
            )
        }
    };
    let (value, rest) = octets.split_at(header + length);
    (octets[0], &value[header..], rest)
}

/// The content of the child with `tag` of a constructed value's content.
fn child(mut content: &[u8], tag: u8) -> &[u8] {
    loop {
        let (found, inner, rest) = split(content);
        if found == tag {
            return inner;
        }
        content = rest;
    }
}

/// A DER value of up to 65,535 octets.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short enough").to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

/// ContentInfo of SignedData (RFC 5652 §3): openssl reads it in this form only.
fn content_info(signed_data: &[u8]) -> Vec<u8> {
    let signed_data_oid = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    value(0x30, &[&signed_data_oid[..], &value(0xa0, signed_data)].concat())
}

/// A 32-bit number from the content of an INTEGER, signed or not.
fn number(content: &[u8]) -> u32 {
    content.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))
}

/// The reply key of an AS-REP, taken out of its PA-PK-AS-REP with the tool and the keys that either side has.
fn reply_key(world: &World, vector: &Vector, pkinit: &PkinitRequest, reply: &KdcRep) -> Secret {
    let padata = PaData::find(&reply.padata, PA_PK_AS_REP).expect("PA-PK-AS-REP");
    let (choice, content, rest) = split(&padata.padata_value);
    assert!(rest.is_empty());
    if vector.has_dh {
        assert_eq!(choice, 0xa0, "{}: dhSignedData", vector.name);
        let info = world.verified(content, vector.sent);
        let (_, info, _) = split(&info);
        assert_eq!(number(split(child(info, 0xa1)).1), pkinit.nonce);
        // A BIT STRING without unused bits, around an INTEGER.
        let (_, bits, _) = split(child(info, 0xa0));
        let (tag, y, _) = split(&bits[1..]);
        assert_eq!((bits[0], tag), (0, 0x02));
        DhPublic::new(DhGroup::Oakley2, y).expect("a public value");
        // The client's exponent is not in the fixtures; the KDC's half of the agreement gives the same secret.
        let theirs = pkinit.client_public.as_ref().expect("a public value");
        world.kdc.reply_key.derive(&world.pair.agree(theirs).expect("a secret"))
    } else {
        assert_eq!(choice, 0xa1, "{}: encKeyPack", vector.name);
        let signed = decrypted(content);
        let pack = world.verified(&content_info(&signed), vector.sent);
        let (_, pack, _) = split(&pack);
        assert_eq!(number(split(child(pack, 0xa1)).1), pkinit.nonce);
        let (_, key, _) = split(child(pack, 0xa0));
        assert_eq!(number(split(child(key, 0xa0)).1), 5);
        Secret::from(split(child(key, 0xa1)).1)
    }
}

/// The AS-REP's secret part.
fn opened(world: &World, vector: &Vector) -> (KdcRep, EncKdcRepPart) {
    let (pkinit, grant) = world
        .grant(vector)
        .unwrap_or_else(|refused| panic!("{}: {refused:?}", vector.name));
    let reply = KdcRep::parse(&grant.reply).expect("an AS-REP");
    let key = EncryptionKey {
        etype: 5,
        value: reply_key(world, vector, &pkinit, &reply),
    };
    let request = KdcReq::parse(&vector.datagram).expect("an AS-REQ");
    let (part, _) = reply
        .open(&request.body, &key, KeyUsage::AS_REP)
        .expect("the secret part");
    (reply, part)
}

#[test]
fn every_request_is_answered_and_the_answer_opens() {
    let world = World::new();
    let server = PrincipalName::mtaprovsrvr(&world.kdc.policy.prov_fqdn);
    for vector in vectors() {
        let (reply, part) = opened(&world, &vector);
        let ticket = reply
            .ticket
            .open(std::slice::from_ref(&world.service_key))
            .expect("the ticket");
        assert!(ticket.key.value.ct_eq(part.key.value.expose()), "{}", vector.name);
        assert_eq!(
            ticket.client().to_string(),
            "mta/mta-001122334455.pktc.example.net@PKTC.EXAMPLE.NET"
        );
        // One asks for a ticket-granting ticket.
        assert_eq!(part.sname == server, vector.name != "2004-dh-tgt", "{}", vector.name);
        // Heimdal asks for ten hours, where it asks.
        let hours = (part.endtime.unix() - vector.sent.unix()) / 3600;
        let expected = if vector.name == "2004-dh-notill-nocname" {
            7 * 24
        } else {
            10
        };
        assert_eq!(hours, expected, "{}", vector.name);
    }
}

#[test]
fn tshark_dissects_every_answer_and_a_refusal_of_each() {
    let world = World::new();
    let mut capture = Capture::new();
    let (client, server) = (address(CLIENT), address(SERVER));
    for vector in vectors() {
        let (_, grant) = world.grant(&vector).unwrap_or_else(|refused| panic!("{refused:?}"));
        let late = vector.sent.plus(Duration::from_secs(301));
        let Err(refused) = world.believe(&vector.datagram, late) else {
            panic!("{} is believed late", vector.name);
        };
        capture.udp(client, server, &vector.datagram);
        capture.udp(server, client, &grant.reply);
        capture.udp(
            server,
            client,
            &refused.message(&world.kdc, late, &mut SeededRandom::new(10)),
        );
    }
    for (packet, kind) in capture.dissect(&[]).iter().zip(["10", "11", "30"].into_iter().cycle()) {
        assert_well_formed(packet);
        assert_eq!(field(packet, "kerberos.msg_type"), [kind]);
        if kind == "30" {
            assert_eq!(field(packet, "kerberos.error_code"), ["37"]);
        }
    }
}

/// The datagram with the lowest bit of one octet changed: the octet `offset` into the last place where `pattern` stands.
fn altered(datagram: &[u8], pattern: &[u8], offset: usize) -> Vec<u8> {
    let at = datagram.windows(pattern.len()).rposition(|window| window == pattern);
    let mut altered = datagram.to_vec();
    altered[at.expect("the pattern") + offset] ^= 1;
    altered
}

#[test]
fn every_request_is_refused_outside_the_clock_skew() {
    let world = World::new();
    for vector in vectors() {
        for off in [-301, 301, 86_400 * 365] {
            let now = Timestamp::from_unix(vector.sent.unix() + off);
            assert_eq!(world.refused(&vector.datagram, now), 37, "{}", vector.name);
        }
    }
}

/// Where `pattern` stands first.
fn find(octets: &[u8], pattern: &[u8]) -> usize {
    let at = octets.windows(pattern.len()).position(|window| window == pattern);
    at.expect("the pattern")
}

#[test]
fn every_request_is_refused_with_anything_of_it_altered() {
    let world = World::new();
    let device = certificates_from_pem(&fixture("device.pem")).expect("PEM").remove(0);
    for vector in vectors() {
        let (name, sent) = (vector.name, vector.sent);
        // The value of PA 14; what newer files say in PA 16 beside it nobody reads.
        let request = KdcReq::parse(&vector.datagram).expect("an AS-REQ");
        let pa = &*request.padata[0].padata_value;
        let refused = |pattern: &[u8], offset| world.refused(&altered(&vector.datagram, pattern, offset), sent);

        // In the body: the server's name, which the paChecksum covers, and the nonce, which the PKAuthenticator repeats.
        let server: &[u8] = match name {
            "2004-dh-tgt" => b"krbtgt",
            _ => b"mtaprovsrvr",
        };
        assert_eq!(refused(server, 0), 24, "{name}: the body");
        assert_eq!(refused(&[0xa7, 6, 2, 4], 7), 24, "{name}: the nonce");

        // The certificate's own signature, the MAC address in its subject, and the signature of the request, which comes last.
        let certificate = find(pa, &device);
        let mac = certificate + find(&device, b"00:11:22:33:44:55");
        assert_eq!(
            refused(pa, certificate + device.len() - 1),
            71,
            "{name}: the certificate"
        );
        assert_eq!(refused(pa, mac + 16), 71, "{name}: the MAC address");
        assert_eq!(refused(pa, pa.len() - 1), 64, "{name}: the signature");

        // Under that signature: the last digit of ctime, which stays within the skew, and the paChecksum after the nonce.
        let (year, month, day, hour, minute, second) = sent.civil();
        let ctime = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
        let at = find(pa, ctime.as_bytes());
        assert_eq!(refused(pa, at + 13), 64, "{name}: the time");
        let (nonce, _, rest) = split(&pa[at + ctime.len()..]);
        let (checksum, _, after) = split(rest);
        assert_eq!((nonce, checksum), (0xa2, 0xa3));
        assert_eq!(refused(pa, pa.len() - after.len() - 1), 24, "{name}: the checksum");
    }
}
