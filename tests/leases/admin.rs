//! The admin API: who may change leases and order one-time names, and what comes of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use hardline::settings::Service;
use serde_json::{Value, json};

use super::{RULES, SHARED, address, ago, lease, mac, own, verified};
use crate::support::fetch::tftp;
use crate::support::peers::wait_for;
use crate::support::server::Server;

/// The status and the JSON document of a request to the admin API.
pub(super) fn admin(server: &Server, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
    let out = Command::new("curl")
        .args([
            "--silent",
            "--max-time",
            "20",
            "-X",
            method,
            "-w",
            "\n%{http_code}",
            "--data-binary",
            "@-",
        ])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("http://{}{path}", server.v4(Service::Admin)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            std::io::Write::write_all(&mut child.stdin.take().expect("piped"), body.as_bytes())?;
            child.wait_with_output()
        })
        .expect("curl");
    let text = String::from_utf8(out.stdout).expect("text");
    let (document, status) = text.rsplit_once('\n').expect("a status");
    (
        status.parse().expect("a number"),
        serde_json::from_str(document).expect("JSON"),
    )
}

pub(super) fn token(server: &Server) -> String {
    let text = std::fs::read_to_string(server.site().join("admin.token")).expect("a token");
    text.trim().to_owned()
}

/// Connections that say nothing, and one that never ends its head: they are closed, and meanwhile others are answered.
#[test]
fn the_admin_api_lets_no_slow_client_linger() {
    let mut server = verified(RULES);
    server.start();
    let address = server.v4(Service::Admin);
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    slow[0]
        .write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nX-")
        .expect("sent");
    assert_eq!(admin(&server, "GET", "/health", "", ""), (200, json!({"status": "ok"})));
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the end, and no wait");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
    }
}

#[test]
fn the_admin_api_takes_leases_events_and_orders_of_names_from_who_has_the_token() {
    let mut server = verified(RULES);
    server.start();
    let token = token(&server);
    let udp = server.v4(Service::Tftp);
    for (method, path) in [
        ("GET", "/leases"),
        ("POST", "/leases"),
        ("POST", "/names"),
        ("GET", "/sources"),
        ("DELETE", "/leases/127.3.0.1"),
    ] {
        let other = token.replace(|c: char| c.is_ascii_digit(), "x");
        assert_eq!(admin(&server, method, path, &other, "").0, 401, "{path}");
    }
    let ask = |method: &str, path: &str, body: Value| admin(&server, method, path, &token, &body.to_string());
    let now = ago(0);
    assert_eq!(tftp(&address(1), udp, &own(1)), Err("refused"));
    let granted = json!({"event": "granted", "lease": {"address": address(1), "mac": mac(1), "obtained": now}});
    assert_eq!(ask("POST", "/leases/events", granted).0, 200);
    assert!(tftp(&address(1), udp, &own(1)).is_ok(), "at once");
    let renewed = json!([{"event": "renewed", "lease": {"address": address(1), "mac": mac(1), "obtained": ago(-5)}}]);
    assert_eq!(ask("POST", "/leases/events", renewed).0, 200);
    let (status, shown) = ask("GET", &format!("/leases/{}", address(1)), json!(null));
    assert_eq!(
        (status, &shown["obtained"]),
        (200, &json!(now)),
        "a renewal keeps when it was obtained: {shown}"
    );
    assert!(shown["renewed"].is_string());
    let ended = json!({"event": "ended", "address": address(1)});
    assert_eq!(ask("POST", "/leases/events", ended).0, 200);
    assert_eq!(tftp(&address(1), udp, &own(1)), Err("refused"), "at once");

    let put = json!([{"address": address(2), "mac": mac(2), "obtained": now, "class": "gold"}]);
    assert_eq!(ask("POST", "/leases", put), (200, json!({"stored": 1})));
    assert_eq!(tftp(&address(2), udp, "gold.bin"), Ok(b"gold".to_vec()));
    let (_, list) = ask("GET", "/leases?limit=5", json!(null));
    assert_eq!(list["leases"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask("DELETE", &format!("/leases/{}", address(2)), json!(null)).0, 200);
    assert_eq!(ask("DELETE", &format!("/leases/{}", address(2)), json!(null)).0, 404);
    assert_eq!(tftp(&address(2), udp, "gold.bin"), Err("refused"));

    let sources = ask("GET", "/sources", json!(null)).1;
    assert_eq!(sources["sources"][0]["up"], true);
    let report = ask("GET", "/report", json!(null)).1;
    assert!(
        report["present"]["requests"]
            .as_u64()
            .is_some_and(|requests| requests >= 4),
        "{report}"
    );
    assert_eq!(admin(&server, "GET", "/health", "", ""), (200, json!({"status": "ok"})));
    assert_eq!(admin(&server, "GET", "/ready", "", "").1["ready"], true);

    for (method, path, body, status) in [
        ("POST", "/leases", "", 400),
        ("POST", "/leases", "{\"address\": \"x\"}", 400),
        (
            "POST",
            "/leases",
            "{\"address\": \"127.3.0.1\", \"mac\": \"001122334455\"}",
            400,
        ),
        ("POST", "/leases/events", "{\"event\": \"born\"}", 400),
        ("POST", "/names", "{\"mac\": \"00:00:00:00:00:01\"}", 404),
        (
            "POST",
            "/names",
            "{\"mac\": \"00:11:22:33:55:01\", \"lifetime\": 0}",
            400,
        ),
        ("GET", "/leases/nonsense", "", 400),
        ("GET", "/leases?limit=x", "", 400),
        ("GET", "/nothing", "", 404),
        ("PUT", "/leases", "", 405),
    ] {
        let (answered, document) = admin(&server, method, path, &token, body);
        assert_eq!(answered, status, "{method} {path} {body}: {document}");
        assert!(document["error"]["message"].is_string(), "{document}");
    }
    // A client that closes its side when it has asked, and requests that name no host.
    for (head, status) in [
        ("Host: x\r\n", " 200 "),
        ("Host: a b/c\r\n", " 400 "),
        ("Host: x\r\nHost: y\r\n", " 400 "),
        ("", " 400 "),
    ] {
        let mut stream = TcpStream::connect(server.v4(Service::Admin)).expect("a connection");
        write!(stream, "GET /ready HTTP/1.1\r\n{head}\r\n").expect("sent");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(status), "{head:?}: {answer:?}");
    }
    // What is wrong is told with its place in the list, its field and the reason.
    let good = format!(
        "{{\"address\": \"127.3.0.1\", \"mac\": \"{}\", \"obtained\": \"{now}\"}}",
        mac(1)
    );
    for (path, body, reason) in [
        (
            "/leases",
            "{\"address\": \"127.3.0.1\", \"mac\": \"001122334455\"}".to_owned(),
            "the body: missing field `obtained`",
        ),
        (
            "/leases",
            format!("[{good}, {}]", good.replace(&mac(1), "x:y")),
            "the body: [1].mac: 'x:y' is not a MAC address",
        ),
        (
            "/leases/events",
            "[{\"event\": \"born\"}]".to_owned(),
            "the body: [0].event: unknown variant `born`, expected one of `granted`, `renewed`, `ended`",
        ),
        (
            "/leases/events",
            "{\"event\": \"granted\", \"lease\": {\"address\": \"x\"}}".to_owned(),
            "the body: lease.address: ",
        ),
        (
            "/leases/events",
            "{\"event\": \"renewed\"}".to_owned(),
            "the body: missing field `lease`",
        ),
        (
            "/credentials/used",
            "[{\"mac\": \"zz\"}]".to_owned(),
            "the body: [0].mac: 'zz' is not a MAC address",
        ),
        (
            "/names",
            "{\"mac\": \"001122334455\", \"lifetime\": \"x\"}".to_owned(),
            "the body: lifetime: invalid type",
        ),
    ] {
        let (status, document) = admin(&server, "POST", path, &token, &body);
        let message = document["error"]["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && message.starts_with(reason),
            "{path} {body}: {document}"
        );
    }
    let long = format!("[{}]", " ".repeat(2 << 20));
    assert_eq!(admin(&server, "POST", "/leases", &token, &long).0, 413);
    server.assert_unhurt();
}

#[test]
fn one_time_names_end_with_their_delivery_their_time_and_their_lease() {
    let mut server = verified("");
    lease(&server, 1, &[]);
    lease(&server, 2, &[]);
    server.start();
    let token = token(&server);
    let udp = server.v4(Service::Tftp);
    let order = |body: Value| {
        let (status, made) = admin(&server, "POST", "/names", &token, &body.to_string());
        assert_eq!(status, 201, "{made}");
        made["name"].as_str().expect("a name").to_owned()
    };
    let single = order(json!({"mac": mac(1), "single": true}));
    assert_eq!(single.len(), 36);
    assert_eq!(tftp(&address(2), udp, &single), Err("refused"), "another device");
    let mut probe = Command::new("curl");
    probe.args(["--silent", "--head", "--fail", "--interface", &address(1)]);
    let head = probe
        .arg(format!("http://{}/{single}", server.v4(Service::Http)))
        .output()
        .expect("curl");
    assert!(head.status.success(), "asking for the size uses nothing up");
    let file = tftp(&address(1), udp, &single).expect("the device's own file");
    assert_eq!(Ok(file), tftp(&address(1), udp, &own(1)));
    wait_for("it was used", || tftp(&address(1), udp, &single) == Err("refused"));

    let short = order(json!({"mac": mac(1), "lifetime": 1}));
    wait_for("it has expired", || tftp(&address(1), udp, &short) == Err("refused"));
    let firmware = order(json!({"mac": mac(1), "file": "firmware/a.bin"}));
    assert_eq!(tftp(&address(1), udp, &firmware), Ok(SHARED.to_vec()));
    assert_eq!(
        tftp(&address(1), udp, &firmware),
        Ok(SHARED.to_vec()),
        "it is not for a single download"
    );
    // The device gets another address: the name was made for the lease before.
    server.command(&["lease", "add", "--address", &address(7), "--mac", &mac(1)]);
    wait_for("it is bound to its lease", || {
        tftp(&address(7), udp, &firmware) == Err("refused")
    });

    let by_command = server.command(&["lease", "name", &mac(2), "--single"]);
    assert!(tftp(&address(2), udp, by_command.trim()).is_ok());
    assert_eq!(tftp(&address(2), udp, &"0".repeat(32)), Err("refused"));
    assert_eq!(
        tftp(&address(2), udp, &format!("{}.cfg", "0".repeat(32))),
        Err("refused")
    );
    server.assert_unhurt();
}
