//! Who gets credentials, and how often, judged from outside: revocation lists by openssl, registrations told by curl.

#![cfg(feature = "legacy-tls")]

mod support;

use std::io::Read;
use std::process::Command;

use hardline::settings::Service;
use hardline::wire::cert::{Certificate, certificates_from_pem};
use serde_json::{Value, json};
use support::bootstrap::{Papers, curl, fed, fetcher, s_client, status, text, with_device};
use support::crl::{list, serial};
use support::server::{Server, hardline};

const MAC: &str = "00:11:22:AA:BB:01";
const OTHER: &str = "00:11:22:AA:BB:02";
const GET: &str = "GET /eue HTTP/1.0\r\n\r\n";
const LEGACY: [&str; 2] = ["-cipher", "AES128-SHA:@SECLEVEL=0"];

/// The status and the document of a request to the admin API.
fn admin(server: &Server, method: &str, path: &str, body: &str) -> (String, Value) {
    let token = std::fs::read_to_string(server.site().join("admin.token")).expect("a token");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "-X", method, "-w", "\n%{http_code}"]);
    curl.args(["--data-binary", "@-", "-H"])
        .arg(format!("Authorization: Bearer {}", token.trim()))
        .arg(format!("http://{}{path}", server.v4(Service::Admin)));
    let said = text(fed(curl, body));
    let (document, status) = said.rsplit_once('\n').expect("a status");
    (status.to_owned(), serde_json::from_str(document).expect("JSON"))
}

#[test]
fn a_device_on_a_revocation_list_gets_its_alert_from_both_listeners() {
    let (mut server, papers) = with_device(MAC);
    let other = Papers::of(&server, OTHER);
    let leaf = certificates_from_pem(&std::fs::read(&papers.chain).unwrap())
        .unwrap()
        .swap_remove(0);
    let revoked = serial(Certificate::parse(&leaf, 0).unwrap().serial());
    list(&server, "mfr-ca", "devices.crl", &[], 30);
    server.edit("hardline.toml", "#= files = []", "files = [\"devices.crl\"]");
    server.start();
    let ways = [
        (Service::Bootstrap, vec!["-tls1_3"]),
        (Service::Bootstrap, vec!["-tls1_2"]),
        (Service::BootstrapLegacy, [&LEGACY[..], &["-tls1"]].concat()),
        (Service::BootstrapLegacy, [&LEGACY[..], &["-tls1_2"]].concat()),
    ];
    let fetch = |papers, service, args: &[&str]| s_client(&server, service, Some(papers), args, GET);
    for (service, args) in &ways {
        let said = fetch(&papers, *service, args);
        assert!(said.contains("200 OK"), "{service} {args:?}: {said}");
    }
    list(&server, "mfr-ca", "devices.crl", &[revoked], 30);
    assert!(server.hang_up(), "the list is read anew");
    for (service, args) in &ways {
        let said = fetch(&papers, *service, args);
        assert!(
            said.contains("SSL alert number 44") && !said.contains("eueCredentials"),
            "certificate_revoked from {service} {args:?}: {said}"
        );
        let said = fetch(&other, *service, args);
        assert!(said.contains(" 403 Forbidden"), "a certificate of its own: {said}");
    }
    server.refused(MAC, |reason| reason.contains("revoked") && reason.contains("SHA-256"));
}

#[test]
fn a_registration_told_to_the_admin_api_ends_the_policy_acknowledged() {
    let (mut server, papers) = with_device(MAC);
    server.edit("hardline.toml", "#= handout = \"always\"", "handout = \"acknowledged\"");
    server.start();
    assert_eq!([status(&server, &papers), status(&server, &papers)], ["200", "200"]);
    let path = format!("/credentials/{MAC}");
    let (code, state) = admin(&server, "GET", &path, "");
    assert_eq!((code.as_str(), &state["deliveries"]), ("200", &json!(2)), "{state}");
    assert!(
        state["used"].is_null() && !state.to_string().contains("one@ims"),
        "{state}"
    );

    let told = format!("[{{\"mac\": \"{MAC}\"}}, {{\"mac\": \"{OTHER}\"}}]");
    let (code, said) = admin(&server, "POST", "/credentials/used", &told);
    let lower = |mac: &str| mac.to_lowercase();
    let macs = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|mac| lower(mac.as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(code, "200", "{said}");
    assert_eq!(
        (macs(&said["used"]), macs(&said["without_credentials"])),
        (vec![lower(MAC)], vec![lower(OTHER)])
    );
    assert_eq!(status(&server, &papers), "403", "they are in use");
    server.refused(MAC, |reason| reason.contains("in use since"));
    let since = admin(&server, "GET", &path, "").1["used"].clone();
    let again = admin(&server, "POST", "/credentials/used", &format!("{{\"mac\": \"{MAC}\"}}"));
    assert_eq!(
        (again.0.as_str(), admin(&server, "GET", &path, "").1["used"].clone()),
        ("200", since)
    );

    server.command(&["credentials", "generate", MAC]);
    assert_eq!(status(&server, &papers), "200", "fresh ones are not in use");
    for (method, path, body, code) in [
        ("POST", "/credentials/used", format!("{{\"mac\": \"{OTHER}\"}}"), "404"),
        ("POST", "/credentials/used", "{\"mac\": \"x\"}".to_owned(), "400"),
        ("POST", "/credentials/used", "{\"impi\": \"one@ims\"}".to_owned(), "400"),
        ("GET", "/credentials/x", String::new(), "400"),
        ("GET", &format!("/credentials/{OTHER}"), String::new(), "404"),
        ("DELETE", "/credentials/used", String::new(), "405"),
    ] {
        assert_eq!(admin(&server, method, path, &body).0, code, "{method} {path} {body}");
    }
}

#[test]
fn a_device_that_asks_too_often_is_told_to_come_later() {
    let (mut server, papers) = with_device(MAC);
    server.add_device(OTHER, "two.pktc.example.net", "hybrid", &[]);
    let other = Papers::of(&server, OTHER);
    server.edit("hardline.toml", "#= requests_per_device = 0", "requests_per_device = 3");
    server.start();
    // A minute may end within the first round, not within two.
    let refused = (0..2).any(|_| {
        let codes: Vec<String> = (0..4).map(|_| status(&server, &papers)).collect();
        codes.last().is_some_and(|code| code == "429")
    });
    assert!(refused, "{}", server.stderr());
    let said = text(curl(&server, Some(&papers), &[]));
    assert!(
        said.contains("retry-after: 60\r\n") && !said.contains("eueCredentials"),
        "{said}"
    );
    let legacy = s_client(
        &server,
        Service::BootstrapLegacy,
        Some(&papers),
        &[&LEGACY[..], &["-quiet"]].concat(),
        GET,
    );
    assert!(
        legacy.contains("HTTP/1.0 429 Too Many Requests"),
        "over both listeners together: {legacy}"
    );
    assert_eq!(status(&server, &other), "404", "another device is served");
    server.refused(MAC, |reason| reason.contains("requests_per_device"));
}

#[test]
fn a_template_that_is_wrong_is_told_by_line_and_interrupts_nobody() {
    let (mut server, papers) = with_device(MAC);
    server.add_device(MAC, "one.pktc.example.net", "hybrid", &["--var", "line=<7>"]);
    server.start();
    let mut held = fetcher(Service::BootstrapLegacy, &papers)(server.v4(Service::BootstrapLegacy));
    server.edit("hardline.toml", "# template = \"eue.xml\"", "template = \"eue.xml\"");
    assert!(!server.hang_up(), "there is no such file");
    std::fs::write(server.site().join("eue.xml"), "<a>\n{{ device.colour }}</a>").unwrap();
    assert!(!server.hang_up(), "the template names what is not there");
    let config = server.config();
    let check = hardline(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(2));
    for said in [server.stderr(), text(check)] {
        assert!(said.contains("eue.xml:2: a name that is not there"), "{said}");
    }
    // What was connected before still is: nothing was stopped.
    held.set_nonblocking(true).unwrap();
    let end = loop {
        match held.read(&mut [0; 4096]) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(end, Some(std::io::ErrorKind::WouldBlock));
    assert!(text(curl(&server, Some(&papers), &[])).contains("<eueCredentials"));

    std::fs::write(server.site().join("eue.xml"), "<a>{{ device.vars.line }}</a>").unwrap();
    assert!(server.hang_up());
    let said = text(curl(&server, Some(&papers), &[]));
    assert!(said.ends_with("\r\n\r\n<a>&lt;7&gt;</a>"), "{said}");
    server.edit(
        "hardline.toml",
        "#= key = \"pki/bootstrap.key.pem\"",
        "key = \"pki/kdc.key.pem\"",
    );
    assert!(!server.hang_up(), "the key is another certificate's");
    assert_eq!(status(&server, &papers), "200");
}
