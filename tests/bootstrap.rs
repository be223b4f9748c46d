//! Bootstrapping, judged from outside: curl, openssl, tlslite-ng and xmllint fetch and judge documents from the real server.

#![cfg(feature = "legacy-tls")]

mod support;

use std::process::Command;
use std::time::Duration;

use hardline::settings::Service;
use hardline::wire::cert::issue;
use serde_json::Value;
use support::bootstrap::{Papers, authority, body, curl, fed, python, s_client, script, terms, text};
use support::peers::within;
use support::server::{Server, hardline};

const ONE: &str = "00:11:22:aa:bb:01";
const TWO: &str = "00:11:22:aa:bb:02";
const BARE: &str = "00:11:22:aa:bb:03";
const BLOCKED: &str = "00:11:22:aa:bb:04";
const STRANGER: &str = "00:11:22:aa:bb:99";
const SECRET: &str = "p<&>\"'w0rd-of-One";
const LEGACY: [&str; 3] = ["-cipher", "AES128-SHA:@SECLEVEL=0", "-quiet"];
const GET: &str = "GET /eue HTTP/1.0\r\n\r\n";

/// An installation with devices and credentials.
fn installation() -> Server {
    let server = Server::install();
    for (mac, name) in [(ONE, "one"), (TWO, "two"), (BARE, "bare"), (BLOCKED, "blocked")] {
        let fqdn = format!("{name}.pktc.example.net");
        let more: &[&str] = if mac == BLOCKED { &["--var", "blocked=yes"] } else { &[] };
        server.add_device(mac, &fqdn, "hybrid", more);
    }
    let file = server.site().join("credentials.csv");
    let secret = SECRET.replace('"', "\"\"");
    let rows = format!(
        "mac,table,index,id,impi,credentials,encoding,display\n{ONE},impi,1,one@ims.example.net,,\"{secret}\",,\n\
         {ONE},impu,1,sip:one@ims.example.net,1,,,One & <Only>\n{ONE},impu,2,tel:+12125551212,1,,,\n\
         {TWO},impi,7,two@ims.example.net,,00ff10,hex,\n{BLOCKED},impi,1,b@ims.example.net,,whatever,,\n"
    );
    std::fs::write(&file, rows).unwrap();
    server.command(&["credentials", "import", file.to_str().unwrap()]);
    server
}

/// The value of a counter with this text in its line.
fn counted(server: &Server, wanted: &str) -> u64 {
    let metrics = Command::new("curl")
        .args([
            "-sS",
            &format!("http://{}/metrics", server.settings().metrics.listen[0]),
        ])
        .output()
        .unwrap();
    let metrics = text(metrics);
    let line = metrics.lines().find(|line| line.contains(wanted));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Whether xmllint finds that a document keeps to the schema.
fn valid(document: &str) -> bool {
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--schema", "templates/bootstrap/eue.xsd", "-"]);
    let judged = fed(xmllint, document);
    assert!(judged.status.success(), "{}\n{document}", text(judged));
    true
}

#[test]
fn a_device_gets_its_own_document_in_every_tls_world() {
    let mut server = installation();
    let one = Papers::of(&server, ONE);
    let two = Papers::issue(&server, &authority(&server, "mfr-ca"), TWO, 1024, &terms(0, 1));
    server.start();

    let mut documents = Vec::new();
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let args: Vec<&str> = match version.split_once('=') {
            Some((name, value)) => vec![name, value],
            None => vec![version],
        };
        let answer = text(curl(&server, Some(&one), &args));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{version}: {answer}");
        assert!(
            answer.contains("content-type: application/xml\r\n") && answer.contains("cache-control: no-store"),
            "{answer}"
        );
        documents.push(body(&answer).to_owned());
        let other = text(curl(&server, Some(&two), &args));
        assert!(
            body(&other).contains("encoding=\"base64\">AP8Q</"),
            "RSA of 1024 bits, {version}: {other}"
        );
    }
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        for (papers, mac) in [(&one, ONE), (&two, TWO)] {
            let answer = s_client(
                &server,
                Service::BootstrapLegacy,
                Some(papers),
                &[&LEGACY[..], &[version]].concat(),
                GET,
            );
            let (_, answer) = answer
                .split_once("HTTP/1.0 200 OK\r\n")
                .unwrap_or_else(|| panic!("{version}: {answer}"));
            let document = body(answer).split("</eueCredentials>").next().unwrap().to_owned() + "</eueCredentials>\n";
            assert!(document.contains(&format!("mac=\"{mac}\"")), "{version}: {document}");
            if mac == ONE {
                documents.push(document);
            }
        }
    }
    for cipher in ["3des", "aes128"] {
        let out = Command::new(python())
            .arg(script("fetch.py"))
            .args(["127.0.0.1", &server.v4(Service::BootstrapLegacy).port().to_string()])
            .args([&one.chain, &one.key])
            .arg(cipher)
            .output()
            .unwrap();
        let answer = text(out);
        assert!(
            answer.starts_with(&format!("TLS 1.0 {cipher}\nHTTP/1.0 200 OK\r\n")),
            "{answer}"
        );
        documents.push(body(&answer).to_owned());
    }
    assert_eq!(documents.len(), 7);
    for document in &documents {
        assert!(valid(document));
        let ours = document.contains(&format!("mac=\"{ONE}\"")) && !document.contains("two@");
        assert!(
            ours && document.contains("p&lt;&amp;&gt;&quot;&apos;w0rd-of-One</"),
            "{document}"
        );
        assert!(document.contains("One &amp; &lt;Only&gt;") && document.contains("tel:+12125551212"));
    }

    // Who read, when, from where, and which fields.
    let reads = server.command(&["credentials", "reads", ONE, "--json"]);
    let reads: Vec<Value> = reads.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reads.len(), 7, "{reads:?}");
    for read in &reads {
        assert_eq!(read["who"], format!("device {ONE}"));
        assert_eq!(read["fields"], "impu.id[1,2] impi.id[1] impi.credentials[1]");
        assert!(read["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{read}");
    }
    let sources: Vec<&str> = reads.iter().filter_map(|read| read["source"].as_str()).collect();
    for tls in [
        "TLSv1.3 TLS13_AES",
        "TLSv1.2 TLS_ECDHE_RSA",
        "TLSv1 AES128-SHA",
        "TLSv1.1 AES128-SHA",
        "TLSv1 DES-CBC3-SHA",
    ] {
        assert!(sources.iter().any(|source| source.contains(tls)), "{tls}: {sources:?}");
    }
    server.assert_unhurt();
    let said = server.stderr();
    assert!(!said.contains("w0rd") && !said.contains("00ff10"), "{said}");
    for name in ["hardline.db", "hardline.db-wal"] {
        let octets = std::fs::read(server.site().join(name)).unwrap_or_default();
        assert!(!octets.windows(4).any(|window| window == b"w0rd"), "{name}");
    }
}

#[test]
fn refused_certificates_get_their_alert_nothing_else_and_one_event() {
    let mut server = installation();
    server.offer_metrics();
    let maker = authority(&server, "mfr-ca");
    let one = Papers::of(&server, ONE);
    let expired = Papers::issue(&server, &maker, ONE, 1024, &terms(3, 1));
    let foreign_root = issue::mta_root(issue::generate_key(2048).unwrap(), &terms(0, 9)).unwrap();
    let foreign_maker = issue::manufacturer_ca(
        &foreign_root,
        issue::generate_key(2048).unwrap(),
        "Foreign",
        &terms(0, 9),
    )
    .unwrap();
    let foreign = Papers::issue(&server, &foreign_maker, ONE, 1024, &terms(0, 1));
    let root = authority(&server, "mta-root");
    let revoked_maker =
        issue::manufacturer_ca(&root, issue::generate_key(2048).unwrap(), "Revoked", &terms(0, 9)).unwrap();
    let revoked = Papers::issue(&server, &revoked_maker, ONE, 1024, &terms(0, 1));
    let print = {
        use sha2::Digest;
        hardline::value::hex(&sha2::Sha256::digest(&revoked_maker.certificate))
    };
    server.edit("hardline.toml", "#= refuse_revoked = false", "refuse_revoked = true");
    server.edit(
        "hardline.toml",
        "[kdc.expiry]",
        &format!("[kdc.revoked_manufacturers]\n\"{print}\" = 2020-01-01T00:00:00Z\n\n[kdc.expiry]"),
    );
    server.start();

    // By kind of certificate: the alert, and the word it is counted under.
    let cases = [
        (None, None, "no_certificate"),
        (Some(&foreign), Some(48), "untrusted_certificate"),
        (Some(&expired), Some(45), "expired_certificate"),
        (Some(&revoked), Some(44), "revoked_certificate"),
    ];
    for (papers, alert, word) in cases {
        for (service, args, without) in [
            (Service::Bootstrap, vec!["-tls1_3"], 116),
            (Service::Bootstrap, vec!["-tls1_2"], 40),
            (Service::BootstrapLegacy, [&LEGACY[..2], &["-tls1"]].concat(), 40),
            (Service::BootstrapLegacy, [&LEGACY[..2], &["-tls1_2"]].concat(), 40),
        ] {
            let line = format!("hardline_{service}_dropped_total{{reason=\"{word}\"}}");
            let before = counted(&server, &line);
            let said = s_client(&server, service, papers, &args, GET);
            let expected = format!("SSL alert number {}", alert.unwrap_or(without));
            assert!(
                said.contains(&expected),
                "{word} {service} {args:?}: expected {expected}\n{said}"
            );
            assert!(!said.contains("200 OK") && !said.contains("eueCredentials"), "{said}");
            within(Duration::from_secs(5), || counted(&server, &line) != before);
            assert_eq!(
                counted(&server, &line),
                before + 1,
                "{word} {service}: one event\n{}",
                server.stderr()
            );
        }
    }
    // The operator finds reason and fingerprint with the device.
    let leaf = certificate_print(&expired);
    let reasons = server.refused(ONE, |reason| reason.contains(&leaf) && reason.contains("valid from"));
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains(&certificate_print(&revoked)) && reason.contains("revoked"))
    );
    assert_eq!(
        server.command(&["credentials", "reads"]).lines().count(),
        1,
        "nothing was read"
    );
    let good = text(curl(&server, Some(&one), &[]));
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    server.assert_unhurt();
}

fn certificate_print(papers: &Papers) -> String {
    use sha2::Digest;
    let text = std::fs::read(&papers.chain).unwrap();
    let leaf = hardline::wire::cert::certificates_from_pem(&text)
        .unwrap()
        .swap_remove(0);
    hardline::value::hex(&sha2::Sha256::digest(leaf))
}

#[test]
fn strangers_blocked_and_bare_devices_and_other_methods() {
    let mut server = installation();
    let papers = |mac| Papers::of(&server, mac);
    let (one, bare, blocked, stranger) = (papers(ONE), papers(BARE), papers(BLOCKED), papers(STRANGER));
    server.start();
    let status = |papers: &Papers, args: &[&str]| {
        let answer = text(curl(&server, Some(papers), args));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status(&one, &[]), "200");
    assert_eq!(status(&stranger, &[]), "403");
    assert_eq!(status(&blocked, &[]), "403");
    assert_eq!(status(&bare, &[]), "404");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        assert_eq!(status(&one, &["-X", method]), "405", "{method}");
    }
    assert_eq!(status(&one, &["--head"]), "405");
    let legacy = |papers| s_client(&server, Service::BootstrapLegacy, Some(papers), &LEGACY, GET);
    assert!(legacy(&stranger).contains("HTTP/1.0 403 "));
    assert!(legacy(&bare).contains("HTTP/1.0 404 "));
    // Two requests at once on one connection: pipelining and keep-alive.
    let two = format!(
        "{}{GET}",
        GET.replace("1.0", "1.1").replace("\r\n\r\n", "\r\nhost: x\r\n\r\n")
    );
    let answers = s_client(&server, Service::BootstrapLegacy, Some(&one), &LEGACY, &two);
    assert_eq!(answers.matches(" 200 OK").count(), 2, "{answers}");
    let answers = s_client(&server, Service::Bootstrap, Some(&one), &["-quiet"], &two);
    assert_eq!(answers.matches(" 200 OK").count(), 2, "{answers}");
    server.refused(STRANGER, |reason| reason.contains("not known"));
    server.refused(BLOCKED, |reason| reason.contains("blocked"));
    server.refused(BARE, |reason| reason.contains("no credentials"));
    server.assert_unhurt();
}

#[test]
fn policies_by_class_and_compression() {
    let mut server = installation();
    server.edit("hardline.toml", "#= handout = \"always\"", "handout = \"once\"");
    server.edit("hardline.toml", "#= gzip = false", "gzip = true");
    server.edit(
        "hardline.toml",
        "[bootstrap_legacy]",
        "[bootstrap.classes.free]\nhandout = \"acknowledged\"\n[bootstrap.classes.strict]\nhandout = \"always\"\n\
         match_address = true\n[bootstrap.classes.late]\nwindow = \"1h\"\n\n[bootstrap_legacy]",
    );
    let papers: Vec<Papers> = [ONE, TWO].map(|mac| Papers::of(&server, mac)).into();
    server.start();
    let status = |papers: &Papers| {
        let answer = text(curl(&server, Some(papers), &[]));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let class = |mac: &str, class: &str, ip: &str| {
        let class = format!("class={class}");
        server.add_device(mac, "x.pktc.example.net", "hybrid", &["--var", &class, "--ip", ip]);
        std::thread::sleep(std::time::Duration::from_millis(1000));
    };
    assert_eq!(
        (status(&papers[0]), status(&papers[0])),
        ("200".into(), "403".into()),
        "once"
    );
    class(ONE, "free", "127.0.0.1");
    assert_eq!(
        (status(&papers[0]), status(&papers[0])),
        ("200".into(), "200".into()),
        "until acknowledged"
    );
    server.command(&["credentials", "used", ONE]);
    assert_eq!(status(&papers[0]), "403");
    server.command(&["credentials", "generate", ONE]);
    assert_eq!(status(&papers[0]), "200", "fresh credentials are handed out anew");
    class(TWO, "strict", "192.0.2.1");
    assert_eq!(status(&papers[1]), "403", "another address than its lease's");
    class(TWO, "strict", "127.0.0.1");
    let packed = curl(&server, Some(&papers[1]), &["--compressed"]);
    let packed = text(packed);
    assert!(
        packed.contains("content-encoding: gzip") && valid(body(&packed)),
        "{packed}"
    );
    class(TWO, "late", "127.0.0.1");
    assert_eq!(status(&papers[1]), "403", "it was never provisioned");
    server.refused(TWO, |reason| reason.contains("window"));
}

#[test]
fn credentials_are_entered_shown_and_removed_from_the_command_line() {
    let server = installation();
    let run = |args: &[&str]| server.run(args);
    let file = server.site().join("bad.csv");
    std::fs::write(
        &file,
        format!("mac,table,id,credentials\n{ONE},impi,a@b,s3cret\n{STRANGER},impi,a@b,s3cret\nxx,impi,a@b,s3cret\n"),
    )
    .unwrap();
    let bad = run(&["credentials", "import", file.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1));
    let said = text(bad);
    assert!(
        said.contains("bad.csv:3:1: mac: ")
            && said.contains("bad.csv:4:1: mac: ")
            && said.contains("--skip-bad")
            && !said.contains("s3cret"),
        "{said}"
    );
    let shown = server.json(&["credentials", "show", ONE, "--reveal"]);
    assert_eq!(
        shown["impis"][0]["credentials"], SECRET,
        "nothing of the file was stored"
    );
    let skipped = server.json(&["credentials", "import", file.to_str().unwrap(), "--skip-bad"]);
    assert_eq!(
        (skipped["stored"].as_u64(), skipped["bad"].as_array().map(Vec::len)),
        (Some(1), Some(2))
    );

    let hidden = server.command(&["credentials", "show", ONE]);
    assert!(hidden.contains("a@b") && !hidden.contains("s3cret"), "{hidden}");
    assert!(!server.command(&["credentials", "list"]).contains("a@b"));
    let reads = server.command(&["credentials", "reads", ONE]);
    assert!(
        reads.contains("operator ") && reads.contains("command line of"),
        "{reads}"
    );
    assert_eq!(
        reads.lines().filter(|line| line.contains("impi.credentials")).count(),
        1,
        "{reads}"
    );

    let secret = server.site().join("secret");
    std::fs::write(&secret, "from a file\n").unwrap();
    server.command(&[
        "credentials",
        "set",
        BARE,
        "--impi",
        "bare@ims",
        "--impu",
        "sip:bare@ims",
        "--credentials-file",
        secret.to_str().unwrap(),
    ]);
    let shown = server.json(&["credentials", "show", BARE, "--reveal"]);
    assert_eq!(shown["impis"][0]["credentials"], "from a file");
    assert_eq!(shown["impus"][0]["impi"], 1);
    server.command(&[
        "credentials",
        "generate",
        BARE,
        "--alphabet",
        "readable",
        "--length",
        "40",
    ]);
    let made = server.json(&["credentials", "show", BARE, "--reveal"]);
    let made = made["impis"][0]["credentials"].as_str().unwrap().to_owned();
    assert!(made.len() == 40 && !made.contains(['0', 'O', '1', 'l', 'I']), "{made}");
    let kept = text(run(&["credentials", "remove", BARE, "--impi", "1"]));
    assert!(kept.contains("goes with IMPI 1"), "{kept}");
    server.command(&["credentials", "remove", BARE]);
    assert_eq!(run(&["credentials", "show", BARE]).status.code(), Some(1));
    server.command(&["device", "remove", TWO]);
    assert_eq!(
        run(&["credentials", "show", TWO]).status.code(),
        Some(1),
        "they go with their device"
    );
}

#[test]
fn the_built_in_template_can_be_copied_and_changed() {
    let mut server = installation();
    let template = text(hardline(&["credentials", "template"]));
    let changed = template.replace("version=\"1.0\" mac", "version=\"1.0\"  mac");
    assert_ne!(changed, template);
    std::fs::write(server.site().join("my-eue.xml"), changed).unwrap();
    let schema = server.site().join("eue.xsd");
    std::fs::write(&schema, text(hardline(&["credentials", "template", "--schema"]))).unwrap();
    server.edit("hardline.toml", "# template = \"eue.xml\"", "template = \"my-eue.xml\"");
    let one = Papers::of(&server, ONE);
    server.start();
    let answer = text(curl(&server, Some(&one), &[]));
    let document = body(&answer);
    assert!(document.contains("version=\"1.0\"  mac"), "{answer}");
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--schema"]).arg(&schema).arg("-");
    assert!(fed(xmllint, document).status.success(), "{document}");
}

#[test]
fn devices_are_told_by_their_file_and_by_order_and_the_ladder_shows_both() {
    let mut server = installation();
    server.start();
    let first = "02:00:00:00:00:00";
    let report = server.json(&["simulate", "--flow", "hybrid", "--devices", "4", "--bootstrap"]);
    assert_eq!(
        (report["passed"].as_u64(), report["failed"].as_u64()),
        (Some(4), Some(0)),
        "{report}"
    );
    let fetched = |report: &Value| {
        let steps = report["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["step"] == "CB-2");
        step.and_then(|step| step["count"].as_u64())
    };
    assert_eq!(fetched(&report), Some(4), "both TLS worlds: {report}");
    let basic = server.json(&[
        "simulate",
        "--flow",
        "basic",
        "--devices",
        "2",
        "--first",
        "50",
        "--bootstrap",
    ]);
    assert_eq!(fetched(&basic), Some(2), "the hash inside covers the trigger: {basic}");
    let ladder = |step: &str| -> Vec<Value> {
        let attempts = server.attempts(first);
        let steps = attempts["attempts"][0]["steps"].as_array().unwrap();
        steps.iter().filter(|row| row["step"] == step).cloned().collect()
    };
    let rows = ladder("CB-2");
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0]["detail"].as_str().unwrap().contains("TLSv1 AES128-SHA"),
        "{rows:?}"
    );

    // The device is in service; its agent listens where its INFORM came from, and is told by SET.
    let peer = server.json(&["device", "show", first])["attempt"]["peer"]
        .as_str()
        .unwrap()
        .to_owned();
    let agent = std::net::UdpSocket::bind(&peer).unwrap();
    agent
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let told = std::thread::spawn(move || {
        use hardline::wire::snmp::{ErrorStatus, Message, Pdu, PduKind, encode_v2c, parse};
        let mut octets = [0; 2048];
        let (length, manager) = agent.recv_from(&mut octets).unwrap();
        let Ok(Message::V2c(message)) = parse(&octets[..length]) else {
            panic!("SNMPv2c");
        };
        assert_eq!(message.pdu.kind, PduKind::Set);
        let status = ErrorStatus::NoError;
        let kind = PduKind::Response { status, index: 0 };
        let response = Pdu::new(kind, message.pdu.request_id, message.pdu.bindings.clone());
        agent
            .send_to(&encode_v2c(&message.community, &response), manager)
            .unwrap();
        message
    });
    let done = server.json(&["device", "bootstrap", first]);
    assert_eq!(done["outcome"], "done", "{done}");
    let message = told.join().unwrap();
    let names: Vec<String> = message
        .pdu
        .bindings
        .iter()
        .map(|binding| binding.name.to_string())
        .collect();
    let profile = "1.3.6.1.4.1.4491.2.2.10.3.1.1";
    assert_eq!(names, [format!("{profile}.8.0"), format!("{profile}.7.0")]);
    let url = message.pdu.bindings[0].value.as_octets().unwrap().to_vec();
    let legacy = server.v4(Service::BootstrapLegacy);
    assert_eq!(String::from_utf8(url).unwrap(), format!("https://{legacy}/eue"));
    let rows = ladder("CB-1");
    assert_eq!((rows.len(), rows[0]["outcome"].as_str()), (1, Some("ok")), "{rows:?}");
    server.assert_unhurt();
}
