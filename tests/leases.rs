//! Who may have what, judged from outside: curl fetches from addresses with and without a lease, over TFTP and HTTP.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use hardline::settings::Service;
use serde_json::{Value, json};
use support::fetch::{http, tftp};
use support::peers::wait_for;
use support::server::Server;

const SHARED: &[u8] = b"firmware, which anybody may have";

/// An installation whose requests are verified against its own table, with `rules` in `[verify]`.
fn verified(rules: &str) -> Server {
    let server = Server::install();
    verify_by_the_table(&server, rules);
    server
}

fn verify_by_the_table(server: &Server, rules: &str) {
    server.add_settings(&format!("[[lease_source]]\nkind = \"table\"\n[verify]\n{rules}\n"));
    std::fs::create_dir(server.site().join("static/firmware")).expect("a folder");
    server.share("firmware/a.bin", SHARED);
    server.share("gold.bin", b"gold");
    server.share("silver.bin", b"silver");
    for last in 1..=9 {
        server.add_device(mac(last), &format!("mta{last}.example.net"), "basic", &[]);
    }
}

fn mac(last: u8) -> String {
    format!("00:11:22:33:55:{last:02x}")
}

/// The name of the device's own file.
fn own(last: u8) -> String {
    format!("basic-ietf@{}", mac(last).replace(':', ""))
}

/// The address of a device.
fn address(last: u8) -> String {
    format!("127.3.0.{last}")
}

fn lease(server: &Server, last: u8, more: &[&str]) {
    let (address, mac) = (address(last), mac(last));
    server.command(&[&["lease", "add", "--address", &address, "--mac", &mac], more].concat());
}

/// `seconds` ago, as text.
fn ago(seconds: i64) -> String {
    let now = hardline::value::Timestamp::now().unix();
    hardline::value::Timestamp::from_unix(now - seconds).to_string()
}

const RULES: &str = "files = [\"{class}.bin\"]\nshared = [\"firmware/*\"]";

#[test]
fn enforce_serves_each_device_its_own_and_refuses_everything_else() {
    let mut server = verified(RULES);
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--obtained", &ago(100)]);
    lease(&server, 3, &["--obtained", &ago(100), "--renewed", &ago(5)]);
    lease(&server, 4, &["--expires", &ago(1)]);
    server.start();
    let (udp, tcp) = (server.v4(Service::Tftp), server.v4(Service::Http));
    let both = |from: u8, name: &str| {
        let by_tftp = tftp(&address(from), udp, name);
        assert_eq!(by_tftp, http(&address(from), tcp, name), "{from} {name}");
        by_tftp
    };
    assert!(both(1, &own(1)).is_ok_and(|file| file.starts_with(&[0xfe, 1, 1])));
    assert_eq!(both(1, &own(2)), Err("refused"), "another device's file");
    assert_eq!(both(2, &own(2)), Err("refused"), "the window is over");
    assert!(both(3, &own(3)).is_ok(), "a renewal opens it again");
    assert_eq!(both(4, &own(4)), Err("refused"), "the lease is over");
    assert_eq!(both(5, &own(5)), Err("refused"), "there is none");
    assert_eq!(both(1, "gold.bin"), Ok(b"gold".to_vec()));
    assert_eq!(both(1, "silver.bin"), Err("refused"));
    assert_eq!(both(5, "gold.bin"), Err("refused"));
    assert_eq!(both(5, "firmware/a.bin"), Ok(SHARED.to_vec()));
    server.refused(mac(1), |reason| reason.contains("does not entitle"));
    server.refused(mac(2), |reason| reason.contains("the window is 60 s"));

    // A new lease is honoured at once, and one that was taken away no longer.
    lease(&server, 5, &[]);
    wait_for("the lease of 5", || tftp(&address(5), udp, &own(5)).is_ok());
    server.command(&["lease", "remove", &address(5)]);
    wait_for("no lease of 5", || tftp(&address(5), udp, &own(5)) == Err("refused"));
    server.assert_unhurt();
}

#[test]
fn all_of_many_unauthorised_clients_are_refused_and_all_others_served() {
    let mut server = verified("");
    let devices: Vec<u8> = (10..60).collect();
    let table: String = devices
        .iter()
        .map(|&last| format!("{},{},{}\n", address(last), mac(last), ago(0)))
        .collect();
    let file = server.site().join("leases.csv");
    std::fs::write(&file, format!("address,mac,obtained\n{table}")).expect("a file");
    server.command(&["lease", "import", file.to_str().expect("UTF-8")]);
    let records: String = devices
        .iter()
        .map(|&last| format!("{},mta{last}.example.net,basic\n", mac(last)))
        .collect();
    std::fs::write(&file, format!("mac,fqdn,flow\n{records}")).expect("a file");
    server.command(&["device", "import", file.to_str().expect("UTF-8")]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let ask = |from: String, name: &str| support::client::tftp(from.parse().expect("an address"), udp, name);
    for &last in &devices {
        assert!(ask(address(last), &own(last)).is_ok(), "{last}");
        let other = if last == 10 { 59 } else { last - 1 };
        assert_eq!(ask(address(last), &own(other)), Err(2), "{last}: another device's file");
        assert_eq!(ask(format!("127.3.1.{last}"), &own(last)), Err(2), "{last}: no lease");
        assert_eq!(ask(address(last), "gold.bin"), Err(2), "{last}: not entitled");
    }
    server.assert_unhurt();
}

#[test]
fn a_file_that_a_template_makes_is_for_the_device_that_its_name_names() {
    let mut server = verified("files = [\"tier-{class}.bin\"]");
    let template = |name: &str, serve: &str, cpe: &str| {
        let text =
            format!("file cable-modem\nserve \"{serve}\"\nauto cmts-mic off\ntlv NetworkAccess 1\ntlv MaxCPE {cpe}\n");
        std::fs::write(server.site().join("templates").join(name), text).expect("the templates");
    };
    template("modem.tmpl", "cm-{mac:mac}.bin", "3");
    template("gold.tmpl", "tier-gold.bin", "7");
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--class", "silver"]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let digits = |last: u8| mac(last).replace(':', "");
    let max_cpe = |from: u8, name: &str| tftp(&address(from), udp, name).map(|file| file.get(5).copied());
    assert_eq!(max_cpe(1, &format!("cm-{}.bin", digits(1))), Ok(Some(3)));
    let by_template = format!("modem@{}", digits(1));
    assert_eq!(
        max_cpe(1, &by_template),
        Ok(Some(3)),
        "whatever template its record names"
    );
    // A modem of which there is no record.
    lease(&server, 70, &[]);
    wait_for("its own file", || {
        max_cpe(70, &format!("modem@{}", digits(70))) == Ok(Some(3))
    });
    for name in [
        format!("cm-{}.bin", digits(2)),
        format!("modem@{}", digits(2)),
        "modem".into(),
        "gold".into(),
    ] {
        assert_eq!(max_cpe(1, &name), Err("refused"), "{name}");
    }
    assert_eq!(max_cpe(1, "tier-gold.bin"), Ok(Some(7)));
    assert_eq!(max_cpe(2, "tier-gold.bin"), Err("refused"));
    assert_eq!(max_cpe(9, &format!("cm-{}.bin", digits(9))), Err("refused"), "no lease");
    let once = server.command(&["lease", "name", &mac(2), "--file", "tier-gold.bin", "--single"]);
    assert_eq!(max_cpe(2, once.trim()), Ok(Some(7)), "what was ordered for it");
    server.assert_unhurt();
}

/// The first answer to a request with an option: what kind of packet it is, and an ERROR's code.
fn first_answer(from: &str, server: SocketAddr, file: &str, option: [&str; 2]) -> (u16, u16) {
    let socket = UdpSocket::bind((from, 0)).expect("an address of loopback");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let [name, value] = option;
    let options = if name.is_empty() {
        String::new()
    } else {
        format!("{name}\0{value}\0")
    };
    let request = format!("\0\x01{file}\0octet\0{options}");
    socket.send_to(request.as_bytes(), server).expect("sent");
    let mut packet = [0; 600];
    let (length, port) = socket.recv_from(&mut packet).expect("an answer");
    assert!(length >= 4);
    // An ERROR ends what was begun.
    socket.send_to(&[0, 5, 0, 0, 0], port).expect("sent");
    let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    (number(0), if number(0) == 5 { number(2) } else { 0 })
}

#[test]
fn behind_a_cmts_its_word_says_whose_lease_counts_and_nobody_elses_does() {
    const DATA: (u16, u16) = (3, 0);
    const NOT_FOR_YOU: (u16, u16) = (5, 2);
    let mut server = verified("files = [\"{class}.bin\"]");
    server.edit("hardline.toml", "[tftp]\n", "[tftp]\nrelays = [\"127.5.0.0/24\"]\n");
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--class", "silver"]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let from = |peer: &str, file: &str, option: [&str; 2]| first_answer(peer, udp, file, option);
    let (cmts, stranger) = ("127.5.0.1", "127.3.0.9");
    let (first, second) = (address(1), address(2));
    for file in ["gold.bin", &own(1)] {
        assert_eq!(from(cmts, file, ["netaddr", &first]), DATA, "{file}");
        assert_eq!(from(cmts, file, ["netaddr", &second]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(cmts, file, ["hwaddr", &mac(1)]), DATA, "{file}");
        assert_eq!(from(cmts, file, ["hwaddr", &mac(2)]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(stranger, file, ["netaddr", &first]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(stranger, file, ["hwaddr", &mac(1)]), NOT_FOR_YOU, "{file}");
    }
    // Without either the name has to say whose file it is.
    assert_eq!(from(cmts, &own(1), ["", ""]), DATA);
    assert_eq!(from(cmts, "gold.bin", ["", ""]), NOT_FOR_YOU);
    wait_for("the warning", || {
        server
            .stderr()
            .contains("verification by address cannot work behind it")
    });
    server.assert_unhurt();
}

#[test]
fn no_spelling_of_a_name_gets_around_verification() {
    let mut server = verified(RULES);
    lease(&server, 1, &["--class", "gold"]);
    server.start();
    let (udp, tcp) = (server.v4(Service::Tftp), server.v4(Service::Http));
    let device = own(2);
    let upper = device.to_uppercase();
    for name in [
        "silver.bin",
        "/silver.bin",
        "./silver.bin",
        "firmware/../silver.bin",
        "firmware/./../silver.bin",
        "firmware/..%2fsilver.bin",
        "firmware%2f..%2fsilver.bin",
        "%66irmware/../silver.bin",
        "firmware/..%252fsilver.bin",
        "firmware\\..\\silver.bin",
        "gold.bin/../silver.bin",
        "silver.bin/",
        "silver%2ebin",
        "SILVER.BIN",
        &device,
        &upper,
        &format!("firmware/../{device}"),
        &format!("firmware/{device}"),
        &format!("{device}/"),
        &device.replace('@', "%40"),
        &device.replace("33", "%33%33"),
    ] {
        for (by, file) in [
            ("tftp", tftp(&address(1), udp, name)),
            ("http", http(&address(1), tcp, name)),
        ] {
            assert!(
                matches!(file, Err("refused" | "not found" | "malformed")),
                "{by} {name}: {file:?}"
            );
        }
    }
    server.assert_unhurt();
}

#[test]
fn mark_serves_and_reports_and_each_class_has_its_own_mode() {
    let rules = "mode = \"mark\"\n[verify.classes.strict]\nmode = \"enforce\"\nwindow = \"5m\"\n\
                 [verify.classes.free]\nmode = \"off\"\n[report]\ninterval = \"2s\"\n";
    let mut server = Server::install();
    let metrics = server.offer_metrics();
    server.edit("hardline.toml", "[report]\n# Two lines", "# Two lines");
    verify_by_the_table(&server, rules);
    lease(&server, 1, &["--class", "strict", "--obtained", &ago(200)]);
    lease(&server, 2, &["--class", "strict", "--obtained", &ago(400)]);
    lease(&server, 3, &["--class", "free", "--obtained", &ago(400)]);
    lease(&server, 4, &["--obtained", &ago(400)]);
    server.start();
    let udp = server.v4(Service::Tftp);
    assert!(tftp(&address(1), udp, &own(1)).is_ok());
    assert_eq!(tftp(&address(2), udp, &own(2)), Err("refused"));
    assert!(tftp(&address(3), udp, &own(3)).is_ok());
    assert!(tftp(&address(4), udp, &own(4)).is_ok(), "marked");
    assert_eq!(tftp(&address(9), udp, "silver.bin"), Ok(b"silver".to_vec()), "marked");
    // The end of a transfer is told when its client has gone already.
    wait_for("silver.bin was delivered", || {
        server
            .stderr()
            .lines()
            .any(|line| line.contains("file delivered") && line.contains("silver.bin"))
    });
    let log = server.stderr();
    let line = |needle: &[&str]| log.lines().any(|line| needle.iter().all(|word| line.contains(word)));
    assert!(
        line(&[
            "file requested",
            "verdict=\"marked\"",
            "the client has no lease",
            "silver.bin"
        ]),
        "{log}"
    );
    assert!(
        line(&["file delivered", "silver.bin", "bytes=6", "ms=", "retransmissions=0"]),
        "{log}"
    );
    assert!(
        line(&["file not delivered", "result=\"refused\"", "the window is 300 s"]),
        "{log}"
    );
    let metrics = http("127.0.0.1", metrics, "metrics").expect("metrics");
    let metrics = String::from_utf8(metrics).expect("text");
    let counted = |name: &str, labels: &[&str]| {
        let mut lines = metrics.lines();
        lines.any(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
    };
    assert!(
        counted(
            "hardline_delivery_requests_total",
            &["verdict=\"marked\"", "class=\"none\""]
        ),
        "{metrics}"
    );
    assert!(
        counted(
            "hardline_delivery_refused_total",
            &["reason=\"window\"", "class=\"strict\""]
        ),
        "{metrics}"
    );
    assert!(
        counted("hardline_lease_source_up", &["source=\"table\"", " 1"]),
        "{metrics}"
    );
    assert!(
        counted(
            "hardline_lease_lookup_seconds_bucket",
            &["result=\"lease\"", "le=\"0.5\""]
        ),
        "{metrics}"
    );
    // On a slow machine the requests fall into more than one report.
    for found in ["127.3.0.9", "\"window\\\":1"] {
        wait_for("usage reports", || {
            let log = server.stderr();
            log.lines()
                .any(|line| line.contains("by_class") && line.contains(found))
        });
    }
    server.assert_unhurt();
}

/// The status and the JSON document of a request to the admin API.
fn admin(server: &Server, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
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

fn token(server: &Server) -> String {
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

#[test]
fn a_cmts_fetches_for_its_devices_by_names_and_not_by_address() {
    let mut server = verified(RULES);
    server.add_settings("[[cmts]]\nname = \"blind\"\naddresses = [\"127.3.0.200\"]\n");
    let warned = server.command(&["check"]);
    assert!(
        warned.contains("warning: ") && warned.contains("behind 'blind'"),
        "{warned}"
    );
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--obtained", &ago(100)]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let cmts = "127.3.0.200";
    assert!(tftp(cmts, udp, &own(1)).is_ok(), "the name tells whose it is");
    assert_eq!(tftp(cmts, udp, &own(2)), Err("refused"), "and its lease is too old");
    assert_eq!(tftp(cmts, udp, &own(3)), Err("refused"), "and it has none");
    assert_eq!(tftp("127.3.0.201", udp, &own(1)), Err("refused"), "no CMTS");
    assert_eq!(tftp(cmts, udp, "gold.bin"), Err("refused"));
    assert_eq!(tftp(cmts, udp, "gold.bin"), Err("refused"));
    let once = server.command(&["lease", "name", &mac(1), "--single"]);
    assert!(tftp(cmts, udp, once.trim()).is_ok());
    let log = server.stderr();
    assert_eq!(
        log.matches("verification by address cannot work behind it").count(),
        1,
        "{log}"
    );
    server.assert_unhurt();
}

#[test]
fn the_table_goes_out_and_back() {
    let server = Server::install();
    lease(
        &server,
        1,
        &[
            "--class",
            "a,b",
            "--lifetime",
            "600",
            "--cm",
            "001122334401",
            "--relay",
            "192.0.2.1",
        ],
    );
    lease(&server, 2, &[]);
    let before = server.command(&["lease", "list", "--json"]);
    assert_eq!(before.lines().count(), 2);
    for name in ["out.csv", "out.jsonl"] {
        let file = server.site().join(name);
        let file = file.to_str().expect("UTF-8");
        server.command(&["lease", "export", file]);
        server.command(&["lease", "remove", &address(1)]);
        server.command(&["lease", "remove", &mac(2)]);
        assert_eq!(server.command(&["lease", "list", "--json"]), "");
        server.command(&["lease", "import", file]);
        assert_eq!(server.command(&["lease", "list", "--json"]), before, "{name}");
    }
    let shown = server.json(&["lease", "show", &address(1)]);
    assert_eq!((&shown["mac"], &shown["class"]), (&json!(mac(1)), &json!("a,b")));
    assert_eq!(server.json(&["lease", "show", &mac(1)])["leases"][0], shown);
    let bad = server.site().join("bad.csv");
    std::fs::write(
        &bad,
        format!("address,mac,obtained\n127.3.0.9,{},{}\nx,y,z\n", mac(9), ago(1)),
    )
    .expect("a file");
    let import = ["lease", "import", bad.to_str().unwrap()];
    let out = server.run(&import);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("bad.csv:3: "), "{out:?}");
    assert_eq!(server.command(&["lease", "list", "--json"]), before);
    assert_eq!(
        server.run(&[&import[..], &["--skip-bad"]].concat()).status.code(),
        Some(0)
    );
    assert_eq!(server.command(&["lease", "list", "--json"]).lines().count(), 3);
    for (args, code) in [
        (&["lease", "show", "127.3.0.77"][..], 1),
        (&["lease", "show", "x"], 2),
        (&["lease", "add", "--address", "x"], 2),
    ] {
        let out = server.run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}");
    }
    assert_eq!(server.json(&["lease", "sources"])["sources"], json!([]));
}
