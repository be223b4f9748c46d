//! Each address gets what its lease entitles it to, under every name and by either protocol, and everything else is refused.

use hardline::settings::Service;

use super::{RULES, SHARED, address, ago, lease, mac, own, verified, verify_by_the_table};
use crate::support::client;
use crate::support::fetch::{http, tftp};
use crate::support::peers::wait_for;
use crate::support::server::Server;

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
    let ask = |from: String, name: &str| client::tftp(from.parse().expect("an address"), udp, name);
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
