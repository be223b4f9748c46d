//! Files made for one device.

use std::process::Command;

use super::{fetch, text, write};
use crate::support::server::Server;

#[test]
fn files_follow_the_device_the_lookup_and_the_record() {
    let mut server = Server::install();
    let database = server.site().join("crm.db");
    let made = Command::new("sqlite3")
        .arg(&database)
        .arg("CREATE TABLE s (mac TEXT, port INTEGER); INSERT INTO s VALUES ('00:11:22:aa:bb:01', 5070);")
        .status();
    assert!(made.expect("sqlite3").success());
    let table = format!(
        "[lookup.crm]\nsql = \"sqlite:{}\"\nquery = \"SELECT port FROM s WHERE mac = :mac\"\n\n[cable_modem]",
        database.display()
    );
    server.edit("hardline.toml", "[cable_modem]", &table);
    write(
        &server,
        "phone.tmpl",
        "lookup crm\nvar port: integer(1..65535) = crm.port | default(5060)\n\
         mib PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0 = true\nmib pktcEUEDevSipPort.0 = {{ port }}\n",
    );
    let add = |mac: &str, more: &[&str]| {
        let fqdn = format!("d{}.example.net", &mac[15..]);
        server.add_device(mac, &fqdn, "basic", &[&["--template", "phone"], more].concat());
    };
    add("00:11:22:aa:bb:01", &[]);
    add(
        "00:11:22:aa:bb:02",
        &["--override", "PKTC-IETF-MTA-MIB::pktcMtaDevEnabled.0=false"],
    );
    add("00:11:22:aa:bb:03", &["--var", "port=70000"]);
    add("00:11:22:aa:bb:05", &["--var", "bootstrap=yes"]);
    let render = |mac: &str| server.command(&["template", "render", "--device", mac]);
    let told = render("00:11:22:aa:bb:05");
    assert!(
        told.contains("pktcEUECBEnable.0 truth true") && told.contains("pktcEUECBData.0 string https://"),
        "{told}"
    );
    assert!(render("00:11:22:aa:bb:01").contains("pktcEUEDevSipPort.0 unsigned 5070"));
    let changed = render("00:11:22:aa:bb:02");
    assert!(changed.contains("pktcEUEDevSipPort.0 unsigned 5060"), "{changed}");
    assert!(changed.contains("pktcMtaDevEnabled.0 truth false"), "{changed}");
    let failed = server.run(&["template", "render", "--device", "00:11:22:aa:bb:03"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        text(&failed.stderr).contains("phone.tmpl:2:1: port: '70000' is no whole number from 1 to 65535"),
        "{}",
        text(&failed.stderr)
    );
    // A device of another flow is shown what its file will have: the realm's row, and where it says that it can
    // bootstrap, the trigger.
    server.add_device("00:11:22:aa:bb:06", "d6.example.net", "secure", &[]);
    let plain = render("00:11:22:aa:bb:06");
    assert!(
        plain.contains("pktcMtaDevRealmOrgName") && !plain.contains("pktcEUECB"),
        "{plain}"
    );
    let says = [
        "--device",
        "00:11:22:aa:bb:06",
        "--type-identifier",
        "pktc2.0:05031a0101",
    ];
    let able = server.command(&[&["template", "render"][..], &says].concat());
    assert!(able.contains("pktcEUECBEnable.0 truth true"), "{able}");
    // Export and import keep the changes.
    let file = server.site().join("devices.csv");
    server.command(&["device", "export", file.to_str().expect("UTF-8")]);
    server.command(&["device", "remove", "00:11:22:aa:bb:02"]);
    server.command(&["device", "import", file.to_str().expect("UTF-8")]);
    assert_eq!(render("00:11:22:aa:bb:02"), changed);
    let refused = server.run(&[
        "device",
        "add",
        "--mac",
        "00:11:22:aa:bb:04",
        "--fqdn",
        "x.example.net",
        "--flow",
        "basic",
        "--override",
        "pktcEUEDevSipPort.0=70000",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("pktcEUEDevSipPort.0"),
        "{}",
        text(&refused.stderr)
    );

    // The server makes what the command shows, and one that fails leaves the others alone.
    server.start();
    for mac in ["00:11:22:aa:bb:01", "00:11:22:aa:bb:02", "00:11:22:aa:bb:05"] {
        let (status, octets) = fetch(&server, &format!("phone@{}", mac.replace(':', "")));
        assert_eq!(status, 200);
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            server
                .command(&["template", "render", "--device", mac, "--format", "hex"])
                .trim(),
            hex
        );
    }
    assert_eq!(fetch(&server, "phone@001122aabb03").0, 503);
    assert_eq!(fetch(&server, "phone@001122aabb01").0, 200);
    server.assert_unhurt();
}
