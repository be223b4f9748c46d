//! Real DHCP clients: udhcpc of busybox and ISC's dhclient over IPv6 get their leases from Kea, over a cable of their own, and
//! then their files from Hardline, which asks Kea who they are.

mod support;

use std::process::Command;

use hardline::settings::Service;
use support::dhcp::{Cable, said};
use support::peers::wait_for;
use support::server::Server;

const MAC: &str = "02:11:22:33:77:01";
const OTHER: &str = "02:11:22:33:77:02";

/// The device's own file.
fn own(mac: &str) -> String {
    format!("basic-ietf@{}", mac.replace(':', ""))
}

/// A server at these addresses that asks Kea, strictly, and two devices.
fn verified(listen: &[String], source: &str) -> Server {
    let listen: Vec<&str> = listen.iter().flat_map(|address| ["--listen", address]).collect();
    let mut server = Server::install_with(&listen);
    let rules = "[verify]\nwindow = \"10m\"\non_failure = \"refuse\"\n";
    server.add_settings(&format!("[[lease_source]]\nkind = \"kea\"\n{source}\n{rules}"));
    for (mac, fqdn) in [(MAC, "mta1.example.net"), (OTHER, "mta2.example.net")] {
        server.add_device(mac, fqdn, "basic", &[]);
    }
    server.start();
    server
}

/// Fetches a file with busybox' client at the far end; `None` where it is refused.
fn fetch(cable: &Cable, name: &str, host: &str, port: u16) -> Option<Vec<u8>> {
    let to = cable.path("fetched");
    let _ = std::fs::remove_file(&to);
    let out = cable.attempt(&["busybox", "tftp", "-g", "-l", &to, "-r", name, host, &port.to_string()]);
    match out.status.success() {
        true => Some(std::fs::read(&to).expect("a file")),
        false => {
            let errors = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(errors.contains("server error"), "{errors}");
            None
        }
    }
}

fn rendered(server: &Server, cable: &Cable, family: &str) -> Vec<u8> {
    let to = cable.path("rendered");
    let config = server.config();
    let mut command = Command::new(support::server::PROGRAM);
    command.args([
        "template",
        "render",
        "--device",
        MAC,
        "--name",
        &own(MAC),
        "--format",
        "binary",
        "--address",
        family,
    ]);
    let out = command.args(["--config"]).arg(config).output().expect("hardline");
    std::fs::write(to, &out.stdout).expect("a file");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[test]
fn udhcpc_gets_its_lease_from_kea_and_its_file_from_here() {
    let Some(cable) = Cable::lay(MAC) else { return };
    let here = cable.v4(1);
    let reserved = format!(
        ", \"host-reservation-identifiers\": [\"hw-address\"], \"reservations-global\": true,
        \"next-server\": \"{here}\",
        \"reservations\": [{{\"hw-address\": \"{MAC}\", \"boot-file-name\": \"{}\"}}]",
        own(MAC)
    );
    let (_kea, socket) = cable.kea(4, &reserved);
    let mut server = verified(
        std::slice::from_ref(&here),
        &format!("socket4 = \"{}\"", socket.display()),
    );
    let port = server.settings().listeners(Service::Tftp)[0].port();

    // Before there is a lease, an address that the device gave itself gets nothing.
    let made_up = cable.v4(200);
    cable.inside(&["ip", "addr", "add", &format!("{made_up}/24"), "dev", &cable.far]);
    assert_eq!(fetch(&cable, &own(MAC), &here, port), None);
    server.refused(MAC, |reason| reason.contains("has no lease"));
    cable.inside(&["ip", "addr", "flush", "dev", &cable.far, "scope", "global"]);

    let script = cable.script(
        "bound",
        &format!(
            "case $1 in bound) ip addr add $ip/$mask dev $interface; env >{0}.new; mv {0}.new {0};; esac\n",
            cable.path("lease")
        ),
    );
    let script = script.display().to_string();
    let client = [
        "busybox", "udhcpc", "-i", &cable.far, "-f", "-q", "-n", "-t", "20", "-s", &script,
    ];
    cable.inside(&client);
    let lease = cable.read("lease");
    let (address, name) = (said(&lease, "ip"), said(&lease, "boot_file"));
    assert_eq!((said(&lease, "siaddr"), &*name), (here.clone(), &*own(MAC)), "{lease}");
    assert!(address.starts_with(&cable.v4(0)[..cable.v4(0).len() - 1]), "{address}");

    let file = fetch(&cable, &name, &here, port).expect("its own file");
    assert_eq!(file, rendered(&server, &cable, &address));
    assert_eq!(fetch(&cable, &own(OTHER), &here, port), None, "another device's file");
    server.refused(OTHER, |_| true);
    server.assert_unhurt();
}

#[test]
fn dhclient_gets_its_lease_over_ipv6() {
    let Some(cable) = Cable::lay(MAC) else { return };
    let here = cable.v6(1);
    let (_kea, socket) = cable.kea(
        6,
        ", \"preferred-lifetime\": 600, \"server-id\": {\"type\": \"LL\", \"persist\": false}",
    );
    let mut server = verified(
        std::slice::from_ref(&here),
        &format!("socket6 = \"{}\"", socket.display()),
    );
    let port = server.settings().listeners(Service::Tftp)[0].port();
    let far = cable.far.clone();

    let made_up = cable.v6(0x200);
    cable.inside(&[
        "ip",
        "-6",
        "addr",
        "add",
        &format!("{made_up}/64"),
        "dev",
        &far,
        "nodad",
    ]);
    assert_eq!(fetch(&cable, &own(MAC), &here, port), None);
    server.refused(MAC, |reason| reason.contains("has no lease"));
    cable.inside(&["ip", "-6", "addr", "del", &format!("{made_up}/64"), "dev", &far]);

    // The DUID is the MAC address (LL), or that and the time (LLT).
    for kind in ["LL", "LLT"] {
        let script = cable.script(
            "bound6",
            &format!(
                "case $reason in BOUND6) ip -6 addr add $new_ip6_address/64 dev $interface nodad; env >{0}.new; mv {0}.new {0};; esac\n",
                cable.path(kind)
            ),
        );
        let (script, leases, pid) = (script.display().to_string(), cable.path("leases"), cable.path("pid"));
        let files = ["-sf", &script, "-lf", &leases, "-pf", &pid, "-cf", "/dev/null"];
        let client = cable.start(&[&["dhclient", "-6", "-d", "-D", kind], &files[..], &[&far]].concat());
        wait_for("the lease", || !cable.read(kind).is_empty());
        let address = said(&cable.read(kind), "new_ip6_address");
        let file = fetch(&cable, &own(MAC), &here, port).expect("its own file");
        assert_eq!(file, rendered(&server, &cable, &address), "{kind}");
        assert_eq!(fetch(&cable, &own(OTHER), &here, port), None, "another device's file");
        drop(client);
        cable.inside(&["ip", "-6", "addr", "del", &format!("{address}/64"), "dev", &far]);
        std::fs::remove_file(&leases).expect("leases");
    }
    server.assert_unhurt();
}
