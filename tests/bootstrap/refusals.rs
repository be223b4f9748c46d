//! Who gets nothing: by certificate, by device, by policy.

use std::process::Command;
use std::time::Duration;

use hardline::settings::Service;
use hardline::wire::cert::issue;

use super::{BARE, BLOCKED, GET, LEGACY, ONE, STRANGER, TWO, installation, valid};
use crate::support::bootstrap::{Papers, authority, body, curl, s_client, terms, text};
use crate::support::peers::within;
use crate::support::server::Server;

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
